//! apk: lines of /etc/apk/repositories, and keys by their names.

use super::{put, put_key, refuse};
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::{Repository, RepositoryKey};

const REPOSITORIES: &str = "/etc/apk/repositories";

pub(super) fn add(guest: &mut Guest, repository: &Repository, url: &str) -> Outcome<()> {
    if repository.priority.is_some() {
        return Err(refuse("apk", "priorities", "leave `priority` out"));
    }
    if !repository.is_signed {
        return Err(refuse(
            "apk",
            "repositories that need no signature",
            "leave `gpgcheck` out",
        ));
    }
    for key in &repository.keys {
        let RepositoryKey::Bytes { name: Some(name), .. } = key else {
            return Err(refuse(
                "apk",
                "key without a file name",
                "name a local file that is called as the repository's signatures say, like `keys/me@example.rsa.pub`",
            ));
        };
        put_key(guest, &format!("/etc/apk/keys/{name}"), key)?;
    }
    let wanted = match repository.enabled {
        true => url.to_owned(),
        false => format!("#{url}"),
    };
    let old = guest.read(&fixed(REPOSITORIES), MAX_TEXT_BYTES)?.unwrap_or_default();
    put(guest, REPOSITORIES, with_line(&old, &wanted, url).as_slice())
}

/// The text with the wanted line in place of the first one for this address, else at its end.
fn with_line(old: &[u8], wanted: &str, url: &str) -> Vec<u8> {
    let is_for = |line: &[u8]| {
        line.trim_ascii()
            .trim_ascii_start()
            .strip_prefix(b"#")
            .unwrap_or(line.trim_ascii())
            .trim_ascii()
            == url.as_bytes()
    };
    let mut new = Vec::new();
    let mut is_there = false;
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        if !is_for(line) {
            new.extend_from_slice(line);
        } else if !is_there {
            is_there = true;
            new.extend_from_slice(wanted.as_bytes());
            new.push(b'\n');
        }
    }
    if !is_there {
        if new.last().is_some_and(|byte| *byte != b'\n') {
            new.push(b'\n');
        }
        new.extend_from_slice(wanted.as_bytes());
        new.push(b'\n');
    }
    new
}
