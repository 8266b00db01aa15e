//! Guests as the kernel sees them, and what two of them differ in.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle::{self, Partition};
use imgctl_testkit::tree::{Difference, Kind, Tree};
use tempfile::TempDir;

use crate::known::{self, Known};

/// The filesystems of a disk laid out like the fixtures, mounted.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) tree: Tree,
    mounts: Vec<(&'static str, Mount)>,
    raw: PathBuf,
    root: Partition,
    esp: Partition,
    _folder: Option<TempDir>,
}

impl Guest {
    /// Opens an image of any format that qemu-img reads.
    pub(crate) fn open(image: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-guest-").tempdir()?;
        let raw = folder.path().join("disk.raw");
        oracle::qemu_convert(image, &raw, "raw")?;
        Self::open_raw(&raw, Some(folder))
    }

    /// Opens a raw image where it is.
    pub(crate) fn open_raw(raw: &Path, folder: Option<TempDir>) -> Result<Self> {
        let partitions = oracle::partitions(raw)?;
        let numbered = |number: u32| partitions.iter().copied().find(|partition| partition.number == number);
        let (root, esp) = (
            numbered(1).context("no partition 1")?,
            numbered(15).context("no partition 15")?,
        );
        let mut tree = Tree::default();
        let mut mounts = Vec::new();
        for (place, partition) in [("", Some(root)), ("/boot", numbered(16))] {
            let Some(partition) = partition else { continue };
            let mount = Mount::new(raw, partition, Access::ReadOnly)?;
            let mounted = Tree::read(mount.path())?;
            match place {
                "" => tree = mounted,
                _ => tree.graft(place.as_bytes(), mounted),
            }
            mounts.push((place, mount));
        }
        let mut efi = Tree::read_fat(raw, esp)?;
        for entry in efi.entries.values_mut().filter(|entry| entry.kind == Kind::Directory) {
            entry.mtime = (0, 0); // mtools does not keep it
        }
        tree.graft(b"/boot/efi", efi);
        Ok(Self {
            tree,
            mounts,
            raw: raw.to_path_buf(),
            root,
            esp,
            _folder: folder,
        })
    }

    /// A file of the root filesystem or of /boot.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let found = self
            .mounts
            .iter()
            .rev()
            .find_map(|(place, mount)| Some((mount, path.strip_prefix(place)?)));
        let (mount, rest) = found.context("no such filesystem")?;
        let place = mount.path().join(rest.trim_start_matches('/'));
        std::fs::read(&place).with_context(|| format!("reading {path} of the guest"))
    }

    /// `e2fsck -fn` of the root and `fsck.fat -n` of the ESP.
    pub(crate) fn check(&self) -> Result<()> {
        oracle::e2fsck(&self.raw, self.root)?;
        oracle::fsck_fat(&self.raw, self.esp)
    }
}

/// Every difference of two guests that is not meant to be there, one per line; nothing where there is none.
///
/// Times of what both sides changed are those of two runs, and not compared.
pub(crate) fn compare(base: &Tree, theirs: &Guest, ours: &Guest, listed: &[Known]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for difference in theirs.tree.difference(&ours.tree) {
        if is_only_time(&difference, base) {
            continue;
        }
        if let Some(why) = known::reason(&difference, listed, theirs, ours)? {
            say(&format!("meant: {}: {why}", difference.path.escape_ascii()));
            continue;
        }
        found.push(told(&difference, theirs, ours));
    }
    Ok(found)
}

fn is_only_time(difference: &Difference, base: &Tree) -> bool {
    if difference.fields() != ["mtime"] {
        return false;
    }
    let before = base.entries.get(&difference.path).map(|entry| entry.mtime);
    let sides = [&difference.before, &difference.after];
    sides
        .iter()
        .all(|side| side.as_ref().map(|entry| entry.mtime) != before)
}

/// The difference, with that of the contents where they are short texts.
fn told(difference: &Difference, theirs: &Guest, ours: &Guest) -> String {
    let mut text = difference.to_string();
    let path = String::from_utf8_lossy(&difference.path).into_owned();
    if difference.fields().contains(&"sha256") {
        let texts = [theirs.read(&path), ours.read(&path)].map(|content| content.map(String::from_utf8));
        if let [Ok(Ok(one)), Ok(Ok(other))] = texts
            && one.len().max(other.len()) < 1 << 16
        {
            for line in one
                .lines()
                .filter(|line| !other.lines().any(|same| same == *line))
                .take(8)
            {
                text.push_str(&format!("\n      theirs {line}"));
            }
            for line in other
                .lines()
                .filter(|line| !one.lines().any(|same| same == *line))
                .take(8)
            {
                text.push_str(&format!("\n      ours   {line}"));
            }
        }
    }
    text
}

/// Fails with all of them.
pub(crate) fn ensure_none(found: &[String], what: &str) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = found.iter().take(30).map(String::as_str).collect();
    bail!("{what}: {} differences\n{}", found.len(), shown.join("\n"))
}

#[allow(clippy::print_stdout, reason = "the log of a case says what it passed over")]
fn say(line: &str) {
    println!("{line}");
}
