//! Rust sources: module docs, length, names, `unsafe`, ignored tests.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::functions::functions;
use super::scan::{code_only, words};
use super::workspace::Workspace;

const MOST_LINES: usize = 800;
const MOST_FUNCTION_LINES: usize = 70;
const BANNED_NAMES: &[&str] = &[
    "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
];
/// The one crate that talks to the kernel below what safe libraries offer.
const MAY_BE_UNSAFE: &str = "crates/imgctl-sandbox";

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in workspace.sources() {
        findings.extend(check_source(file, &workspace.text(file)?));
    }
    Ok(findings)
}

fn check_source(file: &Path, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let mut findings = Vec::new();
    let mut find = |line: usize, message: String| findings.push(Finding::new(file, line, message));
    if !text.starts_with("//! ") {
        find(1, "the first line must be the module's documentation (//!)".to_owned());
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        find(0, format!("{lines} lines, at most {MOST_LINES}"));
    }
    for name in file.iter().filter_map(|part| part.to_str()) {
        let stem = name.strip_suffix(".rs").unwrap_or(name);
        if BANNED_NAMES.contains(&stem) {
            find(0, format!("`{stem}` says nothing about what is inside"));
        }
    }
    for function in functions(text)
        .into_iter()
        .filter(|function| function.lines > MOST_FUNCTION_LINES)
    {
        let (name, lines) = (function.name, function.lines);
        find(
            function.line,
            format!("function `{name}` has {lines} lines, at most {MOST_FUNCTION_LINES}"),
        );
    }
    for (line, word) in words(&code) {
        if word == "unsafe" && !file.starts_with(MAY_BE_UNSAFE) {
            find(line, format!("`unsafe` is only allowed in {MAY_BE_UNSAFE}"));
        }
    }
    for (index, line) in code.lines().enumerate() {
        if line.trim_start().starts_with("#[ignore") {
            find(index + 1, "a test must not be ignored".to_owned());
        }
        if !line.is_ascii() {
            find(index + 1, "names are ASCII".to_owned());
        }
    }
    let is_direction_mark =
        |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    for (index, _) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(is_direction_mark))
    {
        find(
            index + 1,
            "an invisible character changes how this line reads".to_owned(),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, text: &str) -> Vec<String> {
        check_source(Path::new(file), text)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_plain_module_passes() {
        let text =
            "//! Words, unsafe ones and `#[ignore]` in text, too.\n\nfn a() -> &'static str {\n    \"unsafe\"\n}\n";
        assert_eq!(messages("crates/x/src/a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn missing_docs_bad_names_and_unsafe_are_found() {
        let found = messages("crates/x/src/utils.rs", "fn a() {\n    unsafe { b() }\n}\n");
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("src/utils.rs:1: the first line"), "{found:?}");
        assert!(found[1].contains("`utils` says nothing"), "{found:?}");
        assert!(found[2].contains("utils.rs:2: `unsafe`"), "{found:?}");
        assert!(messages("crates/imgctl-sandbox/src/a.rs", "//! A.\nfn a() { unsafe { b() } }\n").is_empty());
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(
            messages("a.rs", "//! A.\n#[ignore = \"slow\"]\nfn a() {}\n"),
            ["a.rs:2: a test must not be ignored"]
        );
    }

    #[test]
    fn length_is_bounded() {
        let body = "    a();\n".repeat(71);
        let text = format!("//! A.\nfn long() {{\n{body}}}\n{}", "\n".repeat(800));
        let found = messages("a.rs", &text);
        assert_eq!(
            found,
            [
                "a.rs: 874 lines, at most 800",
                "a.rs:2: function `long` has 71 lines, at most 70"
            ]
        );
    }
}
