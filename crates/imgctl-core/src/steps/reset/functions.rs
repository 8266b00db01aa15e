//! Operations of a few lines that are more than a list of paths.

use super::sweep;
use crate::guest::{Guest, NewMetadata};
use crate::steps::{Outcome, fixed, trust};
use imgctl_recipe::Reset;
use imgctl_vfs::{FileKind, GuestPath};

/// What editors leave beside a file that they change.
pub(super) fn backup_files(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    for folder in ["/etc", "/root", "/srv", "/tmp", "/var"] {
        for (path, kind) in sweep::files_below(guest, &fixed(folder))? {
            let name = path.file_name().unwrap_or_default();
            if kind == FileKind::File && (name.ends_with(b".bak") || name.ends_with(b"~")) {
                sweep::remove_file(guest, &path)?;
            }
        }
    }
    Ok(())
}

/// Jobs go, and the counters that name them begin anew.
pub(super) fn cron_spool(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    for folder in ["/var/spool/cron", "/var/spool/at"] {
        for (path, _) in sweep::files_below(guest, &fixed(folder))? {
            if path.file_name() != Some(b".SEQ") {
                sweep::remove_file(guest, &path)?;
            }
        }
    }
    sweep::remove_all(guest, &["/var/spool/atjobs/*", "/var/spool/atspool/*"])?;
    for counter in [
        "/var/spool/cron/atjobs/.SEQ",
        "/var/spool/atjobs/.SEQ",
        "/var/spool/at/.SEQ",
    ] {
        let path = fixed(counter);
        if guest.exists(&path)? && !guest.has_content(&path, &mut &b"00000\n"[..])? {
            guest.write_file(&path, &mut &b"00000\n"[..], NewMetadata::root(0o600))?;
        }
    }
    Ok(())
}

pub(super) fn flag_reconfiguration(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    let path = fixed("/.unconfigured");
    if !guest.exists(&path)? {
        guest.write_file(&path, &mut &b""[..], NewMetadata::root(0o644))?;
    }
    Ok(())
}

/// What the server's own setup needs stays.
pub(super) fn kerberos_data(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    remove_but(
        guest,
        &["/var/kerberos/krb5kdc/*", "/var/lib/krb5kdc/*"],
        &["kadm5.acl", "kdc.conf"],
    )
}

pub(super) fn ca_certificates(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    const FILES: &[&str] = &[
        "/etc/pki/CA/certs/*.crt",
        "/etc/pki/CA/crl/*.crt",
        "/etc/pki/CA/newcerts/*.crt",
        "/etc/pki/CA/private/*.key",
        "/etc/pki/tls/private/*.key",
        "/etc/pki/tls/certs/*.crt",
    ];
    remove_but(guest, FILES, &["ca-bundle.crt", "ca-bundle.trust.crt"])
}

/// The certificates of a domain that was left.
pub(super) fn ipa_certificates(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    const FILES: &[&str] = &[
        "/etc/pki/ca-trust/source/anchors/ipa-ca.crt",
        "/usr/local/share/ca-certificates/ipa-ca.crt",
        "/etc/pki/ca-trust/source/ipa.p11-kit",
    ];
    let mut is_changed = false;
    for file in FILES {
        let path = fixed(file);
        let was_there = guest.link_metadata(&path)?.is_some();
        sweep::remove_file(guest, &path)?;
        is_changed |= was_there && guest.link_metadata(&path)?.is_none();
    }
    match is_changed {
        true => trust::refresh(guest),
        false => Ok(()),
    }
}

fn remove_but(guest: &mut Guest, patterns: &[&str], kept: &[&str]) -> Outcome<()> {
    for pattern in patterns {
        for path in guest.glob(pattern)? {
            let name = path.file_name().unwrap_or_default();
            if !kept.iter().any(|kept| kept.as_bytes() == name) {
                sweep::remove_file(guest, &path)?;
            }
        }
    }
    Ok(())
}

/// Images that were put there to be loaded at the first start stay; what was made of them goes.
pub(super) fn rancher_agents(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    for folder in ["/var/lib/rancher/rke2/agent", "/var/lib/rancher/k3s/agent"] {
        let entries = guest.read_dir(&fixed(folder))?.unwrap_or_default();
        for entry in entries {
            if entry.path.file_name() != Some(b"images") {
                sweep::remove_tree(guest, &entry.path)?;
            }
        }
    }
    Ok(())
}

/// Debian's open-iscsi makes a name where this line says so; elsewhere `iscsi-init.service` makes one where the file is
/// missing.
pub(super) fn iscsi_initiator(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    const GENERATE: &[u8] = b"GenerateName=yes\n";
    let path = fixed("/etc/iscsi/initiatorname.iscsi");
    let Some(found) = guest.find_link(&path)? else {
        return Ok(());
    };
    if guest.is_kept(&found.path) {
        guest.leave(&found.path);
        return Ok(());
    }
    let startup = [
        "/usr/lib/open-iscsi/startup-checks.sh",
        "/lib/open-iscsi/startup-checks.sh",
    ];
    let mut makes_name = false;
    for script in startup {
        makes_name |= guest.exists(&fixed(script))?;
    }
    if !makes_name {
        return sweep::remove_file(guest, &path);
    }
    if !guest.has_content(&path, &mut &GENERATE[..])? {
        guest.write_file(&path, &mut &GENERATE[..], NewMetadata::root(0o600))?;
    }
    Ok(())
}

/// A path below a folder.
pub(super) fn below(folder: &GuestPath, name: &str) -> Outcome<GuestPath> {
    Ok(GuestPath::new([folder.as_bytes(), b"/", name.as_bytes()].concat())?)
}
