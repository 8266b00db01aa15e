//! `trust`: certificates, read and checked; and the bytes of anything that can come from a file, a secret or the recipe.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Context, files};
use crate::fields::Fields;
use crate::finding::{Complaint, Place, quoted};
use crate::kinds::DROP_IN;
use crate::plan::{Authority, Sourced};
use crate::scope::SecretState;
use crate::trust::{CertificateError, MAX_TRUST_BYTES, certificates};

/// Bytes that an entry names, with where it does.
pub(super) struct Bytes {
    pub(super) bytes: Arc<[u8]>,
    pub(super) place: Place,
    /// A name for what they are: of the local file or secret.
    pub(super) name: Option<String>,
    pub(super) sensitive: bool,
}

pub(super) fn authorities(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<Authority>> {
    let mut authorities = Vec::new();
    let mut seen = BTreeMap::new();
    let Some((section, _)) = fields.table("trust") else {
        return authorities;
    };
    for (number, (entry, place)) in (1..).zip(section.tables("ca")) {
        let Some(found) = bytes(entry, context) else {
            continue;
        };
        let certificates = match certificates(&found.bytes) {
            Ok(certificates) => certificates,
            Err(error) => {
                let complaint = Complaint::error(error.to_string());
                context.report(
                    &found.place,
                    match error {
                        CertificateError::PrivateKey => complaint.hint("give the certificate alone"),
                        _ => complaint.hint("it begins with `-----BEGIN CERTIFICATE-----`"),
                    },
                );
                continue;
            }
        };
        for certificate in certificates.iter().filter(|certificate| !certificate.is_authority) {
            let message = format!(
                "the certificate of {} is not that of an authority",
                quoted(&certificate.subject)
            );
            let complaint = Complaint::warning(message);
            context.report(
                &found.place,
                complaint.hint("programs trust it for itself at most, not what it signs"),
            );
        }
        let name = match entry.text("name") {
            Some((name, _)) => name.to_owned(),
            None => found.name.unwrap_or_else(|| format!("imgctl-{number}")),
        };
        if !entry.is_conditional()
            && let Some(first) = seen.insert(name.clone(), context.line(place))
        {
            let message = format!("the name {} is taken, first in line {first}", quoted(&name));
            context.report(
                place,
                Complaint::error(message).hint("give one of the two another `name`"),
            );
        }
        let authority = Authority {
            name,
            certificates,
            sensitive: found.sensitive,
        };
        authorities.push(context.sourced(authority, place));
    }
    authorities
}

/// What `source`, `secret` or `content` of an entry holds; `None` after a finding, or where nothing can be known yet.
pub(super) fn bytes(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<Bytes> {
    if let Some((text, place)) = entry.text("content") {
        return Some(Bytes {
            bytes: Arc::from(text.as_bytes()),
            place: place.clone(),
            name: None,
            sensitive: entry.is_secret("content"),
        });
    }
    if let Some((name, place)) = entry.text("secret") {
        return secret(name, place, context);
    }
    let (text, place) = entry.text("source")?;
    let is_needed = !entry.has("when") || !context.reading.is_of_every();
    let bytes = local_file(text, place, is_needed, context)?;
    Some(Bytes {
        bytes,
        place: place.clone(),
        name: named_by(text),
        sensitive: false,
    })
}

/// A local file's content; a missing one is no fault where perhaps nobody needs it.
pub(super) fn local_file(text: &str, place: &Place, is_needed: bool, context: &mut Context<'_>) -> Option<Arc<[u8]>> {
    let path = context.local_path(text, place);
    match context.reading.files.content(&path, MAX_TRUST_BYTES) {
        Ok(bytes) => Some(bytes),
        Err(_) if !is_needed => None,
        Err(error) => {
            context.report(place, files::cannot_read(text, &error));
            None
        }
    }
}

fn secret(name: &str, place: &Place, context: &mut Context<'_>) -> Option<Bytes> {
    match context.reading.scope.secrets.get(name) {
        Some(SecretState::Known(secret)) => Some(Bytes {
            bytes: Arc::from(secret.value.as_slice()),
            place: place.clone(),
            name: named_by(name),
            sensitive: true,
        }),
        // A finding was made where it is declared, or named.
        Some(SecretState::Invalid) | None => None,
        Some(SecretState::Absent) => {
            let is_needed = !context.reading.is_of_every();
            if is_needed {
                let message = format!("the secret {} is not there", quoted(name));
                context.report(
                    place,
                    Complaint::error(message).hint("set it, or leave the entry out by `when`"),
                );
            }
            None
        }
    }
}

/// A file name's stem, as far as the guest's file can have it.
fn named_by(text: &str) -> Option<String> {
    let stem = Path::new(text).file_stem()?.to_str()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = stem.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    (DROP_IN.check)(name).is_ok().then(|| name.to_owned())
}
