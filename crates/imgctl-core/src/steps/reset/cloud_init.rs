//! `cloud_init`: as `cloud-init clean --logs --seed`, so that the next boot is its first.

use super::sweep;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Reset;
use imgctl_vfs::GuestPath;
use std::collections::BTreeSet;

/// What cloud-init writes for one instance (`cloud-init clean --configs all` of 25.3).
const CONFIGS: [&str; 8] = [
    "/etc/netplan/50-cloud-init.yaml",
    "/etc/NetworkManager/conf.d/99-cloud-init.conf",
    "/etc/NetworkManager/conf.d/30-cloud-init-ip6-addr-gen-mode.conf",
    "/etc/NetworkManager/system-connections/cloud-init-*.nmconnection",
    "/etc/systemd/network/10-cloud-init-*.network",
    "/etc/network/interfaces.d/50-cloud-init",
    "/etc/network/interfaces.d/50-cloud-init.cfg",
    "/etc/ssh/sshd_config.d/50-cloud-init.conf",
];

/// Only where cloud-init writes them again: without it, or where it leaves the network alone, they are somebody's settings.
pub(super) fn configs(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    let mut is_there = false;
    for program in ["/usr/bin/cloud-init", "/usr/local/bin/cloud-init"] {
        is_there |= guest.exists(&fixed(program))?;
    }
    if !is_there || guest.exists(&fixed("/etc/cloud/cloud-init.disabled"))? {
        return Ok(());
    }
    if CloudConfig::read(guest)?.leaves_network {
        return sweep::remove_files(guest, &CONFIGS[7..]);
    }
    sweep::remove_files(guest, &CONFIGS)
}

pub(in crate::steps) fn run(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    sweep::empty(guest, &fixed("/var/lib/cloud"))?;
    // A seed of the same run is meant for the clones.
    guest.take_stayed();
    for log in CloudConfig::read(guest)?.logs {
        if log.is_within(&fixed("/var/log")) {
            sweep::remove_file(guest, &log)?;
        }
    }
    let mut scripts = guest.glob("/etc/cloud/clean.d/*")?;
    scripts.retain(|script| script.file_name() != Some(b"README"));
    for script in scripts {
        guest.warn(format!("{script} is not run; `cloud-init clean` would have"));
    }
    Ok(())
}

/// The few settings of cloud-init that matter here.
#[derive(Debug, Default)]
pub(in crate::steps) struct CloudConfig {
    /// `datasource_list`, if any file sets one; the last one counts.
    pub(in crate::steps) datasources: Option<Vec<String>>,
    /// Whether the network is none of its business: `network: { config: disabled }`.
    pub(super) leaves_network: bool,
    /// Where it logs to.
    pub(super) logs: BTreeSet<GuestPath>,
}

impl CloudConfig {
    /// Reads /etc/cloud/cloud.cfg and what lies in cloud.cfg.d, by name.
    pub(in crate::steps) fn read(guest: &Guest) -> Outcome<Self> {
        let mut config = Self::default();
        let defaults = ["/var/log/cloud-init.log", "/var/log/cloud-init-output.log"];
        config.logs.extend(defaults.map(fixed));
        let mut files = vec![fixed("/etc/cloud/cloud.cfg")];
        files.extend(guest.glob("/etc/cloud/cloud.cfg.d/*.cfg")?);
        for file in files {
            let text = guest.read(&file, MAX_TEXT_BYTES)?.unwrap_or_default();
            config.add(&String::from_utf8_lossy(&text));
        }
        Ok(config)
    }

    /// Reads one file: top-level keys in the forms that distributions and people write.
    fn add(&mut self, text: &str) {
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.split(" #").next().unwrap_or_default())
            .collect();
        for (index, line) in lines.iter().enumerate() {
            if let Some(rest) = line.strip_prefix("datasource_list:") {
                self.datasources = Some(list(rest, &lines[index + 1..]));
            } else if let Some(rest) = line.strip_prefix("network:") {
                let below = lines[index + 1..]
                    .iter()
                    .take_while(|line| line.starts_with([' ', '\t']) || line.is_empty());
                let mut all = std::iter::once(rest).chain(below.copied());
                self.leaves_network = all.any(|line| line.contains("config:") && line.contains("disabled"));
            } else if let Some(rest) = line.strip_prefix("def_log_file:") {
                self.logs.extend(GuestPath::new(unquoted(rest)));
            } else if line.contains("tee ") || line.contains('>') {
                let words = line.split([' ', '\'', '"', '>', ',', '}']);
                let paths = words.filter(|word| word.starts_with("/var/log/"));
                self.logs.extend(paths.filter_map(|path| GuestPath::new(path).ok()));
            }
        }
    }
}

/// The words of a flow list, which may go on in further lines, or of a block list below its key.
fn list(rest: &str, below: &[&str]) -> Vec<String> {
    let flow = rest.trim_start();
    let text = match flow.strip_prefix('[') {
        Some(inner) => {
            let whole = std::iter::once(inner).chain(below.iter().copied());
            let whole = whole.collect::<Vec<_>>().join(" ");
            whole.split(']').next().unwrap_or_default().replace(',', " ")
        }
        None => {
            let items = below.iter().map(|line| line.trim_start());
            let items = items.take_while(|line| line.starts_with("- ") || line.is_empty() || line.starts_with('#'));
            let items = items.filter_map(|line| line.strip_prefix("- "));
            items.collect::<Vec<_>>().join(" ")
        }
    };
    text.split_whitespace().map(|word| unquoted(word).to_owned()).collect()
}

fn unquoted(word: &str) -> &str {
    word.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_every_form() {
        for (text, expected) in [
            ("datasource_list: [ NoCloud, None ]\n", Some(vec!["NoCloud", "None"])),
            ("datasource_list: ['Ec2']  # c\n", Some(vec!["Ec2"])),
            ("datasource_list: [ a,\n  b ]\nother: [c]\n", Some(vec!["a", "b"])),
            (
                "datasource_list:\n  - NoCloud\n  # c\n  - \"None\"\nx: y\n",
                Some(vec!["NoCloud", "None"]),
            ),
            ("datasource_list:\n- NoCloud\n", Some(vec!["NoCloud"])),
            ("datasource_list: []\n", Some(vec![])),
            ("# datasource_list: [a]\n  datasource_list: [a]\n", None),
        ] {
            let mut config = CloudConfig::default();
            config.add(text);
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(config.datasources, expected, "{text}");
        }
    }

    #[test]
    fn logs_are_found_where_output_goes() {
        let mut config = CloudConfig::default();
        config.add(
            "def_log_file: /var/log/ci.log\noutput: {all: '| tee -a /var/log/out.log', error: \">/var/log/err.log\"}\n",
        );
        let logs: Vec<String> = config.logs.iter().map(ToString::to_string).collect();
        assert_eq!(logs, ["/var/log/ci.log", "/var/log/err.log", "/var/log/out.log"]);
    }
}
