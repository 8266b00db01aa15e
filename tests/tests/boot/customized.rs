//! A customized image boots and shows what its recipe says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::boot::{self, BootImage, Expectation, Firmware, KeyPair, Options};
use imgctl_testkit::{cli, fixture};

const EXPECTATIONS: [&str; 8] = [
    "new-machine-id",
    "new-host-keys",
    "hostname=golden",
    "active=fixture-node.service",
    "enabled=fixture-node.service",
    "disabled=cron.service",
    "masked=systemd-timesyncd.service",
    "one-line=/var/lib/fixture-first-boot",
];

/// Root's password, which the recipe sets.
const PASSWORD: &str = "made by imgctl";

/// Commands and what they print.
const CHECKS: [(&str, &str); 17] = [
    ("cat /proc/cmdline", r" imgctl\.golden=1 "),
    ("grep -c consoleblank /proc/cmdline", "^0$"),
    ("cat /etc/motd", "^A golden image.$"),
    ("stat --format '%U %G %a' /srv/data/owned", "^debian adm 640$"),
    ("cat /boot/efi/EFI/golden/marker.txt", "^on the ESP$"),
    ("test -e /opt/fixture/crowded || echo gone", "^gone$"),
    ("wc -l </var/lib/fixture-node", "^1$"),
    ("grep -c boot-test /home/debian/.ssh/authorized_keys", "^1$"),
    ("readlink /etc/localtime", "Europe/Berlin$"),
    ("cat /proc/sys/kernel/panic", "^17$"),
    ("lsmod", "^dummy "),
    ("swapon --show=NAME --noheadings", "^/swapfile$"),
    ("systemctl get-default", "^multi-user.target$"),
    ("su - operator -c 'sudo -n id -u'", "^0$"),
    // The second script of the first boot fails once, and is tried again.
    (
        "for i in $(seq 60); do test -e /usr/lib/systemd/system/imgctl-first-boot.service || break; sleep 2; done; wc -l </var/lib/fixture-after",
        "^2$",
    ),
    ("wc -l </var/lib/fixture-once", "^1$"),
    ("dmesg | grep -ciE 'EXT4-fs (error|warning)|FAT-fs.*error'", "^0$"),
];

/// The bounded tier's one boot: `SeaBIOS`, the image's own GRUB, cloud-init with a seed. `cargo xtask boot-test` does
/// the other ways.
#[test]
fn debian13_by_bios() {
    if !fixture::is_wanted("debian13") {
        return;
    }
    if let Err(error) = customize_and_boot("debian13", Firmware::Bios) {
        panic!("{error:?}");
    }
}

fn customize_and_boot(name: &str, firmware: Firmware) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let base = fixture::built(name)?;
    let image = folder.path().join(format!("{name}-customized.qcow2"));
    let key = KeyPair::generate(folder.path())?;
    customize(folder.path(), &base, &image, &key)?;

    let expectations = EXPECTATIONS.map(str::parse).into_iter();
    let expectations: Vec<Expectation> = expectations.collect::<Result<_>>()?;
    let mut options = Options::new(&image, firmware, true)?;
    options.fsck = true;
    options.root_password = Some(PASSWORD.to_owned());
    options.ssh = Some(("operator".to_owned(), key));
    // The machine that runs the tests may be busy with others.
    options.limit = Duration::from_secs(600);
    options.checks = Expectation::checks(&expectations);
    options.checks.extend(CHECKS.map(|(command, expected)| boot::Check {
        command: command.to_owned(),
        expected: expected.to_owned(),
    }));
    let report = BootImage::open(&image)?.boot(&options)?;
    ensure!(report.faults.is_empty(), "{}", report.faults.join("\n"));

    // The new identity is compared with that of the base, which the output no longer has.
    let base = BootImage::open(&base)?;
    let faults = boot::judge(&expectations, base.facts(), &[report]);
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn customize(folder: &Path, base: &Path, output: &Path, key: &KeyPair) -> Result<()> {
    let recipe = folder.join("recipe.yaml");
    fs::write(&recipe, include_str!("customized.yaml")).context("writing the recipe")?;
    let key = format!("key={}", key.public);
    let arguments = [
        "customize".as_ref(),
        base,
        "--recipe".as_ref(),
        &recipe,
        "--set".as_ref(),
        key.as_ref(),
        "-o".as_ref(),
        output,
    ];
    cli::run(folder, &arguments).map(drop)
}
