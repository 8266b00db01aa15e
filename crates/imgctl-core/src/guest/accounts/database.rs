//! All files of accounts together, read once and written back where something changed.

use super::ColonFile;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata, Result};
use imgctl_vfs::GuestPath;

/// One of the files that say who is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccountFile {
    /// passwd(5)
    Passwd,
    /// shadow(5)
    Shadow,
    /// group(5)
    Group,
    /// gshadow(5)
    Gshadow,
    /// subuid(5)
    Subuid,
    /// subgid(5)
    Subgid,
}

impl AccountFile {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Passwd,
        Self::Shadow,
        Self::Group,
        Self::Gshadow,
        Self::Subuid,
        Self::Subgid,
    ];

    /// Where it lies.
    #[must_use]
    pub fn path(self) -> GuestPath {
        let path = match self {
            Self::Passwd => "/etc/passwd",
            Self::Shadow => "/etc/shadow",
            Self::Group => "/etc/group",
            Self::Gshadow => "/etc/gshadow",
            Self::Subuid => "/etc/subuid",
            Self::Subgid => "/etc/subgid",
        };
        super::path(path.as_bytes())
    }

    /// Whether it holds password hashes.
    fn is_secret(self) -> bool {
        matches!(self, Self::Shadow | Self::Gshadow)
    }
}

/// The files of accounts that the guest has, to be edited. Nothing of what it holds is shown by `Debug`.
#[derive(Clone)]
pub struct Database {
    files: [Option<ColonFile>; 6],
    before: [Option<ColonFile>; 6],
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let present = AccountFile::ALL.iter().filter(|file| self.get(**file).is_some());
        f.debug_tuple("Database").field(&present.collect::<Vec<_>>()).finish()
    }
}

impl Database {
    /// Reads what is there of them. One that is missing stays missing: such a guest does without it.
    pub fn read(guest: &Guest) -> Result<Self> {
        let mut files = [const { None }; 6];
        for file in AccountFile::ALL {
            let text = guest.read(&file.path(), MAX_TEXT_BYTES)?;
            files[file as usize] = text.map(|text| ColonFile::parse(&text));
        }
        let before = files.clone();
        Ok(Self { files, before })
    }

    /// A file, if the guest has it.
    #[must_use]
    pub fn get(&self, file: AccountFile) -> Option<&ColonFile> {
        self.files[file as usize].as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, file: AccountFile) -> Option<&mut ColonFile> {
        self.files[file as usize].as_mut()
    }

    /// A field of the first line with this name.
    #[must_use]
    pub fn field(&self, file: AccountFile, name: &[u8], column: usize) -> Option<&[u8]> {
        self.get(file)?.field(name, column)
    }

    /// Changes a field of the first line with this name.
    pub fn set_field(&mut self, file: AccountFile, name: &[u8], column: usize, value: &[u8]) {
        if let Some(file) = self.get_mut(file) {
            file.set_field(name, column, value);
        }
    }

    /// Adds a line, if the guest has the file.
    pub fn push(&mut self, file: AccountFile, fields: &[&[u8]]) {
        if let Some(file) = self.get_mut(file) {
            file.push(fields);
        }
    }

    /// Removes the lines with this name.
    pub fn remove(&mut self, file: AccountFile, name: &[u8]) {
        if let Some(file) = self.get_mut(file) {
            file.remove(name);
        }
    }

    /// Writes the files that changed. Each keeps its owner, mode and attributes; no copies with a `-` are made, for they
    /// would hold the hashes of passwords that were replaced.
    pub fn write(&self, guest: &mut Guest) -> Result<()> {
        for file in AccountFile::ALL {
            let index = file as usize;
            let Some(now) = self.files[index]
                .as_ref()
                .filter(|_| self.files[index] != self.before[index])
            else {
                continue;
            };
            let mode = if file.is_secret() { 0o600 } else { 0o644 };
            guest.write_file(&file.path(), &mut now.encode().as_slice(), NewMetadata::root(mode))?;
            if file.is_secret() {
                guest.hide(&file.path())?;
            }
        }
        Ok(())
    }
}
