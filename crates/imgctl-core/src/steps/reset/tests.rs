//! Every reset operation: what goes, what stays, twice, and on hostile trees.

use super::{cloud_init, dhcp_state, logs, machine_id, package_cache, random_seed, shell_history, ssh_hostkeys, tmp};
use crate::guest::Guest;
use crate::steps::Outcome;
use crate::testing::{NOW, edited, empty, guest, guest_with_esp, mode, text};

/// Runs an operation and checks that a second run finds nothing to do.
fn run_twice(guest: &mut Guest, run: impl Fn(&mut Guest) -> Outcome<()>) -> Vec<String> {
    let changes = edited(guest, |guest| run(guest).unwrap());
    let tree = std::mem::replace(guest, empty()).into_parts().0;
    *guest = Guest::new(tree, NOW);
    run(guest).unwrap();
    assert!(guest.log().is_empty(), "the operation is not at rest");
    changes
}

#[test]
fn a_machine_id_is_emptied_or_marked_and_never_absent() {
    let mut full = guest(&["/etc/machine-id 0444|abc\n", "/var/lib/dbus/machine-id|abc\n"]);
    let changes = run_twice(&mut full, |guest| machine_id::reset(guest, ""));
    assert_eq!(
        changes,
        ["~/etc/machine-id", "~/var/lib/dbus", "-/var/lib/dbus/machine-id"]
    );
    assert_eq!(
        (text(&full, "/etc/machine-id"), mode(&full, "/etc/machine-id")),
        (String::new(), "0444 0:0".into())
    );

    let mut linked = guest(&[
        "/etc/machine-id -> /run/id",
        "/run/id|x",
        "/var/lib/dbus/machine-id -> /etc/machine-id",
    ]);
    let changes = run_twice(&mut linked, |guest| machine_id::reset(guest, "uninitialized\n"));
    assert_eq!(changes, ["~/etc", "~/etc/machine-id"]);
    assert_eq!(text(&linked, "/etc/machine-id"), "uninitialized\n");

    let mut missing = guest(&[]);
    assert_eq!(
        run_twice(&mut missing, |guest| machine_id::reset(guest, "")),
        ["~/", "+/etc", "+/etc/machine-id"]
    );
}

const KEYS: [&str; 4] = [
    "/etc/ssh/ssh_host_rsa_key 0600|secret",
    "/etc/ssh/ssh_host_rsa_key.pub|public",
    "/etc/ssh/ssh_host_rsa_key-cert.pub|cert",
    "/etc/ssh/sshd_config|Port 22\n",
];
const SSHD: [&str; 3] = ["/usr/sbin/sshd|", "/usr/bin/ssh-keygen|", "/etc/systemd/system/"];
const KEYGEN: [&str; 2] = [
    "/usr/lib/systemd/system/sshd-keygen.service|[Unit]\nConditionFirstBoot=yes\n[Install]\nWantedBy=ssh.service\n",
    "/etc/systemd/system/ssh.service.wants/sshd-keygen.service -> /usr/lib/systemd/system/sshd-keygen.service",
];
const CLOUD: [&str; 2] = [
    "/usr/lib/systemd/system/cloud-init.service|[Install]\nWantedBy=cloud-init.target\n",
    "/etc/systemd/system/cloud-init.target.wants/cloud-init.service -> /usr/lib/systemd/system/cloud-init.service",
];
const RED_HAT: [&str; 3] = [
    "/usr/lib/systemd/system/sshd.service|[Unit]\nWants=sshd-keygen.target\n",
    "/usr/lib/systemd/system/sshd-keygen.target|[Unit]\nWants=sshd-keygen@rsa.service\n",
    "/usr/lib/systemd/system/sshd-keygen@.service|[Service]\nExecStart=/x\n",
];

/// Whether resetting the keys of a guest with these entries adds a unit that makes new ones.
fn adds_unit(groups: &[&[&str]]) -> bool {
    let mut guest = guest(&[&KEYS[..], &groups.concat()].concat());
    run_twice(&mut guest, ssh_hostkeys::run);
    assert!(guest.glob("/etc/ssh/ssh_host_*").unwrap().is_empty());
    assert_eq!(text(&guest, "/etc/ssh/sshd_config"), "Port 22\n");
    let link = guest
        .glob("/etc/systemd/system/multi-user.target.wants/imgctl-ssh-hostkeys.service")
        .unwrap();
    let unit = text(&guest, "/etc/systemd/system/imgctl-ssh-hostkeys.service");
    assert_eq!(link.is_empty(), unit == "-");
    !link.is_empty()
}

#[test]
fn host_keys_go_and_something_makes_new_ones() {
    assert!(!adds_unit(&[]), "no sshd, no unit");
    assert!(adds_unit(&[&SSHD]));
    assert!(!adds_unit(&[&SSHD, &RED_HAT]));
    assert!(adds_unit(&[
        &SSHD,
        &RED_HAT,
        &["/etc/systemd/system/sshd-keygen.target -> /dev/null"]
    ]));
    assert!(adds_unit(&[&SSHD, &RED_HAT[1..]]), "nothing wants the target");
}

#[test]
fn debians_keygen_counts_only_at_a_first_boot() {
    assert!(adds_unit(&[&SSHD, &KEYGEN, &["/etc/machine-id|"]]));
    assert!(!adds_unit(&[&SSHD, &KEYGEN, &["/etc/machine-id|uninitialized\n"]]));
    assert!(!adds_unit(&[&SSHD, &KEYGEN]), "a missing machine-id is a first boot");
    assert!(
        adds_unit(&[&SSHD, &KEYGEN[..1], &["/etc/machine-id|uninitialized\n"]]),
        "not enabled"
    );
    assert!(!adds_unit(&[
        &SSHD,
        &KEYGEN,
        &[
            "/etc/machine-id|",
            "/etc/systemd/system/sshd-keygen.service|[Unit]\n[Service]\nExecStart=ssh-keygen -A\n"
        ],
    ]));
}

#[test]
fn cloud_init_counts_when_it_is_bound_to_run() {
    let list = |list: &str| format!("/etc/cloud/cloud.cfg.d/90.cfg|datasource_list: {list}\n");
    assert!(adds_unit(&[&SSHD, &CLOUD]), "no list");
    assert!(!adds_unit(&[&SSHD, &CLOUD, &[&list("[ NoCloud ]")]]));
    assert!(!adds_unit(&[&SSHD, &CLOUD, &[&list("[ NoCloud, None ]")]]));
    assert!(adds_unit(&[&SSHD, &CLOUD, &[&list("[ None ]")]]));
    assert!(adds_unit(&[&SSHD, &CLOUD, &[&list("[ NoCloud, ConfigDrive, None ]")]]));
    assert!(adds_unit(&[
        &SSHD,
        &CLOUD,
        &[&list("[ NoCloud ]"), "/etc/cloud/cloud-init.disabled|"]
    ]));
    assert!(adds_unit(&[&SSHD, &CLOUD[..1], &[&list("[ NoCloud ]")]]), "not enabled");
    let mask = "/etc/systemd/system/cloud-init.service -> /dev/null";
    assert!(adds_unit(&[&SSHD, &CLOUD, &[&list("[ NoCloud ]"), mask]]));
}

#[test]
fn without_systemd_the_missing_maker_is_a_warning() {
    let mut guest = guest(&[KEYS[0], SSHD[0], SSHD[1]]);
    ssh_hostkeys::run(&mut guest).unwrap();
    assert!(
        guest.warnings()[0]
            .message
            .contains("nothing in the guest is known to make new ones")
    );
}

#[test]
fn cloud_init_starts_anew() {
    let mut guest = guest(&[
        "/var/lib/cloud/instance -> instances/i-1",
        "/var/lib/cloud/instances/i-1/user-data.txt|secret",
        "/var/lib/cloud/seed/nocloud/meta-data|x",
        "/var/log/cloud-init.log|x",
        "/var/log/cloud-init-output.log|x",
        "/var/log/mine.log|x",
        "/var/log/other.log|x",
        "/etc/shadow|x",
        "/etc/cloud/cloud.cfg.d/05_logging.cfg|output: {all: '| tee -a /var/log/mine.log'}\ndef_log_file: /etc/shadow\n",
        "/etc/cloud/clean.d/README|",
        "/etc/cloud/clean.d/10-x|#!/bin/sh\n",
    ]);
    let changes = run_twice(&mut guest, cloud_init::run);
    let removed = |name: &str| changes.contains(&format!("-{name}"));
    assert!(removed("/var/lib/cloud/instance") && removed("/var/lib/cloud/seed/nocloud/meta-data"));
    assert!(removed("/var/log/mine.log") && removed("/var/log/cloud-init-output.log"));
    assert!(!removed("/var/log/other.log") && !removed("/etc/shadow") && !removed("/var/lib/cloud"));
    assert_eq!(
        guest.warnings()[0].message,
        "/etc/cloud/clean.d/10-x is not run; `cloud-init clean` would have"
    );
    assert_eq!(guest.warnings().len(), 1);
}

#[test]
fn logs_go_folders_stay_and_records_are_emptied() {
    let mut guest = guest(&[
        "/var/log/syslog|x",
        "/var/log/btmp 0660 0 43|x",
        "/var/log/wtmp 0664 0 43|",
        "/var/log/btmp.1|x",
        "/var/log/apt/history.log|x",
        "/var/log/journal/ 2755 0 4",
        "/var/log/journal/0123/system.journal|x",
        "/var/log/README -> ../../usr/share/doc/README",
        "/var/log/pods/p_1/c/0.log|x",
        "/var/log/away -> /etc",
        "/etc/x|kept",
        "/root/anaconda-ks.cfg|x",
        "/var/lib/logrotate/status|x",
    ]);
    let changes = run_twice(&mut guest, logs::run);
    assert_eq!(
        changes,
        [
            "~/root",
            "-/root/anaconda-ks.cfg",
            "~/var/lib/logrotate",
            "-/var/lib/logrotate/status",
            "~/var/log",
            "~/var/log/apt",
            "-/var/log/apt/history.log",
            "~/var/log/btmp",
            "-/var/log/btmp.1",
            "~/var/log/journal",
            "-/var/log/journal/0123",
            "-/var/log/journal/0123/system.journal",
            "~/var/log/pods",
            "-/var/log/pods/p_1",
            "-/var/log/pods/p_1/c",
            "-/var/log/pods/p_1/c/0.log",
            "-/var/log/syslog",
        ]
    );
    assert_eq!(mode(&guest, "/var/log/btmp"), "0660 0:43");
    assert_eq!(mode(&guest, "/var/log/journal"), "2755 0:4");
}

#[test]
fn package_caches_keep_their_folders() {
    let mut guest = guest(&[
        "/var/cache/apt/archives/lock 0640|",
        "/var/cache/apt/archives/a.deb|x",
        "/var/cache/apt/archives/partial/ 0700 42 0",
        "/var/cache/apt/archives/partial/b.deb|x",
        "/var/cache/apt/pkgcache.bin|x",
        "/var/lib/apt/lists/lock|",
        "/var/lib/apt/lists/deb_InRelease|x",
        "/var/lib/apt/lists/auxfiles/",
        "/var/cache/dnf/repo-1/repodata/x|x",
    ]);
    let changes = run_twice(&mut guest, package_cache::run);
    let removed: Vec<&str> = changes.iter().filter_map(|change| change.strip_prefix('-')).collect();
    assert_eq!(
        removed,
        [
            "/var/cache/apt/archives/a.deb",
            "/var/cache/apt/archives/partial/b.deb",
            "/var/cache/apt/pkgcache.bin",
            "/var/cache/dnf/repo-1",
            "/var/cache/dnf/repo-1/repodata",
            "/var/cache/dnf/repo-1/repodata/x",
            "/var/lib/apt/lists/deb_InRelease",
        ]
    );
}

#[test]
fn histories_seeds_and_leases() {
    let mut guest = guest_with_esp(
        &[
            "/etc/passwd|root:x:0:0::/root:/x\nsvc:x:9:9::/srv/svc:/x\nbad:x:8:8::/etc/passwd:/x\n",
            "/root/.bash_history|x",
            "/home/u/.zsh_history|x",
            "/home/u/.bash_history -> /dev/null",
            "/home/u/.bashrc|x",
            "/srv/svc/.python_history|x",
            "/var/lib/systemd/random-seed 0600|x",
            "/boot/efi/loader/random-seed|x",
            "/var/lib/dhcp/dhclient.leases|x",
            "/var/lib/NetworkManager/secret_key|x",
            "/var/lib/NetworkManager/a.lease|x",
            "/var/lib/NetworkManager/NetworkManager.state|x",
        ],
        true,
    );
    let changes = run_twice(&mut guest, |guest| {
        shell_history::run(guest)?;
        random_seed::run(guest)?;
        dhcp_state::run(guest)
    });
    let removed: Vec<&str> = changes.iter().filter_map(|change| change.strip_prefix('-')).collect();
    assert_eq!(
        removed,
        [
            "/boot/efi/loader/random-seed",
            "/home/u/.zsh_history",
            "/root/.bash_history",
            "/srv/svc/.python_history",
            "/var/lib/NetworkManager/a.lease",
            "/var/lib/NetworkManager/secret_key",
            "/var/lib/dhcp/dhclient.leases",
            "/var/lib/systemd/random-seed",
        ]
    );
}

#[test]
fn temporary_folders_are_emptied_wherever_they_are() {
    let mut plain = guest(&[
        "/tmp/ 1777",
        "/tmp/.X11-unix/X0|",
        "/tmp/\u{1b}[2J|",
        "/var/tmp -> /tmp",
        "/tmp/l -> /etc",
    ]);
    let changes = run_twice(&mut plain, tmp::run);
    assert_eq!(
        changes,
        [
            "~/tmp",
            "-/tmp/\\x1b[2J",
            "-/tmp/.X11-unix",
            "-/tmp/.X11-unix/X0",
            "-/tmp/l"
        ]
    );
    assert_eq!(mode(&plain, "/tmp"), "1777 0:0");

    for target in ["/", "/../..", "/etc", "/usr/lib", "/home"] {
        let link = format!("/tmp -> {target}");
        let mut hostile = guest(&[&link, "/etc/x|", "/usr/lib/y|", "/home/z|", "/var/tmp -> tmp"]);
        let result = tmp::run(&mut hostile);
        assert!(hostile.log().is_empty(), "{target}");
        assert!(
            result.is_err() || hostile.warnings()[0].message.ends_with("which is left as it is"),
            "{target}"
        );
    }
}

#[test]
fn folders_that_lead_to_the_system_are_left_alone() {
    let mut hostile = guest(&[
        "/var/log -> /",
        "/var/cache/apt/archives -> /usr/lib",
        "/usr/lib/x|kept",
        "/etc/y|kept",
    ]);
    logs::run(&mut hostile).unwrap();
    package_cache::run(&mut hostile).unwrap();
    assert!(hostile.log().is_empty());
    assert_eq!(hostile.warnings().len(), 2);

    let mut moved = guest(&["/var/log -> /data/log", "/data/log/syslog|x"]);
    assert_eq!(run_twice(&mut moved, logs::run), ["~/data/log", "-/data/log/syslog"]);
}

#[test]
fn a_mounted_folder_keeps_what_fsck_wants() {
    let mut guest = guest_with_esp(&["/boot/efi/lost+found/", "/boot/efi/x|", "/boot/y/lost+found/"], true);
    super::sweep::empty(&mut guest, &crate::testing::path("/boot")).unwrap();
    assert_eq!(guest.glob("/boot/*").unwrap(), [crate::testing::path("/boot/efi")]);
    assert_eq!(
        guest.glob("/boot/efi/*").unwrap(),
        [crate::testing::path("/boot/efi/lost+found")]
    );
}
