//! The local files a recipe names, each asked for once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::host::{Host, HostFileError};

/// What is known of local files.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownFiles {
    checked: BTreeMap<PathBuf, Result<(), HostFileError>>,
    /// Those whose text was kept.
    read: BTreeMap<PathBuf, Result<(), HostFileError>>,
    /// Those whose content is part of the plan.
    contents: BTreeMap<PathBuf, Result<Arc<[u8]>, HostFileError>>,
}

/// Local files as one reading of a recipe sees them: they do not change meanwhile.
#[derive(Debug)]
pub(crate) struct LocalFiles<'h> {
    known: RefCell<KnownFiles>,
    host: Option<&'h dyn Host>,
}

impl<'h> LocalFiles<'h> {
    /// Asks `host` for what it does not know.
    pub(crate) fn asking(host: &'h dyn Host) -> Self {
        Self {
            known: RefCell::default(),
            host: Some(host),
        }
    }

    /// Knows what was asked before: all that one recipe names.
    pub(crate) fn knowing(known: KnownFiles) -> Self {
        Self {
            known: RefCell::new(known),
            host: None,
        }
    }

    /// Everything that was asked for.
    pub(crate) fn into_known(self) -> KnownFiles {
        self.known.into_inner()
    }

    /// Whether the file can be read later.
    pub(crate) fn check(&self, path: &Path) -> Result<(), HostFileError> {
        if let Some(known) = self.known.borrow().checked.get(path) {
            return known.clone();
        }
        let host = self.host.ok_or(HostFileError::NotFound)?;
        let checked = host.check_file(path);
        let mut known = self.known.borrow_mut();
        known.checked.insert(path.to_path_buf(), checked.clone());
        checked
    }

    /// Reads a file for the first time and gives its content to `keep`; what came of it is remembered.
    pub(crate) fn read(
        &self,
        path: &Path,
        limit_bytes: usize,
        keep: impl FnOnce(Vec<u8>) -> Result<(), HostFileError>,
    ) -> Result<(), HostFileError> {
        if let Some(known) = self.known.borrow().read.get(path) {
            return known.clone();
        }
        let host = self.host.ok_or(HostFileError::NotFound)?;
        let read = host.read_file(path, limit_bytes).and_then(keep);
        let mut known = self.known.borrow_mut();
        known.read.insert(path.to_path_buf(), read.clone());
        read
    }

    /// The content of a file that goes into the plan.
    pub(crate) fn content(&self, path: &Path, limit_bytes: usize) -> Result<Arc<[u8]>, HostFileError> {
        if let Some(known) = self.known.borrow().contents.get(path) {
            return known.clone();
        }
        let host = self.host.ok_or(HostFileError::NotFound)?;
        let content = host.read_file(path, limit_bytes).map(Arc::from);
        let mut known = self.known.borrow_mut();
        known.contents.insert(path.to_path_buf(), content.clone());
        content
    }
}
