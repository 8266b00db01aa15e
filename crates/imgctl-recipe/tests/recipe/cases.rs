//! Each `tests/cases/NAME.yaml` with the findings in `NAME.findings`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use imgctl_recipe::{Finding, GuestFacts, RecipeSource, Settings, Severity, Sources, read};

use crate::host::Folder;
use crate::{compare, files};

/// Findings as text: place, message, what is marked, key path, hint.
fn shown(findings: &[Finding], sources: &Sources) -> String {
    let mut out = String::new();
    for finding in findings {
        let text = sources.text_of(&finding.origin);
        let marked = text.get(finding.span.clone()).expect("a span is inside the text");
        writeln!(out, "{finding}").unwrap();
        writeln!(out, "    at {:?}, key {:?}", marked, finding.origin.key).unwrap();
        if let Some(hint) = &finding.hint {
            writeln!(out, "    hint: {hint}").unwrap();
        }
    }
    out
}

/// What a case's first lines ask for: `#! set a=b`, `#! vars FILE`, `#! env A=b`, `#! guest OS VERSION ARCH`.
struct Circumstances {
    settings: Settings,
    host: Folder,
    guest: Option<GuestFacts>,
}

impl Circumstances {
    fn of(text: &[u8], folder: &Path) -> Self {
        let mut settings = Settings::default();
        let mut host = Folder::new(folder);
        let mut guest = None;
        let text = String::from_utf8_lossy(text);
        for line in text.lines().map_while(|line| line.strip_prefix("#! ")) {
            match line.split_once(' ').expect("a directive has a value") {
                ("set", setting) => settings.set.push(setting.to_owned()),
                ("vars", file) => settings.files.push(file.into()),
                ("env", variable) => {
                    let (name, value) = variable.split_once('=').expect("a variable has a value");
                    host = host.with_variable(name, &value.replace("\\n", "\n"));
                }
                ("guest", facts) => {
                    let mut facts = facts.split(' ').map(str::to_owned);
                    let mut next = || facts.next().unwrap_or_default();
                    guest = Some(GuestFacts {
                        os: next(),
                        version: next(),
                        arch: next(),
                        ..GuestFacts::default()
                    });
                }
                other => panic!("unknown directive {other:?}"),
            }
        }
        Self { settings, host, guest }
    }
}

#[test]
fn findings_are_as_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = files(&folder, ".yaml");
    assert!(cases.len() >= 100, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for path in &cases {
        let text = fs::read(path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        let circumstances = Circumstances::of(&text, &folder);
        let outcome = read(
            RecipeSource { name, text: &text },
            &circumstances.settings,
            &circumstances.host,
        );
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        let failed = outcome.findings.iter().any(is_error);
        assert_eq!(outcome.recipe.is_none(), failed, "{}", path.display());
        let mut findings = outcome.findings;
        if let Some((recipe, guest)) = outcome.recipe.as_ref().zip(circumstances.guest.as_ref()) {
            let refused = recipe.plan(guest).expect_err("a case for one guest is refused there");
            assert!(refused.iter().any(is_error), "{}", path.display());
            findings.extend(refused);
        }
        assert!(!findings.is_empty(), "{} has no finding", path.display());
        for finding in &findings {
            check_style(&finding.message);
        }
        let shown = shown(&findings, &outcome.sources);
        assert!(!shown.contains("swordfish"), "{} tells the secret", path.display());
        if let Err(difference) = compare(&path.with_extension("findings"), &shown) {
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
