//! `virt-ls -lR`: a line of fields for each file.

use super::{LsArgs, cannot, folder, relative};
use crate::command_error::{CommandError, CommandResult};
use crate::ui::date_and_time;
use crate::virt::checksum::Checksum;
use crate::virt::clock;
use crate::virt::figures::{human_size, write_csv_field};
use crate::virt::mounts::Opened;
use imgctl_core::Place;
use imgctl_vfs::{FileKind, GuestPath, Metadata, MountIndex, Timestamp, Tree, TreeNode};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Which fields there are, and how they look.
#[derive(Debug)]
pub(super) struct Records {
    is_csv: bool,
    is_human: bool,
    has_uids: bool,
    times: Option<Times>,
    has_extra_stats: bool,
    checksum: Option<Checksum>,
    now: i64,
}

/// How a time is told.
#[derive(Clone, Copy, Debug)]
pub(in crate::virt) enum Times {
    Date,
    Seconds,
    SecondsAgo,
    DaysAgo,
}

impl Times {
    pub(in crate::virt) fn show(self, now: i64, time: Timestamp) -> String {
        let ago = now.saturating_sub(time.seconds);
        match self {
            Self::Date => date_and_time(time.seconds),
            Self::Seconds => format!("{:10}", time.seconds),
            Self::SecondsAgo => format!("{ago:8}"),
            Self::DaysAgo => format!("{:3}", ago / 86_400),
        }
    }
}

impl LsArgs {
    pub(super) fn records(&self) -> CommandResult<Records> {
        let times = match (self.time_days, self.time_relative, self.time_t, self.times) {
            (true, ..) => Some(Times::DaysAgo),
            (_, true, ..) => Some(Times::SecondsAgo),
            (_, _, true, _) => Some(Times::Seconds),
            (_, _, _, true) => Some(Times::Date),
            _ => None,
        };
        Ok(Records {
            is_csv: self.csv,
            is_human: self.human,
            has_uids: self.uids,
            times,
            has_extra_stats: self.extra_stats,
            checksum: self.checksum.as_deref().map(Checksum::parse).transpose()?,
            now: clock::seconds(),
        })
    }
}

impl Records {
    /// Everything at and below `path`: a folder before what is in it, names in order of their bytes.
    pub(super) fn write(&self, out: &mut impl Write, opened: &Opened, path: &[u8]) -> CommandResult {
        let tree = opened.tree();
        let cannot = |source| cannot(path, source);
        let whole = GuestPath::new(path).map_err(cannot)?;
        let named = tree.resolve_link(&whole).map_err(cannot)?;
        let devices = devices(opened);
        let prefix = match path {
            b"/" => b"",
            path => path.strip_suffix(b"/").unwrap_or(path),
        };
        let top = if prefix.is_empty() { b"/" } else { prefix };
        self.line(out, tree, named.node, top, &devices)
            .map_err(|error| error.into(path))?;
        let found = folder(tree, path)?;
        for entry in tree.walk(&found).skip(1) {
            let entry = entry.map_err(cannot)?;
            let shown = [prefix, b"/", relative(&found, &entry.path)].concat();
            self.line(out, tree, entry.node, &shown, &devices)
                .map_err(|error| error.into(&shown))?;
        }
        Ok(())
    }

    fn line(
        &self,
        out: &mut impl Write,
        tree: &Tree,
        node: TreeNode,
        path: &[u8],
        devices: &BTreeMap<MountIndex, (u32, u32)>,
    ) -> Result<(), Failure> {
        let metadata = tree.metadata(node)?;
        let mut fields = vec![Field::Plain(letter(metadata.kind).to_owned())];
        let mut push = |text: String| fields.push(Field::Plain(text));
        push(format!("{:04o}", metadata.mode));
        push(self.size(metadata.size));
        if self.has_uids {
            push(format!("{:4}", metadata.uid));
            push(format!("{:4}", metadata.gid));
        }
        for time in [metadata.accessed, metadata.modified, metadata.changed] {
            if let Some(times) = self.times {
                push(times.show(self.now, time));
            }
        }
        if self.has_extra_stats {
            let device = devices.get(&node.mount).copied().unwrap_or_default();
            extra_stats(tree, node, &metadata, device)?
                .into_iter()
                .for_each(&mut push);
        }
        match (&self.checksum, metadata.kind) {
            (Some(checksum), FileKind::File) => push(checksum.of(tree, node)?),
            (Some(_), _) if self.is_csv => push(String::new()),
            _ => {}
        }
        fields.push(Field::Name(path.to_vec()));
        if metadata.kind == FileKind::Symlink {
            let target = tree.fs(node).read_link(node.node)?;
            fields.push(Field::Name(match self.is_csv {
                true => target,
                false => [b"-> ", target.as_slice()].concat(),
            }));
        }
        self.write_fields(out, &fields).map_err(Failure::Output)
    }

    fn size(&self, bytes: u64) -> String {
        let text = match self.is_human {
            true => human_size(bytes),
            false => bytes.to_string(),
        };
        match self.is_csv {
            true => text,
            false => format!("{text:>10}"),
        }
    }

    fn write_fields(&self, out: &mut impl Write, fields: &[Field]) -> io::Result<()> {
        for (place, field) in fields.iter().enumerate() {
            if place > 0 {
                out.write_all(if self.is_csv { b"," } else { b" " })?;
            }
            match field {
                Field::Plain(text) => out.write_all(text.as_bytes())?,
                Field::Name(name) if self.is_csv => write_csv_field(out, name)?,
                Field::Name(name) => out.write_all(name)?,
            }
        }
        out.write_all(b"\n")
    }
}

/// One field of a line.
#[derive(Debug)]
enum Field {
    /// Never quoted, though a date holds a blank.
    Plain(String),
    /// Quoted where it must be.
    Name(Vec<u8>),
}

/// Why a line could not be written.
#[derive(Debug)]
enum Failure {
    Guest(imgctl_vfs::Error),
    Output(io::Error),
}

impl From<imgctl_vfs::Error> for Failure {
    fn from(error: imgctl_vfs::Error) -> Self {
        Self::Guest(error)
    }
}

impl Failure {
    fn into(self, path: &[u8]) -> CommandError {
        match self {
            Self::Guest(error) => cannot(path, error),
            Self::Output(error) => CommandError::stdout(error),
        }
    }
}

pub(in crate::virt) fn letter(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "-",
        FileKind::Directory => "d",
        FileKind::Symlink => "l",
        FileKind::CharDevice(..) => "c",
        FileKind::BlockDevice(..) => "b",
        FileKind::Fifo => "p",
        FileKind::Socket => "s",
    }
}

/// Device, inode, links, the device that it stands for, and sectors.
pub(in crate::virt) fn extra_stats(
    tree: &Tree,
    node: TreeNode,
    metadata: &Metadata,
    (major, minor): (u32, u32),
) -> imgctl_vfs::Result<[String; 5]> {
    let stands_for = match metadata.kind {
        FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) => (major, minor),
        _ => (0, 0),
    };
    Ok([
        format!("{major}:{minor}"),
        node.node.0.to_string(),
        metadata.links.to_string(),
        format!("{}:{}", stands_for.0, stands_for.1),
        tree.fs(node).sectors(node.node)?.to_string(),
    ])
}

/// The device number of each mounted filesystem, as the appliance's kernel gives them to its disks.
pub(in crate::virt) fn devices(opened: &Opened) -> BTreeMap<MountIndex, (u32, u32)> {
    let mounts = opened.tree().mounts();
    let numbers = mounts.filter_map(|(index, mount)| Some((index, device_number(opened.place_of(&mount.path)?)?)));
    numbers.collect()
}

/// Sixteen numbers for each of the first sixteen disks; later partitions have numbers of another kind.
fn device_number(place: Place) -> Option<(u32, u32)> {
    match (u32::try_from(place.disk).ok()?, place.partition) {
        (disk @ 0..16, partition @ 0..16) => Some((8, disk * 16 + partition)),
        (_, partition) => Some((259, partition.saturating_sub(16))),
    }
}
