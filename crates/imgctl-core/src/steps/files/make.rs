//! `--mkdir`, `--touch`, `--link`.

use crate::guest::{Guest, NewMetadata};
use crate::steps::Outcome;
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use imgctl_vfs::{GuestPath, MetadataChange};

pub(super) const MKDIR: FlagSpec = FlagSpec {
    name: "mkdir",
    value: "DIR",
    group: FlagGroup::Files,
    help: "Make a directory and those above it that are missing",
    example: "/opt/agent/etc",
    recipe: "files[].type",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let path = argument.guest_path(argument.text)?;
        Ok(argument.step(path, |path, guest| {
            guest.create_directory_all(path, NewMetadata::root(0o755))?;
            Ok(())
        }))
    }),
};

pub(super) const TOUCH: FlagSpec = FlagSpec {
    name: "touch",
    value: "FILE",
    group: FlagGroup::Files,
    help: "Make an empty file, or give a file that is there the run's time",
    example: "/etc/cloud/cloud-init.disabled",
    recipe: "files[].type",
    peer: Peer::Better("the time is that of the run, so that equal runs give equal images"),
    deed: FlagDeed::Step(|argument| {
        let path = argument.guest_path(argument.text)?;
        Ok(argument.step(path, |path, guest| touch(guest, path)))
    }),
};

pub(super) const LINK: FlagSpec = FlagSpec {
    name: "link",
    value: "TARGET:LINK[:LINK..]",
    group: FlagGroup::Files,
    help: "Make symbolic links to a target, in place of files that are there; into LINK if that is a directory",
    example: "/usr/bin/vim:/usr/local/bin/editor",
    recipe: "files[].target",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let (target, links) = argument.split()?;
        let links: Result<Vec<GuestPath>, _> = links.split(':').map(|link| argument.guest_path(link)).collect();
        let value = (target.as_bytes().to_vec(), links?);
        Ok(argument.step(value, |(target, links), guest| {
            links.iter().try_for_each(|link| symlink(guest, target, link))
        }))
    }),
};

fn touch(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    if !guest.exists(path)? {
        guest.write_file(path, &mut std::io::empty(), NewMetadata::root(0o644))?;
        return Ok(());
    }
    let now = Some(guest.now());
    let change = MetadataChange {
        accessed: now,
        modified: now,
        ..MetadataChange::default()
    };
    Ok(guest.set_metadata(path, change)?)
}

fn symlink(guest: &mut Guest, target: &[u8], link: &GuestPath) -> Outcome<()> {
    let name = GuestPath::new([b"/", target].concat())?;
    let link = match (guest.is_directory(link)?, name.file_name()) {
        (true, Some(name)) => link.join(name),
        _ => link.clone(),
    };
    Ok(guest.symlink(&link, target)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, path};

    #[test]
    fn links_land_in_directories_and_replace_files() {
        let mut guest = guest(&["/d/", "/f|x", "/to-d -> d", "/d/vim|x"]);
        for link in ["/new", "/d", "/f", "/to-d"] {
            symlink(&mut guest, b"../usr/bin/vim", &path(link)).unwrap();
        }
        for link in ["/new", "/d/vim", "/f"] {
            assert_eq!(
                guest.read_link(&path(link)).unwrap().unwrap(),
                b"../usr/bin/vim",
                "{link}"
            );
        }
        assert_eq!(guest.read_link(&path("/to-d")).unwrap().unwrap(), b"d");
        symlink(&mut guest, b"x", &path("/no/where")).unwrap_err();
    }
}
