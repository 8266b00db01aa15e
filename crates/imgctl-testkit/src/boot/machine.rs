//! The virtual machine: qemu-system-x86_64 by software emulation, with a firmware or a kernel handed over directly.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::console::Console;
use super::disk::Kernel;
use crate::oracle;

/// How a machine comes to its kernel.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Firmware {
    /// `SeaBIOS`, which starts the boot loader in the image's first sector.
    Bios,
    /// OVMF, which starts `\EFI\BOOT\BOOTX64.EFI` on the image's EFI system partition.
    Uefi,
    /// The kernel, initial ramdisk and command line of the image's GRUB menu, handed over by qemu.
    Direct,
}

impl Firmware {
    /// All ways to boot.
    pub const ALL: [Self; 3] = [Self::Bios, Self::Uefi, Self::Direct];
}

impl fmt::Display for Firmware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::Direct => "direct",
        })
    }
}

impl FromStr for Firmware {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.to_string() == text);
        found.with_context(|| format!("no firmware is called {text}: there are bios, uefi and direct"))
    }
}

/// OVMF's code and its empty variable store, in the places of Debian's and other distributions' packages.
const OVMF: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
];

/// The files of OVMF: the code, and the variables' initial content.
///
/// # Errors
///
/// When they are not installed, with the command that installs them.
pub fn ovmf() -> Result<(&'static Path, &'static Path)> {
    OVMF.iter()
        .map(|(code, variables)| (Path::new(*code), Path::new(*variables)))
        .find(|(code, variables)| code.is_file() && variables.is_file())
        .context("OVMF is not installed: apt-get install ovmf")
}

/// Waits until no other process on this computer runs a machine of ours: two would both miss their time limits.
pub(crate) fn take_turn() -> Result<File> {
    let path = std::env::temp_dir().join("imgctl-boot.lock");
    let lock = File::options().create(true).append(true).open(&path);
    let lock = lock.with_context(|| format!("opening {}", path.display()))?;
    lock.lock().context("waiting for another virtual machine")?;
    Ok(lock)
}

/// A machine that has not been switched on.
#[derive(Debug)]
pub(crate) struct Machine<'parts> {
    /// A folder for the machine's own files; its path must be short enough for a socket.
    pub(crate) folder: &'parts Path,
    /// The disks: the first is booted. The machine writes to them.
    pub(crate) disks: Vec<(PathBuf, &'static str)>,
    pub(crate) start: Start<'parts>,
    /// The port of this computer that leads to the machine's SSH server.
    pub(crate) ssh_port: Option<u16>,
    pub(crate) log: &'parts Path,
    pub(crate) limit: Duration,
}

/// What the machine starts with.
#[derive(Debug)]
pub(crate) enum Start<'parts> {
    Bios,
    Uefi,
    Kernel(&'parts Kernel),
}

impl Machine<'_> {
    /// Switches it on.
    pub(crate) fn start(&self) -> Result<Console> {
        let qemu = oracle::require("qemu-system-x86_64")?;
        // Software emulation always: a nested or broken KVM would make the result depend on the host.
        let mut command = Command::new(oracle::require("setpriv")?);
        command.args(["--pdeathsig", "KILL"]).arg(qemu).args([
            "-accel",
            "tcg,thread=multi",
            "-machine",
            "q35",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "1024",
            "-nodefaults",
            "-display",
            "none",
            "-chardev",
            "stdio,id=console,signal=off",
            "-serial",
            "chardev:console",
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
        ]);
        let forwarded = self.ssh_port.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:22"));
        // The guest gets an address but reaches nothing.
        let network = format!("user,id=net,restrict=on{}", forwarded.unwrap_or_default());
        command.args(["-netdev", &network]);
        command
            .arg("-qmp")
            .arg(joined("unix:", &self.socket(), ",server=on,wait=off"));
        for (index, (disk, format)) in self.disks.iter().enumerate() {
            // Nothing here must survive a crash of the host.
            let options = format!(",format={format},if=none,id=disk{index},cache=unsafe,discard=unmap");
            // A kernel that is handed over has the first place in the boot order.
            let place = index + usize::from(matches!(self.start, Start::Kernel(_)));
            let device = format!("virtio-blk-pci,drive=disk{index},bootindex={place}");
            command
                .arg("-drive")
                .arg(joined("file=", disk, &options))
                .args(["-device", &device]);
        }
        match self.start {
            Start::Bios => {}
            Start::Uefi => {
                let (code, variables) = ovmf()?;
                let own = self.folder.join("variables.fd");
                fs::copy(variables, &own).with_context(|| format!("copying {}", variables.display()))?;
                let shared = ",if=pflash,format=raw,readonly=on";
                command.arg("-drive").arg(joined("file=", code, shared));
                command
                    .arg("-drive")
                    .arg(joined("file=", &own, ",if=pflash,format=raw"));
            }
            Start::Kernel(kernel) => {
                command
                    .arg("-kernel")
                    .arg(&kernel.image)
                    .arg("-append")
                    .arg(&kernel.arguments);
                if let Some(initrd) = &kernel.initrd {
                    command.arg("-initrd").arg(initrd);
                }
            }
        }
        Console::start(&mut command, self.log, self.limit)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("qmp")
    }

    /// Presses the power button of the running machine.
    pub(crate) fn press_power_button(&self) -> Result<()> {
        let stream = UnixStream::connect(self.socket()).context("connecting to qemu's monitor")?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut answers = BufReader::new(stream.try_clone()?);
        let mut monitor = stream;
        next_answer(&mut answers, "\"QMP\"")?;
        for request in ["qmp_capabilities", "system_powerdown"] {
            writeln!(monitor, "{{\"execute\": \"{request}\"}}")?;
            next_answer(&mut answers, "\"return\"")?;
        }
        Ok(())
    }
}

/// Reads the monitor's lines up to one that has `key`.
fn next_answer(answers: &mut BufReader<UnixStream>, key: &str) -> Result<()> {
    for _ in 0..100 {
        let mut line = String::new();
        ensure!(
            answers.read_line(&mut line).context("reading from qemu's monitor")? > 0,
            "qemu's monitor hung up"
        );
        if line.contains("\"error\"") {
            bail!("qemu's monitor refuses: {line}");
        }
        if line.contains(key) {
            return Ok(());
        }
    }
    bail!("qemu's monitor never answered {key}")
}

/// A qemu option around a path, where a comma is written twice.
fn joined(before: &str, path: &Path, after: &str) -> OsString {
    let path = path.as_os_str().to_string_lossy().replace(',', ",,");
    OsString::from(format!("{before}{path}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_names_read_back() {
        for firmware in Firmware::ALL {
            assert_eq!(firmware.to_string().parse::<Firmware>().unwrap(), firmware);
        }
        assert!("efi".parse::<Firmware>().is_err());
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        assert_eq!(joined("file=", Path::new("/a,b"), ",if=none"), "file=/a,,b,if=none");
    }
}
