//! `expect`: what the base must be, before anything is done to it.
//!
//! A base that is something else is a call that makes no sense (exit code 2): the recipe is for another image.

use super::{CheckRecord, Fault, Found, Scene, Verdict};
use crate::guest::facts;
use imgctl_recipe::{Expect, Sourced};
use imgctl_vfs::GuestPath;

/// Judges every field that is given.
pub(crate) fn expect(scene: &Scene<'_>, expect: &Sourced<Expect>) -> Vec<CheckRecord> {
    let facts = facts(scene.guest.tree());
    let Expect {
        os,
        version,
        arch,
        root_fs,
        partition_table,
        mounts,
    } = &expect.value;
    let mut verdicts = Vec::new();
    if let Some(os) = os {
        verdicts.push(("os", equal("operating system", os, &facts.os, *os == facts.os)));
    }
    if let Some(version) = version {
        let is_it = is_version(version, &facts.version);
        verdicts.push(("version", equal("version", version, &facts.version, is_it)));
    }
    if let Some(arch) = arch {
        verdicts.push(("arch", equal("architecture", arch, &facts.arch, *arch == facts.arch)));
    }
    if !root_fs.is_empty() {
        let found = scene.mounts.first().map_or("none", |mount| mount.kind.name());
        let is_it = root_fs.iter().any(|kind| kind == found);
        let expected = root_fs.join(" or ");
        verdicts.push(("root_fs", equal("root filesystem", &expected, found, is_it)));
    }
    if let Some(table) = partition_table {
        let found = scene.scheme.name();
        verdicts.push((
            "partition_table",
            equal("partition table", table, found, table == found),
        ));
    }
    for mount in mounts {
        let subject = format!("mount point {mount}");
        verdicts.push((
            "mounts",
            Verdict::new(subject, "a filesystem of its own", mounted(scene, mount)),
        ));
    }
    let at = |(key, verdict): (&str, Verdict)| {
        let mut record = verdict.at(&expect.origin);
        record.key = format!("{}.{key}", expect.origin.key);
        record
    };
    verdicts.into_iter().map(at).collect()
}

fn equal(subject: &str, expected: &str, found: &str, is_it: bool) -> Verdict {
    let found = match found {
        _ if is_it => Vec::new(),
        "" => vec!["unknown".to_owned()],
        found => vec![found.to_owned()],
    };
    Verdict::new(subject, expected, Ok(found))
}

/// `9` stands for 9.6, too.
fn is_version(expected: &str, found: &str) -> bool {
    let rest = found.strip_prefix(expected);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn mounted(scene: &Scene<'_>, mount: &str) -> Found {
    let path = GuestPath::new(mount).map_err(Fault::from)?;
    Ok(match scene.mounts.iter().any(|mount| mount.path == path) {
        true => Vec::new(),
        false => vec!["nothing on this disk is mounted there".to_owned()],
    })
}
