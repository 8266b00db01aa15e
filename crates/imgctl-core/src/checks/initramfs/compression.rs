//! How an initramfs is compressed, told by its first bytes: gzip, xz, lzma, zstd, lz4. bzip2 and lzo are refused by name.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use std::io::{self, BufRead, Read};

/// As much memory as a dictionary of xz or lzma may take.
const MAX_DICTIONARY_KIB: u32 = 192 << 10;
/// The largest window of zstd, as its logarithm: 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// What is compressed in `input`, which begins with `start`. It ends where the compressed stream does.
pub(super) fn decoder<'i, R: BufRead>(start: &[u8], input: &'i mut R) -> io::Result<Box<dyn Read + 'i>> {
    let unknown = |what: &str| io::Error::new(io::ErrorKind::Unsupported, what.to_owned());
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::GzDecoder::new(input)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(input, false, MAX_DICTIONARY_KIB))
        }
        [0x5d, 0, 0, ..] => {
            let reader = lzma_rust2::LzmaReader::new_mem_limit(ByteByByte(input), MAX_DICTIONARY_KIB, None);
            Box::new(reader.map_err(io::Error::other)?)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
        [0x02, 0x21, 0x4c, 0x18, ..] => Box::new(Lz4::new(input)?),
        [0x04, 0x22, 0x4d, 0x18, ..] => return Err(unknown("it is an lz4 frame; kernels only take the legacy one")),
        [b'B', b'Z', b'h', ..] => return Err(unknown("it is compressed with bzip2, which is not read")),
        [0x89, b'L', b'Z', b'O', ..] => return Err(unknown("it is compressed with lzo, which is not read")),
        _ => return Err(unknown("it is neither an archive nor compressed in a known way")),
    })
}

/// Gives a byte at a time, so that a decoder that buffers takes nothing of what follows its stream.
struct ByteByByte<'i, R>(&'i mut R);

impl<R: BufRead> Read for ByteByByte<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(buffer.get_mut(..end).unwrap_or_default())
    }
}

const LZ4_MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// What each block but the last unpacks to.
const LZ4_BLOCK_BYTES: usize = 8 << 20;
/// As long as a block that does not compress can become.
const LZ4_MAX_COMPRESSED: u32 = (8 << 20) + (8 << 20) / 255 + 16;

/// lz4's legacy frame: blocks with their lengths before them, no end mark (lz4_Frame_format.md, "Legacy frame").
struct Lz4<'i, R> {
    input: &'i mut R,
    block: Vec<u8>,
    /// Where in the block the stream stands, and where it ends.
    start: usize,
    end: usize,
    is_over: bool,
}

impl<'i, R: BufRead> Lz4<'i, R> {
    fn new(input: &'i mut R) -> io::Result<Self> {
        input.read_exact(&mut [0; 4])?;
        Ok(Self {
            input,
            block: vec![0; LZ4_BLOCK_BYTES],
            start: 0,
            end: 0,
            is_over: false,
        })
    }

    fn next_block(&mut self) -> io::Result<()> {
        // Zeros behind the last block fill up the file or the place before the next archive.
        if self.input.fill_buf()?.is_empty() {
            self.is_over = true;
            return Ok(());
        }
        let mut length = [0; 4];
        let available = read_up_to(self.input, &mut length)?;
        if length == LZ4_MAGIC {
            return Ok(());
        }
        let length = u32::from_le_bytes(length);
        if available < 4 || length == 0 {
            self.is_over = true;
            return Ok(());
        }
        let damaged = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        if length > LZ4_MAX_COMPRESSED {
            return Err(damaged("a block of lz4 is too long"));
        }
        let mut compressed = vec![0; usize::try_from(length).unwrap_or(0)];
        self.input.read_exact(&mut compressed)?;
        let count = lz4_flex::block::decompress_into(&compressed, &mut self.block);
        self.end = count.map_err(|_| damaged("a block of lz4 is damaged"))?;
        self.start = 0;
        Ok(())
    }
}

/// Fills as much of the buffer as there is.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0_usize;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match input.read(rest)? {
            0 => break,
            count => done = done.saturating_add(count),
        }
    }
    Ok(done)
}

impl<R: BufRead> Read for Lz4<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end && !self.is_over {
            self.next_block()?;
        }
        let left = self.block.get(self.start..self.end).unwrap_or_default();
        let count = left.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.start = self.start.saturating_add(count);
        Ok(count)
    }
}
