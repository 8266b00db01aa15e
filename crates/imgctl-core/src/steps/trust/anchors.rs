//! Stores that p11-kit makes of anchors: Red Hat's, SUSE's and Arch's. Its program is not run; bundles get the certificate at
//! their end, and the first boot makes everything anew.

use super::rehash::rehash;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::services::enable_unit;
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Certificate;

/// Where a family has what.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Layout {
    /// Where anchors lie.
    pub(super) folder: &'static str,
    /// What their names end in.
    pub(super) ending: &'static str,
    /// Bundles of certificates that may vouch for anything.
    bundles: &'static [&'static str],
    /// Folders of single certificates, by hashes.
    hashed: &'static [&'static str],
    /// What makes them.
    program: &'static str,
}

pub(super) static RED_HAT: Layout = Layout {
    folder: "/etc/pki/ca-trust/source/anchors",
    ending: "pem",
    bundles: &[
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/email-ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/objsign-ca-bundle.pem",
    ],
    hashed: &["/etc/pki/ca-trust/extracted/pem/directory-hash"],
    program: "/usr/bin/update-ca-trust",
};

pub(super) static SUSE: Layout = Layout {
    folder: "/etc/pki/trust/anchors",
    ending: "pem",
    bundles: &["/var/lib/ca-certificates/ca-bundle.pem"],
    hashed: &["/var/lib/ca-certificates/pem"],
    program: "/usr/sbin/update-ca-certificates",
};

pub(super) static ARCH: Layout = Layout {
    folder: "/etc/ca-certificates/trust-source/anchors",
    ending: "crt",
    bundles: &[
        "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
        "/etc/ca-certificates/extracted/email-ca-bundle.pem",
        "/etc/ca-certificates/extracted/objsign-ca-bundle.pem",
    ],
    hashed: &["/etc/ca-certificates/extracted/cadir"],
    program: "/usr/bin/update-ca-trust",
};

const UNIT: &str = "imgctl-trust.service";
const UNIT_PATH: &str = "/etc/systemd/system/imgctl-trust.service";
/// While it is there, the stores are older than the anchors.
const MARK: &str = "/var/lib/imgctl/trust-changed";

pub(super) fn update(guest: &mut Guest, layout: &Layout, added: &[&Certificate], is_changed: bool) -> Outcome<()> {
    for bundle in layout.bundles {
        append(guest, bundle, added)?;
    }
    for folder in layout.hashed {
        hash(guest, folder, added)?;
    }
    match is_changed {
        true => schedule(guest, layout),
        false => Ok(()),
    }
}

/// Adds to a bundle what it lacks. One that is not there is made at the first boot.
fn append(guest: &mut Guest, bundle: &'static str, added: &[&Certificate]) -> Outcome<()> {
    let path = fixed(bundle);
    let Some(old) = guest.read(&path, MAX_TEXT_BYTES)? else {
        return Ok(());
    };
    let mut text = String::from_utf8_lossy(&old).into_owned();
    for certificate in added {
        let pem = certificate.pem();
        if !text.contains(&pem) {
            let subject: String = certificate.subject.chars().filter(|c| !c.is_control()).collect();
            let blank = if text.is_empty() || text.ends_with("\n\n") {
                ""
            } else {
                "\n"
            };
            text.push_str(&format!("{blank}# {subject}\n{pem}"));
        }
    }
    if text.len() > old.len() {
        guest.write_file(&path, &mut text.as_bytes(), NewMetadata::root(0o444))?;
    }
    Ok(())
}

fn hash(guest: &mut Guest, folder: &'static str, added: &[&Certificate]) -> Outcome<()> {
    let folder = fixed(folder);
    if !guest.is_directory(&folder)? {
        return Ok(());
    }
    let mut is_changed = false;
    for certificate in added {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let name: String = certificate
            .subject
            .chars()
            .map(|c| if allowed(c) { c } else { '_' })
            .collect();
        let path = folder.join(format!("{name}.pem").as_bytes());
        let pem = certificate.pem();
        if !guest.has_content(&path, &mut pem.as_bytes())? {
            guest.write_file(&path, &mut pem.as_bytes(), NewMetadata::root(0o444))?;
            is_changed = true;
        }
    }
    match is_changed {
        true => rehash(guest, &folder),
        false => Ok(()),
    }
}

/// Has the first boot run the program that makes the stores of Java and EDK II, too.
fn schedule(guest: &mut Guest, layout: &Layout) -> Outcome<()> {
    let program = layout.program;
    if !guest.exists(&fixed(program))? || !guest.is_directory(&fixed("/etc/systemd"))? {
        guest.warn(format!(
            "stores other than the bundles of OpenSSL lack the certificates until {program} runs in the guest"
        ));
        return Ok(());
    }
    let text = format!(
        "[Unit]\nDescription=Make the stores of trusted certificates anew\nConditionPathExists={MARK}\nAfter=local-fs.target\n\n\
         [Service]\nType=oneshot\nExecStart={program}\nExecStartPost=/bin/rm -f {MARK}\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    for (path, text, folder) in [
        (UNIT_PATH, text.as_str(), "/etc/systemd/system"),
        (MARK, "", "/var/lib/imgctl"),
    ] {
        guest.create_directory_all(&fixed(folder), NewMetadata::root(0o755))?;
        if !guest.has_content(&fixed(path), &mut text.as_bytes())? {
            guest.write_file(&fixed(path), &mut text.as_bytes(), NewMetadata::root(0o644))?;
        }
    }
    enable_unit(guest, UNIT)
}
