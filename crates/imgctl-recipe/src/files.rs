//! The local files a recipe names, each asked for once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::host::{Host, HostFileError};

/// What is known of local files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    checked: BTreeMap<PathBuf, Result<(), HostFileError>>,
}

impl Files {
    /// Answers what it does not know by asking `host`.
    pub(crate) fn asking<'f>(&'f mut self, host: &'f dyn Host) -> LocalFiles<'f> {
        LocalFiles {
            known: self,
            host: Some(host),
        }
    }

    /// Knows what was asked before: all that one recipe names.
    pub(crate) fn only_known(&mut self) -> LocalFiles<'_> {
        LocalFiles {
            known: self,
            host: None,
        }
    }
}

/// Local files as the sections of a recipe see them.
#[derive(Debug)]
pub(crate) struct LocalFiles<'f> {
    known: &'f mut Files,
    host: Option<&'f dyn Host>,
}

impl LocalFiles<'_> {
    /// Whether the file can be read later.
    pub(crate) fn check(&mut self, path: &Path) -> Result<(), HostFileError> {
        if let Some(known) = self.known.checked.get(path) {
            return known.clone();
        }
        let Some(host) = self.host else {
            return Err(HostFileError::NotFound);
        };
        let checked = host.check_file(path);
        self.known.checked.insert(path.to_path_buf(), checked.clone());
        checked
    }
}
