//! The Kubernetes examples on real images: every line of their `verify` holds, and one edit of the recipe makes it fail.

use std::fs;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{cli, fixture};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGKYRTs2jBg2ikg+vFLlw+8ogDMH1wFcbCeOt/+kWP6r golden";

/// A check, named by its line in one of the recipes, and an edit of that recipe after which it fails.
struct Case {
    check: &'static str,
    edit: Edit,
}

enum Edit {
    /// One more entry of `files`.
    Entry(&'static str),
    /// Other text in place of this.
    Text(&'static str, &'static str),
}

use Edit::{Entry, Text};

const fn case(check: &'static str, edit: Edit) -> Case {
    Case { check, edit }
}

const NODE: &[Case] = &[
    case(
        "file: /etc/ssh/sshd_config.d/99-hardening.conf",
        Text(
            "files/sshd-hardening.conf, mode: \"0600\"",
            "files/sshd-hardening.conf, mode: \"0644\"",
        ),
    ),
    case(
        "file: /etc/modules-load.d/kubernetes.conf",
        Text("overlay\\nbr_netfilter\\n", "overlay\\n"),
    ),
    case(
        "file: /var/lib/kubelet/plugins",
        Text("type: directory, mode: \"0750\" }", "type: directory }"),
    ),
    case(
        "file: /usr/local/bin/vi",
        Text(
            "{ path: /usr/local/bin/vi, target: /usr/bin/vim.tiny }",
            "{ path: /usr/local/bin/vi, content: x }",
        ),
    ),
    case(
        "file: /etc/machine-id",
        Text("machine_id: empty }", "machine_id: uninitialized }"),
    ),
    case(
        "file: /var/lib/systemd/random-seed",
        Text("machine_id: empty }", "machine_id: empty, random_seed: false }"),
    ),
    case(
        "glob: /etc/ssh/ssh_host_*",
        Text("machine_id: empty }", "machine_id: empty, ssh_hostkeys: false }"),
    ),
    case(
        "glob: /var/lib/cloud/instances/*",
        Text("machine_id: empty }", "machine_id: empty, cloud_init: false }"),
    ),
    case(
        "glob: /boot/vmlinuz-*",
        Entry("{ path: /boot/vmlinuz-*, state: absent }"),
    ),
    case(
        "package: systemd, version",
        Entry("{ path: /var/lib/dpkg/status, line: \"Package: other\", match: \"^Package: systemd$\" }"),
    ),
    case(
        "package: openssh-server",
        Entry("{ path: /var/lib/dpkg/status, line: \"Package: other\", match: \"^Package: openssh-server$\" }"),
    ),
    case(
        "package: snapd",
        Entry(
            "{ path: /var/lib/dpkg/status, append: \"\\nPackage: snapd\\nStatus: install ok installed\\nArchitecture: all\\nVersion: 1\\n\" }",
        ),
    ),
    case("service: ssh,", Text("enable: [ssh]\n  disable: [", "disable: [ssh, ")),
    case(
        "service: apt-daily.timer",
        Text(
            "enable: [ssh]\n  disable: [apt-daily.timer, ",
            "enable: [ssh, apt-daily.timer]\n  disable: [",
        ),
    ),
    case(
        "service: ctrl-alt-del.target",
        Text("mask: [ctrl-alt-del.target]", "mask: []"),
    ),
    case(
        "user: root",
        Entry("{ path: /etc/passwd, line: \"root:x:0:0:root:/root:/bin/sh\", match: \"^root:\" }"),
    ),
    case(
        "user: pi",
        Entry("{ path: /etc/passwd, append: \"pi:x:1005:1005::/home/pi:/bin/sh\\n\" }"),
    ),
    case(
        "group: adm",
        Entry("{ path: /etc/group, line: \"adm:x:44:\", match: \"^adm:\" }"),
    ),
    case(
        "group: docker",
        Entry("{ path: /etc/group, append: \"docker:x:990:\\n\" }"),
    ),
    case(
        "kernel_cmdline: contains",
        Entry("{ path: /boot/grub/custom.cfg, content: \"linux /vmlinuz ro\\n\" }"),
    ),
    case(
        "kernel_cmdline: lacks",
        Entry("{ path: /boot/grub/custom.cfg, content: \"linux /vmlinuz console=ttyS0,115200 nomodeset\\n\" }"),
    ),
    case(
        "sysctl: net.ipv4.ip_forward",
        Entry("{ path: /etc/sysctl.d/99-z.conf, content: \"net.ipv4.ip_forward = 0\\n\" }"),
    ),
    case(
        "fstab: mounts_resolve",
        Entry("{ path: /etc/fstab, append: \"UUID=11-22 /data ext4 defaults 0 2\\n\" }"),
    ),
    case(
        "bootloader: root_uuid_matches",
        Entry("{ path: /boot/grub/custom.cfg, content: \"linux /vmlinuz root=UUID=11-22 console=ttyS0,115200\\n\" }"),
    ),
    case(
        "initramfs: contains",
        Entry("{ path: \"/boot/initrd.img-*\", state: absent }"),
    ),
    case(
        "ssh_host_keys: absent",
        Text("machine_id: empty }", "machine_id: empty, ssh_hostkeys: false }"),
    ),
    case(
        "machine_id: empty }",
        Text("golden, machine_id: empty }", "golden, machine_id: keep }"),
    ),
];

const DEBIAN: &[Case] = &[
    case(
        "file: /etc/containerd/config.toml",
        Text("source: files/containerd.toml", "source: files/chrony.conf.tmpl"),
    ),
    case(
        "file: /etc/chrony/chrony.conf",
        Text("template: files/chrony.conf.tmpl", "content: x"),
    ),
    case(
        "file: /etc/chrony,",
        Text(
            "{ path: /etc/chrony/chrony.conf, template: files/chrony.conf.tmpl }",
            "{ path: /etc/chrony, content: x }",
        ),
    ),
    case(
        "service: systemd-timesyncd",
        Text("mask: [systemd-timesyncd]", "mask: []"),
    ),
];

const UBUNTU: &[Case] = &[
    case(
        "user: \"${{ vars.user }}\"",
        Entry("{ path: /etc/passwd, line: \"debian:x:1000:1000::/home/debian:/bin/sh\", match: \"^debian:\" }"),
    ),
    case(
        "file: \"/home/${{ vars.user }}/.ssh/authorized_keys\"",
        Entry("{ path: /home/debian/.ssh/authorized_keys, mode: \"0644\" }"),
    ),
    case(
        "file: \"/home/${{ vars.user }}/.ssh\"",
        Entry("{ path: /home/debian/.ssh, type: directory, mode: \"0755\" }"),
    ),
    case("file: /boot/imgctl-node", Text("${{ metadata.version }}\\n", "\\n")),
];

/// A recipe of the examples with the variables it needs, in a folder of its own.
struct Kitchen {
    folder: tempfile::TempDir,
    base: String,
    recipe: &'static str,
    set: Vec<String>,
}

impl Kitchen {
    fn new(image: &str, recipe: &'static str, set: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-node-").tempdir()?;
        let examples = imgctl_testkit::workspace().join("examples/kubernetes/.");
        let status = Command::new("cp")
            .arg("-r")
            .arg(&examples)
            .arg(folder.path())
            .status()?;
        ensure!(status.success(), "cp: {status}");
        Ok(Self {
            folder,
            base: fixture::image(image)?.canonicalize()?.display().to_string(),
            recipe,
            set: set
                .iter()
                .map(|(name, value)| format!("--set={name}={value}"))
                .collect(),
        })
    }

    fn plan(&self) -> Result<Output> {
        let mut arguments = vec!["plan", &self.base, "--recipe", self.recipe];
        arguments.extend(self.set.iter().map(String::as_str));
        cli::output(self.folder.path(), &arguments)
    }

    /// Every check of `file` has a case, and fails after that case's edit.
    fn prove(&self, file: &str, cases: &[Case]) -> Result<()> {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path)?;
        let mut checks = checks(&text);
        for case in cases {
            let index = checks.iter().position(|(_, line)| line.contains(case.check));
            let (_, line) = checks.remove(index.with_context(|| format!("no check has {:?}", case.check))?);
            let edited = case.edit.apply(&text).with_context(|| format!("editing for {line}"))?;
            // An edit can move the lines behind it.
            let number = self::checks(&edited)
                .iter()
                .find(|(_, other)| *other == line)
                .map(|(number, _)| *number);
            let place = format!("{file}:{}:", number.context("the edit changed the check")?);
            fs::write(&path, &edited)?;
            let output = self.plan()?;
            let told = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(21), "{line}: {:?} {told}", output.status);
            ensure!(told.contains(&place), "{line} ({place}) did not fail: {told}");
        }
        ensure!(checks.is_empty(), "no case makes these fail: {checks:?}");
        Ok(fs::write(&path, &text)?)
    }
}

impl Edit {
    fn apply(&self, text: &str) -> Result<String> {
        let (from, to) = match self {
            Text(from, to) => (*from, (*to).to_owned()),
            Entry(entry) => ("\nfiles:\n", format!("\nfiles:\n  - {entry}\n")),
        };
        let (before, after) = text.split_once(from).with_context(|| format!("there is no {from:?}"))?;
        Ok(format!("{before}{to}{after}"))
    }
}

/// The lines of `verify`, with their numbers.
fn checks(text: &str) -> Vec<(usize, &str)> {
    let lines = (1..)
        .zip(text.lines())
        .skip_while(|(_, line)| *line != "verify:")
        .skip(1);
    lines.take_while(|(_, line)| line.starts_with("  - ")).collect()
}

fn bake_and_break(image: &str, recipe: &'static str, set: &[(&str, &str)], cases: [&[Case]; 2]) -> Result<()> {
    if !fixture::is_wanted(image) {
        return Ok(());
    }
    let kitchen = Kitchen::new(image, recipe, set)?;
    let mut arguments = vec!["customize", &kitchen.base, "--recipe", recipe, "-o", "node.qcow2"];
    arguments.extend(kitchen.set.iter().map(String::as_str));
    cli::run(kitchen.folder.path(), &arguments)?;
    let mut arguments = vec!["verify", "node.qcow2", "--recipe", recipe];
    arguments.extend(kitchen.set.iter().map(String::as_str));
    let told = cli::run(kitchen.folder.path(), &arguments)?;
    ensure!(!told.contains("FAILED"), "{told}");
    let [node, own] = cases;
    kitchen.prove("node.yaml", node)?;
    kitchen.prove(recipe, own)
}

#[test]
fn debian13() -> Result<()> {
    bake_and_break("debian13", "debian13-node.yaml", &[], [NODE, DEBIAN])
}

#[test]
fn ubuntu() -> Result<()> {
    let set = [("user", "debian"), ("break_glass_key", KEY)];
    bake_and_break("ubuntu-like", "ubuntu-node.yaml", &set, [NODE, UBUNTU])
}
