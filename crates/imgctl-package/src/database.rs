//! Which package manager a guest has, and what it says is installed.

use crate::error::{Error, Result};
use crate::version::{apk as apk_version, dpkg as dpkg_version, pacman as pacman_version, rpm as rpm_version};
use crate::{apk, dpkg, pacman, rpm};
use imgctl_vfs::{Found, GuestPath, Tree};
use std::cmp::Ordering;
use std::fmt;

/// As many packages as a database may list; Debian has 70,000 in all.
pub(crate) const MAX_PACKAGES: usize = 1 << 18;

/// The package managers whose databases are read.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Manager {
    /// Debian, Ubuntu.
    Dpkg,
    /// Red Hat, Fedora, SUSE.
    Rpm,
    /// Alpine.
    Apk,
    /// Arch.
    Pacman,
}

impl Manager {
    /// `dpkg`, `rpm`, `apk` or `pacman`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
            Self::Apk => "apk",
            Self::Pacman => "pacman",
        }
    }

    /// Compares two versions as this package manager does. Any text is a version: what the manager would refuse is
    /// compared as its parts come.
    #[must_use]
    pub fn compare_versions(self, left: &str, right: &str) -> Ordering {
        let compare = match self {
            Self::Dpkg => dpkg_version::compare,
            Self::Rpm => rpm_version::compare,
            Self::Apk => apk_version::compare,
            Self::Pacman => pacman_version::compare,
        };
        compare(left.as_bytes(), right.as_bytes())
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far the installation of a package got.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PackageState {
    /// All of it.
    Installed,
    /// Its files are there, but it is not configured yet (dpkg: unpacked, half-configured).
    Unpacked,
    /// An installation or a removal broke off (dpkg: half-installed).
    Broken,
    /// Only its configuration files are left (dpkg: config-files).
    ConfigFiles,
}

impl PackageState {
    /// `installed`, `unpacked`, `broken` or `config-files`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Unpacked => "unpacked",
            Self::Broken => "broken",
            Self::ConfigFiles => "config-files",
        }
    }
}

/// One entry of a database.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Package {
    /// Its name; what is not UTF-8 is replaced.
    pub name: String,
    /// Its whole version, as the manager writes it: `1:4.3-1` (dpkg), `4.3-1.el9` or `1:4.3-1.el9` (rpm), `1.2.3-r4` (apk).
    pub version: String,
    /// Its architecture; rpm's `gpg-pubkey` has none.
    pub architecture: Option<String>,
    /// The bytes it takes, as the packager counted them.
    pub installed_bytes: Option<u64>,
    /// When it was installed, in seconds since 1970, where the manager records it.
    pub installed_at: Option<u64>,
    /// How far it got.
    pub state: PackageState,
    /// What people are told of it.
    pub about: About,
}

/// What a package says of itself. What is not UTF-8 is replaced.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct About {
    /// The address of its project.
    pub url: Option<String>,
    /// The source package it was built from, where the database names one of another name (dpkg).
    pub source: Option<String>,
    /// One line.
    pub summary: Option<String>,
    /// Several lines, without the blank that dpkg puts before each.
    pub description: Option<String>,
}

/// A guest's package database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Database {
    /// Whose.
    pub manager: Manager,
    /// What it lists, by name.
    pub packages: Vec<Package>,
}

impl Database {
    /// Reads the guest's database; `None` when it has none. Of several the first that lists anything counts: dpkg, apk,
    /// rpm, pacman, for some distributions carry a second, empty one.
    ///
    /// # Errors
    /// When a database is damaged, too large, or of a format that is not read (rpm's Berkeley DB and ndb).
    pub fn read(tree: &Tree) -> Result<Option<Self>> {
        let readers: [(Manager, Reader); 4] = [
            (Manager::Dpkg, dpkg::read),
            (Manager::Apk, apk::read),
            (Manager::Rpm, rpm::read),
            (Manager::Pacman, pacman::read),
        ];
        let mut empty = None;
        for (manager, read) in readers {
            let Some(mut packages) = read(tree)? else {
                continue;
            };
            packages.sort();
            let database = Self { manager, packages };
            if database.packages.is_empty() {
                empty = empty.or(Some(database));
            } else {
                return Ok(Some(database));
            }
        }
        Ok(empty)
    }

    /// The packages of a name, several for several architectures or versions. `name:arch` (dpkg) and `name.arch` (rpm)
    /// name one architecture.
    #[must_use]
    pub fn find(&self, name: &str) -> Vec<&Package> {
        let by_name: Vec<&Package> = self.packages.iter().filter(|package| package.name == name).collect();
        let separator = match self.manager {
            Manager::Dpkg => ':',
            Manager::Rpm => '.',
            _ => return by_name,
        };
        match name.rsplit_once(separator) {
            Some((name, architecture)) if by_name.is_empty() => {
                let is_it =
                    |package: &&Package| package.name == name && package.architecture.as_deref() == Some(architecture);
                self.packages.iter().filter(is_it).collect()
            }
            _ => by_name,
        }
    }

    /// How many packages are installed, wholly or unpacked.
    #[must_use]
    pub fn installed(&self) -> usize {
        let is_there = |package: &&Package| package.state != PackageState::ConfigFiles;
        self.packages.iter().filter(is_there).count()
    }
}

/// Reads one manager's database; `None` when the guest has none of it.
type Reader = fn(&Tree) -> Result<Option<Vec<Package>>>;

/// A path that is written in this crate's source.
pub(crate) fn fixed(path: &'static str) -> GuestPath {
    GuestPath::new(path).unwrap_or_else(|_| GuestPath::root())
}

/// The node at `path`, links followed.
pub(crate) fn find(tree: &Tree, path: &GuestPath) -> Result<Option<Found>> {
    tree.find(path).map_err(|source| failed(path, source))
}

/// The content of the regular file at `path`; `None` when nothing is there.
pub(crate) fn read_file(tree: &Tree, path: &GuestPath, limit_bytes: u64) -> Result<Option<Vec<u8>>> {
    let Some(found) = find(tree, path)? else {
        return Ok(None);
    };
    let metadata = tree.metadata(found.node).map_err(|source| failed(path, source))?;
    if metadata.kind != imgctl_vfs::FileKind::File {
        return Ok(None);
    }
    let content = tree.read_file(found.node, limit_bytes);
    content.map(Some).map_err(|source| failed(path, source))
}

/// The names in the folder at `path`, sorted; none when it is not there.
pub(crate) fn names(tree: &Tree, path: &GuestPath) -> Result<Vec<Vec<u8>>> {
    let Some(found) = find(tree, path)? else {
        return Ok(Vec::new());
    };
    let metadata = tree.metadata(found.node).map_err(|source| failed(path, source))?;
    if metadata.kind != imgctl_vfs::FileKind::Directory {
        return Ok(Vec::new());
    }
    let entries = tree.read_dir(found.node).map_err(|source| failed(path, source))?;
    Ok(entries.into_iter().map(|(name, _)| name).collect())
}

pub(crate) fn failed(path: &GuestPath, source: imgctl_vfs::Error) -> Error {
    Error::Filesystem {
        path: path.clone(),
        source,
    }
}

/// Adds a package, unless there are too many.
pub(crate) fn push(packages: &mut Vec<Package>, package: Package, path: &GuestPath) -> Result<()> {
    if packages.len() >= MAX_PACKAGES {
        return Err(Error::corrupt(
            path,
            format!("it lists more than {MAX_PACKAGES} packages"),
        ));
    }
    packages.push(package);
    Ok(())
}
