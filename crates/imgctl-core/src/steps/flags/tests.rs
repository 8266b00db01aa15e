//! Rows that are true, and errors that name the option.

use super::*;
use crate::steps::execute_with;
use crate::testing::{guest, text};
use imgctl_recipe::{GuestFacts, Host, HostFileError, Plan};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every file is there and holds the same, but for certificates.
#[derive(Debug)]
struct Files(&'static str);

impl Host for Files {
    fn check_file(&self, _path: &Path) -> Result<(), HostFileError> {
        Ok(())
    }

    fn read_file(&self, path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        match path.extension().is_some_and(|ending| ending == "pem") {
            true => Ok(include_bytes!("../../../tests/trust/ca.pem").to_vec()),
            false => Ok(self.0.as_bytes().to_vec()),
        }
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

impl FlagHost for Files {
    fn home(&self) -> Option<PathBuf> {
        None
    }
}

fn given(flags: &[(&str, &str)]) -> Vec<(String, String)> {
    flags
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn error(flags: &[(&str, &str)], file: &'static str) -> String {
    parse(&given(flags), &Files(file)).unwrap_err().to_string()
}

#[test]
fn every_row_is_whole_and_takes_its_own_example() {
    let mut seen = BTreeSet::new();
    for flag in flags() {
        let name = flag.name;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{name}"
        );
        assert!(
            flag.value.is_ascii() && flag.help.is_ascii(),
            "{name}: troff reads only ASCII"
        );
        assert_eq!(flag.value.is_empty(), flag.example.is_empty(), "{name}");
        assert!(
            !flag.help.is_empty() && !flag.help.ends_with('.'),
            "{name}: {}",
            flag.help
        );
        let is_explained = !flag.recipe.is_empty() || matches!(flag.peer, Peer::Better(_));
        assert!(is_explained, "{name} has no key in a recipe and no reason");
        let read = parse(&given(&[(name, flag.example)]), &Files(""));
        match flag.deed {
            FlagDeed::Later(_) | FlagDeed::Refused(_) => {
                let error = read.unwrap_err().to_string();
                assert!(error.starts_with(&format!("--{name}: ")), "{error}");
            }
            _ => assert!(read.is_ok(), "{name}: {:?}", read.unwrap_err()),
        }
    }
}

#[test]
fn errors_name_the_option_and_the_line() {
    assert_eq!(error(&[("no-such", "")], ""), "there is no option --no-such");
    assert_eq!(
        error(&[("hostname", "a b")], ""),
        "--hostname: `a b` is not a host name: ` ` cannot be in it"
    );
    let file = "# first\n\nhostname\n";
    assert_eq!(
        error(&[("commands-from-file", "f")], file),
        "--commands-from-file: f:3: hostname: it needs a value"
    );
    assert_eq!(
        error(&[("commands-from-file", "f")], "commands-from-file g\n"),
        "--commands-from-file: f:1: commands-from-file: files of options do not name each other"
    );
    assert_eq!(
        error(&[("commands-from-file", "f")], "no-logfile x\n"),
        "--commands-from-file: f:1: no-logfile: it takes no value"
    );
    assert_eq!(
        error(&[("commands-from-file", "f")], "\nnothing x\n"),
        "--commands-from-file: f:2: there is no option --nothing"
    );
}

#[test]
fn options_are_done_in_their_order_wherever_they_stand() {
    let flags = given(&[("hostname", "first"), ("commands-from-file", "f"), ("no-logfile", "")]);
    let flags = parse(&flags, &Files("hostname second\n")).unwrap();
    let flags = planned(&flags, &GuestFacts::default()).unwrap();
    let mut guest = guest(&["/etc/os-release|ID=rocky\n"]);
    let mut names = Vec::new();
    let mut on_step = |name: &str| {
        names.push(name.to_owned());
        true
    };
    assert!(execute_with(&Plan::default(), &flags, &mut guest, &mut on_step).unwrap());
    assert_eq!(text(&guest, "/etc/hostname"), "second\n");
    assert_eq!(names, ["hostname", "hostname"]);
}

/// Every option that virt-customize has for a guest is known, if only to be refused by name.
#[test]
fn no_option_of_virt_customize_is_unknown() {
    let theirs = "append-line chmod chown commands-from-file copy copy-in delete edit firstboot firstboot-command \
        firstboot-install hostname inject-blnsvr inject-qemu-ga inject-virtio-win install link mkdir move no-logfile \
        no-selinux-relabel password password-crypto root-password run run-command scrub selinux-relabel sm-attach \
        sm-credentials sm-register sm-remove sm-unregister ssh-inject tar-in timezone touch truncate \
        truncate-recursive uninstall update upload write";
    for name in theirs.split_whitespace() {
        let is_ours = flag(name).is_none_or(|flag| matches!(flag.peer, Peer::Ours));
        assert!(!is_ours, "--{name} is not compared with virt-customize's");
    }
}
