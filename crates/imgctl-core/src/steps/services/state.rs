//! What a unit is, in the words of `systemctl is-enabled`.

use super::scope::Scope;
use super::search::{Unit, UnitFolders, link_target};
use super::unit_file::expand;
use super::unit_name::UnitName;
use super::{parse, sysv};
use crate::guest::Guest;
use crate::steps::Outcome;
use imgctl_vfs::{FileKind, GuestPath};

/// The state of a unit's file and links.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UnitState {
    Enabled,
    /// A further name of a unit.
    Alias,
    Disabled,
    /// A unit outside of the folders, linked into them.
    Linked,
    Masked,
    /// Without `[Install]`.
    Static,
    /// Only others that its `[Install]` names, or other names of it, can be enabled.
    Indirect,
    NotFound,
}

impl UnitState {
    /// systemctl's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Alias => "alias",
            Self::Disabled => "disabled",
            Self::Linked => "linked",
            Self::Masked => "masked",
            Self::Static => "static",
            Self::Indirect => "indirect",
            Self::NotFound => "not-found",
        }
    }
}

/// The state of the unit that is asked for, and the name of the unit that it leads to.
pub(crate) fn unit_state(guest: &Guest, name: &str) -> Outcome<(UnitState, String)> {
    let asked = parse(name)?;
    let folders = UnitFolders::of(guest, Scope::System)?;
    let Some(unit) = folders.find(guest, &asked)? else {
        let state = match sysv::is_enabled(guest, &asked)? {
            Some(true) => UnitState::Enabled,
            Some(false) => UnitState::Disabled,
            None => UnitState::NotFound,
        };
        return Ok((state, name.to_owned()));
    };
    let real = unit.name.as_str().to_owned();
    let state = match (unit.is_masked, is_alias(&asked, &unit)) {
        (true, _) => UnitState::Masked,
        (_, true) => UnitState::Alias,
        _ => state_of(guest, &folders, &unit)?,
    };
    Ok((state, real))
}

fn is_alias(asked: &UnitName, unit: &Unit) -> bool {
    let file = unit.path.file_name().unwrap_or_default();
    let is_own = file == asked.as_str().as_bytes();
    let is_own_template = asked
        .template()
        .is_some_and(|template| file == template.as_str().as_bytes());
    *asked != unit.name || !(is_own || is_own_template)
}

fn state_of(guest: &Guest, folders: &UnitFolders, unit: &Unit) -> Outcome<UnitState> {
    if let Some(state) = linked(guest, folders, unit, true)? {
        return Ok(state);
    }
    // Known by a name that enabling it would not give it.
    if linked(guest, folders, unit, false)?.is_some() {
        return Ok(UnitState::Indirect);
    }
    let install = &unit.install;
    let has_rules = [
        &install.aliases,
        &install.wanted_by,
        &install.required_by,
        &install.upheld_by,
    ];
    Ok(match has_rules.iter().any(|list| !list.is_empty()) {
        true => UnitState::Disabled,
        false if !install.also.is_empty() => UnitState::Indirect,
        false => UnitState::Static,
    })
}

/// Looks for links to the unit in every folder, the most important first; with `known_only` for those that enabling the
/// unit makes.
fn linked(guest: &Guest, folders: &UnitFolders, unit: &Unit, known_only: bool) -> Outcome<Option<UnitState>> {
    let mut ignore_same_name = false;
    let mut is_linked = false;
    let mut is_enabled_elsewhere = false;
    for folder in folders.all() {
        let mut search = Search {
            guest,
            unit,
            folder,
            known_only,
            ignore_same_name,
            has_same_name: false,
        };
        let is_config = folder.as_bytes() == folders.scope().config().as_bytes();
        if search.below()? || search.beside()? {
            if is_config {
                return Ok(Some(UnitState::Enabled));
            }
            is_enabled_elsewhere = true;
        } else {
            is_linked |= search.has_same_name && is_config;
        }
        // Below the unit's own folder, a link of its name means nothing.
        ignore_same_name |= unit.path.parent().as_ref() == Some(folder);
    }
    if is_enabled_elsewhere && unit.name.instance().is_some() {
        return Ok(Some(UnitState::Static));
    }
    Ok(is_linked.then_some(UnitState::Linked))
}

/// One folder of units, looked through for links to one unit.
struct Search<'a> {
    guest: &'a Guest,
    unit: &'a Unit,
    folder: &'a GuestPath,
    known_only: bool,
    ignore_same_name: bool,
    /// Whether a link of the unit's name leads to a file of its name.
    has_same_name: bool,
}

impl Search<'_> {
    /// In `.wants` folders and the like: by the names of the links alone.
    fn below(&self) -> Outcome<bool> {
        let kinds: [&[u8]; 3] = [b".wants", b".requires", b".upholds"];
        for (path, kind) in self.entries(self.folder)? {
            let name = path.file_name().unwrap_or_default();
            if kind != FileKind::Directory || !kinds.iter().any(|kind| name.ends_with(kind)) {
                continue;
            }
            for (link, kind) in self.entries(&path)? {
                let Some(name) = link.file_name().filter(|_| kind == FileKind::Symlink) else {
                    continue;
                };
                let parsed = UnitName::parse(name);
                let is_instance = parsed
                    .and_then(|name| name.template())
                    .is_some_and(|template| template == self.unit.name);
                if (name == self.name() || is_instance) && self.counts(name) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// In the folder itself: by the names of the links and what they lead to.
    fn beside(&mut self) -> Outcome<bool> {
        for (path, kind) in self.entries(self.folder)? {
            let Some(name) = path.file_name().filter(|_| kind == FileKind::Symlink) else {
                continue;
            };
            let target = self.guest.read_link(&path)?.unwrap_or_default();
            let target = link_target(&path, &target).ok();
            let leads_there = target.is_some_and(|target| target.file_name() == Some(self.name()));
            let has_name = name == self.name() && !self.ignore_same_name;
            if has_name && leads_there {
                self.has_same_name = true;
            } else if (has_name || leads_there) && self.counts(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a link of this name says that the unit is enabled.
    fn counts(&self, link: &[u8]) -> bool {
        if !self.known_only || link == self.name() {
            return true;
        }
        let install = &self.unit.install;
        let default = install.default_instance.as_deref();
        let expanded = |text: &String| expand(text, &self.unit.name, default).ok();
        let mut aliases = install.aliases.iter().filter_map(expanded);
        let instance = default.filter(|_| self.unit.name.is_template());
        let instance = instance.and_then(|instance| self.unit.name.with_instance(instance));
        aliases.any(|alias| alias.as_bytes() == link)
            || instance.is_some_and(|instance| instance.as_str().as_bytes() == link)
    }

    fn name(&self) -> &[u8] {
        self.unit.name.as_str().as_bytes()
    }

    fn entries(&self, folder: &GuestPath) -> Outcome<Vec<(GuestPath, FileKind)>> {
        if !self.guest.is_directory(folder)? {
            return Ok(Vec::new());
        }
        let entries = self.guest.read_dir(folder)?.unwrap_or_default();
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let kind = self.guest.metadata_of(&entry)?.kind;
            // Named by the folder as it was asked for, whatever link led there.
            let name = entry.path.file_name().unwrap_or_default();
            found.push((folder.join(name), kind));
        }
        Ok(found)
    }
}
