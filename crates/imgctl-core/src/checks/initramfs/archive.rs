//! An initramfs: cpio archives one after the other, plain or compressed, with zeros between them.
//!
//! Facts: "initramfs buffer format" of the kernel's documentation; early microcode is a plain archive before the rest.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::compression::decoder;
use super::module_name;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};

const HEADER_BYTES: usize = 110;
/// A name is a path.
const MAX_NAME_BYTES: u64 = 4096;
/// As many files as an initramfs may have.
const MAX_ENTRIES: u64 = 1 << 20;
const BUFFER_BYTES: usize = 1 << 16;

/// The names of all modules in an initramfs that unpacks to no more than `limit_bytes`.
pub(in crate::checks) fn modules(file: impl Read, limit_bytes: u64) -> io::Result<BTreeSet<Vec<u8>>> {
    let mut input = Input::new(file, u64::MAX);
    let mut names = Names {
        found: BTreeSet::new(),
        entries: 0,
    };
    let mut left = limit_bytes;
    loop {
        input.skip_zeros()?;
        let start = input.peek(6)?.to_vec();
        if start.is_empty() {
            return Ok(names.found);
        }
        if is_archive(&start) {
            let before = input.taken;
            input.limit = before.saturating_add(left);
            names.read(&mut input)?;
            left = left.saturating_sub(input.taken.saturating_sub(before));
            input.limit = u64::MAX;
            continue;
        }
        let mut inner = Input::new(decoder(&start, &mut input)?, left);
        loop {
            inner.skip_zeros()?;
            match inner.peek(6)? {
                [] => break,
                start if is_archive(start) => names.read(&mut inner)?,
                _ => return Err(damaged("what is compressed in it is no archive")),
            }
        }
        left = left.saturating_sub(inner.taken);
    }
}

fn is_archive(start: &[u8]) -> bool {
    matches!(start, b"070701" | b"070702")
}

fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

struct Names {
    found: BTreeSet<Vec<u8>>,
    entries: u64,
}

impl Names {
    /// Reads one archive up to its trailer.
    fn read(&mut self, input: &mut Input<impl Read>) -> io::Result<()> {
        loop {
            let mut header = [0; HEADER_BYTES];
            input.read_exact(&mut header)?;
            let field = |index: usize| number(&header, index).ok_or_else(|| damaged("an archive's header is damaged"));
            let (file_bytes, name_bytes) = (field(6)?, field(11)?);
            if !is_archive(header.get(..6).unwrap_or_default()) || name_bytes == 0 || name_bytes > MAX_NAME_BYTES {
                return Err(damaged("an archive's header is damaged"));
            }
            let mut name = vec![0; usize::try_from(name_bytes).unwrap_or(0)];
            input.read_exact(&mut name)?;
            let name = name.strip_suffix(b"\0").unwrap_or(&name);
            input.skip(padding(name_bytes.saturating_add(110)))?;
            if name == b"TRAILER!!!" {
                return Ok(());
            }
            input.skip(file_bytes.saturating_add(padding(file_bytes)))?;
            self.entries = self.entries.saturating_add(1);
            if self.entries > MAX_ENTRIES {
                return Err(damaged("it holds too many files"));
            }
            let is_below = name.windows(12).any(|part| part == b"lib/modules/");
            self.found.extend(module_name(name).filter(|_| is_below));
        }
    }
}

/// A header's field: eight hexadecimal digits.
fn number(header: &[u8; HEADER_BYTES], index: usize) -> Option<u64> {
    let start = index.checked_mul(8)?.checked_add(6)?;
    let digits = header.get(start..start.checked_add(8)?)?;
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u64::from_str_radix(text, 16).ok()
}

/// How many bytes fill up to a multiple of four.
fn padding(bytes: u64) -> u64 {
    bytes.wrapping_neg() & 3
}

/// A stream that can be looked into ahead, and that ends with an error when more than a limit was taken from it.
pub(super) struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where in the buffer the stream stands.
    start: usize,
    /// Bytes taken.
    taken: u64,
    limit: u64,
}

impl<R: Read> Input<R> {
    fn new(source: R, limit: u64) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            taken: 0,
            limit,
        }
    }

    /// The next bytes, fewer only at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffered().len() < count && self.fill()? > 0 {}
        let buffered = self.buffered();
        Ok(buffered.get(..count).unwrap_or(buffered))
    }

    /// Adds what the source has to the buffer; how many bytes.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length.saturating_add(BUFFER_BYTES), 0);
        let count = self.source.read(self.buffer.get_mut(length..).unwrap_or_default());
        self.buffer
            .truncate(length.saturating_add(*count.as_ref().unwrap_or(&0)));
        count
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let buffered = self.fill_buf()?;
            let zeros = buffered.iter().take_while(|byte| **byte == 0).count();
            let is_over = zeros < buffered.len() || buffered.is_empty();
            self.take(zeros)?;
            if is_over {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            let buffered = self.fill_buf()?.len();
            if buffered == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = buffered.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.take(count)?;
            left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> io::Result<()> {
        self.consume(count);
        match self.taken > self.limit {
            true => Err(damaged("it unpacks to too much")),
            false => Ok(()),
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)?;
        Ok(self.buffered())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
        self.taken = self.taken.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let buffered = self.fill_buf()?;
        let count = buffered.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), buffered.get(..count)) {
            to.copy_from_slice(from);
        }
        self.take(count)?;
        Ok(count)
    }
}
