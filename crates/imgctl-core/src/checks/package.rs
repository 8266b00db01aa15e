//! `package`: what the guest's package manager says is installed.

use super::{Found, Scene, Verdict};
use imgctl_package::{Database, Package, PackageState};
use imgctl_recipe::{Comparison, PackageCheck};
use imgctl_vfs::EscapedBytes;
use std::cmp::Ordering;

pub(super) fn judge(scene: &Scene<'_>, check: &PackageCheck) -> Verdict {
    let versions = check.version.iter();
    let versions: Vec<String> = versions
        .map(|wanted| format!("{} {}", sign(wanted.comparison), wanted.version))
        .collect();
    let expected = match (check.absent, versions.as_slice()) {
        (true, _) => "not installed".to_owned(),
        (false, []) => "installed".to_owned(),
        (false, versions) => format!("installed, version {}", versions.join(" and ")),
    };
    Verdict::new(format!("package {}", check.name), expected, found(scene, check))
}

fn found(scene: &Scene<'_>, check: &PackageCheck) -> Found {
    let Some(database) = scene.packages()? else {
        return Ok(match check.absent {
            true => Vec::new(),
            false => vec!["the guest has no package database".to_owned()],
        });
    };
    let packages = database.find(&check.name);
    // What is only configuration by now is not installed.
    let there = packages
        .iter()
        .filter(|package| package.state != PackageState::ConfigFiles);
    let there: Vec<&Package> = there.copied().collect();
    Ok(match (check.absent, there.as_slice()) {
        (true, packages) => packages.iter().map(|package| describe(package)).collect(),
        (false, []) => vec![format!("not installed, says {}", database.manager)],
        (false, packages) if packages.iter().any(|package| fits(database, check, package)) => Vec::new(),
        (false, packages) => packages.iter().map(|package| describe(package)).collect(),
    })
}

/// Of several versions or architectures one is enough.
fn fits(database: &Database, check: &PackageCheck, package: &Package) -> bool {
    package.state == PackageState::Installed
        && check.version.iter().all(|wanted| {
            let order = database.manager.compare_versions(&package.version, &wanted.version);
            holds(wanted.comparison, order)
        })
}

fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn describe(package: &Package) -> String {
    let architecture = package.architecture.as_deref().map(|name| format!(" ({name})"));
    let text = format!(
        "{} version {}{}",
        package.state.name(),
        package.version,
        architecture.unwrap_or_default()
    );
    EscapedBytes(text.as_bytes()).to_string()
}
