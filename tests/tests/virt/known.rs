//! The differences from the guestfs-tools that are meant: docs/virt-tools.md lists them for users.

use anyhow::{Context as _, Result};
use imgctl_testkit::oracle;
use imgctl_testkit::tree::{Difference, is_below};

use crate::trees::Guest;

/// A difference that one script may show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// Anything at and below a path, and why.
    At(&'static str, &'static str),
    /// The time of a directory alone, and why.
    Time(&'static str, &'static str),
    /// A user's password: the same one, with another salt and the day of the change set.
    Password(&'static str, &'static str),
    /// A user's password that nobody knows.
    Random(&'static str),
}

/// What every run of theirs does to a guest beside its options, and ours never.
const ALWAYS: &[(&str, &str)] = &[
    ("/etc/machine-id", "an empty one is not filled: clones must differ"),
    ("/var/lib/dbus/machine-id", "as above"),
    (
        "/var/lib/systemd/random-seed",
        "nobody else's randomness: the guest makes its own",
    ),
    ("/var/lib/random-seed", "as above"),
    ("/var/lib/urandom/random-seed", "as above"),
    ("/var/lib/misc/random-seed", "as above"),
    ("/etc/random-seed", "as above"),
    ("/tmp/builder.log", "there is no build log in the guest"),
];

/// Why a difference is meant to be there; none for one that is not.
pub(crate) fn reason(
    difference: &Difference,
    listed: &[Known],
    theirs: &Guest,
    ours: &Guest,
) -> Result<Option<&'static str>> {
    let path = difference.path.as_slice();
    let at = |place: &&str| is_below(path, place.as_bytes());
    if let Some((_, why)) = ALWAYS.iter().find(|(place, _)| at(place)) {
        return Ok(Some(why));
    }
    // What is written beside a file and renamed, or made and removed, changes the time of its directory.
    let places = ALWAYS
        .iter()
        .map(|(place, _)| *place)
        .chain(listed.iter().filter_map(|known| match known {
            Known::At(place, _) => Some(*place),
            _ => None,
        }));
    if difference.fields() == ["mtime"] && places.into_iter().any(|place| is_below(place.as_bytes(), path)) {
        return Ok(Some("the time of a directory with one of those"));
    }
    for known in listed {
        match known {
            Known::At(place, why) if at(place) => return Ok(Some(why)),
            Known::Time(place, why) if path == place.as_bytes() && difference.fields() == ["mtime"] => {
                return Ok(Some(why));
            }
            Known::Password(..) | Known::Random(_) if path == b"/etc/shadow" => {
                return Ok(shadows_agree(listed, theirs, ours)?.then_some("the salt, and the day of the change"));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Whether the shadow files are equal but for the listed passwords, and those are the ones that were asked for.
fn shadows_agree(listed: &[Known], theirs: &Guest, ours: &Guest) -> Result<bool> {
    let read = |guest: &Guest| -> Result<Vec<Vec<String>>> {
        let text = String::from_utf8(guest.read("/etc/shadow")?)?;
        Ok(text
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect())
            .collect())
    };
    let (theirs, ours) = (read(theirs)?, read(ours)?);
    if theirs.len() != ours.len() {
        return Ok(false);
    }
    for (theirs, ours) in theirs.iter().zip(&ours) {
        if theirs == ours {
            continue;
        }
        let (Some(user), Some(their_hash), Some(our_hash)) = (theirs.first(), theirs.get(1), ours.get(1)) else {
            return Ok(false);
        };
        let same_rest = Some(user) == ours.first() && theirs.get(3..) == ours.get(3..);
        let is_same = listed.iter().any(|known| match known {
            Known::Password(name, password) if name == user => {
                kind(their_hash) == kind(our_hash) && is_hash_of(their_hash, password) && is_hash_of(our_hash, password)
            }
            Known::Random(name) if name == user => kind(their_hash) == kind(our_hash),
            _ => false,
        });
        if !same_rest || !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What comes before the salt. One mark of a lock is as good as two.
fn kind(hash: &str) -> &str {
    let hash = hash.strip_prefix("!!").map_or(hash, |_| hash.get(1..).unwrap_or(hash));
    let end = hash.match_indices('$').nth(1).map_or(hash.len(), |(index, _)| index);
    hash.get(..end).unwrap_or(hash)
}

/// What crypt(3) says.
fn is_hash_of(hash: &str, password: &str) -> bool {
    let hash = hash.trim_start_matches('!');
    let check = "print crypt($ARGV[0], $ARGV[1]) eq $ARGV[1] ? 'yes' : 'no'";
    let told = oracle::run("perl", ["-e", check, password, hash]).context("asking crypt(3)");
    told.is_ok_and(|told| told == "yes")
}
