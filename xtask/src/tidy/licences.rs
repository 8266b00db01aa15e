//! Licences of the dependencies, against the list in `deny.toml` (cargo-deny reads the same one).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let allowed = allow_list(&workspace.text(Path::new("deny.toml"))?);
    let mut findings = Vec::new();
    if allowed.is_empty() {
        findings.push(Finding::new("deny.toml", 0, "no `allow = [...]` in [licenses]"));
    }
    for package in &workspace.foreign {
        let refused = match &package.licence {
            None => Some("names no licence".to_owned()),
            Some(licence) if is_allowed(licence, &allowed) => None,
            Some(licence) => Some(format!("is licensed as {licence}, which deny.toml does not allow")),
        };
        findings.extend(refused.map(|reason| Finding::new("Cargo.lock", 0, format!("{} {reason}", package.id))));
    }
    Ok(findings)
}

/// The strings of `allow = [...]` in the section `[licenses]`.
fn allow_list(text: &str) -> BTreeSet<String> {
    let section = text.split("[licenses]").nth(1).unwrap_or_default();
    let list = section
        .split("allow = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be satisfied with the allowed licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Old manifests write "MIT/Apache-2.0" for OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let satisfied = any_of(&mut rest, allowed);
    satisfied && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut satisfied = all_of(rest, allowed);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        satisfied |= all_of(rest, allowed);
    }
    satisfied
}

fn all_of(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut satisfied = term(rest, allowed);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        satisfied &= term(rest, allowed);
    }
    satisfied
}

fn term(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let satisfied = any_of(rest, allowed);
            if let [")", after @ ..] = *rest {
                *rest = after;
            }
            satisfied
        }
        [name, "WITH", exception, after @ ..] => {
            *rest = after;
            allowed.contains(&format!("{name} WITH {exception}")) || allowed.contains(*name)
        }
        [name, after @ ..] => {
            *rest = after;
            allowed.contains(*name)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> BTreeSet<String> {
        allow_list(
            "[advisories]\nallow = [\"X\"]\n[licenses]\n# why\nallow = [\n  \"MIT\",\n  \"Apache-2.0\",\n  \"Zlib\",\n]\n",
        )
    }

    #[test]
    fn reads_the_list_of_its_section() {
        assert_eq!(allowed().into_iter().collect::<Vec<_>>(), ["Apache-2.0", "MIT", "Zlib"]);
    }

    #[test]
    fn one_side_of_or_and_both_of_and() {
        for expression in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR GPL-2.0) AND Zlib",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_allowed(expression, &allowed()), "{expression}");
        }
        for expression in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(GPL-3.0 OR LGPL-2.1) AND MIT",
            "",
            "MIT )",
        ] {
            assert!(!is_allowed(expression, &allowed()), "{expression}");
        }
    }
}
