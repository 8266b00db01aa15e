//! What other tools were told, as a recipe; and what of it could not be carried over.

mod cloud_config;
mod commands;
mod draft;
mod virt_customize;
pub(crate) mod yaml;

use std::fmt;
use std::path::Path;

pub use cloud_config::{CloudConfigOptions, from_cloud_config};
pub use virt_customize::{CommandLine, command_lines, from_virt_customize};

use crate::{Finding, HostFileError};

/// The most bytes of instructions that are read.
pub const MAX_IMPORT_BYTES: usize = crate::MAX_RECIPE_BYTES;

/// A recipe made of another tool's instructions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Import {
    /// The recipe's text: it has no findings, as long as the local files are there that it names. The notes stand at its
    /// end as comments.
    pub recipe: String,
    /// What people should know.
    pub notes: Vec<ImportNote>,
}

impl Import {
    /// Whether something could not be carried over.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.notes.iter().any(|note| note.kind == ImportNoteKind::LeftOut)
    }
}

/// Something people should know about an import.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportNote {
    /// Whether it is missing from the recipe.
    pub kind: ImportNoteKind,
    /// What it is about, in the other tool's words: `--edit /etc/hosts:…`, `power_state`.
    pub subject: String,
    /// Why it is missing, or what is different.
    pub reason: String,
}

/// The kinds of notes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ImportNoteKind {
    /// The recipe has nothing for it.
    LeftOut,
    /// The recipe has it, with a difference.
    Remark,
}

impl fmt::Display for ImportNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}

/// What an import may ask of this machine, to know what local files are like.
pub trait ImportHost: fmt::Debug {
    /// What is at a local path; `None` where nothing can be found.
    fn look(&self, path: &Path) -> Option<LocalFile>;

    /// The whole content of a regular file.
    ///
    /// # Errors
    /// Says why it cannot be read: among others [`HostFileError::TooLarge`] for one of more than `limit_bytes`.
    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError>;
}

/// What a local file is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LocalFile {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Permission bits (12).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Why instructions cannot be read at all.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There is too much of them.
    #[error("the instructions have more than {MAX_IMPORT_BYTES} bytes")]
    TooLarge,
    /// They are not text.
    #[error("the instructions are not UTF-8 text")]
    NotText,
    /// They are not YAML, or not the YAML that is understood.
    #[error("the cloud-config is not valid YAML: line {}, column {}: {}", .0.origin.line, .0.origin.column, .0.message)]
    Yaml(Box<Finding>),
    /// They are something else.
    #[error("{0}")]
    NotACloudConfig(&'static str),
    /// The command line is not one of virt-customize's.
    #[error("{0}")]
    Usage(String),
    /// A file that the command line names cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        reason: HostFileError,
    },
    /// What came out is not a recipe.
    #[error("the instructions cannot be written as a recipe: {0}")]
    Unwritable(String),
}
