//! What openssl-rehash(1) does: a link named by the hash of its subject to each certificate of a folder.

use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::Outcome;
use imgctl_recipe::single_certificate;
use imgctl_vfs::{FileKind, GuestPath};
use std::collections::BTreeMap;

/// The endings of files that are looked into.
const ENDINGS: [&[u8]; 4] = [b"pem", b"crt", b"cer", b"crl"];

/// A file that a hash leads to, or led to.
#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    /// The number of the link that leads there now; the lowest of several.
    number: Option<u64>,
    /// The certificate's digest, if the file needs a link.
    digest: Option<[u8; 20]>,
}

/// Makes the links of a folder right: numbers of links that are right stay.
pub(super) fn rehash(guest: &mut Guest, folder: &GuestPath) -> Outcome<()> {
    let mut buckets: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
    for found in guest.read_dir(folder)?.unwrap_or_default() {
        let name = found.path.file_name().unwrap_or_default().to_vec();
        let is_link = guest.metadata_of(&found)?.kind == FileKind::Symlink;
        if let (true, Some((hash, number))) = (is_link, link_name(&name)) {
            let target = guest.read_link(&found.path)?.unwrap_or_default();
            add(buckets.entry(hash).or_default(), target, Some(number), None);
            continue;
        }
        let ending = name
            .rsplit(|byte| *byte == b'.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !name.contains(&b'.') || !ENDINGS.contains(&ending.as_slice()) {
            continue;
        }
        let path = folder.join(&name);
        let is_file = guest.metadata(&path).ok().flatten();
        if is_file.is_none_or(|metadata| metadata.kind != FileKind::File) {
            continue;
        }
        let text = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
        if let Some(certificate) = single_certificate(&text) {
            let digest = certificate.digest();
            add(
                buckets.entry(certificate.subject_hash).or_default(),
                name,
                None,
                Some(digest),
            );
        }
    }
    for (hash, entries) in &buckets {
        relink(guest, folder, *hash, entries)?;
    }
    Ok(())
}

/// The hash and number in the name of a link to a certificate: eight digits, a dot, a number. Those to revocation lists
/// have an `r` after the dot and stay as they are.
fn link_name(name: &[u8]) -> Option<(u32, u64)> {
    let (hash, rest) = name.split_at_checked(8)?;
    let number = rest.strip_prefix(b".")?;
    if !hash.iter().all(u8::is_ascii_hexdigit) || number.is_empty() || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let hash = u32::from_str_radix(std::str::from_utf8(hash).ok()?, 16).ok()?;
    Some((hash, std::str::from_utf8(number).ok()?.parse().ok()?))
}

fn add(entries: &mut Vec<Entry>, name: Vec<u8>, number: Option<u64>, digest: Option<[u8; 20]>) {
    // Of equal certificates the first file counts.
    if digest.is_some() && entries.iter().any(|entry| entry.digest == digest) {
        return;
    }
    let known = entries.iter().position(|entry| entry.name == name);
    let index = known.unwrap_or_else(|| {
        entries.push(Entry {
            name,
            number: None,
            digest: None,
        });
        entries.len() - 1
    });
    let entry = &mut entries[index];
    entry.number = match (entry.number, number) {
        (Some(known), Some(new)) => Some(known.min(new)),
        (known, new) => known.or(new),
    };
    entry.digest = entry.digest.or(digest);
}

fn relink(guest: &mut Guest, folder: &GuestPath, hash: u32, entries: &[Entry]) -> Outcome<()> {
    let needed = entries.iter().filter(|entry| entry.digest.is_some()).count() as u64;
    let link = |number: u64| folder.join(format!("{hash:08x}.{number}").as_bytes());
    let in_range = |entry: &Entry| entry.number.is_some_and(|number| number < needed);
    let mut taken: Vec<u64> = entries
        .iter()
        .filter(|entry| in_range(entry))
        .filter_map(|entry| entry.number)
        .collect();
    let mut next = 0;
    for entry in entries {
        if in_range(entry) {
            continue;
        }
        if entry.digest.is_some() {
            while taken.contains(&next) {
                next += 1;
            }
            guest.symlink(&link(next), &entry.name)?;
            taken.push(next);
        } else if let Some(number) = entry.number {
            guest.remove(&link(number))?;
        }
    }
    Ok(())
}
