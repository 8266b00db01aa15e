//! `services.preset`: what the guest's own preset files say of a unit (systemd.preset(5)), as `systemctl preset` does it.

use super::disable::disable_natively;
use super::enable::{Care, enable_natively};
use super::parse;
use super::scope::Scope;
use super::search::UnitFolders;
use super::unit_name::UnitName;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, StepFailure, fixed};
use globset::{GlobBuilder, GlobMatcher};
use imgctl_vfs::{FileKind, GuestPath};
use std::collections::{BTreeMap, BTreeSet};

/// As many lines as all preset files may have.
const MAX_RULES: usize = 1 << 16;

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Action {
    Enable,
    Disable,
    Ignore,
}

/// A line of a preset file.
#[derive(Debug)]
struct Rule {
    action: Action,
    pattern: String,
    /// The pattern; `None` for one that matches nothing.
    matcher: Option<GlobMatcher>,
    /// The instances that stand after a template's name.
    instances: Vec<String>,
}

/// Every rule in the order in which they are asked.
#[derive(Debug, Default)]
struct Presets(Vec<Rule>);

/// What is to be done for several units.
#[derive(Debug, Default)]
struct Work {
    enable: Vec<UnitName>,
    disable: Vec<UnitName>,
}

/// Enables or disables one unit, as the first rule says that fits it; without one it is enabled.
pub(super) fn preset(guest: &mut Guest, scope: Scope, name: &str) -> Outcome<()> {
    let presets = Presets::read(guest, scope)?;
    let folders = UnitFolders::of(guest, scope)?;
    let asked = parse(name)?;
    let Some(unit) = folders.find(guest, &asked)? else {
        let known = folders.names(guest)?;
        return Err(StepFailure::unknown("unit", name, known.iter().map(Vec::as_slice)));
    };
    if unit.name != asked {
        let real = unit.name.as_str();
        guest.warn(format!(
            "{name} is another name of {real}, and presets are about that one"
        ));
        return Ok(());
    }
    let mut work = Work::default();
    work.sort(&presets, asked);
    if !work.disable.is_empty() {
        disable_natively(guest, scope, work.disable)?;
    }
    for name in work.enable {
        enable_natively(guest, scope, &name, Care::Preset)?;
    }
    Ok(())
}

/// The same for every unit that there is, but for those that are named (`systemctl preset-all`). What cannot be enabled
/// is left out, with a warning.
pub(super) fn preset_all(guest: &mut Guest, scope: Scope, except: &BTreeSet<String>) -> Outcome<()> {
    let presets = Presets::read(guest, scope)?;
    let folders = UnitFolders::of(guest, scope)?;
    let mut work = Work::default();
    for name in folders.names(guest)? {
        let Some(name) = UnitName::parse(&name).filter(|name| !except.contains(name.as_str())) else {
            continue;
        };
        // A circle of links is no unit.
        let Ok(Some(unit)) = folders.find(guest, &name) else {
            continue;
        };
        if unit.name == name && !unit.is_masked {
            work.sort(&presets, name);
        }
    }
    disable_natively(guest, scope, work.disable)?;
    for name in work.enable {
        match enable_natively(guest, scope, &name, Care::Preset) {
            Err(StepFailure::Refused { message, .. }) => guest.warn(format!("left out of the presets: {message}")),
            other => other?,
        }
    }
    Ok(())
}

impl Work {
    fn sort(&mut self, presets: &Presets, name: UnitName) {
        match presets.judge(&name) {
            (Action::Enable, instances) if instances.is_empty() => self.enable.push(name),
            (Action::Enable, instances) => self.enable.extend(instances),
            (Action::Disable, _) => self.disable.push(name),
            (Action::Ignore, _) => {}
        }
    }
}

impl Presets {
    /// Reads every preset file in the order of their names; of several with one name the first folder's counts.
    fn read(guest: &Guest, scope: Scope) -> Outcome<Self> {
        let mut files: BTreeMap<Vec<u8>, GuestPath> = BTreeMap::new();
        for folder in scope.preset_folders() {
            let folder = fixed(folder);
            if !guest.is_directory(&folder)? {
                continue;
            }
            for entry in guest.read_dir(&folder)?.unwrap_or_default() {
                let name = entry.path.file_name().unwrap_or_default();
                if name.ends_with(b".preset") && !name.starts_with(b".") {
                    files.entry(name.to_vec()).or_insert(entry.path.clone());
                }
            }
        }
        let mut presets = Self::default();
        for file in files.into_values() {
            // A link to /dev/null takes a file of this name out of every folder.
            let metadata = guest.metadata(&file)?;
            if metadata.is_some_and(|metadata| metadata.kind == FileKind::File) {
                presets.add(&guest.read(&file, MAX_TEXT_BYTES)?.unwrap_or_default());
            }
        }
        Ok(presets)
    }

    /// Adds the lines of one file; those that make no sense are passed over, as systemd does.
    fn add(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for line in text.lines().map(str::trim) {
            let Some((verb, rest)) = line.split_once([' ', '\t']) else {
                continue;
            };
            let action = match verb {
                "enable" => Action::Enable,
                "disable" => Action::Disable,
                "ignore" => Action::Ignore,
                _ => continue,
            };
            let mut words = rest.split_whitespace().map(str::to_owned);
            let Some(pattern) = words.next() else {
                continue;
            };
            let instances: Vec<String> = words.collect();
            // Only a template has instances, and only enabling makes them.
            let is_template = UnitName::parse(&pattern).is_some_and(|name| name.is_template());
            let is_valid = instances.is_empty() || (action == Action::Enable && is_template);
            if is_valid && self.0.len() < MAX_RULES {
                let matcher = GlobBuilder::new(&pattern).backslash_escape(false).build();
                let matcher = matcher.ok().map(|glob| glob.compile_matcher());
                self.0.push(Rule {
                    action,
                    pattern,
                    matcher,
                    instances,
                });
            }
        }
    }

    /// What the first rule says that fits, and the instances to enable in a template's stead.
    fn judge(&self, name: &UnitName) -> (Action, Vec<UnitName>) {
        for rule in &self.0 {
            if let Some(instances) = rule.instances_of(name) {
                return (rule.action, instances);
            }
            if rule
                .matcher
                .as_ref()
                .is_some_and(|matcher| matcher.is_match(name.as_str()))
            {
                return (rule.action, Vec::new());
            }
        }
        (Action::Enable, Vec::new())
    }
}

impl Rule {
    /// The instances that the rule makes of its template, or the one that it names; `None` when it is about another unit.
    fn instances_of(&self, name: &UnitName) -> Option<Vec<UnitName>> {
        if self.instances.is_empty() {
            return None;
        }
        if name.is_template() {
            let instances = self.instances.iter();
            let made = instances.filter_map(|instance| name.with_instance(instance));
            return (name.as_str() == self.pattern).then(|| made.collect());
        }
        let is_of_template = name
            .template()
            .is_some_and(|template| template.as_str() == self.pattern);
        let is_listed = self.instances.iter().any(|instance| name.instance() == Some(instance));
        (is_of_template && is_listed).then(Vec::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, name: &str) -> (Action, Vec<String>) {
        let mut presets = Presets::default();
        presets.add(text.as_bytes());
        let (action, instances) = presets.judge(&UnitName::parse(name).unwrap());
        (action, instances.iter().map(|name| name.as_str().to_owned()).collect())
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let text = "# c\n; c\n\nenable ssh.service\ndisable ssh.*\nignore \t getty@.service\nbogus x\nenable\n\
                    enable tmpl@.service a  b\ndisable tmpl@*\ndisable [a-c]?.timer\ndisable no.service with instance\n";
        for (name, action, instances) in [
            ("ssh.service", Action::Enable, &[][..]),
            ("ssh.socket", Action::Disable, &[]),
            ("getty@.service", Action::Ignore, &[]),
            ("getty@tty1.service", Action::Enable, &[]),
            ("tmpl@.service", Action::Enable, &["tmpl@a.service", "tmpl@b.service"]),
            ("tmpl@b.service", Action::Enable, &[]),
            ("tmpl@c.service", Action::Disable, &[]),
            ("bx.timer", Action::Disable, &[]),
            ("bxx.timer", Action::Enable, &[]),
            ("no.service", Action::Enable, &[]),
        ] {
            let expected: Vec<String> = instances.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(judged(text, name), (action, expected), "{name}");
        }
    }
}
