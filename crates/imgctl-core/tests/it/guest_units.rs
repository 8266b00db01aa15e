//! Units of whole guests against the guests' own systemctl, which also calls what switches init scripts.

use crate::chroot::{Chroot, Lower};
use crate::offline::{self, Command, Outcome};
use imgctl_testkit::{fixture, root_or_skip};
use imgctl_vfs::ModelFs;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process;

/// What the commands change.
const FOLDERS: [&str; 10] = [
    "etc/systemd/system",
    "etc/systemd/user",
    "etc/rc0.d",
    "etc/rc1.d",
    "etc/rc2.d",
    "etc/rc3.d",
    "etc/rc4.d",
    "etc/rc5.d",
    "etc/rc6.d",
    "etc/rcS.d",
];

/// What they read.
const READ: [&str; 12] = [
    "etc/init.d",
    "etc/os-release",
    "lib",
    "sbin",
    "usr/lib/os-release",
    "usr/lib/systemd/system",
    "usr/lib/systemd/user",
    "usr/lib/systemd/system-preset",
    "usr/lib/systemd/user-preset",
    "usr/lib/systemd/systemd-sysv-install",
    "usr/lib/systemd/systemd",
    "var/lib/dpkg/info/systemd.list",
];

fn systemctl(chroot: &Chroot, command: Command<'_>) -> bool {
    let (verb, unit) = command;
    let words = verb.split(' ').chain([unit]).filter(|word| !word.is_empty());
    let output = process::Command::new("chroot")
        .arg(chroot.root())
        .args(["/bin/systemctl", "--root=/"])
        .args(words)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output();
    output.unwrap().status.success()
}

/// Puts the folders back to what is `wanted` there.
fn reset(chroot: &Chroot, lower: &Lower, wanted: &BTreeMap<String, String>) {
    let present = offline::links(&chroot.root(), &FOLDERS);
    let path = |name: &str| chroot.root().join(name.trim_start_matches('/'));
    for (name, target) in present.iter().rev() {
        if wanted.get(name) != Some(target) {
            match target.as_str() {
                "(folder)" => fs::remove_dir(path(name)).unwrap(),
                _ => fs::remove_file(path(name)).unwrap(),
            }
        }
    }
    for (name, target) in wanted {
        if present.get(name) != Some(target) {
            match target.as_str() {
                "(folder)" => fs::create_dir(path(name)).unwrap(),
                "(file)" => {
                    fs::copy(lower.path().join(name.trim_start_matches('/')), path(name)).unwrap();
                }
                _ => symlink(target, path(name)).unwrap(),
            }
        }
    }
}

/// The units that can be installed: those with such a section, and every other name of theirs.
fn installable(root: &Path, folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let name = entry.file_name().into_string().unwrap();
        if text.contains("[Install]") || entry.file_type().unwrap().is_symlink() {
            names.push(name);
        }
    }
    names.sort();
    names
}

/// Both states in which a guest's units are judged: as they came, and with nothing enabled.
struct Trial {
    chroot: Chroot,
    lower: Lower,
    states: [(BTreeMap<String, String>, ModelFs); 2],
    count: usize,
}

impl Trial {
    fn new(fixture: &str) -> Self {
        let lower = Lower::of(fixture);
        let chroot = Chroot::new(&lower);
        let pristine = offline::links(&chroot.root(), &FOLDERS);
        let mut blank = pristine.clone();
        blank.retain(|name, target| {
            !name.starts_with("/etc/systemd/") || (target == "(folder)" && name.ends_with(".d"))
        });
        blank.retain(|name, _| !name.contains(".wants/") && !name.contains(".d/"));
        let states = [pristine, blank].map(|state| {
            reset(&chroot, &lower, &state);
            let paths: Vec<&str> = READ.into_iter().chain(FOLDERS).collect();
            let model = offline::model(&chroot.root(), &paths);
            (state, model)
        });
        Self {
            chroot,
            lower,
            states,
            count: 0,
        }
    }

    fn compare(&mut self, commands: &[Command<'_>], state: usize) {
        let (links, model) = &self.states[state];
        reset(&self.chroot, &self.lower, links);
        let succeeded = commands.iter().all(|command| systemctl(&self.chroot, *command));
        let judge = Outcome {
            succeeded,
            links: offline::links(&self.chroot.root(), &FOLDERS),
        };
        let ours = offline::ours(model, commands, &FOLDERS);
        self.count += 1;
        assert_eq!(judge.succeeded, ours.succeeded, "{commands:?} in state {state}");
        if judge.succeeded {
            let differing = |ours: &BTreeMap<String, String>, judge: &BTreeMap<String, String>| -> Vec<String> {
                let other = ours.iter().filter(|(name, target)| judge.get(*name) != Some(target));
                other.map(|(name, target)| format!("{name} -> {target}")).collect()
            };
            let (more, fewer) = (
                differing(&ours.links, &judge.links),
                differing(&judge.links, &ours.links),
            );
            assert!(
                more.is_empty() && fewer.is_empty(),
                "{commands:?} in state {state}: systemctl has {fewer:?}, we have {more:?}"
            );
        }
    }
}

fn every_installable_unit(fixture: &str) {
    if !root_or_skip("every_installable_unit") || !fixture::is_wanted(fixture) {
        return;
    }
    let mut trial = Trial::new(fixture);
    let units = installable(trial.lower.path(), "usr/lib/systemd/system");
    assert!(units.len() > 60, "only {} units", units.len());
    for unit in &units {
        trial.compare(&[("enable", unit)], 1);
        trial.compare(&[("disable", unit)], 0);
        trial.compare(&[("preset", unit)], 1);
        trial.compare(&[("mask", unit)], 1);
    }
    for unit in units.iter().step_by(6) {
        trial.compare(&[("preset", unit)], 0);
        trial.compare(
            &[("mask", unit), ("unmask", unit), ("enable", unit), ("disable", unit)],
            1,
        );
    }
    for unit in installable(trial.lower.path(), "usr/lib/systemd/user") {
        trial.compare(&[("--global enable", &unit)], 1);
        trial.compare(&[("--global disable", &unit)], 0);
        trial.compare(&[("--global preset", &unit)], 1);
    }
    trial.compare(&[("preset-all", "")], 0);
    trial.compare(&[("--global preset-all", "")], 1);
    assert!(trial.count > 300, "only {} comparisons", trial.count);
}

#[test]
fn every_installable_unit_of_debian12_ends_alike() {
    every_installable_unit("debian12");
}

#[test]
fn every_installable_unit_of_debian13_ends_alike() {
    every_installable_unit("debian13");
}

#[test]
fn every_installable_unit_of_ubuntu_ends_alike() {
    every_installable_unit("ubuntu-like");
}
