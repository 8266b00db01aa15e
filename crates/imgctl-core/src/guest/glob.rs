//! Shell globs over the guest's tree, one path component at a time.

use super::{Guest, GuestError, Result};
use globset::{GlobBuilder, GlobMatcher};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// As many paths as one pattern may find.
const MAX_MATCHES: usize = 1 << 20;

/// Every path that matches. Components without wildcards follow links as any path does; the last component is found as
/// it is, link or not.
pub(super) fn expand(guest: &Guest, pattern: &str) -> Result<Vec<GuestPath>> {
    let mut found = BTreeSet::from([GuestPath::root()]);
    let components: Vec<&str> = pattern
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    for (index, component) in components.iter().enumerate() {
        let is_last = index + 1 == components.len();
        let matcher = Matcher::new(component)?;
        let mut next = BTreeSet::new();
        for directory in &found {
            step(guest, directory, &matcher, is_last, &mut next)?;
            if next.len() > MAX_MATCHES {
                return Err(GuestError::TooMuch {
                    what: "matches of a pattern",
                    path: directory.clone(),
                    limit: MAX_MATCHES as u64,
                });
            }
        }
        found = next;
    }
    Ok(found.into_iter().collect())
}

fn step(
    guest: &Guest,
    directory: &GuestPath,
    matcher: &Matcher,
    is_last: bool,
    next: &mut BTreeSet<GuestPath>,
) -> Result<()> {
    match matcher {
        Matcher::Literal(name) => {
            let path = directory.join(name);
            let found = match is_last {
                true => guest.find_link(&path)?,
                false => guest.find(&path)?,
            };
            next.extend(found.map(|found| found.path));
        }
        Matcher::Wild { matcher, takes_dots } => {
            if !guest.is_directory(directory)? {
                return Ok(());
            }
            for entry in guest.read_dir(directory)?.unwrap_or_default() {
                let name = entry.path.file_name().unwrap_or_default();
                let is_hidden = name.starts_with(b".") && !takes_dots;
                if is_hidden || !matcher.is_match(Path::new(OsStr::from_bytes(name))) {
                    continue;
                }
                if is_last || guest.metadata_of(&entry)?.kind == FileKind::Directory {
                    next.insert(entry.path);
                } else {
                    // A link may lead in a circle or to nothing: then nothing lies below it.
                    let found = guest.find(&entry.path).ok().flatten();
                    next.extend(found.map(|found| found.path));
                }
            }
        }
    }
    Ok(())
}

enum Matcher {
    Literal(Vec<u8>),
    Wild { matcher: GlobMatcher, takes_dots: bool },
}

impl Matcher {
    fn new(component: &str) -> Result<Self> {
        if !component.contains(['*', '?', '[', '{', '\\']) {
            return Ok(Self::Literal(component.as_bytes().to_vec()));
        }
        let glob = GlobBuilder::new(component).literal_separator(true).build();
        let glob = glob.map_err(|source| GuestError::Pattern {
            pattern: EscapedBytes(component.as_bytes()).to_string(),
            source,
        })?;
        Ok(Self::Wild {
            matcher: glob.compile_matcher(),
            takes_dots: component.starts_with('.'),
        })
    }
}
