//! `cloud_init`: drop-ins of /etc/cloud/cloud.cfg.d, and a seed for the datasource NoCloud.
//!
//! The drop-ins' names come after those of distributions (Debian's is 90_dpkg.cfg): of files in the folder the last one
//! counts. The seed is marked as kept, so that a reset of cloud-init later in the run does not take it.

use super::interfaces::has_any;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::each::each;
use crate::steps::flags::{FlagArgument, FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::reset::cloud_init::CloudConfig;
use crate::steps::text::put;
use crate::steps::{Outcome, Step, StepSpec, fixed};
use imgctl_recipe::{CloudInit, CloudSeed, Document, Plan};
use serde_json::json;
use std::sync::Arc;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "cloud-init-settings",
    section: "cloud_init",
    help: "tell cloud-init where to look and what to do",
    build: |plan: &Plan| each(SPEC.name, plan.cloud_init.clone(), set),
};

pub(super) const DATASOURCE: FlagSpec = FlagSpec {
    name: "cloud-datasource",
    value: "NAME[,NAME]",
    group: FlagGroup::Network,
    help: "Have cloud-init look for its data in these places only, in this order",
    example: "NoCloud,ConfigDrive,None",
    recipe: "cloud_init.datasources",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        Ok(json!({ "cloud_init": { "datasources": names } }))
    }),
};

pub(super) const USER_DATA: FlagSpec = FlagSpec {
    name: "cloud-user-data",
    value: "FILE",
    group: FlagGroup::Network,
    help: "Put a local file into the guest as cloud-init's user data (NoCloud)",
    example: "user-data.yaml",
    recipe: "cloud_init.seed.user_data",
    peer: Peer::Ours,
    deed: FlagDeed::Step(user_data_flag),
};

pub(super) const DISABLE: FlagSpec = FlagSpec {
    name: "disable-cloud-init",
    value: "",
    group: FlagGroup::Network,
    help: "Keep cloud-init from running at all",
    example: "",
    recipe: "cloud_init.enabled",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|_| Ok(json!({ "cloud_init": { "enabled": false } }))),
};

pub(super) const DISABLE_NETWORK: FlagSpec = FlagSpec {
    name: "disable-cloud-network",
    value: "",
    group: FlagGroup::Network,
    help: "Keep cloud-init from configuring the network",
    example: "",
    recipe: "cloud_init.network",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|_| Ok(json!({ "cloud_init": { "network": false } }))),
};

const MAX_FILE_BYTES: usize = 1 << 20;
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";
const NETWORK: &str = "/etc/cloud/cloud.cfg.d/99-imgctl-network.cfg";
const DATASOURCES: &str = "/etc/cloud/cloud.cfg.d/99-imgctl-datasource.cfg";
const SETTINGS: &str = "/etc/cloud/cloud.cfg.d/99-imgctl.cfg";
const SEED: &str = "/var/lib/cloud/seed/nocloud";
const PROGRAMS: [&str; 2] = ["/usr/bin/cloud-init", "/etc/cloud/cloud.cfg"];

fn user_data_flag(argument: &FlagArgument<'_>) -> Result<Arc<dyn Step>, FlagError> {
    let text = argument.host_text(argument.text, MAX_FILE_BYTES)?;
    let seed = CloudSeed {
        user_data: Some(Document { text, sensitive: true }),
        ..CloudSeed::default()
    };
    Ok(argument.step(seed, |seed, guest| put_seed(guest, seed)))
}

fn set(guest: &mut Guest, wanted: &CloudInit) -> Outcome<()> {
    match wanted.enabled {
        Some(false) => drop(put(guest, &fixed(DISABLED), "", 0o644)?),
        Some(true) => drop(guest.remove(&fixed(DISABLED))?),
        None => {}
    }
    match wanted.network {
        Some(false) => drop(put(guest, &fixed(NETWORK), "network: { config: disabled }\n", 0o644)?),
        Some(true) => {
            guest.remove(&fixed(NETWORK))?;
            if let Some(place) = network_disabled_by(guest)? {
                guest.warn(format!("{place} keeps cloud-init from configuring the network"));
            }
        }
        None => {}
    }
    if let Some(names) = &wanted.datasources {
        // In one line: ds-identify reads no other form.
        let text = format!("datasource_list: [ {} ]\n", names.join(", "));
        put(guest, &fixed(DATASOURCES), &text, 0o644)?;
    }
    if let Some(settings) = &wanted.settings {
        put_document(
            guest,
            SETTINGS,
            settings,
            if settings.sensitive { 0o600 } else { 0o644 },
        )?;
    }
    if let Some(seed) = &wanted.seed {
        put_seed(guest, seed)?;
    }
    if let (Some(wanted), Some(counts)) = (&wanted.datasources, CloudConfig::read(guest)?.datasources)
        && *wanted != counts
    {
        let counts = counts.join(", ");
        guest.warn(format!(
            "a later file than {DATASOURCES} sets datasource_list to [{counts}], which counts"
        ));
    }
    if !has_any(guest, &PROGRAMS)? {
        guest.warn("the guest has no cloud-init yet");
    }
    Ok(())
}

fn put_seed(guest: &mut Guest, seed: &CloudSeed) -> Outcome<()> {
    guest.create_directory_all(&fixed(SEED), NewMetadata::root(0o755))?;
    let files = [
        ("meta-data", &seed.meta_data, true),
        ("user-data", &seed.user_data, true),
        ("vendor-data", &seed.vendor_data, false),
        ("network-config", &seed.network_config, false),
    ];
    for (name, document, is_required) in files {
        let path = fixed(SEED).join(name.as_bytes());
        match document {
            Some(document) => {
                put(guest, &path, &document.text, 0o600)?;
                if document.sensitive {
                    guest.hide(&path)?;
                }
            }
            // Without these two there is no seed.
            None if is_required && !guest.exists(&path)? => drop(put(guest, &path, "", 0o600)?),
            None if is_required => {}
            None => continue,
        }
        guest.keep(&path)?;
    }
    if let Some(names) = CloudConfig::read(guest)?.datasources
        && !names.iter().any(|name| name == "NoCloud")
    {
        guest.warn("cloud-init does not look for NoCloud's seed: its datasource_list does not name it");
    }
    Ok(())
}

fn put_document(guest: &mut Guest, path: &'static str, document: &Document, mode: u16) -> Outcome<()> {
    put(guest, &fixed(path), &document.text, mode)?;
    if document.sensitive {
        guest.hide(&fixed(path))?;
    }
    Ok(())
}

/// Whether cloud-init will write a configuration of the network.
pub(super) fn configures_network(guest: &Guest) -> Outcome<bool> {
    Ok(has_any(guest, &PROGRAMS)? && !guest.exists(&fixed(DISABLED))? && network_disabled_by(guest)?.is_none())
}

/// The file that keeps it from that.
fn network_disabled_by(guest: &Guest) -> Outcome<Option<String>> {
    let mut files = vec![fixed("/etc/cloud/cloud.cfg")];
    files.extend(guest.glob("/etc/cloud/cloud.cfg.d/*.cfg")?);
    for file in files {
        let text = guest.read(&file, MAX_TEXT_BYTES)?.unwrap_or_default();
        let text: String = String::from_utf8_lossy(&text)
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.chars().chain(['\n']))
            .filter(|character| !matches!(character, ' ' | '{' | '}' | '"' | '\'' | '\n'))
            .collect();
        if text.contains("network:config:disabled") {
            return Ok(Some(file.to_string()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, listing, mode, text};

    fn document(text: &str) -> Option<Document> {
        Some(Document {
            text: text.to_owned(),
            sensitive: false,
        })
    }

    fn wanted() -> CloudInit {
        CloudInit {
            enabled: Some(true),
            network: Some(false),
            datasources: Some(vec!["NoCloud".to_owned(), "None".to_owned()]),
            settings: document("preserve_hostname: true\n"),
            seed: Some(CloudSeed {
                user_data: document("#cloud-config\nssh_pwauth: false\n"),
                ..CloudSeed::default()
            }),
        }
    }

    #[test]
    fn files_are_put_and_the_seed_survives_the_reset() {
        let mut guest = guest(&[
            "/usr/bin/cloud-init|",
            "/etc/cloud/cloud-init.disabled|",
            "/etc/cloud/cloud.cfg.d/90_dpkg.cfg|datasource_list: [ Ec2 ]\n",
            "/var/lib/cloud/seed/nocloud/old|x",
            "/var/lib/cloud/instances/i-1/x|x",
        ]);
        edited(&mut guest, |guest| {
            for _ in 0..2 {
                set(guest, &wanted()).unwrap();
                crate::steps::reset::cloud_init::run(guest, &imgctl_recipe::Reset::default()).unwrap();
            }
        });
        let names: Vec<String> = listing(guest.tree()).keys().map(ToString::to_string).collect();
        let cloud: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| name.contains("cloud/"))
            .collect();
        assert_eq!(
            cloud,
            [
                "/etc/cloud/cloud.cfg.d",
                "/etc/cloud/cloud.cfg.d/90_dpkg.cfg",
                DATASOURCES,
                NETWORK,
                SETTINGS,
                "/var/lib/cloud/seed",
                SEED,
                "/var/lib/cloud/seed/nocloud/meta-data",
                "/var/lib/cloud/seed/nocloud/user-data",
            ]
        );
        assert_eq!(text(&guest, DATASOURCES), "datasource_list: [ NoCloud, None ]\n");
        assert_eq!(mode(&guest, "/var/lib/cloud/seed/nocloud/user-data"), "0600 0:0");
        assert_eq!(guest.warnings(), []);
        assert!(!configures_network(&guest).unwrap());
    }

    #[test]
    fn what_does_not_count_is_told() {
        let mut guest =
            guest(&["/etc/cloud/cloud.cfg.d/99_late.cfg|datasource_list: [Ec2]\nnetwork:\n  config: disabled\n"]);
        let on = CloudInit {
            network: Some(true),
            ..wanted()
        };
        set(&mut guest, &on).unwrap();
        let told: Vec<&str> = guest.warnings().iter().map(|warning| &warning.message[..24]).collect();
        assert_eq!(
            told,
            [
                "/etc/cloud/cloud.cfg.d/9",
                "cloud-init does not look",
                "a later file than /etc/c",
                "the guest has no cloud-i",
            ]
        );
    }
}
