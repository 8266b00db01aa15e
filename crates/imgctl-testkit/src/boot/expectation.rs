//! What a booted image must show, as asked for on a command line.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

use super::disk::Facts;
use super::{Check, Report};

/// Something that must hold on every boot of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expectation {
    /// The machine-id is made at the first boot: well formed, another one than the image's, and no two boots' the same.
    NewMachineId,
    /// SSH host keys are made at the first boot: none is the image's, and no two boots share one.
    NewHostKeys,
    /// The machine-id and the host keys are the image's.
    KeptIdentity,
    /// The hostname; a seed gives another one, and then that is expected.
    Hostname(String),
    /// A command line and a regular expression that its output matches.
    Check(Check),
    /// No unit has failed.
    NoFailedUnits,
}

impl Expectation {
    /// The commands among `expectations`, for [`super::Options::checks`].
    #[must_use]
    pub fn checks(expectations: &[Self]) -> Vec<Check> {
        let checks = expectations.iter().filter_map(|one| match one {
            Self::Check(check) => Some(check.clone()),
            _ => None,
        });
        checks.collect()
    }

    /// Whether it takes several boots to show.
    #[must_use]
    pub fn compares_boots(&self) -> bool {
        matches!(self, Self::NewMachineId | Self::NewHostKeys)
    }
}

impl FromStr for Expectation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let check = |command: String, expected: &str| {
            Ok(Self::Check(Check {
                command,
                expected: expected.to_owned(),
            }))
        };
        match (name, value) {
            ("new-machine-id", "") => Ok(Self::NewMachineId),
            ("new-host-keys", "") => Ok(Self::NewHostKeys),
            ("kept-identity", "") => Ok(Self::KeptIdentity),
            ("no-failed-units", "") => Ok(Self::NoFailedUnits),
            (_, "") => bail!("no expectation is called {text}: there are {NAMES}"),
            ("hostname", name) => Ok(Self::Hostname(name.to_owned())),
            ("active", unit) => check(format!("systemctl is-active '{unit}'"), "^active$"),
            ("enabled", unit) => check(format!("systemctl is-enabled '{unit}'"), "^enabled$"),
            ("disabled", unit) => check(format!("systemctl is-enabled '{unit}'"), "^disabled$"),
            ("masked", unit) => check(format!("systemctl is-enabled '{unit}'"), "^masked$"),
            ("one-line", file) => check(format!("wc -l <'{file}'"), "^1$"),
            _ => bail!("no expectation is called {name}: there are {NAMES}"),
        }
    }
}

/// The expectations' names, for messages and help.
pub const NAMES: &str = "new-machine-id, new-host-keys, kept-identity, no-failed-units, hostname=NAME, active=UNIT, \
                         enabled=UNIT, disabled=UNIT, masked=UNIT, one-line=FILE";

/// What speaks against the expectations, in the reports of all boots of an image that had `base` as its facts.
///
/// That an identity is new on every boot takes two reports to show.
#[must_use]
pub fn judge(expectations: &[Expectation], base: &Facts, reports: &[Report]) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, report) in reports.iter().enumerate() {
        let earlier = reports.get(..index).unwrap_or_default();
        let found = expectations
            .iter()
            .flat_map(|one| faults_of(one, base, report, earlier));
        faults.extend(found.map(|fault| format!("{}: {fault}", report.name)));
    }
    faults
}

fn faults_of(expectation: &Expectation, base: &Facts, report: &Report, earlier: &[Report]) -> Vec<String> {
    let facts = &report.facts;
    match expectation {
        Expectation::NewMachineId => new_machine_id(base, facts, earlier),
        Expectation::NewHostKeys => new_host_keys(base, facts, earlier),
        Expectation::KeptIdentity => {
            let mut faults = Vec::new();
            if facts.machine_id != base.machine_id {
                faults.push(format!("the machine-id became {}", facts.machine_id));
            }
            if facts.host_keys != base.host_keys {
                faults.push("the host keys are not the image's".to_owned());
            }
            faults
        }
        Expectation::Hostname(wanted) => {
            let wanted = if report.seeded { super::seed::HOSTNAME } else { wanted };
            let differs = facts.hostname != wanted;
            differs
                .then(|| format!("the hostname is {}, not {wanted}", facts.hostname))
                .into_iter()
                .collect()
        }
        // The boot itself ran the command and reports its failure.
        Expectation::Check(_) => Vec::new(),
        Expectation::NoFailedUnits => report
            .failed_units
            .iter()
            .map(|unit| format!("{unit} has failed"))
            .collect(),
    }
}

fn new_machine_id(base: &Facts, facts: &Facts, earlier: &[Report]) -> Vec<String> {
    let id = &facts.machine_id;
    let well_formed = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut faults = Vec::new();
    if !well_formed {
        faults.push(format!("`{id}` is no machine-id"));
    } else if *id == base.machine_id {
        faults.push("the machine-id is still the image's".to_owned());
    }
    for other in earlier.iter().filter(|other| other.facts.machine_id == *id) {
        faults.push(format!("the machine-id is the same as in {}", other.name));
    }
    faults
}

fn new_host_keys(base: &Facts, facts: &Facts, earlier: &[Report]) -> Vec<String> {
    let mut faults = Vec::new();
    if facts.host_keys.is_empty() {
        faults.push("there are no SSH host keys".to_owned());
    }
    let is_in = |key: &String, facts: &Facts| facts.host_keys.values().any(|one| one == key);
    for (name, key) in &facts.host_keys {
        if is_in(key, base) {
            faults.push(format!("{name} is still the image's"));
        }
        for other in earlier.iter().filter(|other| is_in(key, &other.facts)) {
            faults.push(format!("{name} is the same as in {}", other.name));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, id: &str, key: &str) -> Report {
        let mut facts = Facts {
            machine_id: id.repeat(32),
            hostname: "fixture".to_owned(),
            ..Facts::default()
        };
        if !key.is_empty() {
            facts.add_host_key("ssh_host_ed25519_key.pub", &format!("ssh-ed25519 {key} root@here"));
        }
        Report {
            name: name.to_owned(),
            facts,
            ..Report::default()
        }
    }

    fn faults(expectation: &str, reports: &[Report]) -> Vec<String> {
        let base = report("image", "0", "old").facts;
        judge(&[expectation.parse().unwrap()], &base, reports)
    }

    #[test]
    fn new_identities_differ_from_the_image_and_from_each_other() {
        let good = [report("a", "1", "x"), report("b", "2", "y")];
        assert!(faults("new-machine-id", &good).is_empty());
        assert!(faults("new-host-keys", &good).is_empty());
        let bad = [report("a", "0", "old"), report("b", "g", ""), report("c", "g", "old")];
        assert_eq!(
            faults("new-machine-id", &bad),
            [
                "a: the machine-id is still the image's".to_owned(),
                format!("b: `{}` is no machine-id", "g".repeat(32)),
                format!("c: `{}` is no machine-id", "g".repeat(32)),
                "c: the machine-id is the same as in b".to_owned(),
            ]
        );
        assert_eq!(
            faults("new-host-keys", &bad),
            [
                "a: ssh_host_ed25519_key.pub is still the image's",
                "b: there are no SSH host keys",
                "c: ssh_host_ed25519_key.pub is still the image's",
                "c: ssh_host_ed25519_key.pub is the same as in a",
            ]
        );
    }

    #[test]
    fn kept_identities_and_hostnames() {
        assert!(faults("kept-identity", &[report("a", "0", "old")]).is_empty());
        assert_eq!(faults("kept-identity", &[report("a", "1", "x")]).len(), 2);
        assert!(faults("hostname=fixture", &[report("a", "0", "old")]).is_empty());
        assert_eq!(
            faults("hostname=web", &[report("a", "0", "old")]),
            ["a: the hostname is fixture, not web"]
        );
        let mut seeded = report("a", "0", "old");
        seeded.seeded = true;
        assert_eq!(
            faults("hostname=fixture", &[seeded]),
            ["a: the hostname is fixture, not imgctl-seeded"]
        );
    }

    #[test]
    fn units_become_checks() {
        let Expectation::Check(check) = "masked=cron.service".parse().unwrap() else {
            panic!("not a check")
        };
        assert_eq!(check.command, "systemctl is-enabled 'cron.service'");
        assert!("masked".parse::<Expectation>().is_err());
        assert!("nonsense=1".parse::<Expectation>().is_err());
    }
}
