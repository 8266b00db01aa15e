//! Any bytes end in findings or a plan, in time and without a panic.

use std::path::Path;
use std::time::{Duration, Instant};

use imgctl_recipe::{Host, HostFileError, MAX_RECIPE_BYTES, Outcome, RecipeSource, Settings, Severity, read};
use proptest::prelude::*;

/// Has every file but one.
#[derive(Debug)]
struct Fake;

impl Host for Fake {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        match path.ends_with("missing") {
            true => Err(HostFileError::NotFound),
            false => Ok(()),
        }
    }

    fn read_file(&self, path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        self.check_file(path).map(|()| b"a: ${{ vars.a }}\n".to_vec())
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        (name == "SET").then(|| b"value".to_vec())
    }
}

fn outcome(text: &[u8]) -> Outcome {
    let outcome = read(
        RecipeSource {
            name: Path::new("r.yaml"),
            text,
        },
        &Settings::default(),
        &Fake,
    );
    let failed = outcome
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    assert_eq!(outcome.recipe.is_none(), failed);
    assert!(outcome.findings.len() <= 1001);
    for finding in &outcome.findings {
        let text = outcome.sources.text_of(&finding.origin);
        assert!(text.get(finding.span.clone()).is_some(), "{finding}");
        assert!(finding.origin.line >= 1 && finding.origin.column >= 1, "{finding}");
        assert!(!finding.message.is_empty() && finding.message.len() < 2000, "{finding}");
        assert!(!finding.message.chars().any(char::is_control), "{finding}");
    }
    outcome
}

const HEAD: &str = "apiVersion: imgctl/v1\nkind: Recipe\n";

/// Refuses the text in time, whether it is 10 MB or just below the limit: within a second on an idle machine.
fn refused_in_time(name: &str, head: &str, unit: &str, tail: &str) {
    for size in [10_000_000, MAX_RECIPE_BYTES - head.len() - tail.len() - unit.len()] {
        let text = format!("{head}{}{tail}", unit.repeat(size / unit.len()));
        let started = Instant::now();
        let outcome = outcome(text.as_bytes());
        let took = started.elapsed();
        assert!(outcome.recipe.is_none(), "{name} gave a plan");
        // Beside other tests on a busy machine.
        assert!(took < Duration::from_secs(5), "{name} with {size} bytes took {took:?}");
    }
}

#[test]
fn hostile_recipes_are_refused_in_time() {
    let nested = format!("a: {}", "[".repeat(250));
    for (name, head, unit, tail) in [
        ("flow depth", "a: ", "[", ""),
        ("flow width", "a: [", "1,", ""),
        ("flow depth and width", nested.as_str(), "1,", ""),
        ("block depth", "", "- ", ""),
        ("explicit keys", "", "? ", ""),
        ("aliases", "a: &a [x]\nb:\n", "- *a\n", ""),
        ("anchors", "a:\n", "- &a x\n", ""),
        ("documents", "", "---\na\n", ""),
        ("unknown keys", HEAD, "x0: 1\n", ""),
        ("duplicate keys", HEAD, "files: []\n", ""),
        ("null files", &format!("{HEAD}files:\n"), "- \n", ""),
        ("tiny files", &format!("{HEAD}files:\n"), "- {path: /}\n", ""),
        (
            "bad modes on one line",
            &format!("{HEAD}files: ["),
            "{path: /, mode: 0755},",
            "]",
        ),
        (
            "same units",
            &format!("{HEAD}services: {{ enable: ["),
            "ssh,",
            "], mask: [ssh] }",
        ),
        ("long key", HEAD, "k", ": 1\n"),
        ("long value", &format!("{HEAD}hostname: "), "ä", "\n"),
        (
            "expressions",
            &format!("{HEAD}files:\n"),
            "- {path: /a, line: x, match: '\\w{99}{9}'}\n",
            "",
        ),
        (
            "long expressions",
            &format!("{HEAD}files:\n"),
            "- {path: /a, line: x, match: '(\\w{9}|\\pL+\\s*)*'}\n",
            "",
        ),
        (
            "globs",
            &format!("{HEAD}files:\n"),
            "- {path: '/{a,b}{c,d}*[x-z]?/', state: absent}\n",
            "- 5\n",
        ),
        ("carriage returns", HEAD, "\r", "x"),
        ("colons", "", ":", ""),
        ("quotes", "a: \"", "\\u0041", ""),
        ("NULs", "", "\0", ""),
        ("invalid UTF-8 after much text", HEAD, "# \n", "\u{0}"),
    ] {
        refused_in_time(name, head, unit, tail);
    }
}

#[test]
fn different_keys_and_units_in_great_number_are_refused_in_time() {
    let keys: String = (0..80_000).map(|i| format!("key{i}: 1\n")).collect();
    let enable: Vec<String> = (0..40_000).map(|i| format!("u{i}")).collect();
    let list = enable.join(",");
    let units = format!("{HEAD}services: {{ enable: [{list}], mask: [{list}] }}\n");
    for text in [keys, units] {
        let started = Instant::now();
        assert!(outcome(text.as_bytes()).recipe.is_none());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[test]
fn ten_megabytes_are_refused_by_their_size_alone() {
    for unit in [
        "a: &a [x]\n",
        "- *a\n",
        "[",
        "{a: ",
        "- ",
        "? ",
        "a: 1\n",
        "\u{0}",
        "${{ vars.a }} ",
    ] {
        let text = unit.repeat(10_000_000 / unit.len());
        let outcome = outcome(text.as_bytes());
        let messages: Vec<&str> = outcome
            .findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [format!("the recipe is larger than {MAX_RECIPE_BYTES} bytes")],
            "{unit:?}"
        );
    }
}

#[test]
fn nesting_ends_at_a_fixed_depth() {
    for (head, open) in [("a: ", "["), ("a: ", "{a: "), ("", "- "), ("a: ", "[{a: ")] {
        let messages = |depth: usize| {
            let outcome = outcome(format!("{head}{}", open.repeat(depth)).as_bytes());
            let messages = outcome.findings.into_iter().map(|finding| finding.message);
            messages.collect::<Vec<_>>().join("; ")
        };
        // The parser has a limit of its own, for what it looks ahead.
        let refused = |depth| messages(depth).contains("nested") || messages(depth).contains("recursion limit");
        let per_unit = open.matches(['[', '{', '-']).count();
        for depth in [65, 200, 100_000] {
            assert!(
                refused(depth / per_unit + 1),
                "{open}: {}",
                messages(depth / per_unit + 1)
            );
        }
        assert!(!refused(60 / per_unit), "{open}: {}", messages(60 / per_unit));
    }
}

#[test]
fn what_variables_become_is_bounded() {
    let vars = format!(
        "vars: {{ a: \"{}\", l: {{ type: list, default: [{}] }} }}\n",
        "x".repeat(3000),
        "a,".repeat(3000)
    );
    let references = "${{ vars.a }}".repeat(6000);
    let lists = "\"${{ vars.l }}\",".repeat(3000);
    for text in [
        format!("{HEAD}{vars}files: [{{ path: /a, content: \"{references}\" }}]\n"),
        format!("{HEAD}{vars}services: {{ enable: [{lists}] }}\n"),
    ] {
        let outcome = outcome(text.as_bytes());
        assert!(outcome.recipe.is_none());
        assert_eq!(outcome.findings[0].message, "what the variables become is too large");
    }
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let text = format!("{HEAD}services:\n  enable:\n{}", "    - 'a b'\n".repeat(3000));
    let outcome = outcome(text.as_bytes());
    assert_eq!(outcome.findings.len(), 1001);
    assert_eq!(
        outcome.findings.last().unwrap().message,
        "2000 more findings are not listed"
    );
}

/// Pieces that recipes are made of, right and wrong.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "apiVersion: imgctl/v1\n", "kind: Recipe\n", "files:\n", "  - ", "path: ", "/etc/motd", "\n    ",
    "mode: ", "0755", "\"0644\"", "state: absent", "content: ", "|\n", "      text\n", "source: missing",
    "users:\n", "name: ", "services:", " {", "}", "[", "]", ", ", "enable: ", "mask: ", "[ssh]", "reset:\n",
    "  profile: golden\n", "outputs: ", "images: ", "hostname: ", "golden", "no", "~", "1.10", "&a ", "*a",
    "!!str ", "---\n", "...\n", "? ", ": ", "#", "'", "\"", "\\", "\t", "\r\n", "\u{feff}", "ä", "\u{1F600}",
    "\0", "${{ x }}", "line: x\n", "match: '('\n", "ssh_authorized_keys: ", "\n", "  ", "- ", "<<: ",
    "target: x", "type: symlink", "%YAML 1.2\n", "labels: {a: b}", "metadata: ", "level: 5", "compression: ",
    "packages: ", "extends: ", "other.yaml", "vars:\n", "a: x\n", "${{ vars.a }}", "$${{", "}}", "when: ", "os == \"debian\"",
    "vars.a != \"\"", " and ", "not ", "exists(\"x\")", "secrets:\n", "env: SET", "${{ secrets.s }}", "template: x",
    "type: list, default: [a]", "required: true", "verify:\n", "${{ build.key12 }}",
];

/// Words of conditions.
const CONDITIONS: &[&str] = &[
    "os",
    "version",
    "arch",
    "os_like",
    "vars.a",
    "vars.b",
    "secrets.s",
    "\"debian\"",
    "'x'",
    "9.6",
    "==",
    "!=",
    "<",
    ">=",
    "in",
    "[",
    "]",
    ",",
    "(",
    ")",
    "not",
    "!",
    "and",
    "or",
    "&&",
    "||",
    "exists",
    "true",
    "=",
    "\"",
    "${{",
    "ä",
];

fn fragments() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_panic_on_conditions(words in prop::collection::vec(prop::sample::select(CONDITIONS), 0..12)) {
        let condition = words.join(" ").replace('\'', "''");
        outcome(format!("{HEAD}vars: {{ a: x }}\nfiles: [{{ path: /a, content: x, when: '{condition}' }}]\n").as_bytes());
    }

    #[test]
    fn no_panic_on_references(text in "(\\$|\\{|\\}| |vars\\.a|secrets\\.s|x|\\.){0,24}") {
        outcome(format!("{HEAD}vars: {{ a: x }}\nsecrets: {{ s: {{ env: SET }} }}\nfiles: [{{ path: /a, content: \"{text}\" }}]\n").as_bytes());
    }

    #[test]
    fn no_panic_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        outcome(&bytes);
    }

    #[test]
    fn no_panic_on_text(text in "\\PC{0,120}") {
        outcome(format!("{HEAD}{text}").as_bytes());
    }

    #[test]
    fn no_panic_on_fragments(text in fragments()) {
        outcome(text.as_bytes());
        outcome(format!("{HEAD}{text}").as_bytes());
    }

    #[test]
    fn no_panic_on_values(key in "(hostname|metadata|users|files|services|reset|outputs)", value in "\\PC{0,60}") {
        outcome(format!("{HEAD}{key}: {value}\n").as_bytes());
        outcome(format!("{HEAD}files: [{{ path: {value:?}, target: {value:?}, mode: {value:?}, match: {value:?}, line: x }}]\n").as_bytes());
        outcome(format!("{HEAD}files: [{{ path: {value:?}, state: absent }}]\nusers: [{{ name: {value:?}, ssh_authorized_keys: [{value:?}] }}]\n").as_bytes());
    }
}
