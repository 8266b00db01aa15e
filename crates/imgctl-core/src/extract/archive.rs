//! A part of a guest's tree as a tar archive.
//!
//! Facts: GNU tar's format as its manual has it (long names in entries of their own, numbers that do not fit in base
//! 256), and `SCHILY.xattr` records of pax headers for attributes.

use super::{Content, FirstNames, below, guest_error, read_link};
use crate::{Error, ErrorKind, Result};
use imgctl_vfs::{FileKind, Found, GuestPath, Metadata, Tree, TreeNode};
use std::io::{self, Read as _, Write};
use tar::{EntryType, Header};

const LONG_NAME: &[u8] = b"././@LongLink";
const BLOCK_BYTES: usize = 512;
/// GNU tar fills its archives up to whole records of this many bytes.
const RECORD_BYTES: usize = 20 * BLOCK_BYTES;
const CHUNK_BYTES: usize = 1 << 20;

/// What an archive holds beside names, contents, owners, modes and times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ArchiveOptions {
    /// Extended attributes, but for the two below.
    pub xattrs: bool,
    /// SELinux labels.
    pub selinux: bool,
    /// Access control lists.
    pub acls: bool,
}

/// Writes everything at and below `start` in the order of names, as paths that begin with `./`. Sockets are left out.
pub fn write_archive(tree: &Tree, start: &Found, out: &mut dyn Write, options: ArchiveOptions) -> Result<Vec<String>> {
    let mut writer = Writer {
        tree,
        out,
        written: 0,
        options,
        first_names: FirstNames::new(),
        warnings: Vec::new(),
    };
    for entry in tree.walk(start) {
        let entry = entry.map_err(|source| guest_error(&start.path, source))?;
        let name = below(&start.path, &entry.path);
        writer.entry(name, &entry.path, entry.node, &entry.metadata)?;
    }
    writer.finish()
}

struct Writer<'a> {
    tree: &'a Tree,
    out: &'a mut dyn Write,
    written: usize,
    options: ArchiveOptions,
    first_names: FirstNames<Vec<u8>>,
    warnings: Vec<String>,
}

impl Writer<'_> {
    fn entry(&mut self, name: &[u8], path: &GuestPath, node: TreeNode, metadata: &Metadata) -> Result<()> {
        let mut name = [b"./", name].concat();
        if metadata.kind == FileKind::Directory && name != b"./" {
            name.push(b'/');
        }
        let mut header = header(metadata);
        let mut link = Vec::new();
        let mut size = 0;
        if let Some(earlier) = self.first_names.earlier(node, metadata, || name.clone()) {
            header.set_entry_type(EntryType::Link);
            link = earlier;
        } else {
            match metadata.kind {
                FileKind::File => size = metadata.size,
                FileKind::Symlink => {
                    link = read_link(self.tree, node).map_err(|source| guest_error(path, source))?;
                }
                FileKind::Socket => {
                    self.warnings.push(format!("{path} is a socket and was left out"));
                    return Ok(());
                }
                _ => {}
            }
            self.attributes(path, node)?;
        }
        header.set_size(size);
        for (kind, text, field) in [(b'K', &link, 157..257), (b'L', &name, 0..100)] {
            if text.len() > field.len() {
                self.long_name(kind, text)?;
            }
            put(&mut header, field, text);
        }
        header.set_cksum();
        self.write(header.as_bytes())?;
        self.content(path, node, size)
    }

    /// What of the attributes is wanted, in a pax header before the entry's own.
    fn attributes(&mut self, path: &GuestPath, node: TreeNode) -> Result<()> {
        let ArchiveOptions { xattrs, selinux, acls } = self.options;
        if !(xattrs || selinux || acls) {
            return Ok(());
        }
        let attributes = self.tree.fs(node).xattrs(node.node);
        let mut records = Vec::new();
        for (name, value) in attributes.map_err(|source| guest_error(path, source))? {
            let is_wanted = match name.as_slice() {
                b"security.selinux" => selinux,
                name if name.starts_with(b"system.posix_acl_") => acls,
                _ => xattrs,
            };
            if is_wanted {
                let field = [b"SCHILY.xattr.", name.as_slice(), b"=", &value, b"\n"].concat();
                records.extend_from_slice(&record(&field));
            }
        }
        match records.is_empty() {
            true => Ok(()),
            false => self.extra(b'x', b"./PaxHeaders/xattrs", &records),
        }
    }

    fn long_name(&mut self, kind: u8, text: &[u8]) -> Result<()> {
        self.extra(kind, LONG_NAME, &[text, b"\0"].concat())
    }

    /// An entry that tells something of the next one.
    fn extra(&mut self, kind: u8, name: &[u8], content: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        put(&mut header, 0..100, name);
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.write(header.as_bytes())?;
        self.write(content)?;
        self.pad(BLOCK_BYTES)
    }

    fn content(&mut self, path: &GuestPath, node: TreeNode, size: u64) -> Result<()> {
        let mut content = Content::new(self.tree, node).take(size);
        let mut buffer = vec![0; CHUNK_BYTES.min(usize::try_from(size).unwrap_or(CHUNK_BYTES))];
        let mut rest = size;
        while rest > 0 {
            let read = content.read(&mut buffer).map_err(|source| {
                Error::new(ErrorKind::Image, format!("cannot read {path} in the image")).with_source(source)
            })?;
            if read == 0 {
                return Err(Error::new(
                    ErrorKind::Image,
                    format!("{path} is shorter than its length says"),
                ));
            }
            self.write(&buffer[..read])?;
            rest = rest.saturating_sub(read as u64);
        }
        self.pad(BLOCK_BYTES)
    }

    /// Fills up to the next multiple of `unit` bytes.
    fn pad(&mut self, unit: usize) -> Result<()> {
        let missing = (unit - self.written % unit) % unit;
        self.write(&vec![0; missing])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        // Only what is left over of records counts.
        self.written = (self.written + bytes.len()) % RECORD_BYTES;
        self.out.write_all(bytes).map_err(cannot_write)
    }

    fn finish(mut self) -> Result<Vec<String>> {
        self.write(&[0; 2 * BLOCK_BYTES])?;
        self.pad(RECORD_BYTES)?;
        self.out.flush().map_err(cannot_write)?;
        Ok(self.warnings)
    }
}

fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(metadata.mode.into());
    header.set_uid(metadata.uid.into());
    header.set_gid(metadata.gid.into());
    let seconds = metadata.modified.seconds;
    match u64::try_from(seconds) {
        Ok(seconds) => header.set_mtime(seconds),
        // Base 256: the number in two's complement with the first bit set.
        Err(_) => put(
            &mut header,
            136..148,
            &[&[0xff; 4][..], &seconds.to_be_bytes()].concat(),
        ),
    }
    let device = |header: &mut Header, major, minor| {
        // GNU headers have room for these numbers.
        let _ = header.set_device_major(major);
        let _ = header.set_device_minor(minor);
    };
    let kind = match metadata.kind {
        FileKind::File | FileKind::Socket => EntryType::Regular,
        FileKind::Directory => EntryType::Directory,
        FileKind::Symlink => EntryType::Symlink,
        FileKind::Fifo => EntryType::Fifo,
        FileKind::CharDevice(major, minor) => {
            device(&mut header, major, minor);
            EntryType::Char
        }
        FileKind::BlockDevice(major, minor) => {
            device(&mut header, major, minor);
            EntryType::Block
        }
    };
    header.set_entry_type(kind);
    header
}

/// Writes text into a field of a header, as much as it takes.
fn put(header: &mut Header, field: std::ops::Range<usize>, text: &[u8]) {
    let field = &mut header.as_mut_bytes()[field];
    let count = text.len().min(field.len());
    field[..count].copy_from_slice(&text[..count]);
}

/// A pax record: its own length in decimal digits, a blank, and the field.
fn record(field: &[u8]) -> Vec<u8> {
    let mut length = field.len() + 2;
    loop {
        let whole = field.len() + 1 + length.to_string().len();
        if whole == length {
            break;
        }
        length = whole;
    }
    [length.to_string().as_bytes(), b" ", field].concat()
}

fn cannot_write(source: io::Error) -> Error {
    Error::new(ErrorKind::Other, "cannot write the archive").with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        assert_eq!(record(b"k=v\n"), b"6 k=v\n");
        for length in [4, 5, 6, 7, 93, 94, 95, 96, 97, 990, 995, 996, 997] {
            let record = record(&vec![b'\n'; length]);
            let blank = record.iter().position(|byte| *byte == b' ').unwrap();
            let told: usize = std::str::from_utf8(&record[..blank]).unwrap().parse().unwrap();
            assert_eq!((told, record.len()), (record.len(), blank + 1 + length));
        }
    }
}
