//! `ssh_hostkeys`: no two machines with one key, and something that makes new ones at first boot.

use super::cloud_init::CloudConfig;
use super::sweep;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::services::{assignments, enable_unit, links_to, unit_texts};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Reset;

/// The unit that is added where the guest has nothing of its own.
pub(super) const UNIT: &str = "imgctl-ssh-hostkeys.service";

/// Ordered after cloud-init, which makes keys itself when it finds a datasource; the condition is tested only then. Not
/// before ssh.socket: that is up before any unit with default dependencies, and hands over to ssh.service.
const UNIT_TEXT: &str = "\
[Unit]
Description=Make SSH host keys where there are none
Documentation=man:ssh-keygen(1)
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
ConditionPathIsReadWrite=/etc/ssh
After=cloud-init.service cloud-init-network.service
Before=ssh.service sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
";

pub(super) fn run(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    sweep::remove_all(guest, &["/etc/ssh/*_host_*"])?;
    let has_sshd = guest.exists(&fixed("/usr/sbin/sshd"))? && guest.exists(&fixed("/usr/bin/ssh-keygen"))?;
    if !has_sshd || has_maker(guest)? {
        return Ok(());
    }
    let path = fixed("/etc/systemd/system").join(UNIT.as_bytes());
    if !guest.is_directory(&fixed("/etc/systemd"))? {
        guest.warn("the SSH host keys are removed, and nothing in the guest is known to make new ones at first boot");
        return Ok(());
    }
    if !guest.has_content(&path, &mut UNIT_TEXT.as_bytes())? {
        guest.create_directory_all(&fixed("/etc/systemd/system"), NewMetadata::root(0o755))?;
        guest.write_file(&path, &mut UNIT_TEXT.as_bytes(), NewMetadata::root(0o644))?;
    }
    enable_unit(guest, UNIT)
}

/// Whether the guest makes its own keys at first boot, whatever it finds there.
fn has_maker(guest: &Guest) -> Outcome<bool> {
    Ok(has_keygen_template(guest)? || has_keygen_service(guest)? || has_sure_cloud_init(guest)?)
}

/// Red Hat's: sshd.service wants sshd-keygen.target, which wants an instance for every kind of key.
fn has_keygen_template(guest: &Guest) -> Outcome<bool> {
    if unit_texts(guest, "sshd-keygen@rsa.service")?.is_none() || unit_texts(guest, "sshd-keygen.target")?.is_none() {
        return Ok(false);
    }
    let Some(texts) = unit_texts(guest, "sshd.service")? else {
        return Ok(false);
    };
    let settings = texts.iter().flat_map(|text| assignments(text));
    Ok(settings
        .filter(|(section, key, _)| section == "Unit" && (key == "Wants" || key == "Requires"))
        .any(|(_, _, value)| value.split_whitespace().any(|unit| unit == "sshd-keygen.target")))
}

/// Debian's since 13: enabled for ssh.service, but with `ConditionFirstBoot=yes`.
fn has_keygen_service(guest: &Guest) -> Outcome<bool> {
    const NAME: &str = "sshd-keygen.service";
    let Some(texts) = unit_texts(guest, NAME)? else {
        return Ok(false);
    };
    if links_to(guest, NAME)?.is_empty() {
        return Ok(false);
    }
    let settings = texts.iter().flat_map(|text| assignments(text));
    let mut conditions = settings.filter(|(section, key, _)| section == "Unit" && key == "ConditionFirstBoot");
    Ok(is_first_boot(guest)? || conditions.next().is_none())
}

/// Whether systemd will take the next boot for the first: /etc/machine-id is missing or `uninitialized`. An empty one
/// gets an identity too, yet makes no first boot.
fn is_first_boot(guest: &Guest) -> Outcome<bool> {
    let id = guest.read(&fixed("/etc/machine-id"), MAX_TEXT_BYTES)?;
    Ok(id.is_none_or(|id| id.trim_ascii() == b"uninitialized"))
}

/// cloud-init that is enabled and bound to run: with one datasource (and perhaps `None`) in its list it does not look
/// whether that one is there. With a longer list it runs only where it finds one, and makes no keys elsewhere.
fn has_sure_cloud_init(guest: &Guest) -> Outcome<bool> {
    let names = [
        "cloud-init.service",
        "cloud-init-network.service",
        "cloud-init-main.service",
    ];
    let mut is_enabled = false;
    for name in names {
        is_enabled |= unit_texts(guest, name)?.is_some() && !links_to(guest, name)?.is_empty();
    }
    if !is_enabled || guest.exists(&fixed("/etc/cloud/cloud-init.disabled"))? {
        return Ok(false);
    }
    let sources = CloudConfig::read(guest)?.datasources.unwrap_or_default();
    Ok(match sources.as_slice() {
        [only] => only != "None",
        [only, last] => only != "None" && last == "None",
        _ => false,
    })
}
