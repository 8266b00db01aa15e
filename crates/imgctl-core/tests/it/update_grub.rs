//! Kernel command lines against Debian's own update-grub: what we make of grub.cfg is what it makes of our defaults.

use crate::made_guest::{guest, judge, run, text};
use imgctl_testkit::mount::{Access, LoopDevice};
use imgctl_testkit::{fixture, oracle, root_or_skip};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The defaults, a drop-in, and what is asked.
const CASES: &[(&str, &str, &str)] = &[
    (
        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\nGRUB_CMDLINE_LINUX=\"console=tty0\"\n",
        "",
        "{ ensure: [intel_iommu=on, console=ttyS0], remove: [quiet] }",
    ),
    (
        "GRUB_CMDLINE_LINUX_DEFAULT='quiet mitigations=off'\nGRUB_CMDLINE_LINUX=\n",
        "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX console=tty0 console=ttyS0,115200\"\n",
        "{ ensure: [mitigations=auto, \"dyndbg=\\\"file a.c +p\\\"\", memmap=64K$0x18690000], remove: [console=tty0] }",
    ),
    ("GRUB_TIMEOUT=1\n", "", "{ ensure: [net.ifnames=0] }"),
];

/// grub-probe does not understand a disk that is a file of another system; the scripts only want to know these.
const PROBE: &str = "#!/bin/sh
for word; do case $word in --target=*) target=${word#--target=};; esac; done
case $target in
    device) echo /dev/vda1 ;;
    fs_uuid) echo 6d1c1b5e-5d5e-4a61-9a4f-0a1f7c7b1301 ;;
    fs) echo ext2 ;;
    partmap) echo gpt ;;
esac
";

/// A copy of a fixture's root filesystem that update-grub runs in.
struct Scene {
    device: LoopDevice,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let raw = fixture::raw(name).unwrap();
        let copy = folder.path().join("disk.raw");
        judge(
            Command::new("cp")
                .args(["--sparse=always", "--reflink=auto"])
                .arg(&raw)
                .arg(&copy),
            "coreutils",
        );
        let partition = oracle::partition(&copy, 1).unwrap();
        let device = LoopDevice::attach(&copy, partition, Access::ReadWrite).unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        Self { device, folder }
    }

    /// grub.cfg as update-grub makes it of these defaults. All mounts are in a namespace that ends with it.
    fn update_grub(&self, defaults: &str, drop_in: &str) -> String {
        let path = |name: &str| self.folder.path().join(name);
        fs::write(path("grub"), defaults).unwrap();
        fs::write(path("drop-in"), drop_in).unwrap();
        fs::write(path("probe"), PROBE).unwrap();
        let script = "mount -t ext4 \"$1\" root
            for name in dev proc sys; do mount --bind /$name root/$name; done
            mkdir -p root/etc/default/grub.d; rm -f root/etc/default/grub.d/*
            cp grub root/etc/default/grub; cp drop-in root/etc/default/grub.d/50-test.cfg
            cp probe root/usr/sbin/grub-probe
            chroot root update-grub >&2
            cat root/boot/grub/grub.cfg";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-ec", script, "sh"]);
        let output = unshare
            .arg(self.device.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The words of every `linux` line.
fn lines(configuration: &str) -> Vec<Vec<&str>> {
    let lines = configuration
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|words| words.first() == Some(&"linux")).collect()
}

fn compare(name: &str) {
    let scene = Scene::new(name);
    for (defaults, drop_in, asked) in CASES {
        let before = scene.update_grub(defaults, drop_in);
        let mut guest = guest(&[
            ("/etc/os-release", "ID=debian\n"),
            ("/etc/default/grub", defaults),
            ("/etc/default/grub.d/50-test.cfg", drop_in),
            ("/boot/grub/grub.cfg", &before),
        ]);
        run(&mut guest, &format!("kernel: {{ cmdline: {asked} }}\n"));
        let ours = text(&guest, "/boot/grub/grub.cfg");
        check_script(&scene, &ours);
        let theirs = scene.update_grub(
            &text(&guest, "/etc/default/grub"),
            &text(&guest, "/etc/default/grub.d/50-test.cfg"),
        );
        assert!(lines(&ours).len() >= 3, "an ordinary, an advanced and a recovery entry");
        assert_eq!(lines(&ours), lines(&theirs), "{name}: {asked}");
        // Nothing else of the file is touched.
        let others = |text: &str| {
            text.lines()
                .filter(|line| !line.trim_start().starts_with("linux"))
                .count()
        };
        assert_eq!(others(&ours), others(&before));
    }
}

fn check_script(scene: &Scene, configuration: &str) {
    let path = scene.folder.path().join("ours.cfg");
    fs::write(&path, configuration).unwrap();
    judge(Command::new("grub-script-check").arg(Path::new(&path)), "grub-common");
}

#[test]
fn debian_12_and_13() {
    if !root_or_skip("update_grub::debian_12_and_13") {
        return;
    }
    for name in ["debian12", "debian13"] {
        if fixture::is_wanted(name) {
            compare(name);
        }
    }
}
