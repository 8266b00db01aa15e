//! A mounted tree as a map from path to everything that can be observed of it, and the difference of two such trees.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::oracle::{self, Partition, hex};

/// What a directory entry is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Everything that can be observed of one path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file, 0 for everything else.
    pub size: u64,
    /// Modification time: seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Number of names; 1 for a directory, whose link count depends on the filesystem.
    pub links: u64,
    /// Device number as `stat` gives it, 0 where there is none.
    pub rdev: u64,
    /// Where a symbolic link points.
    pub target: Option<Vec<u8>>,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Digest of a file's content.
    pub sha256: Option<[u8; 32]>,
    /// The first path (in byte order) that is the same file, for a file with several names.
    pub same_as: Option<Vec<u8>>,
}

/// A whole tree: absolute guest path (`/`, `/etc`, …) to entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    /// The entries, in byte order of their paths.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

impl Tree {
    /// Reads everything below `root`.
    ///
    /// # Errors
    ///
    /// When anything there cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_below(root, b"/")?;
        tree.name_hard_links(root)?;
        Ok(tree)
    }

    /// Reads a FAT filesystem through mtools, as a directory tree owned by root with the modes of a default mount.
    ///
    /// # Errors
    ///
    /// When mtools cannot read it.
    pub fn read_fat(raw: &Path, partition: Partition) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let copy = folder.path().join("fat.img");
        oracle::extract(raw, partition, &copy)?;
        let files = folder.path().join("files");
        std::fs::create_dir(&files)?;
        let options = ["-s", "-n", "-p", "-m", "-i"].map(OsStr::new);
        let places = [copy.as_os_str(), OsStr::new("::"), files.as_os_str()];
        oracle::run("mcopy", options.into_iter().chain(places))?;
        let mut tree = Self::read(&files)?;
        for (path, entry) in &mut tree.entries {
            entry.mode = if entry.kind == Kind::Directory { 0o755 } else { 0o644 };
            (entry.uid, entry.gid) = (0, 0);
            if path == b"/" {
                entry.mtime = (0, 0);
            }
        }
        Ok(tree)
    }

    /// Puts `mounted` in the place of the directory at `at`, as a mount does.
    pub fn graft(&mut self, at: &[u8], mounted: Self) {
        self.entries.retain(|path, _| !is_below(path, at));
        for (path, mut entry) in mounted.entries {
            entry.same_as = entry.same_as.map(|other| joined(at, &other));
            self.entries.insert(joined(at, &path), entry);
        }
    }

    /// The entry at an absolute path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path.as_bytes())
    }

    /// What must change in `self` for it to become `after`, in order of the paths.
    #[must_use]
    pub fn difference(&self, after: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let paths: std::collections::BTreeSet<_> = self.entries.keys().chain(after.entries.keys()).collect();
        for path in paths {
            let (old, new) = (self.entries.get(path), after.entries.get(path));
            if old != new {
                differences.push(Difference {
                    path: path.clone(),
                    before: old.cloned(),
                    after: new.cloned(),
                });
            }
        }
        differences
    }

    fn read_below(&mut self, place: &Path, path: &[u8]) -> Result<()> {
        let metadata = place
            .symlink_metadata()
            .with_context(|| format!("examining {}", place.display()))?;
        let entry = read_entry(place, &metadata).with_context(|| format!("reading {}", place.display()))?;
        let is_directory = entry.kind == Kind::Directory;
        self.entries.insert(path.to_vec(), entry);
        if is_directory {
            for child in place
                .read_dir()
                .with_context(|| format!("listing {}", place.display()))?
            {
                let child = child?;
                self.read_below(&child.path(), &joined(path, child.file_name().as_bytes()))?;
            }
        }
        Ok(())
    }

    fn name_hard_links(&mut self, root: &Path) -> Result<()> {
        let mut first_names: HashMap<u64, Vec<u8>> = HashMap::new();
        for (path, entry) in &mut self.entries {
            if entry.links > 1 {
                let relative = OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path));
                let inode = root.join(relative).symlink_metadata()?.ino();
                entry.same_as = Some(first_names.entry(inode).or_insert_with(|| path.clone()).clone());
            }
        }
        Ok(())
    }
}

fn read_entry(place: &Path, metadata: &Metadata) -> Result<Entry> {
    let kind = kind_of(metadata);
    let is_file = kind == Kind::File;
    Ok(Entry {
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: if is_file { metadata.len() } else { 0 },
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        links: if kind == Kind::Directory { 1 } else { metadata.nlink() },
        rdev: metadata.rdev(),
        target: match kind {
            Kind::Symlink => Some(place.read_link()?.as_os_str().as_bytes().to_vec()),
            _ => None,
        },
        xattrs: read_xattrs(place)?,
        sha256: if is_file { Some(oracle::sha256(place)?) } else { None },
        same_as: None,
    })
}

fn kind_of(metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => Kind::Directory,
        () if kind.is_symlink() => Kind::Symlink,
        () if kind.is_char_device() => Kind::CharDevice,
        () if kind.is_block_device() => Kind::BlockDevice,
        () if kind.is_fifo() => Kind::Fifo,
        () if kind.is_socket() => Kind::Socket,
        () => Kind::File,
    }
}

fn read_xattrs(place: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in xattr::list(place)? {
        if let Some(value) = xattr::get(place, &name)? {
            found.insert(name.as_bytes().to_vec(), value);
        }
    }
    Ok(found)
}

/// Whether `path` is `ancestor` or below it.
#[must_use]
pub fn is_below(path: &[u8], ancestor: &[u8]) -> bool {
    let rest = path.strip_prefix(ancestor);
    ancestor == b"/" || rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
}

fn joined(parent: &[u8], child: &[u8]) -> Vec<u8> {
    let mut path = parent.strip_suffix(b"/").unwrap_or(parent).to_vec();
    let child = child.strip_prefix(b"/").unwrap_or(child);
    if !child.is_empty() || path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(child);
    path
}

/// One path that two trees do not agree about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The absolute path.
    pub path: Vec<u8>,
    /// Its entry in the first tree.
    pub before: Option<Entry>,
    /// Its entry in the second tree.
    pub after: Option<Entry>,
}

impl Difference {
    /// The names of the properties that differ; empty when the path is in one tree only.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        let (Some(old), Some(new)) = (&self.before, &self.after) else {
            return Vec::new();
        };
        let compared = [
            ("kind", old.kind != new.kind),
            ("mode", old.mode != new.mode),
            ("uid", old.uid != new.uid),
            ("gid", old.gid != new.gid),
            ("size", old.size != new.size),
            ("mtime", old.mtime != new.mtime),
            ("links", old.links != new.links),
            ("rdev", old.rdev != new.rdev),
            ("target", old.target != new.target),
            ("xattrs", old.xattrs != new.xattrs),
            ("sha256", old.sha256 != new.sha256),
            ("same_as", old.same_as != new.same_as),
        ];
        compared
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| name)
            .collect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.escape_ascii();
        match (&self.before, &self.after) {
            (None, Some(new)) => write!(formatter, "+ {path}: {}", described(new)),
            (Some(old), None) => write!(formatter, "- {path}: {}", described(old)),
            (Some(old), Some(new)) => {
                write!(formatter, "~ {path}:")?;
                for field in self.fields() {
                    write!(
                        formatter,
                        " {field} {} -> {};",
                        property(old, field),
                        property(new, field)
                    )?;
                }
                Ok(())
            }
            (None, None) => write!(formatter, "  {path}: nowhere"),
        }
    }
}

/// Differences one per line, at most `limit` of them, and how many more there are.
#[must_use]
pub fn report(differences: &[Difference], limit: usize) -> String {
    let mut text: String = differences
        .iter()
        .take(limit)
        .map(|difference| format!("{difference}\n"))
        .collect();
    if differences.len() > limit {
        text.push_str(&format!("and {} more\n", differences.len() - limit));
    }
    text
}

fn described(entry: &Entry) -> String {
    let fields = ["kind", "mode", "uid", "gid", "size", "target", "sha256"];
    let shown = fields.map(|field| (field, property(entry, field)));
    shown
        .into_iter()
        .filter(|(_, value)| value != "none")
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join(" ")
}

fn property(entry: &Entry, field: &str) -> String {
    let bytes = |bytes: &Option<Vec<u8>>| {
        bytes
            .as_ref()
            .map_or("none".to_owned(), |bytes| bytes.escape_ascii().to_string())
    };
    match field {
        "kind" => format!("{:?}", entry.kind),
        "mode" => format!("{:04o}", entry.mode),
        "uid" => entry.uid.to_string(),
        "gid" => entry.gid.to_string(),
        "size" => entry.size.to_string(),
        "mtime" => format!("{}.{:09}", entry.mtime.0, entry.mtime.1),
        "links" => entry.links.to_string(),
        "rdev" => entry.rdev.to_string(),
        "target" => bytes(&entry.target),
        "same_as" => bytes(&entry.same_as),
        "sha256" => entry
            .sha256
            .map_or("none".to_owned(), |digest| hex(digest.get(..6).unwrap_or_default())),
        "xattrs" => {
            let one = |(name, value): (&Vec<u8>, &Vec<u8>)| format!("{}={}", name.escape_ascii(), hex(value));
            format!("{{{}}}", entry.xattrs.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sample() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/a"), b"one").unwrap();
        fs::hard_link(folder.path().join("etc/a"), folder.path().join("etc/b")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("etc/link")).unwrap();
        folder
    }

    #[test]
    fn reads_kinds_links_and_digests() {
        let folder = sample();
        let tree = Tree::read(folder.path()).unwrap();
        let paths: Vec<_> = tree
            .entries
            .keys()
            .map(|path| path.escape_ascii().to_string())
            .collect();
        assert_eq!(paths, ["/", "/etc", "/etc/a", "/etc/b", "/etc/link"]);
        let second = tree.get("/etc/b").unwrap();
        assert_eq!((second.kind, second.links, second.size), (Kind::File, 2, 3));
        assert_eq!(second.same_as.as_deref(), Some(&b"/etc/a"[..]));
        assert!(hex(&second.sha256.unwrap()).starts_with("7692c3ad3540bb80"));
        assert_eq!(tree.get("/etc/link").unwrap().target.as_deref(), Some(&b"a"[..]));
    }

    #[test]
    fn a_difference_names_the_fields_that_changed() {
        let folder = sample();
        let before = Tree::read(folder.path()).unwrap();
        fs::remove_file(folder.path().join("etc/link")).unwrap();
        fs::write(folder.path().join("etc/new"), b"").unwrap();
        fs::remove_file(folder.path().join("etc/b")).unwrap();
        fs::write(folder.path().join("etc/b"), b"two!").unwrap();
        let after = Tree::read(folder.path()).unwrap();
        let differences = before.difference(&after);
        let by_path = |path: &str| {
            differences
                .iter()
                .find(|difference| difference.path == path.as_bytes())
                .unwrap()
        };
        assert!(by_path("/etc/link").to_string().starts_with("- /etc/link: Symlink"));
        assert!(by_path("/etc/new").to_string().starts_with("+ /etc/new: File"));
        let fields = by_path("/etc/b").fields();
        assert!(
            ["size", "links", "sha256", "same_as"]
                .iter()
                .all(|field| fields.contains(field)),
            "{fields:?}"
        );
        assert_eq!(by_path("/etc/a").fields(), ["links", "same_as"]);
        assert!(before.difference(&before).is_empty());
    }

    #[test]
    fn a_graft_covers_what_was_below() {
        let mut tree = Tree::read(sample().path()).unwrap();
        let other = sample();
        tree.graft(b"/etc", Tree::read(other.path()).unwrap());
        let paths: Vec<_> = tree
            .entries
            .keys()
            .map(|path| path.escape_ascii().to_string())
            .collect();
        assert_eq!(
            paths,
            ["/", "/etc", "/etc/etc", "/etc/etc/a", "/etc/etc/b", "/etc/etc/link"]
        );
        assert_eq!(
            tree.get("/etc/etc/b").unwrap().same_as.as_deref(),
            Some(&b"/etc/etc/a"[..])
        );
    }

    #[test]
    fn below_means_whole_names() {
        assert!(is_below(b"/etc", b"/etc") && is_below(b"/etc/x", b"/etc") && is_below(b"/x", b"/"));
        assert!(!is_below(b"/etcetera", b"/etc"));
    }
}
