//! Checks of files, packages, accounts, settings and identities, one edit at a time.

use super::{Stage, sensitive};
use imgctl_recipe::{
    Check, Comparison, FileCheck, FileType, GlobCheck, GroupCheck, LinePattern, MachineIdCheck, PackageCheck,
    Principal, Secret, ServiceState, UserCheck, VersionRequirement,
};

/// The check passes on `right`, and on `wrong` finds exactly this.
fn prove(check: &Check, right: &[&str], wrong: &[&str], found: &[&str]) {
    assert_eq!(Stage::new(right).found(check.clone()), [""; 0], "{check:?}");
    assert_eq!(Stage::new(wrong).found(check.clone()), found, "{check:?}");
}

fn file(path: &str, edit: impl FnOnce(&mut FileCheck)) -> Check {
    let mut check = FileCheck {
        path: path.to_owned(),
        ..FileCheck::default()
    };
    edit(&mut check);
    Check::File(check)
}

#[test]
fn files() {
    let present = file("/etc/x", |_| {});
    prove(&present, &["/etc/x|"], &["/etc/y|"], &["nothing is there"]);
    let dangling = "it is a symbolic link that leads nowhere";
    prove(&present, &["/etc/x -> y", "/etc/y|"], &["/etc/x -> y"], &[dangling]);
    let absent = file("/etc/x", |check| check.absent = true);
    prove(&absent, &["/etc/y|"], &["/etc/x|"], &["a file is there"]);
    prove(&absent, &["/etc/y|"], &["/etc/x -> nowhere"], &["a symlink is there"]);
    let kind = |kind| file("/etc/x", |check| check.kind = Some(kind));
    prove(&kind(FileType::File), &["/etc/x|"], &["/etc/x/"], &["type directory"]);
    prove(
        &kind(FileType::Directory),
        &["/etc/x -> y", "/etc/y/"],
        &["/etc/x|"],
        &["type file"],
    );
    prove(
        &kind(FileType::Symlink),
        &["/etc/x -> nowhere"],
        &["/etc/x|"],
        &["type file"],
    );
    let mode = file("/etc/x", |check| check.mode = Some(0o4755));
    prove(&mode, &["/etc/x 4755|"], &["/etc/x 0755|"], &["mode 0755"]);
    let size = file("/etc/x", |check| check.size = Some(0));
    prove(&size, &["/etc/x|"], &["/etc/x|1"], &["size 1"]);
}

#[test]
fn owners() {
    const ACCOUNTS: [&str; 2] = ["/etc/passwd|web:x:33:7::/:\n", "/etc/group|adm:x:4:\n"];
    let of = |owner: &str| {
        [
            format!("/etc/x 0644 {owner}|"),
            ACCOUNTS[0].to_owned(),
            ACCOUNTS[1].to_owned(),
        ]
    };
    let by = |owner: &str| of(owner);
    let check = file("/etc/x", |check| {
        check.owner = Some(Principal::Name("web".to_owned()));
        check.group = Some(Principal::Id(4));
    });
    let (right, wrong) = (by("33 4"), by("34 33"));
    let [right, wrong] = [&right, &wrong].map(|entries| entries.iter().map(String::as_str).collect::<Vec<_>>());
    prove(&check, &right, &wrong, &["owner 34", "group 33"]);
    let named = file("/etc/x", |check| check.group = Some(Principal::Name("adm".to_owned())));
    prove(&named, &right, &wrong, &["group 33"]);
    let unknown = file("/etc/x", |check| {
        check.owner = Some(Principal::Name("nobody".to_owned()))
    });
    let found = Stage::new(&right).found(unknown);
    assert_eq!(found, ["owner 33 (web); the guest knows no nobody"]);
}

#[test]
fn content() {
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let sha256 = file("/etc/x", |check| check.sha256 = Some(digest.to_owned()));
    let other = "sha256 486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7";
    prove(&sha256, &["/etc/x|hello"], &["/etc/x|world"], &[other]);
    let contains = file("/etc/x", |check| check.contains = Some("needle\nb".to_owned()));
    // Across the pieces in which files are read.
    let long = format!("/etc/x|{}needle\nb", "n".repeat((1 << 18) - 3));
    prove(&contains, &[&long], &["/etc/x|needle b"], &["it does not contain that"]);
    let pattern = regex::bytes::Regex::new("^Port [0-9]+$").unwrap();
    let matches = file("/etc/x", |check| check.matches = Some(LinePattern(pattern)));
    prove(
        &matches,
        &["/etc/x|a\nPort 22\nb"],
        &["/etc/x|#Port 22\n"],
        &["no line matches"],
    );
    prove(
        &matches,
        &["/etc/x|Port 22"],
        &["/etc/x/"],
        &["a directory has no content"],
    );
}

#[test]
fn globs() {
    let glob = |min, max| {
        Check::Glob(GlobCheck {
            pattern: "/etc/*.d/x*".to_owned(),
            min,
            max,
        })
    };
    let (none, one) = (["/etc/a.d/"], ["/etc/a.d/x1|"]);
    prove(&glob(None, None), &one, &none, &["none"]);
    prove(&glob(Some(0), Some(0)), &none, &one, &["1: /etc/a.d/x1"]);
    prove(
        &glob(Some(1), Some(1)),
        &one,
        &["/etc/a.d/x1|", "/etc/b.d/x -> y"],
        &["2: /etc/a.d/x1, /etc/b.d/x"],
    );
    let many: Vec<String> = (1..8).map(|number| format!("/etc/a.d/x{number}|")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let shown = "7: /etc/a.d/x1, /etc/a.d/x2, /etc/a.d/x3, /etc/a.d/x4, /etc/a.d/x5, …";
    prove(&glob(None, Some(2)), &one, &many, &[shown]);
}

fn status(state: &str, version: &str) -> String {
    format!("/var/lib/dpkg/status|Package: chrony\nStatus: {state}\nArchitecture: amd64\nVersion: {version}\n\n")
}

fn package(absent: bool, wanted: &[(Comparison, &str)]) -> Check {
    let requirement = |(comparison, version): &(Comparison, &str)| VersionRequirement {
        comparison: *comparison,
        version: (*version).to_owned(),
    };
    Check::Package(PackageCheck {
        name: "chrony".to_owned(),
        absent,
        version: wanted.iter().map(requirement).collect(),
    })
}

#[test]
fn packages() {
    let installed = status("install ok installed", "1:4.3-1");
    let none = "/var/lib/dpkg/status|";
    let there = "installed version 1:4.3-1 (amd64)";
    prove(
        &package(false, &[]),
        &[&installed],
        &[none],
        &["not installed, says dpkg"],
    );
    prove(&package(true, &[]), &[none], &[&installed], &[there]);
    let left = status("deinstall ok config-files", "4");
    prove(&package(true, &[]), &[&left], &[&installed], &[there]);
    let unpacked = status("install ok unpacked", "4");
    let half = "unpacked version 4 (amd64)";
    prove(&package(false, &[]), &[&installed], &[&unpacked], &[half]);
    prove(&package(true, &[]), &[], &[&unpacked], &[half]);
    prove(
        &package(false, &[]),
        &[&installed],
        &[],
        &["the guest has no package database"],
    );
    let broken = Stage::new(&["/var/lib/rpm/Packages|x"]).found(package(true, &[]));
    assert!(broken[0].contains("Berkeley DB"), "{broken:?}");
}

#[test]
fn versions_of_packages() {
    let installed = status("install ok installed", "1:4.3-1");
    let newer = status("install ok installed", "1:5-1");
    let range = package(
        false,
        &[(Comparison::GreaterOrEqual, "1:4.3"), (Comparison::Less, "1:5~")],
    );
    prove(&range, &[&installed], &[&newer], &["installed version 1:5-1 (amd64)"]);
    for (comparison, holds) in [
        (Comparison::Equal, true),
        (Comparison::NotEqual, false),
        (Comparison::Less, false),
        (Comparison::LessOrEqual, true),
        (Comparison::Greater, false),
        (Comparison::GreaterOrEqual, true),
    ] {
        let found = Stage::new(&[&installed]).found(package(false, &[(comparison, "1:4.3-1")]));
        assert_eq!(found.is_empty(), holds, "{comparison:?}");
    }
}

#[test]
fn services() {
    let unit = "/usr/lib/systemd/system/x.service|[Install]\nWantedBy=multi-user.target\nAlias=y.service\n";
    let link = "/etc/systemd/system/multi-user.target.wants/x.service -> /usr/lib/systemd/system/x.service";
    let alias = "/etc/systemd/system/y.service -> /usr/lib/systemd/system/x.service";
    let mask = "/etc/systemd/system/x.service -> /dev/null";
    let check = |unit: &str, state| Check::Service {
        unit: unit.to_owned(),
        state,
    };
    let enabled = check("x.service", ServiceState::Enabled);
    prove(&enabled, &[unit, link], &[unit], &["disabled"]);
    prove(&enabled, &[unit, link], &[], &["not-found"]);
    let by_alias = check("y.service", ServiceState::Enabled);
    prove(&by_alias, &[unit, link, alias], &[], &["not-found"]);
    let disabled = check("x.service", ServiceState::Disabled);
    prove(&disabled, &[unit], &[unit, link], &["enabled"]);
    prove(&disabled, &[], &[unit, mask], &["masked"]);
    let masked = check("x.service", ServiceState::Masked);
    prove(&masked, &[unit, mask], &[unit], &["disabled"]);
    prove(
        &check("y.service", ServiceState::Disabled),
        &[],
        &[unit, link, alias],
        &["enabled, which is x.service"],
    );
    let nonsense = Stage::new(&[]).found(check("no unit", ServiceState::Enabled));
    assert_eq!(nonsense, ["it cannot be told: no unit is not the name of a unit"]);
}

#[test]
fn users_and_groups() {
    let entries = [
        "/etc/passwd|app:x:7:8::/srv:/bin/sh\n",
        "/etc/group|adm:x:4:a,app\nown:x:8:\n",
        "/etc/shadow|app:!:1:\n",
    ];
    let user = |edit: fn(&mut UserCheck)| {
        let mut check = UserCheck {
            name: "app".to_owned(),
            ..UserCheck::default()
        };
        edit(&mut check);
        Check::User(check)
    };
    let changed = [
        "/etc/passwd|app:x:9:9::/:/bin/bash\n",
        "/etc/group|adm:x:4:a\n",
        "/etc/shadow|app:$6$x:1:\n",
    ];
    prove(&user(|_| {}), &entries, &[], &["the guest has no such user"]);
    prove(
        &user(|check| check.absent = true),
        &[],
        &entries,
        &["the guest has it, uid 7"],
    );
    prove(&user(|check| check.uid = Some(7)), &entries, &changed, &["uid 9"]);
    prove(
        &user(|check| check.home = Some("/srv".to_owned())),
        &entries,
        &changed,
        &["home /"],
    );
    prove(
        &user(|check| check.shell = Some("/bin/sh".to_owned())),
        &entries,
        &changed,
        &["shell /bin/bash"],
    );
    let groups = user(|check| check.groups = vec!["adm".to_owned(), "own".to_owned()]);
    prove(&groups, &entries, &changed, &["not in adm", "not in own"]);
    prove(
        &user(|check| check.locked = Some(true)),
        &entries,
        &changed,
        &["password not locked"],
    );
    prove(
        &user(|check| check.locked = Some(false)),
        &changed,
        &entries,
        &["password locked"],
    );

    let group = |absent, gid| {
        Check::Group(GroupCheck {
            name: "adm".to_owned(),
            absent,
            gid,
        })
    };
    prove(&group(false, None), &entries, &[], &["the guest has no such group"]);
    prove(&group(true, None), &[], &entries, &["the guest has it, gid 4"]);
    prove(&group(false, Some(4)), &entries, &["/etc/group|adm:x:5:\n"], &["gid 5"]);
}

#[test]
fn sysctl_files_have_an_order() {
    let check = Check::Sysctl {
        key: "net.ipv4.ip_forward".to_owned(),
        value: "1".to_owned(),
    };
    let vendor = "/usr/lib/sysctl.d/50-x.conf|net.ipv4.ip_forward=0\n";
    let own = "/etc/sysctl.d/90-x.conf|net/ipv4/ip_forward = 1\n";
    prove(
        &check,
        &[vendor, own],
        &[vendor],
        &["0 (/usr/lib/sysctl.d/50-x.conf:1)"],
    );
    prove(
        &check,
        &[vendor, own],
        &["/etc/sysctl.d/90-x|net.ipv4.ip_forward=1\n"],
        &["no file sets it"],
    );
    // One name in two folders; a link to /dev/null; a later name.
    let covered = "/etc/sysctl.d/50-x.conf|net.ipv4.ip_forward=1\n";
    prove(
        &check,
        &[vendor, covered],
        &[covered, "/usr/lib/sysctl.d/60-y.conf|\n\nnet.ipv4.ip_forward=2"],
        &["2 (/usr/lib/sysctl.d/60-y.conf:3)"],
    );
    prove(
        &check,
        &[own],
        &[
            own,
            "/etc/sysctl.d/91-x.conf -> /dev/null",
            "/run/sysctl.d/99.conf|-net.ipv4.ip_forward=3",
        ],
        &["3 (/run/sysctl.d/99.conf:1)"],
    );
    // systemd does not read sysctl.conf but through a link.
    let old = "/etc/sysctl.conf|net.ipv4.ip_forward=0\n";
    let systemd = "/usr/lib/systemd/systemd-sysctl|";
    prove(&check, &[own, old, systemd], &[own, old], &["0 (/etc/sysctl.conf:1)"]);
    let link = "/etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf";
    prove(
        &check,
        &[own],
        &[own, old, systemd, link],
        &["0 (/etc/sysctl.d/99-sysctl.conf:1)"],
    );
}

#[test]
fn identities() {
    let id = "/etc/machine-id|0123456789abcdef0123456789abcdef\n";
    let check = Check::MachineId;
    prove(&check(MachineIdCheck::Empty), &["/etc/machine-id|"], &[id], &["set"]);
    prove(
        &check(MachineIdCheck::Empty),
        &["/etc/machine-id|"],
        &[],
        &["it is not there"],
    );
    let copy = "/var/lib/dbus/machine-id|0123456789abcdef0123456789abcdef\n";
    let told = "/var/lib/dbus/machine-id still holds an id";
    prove(
        &check(MachineIdCheck::Empty),
        &["/etc/machine-id|"],
        &["/etc/machine-id|", copy],
        &[told],
    );
    let word = "/etc/machine-id|uninitialized\n";
    prove(
        &check(MachineIdCheck::Uninitialized),
        &[word],
        &["/etc/machine-id|"],
        &["empty"],
    );
    prove(&check(MachineIdCheck::Set), &[id, copy], &[word], &["uninitialized"]);
    prove(
        &check(MachineIdCheck::Set),
        &[id],
        &["/etc/machine-id|0123"],
        &["it holds no machine id"],
    );
    let keys = ["/etc/ssh/ssh_host_rsa_key|x", "/etc/ssh/ssh_host_rsa_key.pub|x"];
    let found = ["/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub"];
    prove(&Check::SshHostKeysAbsent, &["/etc/ssh/sshd_config|"], &keys, &found);
}

#[test]
fn secrets_are_found_wherever_they_are() {
    let secret = |name: &str, value: &[u8]| Secret {
        name: name.to_owned(),
        value: value.to_vec(),
    };
    let mut stage = Stage::new(&[
        "/etc/allowed|hunter2-secret",
        "/etc/also-allowed => /etc/allowed",
        "/etc/raw|xx hunter2-secret\n",
        "/etc/base64|abc aHVudGVyMi1zZWNyZXQ= def",
        "/etc/inside|dXNlcjpodW50ZXIyLXNlY3JldA==",
        "/etc/json|{\"a\": \"q\\\"uo\\\\te\\nd\"}",
        "/etc/link -> hunter2-secret",
        "/etc/name-hunter2-secret|",
        "/etc/none|hunter2 secret",
    ]);
    stage.plan.files = vec![sensitive("/etc/allowed")];
    assert_eq!(stage.found(Check::SecretsAbsent), [""; 0]);
    stage.plan.secrets = vec![
        secret("token", b"hunter2-secret\n"),
        secret("quoted", b"q\"uo\\te\nd"),
        secret("pin", b"ab"),
    ];
    let expected = [
        "token is in /etc/base64",
        "token is in /etc/inside",
        "quoted is in /etc/json",
        "token is in /etc/link",
        "token is in /etc/name-hunter2-secret",
        "token is in /etc/raw",
    ];
    // Whoever names the file that is allowed names the secret's place; the value itself is never told.
    assert_eq!(stage.found(Check::SecretsAbsent), expected);
    stage.plan.files = Vec::new();
    assert!(
        stage
            .found(Check::SecretsAbsent)
            .contains(&"token is in /etc/allowed".to_owned())
    );
}

#[test]
fn holes_do_not_keep_the_search_busy() {
    use crate::guest::NewMetadata;
    let mut guest = crate::testing::guest(&["/etc/x|"]);
    let path = crate::testing::path("/etc/sparse");
    guest
        .write_file(&path, &mut &b"x"[..], NewMetadata::root(0o644))
        .unwrap();
    let (mut tree, ..) = guest.into_parts();
    let node = tree.find(&path).unwrap().unwrap().node;
    // As long as a filesystem lets a file be; the model keeps no holes, so less than that here.
    tree.fs_mut(node).set_len(node.node, 300 << 20).unwrap();
    let mut stage = Stage::of(crate::guest::Guest::new(tree, crate::testing::NOW));
    stage.plan.secrets = vec![Secret {
        name: "token".to_owned(),
        value: b"hunter2-secret".to_vec(),
    }];
    let found = stage.found(Check::SecretsAbsent);
    assert_eq!(
        found,
        ["it cannot be told: the files have too many bytes to look through; they have holes"]
    );
}
