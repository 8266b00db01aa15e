//! What `reset: { profile: golden }` must leave.

use imgctl_testkit::tree::Kind;

use crate::expected::Expected;

/// The unit that makes host keys where nothing else surely does.
pub(crate) const KEYS_UNIT: &str = "/etc/systemd/system/imgctl-ssh-hostkeys.service";

/// Records of logins, emptied and not removed: programs write to them only where they exist.
const RECORDS: [&str; 5] = ["btmp", "wtmp", "lastlog", "faillog", "tallylog"];

/// The tree after a golden reset with an empty machine-id.
pub(crate) fn golden(tree: &mut Expected) {
    tree.file("/etc/machine-id", b"");
    ssh_host_keys(tree);
    tree.empty("/var/lib/cloud");
    logs(tree);
    package_caches(tree);
    for path in files(tree, |path| path.ends_with("/.bash_history")) {
        tree.remove(&path);
    }
    for path in [
        "/var/lib/systemd/random-seed",
        "/var/lib/systemd/credential.secret",
        "/etc/udev/rules.d/70-persistent-net.rules",
        "/etc/netplan/50-cloud-init.yaml",
        "/etc/ssh/sshd_config.d/50-cloud-init.conf",
    ] {
        tree.remove(path);
    }
    for file in ["group", "gshadow", "passwd", "shadow", "subuid", "subgid"] {
        tree.remove(&format!("/etc/{file}-"));
    }
    for folder in [
        "/var/cache/man",
        "/tmp",
        "/var/tmp",
        "/var/lib/dhcp",
        "/var/lib/systemd/network",
    ] {
        tree.empty(folder);
    }
}

/// The fixtures' cloud-init has several datasources, and an empty machine-id is no first boot for Debian 13's
/// sshd-keygen.service: so the unit is needed on all of them.
fn ssh_host_keys(tree: &mut Expected) {
    for path in files(tree, |path| path.starts_with("/etc/ssh/ssh_host_")) {
        tree.remove(&path);
    }
    tree.file_of_any_content(KEYS_UNIT);
    let name = KEYS_UNIT.trim_start_matches("/etc/systemd/system/");
    tree.symlink(
        &format!("/etc/systemd/system/multi-user.target.wants/{name}"),
        KEYS_UNIT,
    );
}

fn logs(tree: &mut Expected) {
    tree.empty("/var/log/journal");
    for path in files(tree, |path| path.starts_with("/var/log/")) {
        if RECORDS.iter().any(|record| path.ends_with(&format!("/{record}"))) {
            tree.file(&path, b"");
        } else {
            tree.remove(&path);
        }
    }
}

fn package_caches(tree: &mut Expected) {
    let is_cache = |path: &str| path.starts_with("/var/cache/apt/archives/") || path.starts_with("/var/lib/apt/lists/");
    let is_index = |path: &str| path.starts_with("/var/cache/apt/") && path.ends_with(".bin");
    for path in files(tree, |path| {
        (is_cache(path) && !path.ends_with("/lock")) || is_index(path)
    }) {
        tree.remove(&path);
    }
}

fn files(tree: &Expected, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let files = tree.tree.entries.iter().filter(|(_, entry)| entry.kind == Kind::File);
    files
        .filter_map(|(path, _)| String::from_utf8(path.clone()).ok())
        .filter(|path| is_wanted(path))
        .collect()
}
