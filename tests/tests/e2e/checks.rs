//! `expect` and `verify` on real images: every check passes, and each can be made to fail by one edit of the recipe.

use std::fs;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{cli, fixture};
use serde_json::Value;

const HEAD: &str = "apiVersion: imgctl/v1\nkind: Recipe\n";

/// What holds for Debian 13 as it was built, each with an edit that makes it wrong.
const DEBIAN: &[(&str, &str, &str)] = &[
    ("{ file: /etc/debian_version, type: file, mode: \"0644\", owner: root, group: root }", "0644", "0755"),
    ("{ file: /etc/debian_version, matches: \"^13\" }", "^13", "^12"),
    ("{ file: /etc/machine-id, size: 33 }", "33", "0"),
    ("{ file: /opt/fixture/first-name, contains: shared }", "shared", "private"),
    (
        "{ file: /opt/fixture/first-name, sha256: eb99fe5ac3d0a9b6cb73a6ead44b35f82a5c8b4bd34b9d1c9d4cb0cc8af4b6b8 }",
        "",
        "",
    ),
    ("{ file: /etc/os-release, type: symlink }", "symlink", "directory"),
    ("{ file: /etc/sysctl.conf, state: absent }", "sysctl.conf", "hostname"),
    ("{ glob: \"/etc/ssh/ssh_host_*_key\", count: 3 }", "3", "0"),
    ("{ glob: \"/opt/fixture/crowded/*\", min: 1500 }", "1500", "1501"),
    ("{ package: systemd, state: installed, version: \">= 257, < 258\" }", "< 258", "< 257"),
    ("{ package: libc6, state: installed }", "libc6", "libc7"),
    ("{ package: rpm, state: absent }", "rpm", "dpkg"),
    ("{ service: ssh, state: enabled }", "enabled", "masked"),
    ("{ service: sshd, state: enabled }", "enabled", "disabled"),
    ("{ service: serial-getty@ttyS0, state: disabled }", "disabled", "enabled"),
    ("{ service: systemd-timesyncd, state: enabled }", "enabled", "disabled"),
    ("{ user: debian, uid: 1000, home: /home/debian, shell: /bin/bash, groups: [sudo, adm] }", "adm", "adm, disk"),
    ("{ user: debian, locked: true }", "true", "false"),
    ("{ user: root, locked: false }", "false", "true"),
    ("{ user: ubuntu, state: absent }", "ubuntu", "root"),
    ("{ group: sudo, gid: 27 }", "27", "28"),
    ("{ kernel_cmdline: contains, args: [\"console=ttyS0,115200\"] }", "115200", "9600"),
    ("{ kernel_cmdline: lacks, args: [quiet] }", "quiet", "ro"),
    ("{ sysctl: kernel.pid_max, value: \"4194304\" }", "4194304", "32768"),
    ("{ fstab: mounts_resolve }", "", ""),
    ("{ bootloader: root_uuid_matches }", "", ""),
    ("{ initramfs: contains, modules: [virtio_blk, virtio_net, ext4] }", "ext4", "nosuch"),
    ("{ machine_id: set }", "set", "empty"),
];

/// The same for the small image, on which nothing boots.
const MINI: &[(&str, &str, &str)] = &[
    ("{ file: /etc/shadow, mode: \"0640\", group: shadow }", "0640", "0600"),
    ("{ glob: \"/boot/vmlinuz-*\", count: 2 }", "2", "1"),
    ("{ package: cron, state: installed, version: \"= 1.0-1\" }", "= 1", "> 1"),
    ("{ service: cron, state: enabled }", "enabled", "disabled"),
    ("{ service: qemu-guest-agent, state: disabled }", "", ""),
    ("{ user: app, uid: 1001, groups: [app] }", "1001", "1002"),
    ("{ kernel_cmdline: contains, args: [console=tty0] }", "contains", "lacks"),
    ("{ sysctl: net.ipv4.ip_forward, value: \"0\" }", "\"0\"", "\"1\""),
    ("{ fstab: mounts_resolve }", "", ""),
    ("{ bootloader: root_uuid_matches }", "", ""),
    ("{ machine_id: set }", "set", "uninitialized"),
];

fn recipe(checks: &[String]) -> String {
    let lines: String = checks.iter().map(|check| format!("  - {check}\n")).collect();
    format!("{HEAD}verify:\n{lines}")
}

/// Runs `imgctl verify` and gives its exit code and the passed state of each check.
fn verify(folder: &tempfile::TempDir, image: &str, text: &str) -> Result<(Option<i32>, Vec<bool>, String)> {
    fs::write(folder.path().join("r.yaml"), text)?;
    let output = cli::output(folder.path(), &["verify", image, "--recipe", "r.yaml", "--json"])?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let result: Value = serde_json::from_str(&printed).with_context(|| stderr(&output))?;
    let checks = result["checks"].as_array().context("no checks")?;
    let passed = checks.iter().map(|check| check["passed"].as_bool().unwrap_or(false)).collect();
    Ok((output.status.code(), passed, printed))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
