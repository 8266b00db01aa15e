//! Whole disks with changed bytes: the command refuses or does its work, within limits, and leaves nothing half done.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_testkit::{cli, fixture, oracle};

use crate::golden;

/// What the command may take: seconds of processor time, and bytes of addresses.
const LIMITS: [&str; 2] = ["--cpu=30", "--as=2147483648"];

const SECTOR: u64 = 512;

/// How far into a filesystem most of its structures lie.
const METADATA: u64 = 3 << 20;

/// The mini image's raw form in a folder with the golden recipe, and where it holds anything.
struct Disk {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    /// Offsets of bytes that are not zero: of the partition table, the start of the ext4, the FAT, and of everything.
    held: [Vec<u64>; 4],
}

impl Disk {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-damage-").tempdir()?;
        let raw = folder.path().join("base.raw");
        oracle::qemu_convert(&fixture::mini(), &raw, "raw")?;
        fs::write(folder.path().join("golden.yaml"), golden::RECIPE)?;
        for (name, content) in golden::FILES {
            fs::write(folder.path().join(name), content)?;
        }
        let bytes = fs::read(&raw)?;
        let held = |start: u64, length: u64| -> Vec<u64> {
            let all = (start..).zip(bytes.iter().skip(start as usize));
            let held = all.take(length as usize).filter(|(_, byte)| **byte != 0);
            held.map(|(offset, _)| offset).collect()
        };
        let (root, esp) = (oracle::partition(&raw, 1)?, oracle::partition(&raw, 15)?);
        let held = [
            held(0, 34 * SECTOR),
            held(root.offset, METADATA),
            held(esp.offset, esp.len.min(METADATA)),
            held(0, bytes.len() as u64),
        ];
        Ok(Self { folder, bytes, held })
    }

    fn base(&self) -> PathBuf {
        self.folder.path().join("base.raw")
    }

    /// Changes one to four bytes, or their neighbours; gives back where.
    fn damage(&self, random: &mut Random) -> Result<Vec<u64>> {
        let file = File::options().write(true).open(self.base())?;
        let mut changed = Vec::new();
        // Mostly one structure, and mostly the filesystem that has most of them.
        let held = &self.held[*random.pick(&[0, 1, 1, 1, 2, 3])];
        for _ in 0..=random.below(3) {
            let offset = *random.pick(held) + random.below(3);
            let noise = random.draw() as u8;
            let byte = *random.pick(&[0, 0xff, noise]);
            file.write_all_at(&[byte], offset)?;
            changed.push(offset);
        }
        Ok(changed)
    }

    fn repair(&self, changed: &[u64]) -> Result<()> {
        let file = File::options().write(true).open(self.base())?;
        for offset in changed {
            let byte = self.bytes.get(*offset as usize).context("beyond the disk")?;
            file.write_all_at(&[*byte], *offset)?;
        }
        Ok(())
    }

    fn listing(&self) -> Result<Vec<PathBuf>> {
        let entries = self.folder.path().read_dir()?;
        let mut names: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }

    /// Customizes the damaged disk. Whether there is an output, which then is sound by qemu's word.
    fn customize(&self) -> Result<bool> {
        let before = (self.listing()?, self.base().metadata()?.modified()?);
        let output = Command::new(oracle::require("prlimit")?)
            .args(LIMITS)
            .arg(cli::binary()?)
            .args(["customize", "base.raw", "--recipe", "golden.yaml", "--threads", "2"])
            .args(["-o", "out.qcow2"])
            .current_dir(self.folder.path())
            .env("SOURCE_DATE_EPOCH", crate::journey::NOW.to_string())
            .output()
            .context("starting imgctl")?;
        let told = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        ensure!(
            code.is_some_and(|code| code != 70 && code != 101),
            "it ended with {}:\n{told}",
            output.status
        );
        ensure!(self.base().metadata()?.modified()? == before.1, "the base was written");
        let is_done = output.status.success();
        if is_done {
            let image = self.folder.path().join("out.qcow2");
            oracle::qemu_check(&image)?;
            remove(&image)?;
            remove(&self.folder.path().join("out.qcow2.sha256"))?;
        } else {
            ensure!(told.contains("error: "), "no `error: ` in:\n{told}");
        }
        ensure!(self.listing()? == before.0, "left behind: {:?}", self.listing()?);
        Ok(is_done)
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

#[test]
fn damaged_disks_are_refused_or_done() -> Result<()> {
    let disk = Disk::new()?;
    let (mut done, mut refused) = (0, 0);
    for seed in tier::seeds(0..24) {
        let is_done = tier::try_case("command-damage", seed, Limits::LARGE, || {
            let changed = disk.damage(&mut Random::new(seed))?;
            let outcome = disk.customize();
            disk.repair(&changed)?;
            outcome.with_context(|| format!("bytes {changed:?}"))
        })?;
        done += u32::from(is_done);
        refused += u32::from(!is_done);
    }
    ensure!(
        tier::is_long() || (done > 2 && refused > 2),
        "{done} done, {refused} refused: this proves little"
    );
    Ok(())
}
