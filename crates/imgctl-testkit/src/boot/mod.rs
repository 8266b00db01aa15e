//! Boots images in a virtual machine by software emulation and asserts what the booted system shows.
//!
//! The image itself is never written: the machine runs on a throw-away overlay. Its serial console is driven like a
//! person would: wait for the login prompt, log in, run commands. So the image's kernel must have a console on ttyS0.

mod console;
mod debian_kernel;
mod disk;
mod expectation;
mod machine;
mod plain_text;
mod seed;
mod shell;
mod ssh;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use regex::Regex;

pub use console::{Console, Matched};
pub use debian_kernel::with_debian_kernel;
pub use disk::{Facts, Kernel};
pub use expectation::{Expectation, NAMES as EXPECTATION_NAMES, judge};
pub use machine::{Firmware, ovmf};
pub use seed::{HOSTNAME as SEED_HOSTNAME, credentials as seed_credentials};
pub use shell::{Answer, Credentials, Shell};
pub use ssh::KeyPair;

use disk::Disk;
use machine::{Machine, Start};

use crate::oracle;

/// Programs that boots need besides [`oracle::PROGRAMS`], and the Debian package that has each. OVMF is [`ovmf`].
pub const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("setpriv", "util-linux"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
];

/// The usual time limit of one boot.
pub const LIMIT: Duration = Duration::from_secs(240);

/// A command that is run in the booted system, and what it must print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// A command line for `sh`, run by root.
    pub command: String,
    /// A regular expression that must match in the output (both streams; `^` and `$` match at lines).
    pub expected: String,
}

/// How to boot.
#[derive(Clone, Debug)]
pub struct Options {
    /// By which firmware.
    pub firmware: Firmware,
    /// Whether a `NoCloud` seed is attached, which makes a user and gives a hostname.
    pub seed: bool,
    /// A password of root that the image has. Without one and without a seed, the boot is judged by its login prompt and by
    /// its disk after a shutdown.
    pub root_password: Option<String>,
    /// A user of the image, and a key that must be accepted for it over the network.
    pub ssh: Option<(String, KeyPair)>,
    /// Commands to run.
    pub checks: Vec<Check>,
    /// Whether the system is started again afterwards: checks must hold again and the identity must stay.
    pub reboot: bool,
    /// Whether the machine is shut down in the end and its filesystems are checked.
    pub fsck: bool,
    /// The time limit of everything the machine does.
    pub limit: Duration,
    /// Where the console's log is written.
    pub log: PathBuf,
}

impl Options {
    /// A boot by `firmware` without a seed, with the log in `target/boot-test`.
    ///
    /// # Errors
    ///
    /// When the folder of the log cannot be created.
    pub fn new(image: &Path, firmware: Firmware, seed: bool) -> Result<Self> {
        let folder = crate::workspace().join("target/boot-test");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let name = image.file_stem().unwrap_or_default().to_string_lossy();
        let seeded = if seed { "-seed" } else { "" };
        Ok(Self {
            firmware,
            seed,
            root_password: None,
            ssh: None,
            checks: Vec::new(),
            reboot: false,
            fsck: false,
            limit: LIMIT,
            log: folder.join(format!("{name}-{firmware}{seeded}.log")),
        })
    }
}

/// What a boot showed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The log's name without its ending: image, firmware, seed.
    pub name: String,
    /// Whether there was a seed.
    pub seeded: bool,
    /// The time from power-on to the first login prompt.
    pub until_login: Duration,
    /// The time of everything.
    pub total: Duration,
    /// Who the machine has become.
    pub facts: Facts,
    /// Units that have failed, where somebody could log in.
    pub failed_units: Vec<String>,
    /// Checks that failed, changes over a reboot, faults of filesystems.
    pub faults: Vec<String>,
}

/// An image to boot, with what its disk tells before any boot.
#[derive(Debug)]
pub struct BootImage {
    image: PathBuf,
    format: String,
    folder: tempfile::TempDir,
    kernel: Result<Kernel, String>,
    facts: Facts,
}

impl BootImage {
    /// Reads an image's facts and its kernel.
    ///
    /// # Errors
    ///
    /// When the image or its root filesystem cannot be read. An image without a readable kernel is no error here.
    pub fn open(image: &Path) -> Result<Self> {
        let image = image
            .canonicalize()
            .with_context(|| format!("opening {}", image.display()))?;
        let options = ["info", "--output", "json"].map(OsStr::new);
        let info = oracle::run("qemu-img", options.into_iter().chain([image.as_os_str()]))?;
        // Formats of the files below the image are nested deeper.
        let format = Regex::new("(?m)^    \"format\": \"(\\w+)\"")?;
        let format = format.captures(&info).context("qemu-img info tells no format")?;
        let format = format.get(1).map_or("", |found| found.as_str()).to_owned();
        let folder = tempfile::tempdir()?;
        let scratch = tempfile::tempdir()?;
        let disk = Disk::read(&image, scratch.path())?;
        let kernel = disk.kernel(folder.path()).map_err(|error| format!("{error:#}"));
        Ok(Self {
            facts: disk.facts()?,
            kernel,
            image,
            format,
            folder,
        })
    }

    /// Who the image is before it boots.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The kernel that the image's GRUB would start.
    ///
    /// # Errors
    ///
    /// When there was none to be read.
    pub fn kernel(&self) -> Result<&Kernel> {
        match &self.kernel {
            Ok(kernel) => Ok(kernel),
            Err(reason) => bail!("a direct boot needs the image's kernel: {reason}"),
        }
    }

    /// Creates a throw-away disk over the image.
    fn create_overlay(&self, overlay: &Path) -> Result<()> {
        let options = ["create", "-q", "-f", "qcow2", "-F", &self.format, "-b"].map(OsStr::new);
        let files = [self.image.as_os_str(), overlay.as_os_str()];
        oracle::run("qemu-img", options.into_iter().chain(files)).map(drop)
    }

    /// Boots once, on a fresh overlay.
    ///
    /// # Errors
    ///
    /// When no login prompt appears, nobody can log in, or a program is missing. What the booted system shows that it
    /// should not is in the report.
    pub fn boot(&self, options: &Options) -> Result<Report> {
        let _turn = machine::take_turn()?;
        let started = Instant::now();
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let overlay = folder.path().join("overlay.qcow2");
        self.create_overlay(&overlay)?;
        let mut disks = vec![(overlay.clone(), "qcow2")];
        if options.seed {
            disks.push((seed::write(folder.path())?, "raw"));
        }
        let ssh_port = options.ssh.as_ref().map(|_| ssh::free_port()).transpose()?;
        let machine = Machine {
            folder: folder.path(),
            ssh_port,
            disks,
            start: match options.firmware {
                Firmware::Bios => Start::Bios,
                Firmware::Uefi => Start::Uefi,
                Firmware::Direct => Start::Kernel(self.kernel()?),
            },
            log: &options.log,
            limit: options.limit,
        };
        let mut report = Report {
            name: options
                .log
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            seeded: options.seed,
            ..Report::default()
        };
        run(&machine, options, &overlay, &mut report)?;
        report.total = started.elapsed();
        Ok(report)
    }
}

fn run(machine: &Machine<'_>, options: &Options, overlay: &Path, report: &mut Report) -> Result<()> {
    let mut console = machine.start()?;
    console.wait_for(shell::LOGIN)?;
    report.until_login = console.elapsed();
    let root = options.root_password.as_ref().map(|password| Credentials {
        user: "root".to_owned(),
        password: password.clone(),
    });
    let credentials = root.or_else(|| options.seed.then(seed::credentials));
    if let Some(credentials) = &credentials {
        visit(&mut console, credentials, options, report)?;
        if let (Some((user, key)), Some(port)) = (&options.ssh, machine.ssh_port)
            && let Err(error) = key.log_in(user, port)
        {
            report.faults.push(format!("{error:#}"));
        }
    } else {
        if !options.checks.is_empty() || options.reboot || options.ssh.is_some() {
            bail!("nobody can log in to run commands: boot with a seed, or give root's password");
        }
        // What the first boot still does in the background, it may finish.
        console.let_run(Duration::from_secs(20))?;
    }
    if credentials.is_none() || options.fsck {
        machine.press_power_button()?;
        console.wait_for_end()?;
        let scratch = tempfile::tempdir()?;
        let disk = Disk::read(overlay, scratch.path())?;
        if credentials.is_none() {
            report.facts = disk.facts()?;
        }
        if options.fsck
            && let Err(error) = disk.check()
        {
            report.faults.push(format!("{error:#}"));
        }
    }
    Ok(())
}

/// Logs in and looks around; again after a reboot if asked to.
fn visit(console: &mut Console, credentials: &Credentials, options: &Options, report: &mut Report) -> Result<()> {
    let mut shell = Shell::log_in(console, credentials)?;
    look_around(&mut shell, options, report)?;
    if !options.reboot {
        return Ok(());
    }
    let before = report.facts.clone();
    // The shell may be killed before it tells how that ended.
    console.send("systemctl reboot\n")?;
    console.wait_for(shell::LOGIN)?;
    let mut shell = Shell::log_in(console, credentials)?;
    look_around(&mut shell, options, report)?;
    if report.facts != before {
        report.faults.push(format!(
            "the identity changed over a reboot: from {before:?} to {:?}",
            report.facts
        ));
    }
    Ok(())
}

fn look_around(shell: &mut Shell<'_>, options: &Options, report: &mut Report) -> Result<()> {
    // First-boot services may still run: this ends when nothing is left to start, "degraded" if any unit failed.
    shell.run("systemctl is-system-running --wait")?;
    let failed = shell.expect("systemctl list-units --failed --plain --no-legend --no-pager")?;
    let units = failed.lines().filter_map(|line| line.split_whitespace().next());
    report.failed_units = units.map(str::to_owned).collect();
    report.facts = Facts {
        machine_id: shell.run("cat /etc/machine-id")?.text,
        hostname: shell.run("cat /proc/sys/kernel/hostname")?.text,
        ..Facts::default()
    };
    for name in shell.run("ls /etc/ssh")?.text.split_whitespace() {
        if disk::is_host_key(name) {
            let key = shell.expect(&format!("cat /etc/ssh/{name}"))?;
            report.facts.add_host_key(name, &key);
        }
    }
    for check in &options.checks {
        let expected = Regex::new(&format!("(?m){}", check.expected))?;
        let answer = shell.run(&check.command)?;
        if !expected.is_match(&answer.text) {
            let Check { command, expected } = check;
            let fault = format!(
                "`{command}` printed `{}`, which `{expected}` does not match",
                answer.text
            );
            report.faults.push(fault);
        }
    }
    Ok(())
}
