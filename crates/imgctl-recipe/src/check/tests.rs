//! The tables hold what they promise.

use std::path::Path;

use super::*;
use crate::files::LocalFiles;
use crate::reading::Mode;
use crate::schema::{Inner, Key, Rule, TOPICS};
use crate::scope::{Scope, SecretState, Type, Variable, VariableValue};
use crate::source_map::SourceMap;
use crate::{Host, HostFileError, RecipeSource, Settings, reader};

#[derive(Debug)]
struct AnyFile;

impl Host for AnyFile {
    fn check_file(&self, _path: &Path) -> Result<(), HostFileError> {
        Ok(())
    }

    fn read_file(&self, path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        let content: &[u8] = match path.extension().and_then(|ending| ending.to_str()) {
            Some("pem") => include_bytes!("../../tests/trust/ca.pem"),
            Some("asc") => include_bytes!("../../tests/trust/vendor.asc"),
            _ => b"apiVersion: imgctl/v1\nkind: Recipe\n",
        };
        Ok(content.to_vec())
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        Some(b"value".to_vec())
    }
}

fn every_table(table: &'static Table, visit: &mut dyn FnMut(&'static Table)) {
    visit(table);
    for inner in table.keys.iter().flat_map(|key| key.shape.tables()) {
        every_table(inner, visit);
    }
}

/// The names that examples use.
fn scope() -> Scope {
    let mut scope = Scope::default();
    for name in ["stage", "release"] {
        let value = VariableValue::Scalar(Scalar::default());
        let kind = Type::String;
        scope.variables.insert(name.into(), Variable { kind, value });
    }
    for name in ["private_ca", "vendor_key"] {
        scope.secrets.insert(name.into(), SecretState::Absent);
    }
    scope
}

/// What is found in a key's example, as the value of that key.
fn findings_of(key: &'static Key) -> Vec<crate::Finding> {
    let text = format!("{}: {}\n", key.name, key.example);
    let mut findings = Findings::new(SourceMap::new(Path::new("example"), text));
    let file = findings.source.recipe().clone();
    let root = reader::read(&file, &mut findings, &mut 0);
    if let Some(NodeKind::Mapping(entries)) = root.as_ref().map(|root| &root.kind) {
        let place = Place {
            span: 0..0,
            key: key.name.into(),
        };
        let mut checker = Checker {
            findings: &mut findings,
            reading: Reading {
                scope: &scope(),
                files: &LocalFiles::asking(&AnyFile),
                mode: Mode::Every,
            },
        };
        checker.value(&entries[0].1, &key.shape, place, key.example);
    }
    findings.take_sorted()
}

#[test]
fn every_key_is_documented_and_its_example_is_valid() {
    let mut keys = 0;
    every_table(&RECIPE, &mut |table| {
        for key in table.keys {
            let name = format!("{}.{}", table.path, key.name);
            assert!(
                key.about.ends_with('.') && key.about.len() > 8,
                "{name}: what does it do?"
            );
            assert!(!key.default.is_empty(), "{name}: what happens without it?");
            assert!(
                !key.example.is_empty() && !key.example.contains('\n'),
                "{name}: what does it look like?"
            );
            // An ellipsis stands for something that nobody should copy.
            if !key.example.contains('…') && !key.example.contains("${{") {
                assert_eq!(findings_of(key), [], "{name}");
                keys += 1;
            }
        }
    });
    assert!(keys > 200, "{keys}");
}

#[test]
fn no_key_has_the_name_of_another_as_its_own() {
    every_table(&RECIPE, &mut |table| {
        let mut names = BTreeSet::new();
        for key in table.keys {
            assert!(names.insert(key.name), "{}.{} is there twice", table.path, key.name);
        }
        for also in table.keys.iter().flat_map(|key| key.also) {
            assert!(!names.contains(also), "{}: `{also}` is a key itself", table.path);
        }
    });
}

fn checks_clean(path: &str, about: &str, example: &str) {
    assert!(about.ends_with('.') && about.len() > 8, "{path}: what is it for?");
    assert!(!example.is_empty(), "{path}: what does it look like?");
    let text = format!("apiVersion: imgctl/v1\nkind: Recipe\n{example}");
    let source = RecipeSource {
        name: Path::new("example"),
        text: text.as_bytes(),
    };
    let outcome = crate::read(source, &Settings::default(), &AnyFile);
    assert_eq!(outcome.findings, [], "{path}");
    assert!(outcome.recipe.is_some());
}

#[test]
fn every_table_is_documented_and_its_example_checks_clean() {
    every_table(&RECIPE, &mut |table| {
        checks_clean(table.path, table.about, table.example);
        for key in table.keys {
            if let Some(Inner::Union(union)) = key.shape.inner() {
                checks_clean(union.path, union.about, union.example);
            }
        }
    });
}

#[test]
fn rules_name_keys_that_are_there() {
    every_table(&RECIPE, &mut |table| {
        for rule in table.rules {
            let (Rule::One(keys) | Rule::OneAtMost(keys) | Rule::Needs(_, keys)) = rule;
            let first = match rule {
                Rule::Needs(key, _) => Some(*key),
                _ => None,
            };
            for key in keys.iter().copied().chain(first) {
                assert!(table.key(key).is_some(), "{}: {rule:?}", table.path);
            }
        }
    });
}

#[test]
fn the_tables_of_a_union_can_be_told_apart() {
    every_table(&RECIPE, &mut |table| {
        for key in table.keys {
            let Some(Inner::Union(union)) = key.shape.inner() else {
                continue;
            };
            let names: BTreeSet<_> = union.names().collect();
            assert_eq!(names.len(), union.tables.len(), "{}", union.path);
            assert!(names.iter().all(|name| !name.is_empty()));
            assert!(
                union.tables.iter().all(|table| table.keys[0].required),
                "{}",
                union.path
            );
        }
    });
}

#[test]
fn the_last_key_of_a_path() {
    for (path, key) in [
        ("hostname", "hostname"),
        ("files[2].mode", "mode"),
        ("services.enable[0]", "enable"),
        ("sysctl.99-k8s.\"net.ipv4.ip_forward\"", "net.ipv4.ip_forward"),
        ("a.\"b.c\"[1]", "b.c"),
        ("", ""),
    ] {
        assert_eq!(last_key(path), key, "{path}");
    }
    assert_eq!(join("a", "b.c"), "a.\"b.c\"");
}

#[test]
fn the_first_item_of_a_list() {
    for (list, first) in [
        ("a, b", "a"),
        ("{ a: 1, b: 2 }, { c: 3 }", "{ a: 1, b: 2 }"),
        ("\"a, b\", c", "\"a, b\""),
        ("'a', b", "'a'"),
        ("", ""),
        ("a", "a"),
    ] {
        assert_eq!(first_item(list), first, "{list}");
    }
}

#[test]
fn the_examples_of_topics_check_clean() {
    for topic in &TOPICS {
        checks_clean(topic.name, topic.text, topic.example);
        assert!(crate::explain(topic.name).unwrap().contains(topic.title));
    }
}
