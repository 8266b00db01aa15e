//! `packages.repos`: what each entry means, and whether its keys are keys.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Context, trust};
use crate::fields::Fields;
use crate::finding::{Complaint, Place, quoted};
use crate::plan::{AptArchive, Repository, RepositoryKey, RepositoryPlace, Sourced};
use crate::trust::{KeyError, is_armored, public_keys};

pub(super) fn repositories(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<Repository>> {
    let mut repositories = Vec::new();
    let mut seen = BTreeMap::new();
    let Some((section, _)) = fields.table("packages") else {
        return repositories;
    };
    for (entry, place) in section.tables("repos") {
        let keys = keys(entry, context);
        let (Some((id, id_place)), Some(repository_place), Some(keys)) =
            (entry.text("id"), address(entry, context), keys)
        else {
            continue;
        };
        if !entry.is_conditional()
            && let Some(first) = seen.insert(id, context.line(id_place))
        {
            let message = format!("the repository `{id}` is listed twice, first in line {first}");
            context.report(
                id_place,
                Complaint::error(message).hint("merge the two entries, or give one another `id`"),
            );
        }
        let repository = Repository {
            id: id.to_owned(),
            place: repository_place,
            keys,
            is_signed: entry.boolean("gpgcheck").unwrap_or(true),
            enabled: entry.boolean("enabled").unwrap_or(true),
            priority: entry.integer("priority").map(|(priority, _)| priority),
        };
        repositories.push(context.sourced(repository, place));
    }
    repositories
}

fn address(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<RepositoryPlace> {
    let text = |key| entry.text(key).map(|(text, _)| text.to_owned());
    if let Some(url) = text("baseurl") {
        return Some(RepositoryPlace::Base(url));
    }
    if let Some(url) = text("mirrorlist") {
        return Some(RepositoryPlace::MirrorList(url));
    }
    if let Some(url) = text("metalink") {
        return Some(RepositoryPlace::Metalink(url));
    }
    let (uri, (suite, _)) = (text("uri")?, entry.text("suite")?);
    let list = |key: &str| -> Vec<String> { entry.texts(key).map(|(text, _)| text.to_owned()).collect() };
    let mut components = list("components");
    let is_folder = suite.ends_with('/');
    if let (true, Some((_, place))) = (is_folder, entry.texts("components").next()) {
        let message = format!("the suite {} is a folder, which has no components", quoted(suite));
        context.report(&place.clone(), Complaint::error(message).hint("remove `components`"));
    }
    if components.is_empty() && !is_folder {
        components.push("main".to_owned());
    }
    let mut types = list("types");
    if types.is_empty() {
        types.push("deb".to_owned());
    }
    Some(RepositoryPlace::Apt(AptArchive {
        uri,
        suite: suite.to_owned(),
        components,
        architectures: list("architectures"),
        types,
        one_line: matches!(entry.text("format"), Some(("one-line", _))),
    }))
}

/// The keys of an entry; `None` after a finding.
fn keys(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<Vec<RepositoryKey>> {
    let is_needed = !entry.has("when") || !context.reading.is_of_every();
    if let Some((text, place)) = entry.text("signed_by") {
        return match is_local(text) {
            false => Some(vec![RepositoryKey::Guest(text.to_owned())]),
            true => local(text, place, is_needed, context).map(|key| vec![key]),
        };
    }
    if let Some((key, _)) = entry.table("key") {
        return inline(key, is_needed, context).map(|key| vec![key]);
    }
    let single = entry.text("gpgkey").into_iter();
    let named: Vec<(&str, &Place)> = single.chain(entry.texts("gpgkey")).collect();
    let mut keys = Vec::new();
    for (text, place) in named {
        if !text.contains("://") {
            keys.push(local(text, place, is_needed, context)?);
            continue;
        }
        if entry.has("uri") {
            let complaint = Complaint::error("apt fetches no keys");
            context.report(
                place,
                complaint.hint("fetch it, and name the file: `key: { source: keys/vendor.asc }`"),
            );
            return None;
        }
        keys.push(RepositoryKey::Url(text.to_owned()));
    }
    Some(keys)
}

/// Whether a keyring is a file of this machine, and not the guest's.
fn is_local(text: &str) -> bool {
    let has_ending = [".gpg", ".asc", ".pgp", ".key"]
        .iter()
        .any(|ending| text.ends_with(ending));
    !text.starts_with('/') && (text.contains('/') || has_ending)
}

fn local(text: &str, place: &Place, is_needed: bool, context: &mut Context<'_>) -> Option<RepositoryKey> {
    let bytes = trust::local_file(text, place, is_needed, context)?;
    let name = std::path::Path::new(text).file_name().and_then(|name| name.to_str());
    checked(&bytes, name, None, place, context).map(|is_armored| RepositoryKey::Bytes {
        name: name.map(str::to_owned),
        bytes: bytes.to_vec(),
        is_armored,
        sensitive: false,
    })
}

fn inline(key: &Fields<'_>, is_needed: bool, context: &mut Context<'_>) -> Option<RepositoryKey> {
    if key.has("url") {
        // Not carried out yet, and said so by the plan.
        return None;
    }
    let (bytes, name, place, sensitive) = match key.text("source") {
        Some((text, place)) => {
            let bytes = trust::local_file(text, place, is_needed, context)?;
            let name = std::path::Path::new(text).file_name().and_then(|name| name.to_str());
            (bytes, name.map(str::to_owned), place.clone(), false)
        }
        None => {
            let found = trust::bytes(key, context)?;
            (found.bytes, None, found.place, found.sensitive)
        }
    };
    if let Some((wanted, digest_place)) = key.text("sha256") {
        let digest: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if !digest.eq_ignore_ascii_case(wanted) {
            let message = format!("the key has another digest: {digest}");
            context.report(digest_place, Complaint::error(message).hint("find out whose key it is"));
            return None;
        }
    }
    let is_armored = checked(&bytes, name.as_deref(), key.text("fingerprint"), &place, context)?;
    Some(RepositoryKey::Bytes {
        name,
        bytes: bytes.to_vec(),
        is_armored,
        sensitive,
    })
}

/// Whether the key is armored; `None` after a finding.
fn checked(
    bytes: &[u8],
    name: Option<&str>,
    fingerprint: Option<(&str, &Place)>,
    place: &Place,
    context: &mut Context<'_>,
) -> Option<bool> {
    // Alpine's keys are plain RSA keys in PEM form.
    if bytes.starts_with(b"-----BEGIN PUBLIC KEY-----") && name.is_some_and(|name| name.ends_with(".pub")) {
        if let Some((_, place)) = fingerprint {
            let complaint = Complaint::error("a key of apk has no fingerprint");
            context.report(place, complaint.hint("check it by `sha256`"));
            return None;
        }
        return Some(true);
    }
    let keys = match public_keys(bytes) {
        Ok(keys) => keys,
        Err(error) => {
            let complaint = Complaint::error(error.to_string());
            context.report(
                place,
                match error {
                    KeyError::PrivateKey => complaint.hint("give the public key alone: `gpg --export`"),
                    KeyError::NotAKey => complaint.hint("it is made by `gpg --export`, with `--armor` or without"),
                },
            );
            return None;
        }
    };
    if let Some((wanted, place)) = fingerprint {
        let digits: String = wanted.chars().filter(|c| *c != ' ').collect();
        if !keys.iter().any(|key| key.fingerprint.eq_ignore_ascii_case(&digits)) {
            let primary = keys.iter().filter(|key| !key.is_subkey);
            let found: Vec<&str> = primary.map(|key| key.fingerprint.as_str()).take(3).collect();
            let message = format!("no key in it has this fingerprint, but {}", found.join(", "));
            context.report(place, Complaint::error(message).hint("find out whose key it is"));
            return None;
        }
    }
    Some(is_armored(bytes))
}
