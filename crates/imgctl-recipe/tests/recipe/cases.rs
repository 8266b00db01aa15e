//! Each `tests/cases/NAME.yaml` with the findings in `NAME.findings`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use imgctl_recipe::{Outcome, RecipeSource, Settings, Severity, read};

use crate::host::Folder;
use crate::{compare, files};

/// Findings as text: place, message, what is marked, key path, hint.
fn shown(outcome: &Outcome) -> String {
    let mut out = String::new();
    for finding in &outcome.findings {
        let text = outcome.sources.text_of(&finding.origin);
        let marked = text.get(finding.span.clone()).expect("a span is inside the text");
        writeln!(out, "{finding}").unwrap();
        writeln!(out, "    at {:?}, key {:?}", marked, finding.origin.key).unwrap();
        if let Some(hint) = &finding.hint {
            writeln!(out, "    hint: {hint}").unwrap();
        }
    }
    out
}

#[test]
fn findings_are_as_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = files(&folder, ".yaml");
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for path in &cases {
        let text = fs::read(path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        let outcome = read(
            RecipeSource { name, text: &text },
            &Settings::default(),
            &Folder::new(&folder),
        );
        let errors = outcome
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        assert_eq!(outcome.recipe.is_none(), errors > 0, "{}", path.display());
        assert!(!outcome.findings.is_empty(), "{} has no finding", path.display());
        for finding in &outcome.findings {
            check_style(&finding.message);
        }
        if let Err(difference) = compare(&path.with_extension("findings"), &shown(&outcome)) {
            failures.push(difference);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Lower case at the start, no period at the end, one line.
fn check_style(message: &str) {
    let first = message.chars().next().expect("a message says something");
    assert!(!first.is_uppercase() || message.starts_with("YAML"), "{message}");
    assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
}

#[test]
fn every_expectation_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for path in files(&folder, ".findings") {
        assert!(path.with_extension("yaml").exists(), "{} has no recipe", path.display());
    }
}
