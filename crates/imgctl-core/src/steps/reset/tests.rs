//! Every reset operation: what goes, what stays, twice, and on hostile trees.

use super::{Operation, RESET_ROWS};
use crate::guest::{Guest, NewMetadata};
use crate::steps::{Step, StepError};
use crate::testing::{NOW, edited, empty, guest, guest_with_esp, mode, path, text};
use imgctl_recipe::{MachineId, Origin, RESET_OPERATIONS, Reset, ResetOperation};

/// A reset that runs these operations.
fn resetting(names: &str) -> Reset {
    let operations = names.split(' ').map(|name| ResetOperation::find(name).unwrap());
    Reset {
        operations: operations.collect(),
        ..Reset::default()
    }
}

fn apply(guest: &mut Guest, reset: &Reset) -> Result<(), StepError> {
    for operation in &reset.operations {
        let row = RESET_ROWS.iter().find(|row| row.name == operation.name).unwrap();
        guest.begin_step(row.name);
        Operation {
            row,
            reset: reset.clone(),
            origin: Origin {
                file: "golden.yaml".into(),
                line: 1,
                column: 1,
                key: "reset".to_owned(),
            },
        }
        .apply(guest)?;
    }
    Ok(())
}

/// Runs operations and checks that a second run finds nothing to do.
fn run_twice(guest: &mut Guest, reset: &Reset) -> Vec<String> {
    let changes = edited(guest, |guest| apply(guest, reset).unwrap());
    let tree = std::mem::replace(guest, empty()).into_parts().0;
    *guest = Guest::new(tree, NOW);
    apply(guest, reset).unwrap();
    assert!(guest.log().is_empty(), "the operation is not at rest");
    changes
}

fn run(guest: &mut Guest, names: &str) -> Vec<String> {
    run_twice(guest, &resetting(names))
}

/// What an operation removes of a guest with these entries.
fn removed(names: &str, entries: &[&str]) -> Vec<String> {
    let changes = run(&mut guest(entries), names);
    let removed = changes.iter().filter_map(|change| change.strip_prefix('-'));
    removed.map(str::to_owned).collect()
}

#[test]
fn every_operation_is_done_or_refused() {
    let mut rows = RESET_ROWS.iter();
    for operation in RESET_OPERATIONS.iter().filter(|operation| operation.refused.is_empty()) {
        let row = rows.next().unwrap();
        assert_eq!(row.name, operation.name, "the two tables have another order");
        assert_eq!(row.operation.name, operation.name);
        assert_eq!(
            operation.peer.is_empty(),
            matches!(row.peer, crate::steps::flags::Peer::Ours) || row.name == "random-seed"
        );
    }
    assert!(rows.next().is_none());
}

#[test]
fn a_machine_id_is_emptied_or_marked_and_never_absent() {
    let mut full = guest(&["/etc/machine-id 0444|abc\n", "/var/lib/dbus/machine-id|abc\n"]);
    let changes = run(&mut full, "machine-id");
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
    let uninitialized = Reset {
        machine_id: MachineId::Uninitialized,
        ..resetting("machine-id")
    };
    let changes = run_twice(&mut linked, &uninitialized);
    assert_eq!(changes, ["~/etc", "~/etc/machine-id"]);
    assert_eq!(text(&linked, "/etc/machine-id"), "uninitialized\n");

    let mut missing = guest(&[]);
    assert_eq!(run(&mut missing, "machine-id"), ["~/", "+/etc", "+/etc/machine-id"]);
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
    run(&mut guest, "ssh-hostkeys");
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
    apply(&mut guest, &resetting("ssh-hostkeys")).unwrap();
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
    let changes = run(&mut guest, "cloud-init");
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
    let changes = run(&mut guest, "logs");
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
    let changes = run(&mut guest, "package-cache apt-lists");
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
    let changes = run(&mut guest, "shell-history random-seed dhcp-state network-manager");
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
    let changes = run(&mut plain, "tmp");
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
        let result = apply(&mut hostile, &resetting("tmp"));
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
    apply(&mut hostile, &resetting("logs package-cache")).unwrap();
    assert!(hostile.log().is_empty());
    assert_eq!(hostile.warnings().len(), 2);

    let mut moved = guest(&["/var/log -> /data/log", "/data/log/syslog|x"]);
    assert_eq!(run(&mut moved, "logs"), ["~/data/log", "-/data/log/syslog"]);
}

#[test]
fn a_mounted_folder_keeps_what_fsck_wants() {
    let mut guest = guest_with_esp(&["/boot/efi/lost+found/", "/boot/efi/x|", "/boot/y/lost+found/"], true);
    super::sweep::empty(&mut guest, &path("/boot")).unwrap();
    assert_eq!(guest.glob("/boot/*").unwrap(), [path("/boot/efi")]);
    assert_eq!(guest.glob("/boot/efi/*").unwrap(), [path("/boot/efi/lost+found")]);
}

#[test]
fn what_the_run_itself_put_there_stays() {
    let mut guest = guest(&[
        "/tmp/old|x",
        "/tmp/dir/old|x",
        "/var/lib/cloud/seed/old|x",
        "/etc/ssh/ssh_host_rsa_key|old",
    ]);
    guest.begin_step("files");
    for (name, content) in [
        ("/tmp/new", "x"),
        ("/var/lib/cloud/seed/nocloud/user-data", "x"),
        ("/etc/ssh/ssh_host_ed25519_key", "mine"),
    ] {
        guest
            .create_directory_all(&path(name).parent().unwrap(), NewMetadata::root(0o755))
            .unwrap();
        guest
            .write_file(&path(name), &mut content.as_bytes(), NewMetadata::root(0o644))
            .unwrap();
    }
    guest.keep(&path("/tmp/dir/old")).unwrap();
    apply(&mut guest, &resetting("tmp cloud-init ssh-hostkeys")).unwrap();
    assert_eq!(guest.glob("/tmp/*").unwrap(), [path("/tmp/dir"), path("/tmp/new")]);
    assert!(guest.exists(&path("/tmp/dir/old")).unwrap());
    assert_eq!(
        guest.glob("/var/lib/cloud/seed/*").unwrap(),
        [path("/var/lib/cloud/seed/nocloud")]
    );
    assert_eq!(
        guest.glob("/etc/ssh/*").unwrap(),
        [path("/etc/ssh/ssh_host_ed25519_key")]
    );
    let warnings: Vec<&str> = guest
        .warnings()
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert!(
        warnings.contains(&"the reset `tmp` leaves /tmp/dir/old and 1 more: this run has put that there"),
        "{warnings:?}"
    );
}

const PASSWD: &str = "/etc/passwd|root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
    bob:x:1001:1001::/home/bob:/bin/sh\nsvc:x:999:999::/srv/svc:/bin/sh\n";

#[test]
fn users_go_with_all_that_is_theirs() {
    let entries = [
        PASSWD,
        "/etc/shadow 0640 0 42|root:*:1::::::\nann:$y$x:1::::::\nbob:!:1::::::\n",
        "/etc/group|root:x:0:\nann:x:1000:\nbob:x:1001:ann\nsudo:x:27:ann,bob\n+\n",
        "/etc/gshadow|root:*::\nann:!::\nsudo:*:bob:ann,bob\n",
        "/etc/subuid|ann:100000:65536\nbob:165536:65536\n",
        "/etc/login.defs|# UID_MIN 1\nUID_MIN\t1000\nUID_MAX 60000\nUSERGROUPS_ENAB yes\n",
        "/home/ann/ 0700 1000 1000",
        "/home/ann/x|",
        "/home/bob/ 0700 1001 1001",
        "/var/mail/ann|x",
    ];
    let mut all = guest(&entries);
    run(&mut all, "user-account");
    assert_eq!(text(&all, "/etc/shadow"), "root:*:1::::::\n");
    assert_eq!(mode(&all, "/etc/shadow"), "0640 0:42");
    assert_eq!(text(&all, "/etc/group"), "root:x:0:\nsudo:x:27:\n+\n");
    assert_eq!(text(&all, "/etc/gshadow"), "root:*::\nsudo:*::\n");
    assert_eq!(text(&all, "/etc/subuid"), "");
    assert!(all.glob("/home/*").unwrap().is_empty() && all.glob("/var/mail/*").unwrap().is_empty());

    let mut some = guest(&entries);
    let reset = Reset {
        remove_users: vec!["ann".to_owned(), "svc".to_owned()],
        ..resetting("user-account")
    };
    run_twice(&mut some, &reset);
    assert!(text(&some, "/etc/passwd").contains("bob:") && text(&some, "/etc/passwd").contains("svc:"));
    assert!(!text(&some, "/etc/passwd").contains("ann:"));
    assert_eq!(some.glob("/home/*").unwrap(), [path("/home/bob")]);

    let mut kept = guest(&entries);
    kept.keep_account(b"ann");
    let reset = Reset {
        keep_users: vec!["bob".to_owned()],
        ..resetting("user-account")
    };
    apply(&mut kept, &reset).unwrap();
    assert!(kept.log().is_empty());
    let unknown = Reset {
        keep_users: vec!["bib".to_owned()],
        ..resetting("user-account")
    };
    assert_eq!(
        apply(&mut kept, &unknown).unwrap_err().hint().as_deref(),
        Some("did you mean bob?")
    );
}

#[test]
fn homes_that_are_not_the_users_alone_stay() {
    for home in ["/", "/home", "/srv/svc/sub", "/usr/x", "/etc/ann"] {
        let passwd = format!("/etc/passwd|svc:x:9:9::/srv/svc/sub/deep:/x\nann:x:1000:1000::{home}:/x\n");
        let mut guest = guest(&[&passwd, "/home/x|", "/srv/svc/sub/deep/x|", "/usr/x/y|", "/etc/ann/x|"]);
        apply(&mut guest, &resetting("user-account")).unwrap();
        assert!(guest.exists(&path("/home/x")).unwrap() && guest.exists(&path("/srv/svc/sub/deep/x")).unwrap());
    }
}

#[test]
fn keys_of_users_go_but_for_those_of_the_run() {
    let entries = [
        PASSWD,
        "/root/.ssh/authorized_keys 0600|ssh-ed25519 OLD a\nssh-ed25519 NEW b\n",
        "/root/.ssh/known_hosts|x",
        "/home/ann/.ssh/id_ed25519|x",
        "/home/ann/.ssh/authorized_keys|ssh-ed25519 OLD a\n",
        "/srv/svc/.ssh -> /home/ann/.ssh",
    ];
    let mut all = guest(&entries);
    all.keep_lines(&path("/root/.ssh/authorized_keys"), [&b"ssh-ed25519 NEW b"[..]])
        .unwrap();
    let reset = Reset {
        keep_authorized_keys: vec!["ann".to_owned()],
        ..resetting("ssh-userdir")
    };
    apply(&mut all, &reset).unwrap();
    assert_eq!(text(&all, "/root/.ssh/authorized_keys"), "ssh-ed25519 NEW b\n");
    assert_eq!(all.glob("/root/.ssh/*").unwrap(), [path("/root/.ssh/authorized_keys")]);
    assert!(all.exists(&path("/home/ann/.ssh/id_ed25519")).unwrap());
    assert_eq!(all.read_link(&path("/srv/svc/.ssh")).unwrap(), None);
    assert!(all.warnings().is_empty());

    let mut whole = guest(&entries);
    run(&mut whole, "ssh-userdir");
    assert!(whole.glob("/*/.ssh").unwrap().is_empty() && whole.glob("/home/*/.ssh").unwrap().is_empty());
}

#[test]
fn keys_of_named_users_go_alone() {
    let mut guest = guest(&[
        PASSWD,
        "/root/.ssh/authorized_keys|ssh-rsa A\n",
        "/root/.ssh/config|x",
        "/home/ann/.ssh/authorized_keys|x",
    ]);
    let plan = imgctl_recipe::Plan {
        reset: Some(imgctl_recipe::Sourced {
            value: Reset {
                ssh_authorized_keys: vec!["root".to_owned()],
                ..Reset::default()
            },
            origin: Origin {
                file: "r".into(),
                line: 1,
                column: 1,
                key: "reset".to_owned(),
            },
        }),
        ..imgctl_recipe::Plan::default()
    };
    crate::steps::execute(&plan, &mut guest, &mut |_| true).unwrap();
    assert_eq!(guest.glob("/root/.ssh/*").unwrap(), [path("/root/.ssh/config")]);
    assert!(guest.exists(&path("/home/ann/.ssh/authorized_keys")).unwrap());
}

#[test]
fn settings_of_one_machine_in_files_of_red_hat() {
    let ifcfg = "/etc/sysconfig/network-scripts/ifcfg-eth0|DEVICE=eth0\nHWADDR=00:11\nHOSTNAME=a\nDHCP_HOSTNAME=b\n";
    for os in ["rocky", "almalinux\nID_LIKE=\"rhel centos fedora\"", "fedora"] {
        let release = format!("/etc/os-release|ID={os}\n");
        let mut el = guest(&[
            &release,
            ifcfg,
            "/etc/NetworkManager/system-connections/a.nmconnection|x",
        ]);
        run(&mut el, "net-hostname net-hwaddr net-nmconn");
        assert_eq!(text(&el, "/etc/sysconfig/network-scripts/ifcfg-eth0"), "DEVICE=eth0\n");
        assert!(el.glob("/etc/NetworkManager/system-connections/*").unwrap().is_empty());
    }
    let mut debian = guest(&["/etc/os-release|ID=debian\n", ifcfg]);
    assert!(run(&mut debian, "net-hostname net-hwaddr").is_empty());
}

#[test]
fn clusters_forget_their_node_and_keep_their_images() {
    let gone = removed(
        "rancher-state kubernetes-state cni-state",
        &[
            "/etc/rancher/node/password|x",
            "/etc/rancher/rke2/config.yaml|x",
            "/var/lib/rancher/rke2/server/db/x|x",
            "/var/lib/rancher/rke2/agent/images/a.tar.zst|x",
            "/var/lib/rancher/rke2/agent/pod-manifests/x|x",
            "/var/lib/rancher/rke2/bin/rke2|x",
            "/var/lib/rancher/k3s/agent/images/b.tar|x",
            "/var/lib/kubelet/pki/kubelet.crt|x",
            "/etc/kubernetes/kubelet.conf|x",
            "/etc/kubernetes/manifests/kube-vip.yaml|x",
            "/var/lib/cni/networks/cbr0/10.0.0.1|x",
            "/opt/cni/bin/bridge|x",
        ],
    );
    assert_eq!(
        gone,
        [
            "/etc/kubernetes/kubelet.conf",
            "/etc/rancher/node/password",
            "/var/lib/cni/networks/cbr0",
            "/var/lib/cni/networks/cbr0/10.0.0.1",
            "/var/lib/kubelet/pki/kubelet.crt",
            "/var/lib/rancher/rke2/agent/pod-manifests",
            "/var/lib/rancher/rke2/agent/pod-manifests/x",
            "/var/lib/rancher/rke2/server/db",
            "/var/lib/rancher/rke2/server/db/x",
        ]
    );
}

#[test]
fn networks_of_cloud_init_go_where_it_makes_them_anew() {
    let plan = "/etc/netplan/50-cloud-init.yaml|x";
    let program = "/usr/bin/cloud-init|x";
    assert!(removed("cloud-init-configs", &[plan]).is_empty());
    assert_eq!(
        removed("cloud-init-configs", &[plan, program]),
        ["/etc/netplan/50-cloud-init.yaml"]
    );
    for off in [
        "/etc/cloud/cloud-init.disabled|",
        "/etc/cloud/cloud.cfg.d/99.cfg|network: {config: disabled}\n",
        "/etc/cloud/cloud.cfg.d/99.cfg|network:\n  config: disabled\n",
    ] {
        assert!(removed("cloud-init-configs", &[plan, program, off]).is_empty(), "{off}");
    }
}

#[test]
fn machines_have_names_of_their_own() {
    let mut debian = guest(&[
        "/etc/iscsi/initiatorname.iscsi 0600|InitiatorName=iqn.a\n",
        "/usr/lib/open-iscsi/startup-checks.sh|",
    ]);
    run(&mut debian, "iscsi-initiator");
    assert_eq!(text(&debian, "/etc/iscsi/initiatorname.iscsi"), "GenerateName=yes\n");
    let entries = [
        "/etc/iscsi/initiatorname.iscsi|x",
        "/etc/hostid|x",
        "/etc/nvme/hostnqn|x",
        "/etc/nvme/hostid|x",
        "/etc/nvme/config.json|x",
    ];
    assert_eq!(
        removed("hostid iscsi-initiator nvme-host", &entries),
        [
            "/etc/hostid",
            "/etc/iscsi/initiatorname.iscsi",
            "/etc/nvme/hostid",
            "/etc/nvme/hostnqn"
        ]
    );
    let state = "/var/lib/snapd/state.json 0600|{\"data\":{\"auth\":{\"device\":{\"brand\":\"c\",\"key-id\":\"k\",\"serial\":\"s\"}},\"n\":1}}";
    let mut snap = guest(&[state, "/var/lib/snapd/cache/x|", "/var/lib/snapd/snaps/a.snap|"]);
    run(&mut snap, "snap-state");
    assert_eq!(
        text(&snap, "/var/lib/snapd/state.json"),
        "{\"data\":{\"auth\":{\"device\":{\"brand\":\"c\"}},\"n\":1}}"
    );
    assert!(snap.exists(&path("/var/lib/snapd/snaps/a.snap")).unwrap());
}

#[test]
fn counters_of_jobs_begin_anew() {
    let mut guest = guest(&[
        "/var/spool/cron/crontabs/root|x",
        "/var/spool/at/.SEQ|0001f",
        "/var/spool/at/a00001|x",
    ]);
    run(&mut guest, "cron-spool flag-reconfiguration");
    assert_eq!(text(&guest, "/var/spool/at/.SEQ"), "00000\n");
    assert!(guest.glob("/var/spool/cron/crontabs/*").unwrap().is_empty());
    assert_eq!(text(&guest, "/.unconfigured"), "");
}
