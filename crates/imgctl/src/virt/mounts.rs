//! What of the disks is read as a tree: the guest that is found on them, or what `-m` mounts. Device names.

use super::disks::DiskArgs;
use crate::command_error::{CommandError, CommandResult};
use clap::Args;
use imgctl_core::{Disks, OpenedGuest, Place};
use imgctl_vfs::{GuestPath, Tree};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

/// What the disks of a machine may be called; the last letters of the name count them.
const KINDS: [&str; 4] = ["sd", "hd", "vd", "xvd"];

/// Mounts that were named.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Disks")]
pub(super) struct MountArgs {
    /// Mount this instead of what the guest mounts: device, mount point [default: /], options and filesystem (both
    /// without effect); may be repeated
    #[arg(short = 'm', long = "mount", value_name = "DEV[:DIR[:OPTIONS[:FSTYPE]]]")]
    mounts: Vec<OsString>,
    /// Find the guest and mount what it mounts, as is done anyway
    #[arg(short = 'i', long = "inspector", hide = true)]
    inspector: bool,
    #[arg(short = 'r', long = "ro", hide = true)]
    read_only: bool,
}

/// A tree to read from.
#[derive(Debug)]
pub(super) enum Opened {
    /// The guest on one of the disks, and which that is.
    Guest(usize, Box<OpenedGuest>),
    /// What was mounted, and where; the disks stay locked as long as it is read.
    Mounted(
        Tree,
        Vec<(Place, GuestPath)>,
        #[allow(dead_code, reason = "held, not read")] Disks,
    ),
}

impl Opened {
    /// Opens all disks, and what of them is to be read.
    pub(super) fn open(disks: &DiskArgs, mounts: &MountArgs) -> CommandResult<Self> {
        let mounts: Vec<(Place, GuestPath)> = mounts
            .mounts
            .iter()
            .map(|mount| parse(mount.as_bytes()))
            .collect::<CommandResult<_>>()?;
        let disks = disks.open()?;
        if mounts.is_empty() {
            let (disk, guest) = disks.guest()?;
            return Ok(Self::Guest(disk, Box::new(guest)));
        }
        let tree = disks
            .mount(&mounts)
            .map_err(|error| CommandError::from(error).hint("virt-filesystems lists what can be mounted"))?;
        Ok(Self::Mounted(tree, mounts, disks))
    }

    pub(super) fn tree(&self) -> &Tree {
        match self {
            Self::Guest(_, guest) => guest.tree(),
            Self::Mounted(tree, ..) => tree,
        }
    }

    /// Where the filesystem lies that is mounted at `path`.
    pub(super) fn place_of(&self, path: &GuestPath) -> Option<Place> {
        match self {
            Self::Guest(disk, guest) => {
                let mounts = guest.mounts();
                let mount = mounts.iter().find(|mount| mount.path.as_bytes() == path.as_bytes())?;
                Some(Place {
                    disk: *disk,
                    partition: mount.partition,
                })
            }
            Self::Mounted(_, mounts, _) => {
                let mount = mounts.iter().find(|(_, mounted)| mounted == path)?;
                Some(mount.0)
            }
        }
    }
}

/// `/dev/sda1:/boot:ro:ext4`.
pub(super) fn parse(mount: &[u8]) -> CommandResult<(Place, GuestPath)> {
    let mut parts = mount.splitn(4, |byte| *byte == b':');
    let device = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let path = parts.next().unwrap_or(b"/");
    let place = place_of(&device).ok_or_else(|| {
        CommandError::usage(format!("{device} is no device of the disks"))
            .hint("the first partition of the first disk is /dev/sda1; virt-filesystems lists them")
    })?;
    let path = GuestPath::new(path).map_err(|source| CommandError::guest("cannot mount there", source).into_usage())?;
    Ok((place, path))
}

/// The place that a device's name means.
pub(super) fn place_of(device: &str) -> Option<Place> {
    let name = device.strip_prefix("/dev/")?;
    let name = KINDS.iter().find_map(|kind| name.strip_prefix(kind))?;
    let digits = name.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
    let letters = name.strip_suffix(digits)?;
    let mut disk = 0_usize;
    for letter in letters.bytes() {
        disk = disk
            .checked_mul(26)?
            .checked_add(usize::from(letter.checked_sub(b'a')?) + 1)?;
    }
    let partition = match digits {
        "" => 0,
        digits if digits.starts_with('0') => return None,
        digits => digits.parse().ok()?,
    };
    Some(Place {
        disk: disk.checked_sub(1)?,
        partition,
    })
}

/// The name of a device: `/dev/sda1`.
pub(super) fn device_name(place: Place) -> String {
    let mut letters = Vec::new();
    let mut rest = place.disk;
    loop {
        letters.push(char::from(b"abcdefghijklmnopqrstuvwxyz"[rest % 26]));
        match rest / 26 {
            0 => break,
            next => rest = next - 1,
        }
    }
    let letters: String = letters.into_iter().rev().collect();
    match place.partition {
        0 => format!("/dev/sd{letters}"),
        number => format!("/dev/sd{letters}{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(disk: usize, partition: u32) -> Place {
        Place { disk, partition }
    }

    #[test]
    fn devices_have_names() {
        for (name, expected) in [
            ("/dev/sda", place(0, 0)),
            ("/dev/sda1", place(0, 1)),
            ("/dev/sdb15", place(1, 15)),
            ("/dev/sdz", place(25, 0)),
            ("/dev/sdaa2", place(26, 2)),
            ("/dev/sdba2", place(52, 2)),
        ] {
            assert_eq!(place_of(name), Some(expected));
            assert_eq!(device_name(expected), name);
        }
        for name in ["/dev/vdb1", "/dev/hdb1", "/dev/xvdb1"] {
            assert_eq!(place_of(name), Some(place(1, 1)));
        }
        for name in [
            "sda1",
            "/dev/sd",
            "/dev/sd1",
            "/dev/sda01",
            "/dev/sdA1",
            "/dev/sda1x",
            "/dev/nbd0",
            "/dev/sda99999999999",
        ] {
            assert_eq!(place_of(name), None, "{name}");
        }
    }

    #[test]
    fn mounts_have_up_to_four_parts() {
        let path = |path: &str| GuestPath::new(path).unwrap();
        let parsed = |text: &str| parse(text.as_bytes()).map_err(|error| error.error.to_string());
        assert_eq!(parsed("/dev/sda1"), Ok((place(0, 1), path("/"))));
        assert_eq!(parsed("/dev/vdb2:/boot"), Ok((place(1, 2), path("/boot"))));
        assert_eq!(parsed("/dev/sda1:/:ro,noload:ext4"), Ok((place(0, 1), path("/"))));
        for wrong in ["", "/dev/vg/root", "/dev/sda1:boot", "/dev/sda1:"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
