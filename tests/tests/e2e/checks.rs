//! `expect` and `verify` on real images: every check passes, and each can be made to fail by one edit of the recipe.

use std::fs;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{cli, fixture};
use serde_json::Value;

const HEAD: &str = "apiVersion: imgctl/v1\nkind: Recipe\n";

/// What holds for Debian 13 as it was built, each with an edit that makes it wrong.
const DEBIAN: &[(&str, &str, &str)] = &[
    (
        "{ file: /etc/debian_version, type: file, mode: \"0644\", owner: root, group: root }",
        "0644",
        "0755",
    ),
    ("{ file: /etc/debian_version, matches: \"^13\" }", "^13", "^12"),
    ("{ file: /etc/machine-id, size: 33 }", "33", "0"),
    (
        "{ file: /opt/fixture/first-name, contains: shared }",
        "shared",
        "private",
    ),
    (
        "{ file: /opt/fixture/first-name, sha256: cf99975aa7995fad86fae7f3b0905143f30a52501944dff26002afc99c3b8419 }",
        "cf99",
        "cf98",
    ),
    ("{ file: /etc/os-release, type: symlink }", "symlink", "directory"),
    ("{ file: /etc/sysctl.conf, state: absent }", "sysctl.conf", "hostname"),
    ("{ glob: \"/etc/ssh/ssh_host_*_key\", count: 3 }", "3", "0"),
    ("{ glob: \"/opt/fixture/crowded/*\", min: 1500 }", "1500", "1501"),
    (
        "{ package: systemd, state: installed, version: \">= 257, < 258\" }",
        "< 258",
        "< 257",
    ),
    ("{ package: libc6, state: installed }", "libc6", "libc7"),
    ("{ package: rpm, state: absent }", "rpm", "dpkg"),
    ("{ service: ssh, state: enabled }", "enabled", "masked"),
    ("{ service: sshd, state: enabled }", "enabled", "disabled"),
    (
        "{ service: serial-getty@ttyS0, state: disabled }",
        "disabled",
        "enabled",
    ),
    ("{ service: systemd-timesyncd, state: enabled }", "enabled", "disabled"),
    (
        "{ user: debian, uid: 1000, home: /home/debian, shell: /bin/bash, groups: [sudo, adm] }",
        "adm",
        "adm, disk",
    ),
    ("{ user: debian, locked: true }", "true", "false"),
    ("{ user: root, locked: false }", "false", "true"),
    ("{ user: ubuntu, state: absent }", "ubuntu", "root"),
    ("{ group: sudo, gid: 27 }", "27", "28"),
    (
        "{ kernel_cmdline: contains, args: [\"console=ttyS0,115200\"] }",
        "115200",
        "9600",
    ),
    ("{ kernel_cmdline: lacks, args: [quiet] }", "quiet", "ro"),
    ("{ sysctl: kernel.pid_max, value: \"4194304\" }", "4194304", "32768"),
    ("{ fstab: mounts_resolve }", "", ""),
    ("{ bootloader: root_uuid_matches }", "", ""),
    (
        "{ initramfs: contains, modules: [virtio_blk, virtio_net, ext4] }",
        "ext4",
        "nosuch",
    ),
    ("{ machine_id: set }", "set", "empty"),
];

/// The same for the small image, on which nothing boots.
const MINI: &[(&str, &str, &str)] = &[
    ("{ file: /etc/shadow, mode: \"0640\", group: shadow }", "0640", "0600"),
    ("{ glob: \"/boot/vmlinuz-*\", count: 2 }", "2", "1"),
    (
        "{ package: cron, state: installed, version: \"= 1.0-1\" }",
        "= 1",
        "> 1",
    ),
    ("{ service: cron, state: enabled }", "enabled", "disabled"),
    ("{ service: containerd, state: disabled }", "disabled", "enabled"),
    ("{ user: app, uid: 1001, groups: [app] }", "1001", "1002"),
    (
        "{ kernel_cmdline: contains, args: [console=tty0] }",
        "contains",
        "lacks",
    ),
    ("{ sysctl: net.ipv4.ip_forward, value: \"0\" }", "\"0\"", "\"1\""),
    ("{ fstab: mounts_resolve }", "", ""),
    ("{ bootloader: root_uuid_matches }", "", ""),
    ("{ machine_id: set }", "set", "uninitialized"),
];

/// Edits of the guest, each with the check that it makes fail.
const EDITS: &[(&str, &str)] = &[
    (
        "{ path: /etc/fstab, append: \"UUID=11-22 /data ext4 defaults 0 2\\n\" }",
        "{ fstab: mounts_resolve }",
    ),
    (
        "{ path: /boot/grub/custom.cfg, content: \"linux /k root=UUID=11-22\\n\" }",
        "{ bootloader: root_uuid_matches }",
    ),
    (
        "{ path: /boot/grub/custom.cfg, content: \"linux /k ro\\n\" }",
        "{ kernel_cmdline: contains, args: [console=tty0] }",
    ),
    (
        "{ path: /boot/vmlinuz-9, content: x }",
        "{ initramfs: contains, modules: [ext4] }",
    ),
    (
        "{ path: /etc/sysctl.d/99-x.conf, content: \"kernel.pid_max=9\\n\" }",
        "{ sysctl: kernel.pid_max, value: \"4194304\" }",
    ),
    ("{ path: /etc/machine-id, content: \"\" }", "{ machine_id: set }"),
];

fn recipe(checks: &[&str]) -> String {
    let lines: String = checks.iter().map(|check| format!("  - {check}\n")).collect();
    format!("{HEAD}verify:\n{lines}")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with the base and whatever a test writes.
struct Bench {
    folder: tempfile::TempDir,
    base: String,
}

impl Bench {
    fn new(name: &str) -> Result<Self> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("imgctl-checks-").tempdir()?,
            base: fixture::image(name)?.canonicalize()?.display().to_string(),
        })
    }

    fn run(&self, recipe: &str, arguments: &[&str]) -> Result<Output> {
        fs::write(self.folder.path().join("r.yaml"), recipe)?;
        let (command, further) = arguments.split_first().context("no command")?;
        let whole = [&[*command, self.base.as_str(), "--recipe", "r.yaml"][..], further].concat();
        cli::output(self.folder.path(), &whole)
    }

    /// Runs `imgctl verify`: whether each check passed.
    fn verify(&self, recipe: &str) -> Result<Vec<bool>> {
        let output = self.run(recipe, &["verify", "--json"])?;
        let result: Value = serde_json::from_slice(&output.stdout).with_context(|| stderr(&output))?;
        let checks = result["checks"].as_array().context("no checks")?;
        let passed: Vec<bool> = checks.iter().map(|check| check["passed"] == true).collect();
        let code = if passed.iter().all(|passed| *passed) { 0 } else { 21 };
        ensure!(
            output.status.code() == Some(code),
            "{:?}, expected {code}: {}",
            output.status,
            stderr(&output)
        );
        Ok(passed)
    }
}

fn prove(name: &str, cases: &[(&str, &str, &str)]) -> Result<()> {
    if !fixture::is_wanted(name) {
        return Ok(());
    }
    let bench = Bench::new(name)?;
    let right: Vec<&str> = cases.iter().map(|(check, ..)| *check).collect();
    let passed = bench.verify(&recipe(&right))?;
    ensure!(
        passed.len() == cases.len() && passed.iter().all(|passed| *passed),
        "{passed:?}"
    );
    for (at, (check, from, to)) in cases.iter().enumerate().filter(|(_, (_, from, _))| !from.is_empty()) {
        ensure!(check.contains(from), "{check}: nothing to edit");
        let wrong = check.replacen(from, to, 1);
        let mut edited = right.clone();
        edited[at] = &wrong;
        let passed = bench.verify(&recipe(&edited))?;
        let failed: Vec<usize> = (0..passed.len()).filter(|at| !passed[*at]).collect();
        ensure!(failed == [at], "{wrong}: failed {failed:?}, expected {at}");
    }
    Ok(())
}

#[test]
fn each_check_of_debian13_can_fail() -> Result<()> {
    prove("debian13", DEBIAN)
}

#[test]
fn each_check_of_mini_can_fail() -> Result<()> {
    prove("mini", MINI)
}

#[test]
fn an_edit_of_the_guest_fails_the_run() -> Result<()> {
    if !fixture::is_wanted("debian13") {
        return Ok(());
    }
    let bench = Bench::new("debian13")?;
    for (edit, check) in EDITS {
        let checks = recipe(&[check]);
        let output = bench.run(&checks, &["customize", "--dry-run"])?;
        ensure!(output.status.success(), "{check}: {}", stderr(&output));
        let output = bench.run(&format!("{checks}files:\n  - {edit}\n"), &["customize", "--dry-run"])?;
        let told = stderr(&output);
        ensure!(output.status.code() == Some(21), "{check}: {:?} {told}", output.status);
        ensure!(told.contains("error: 1 of 1 checks failed\n  r.yaml:4:5: "), "{told}");
    }
    Ok(())
}

#[test]
fn nothing_is_published_when_a_check_fails() -> Result<()> {
    let bench = Bench::new("mini")?;
    let reset = "reset: { profile: golden, machine_id: empty }\n";
    let checks = [
        "{ machine_id: empty }",
        "{ ssh_host_keys: absent }",
        "{ glob: \"/var/lib/cloud/instances/*\", count: 0 }",
    ];
    let output = bench.run(&recipe(&checks), &["customize", "-o", "out.qcow2"])?;
    ensure!(output.status.code() == Some(21), "{}", stderr(&output));
    ensure!(
        stderr(&output).contains("error: 3 of 3 checks failed"),
        "{}",
        stderr(&output)
    );
    let names = |folder: &tempfile::TempDir| -> Result<Vec<_>> {
        Ok(folder
            .path()
            .read_dir()?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?)
    };
    ensure!(names(&bench.folder)? == ["r.yaml"], "{:?}", names(&bench.folder)?);
    let output = bench.run(&(recipe(&checks) + reset), &["customize", "-o", "out.qcow2", "--json"])?;
    ensure!(output.status.success(), "{}", stderr(&output));
    let receipt: Value = serde_json::from_slice(&output.stdout)?;
    let told: Vec<String> = receipt["checks"]
        .as_array()
        .context("the receipt has no checks")?
        .iter()
        .map(|check| format!("{} {} {}", check["key"], check["subject"], check["passed"]))
        .collect();
    let expected = [
        "\"verify[0]\" \"/etc/machine-id\" true",
        "\"verify[1]\" \"SSH host keys\" true",
        "\"verify[2]\" \"glob /var/lib/cloud/instances/*\" true",
    ];
    ensure!(told == expected, "{told:?}");
    Ok(())
}

#[test]
fn a_base_that_is_something_else_is_refused() -> Result<()> {
    let bench = Bench::new("mini")?;
    let expect = |os: &str| {
        format!(
            "{HEAD}expect: {{ os: {os}, version: \"13\", root_fs: [ext4], partition_table: gpt, mounts: [/boot/efi] }}\nhostname: x\n"
        )
    };
    let output = bench.run(&expect("debian"), &["customize", "--dry-run"])?;
    ensure!(output.status.success(), "{}", stderr(&output));
    let output = bench.run(&expect("rocky"), &["customize", "-o", "out.qcow2"])?;
    ensure!(output.status.code() == Some(2), "{}", stderr(&output));
    let expected =
        "error: 1 of 5 expectations of the base failed\n  r.yaml:3:9: operating system: rocky; found: debian\n";
    ensure!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    ensure!(!bench.folder.path().join("out.qcow2").exists());
    Ok(())
}
