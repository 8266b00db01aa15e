//! apt: sources.list(5) in both of its forms, keyrings, and a pin for a priority.

use super::{put, put_key};
use crate::guest::Guest;
use crate::steps::{Outcome, StepFailure};
use imgctl_recipe::{AptArchive, Repository, RepositoryKey};
use imgctl_vfs::GuestPath;

const SOURCES: &str = "/etc/apt/sources.list.d";
const KEYRINGS: &str = "/etc/apt/keyrings";
/// Where the keyrings of packages are, by name.
const FOLDERS: [&str; 2] = ["/usr/share/keyrings", KEYRINGS];
const ENDINGS: [&str; 4] = ["", ".gpg", ".pgp", ".asc"];

pub(super) fn add(guest: &mut Guest, repository: &Repository, archive: &AptArchive) -> Outcome<()> {
    let id = &repository.id;
    let mut keyrings = Vec::new();
    for (number, key) in (1_usize..).zip(&repository.keys) {
        keyrings.push(keyring(guest, id, number, key)?);
    }
    let (path, text) = match archive.one_line {
        true => (format!("{SOURCES}/{id}.list"), one_line(repository, archive, &keyrings)),
        false => (
            format!("{SOURCES}/{id}.sources"),
            fields(repository, archive, &keyrings),
        ),
    };
    put(guest, &path, text.as_bytes())?;
    match repository.priority {
        Some(priority) => {
            // A pin names no repository; the host comes nearest.
            let host = host(&archive.uri);
            let pin = format!("Package: *\nPin: origin \"{host}\"\nPin-Priority: {priority}\n");
            put(guest, &format!("/etc/apt/preferences.d/{id}.pref"), pin.as_bytes())
        }
        None => Ok(()),
    }
}

/// The path of a key's keyring, which is put there if it comes with the recipe. apt tells armor by the ending.
fn keyring(guest: &mut Guest, id: &str, number: usize, key: &RepositoryKey) -> Outcome<String> {
    match key {
        RepositoryKey::Bytes { is_armored, .. } => {
            let ending = if *is_armored { "asc" } else { "gpg" };
            let path = match number {
                1 => format!("{KEYRINGS}/{id}.{ending}"),
                _ => format!("{KEYRINGS}/{id}-{number}.{ending}"),
            };
            put_key(guest, &path, key)?;
            Ok(path)
        }
        RepositoryKey::Guest(name) => find(guest, name),
        RepositoryKey::Url(_) => Err(StepFailure::refused_with(
            "apt fetches no keys",
            "fetch it, and name the file: `key: { source: keys/vendor.asc }`",
        )),
    }
}

/// A keyring that the guest has.
fn find(guest: &Guest, name: &str) -> Outcome<String> {
    if name.starts_with('/') {
        return match guest.exists(&GuestPath::new(name)?)? {
            true => Ok(name.to_owned()),
            false => Err(StepFailure::refused(format!("the guest has no keyring {name}"))),
        };
    }
    for folder in FOLDERS {
        for ending in ENDINGS {
            let path = format!("{folder}/{name}{ending}");
            if guest.exists(&GuestPath::new(path.as_str())?)? {
                return Ok(path);
            }
        }
    }
    let mut known: Vec<Vec<u8>> = Vec::new();
    for folder in FOLDERS {
        for path in guest.glob(&format!("{folder}/*"))? {
            let name = path.file_name().unwrap_or_default();
            known.push(name.split(|byte| *byte == b'.').next().unwrap_or_default().to_vec());
        }
    }
    Err(StepFailure::unknown("keyring", name, known.iter().map(Vec::as_slice)))
}

fn fields(repository: &Repository, archive: &AptArchive, keyrings: &[String]) -> String {
    let mut text = String::new();
    let mut field = |name: &str, values: &[String]| {
        if !values.is_empty() {
            text.push_str(&format!("{name}: {}\n", values.join(" ")));
        }
    };
    let word = |word: &str| vec![word.to_owned()];
    field("Types", &archive.types);
    field("URIs", &word(&archive.uri));
    field("Suites", &word(&archive.suite));
    field("Components", &archive.components);
    field("Architectures", &archive.architectures);
    field("Signed-By", keyrings);
    if !repository.is_signed {
        field("Trusted", &word("yes"));
    }
    if !repository.enabled {
        field("Enabled", &word("no"));
    }
    text
}

fn one_line(repository: &Repository, archive: &AptArchive, keyrings: &[String]) -> String {
    let mut options = Vec::new();
    if !archive.architectures.is_empty() {
        options.push(format!("arch={}", archive.architectures.join(",")));
    }
    if !keyrings.is_empty() {
        options.push(format!("signed-by={}", keyrings.join(",")));
    }
    if !repository.is_signed {
        options.push("trusted=yes".to_owned());
    }
    let options = match options.is_empty() {
        true => String::new(),
        false => format!("[{}] ", options.join(" ")),
    };
    let comment = if repository.enabled { "" } else { "# " };
    let lines = archive.types.iter().map(|kind| {
        let place = [
            vec![archive.uri.clone(), archive.suite.clone()],
            archive.components.clone(),
        ]
        .concat();
        format!("{comment}{kind} {options}{}\n", place.join(" "))
    });
    lines.collect()
}

/// The host of an address, as `origin` of apt_preferences(5) means it; empty for local files.
fn host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}
