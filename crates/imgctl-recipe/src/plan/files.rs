//! The `files` section.

use super::{AclEntry, FileCapabilities, LinePattern, ModeChange, Principal};
use imgctl_edit::Script;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileEntry {
    /// The absolute guest path; with [`FileAction::Absent`] and [`FileAction::Empty`] a glob.
    pub path: String,
    /// What should be there.
    pub action: FileAction,
    /// Permission bits; `None`: 0644 for a new file, 0755 for a new directory, unchanged for an existing one.
    pub mode: Option<ModeChange>,
    /// Owner; `None`: root for a new file, unchanged for an existing one.
    pub owner: Option<Principal>,
    /// Group, likewise.
    pub group: Option<Principal>,
    /// Whether mode, owner, attributes and access control lists are those of everything below, too.
    pub recursive: bool,
    /// Extended attributes to set.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Extended attributes to remove.
    pub removed_xattrs: Vec<String>,
    /// What becomes of the access control lists.
    pub acl: Option<AclChange>,
    /// The capabilities a program gets; `Some(None)`: none.
    pub capabilities: Option<Option<FileCapabilities>>,
    /// Whether a secret is in it: the change is reported without difference and digest.
    pub sensitive: bool,
}

impl FileEntry {
    /// An entry that changes nothing but what `action` says.
    #[must_use]
    pub fn new(path: impl Into<String>, action: FileAction) -> Self {
        Self {
            path: path.into(),
            action,
            mode: None,
            owner: None,
            group: None,
            recursive: false,
            xattrs: BTreeMap::new(),
            removed_xattrs: Vec::new(),
            acl: None,
            capabilities: None,
            sensitive: false,
        }
    }
}

/// What becomes of access control lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AclChange {
    /// These entries are set; others stay (`setfacl -m`).
    Set(Vec<AclEntry>),
    /// There are none but owner, group and others (`setfacl -b`).
    Clear,
}

/// What should be at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum FileAction {
    /// A regular file with exactly this content.
    Content(Content),
    /// A regular file, empty if it is new.
    File,
    /// A directory (parents are made as needed).
    Directory,
    /// A symbolic link to this target.
    Symlink(String),
    /// Nothing: what the glob matches is removed, directories with all they hold.
    Absent,
    /// What the glob matches holds nothing: files, and with [`FileEntry::recursive`] all files below directories.
    Empty,
    /// A regular file that ends in this text, unless it holds these lines already.
    Append(String),
    /// A regular file with this line.
    Line {
        /// The line, without its end.
        line: String,
        /// The last line that matches is replaced.
        replaces: Option<LinePattern>,
        /// Where it goes when nothing is replaced; else, and where this finds nothing, to the end.
        near: Option<(LineSide, LinePattern)>,
    },
    /// An existing regular file that this script changes no more.
    Edit(Script),
    /// A copy of what is at this guest path.
    Copy(String),
    /// What was at this guest path, where nothing is any more.
    Move(String),
    /// A directory with what a local directory holds, and what it held before.
    Tree {
        /// The local directory.
        source: PathBuf,
        /// What is as it is on this machine, besides content, kind and mode.
        preserve: Preserve,
    },
    /// A directory with what a local tar archive holds, and what it held before.
    Archive {
        /// The local file.
        source: PathBuf,
        /// How many leading names of each path to leave out.
        strip: usize,
    },
    /// What is there, with this entry's mode and owner.
    Metadata,
}

/// On which side of the last match a line is put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineSide {
    /// Before it.
    Before,
    /// After it.
    After,
}

/// What a copied tree keeps of this machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Preserve {
    /// Owners and groups, as numbers.
    pub owners: bool,
    /// Times of last change.
    pub times: bool,
    /// Extended attributes, with access control lists and capabilities.
    pub xattrs: bool,
}

/// Where a file's bytes come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// From the recipe itself.
    Inline(String),
    /// From this host file, which was there when the recipe was read.
    Source(PathBuf),
}
