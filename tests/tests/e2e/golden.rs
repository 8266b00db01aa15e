//! The recipe of the proof, with every kind of entry, and the tree it must make.

use anyhow::{Context as _, Result};

use crate::expected::Expected;
use crate::journey::{Journey, NOW, files_below};
use crate::reset;

/// The public key that the recipe authorizes.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGKYRTs2jBg2ikg+vFLlw+8ogDMH1wFcbCeOt/+kWP6r golden";

/// Local files that the recipe names.
pub(crate) const FILES: [(&str, &[u8]); 2] = [
    ("containerd.toml", b"version = 3\n"),
    ("node-ready", b"#!/bin/sh\nexec echo ready\n"),
];

/// The recipe.
pub(crate) const RECIPE: &str = include_str!("golden.yaml");

/// The tree that the recipe makes of the base.
pub(crate) fn expected(journey: &Journey) -> Result<Expected> {
    let mut tree = Expected::new(&journey.before, NOW);
    let read = [
        "/etc/sysctl.d/10-fixture.conf",
        "/etc/default/grub",
        "/etc/hosts",
        "/home/debian/.ssh/authorized_keys",
    ];
    let mut contents = journey.base_disk.read(&read)?.into_iter();
    let mut next = || contents.next().flatten();
    let (sysctl, grub, hosts, keys) = (next(), next(), next(), next());
    new_files(&mut tree);
    let mut esp = journey.base_disk.read_esp("EFI/debian/grub.cfg")?;
    esp.extend_from_slice(b"# golden\n");
    tree.file("/boot/efi/EFI/debian/grub.cfg", &esp);
    edits(&mut tree, sysctl, grub.context("no /etc/default/grub")?);
    removals(&mut tree);
    identity(&mut tree, hosts.context("no /etc/hosts")?, keys);
    services(&mut tree);
    reset::golden(&mut tree);
    Ok(tree)
}

fn new_files(tree: &mut Expected) {
    tree.file("/etc/motd", b"A golden image.\n");
    tree.file("/etc/issue.net", b"Authorized use only.\n");
    tree.mode("/etc/issue.net", 0o640);
    tree.owner("/etc/issue.net", 0, 4);
    for (path, (_, content)) in ["/etc/containerd/config.toml", "/usr/local/bin/node-ready"]
        .iter()
        .zip(FILES)
    {
        tree.file(path, content);
    }
    tree.mode("/usr/local/bin/node-ready", 0o755);
    tree.file("/usr/bin/through-merged-usr", b"in /usr/bin\n");
    tree.mode("/usr/bin/through-merged-usr", 0o755);
    tree.file("/run/through-var-run", b"in /run\n");
    tree.file("/etc/empty", b"");
    tree.file("/etc/node/a/b/c/deep.conf", b"deep\n");
    tree.file("/etc/setuid", b"s");
    tree.mode("/etc/setuid", 0o4755);
    tree.owner("/etc/setuid", 1000, 1000);
    tree.directory("/srv/data");
    tree.mode("/srv/data", 0o750);
    tree.owner("/srv/data", 1000, 1000);
    tree.directory("/srv/data/inner");
    tree.directory("/srv/sticky");
    tree.mode("/srv/sticky", 0o1777);
    tree.file("/srv/data/owned", b"owned\n");
    tree.owner("/srv/data/owned", 1000, 4);
    tree.mode("/srv/data/owned", 0o600);
    tree.symlink("/srv/current", "data/inner");
    tree.symlink("/srv/absolute", "/etc/motd");
    tree.symlink("/opt/fixture/relative-link", "replaced");
    tree.symlink("/srv/through-a-link", "data");
    tree.file("/srv/data/arrives.conf", b"arrived\n");
    tree.file("/boot/golden.conf", b"on /boot\n");
    tree.file("/boot/efi/EFI/golden/marker.txt", b"on the ESP\n");
    tree.file(
        "/usr/local/share/a-name-of-some-length-with-Ünïcödé.txt",
        "unicode\n".as_bytes(),
    );
}

fn edits(tree: &mut Expected, sysctl: Option<Vec<u8>>, grub: Vec<u8>) {
    let mut sysctl = sysctl.unwrap_or_default();
    sysctl.extend_from_slice(b"net.ipv6.conf.all.forwarding=1\n");
    tree.file("/etc/sysctl.d/10-fixture.conf", &sysctl);
    tree.file("/etc/appended-anew", b"first line\n");
    let grub = String::from_utf8_lossy(&grub).into_owned();
    let changed = |line: &str| {
        if line.starts_with("GRUB_TIMEOUT=") {
            "GRUB_TIMEOUT=9".to_owned()
        } else {
            line.to_owned()
        }
    };
    let mut lines: Vec<String> = grub.lines().map(changed).collect();
    lines.push("GRUB_DISABLE_OS_PROBER=true\n".to_owned());
    tree.file("/etc/default/grub", lines.join("\n").as_bytes());
    tree.mode("/etc/shadow", 0o600);
    tree.owner("/home/debian/.bashrc", 0, 4);
}

fn removals(tree: &mut Expected) {
    tree.remove_where(|path| path.starts_with("/opt/fixture/planted-secret"));
    for name in ["crowded", "loop-a", "loop-b", "first-name", "pipe"] {
        tree.remove(&format!("/opt/fixture/{name}"));
    }
}

fn identity(tree: &mut Expected, hosts: Vec<u8>, keys: Option<Vec<u8>>) {
    tree.file("/etc/hostname", b"golden\n");
    let hosts = String::from_utf8_lossy(&hosts).into_owned();
    let renamed = |line: &str| {
        if line.starts_with("127.0.1.1") {
            "127.0.1.1\tgolden".to_owned()
        } else {
            line.to_owned()
        }
    };
    let hosts: Vec<String> = hosts.lines().map(renamed).collect();
    tree.file("/etc/hosts", format!("{}\n", hosts.join("\n")).as_bytes());
    let ssh = "/home/debian/.ssh";
    if !tree.exists(ssh) {
        tree.directory(ssh);
        tree.mode(ssh, 0o700);
        tree.owner(ssh, 1000, 1000);
    }
    let file = format!("{ssh}/authorized_keys");
    let is_new = !tree.exists(&file);
    let mut keys = String::from_utf8_lossy(&keys.unwrap_or_default()).into_owned();
    if !keys.is_empty() && !keys.ends_with('\n') {
        keys.push('\n');
    }
    tree.file(&file, format!("{keys}{KEY}\n").as_bytes());
    if is_new {
        tree.mode(&file, 0o600);
        tree.owner(&file, 1000, 1000);
    }
}

fn services(tree: &mut Expected) {
    let etc = "/etc/systemd/system";
    tree.file(
        &format!("{etc}/fixture-node.service"),
        b"[Service]\nExecStart=/usr/local/bin/node-ready\n\n[Install]\nWantedBy=multi-user.target\nAlias=node.service\n",
    );
    tree.symlink(
        &format!("{etc}/multi-user.target.wants/fixture-node.service"),
        &format!("{etc}/fixture-node.service"),
    );
    tree.symlink(&format!("{etc}/node.service"), &format!("{etc}/fixture-node.service"));
    // Debian 12 finds its units under /lib, as the links that are there already show.
    let enabled = tree
        .at(&format!("{etc}/multi-user.target.wants/cron.service"))
        .target
        .clone()
        .unwrap_or_default();
    let units = String::from_utf8_lossy(&enabled)
        .trim_end_matches("/cron.service")
        .to_owned();
    tree.symlink(
        &format!("{etc}/getty.target.wants/serial-getty@ttyS0.service"),
        &format!("{units}/serial-getty@.service"),
    );
    tree.remove(&format!("{etc}/multi-user.target.wants/cron.service"));
    // Its init script, where there is one, is switched off too.
    for level in 2..=5 {
        let started = format!("/etc/rc{level}.d/S01cron");
        if tree.exists(&started) {
            let stopped = format!("/etc/rc{level}.d/K01cron");
            let link = tree.at(&started).clone();
            tree.remove(&started);
            tree.symlink(&stopped, "../init.d/cron");
            // It is renamed.
            *tree.at(&stopped) = link;
        }
    }
    tree.symlink(&format!("{etc}/systemd-timesyncd.service"), "/dev/null");
    tree.symlink(&format!("{etc}/no-such-unit.service"), "/dev/null");
}

/// Files whose bytes must not be in the output.
pub(crate) fn secrets(journey: &Journey) -> Vec<String> {
    let mut found = files_below(
        &journey.before,
        &[
            "/etc/ssh/ssh_host_",
            "/opt/fixture/planted-secret",
            "/var/lib/cloud/instances/",
            "/var/log/journal/",
            "/var/log/cloud-init",
            "/var/lib/systemd/random-seed",
            "/var/lib/systemd/credential.secret",
            "/tmp/planted-file",
            "/var/tmp/planted-file",
            "/var/cache/apt/archives/fixture",
        ],
    );
    // Too few different bytes to tell them from other text.
    found.retain(|path| !path.ends_with(".pub"));
    found
}
