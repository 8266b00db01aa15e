//! The machine as the command line would show it to a recipe: files below one folder, and an environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use imgctl_recipe::{Host, HostFileError};

/// A folder that all paths are relative to.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    environment: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            environment: BTreeMap::new(),
        }
    }
}

impl Host for Folder {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        let metadata = fs::metadata(self.root.join(path))?;
        if metadata.is_dir() {
            return Err(HostFileError::IsADirectory);
        }
        match metadata.is_file() {
            true => Ok(()),
            false => Err(HostFileError::NotAFile),
        }
    }

    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        self.check_file(path)?;
        let bytes = fs::read(self.root.join(path))?;
        match bytes.len() > limit_bytes {
            true => Err(HostFileError::TooLarge(limit_bytes)),
            false => Ok(bytes),
        }
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        self.environment.get(name).cloned()
    }
}
