//! The packages that are installed.

use super::xml::Xml;
use crate::command_error::{CommandError, CommandResult};
use imgctl_core::packages::{Database, Manager, Package, PackageState};
use imgctl_vfs::Tree;
use std::io::{self, Write};

/// A package, its version taken apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Application {
    name: String,
    epoch: Option<String>,
    version: String,
    release: String,
    architecture: Option<String>,
    url: Option<String>,
    source: Option<String>,
    summary: Option<String>,
    description: Option<String>,
}

/// What the guest's package manager lists, by name.
pub(super) fn read(tree: &Tree) -> CommandResult<Vec<Application>> {
    let database = Database::read(tree)
        .map_err(|error| CommandError::other(super::super::chain(&error)).hint("--no-applications leaves them out"))?;
    let Some(database) = database else {
        return Ok(Vec::new());
    };
    let is_there = |package: &&Package| matches!(package.state, PackageState::Installed | PackageState::Broken);
    let packages = database.packages.iter().filter(is_there);
    Ok(packages
        .map(|package| Application::new(database.manager, package))
        .collect())
}

impl Application {
    fn new(manager: Manager, package: &Package) -> Self {
        let (epoch, rest) = match package.version.split_once(':') {
            Some((epoch, rest)) => (Some(epoch), rest),
            None => (None, package.version.as_str()),
        };
        let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
        let release = match manager {
            Manager::Apk => release.strip_prefix('r').unwrap_or(release),
            _ => release,
        };
        // What rpm's own queries print where a header has no such field.
        let or_none = |text: &Option<String>| match (text, manager) {
            (None, Manager::Rpm) => Some("(none)".to_owned()),
            (text, _) => text.clone(),
        };
        let about = &package.about;
        Self {
            name: package.name.clone(),
            epoch: epoch.filter(|epoch| *epoch != "0").map(str::to_owned),
            version: version.to_owned(),
            release: release.to_owned(),
            architecture: or_none(&package.architecture),
            url: or_none(&about.url),
            source: about.source.clone(),
            summary: or_none(&about.summary).filter(|_| manager != Manager::Apk),
            description: or_none(&about.description),
        }
    }

    pub(super) fn write<W: Write>(&self, xml: &mut Xml<'_, W>) -> io::Result<()> {
        xml.open("application")?;
        xml.element("name", &self.name)?;
        xml.optional("epoch", self.epoch.as_deref())?;
        xml.optional("version", Some(&self.version))?;
        xml.optional("release", Some(&self.release))?;
        xml.optional("arch", self.architecture.as_deref())?;
        xml.optional("url", self.url.as_deref())?;
        xml.optional("source_package", self.source.as_deref())?;
        xml.optional("summary", self.summary.as_deref())?;
        xml.optional("description", self.description.as_deref())?;
        xml.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgctl_core::packages::About;

    fn package(version: &str) -> Package {
        Package {
            name: "x".into(),
            version: version.into(),
            architecture: None,
            installed_bytes: None,
            installed_at: None,
            state: PackageState::Installed,
            about: About::default(),
        }
    }

    #[test]
    fn versions_are_taken_apart() {
        let parts = |manager, version| {
            let Application {
                epoch,
                version,
                release,
                url,
                ..
            } = Application::new(manager, &package(version));
            (epoch, version, release, url)
        };
        let text = str::to_owned;
        assert_eq!(
            parts(Manager::Dpkg, "1:2.5-1-4"),
            (Some(text("1")), text("2.5"), text("1-4"), None)
        );
        assert_eq!(parts(Manager::Dpkg, "3.134"), (None, text("3.134"), text(""), None));
        assert_eq!(parts(Manager::Apk, "1.2.3-r4"), (None, text("1.2.3"), text("4"), None));
        assert_eq!(
            parts(Manager::Rpm, "0:1-1.el9"),
            (None, text("1"), text("1.el9"), Some(text("(none)")))
        );
    }
}
