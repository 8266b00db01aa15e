//! States of units against `systemctl --root is-enabled`, on a Debian image and on made-up units.

use crate::guest::Guest;
use crate::steps::services::unit_state;
use crate::testing;
use crate::{InputOptions, open_guest};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::{fixture, oracle};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Asks systemctl about many units at once; a unit that it knows nothing of is `not-found`.
fn judged(root: &Path, names: &[String]) -> Vec<String> {
    let ask = |name: &String| {
        let arguments = [
            "--root".into(),
            root.as_os_str().to_owned(),
            "is-enabled".into(),
            OsString::from(name),
        ];
        let output = oracle::output("systemctl", arguments).unwrap();
        let word = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        if word.is_empty() { "not-found".to_owned() } else { word }
    };
    names.iter().map(ask).collect()
}

fn compare(guest: &Guest, root: &Path, names: &[String]) {
    let mut differences = Vec::new();
    let mut words = BTreeSet::new();
    for (name, judged) in names.iter().zip(judged(root, names)) {
        let (ours, _) = unit_state(guest, name).unwrap();
        if ours.name() != judged {
            differences.push(format!("{name}: systemctl {judged}, we {}", ours.name()));
        }
        words.insert(judged);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(words.len() >= 5, "{words:?}");
}

#[test]
fn every_unit_of_debian_13() {
    if !imgctl_testkit::root_or_skip("every_unit_of_debian_13") || !fixture::is_wanted("debian13") {
        return;
    }
    let raw = fixture::raw("debian13").unwrap();
    let mount = Mount::new(&raw, oracle::partition(&raw, 1).unwrap(), Access::ReadOnly).unwrap();
    let opened = open_guest(&raw, &InputOptions::default()).unwrap();
    let folders = ["usr/lib/systemd/system", "etc/systemd/system"].map(|folder| mount.path().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let kinds = ["service", "socket", "target", "timer", "path", "mount"];
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_unit = |name: &String| name.rsplit_once('.').is_some_and(|(_, kind)| kinds.contains(&kind));
    let mut names: BTreeSet<String> = names.filter(is_unit).collect();
    names.extend(
        [
            "getty@tty1.service",
            "getty@tty2.service",
            "serial-getty@ttyS0.service",
            "nope.service",
        ]
        .map(str::to_owned),
    );
    let names: Vec<String> = names.into_iter().collect();
    assert!(names.len() > 200, "{}", names.len());
    compare(&opened.guest, mount.path(), &names);
}

/// Units and links that a distribution has none of. `UpheldBy=` is unknown to systemd before 254.
const ENTRIES: &[&str] = &[
    "/usr/lib/systemd/system/plain.service|[Install]\nWantedBy=a.target\n",
    "/usr/lib/systemd/system/on.service|[Install]\nWantedBy=a.target\nAlias=nick.service\n",
    "/etc/systemd/system/a.target.wants/on.service -> /usr/lib/systemd/system/on.service",
    "/usr/lib/systemd/system/by-alias.service|[Install]\nAlias=by-alias2.service\n",
    "/etc/systemd/system/by-alias2.service -> /usr/lib/systemd/system/by-alias.service",
    "/usr/lib/systemd/system/other-name.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/unknown-alias.service -> /usr/lib/systemd/system/other-name.service",
    "/usr/lib/systemd/system/static.service|[Service]\nExecStart=/x\n",
    "/usr/lib/systemd/system/static-on.service|[Service]\nExecStart=/x\n",
    "/etc/systemd/system/a.target.requires/static-on.service -> /usr/lib/systemd/system/static-on.service",
    "/usr/lib/systemd/system/vendor.service|[Service]\nExecStart=/x\n",
    "/usr/lib/systemd/system/a.target.wants/vendor.service -> ../vendor.service",
    "/usr/lib/systemd/system/vendor-i.service|[Install]\nWantedBy=a.target\n",
    "/usr/lib/systemd/system/a.target.wants/vendor-i.service -> ../vendor-i.service",
    "/usr/lib/systemd/system/also.service|[Install]\nAlso=plain.service\n",
    "/usr/lib/systemd/system/t@.service|[Install]\nWantedBy=a.target\nDefaultInstance=one\n",
    "/usr/lib/systemd/system/u@.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/a.target.wants/t@one.service -> /usr/lib/systemd/system/t@.service",
    "/etc/systemd/system/a.target.wants/u@two.service -> /usr/lib/systemd/system/u@.service",
    "/usr/lib/systemd/system/v@.service|[Install]\nWantedBy=a.target\n",
    "/usr/lib/systemd/system/a.target.wants/v@x.service -> ../v@.service",
    "/etc/systemd/system/masked.service -> /dev/null",
    "/etc/systemd/system/empty.service|",
    "/opt/linked.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/linked.service -> /opt/linked.service",
    "/opt/linked-on.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/linked-on.service -> /opt/linked-on.service",
    "/etc/systemd/system/a.target.wants/linked-on.service -> /opt/linked-on.service",
    "/etc/systemd/system/own.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/own-on.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/a.target.wants/own-on.service -> ../own-on.service",
    "/usr/lib/systemd/system/vendor-alias.service -> on.service",
    "/usr/lib/systemd/system/dropin.service|[Service]\nExecStart=/x\n",
    "/etc/systemd/system/dropin.service.d/a.conf|[Install]\nWantedBy=a.target\n",
    "/usr/lib/systemd/system/alias-of-masked.service -> masked.service",
    "/usr/lib/systemd/system/dangling.service|[Install]\nWantedBy=a.target\n",
    "/etc/systemd/system/a.target.wants/dangling.service -> /gone/dangling.service",
    "/etc/systemd/system/a.target.wants/file.service|x",
    "/usr/lib/systemd/system/file.service|[Install]\nWantedBy=a.target\n",
];

#[test]
fn made_up_units() {
    let guest = testing::guest(ENTRIES);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut names = BTreeSet::new();
    for entry in ENTRIES {
        let (path, content) = entry.split_once(" -> ").or_else(|| entry.split_once('|')).unwrap();
        let host = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(host.parent().unwrap()).unwrap();
        match entry.contains(" -> ") {
            true => symlink(content, &host).unwrap(),
            false => fs::write(&host, content).unwrap(),
        }
        let name = host.file_name().unwrap().to_str().unwrap();
        if Path::new(name).extension().is_some_and(|kind| kind == "service") {
            names.insert(name.to_owned());
        }
    }
    names.extend(
        [
            "t@two.service",
            "u@.service",
            "v@.service",
            "nope.service",
            "nope@x.service",
        ]
        .map(str::to_owned),
    );
    let names: Vec<String> = names.into_iter().collect();
    compare(&guest, root, &names);
}
