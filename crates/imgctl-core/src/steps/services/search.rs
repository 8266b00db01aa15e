//! Where unit files are, and which one a name leads to.

use super::scope::Scope;
use super::unit_file::Install;
use super::unit_name::UnitName;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_vfs::{FileKind, GuestPath};
use std::collections::{BTreeMap, BTreeSet};

/// As many links as systemd follows from a unit to its real name.
const MAX_ALIASES: usize = 64;

/// A unit file that a name leads to.
#[derive(Debug)]
pub(super) struct Unit {
    /// The real name, aliases followed.
    pub(super) name: UnitName,
    /// The file, as systemd would name it in a link.
    pub(super) path: GuestPath,
    /// Whether it cannot be started: it is empty, or leads to /dev/null.
    pub(super) is_masked: bool,
    /// What `[Install]` says, with the drop-ins.
    pub(super) install: Install,
}

enum Hit {
    Regular(GuestPath),
    Masked(GuestPath),
    Alias(String),
}

/// The folders that hold unit files, the most important first. What lies below /run is gone after a boot.
#[derive(Debug)]
pub(super) struct UnitFolders {
    scope: Scope,
    folders: Vec<GuestPath>,
}

impl UnitFolders {
    /// The folders in the order in which the guest's systemd looks. Debian before 13 built it to look into /lib first,
    /// which shows in links; its package's file list tells, or the links that are there.
    pub(super) fn of(guest: &Guest, scope: Scope) -> Outcome<Self> {
        if scope == Scope::User {
            let folders = Scope::USER_FOLDERS.map(fixed).to_vec();
            return Ok(Self { scope, folders });
        }
        let lib_first = match guest.read(&fixed("/var/lib/dpkg/info/systemd.list"), MAX_TEXT_BYTES)? {
            Some(list) => list
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"/lib/systemd/system"),
            None => has_links_to_lib(guest)?,
        };
        let (first, second) = match lib_first {
            true => ("/lib/systemd/system", "/usr/lib/systemd/system"),
            false => ("/usr/lib/systemd/system", "/lib/systemd/system"),
        };
        let folders = vec![
            fixed(scope.config()),
            fixed("/usr/local/lib/systemd/system"),
            fixed(first),
            fixed(second),
        ];
        Ok(Self { scope, folders })
    }

    /// Whose units these are.
    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// The folders, the most important first.
    pub(super) fn all(&self) -> &[GuestPath] {
        &self.folders
    }

    /// The unit that `name` leads to, or `None`.
    pub(super) fn find(&self, guest: &Guest, name: &UnitName) -> Outcome<Option<Unit>> {
        let mut name = name.clone();
        for _ in 0..MAX_ALIASES {
            match self.hit(guest, &name)? {
                None => return Ok(None),
                Some(Hit::Alias(target)) => {
                    let Some(target) = UnitName::parse(&target) else {
                        return Ok(None);
                    };
                    let instantiated = match (name.instance(), target.is_template()) {
                        (Some(instance), true) => target.with_instance(instance),
                        _ => None,
                    };
                    name = instantiated.unwrap_or(target);
                }
                Some(Hit::Masked(path)) => {
                    return Ok(Some(Unit {
                        name,
                        path,
                        is_masked: true,
                        install: Install::default(),
                    }));
                }
                Some(Hit::Regular(path)) => {
                    let install = self.install(guest, &name, &path)?;
                    return Ok(Some(Unit {
                        name,
                        path,
                        is_masked: false,
                        install,
                    }));
                }
            }
        }
        Err(StepFailure::refused(format!(
            "the links of the unit {} lead in a circle",
            name.as_str()
        )))
    }

    /// The text of a unit and its drop-ins, one after the other.
    pub(super) fn texts(&self, guest: &Guest, name: &UnitName, path: &GuestPath) -> Outcome<Vec<Vec<u8>>> {
        let mut texts = vec![guest.read(path, MAX_TEXT_BYTES)?.unwrap_or_default()];
        for drop_in in self.drop_ins(guest, name)? {
            // A link to /dev/null takes a drop-in of this name out of every folder.
            if is_regular(guest, &drop_in)? {
                texts.extend(guest.read(&drop_in, MAX_TEXT_BYTES)?);
            }
        }
        Ok(texts)
    }

    /// The names of all unit files, for suggestions.
    pub(super) fn names(&self, guest: &Guest) -> Outcome<BTreeSet<Vec<u8>>> {
        let mut names = BTreeSet::new();
        for folder in &self.folders {
            if guest.is_directory(folder)? {
                let entries = guest.read_dir(folder)?.unwrap_or_default();
                let found = entries.iter().filter_map(|entry| entry.path.file_name());
                names.extend(found.filter(|name| UnitName::parse(name).is_some()).map(<[u8]>::to_vec));
            }
        }
        Ok(names)
    }

    fn hit(&self, guest: &Guest, name: &UnitName) -> Outcome<Option<Hit>> {
        let names = std::iter::once(name.clone()).chain(name.template());
        for name in names {
            for folder in &self.folders {
                let path = folder.join(name.as_str().as_bytes());
                if let Some(hit) = hit_at(guest, path, &name)? {
                    return Ok(Some(hit));
                }
            }
        }
        Ok(None)
    }

    fn install(&self, guest: &Guest, name: &UnitName, path: &GuestPath) -> Outcome<Install> {
        let mut install = Install::default();
        for text in self.texts(guest, name, path)? {
            install.read(&text);
        }
        if !name.is_template() {
            install.default_instance = None;
        }
        Ok(install)
    }

    /// The drop-ins of a unit by name; of several with one name the first folder's counts.
    fn drop_ins(&self, guest: &Guest, name: &UnitName) -> Outcome<Vec<GuestPath>> {
        let mut found: BTreeMap<Vec<u8>, GuestPath> = BTreeMap::new();
        for name in std::iter::once(name.clone()).chain(name.template()) {
            for folder in &self.folders {
                let folder = folder.join(format!("{}.d", name.as_str()).as_bytes());
                if !guest.is_directory(&folder)? {
                    continue;
                }
                for entry in guest.read_dir(&folder)?.unwrap_or_default() {
                    let file = entry.path.file_name().unwrap_or_default();
                    if file.ends_with(b".conf") && !file.starts_with(b".") {
                        found.entry(file.to_vec()).or_insert(entry.path.clone());
                    }
                }
            }
        }
        Ok(found.into_values().collect())
    }
}

fn is_regular(guest: &Guest, path: &GuestPath) -> Outcome<bool> {
    Ok(guest
        .metadata(path)?
        .is_some_and(|metadata| metadata.kind == FileKind::File))
}

fn hit_at(guest: &Guest, path: GuestPath, name: &UnitName) -> Outcome<Option<Hit>> {
    let mut path = path;
    for _ in 0..MAX_ALIASES {
        let Some(metadata) = guest.link_metadata(&path)? else {
            return Ok(None);
        };
        match metadata.kind {
            FileKind::File if metadata.size == 0 => return Ok(Some(Hit::Masked(path))),
            FileKind::File => return Ok(Some(Hit::Regular(path))),
            FileKind::CharDevice(..) => return Ok(Some(Hit::Masked(path))),
            FileKind::Symlink => {}
            _ => return Ok(None),
        }
        let target = guest.read_link(&path)?.unwrap_or_default();
        let Ok(target) = link_target(&path, &target) else {
            return Ok(None);
        };
        let is_empty = guest.metadata(&target)?;
        let is_empty = is_empty.is_some_and(|metadata| metadata.kind == FileKind::File && metadata.size == 0);
        if is_empty || target == fixed("/dev/null") {
            return Ok(Some(Hit::Masked(path)));
        }
        match target.file_name() {
            // A unit outside the folders, linked under its own name.
            Some(file) if file == name.as_str().as_bytes() => path = target,
            Some(file) => return Ok(Some(Hit::Alias(String::from_utf8_lossy(file).into_owned()))),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The absolute path that a link's target means, `..` of a relative one taken literally.
pub(super) fn link_target(link: &GuestPath, target: &[u8]) -> imgctl_vfs::Result<GuestPath> {
    let whole = match (target.starts_with(b"/"), link.parent()) {
        (false, Some(parent)) => [parent.as_bytes(), b"/", target].concat(),
        _ => target.to_vec(),
    };
    let mut components: Vec<&[u8]> = Vec::new();
    let whole = GuestPath::new(whole)?;
    for component in whole.components() {
        match component {
            b".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    GuestPath::new([b"/", components.join(&b'/').as_slice()].concat())
}

fn has_links_to_lib(guest: &Guest) -> Outcome<bool> {
    for link in guest.glob("/etc/systemd/system/*.wants/*")? {
        if let Some(target) = guest.read_link(&link)? {
            return Ok(target.starts_with(b"/lib/"));
        }
    }
    Ok(false)
}
