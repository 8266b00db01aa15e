//! Conditions that hold, do not hold, or are refused.

use std::path::{Path, PathBuf};

use super::*;
use crate::files::Files;
use crate::host::{Host, HostFileError};
use crate::node::Scalar;
use crate::plan::Secret;
use crate::scope::Variable;

#[derive(Debug)]
struct OneFile;

impl Host for OneFile {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        match path == Path::new("dir/there") {
            true => Ok(()),
            false => Err(HostFileError::NotFound),
        }
    }

    fn read_file(&self, _path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        Err(HostFileError::NotFound)
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

fn scope() -> Scope {
    let scalar = |text: &str| Scalar {
        text: text.into(),
        ..Scalar::default()
    };
    let variable = |kind, value| Variable { kind, value };
    let mut scope = Scope::default();
    for (name, kind, value) in [
        ("empty", Type::String, VariableValue::Scalar(scalar(""))),
        ("release", Type::String, VariableValue::Scalar(scalar("1.34"))),
        ("stage", Type::Boolean, VariableValue::Scalar(scalar("true"))),
        ("count", Type::Integer, VariableValue::Scalar(scalar("12"))),
        ("oses", Type::List, VariableValue::List(vec![scalar("debian"), scalar("rocky")])),
    ] {
        scope.variables.insert(name.into(), variable(kind, value));
    }
    let secret = Secret {
        name: "ca".into(),
        value: b"hunter2".to_vec(),
    };
    scope.secrets.insert("ca".into(), SecretState::Known(secret));
    scope.secrets.insert("no".into(), SecretState::Absent);
    scope
}

fn verdict(text: &str, guest: Option<&GuestFacts>) -> Result<Option<bool>, Refusal> {
    let mut files = Files::default();
    let mut files = files.asking(&OneFile);
    judge(
        text,
        &mut Judge {
            scope: &scope(),
            files: &mut files,
            guest,
            beside: &|path| PathBuf::from("dir").join(path),
        },
    )
}

fn rocky() -> GuestFacts {
    GuestFacts {
        os: "rocky".into(),
        os_like: vec!["rhel".into(), "centos".into()],
        version: "9.6".into(),
        arch: "x86_64".into(),
    }
}

#[test]
fn conditions_hold_or_not() {
    for (text, expected) in [
        ("os == \"rocky\"", true),
        ("os == 'debian'", false),
        ("os != \"debian\"", true),
        ("os_like == \"rhel\"", true),
        ("os_like == \"rocky\"", true),
        ("os_like != \"suse\"", true),
        ("version == \"9\"", true),
        ("version == 9", true),
        ("version == \"9.6\"", true),
        ("version == \"9.60\"", false),
        ("version == \"\"", false),
        ("version != \"8\"", true),
        ("version >= \"9\" and version < 10", true),
        ("version >= 9.10", false),
        ("version > 9", false),
        ("version <= 9", true),
        ("version < 9", false),
        ("9 <= version", true),
        ("\"9\" == version", true),
        ("version in [\"8\", \"9\"]", true),
        ("arch in [\"x86_64\", \"aarch64\"]", true),
        ("os not in [\"debian\"]", true),
        ("os in []", false),
        ("os in vars.oses", true),
        ("\"debian\" in vars.oses", true),
        ("vars.release >= 1.9", true),
        ("vars.release >= \"1.034\"", true),
        ("vars.release > 1.34.0", false),
        ("vars.count > 9", true),
        ("vars.count == 12", true),
        ("vars.empty != \"\"", false),
        ("vars.stage", true),
        ("!vars.stage", false),
        ("not (vars.stage && os == \"debian\")", true),
        ("false || true && false", false),
        ("true or false and false", true),
        ("exists(\"there\")", true),
        ("not exists(\"missing\")", true),
        ("secrets.ca", true),
        ("secrets.no", false),
        ("secrets.ca and !secrets.no", true),
    ] {
        assert_eq!(verdict(text, Some(&rocky())).unwrap(), Some(expected), "{text}");
    }
}

#[test]
fn what_depends_on_the_guest_is_open_before_it_is_known() {
    for (text, expected) in [
        ("os == \"rocky\"", None),
        ("os == \"rocky\" and vars.empty != \"\"", Some(false)),
        ("os == \"rocky\" or vars.stage", Some(true)),
        ("os == \"rocky\" and vars.stage", None),
        ("not (version < 9)", None),
        ("os in vars.oses", None),
        ("vars.stage", Some(true)),
    ] {
        assert_eq!(verdict(text, None).unwrap(), expected, "{text}");
    }
}

#[test]
fn an_unknown_version_has_no_order() {
    let guest = GuestFacts::default();
    for text in ["version >= 9", "version < 9", "version == \"13\"", "arch == \"x86_64\""] {
        assert_eq!(verdict(text, Some(&guest)).unwrap(), Some(false), "{text}");
    }
    assert_eq!(verdict("version == \"\"", Some(&guest)).unwrap(), Some(true));
}

#[test]
fn refused_conditions_say_where() {
    let deep = format!("{}true", "not ".repeat(40));
    let nested = format!("{}true", "(".repeat(40));
    for (text, at) in [
        ("", 0),
        ("os", 0),
        ("os = \"a\"", 3),
        ("os == debian", 6),
        ("os == \"debian", 6),
        ("os == \"Debian\"", 6),
        ("arch == \"amd64\"", 8),
        ("os == ", 6),
        ("os == \"a\" \"b\"", 10),
        ("os == \"a\" == \"b\"", 10),
        ("os > \"a\"", 0),
        ("version > \"nine\"", 10),
        ("vars.empty > 3", 0),
        ("vars.release", 0),
        ("vars.relase == \"\"", 0),
        ("vars.oses == \"a\"", 0),
        ("os in vars.release", 6),
        ("os in \"debian\"", 6),
        ("secrets.ca == \"x\"", 0),
        ("secrets.cb", 0),
        ("exists(file)", 7),
        ("exists(\"a\"", 10),
        ("(os == \"a\"", 10),
        ("os == \"a\")", 9),
        ("os in [\"a\" \"b\"]", 11),
        ("os not \"a\"", 7),
        ("${{ vars.a }}", 0),
        ("\"a\"", 0),
        ("and", 0),
        ("os == \"a\" and", 13),
        ("true && nonsense", 8),
        (&deep, 132),
        (&nested, 33),
    ] {
        let (range, _) = verdict(text, Some(&rocky())).expect_err(text);
        assert_eq!(range.start, at, "{text}");
        assert!(text.get(range).is_some(), "{text}");
    }
}
