//! `trust`: certificate authorities, in the stores of every family.

mod anchors;
mod debian;
mod rehash;
#[cfg(test)]
mod tests;

use super::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use super::{Outcome, Step, StepError, StepFailure, StepSpec, fixed};
use crate::guest::{Guest, NewMetadata, OsFamily, OsRelease};
use imgctl_recipe::{Authority, Certificate, Plan, Sourced};
use imgctl_vfs::GuestPath;
use serde_json::json;

pub(super) const SPEC: StepSpec = StepSpec {
    name: "trusted-authorities",
    section: "trust",
    help: "have the guest trust certificate authorities",
    build: |plan: &Plan| {
        let authorities = plan.authorities.clone();
        (!authorities.is_empty()).then(|| Box::new(Authorities { authorities }) as Box<dyn Step>)
    },
};

pub(super) const FLAGS: &[FlagSpec] = &[FlagSpec {
    name: "ca-cert",
    value: "FILE",
    group: FlagGroup::Trust,
    help: "Have the guest trust the certificate authorities in the local FILE",
    example: "company-ca.pem",
    recipe: "trust.ca",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|file| Ok(json!({ "trust": { "ca": [{ "source": file }] } }))),
}];

#[derive(Debug)]
struct Authorities {
    authorities: Vec<Sourced<Authority>>,
}

impl Step for Authorities {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        let of_store =
            |failure: StepFailure| failure.at(SPEC.name, self.authorities.first().map(|first| &first.origin));
        let store = Store::of(guest).map_err(of_store)?;
        let mut is_changed = false;
        for authority in &self.authorities {
            let put = put(guest, &store, &authority.value);
            is_changed |= put.map_err(|failure| failure.at(SPEC.name, Some(&authority.origin)))?;
        }
        let all = self
            .authorities
            .iter()
            .flat_map(|authority| &authority.value.certificates);
        store
            .update(guest, &all.collect::<Vec<_>>(), is_changed)
            .map_err(of_store)
    }
}

/// Makes the stores anew after certificates were taken out of the guest's folders.
pub(super) fn refresh(guest: &mut Guest) -> Outcome<()> {
    Store::of(guest)?.update(guest, &[], true)
}

/// Where a guest keeps what its administrator trusts, and what is made of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Store {
    /// `update-ca-certificates` of Debian; Alpine's makes the same with other names of links.
    Folder {
        /// What the names of links begin with.
        prefix: &'static str,
    },
    /// p11-kit's extracts of anchors.
    Anchors(&'static anchors::Layout),
}

impl Store {
    fn of(guest: &Guest) -> Outcome<Self> {
        let family = OsRelease::read(guest.tree())?.unwrap_or_default().family;
        Ok(match family {
            OsFamily::Debian => Self::Folder { prefix: "" },
            OsFamily::Alpine => Self::Folder { prefix: "ca-cert-" },
            OsFamily::El | OsFamily::Fedora => Self::Anchors(&anchors::RED_HAT),
            OsFamily::Suse => Self::Anchors(&anchors::SUSE),
            OsFamily::Arch => Self::Anchors(&anchors::ARCH),
            OsFamily::Other => return Self::found(guest),
        })
    }

    /// Of a distribution that is not known, by the folders that it has.
    fn found(guest: &Guest) -> Outcome<Self> {
        for layout in [&anchors::RED_HAT, &anchors::SUSE, &anchors::ARCH] {
            if guest.is_directory(&fixed(layout.folder))? {
                return Ok(Self::Anchors(layout));
            }
        }
        if guest.is_directory(&fixed(debian::CERTIFICATES))? {
            return Ok(Self::Folder { prefix: "" });
        }
        Err(StepFailure::refused_with(
            "nothing in the guest is known to keep certificate authorities",
            "install the distribution's ca-certificates package first",
        ))
    }

    /// Where a certificate of this name lies.
    fn path(&self, name: &str) -> Outcome<GuestPath> {
        let (folder, ending) = match self {
            Self::Folder { .. } => (debian::LOCAL, "crt"),
            Self::Anchors(layout) => (layout.folder, layout.ending),
        };
        Ok(GuestPath::new(format!("{folder}/{name}.{ending}"))?)
    }

    fn update(&self, guest: &mut Guest, added: &[&Certificate], is_changed: bool) -> Outcome<()> {
        match self {
            Self::Folder { prefix } => debian::update(guest, prefix),
            Self::Anchors(layout) => anchors::update(guest, layout, added, is_changed),
        }
    }
}

/// Puts the certificates of one entry in place, each in a file of its own, since tools that hash a folder's files pass over
/// those with several; whether anything was not there yet.
fn put(guest: &mut Guest, store: &Store, authority: &Authority) -> Outcome<bool> {
    let mut is_changed = false;
    for (number, certificate) in (1_usize..).zip(&authority.certificates) {
        if certificate.not_after < guest.now().seconds {
            guest.warn(format!(
                "the certificate of {} in {} has expired",
                certificate.subject.escape_debug(),
                authority.name
            ));
        }
        let path = store.path(&match number {
            1 => authority.name.clone(),
            _ => format!("{}-{number}", authority.name),
        })?;
        let text = certificate.pem();
        if !guest.has_content(&path, &mut text.as_bytes())? {
            if let Some(parent) = path.parent() {
                guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
            }
            guest.write_file(&path, &mut text.as_bytes(), NewMetadata::root(0o644))?;
            is_changed = true;
        }
        guest.keep(&path)?;
        if authority.sensitive {
            guest.hide(&path)?;
        }
    }
    Ok(is_changed)
}
