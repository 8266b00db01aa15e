//! Real recipes, changed at random thousands of times: every change ends in findings or a recipe that can be planned.

use std::fs;
use std::path::{Path, PathBuf};

use imgctl_recipe::{GuestFacts, Host, HostFileError, RecipeSource, Settings, read};
use proptest::prelude::*;

use crate::{files, repository};

/// Has every file, each with the same recipe, and every environment variable.
#[derive(Debug)]
struct Everything;

const OTHER: &str = "\
apiVersion: imgctl/v1
kind: Recipe
vars: { a: { type: list, default: [x, y] }, release: \"1\" }
files: [{ path: /other, content: \"${{ vars.release }}\", when: os != \"debian\" }]
";

impl Host for Everything {
    fn check_file(&self, _path: &Path) -> Result<(), HostFileError> {
        Ok(())
    }

    fn read_file(&self, _path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        Ok(OTHER.into())
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        Some(b"swordfish".to_vec())
    }
}

/// The recipes of this repository: examples, right and wrong ones.
fn seeds() -> Vec<Vec<u8>> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths = files(&repository("examples"), ".yaml");
    paths.extend(files(&cases, ".yaml"));
    paths.extend(files(&cases.join("valid"), ".yaml"));
    // Directives hold secrets in the open: moved into the recipe they would be its own text.
    let seed = |path: &PathBuf| -> Vec<u8> {
        let text = fs::read(path).unwrap();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.starts_with(b"#! "))
            .flatten()
            .copied()
            .collect()
    };
    let mut seeds: Vec<Vec<u8>> = paths.iter().map(seed).collect();
    seeds.push(OTHER.into());
    seeds
}

/// One change: where (as a part of the length), what, and how much.
#[derive(Clone, Debug)]
enum Mutation {
    Byte(f64, u8),
    Remove(f64, usize),
    Repeat(f64, usize, usize),
    Insert(f64, &'static str),
    Move(f64, usize, f64),
}

const PIECES: &[&str] = &[
    "${{ vars.a }}",
    "${{",
    "}}",
    "$${{ x }}",
    "when: os == \"debian\"\n",
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|",
    "&a ",
    "*a",
    "!x ",
    "no",
    "~",
    "0755",
    "1.10",
    "extends: [other.yaml]\n",
    "vars:\n  a: x\n",
    "secrets: { s: { env: S } }\n",
    "${{ secrets.s }}",
    "\t",
    "\u{feff}",
    "\u{202e}",
    "---\n",
    "#",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = || 0.0..1.0_f64;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (place(), 1..40_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (place(), 1..40_usize, 1..30_usize).prop_map(|(at, count, times)| Mutation::Repeat(at, count, times)),
        (place(), prop::sample::select(PIECES)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (place(), 1..60_usize, place()).prop_map(|(at, count, to)| Mutation::Move(at, count, to)),
    ]
}

fn mutate(text: &mut Vec<u8>, mutation: &Mutation) {
    let length = text.len();
    let index = |part: f64| ((part * length as f64) as usize).min(length);
    let range = |at: f64, count: usize| index(at)..(index(at) + count).min(length);
    match mutation {
        Mutation::Byte(at, byte) => {
            if let Some(place) = text.get_mut(index(*at)) {
                *place = *byte;
            }
        }
        Mutation::Remove(at, count) => drop(text.drain(range(*at, *count))),
        Mutation::Repeat(at, count, times) => {
            let piece = text[range(*at, *count)].repeat(*times);
            let at = index(*at);
            text.splice(at..at, piece);
        }
        Mutation::Insert(at, piece) => {
            let at = index(*at);
            text.splice(at..at, piece.bytes());
        }
        Mutation::Move(at, count, to) => {
            let piece: Vec<u8> = text.drain(range(*at, *count)).collect();
            let to = ((to * text.len() as f64) as usize).min(text.len());
            text.splice(to..to, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(6000),
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(0x1a6_3c71),
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_recipes_end_in_findings_or_plans(
        seed in prop::sample::select(seeds()),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut text = seed;
        for mutation in &mutations {
            mutate(&mut text, mutation);
        }
        let name = Path::new("dir/r.yaml");
        let settings = Settings { set: vec!["release=2".into()], files: Vec::new() };
        let outcome = read(RecipeSource { name, text: &text }, &settings, &Everything);
        for finding in &outcome.findings {
            let text = outcome.sources.text_of(&finding.origin);
            prop_assert!(text.get(finding.span.clone()).is_some(), "{}", finding);
            prop_assert!(!finding.message.contains("swordfish"), "{}", finding);
            prop_assert!(!finding.hint.as_ref().is_some_and(|hint| hint.contains("swordfish")), "{}", finding);
        }
        if let Some(recipe) = outcome.recipe {
            for os in ["debian", "rocky", ""] {
                let guest = GuestFacts { os: os.into(), version: "9.6".into(), ..GuestFacts::default() };
                if let Err(findings) = recipe.plan(&guest) {
                    prop_assert!(!findings.is_empty());
                }
            }
        }
    }
}
