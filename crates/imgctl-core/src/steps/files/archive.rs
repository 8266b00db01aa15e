//! Reading tar archives: ustar, GNU's long names, pax headers, uncompressed or not.

use imgctl_vfs::{FileKind, Timestamp};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use tar::{EntryType, Header, PaxExtensions};

const BLOCK_BYTES: usize = 512;

/// The longest name and the largest pax header, in bytes.
const MAX_NAME_BYTES: u64 = 64 << 10;
const MAX_PAX_BYTES: u64 = 1 << 20;

/// As much memory as a dictionary of xz may take, and the largest window of zstd as its logarithm.
const MAX_DICTIONARY_KIB: u32 = 1100 << 10;
const MAX_WINDOW_LOG: u32 = 31;

/// How much a decoder reads at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The members of an archive, one after the other.
pub(super) struct Members {
    input: Box<dyn Read>,
    /// What global pax headers say of all that follows.
    global: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One member, whose content is read from it.
pub(super) struct Member {
    pub(super) path: Vec<u8>,
    pub(super) kind: FileKind,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) modified: Timestamp,
    /// A symbolic link's target.
    pub(super) target: Vec<u8>,
    /// What a hard link leads to, by its name in the archive.
    pub(super) hard_link: Option<Vec<u8>>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    members: Members,
    /// Bytes of content that were not read yet, and what fills the last block.
    rest: u64,
    padding: u64,
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        // Nothing asked for may look like the end to a decoder.
        if count == 0 {
            return Ok(0);
        }
        let count = self.members.input.read(buffer.get_mut(..count).unwrap_or_default())?;
        if count == 0 {
            return Err(truncated());
        }
        self.rest -= count as u64;
        Ok(count)
    }
}

impl Member {
    /// Passes over what was not read, to what follows.
    pub(super) fn finish(mut self) -> io::Result<Members> {
        skip(&mut self.members.input, self.rest + self.padding)?;
        Ok(self.members)
    }
}

fn skip(input: &mut dyn Read, count: u64) -> io::Result<()> {
    match io::copy(&mut input.take(count), &mut io::sink())? == count {
        true => Ok(()),
        false => Err(truncated()),
    }
}

fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the archive ends in the middle of a member",
    )
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is damaged: {what}"))
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what.to_owned())
}

impl Members {
    /// Begins to read; how it is compressed is told by its first bytes.
    pub(super) fn open(file: File) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let start = file.fill_buf()?;
        let input: Box<dyn Read> = match start {
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
                Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, MAX_DICTIONARY_KIB))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Box::new(decoder)
            }
            [b'B', b'Z', b'h', ..] => return Err(unsupported("it is compressed with bzip2; use gzip, xz or zstd")),
            _ => Box::new(file),
        };
        Ok(Self {
            input,
            global: BTreeMap::new(),
        })
    }

    /// The next member; `None` at the end.
    pub(super) fn next(mut self) -> io::Result<Option<Member>> {
        let mut long_path = None;
        let mut long_link = None;
        let mut pax = self.global.clone();
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = header.entry_size().map_err(|_| damaged("a length is no number"))?;
            match header.entry_type() {
                EntryType::GNULongName => long_path = Some(self.text(size, MAX_NAME_BYTES)?),
                EntryType::GNULongLink => long_link = Some(self.text(size, MAX_NAME_BYTES)?),
                EntryType::XHeader => pax.extend(self.pax(size)?),
                EntryType::XGlobalHeader => {
                    let global = self.pax(size)?;
                    self.global.extend(global.clone());
                    pax.extend(global);
                }
                _ => return member(self, &header, size, long_path, long_link, &pax).map(Some),
            }
        }
    }

    /// The next header; `None` at the archive's end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut done = 0;
        while done < BLOCK_BYTES {
            match self.input.read(block.get_mut(done..).unwrap_or_default())? {
                0 => break,
                count => done += count,
            }
        }
        if done == 0 || (done == BLOCK_BYTES && block.iter().all(|byte| *byte == 0)) {
            return Ok(None);
        }
        if done < BLOCK_BYTES {
            return Err(truncated());
        }
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(index, byte)| u32::from(if (148..156).contains(&index) { b' ' } else { *byte }))
            .sum();
        match header.cksum().is_ok_and(|stored| stored == sum) {
            true => Ok(Some(header)),
            false => Err(damaged("it is no tar archive, or a header's checksum is wrong")),
        }
    }

    /// A block's worth of content that is read as a whole.
    fn bytes(&mut self, size: u64, limit: u64) -> io::Result<Vec<u8>> {
        if size > limit {
            return Err(damaged("a name or a list of attributes is too long"));
        }
        let mut bytes = Vec::new();
        let count = (&mut self.input).take(size).read_to_end(&mut bytes)?;
        if count as u64 != size {
            return Err(truncated());
        }
        skip(&mut self.input, padding(size))?;
        Ok(bytes)
    }

    fn text(&mut self, size: u64, limit: u64) -> io::Result<Vec<u8>> {
        let mut text = self.bytes(size, limit)?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(end);
        Ok(text)
    }

    fn pax(&mut self, size: u64) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let bytes = self.bytes(size, MAX_PAX_BYTES)?;
        let records = PaxExtensions::new(&bytes).map(|record| {
            let record = record.map_err(|_| damaged("a pax record cannot be read"))?;
            Ok((record.key_bytes().to_vec(), record.value_bytes().to_vec()))
        });
        records.collect()
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_BYTES as u64
}

fn member(
    members: Members,
    header: &Header,
    size: u64,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> io::Result<Member> {
    let number = |key: &[u8]| {
        pax.get(key)
            .map(|value| decimal(value).ok_or_else(|| damaged("a number cannot be read")))
    };
    if pax.keys().any(|key| key.starts_with(b"GNU.sparse.")) || header.entry_type() == EntryType::GNUSparse {
        return Err(unsupported("it has sparse members; make it without --sparse"));
    }
    if number(b"size")
        .transpose()?
        .is_some_and(|real| real.0 != size.cast_signed())
    {
        return Err(unsupported(
            "it has a member above 8 GiB in the pax form; make it with --format=gnu",
        ));
    }
    let link = pax.get(b"linkpath".as_slice()).cloned().or(long_link);
    let link = link
        .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
        .unwrap_or_default();
    let path = pax.get(b"path".as_slice()).cloned().or(long_path);
    let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
    let (kind, is_link) = kind(header, path.ends_with(b"/"))?;
    if kind == FileKind::Symlink && (link.is_empty() || link.contains(&0)) || path.contains(&0) {
        return Err(damaged("a name or a link's target cannot be one"));
    }
    let id = |key: &[u8], stored: io::Result<u64>| {
        let id = match number(key).transpose()? {
            Some((id, _)) => u32::try_from(id).ok(),
            None => stored.ok().and_then(|id| u32::try_from(id).ok()),
        };
        id.ok_or_else(|| damaged("an owner is no number"))
    };
    let modified = match number(b"mtime").transpose()? {
        Some((seconds, nanoseconds)) => Timestamp { seconds, nanoseconds },
        None => Timestamp::from_seconds(header.mtime().unwrap_or(0).cast_signed()),
    };
    let xattrs = pax.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(b"SCHILY.xattr.")?;
        Some((name.to_vec(), value.clone()))
    });
    let has_content = kind == FileKind::File && !is_link;
    Ok(Member {
        path,
        kind,
        mode: u16::try_from(header.mode().map_err(|_| damaged("a mode is no number"))? & 0o7777).unwrap_or(0),
        uid: id(b"uid", header.uid())?,
        gid: id(b"gid", header.gid())?,
        modified,
        target: if kind == FileKind::Symlink {
            link.clone()
        } else {
            Vec::new()
        },
        hard_link: is_link.then_some(link),
        xattrs: xattrs.collect(),
        members,
        rest: if has_content { size } else { 0 },
        padding: match (has_content, is_link) {
            (true, _) => padding(size),
            // Whatever its length says, nothing follows a hard link (GNU tar).
            (false, true) => 0,
            (false, false) => size.saturating_add(padding(size)),
        },
    })
}

/// What a member is, and whether it is a hard link.
fn kind(header: &Header, ends_in_slash: bool) -> io::Result<(FileKind, bool)> {
    let device = || {
        let major = header.device_major().ok().flatten().unwrap_or(0);
        (major, header.device_minor().ok().flatten().unwrap_or(0))
    };
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous if ends_in_slash => FileKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::Link => FileKind::File,
        EntryType::Directory => FileKind::Directory,
        EntryType::Symlink => FileKind::Symlink,
        EntryType::Fifo => FileKind::Fifo,
        EntryType::Char => FileKind::CharDevice(device().0, device().1),
        EntryType::Block => FileKind::BlockDevice(device().0, device().1),
        other => {
            let letter = char::from(other.as_byte()).escape_default();
            return Err(unsupported(&format!("it has a member of the unknown type {letter}")));
        }
    };
    Ok((kind, header.entry_type() == EntryType::Link))
}

/// A number of a pax record, with what is after its point in billionths.
fn decimal(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    // Times before 1970 count backwards.
    Some(match whole.starts_with('-') && nanoseconds > 0 {
        true => (seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds),
        false => (seconds, nanoseconds),
    })
}
