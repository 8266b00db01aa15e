//! `--tar-in` and `archive`: tar archives, which are untrusted: nothing gets outside of the directory, and no length is
//! believed before the bytes are there.

use super::archive::{Member, Members};
use super::copy_in::{is_portable, link};
use super::place::{Later, Source, Wanted, place};
use crate::guest::{Guest, NewMetadata};
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// As many members as an archive may have.
const MAX_MEMBERS: usize = 4 << 20;

/// As many names as are remembered, of links and of what links may lead to, in bytes.
const MAX_NAME_BYTES: usize = 1 << 28;

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "tar-in",
    value: "TARFILE:DIR",
    group: FlagGroup::Files,
    help: "Unpack a local tar archive (plain, gzip, xz or zstd) into a directory of the guest",
    example: "agent.tar.gz:/opt",
    recipe: "files[].archive",
    peer: Peer::Better(
        "compressed archives are unpacked, too; names with `..` and ways through links of the archive are refused; a link \
         to a directory stays one, and DIR keeps its own mode and owner",
    ),
    deed: FlagDeed::Step(|argument| {
        let (archive, directory) = argument.split()?;
        let value = TarIn {
            archive: argument.host_file(archive)?,
            directory: argument.guest_path(directory)?,
            preserves_xattrs: argument.settings.preserves_xattrs,
        };
        Ok(argument.step(value, |value, guest| value.run(guest)))
    }),
};

struct TarIn {
    archive: PathBuf,
    directory: GuestPath,
    preserves_xattrs: bool,
}

impl TarIn {
    fn run(&self, guest: &mut Guest) -> Outcome<()> {
        if !guest.is_directory(&self.directory)? {
            return Err(StepFailure::refused_with(
                format!("{} is no directory of the guest", self.directory),
                "make it by --mkdir before",
            ));
        }
        unpack(guest, &self.archive, &self.directory, 0, self.preserves_xattrs)
    }
}

/// Unpacks the local file `archive` into the directory, without the first `strip` names of each path.
pub(super) fn unpack(
    guest: &mut Guest,
    archive: &Path,
    directory: &GuestPath,
    strip: usize,
    keeps_xattrs: bool,
) -> Outcome<()> {
    let failed = |source| StepFailure::HostFile {
        path: archive.to_owned(),
        source,
    };
    let file = File::open(archive).map_err(failed)?;
    let mut members = Members::open(file).map_err(failed)?;
    let Some(base) = guest.find(directory)? else {
        return Err(StepFailure::refused(format!("{directory} does not exist")));
    };
    let mut unpacking = Unpacking {
        base: base.path,
        strip,
        keeps_xattrs,
        links: BTreeSet::new(),
        files: BTreeSet::new(),
        name_bytes: 0,
        members: 0,
        later: Later::default(),
    };
    while let Some(mut member) = members.next().map_err(failed)? {
        unpacking.member(guest, &mut member)?;
        members = member.finish().map_err(failed)?;
    }
    unpacking.later.finish(guest)
}

struct Unpacking {
    /// The directory, free of links.
    base: GuestPath,
    strip: usize,
    keeps_xattrs: bool,
    /// Symbolic links that the archive made: nothing is put through them.
    links: BTreeSet<GuestPath>,
    /// What hard links may lead to.
    files: BTreeSet<GuestPath>,
    name_bytes: usize,
    members: usize,
    later: Later,
}

impl Unpacking {
    fn member(&mut self, guest: &mut Guest, member: &mut Member) -> Outcome<()> {
        self.members += 1;
        if self.members > MAX_MEMBERS {
            return Err(StepFailure::refused("the archive has too many members"));
        }
        let Some(names) = self.names(&member.path)? else {
            return Ok(());
        };
        let Some((last, parents)) = names.split_last() else {
            // The directory itself keeps its mode and owner.
            return Ok(());
        };
        let parent = self.parent(guest, parents, &member.path)?;
        let path = parent.join(last);
        if let Some(target) = &member.hard_link {
            return self.hard_link(guest, target, &path, &member.path);
        }
        let mut xattrs = BTreeMap::new();
        if self.keeps_xattrs {
            let portable = member.xattrs.iter().filter(|(name, _)| is_portable(name));
            xattrs.extend(portable.map(|(name, value)| (name.clone(), value.clone())));
        }
        let wanted = Wanted {
            kind: member.kind,
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            owns: true,
            modified: Some(member.modified),
            links: 1,
            target: member.target.clone(),
            xattrs,
        };
        match member.kind {
            FileKind::Directory => {
                self.refuse_own_link(&path, &member.path)?;
                place(guest, &path, &wanted, Source::Nothing)?;
                self.later.push(path, wanted);
            }
            FileKind::File => {
                place(guest, &path, &wanted, Source::Reader(member))?;
                self.links.remove(&path);
                self.remember(path.as_bytes().len())?;
                self.files.insert(path);
            }
            FileKind::Symlink => {
                place(guest, &path, &wanted, Source::Nothing)?;
                self.remember(2 * path.as_bytes().len())?;
                self.files.insert(path.clone());
                self.links.insert(path);
            }
            _ => {
                place(guest, &path, &wanted, Source::Nothing)?;
                self.links.remove(&path);
            }
        }
        Ok(())
    }

    fn remember(&mut self, bytes: usize) -> Outcome<()> {
        self.name_bytes += bytes + 64;
        match self.name_bytes > MAX_NAME_BYTES {
            true => Err(StepFailure::refused("the names in the archive are too long")),
            false => Ok(()),
        }
    }

    /// The names of a path that stay; `None`: nothing does. A leading slash is left out, as tar does.
    fn names(&self, path: &[u8]) -> Outcome<Option<Vec<Vec<u8>>>> {
        let names = path.split(|byte| *byte == b'/');
        let names: Vec<Vec<u8>> = names
            .filter(|name| !matches!(*name, b"" | b"."))
            .map(<[u8]>::to_vec)
            .collect();
        if names.iter().any(|name| name == b"..") {
            return Err(refused(path, "has `..` in its name"));
        }
        if names.len() < self.strip || (self.strip > 0 && names.len() == self.strip) {
            return Ok(None);
        }
        Ok(names.get(self.strip..).map(<[Vec<u8>]>::to_vec))
    }

    /// The directory of these names below the base, made where it is missing.
    fn parent(&mut self, guest: &mut Guest, names: &[Vec<u8>], member: &[u8]) -> Outcome<GuestPath> {
        let mut here = self.base.clone();
        for name in names {
            let next = here.join(name);
            self.refuse_own_link(&next, member)?;
            here = match guest.find(&next)? {
                Some(found) => found.path,
                None => {
                    guest.create_directory_all(&next, NewMetadata::root(0o755))?;
                    next
                }
            };
        }
        Ok(here)
    }

    fn refuse_own_link(&self, path: &GuestPath, member: &[u8]) -> Outcome<()> {
        match self.links.contains(path) {
            true => Err(refused(
                member,
                "would go through a symbolic link that the archive made",
            )),
            false => Ok(()),
        }
    }

    fn hard_link(&mut self, guest: &mut Guest, target: &[u8], path: &GuestPath, member: &[u8]) -> Outcome<()> {
        let names = self.names(target)?.unwrap_or_default();
        let Some((last, parents)) = names.split_last() else {
            return Err(refused(member, "is a hard link to nothing"));
        };
        let mut here = self.base.clone();
        for name in parents {
            let next = here.join(name);
            self.refuse_own_link(&next, member)?;
            here = guest.find(&next)?.map_or(next, |found| found.path);
        }
        let first = here.join(last);
        if !self.files.contains(&first) {
            return Err(refused(
                member,
                "is a hard link to what is not before it in the archive",
            ));
        }
        if first == *path {
            return Ok(());
        }
        link(guest, &first, path)?;
        self.remember(path.as_bytes().len())?;
        self.files.insert(path.clone());
        if self.links.contains(&first) {
            self.links.insert(path.clone());
        } else {
            self.links.remove(path);
        }
        Ok(())
    }
}

fn refused(member: &[u8], why: &str) -> StepFailure {
    StepFailure::refused(format!("the member {} of the archive {why}", EscapedBytes(member)))
}

#[cfg(test)]
mod tests;
