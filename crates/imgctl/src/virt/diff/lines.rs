//! The line of one file.

use super::entries::Entry;
use crate::virt::figures::{human_size, write_csv_field};
use crate::virt::ls::records::{Times, extra_stats, letter};
use imgctl_vfs::{FileKind, MountIndex, Result, Tree};
use std::collections::BTreeMap;

/// The device number of each filesystem.
pub(super) type Devices = BTreeMap<MountIndex, (u32, u32)>;

/// Which fields there are, and how they look.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) is_csv: bool,
    pub(super) is_human: bool,
    pub(super) has_uids: bool,
    pub(super) times: Option<Times>,
    pub(super) has_atime: bool,
    pub(super) has_extra_stats: bool,
    pub(super) has_xattrs: bool,
    pub(super) now: i64,
}

impl Lines {
    /// Adds the line of `entry`, after `sign`.
    pub(super) fn write(
        &self,
        sign: &str,
        tree: &Tree,
        devices: &Devices,
        entry: &Entry,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let metadata = &entry.metadata;
        let mut fields: Vec<Vec<u8>> = Vec::new();
        let mut push = |text: String| fields.push(text.into_bytes());
        push(sign.to_owned());
        push(letter(metadata.kind).to_owned());
        push(format!("{:04o}", metadata.mode));
        push(self.size(metadata.size));
        if self.has_uids {
            push(self.number(metadata.uid));
            push(self.number(metadata.gid));
        }
        if let Some(times) = self.times {
            let atime = self.has_atime.then_some(metadata.accessed);
            for time in atime.into_iter().chain([metadata.modified, metadata.changed]) {
                push(times.show(self.now, time));
            }
        }
        if self.has_extra_stats {
            let device = devices.get(&entry.node.mount).copied().unwrap_or_default();
            extra_stats(tree, entry.node, metadata, device)?
                .into_iter()
                .for_each(&mut push);
        }
        if let Some(checksum) = &entry.checksum {
            push(checksum.clone());
        }
        // Their dates are never quoted.
        let plain = fields.len();
        fields.push(entry.path.as_bytes().to_vec());
        if metadata.kind == FileKind::Symlink {
            let target = tree.fs(entry.node).read_link(entry.node.node)?;
            fields.push(match self.is_csv {
                true => target,
                false => [b"-> ", target.as_slice()].concat(),
            });
        }
        for (name, value) in entry.xattrs.iter().filter(|_| self.has_xattrs) {
            fields.push(name.clone());
            fields.push(printable(value));
        }
        for (place, field) in fields.iter().enumerate() {
            if place > 0 {
                out.push(if self.is_csv { b',' } else { b' ' });
            }
            match self.is_csv && place >= plain {
                // Writing to memory cannot fail.
                true => drop(write_csv_field(out, field)),
                false => out.extend_from_slice(field),
            }
        }
        out.push(b'\n');
        Ok(())
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

    fn number(&self, number: u32) -> String {
        match self.is_csv {
            true => number.to_string(),
            false => format!("{number:4}"),
        }
    }
}

/// Bytes that are no printable ASCII as `\x01`.
fn printable(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b' '..=b'~' => text.push(*byte),
            other => text.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
        }
    }
    text
}
