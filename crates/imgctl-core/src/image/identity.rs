//! Which file the base is, and whether it is still the same.

use crate::{Error, ErrorKind, Result};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What must not change while a run goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    pub(super) fn of(file: &File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|source| {
            Error::new(ErrorKind::Other, format!("cannot examine the image {}", path.display())).with_source(source)
        })?;
        if metadata.is_dir() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{} is a directory, not an image", path.display()),
            ));
        }
        Ok(Self::from(&metadata))
    }

    /// Compares both the open file and what its path names now: a file that was replaced is a change as well.
    pub(super) fn check(&self, file: &File, path: &Path) -> Result<()> {
        let still = file.metadata().is_ok_and(|metadata| Self::from(&metadata) == *self)
            && std::fs::metadata(path).is_ok_and(|metadata| Self::from(&metadata) == *self);
        match still {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Other,
                format!("the base image {} was changed while it was read", path.display()),
            )
            .with_hint("make sure that nothing writes to it, and run again")),
        }
    }

    pub(super) fn is_that_of(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}
