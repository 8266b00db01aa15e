//! `packages.repos`: where the guest's package manager finds packages, and the keys that sign them.

mod apk;
mod apt;
mod flags;
mod pacman;
mod rpm;
#[cfg(test)]
mod tests;

pub(super) use flags::FLAGS;

use super::{Outcome, Step, StepError, StepFailure, StepSpec, fixed, text};
use crate::guest::{Guest, OsFamily, OsRelease};
use imgctl_recipe::{Plan, Repository, RepositoryKey, RepositoryPlace, Sourced};
use imgctl_vfs::GuestPath;

pub(super) const SPEC: StepSpec = StepSpec {
    name: "repositories",
    section: "packages",
    help: "add repositories of packages, with the keys that sign them",
    build: |plan: &Plan| {
        let repositories = plan.repositories.clone();
        (!repositories.is_empty()).then(|| Box::new(Repositories { repositories }) as Box<dyn Step>)
    },
};

#[derive(Debug)]
struct Repositories {
    repositories: Vec<Sourced<Repository>>,
}

impl Step for Repositories {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for repository in &self.repositories {
            add(guest, &repository.value).map_err(|failure| failure.at(SPEC.name, Some(&repository.origin)))?;
        }
        Ok(())
    }
}

/// The package managers whose repositories are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manager {
    Apt,
    Dnf,
    Zypper,
    Apk,
    Pacman,
}

impl Manager {
    fn of(guest: &Guest) -> Outcome<Self> {
        let family = OsRelease::read(guest.tree())?.unwrap_or_default().family;
        Ok(match family {
            OsFamily::Debian => Self::Apt,
            OsFamily::El | OsFamily::Fedora => Self::Dnf,
            OsFamily::Suse => Self::Zypper,
            OsFamily::Alpine => Self::Apk,
            OsFamily::Arch => Self::Pacman,
            OsFamily::Other => {
                for (path, manager) in [
                    ("/etc/apt", Self::Apt),
                    ("/etc/zypp", Self::Zypper),
                    ("/etc/yum.repos.d", Self::Dnf),
                    ("/etc/apk", Self::Apk),
                    ("/etc/pacman.conf", Self::Pacman),
                ] {
                    if guest.exists(&fixed(path))? {
                        return Ok(manager);
                    }
                }
                return Err(StepFailure::refused("the guest has no package manager that is known"));
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Apt => "apt",
            Self::Dnf => "dnf",
            Self::Zypper => "zypper",
            Self::Apk => "apk",
            Self::Pacman => "pacman",
        }
    }
}

fn add(guest: &mut Guest, repository: &Repository) -> Outcome<()> {
    let manager = Manager::of(guest)?;
    match (manager, &repository.place) {
        (Manager::Apt, RepositoryPlace::Apt(archive)) => apt::add(guest, repository, archive),
        (Manager::Dnf, place) if !matches!(place, RepositoryPlace::Apt(_)) => rpm::add(guest, repository, &rpm::DNF),
        (Manager::Zypper, RepositoryPlace::Base(_) | RepositoryPlace::MirrorList(_)) => {
            rpm::add(guest, repository, &rpm::ZYPPER)
        }
        (Manager::Apk, RepositoryPlace::Base(url)) => apk::add(guest, repository, url),
        (Manager::Pacman, RepositoryPlace::Base(url)) => pacman::add(guest, repository, url),
        _ => {
            let name = manager.name();
            let message = format!(
                "the repository {} is not in the words of {name}, the guest's package manager",
                repository.id
            );
            Err(StepFailure::refused_with(
                message,
                "`uri` and `suite` are for apt, `baseurl` for all others; give entries for other guests a `when`",
            ))
        }
    }
}

/// Makes a file of the guest hold this, readable for all.
fn put(guest: &mut Guest, path: &str, content: &[u8]) -> Outcome<()> {
    let path = GuestPath::new(path)?;
    text::write(guest, &path, content, 0o644)?;
    Ok(guest.keep(&path)?)
}

/// Makes a file of the guest hold a key.
fn put_key(guest: &mut Guest, path: &str, key: &RepositoryKey) -> Outcome<()> {
    let RepositoryKey::Bytes { bytes, sensitive, .. } = key else {
        return Ok(());
    };
    put(guest, path, bytes)?;
    match sensitive {
        true => Ok(guest.hide(&GuestPath::new(path)?)?),
        false => Ok(()),
    }
}

/// Refuses what a package manager has no word for.
fn refuse(manager: &str, what: &str, hint: &'static str) -> StepFailure {
    StepFailure::refused_with(format!("{manager} has no {what}"), hint)
}
