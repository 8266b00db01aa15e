//! A deflate encoder for one job: the compressed clusters of qcow2 images.
//!
//! qemu inflates a cluster with a window of 4 KiB, so no match may reach further back. Encoders made for 32 KiB spend time and
//! memory on a window that is not theirs to use; with one of 4 KiB, all tables (56 KiB) are as near to the processor as its
//! first or second cache, and 16-bit numbers count every place. The streams are ordinary raw deflate (RFC 1951).
//!
//! ```
//! use imgctl_deflate::Encoder;
//!
//! let cluster = b"what is in a cluster ".repeat(3000);
//! let mut encoder = Encoder::new(6);
//! let mut streams = Vec::new();
//! let length = encoder.compress(&cluster, cluster.len() - 1, &mut streams);
//! assert_eq!(length, Some(streams.len()));
//! assert!(streams.len() < 1000);
//! ```
//!
//! # How
//! - Chains of places with the same hash of four bytes, and the last place with the same hash of three, in 16-bit tables.
//!   Stale entries need no cleaning: bytes are compared before a match is believed.
//! - Whatever tells whether a position begins a match is loaded and compared before the first branch, because such branches are
//!   guessed wrong.
//! - Levels 3 to 7 look one position ahead for a better match, 8 and 9 two; up to level 6 at one place only.
//! - What is parsed is counted per 8 KiB, from level 7 on per 4 KiB; neighbours whose symbols are alike are joined into blocks, those that gain most first. Each
//!   block is dynamic, fixed or stored, by exact size.
//! - Bytes that are compressed already are passed in growing steps.
//!
//! # Invariants
//! - No match reaches back further than 4096 bytes, or before the start of the input.
//! - The same input and level give the same bytes on every machine, whatever the encoder did before.
//! - Time is bounded: each position costs at most the attempts of its level. Memory is bounded: half a MiB
//!   whatever the input's length, apart from the output.
//! - No code is incomplete, so strict decoders are content.
//! - No `unsafe` code; no instructions that only some processors have.
//!
//! # Figures
//! Every fourth cluster of a Debian 13 image that is not zero (2124 of 64 KiB), one thread of an AMD EPYC (Zen 5), processor
//! time, the median of five runs; sizes beside zlib's:
//!
//! | encoder | MB/s | bytes | |
//! |---|---|---|---|
//! | zlib 1.2.13 as qemu-img calls it (level 6, 4 KiB) | 50 | 57,629,926 | |
//! | zlib-rs, level 6, 4 KiB | 124 | 58,477,317 | +1.5 % |
//! | libdeflate 1.25, level 6, 32 KiB, which the format does not allow | 128 | 54,631,721 | −5.2 % |
//! | level 1 | 267 | 58,951,216 | +2.3 % |
//! | level 3 | 234 | 57,683,811 | +0.1 % |
//! | level 6 | 240 | 57,420,130 | −0.4 % |
//! | level 7 | 184 | 56,724,103 | −1.6 % |
//! | level 9 | 91 | 56,503,786 | −2.0 % |
//!
//! To measure all but the first line again, on any raw image:
//! `cargo run --release -p imgctl-deflate --example measure -- IMAGE.raw`.
//!
//! Deliberately absent: other windows, zlib and gzip headers, streaming, dictionaries, and inflating.

mod bits;
mod block;
mod huffman;
mod level;
mod parse;
mod split;
mod symbols;
mod window;

use bits::BitWriter;
use block::Block;
use parse::{PARSERS, Parse, Parsed};
use split::Kept;
use symbols::END_OF_BLOCK;
use window::{RING, Window};

/// Compresses inputs into raw deflate streams. Costly to make, cheap to use again: once it has seen a few inputs, it takes nothing
/// from the heap but what the output needs.
#[derive(Debug)]
pub struct Encoder {
    parse: Parse,
    window: Window,
    parsed: Parsed,
    kept: Vec<Kept>,
    blocks: Vec<Block>,
}

/// An input longer than the ring is compressed in parts.
const PART: usize = 48 * 1024;
/// How far the parser looks ahead of a part's end.
const AHEAD: usize = 1024;

impl Encoder {
    /// Levels are 1 (fastest) to 9 (smallest); others count as the nearest. 6 is a good one.
    #[must_use]
    pub fn new(level: u32) -> Self {
        let index = level.clamp(1, 9) as usize - 1;
        Self {
            parse: PARSERS[index],
            window: Window::new(),
            parsed: Parsed::default(),
            kept: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Appends the stream of `input` to `out` and returns its length in bytes; `None`, and nothing is appended, when it
    /// would be longer than `limit` bytes.
    ///
    /// Any length of input will do; those of up to 64 KiB are compressed in one piece.
    pub fn compress(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<usize> {
        let start = out.len();
        let done = self.compress_parts(input, limit, out);
        let length = done.map_or(0, |()| out.len() - start);
        out.truncate(start + length);
        done.map(|()| length)
    }

    fn compress_parts(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        self.window.reset();
        let part = if input.len() <= RING { RING } else { PART };
        let mut filled = 0;
        let mut position = 0;
        let mut left = (0, 0);
        loop {
            let end = input.len().min(position + part);
            let ahead = input.len().min(end + AHEAD);
            self.window.fill(filled, &input[filled..ahead]);
            filled = ahead;
            let from = position;
            position = (self.parse)(&mut self.window, input, (from, end), &mut self.parsed);
            let last = position == input.len();
            split::join(&mut self.parsed.segments, &mut self.kept);
            let room = limit.checked_sub(out.len() - start)?;
            left = self.write(input, from, last, room, left, out)?;
            if last {
                if left.1 > 0 {
                    out.push(left.0 as u8);
                }
                return (out.len() - start <= limit).then_some(());
            }
        }
    }

    /// Writes what was parsed; returns the bits left over.
    fn write(
        &mut self,
        input: &[u8],
        start: usize,
        last: bool,
        room: usize,
        left: (u64, u32),
        out: &mut Vec<u8>,
    ) -> Option<(u64, u32)> {
        let mut bits = left.1 as usize;
        let mut from = start;
        self.blocks.clear();
        for kept in &self.kept {
            let segment = &mut self.parsed.segments[kept.index];
            segment.counts.litlen[END_OF_BLOCK] = 1;
            let ends = (segment.end, segment.sequences_end);
            let block = Block::plan(&segment.counts, segment.end - from, ends, &mut bits);
            self.blocks.push(block);
            from = segment.end;
        }
        if self.blocks.is_empty() {
            let mut counts = parse::Counts::NONE;
            counts.litlen[END_OF_BLOCK] = 1;
            self.blocks.push(Block::plan(&counts, 0, (start, 0), &mut bits));
        }
        if bits.div_ceil(8) > room {
            return None;
        }
        let at = out.len();
        out.resize(at + bits / 8 + 8, 0);
        let mut writer = BitWriter::new(&mut out[at..], left);
        let (mut from, mut sequence) = (start, 0);
        for (index, block) in self.blocks.iter().enumerate() {
            let sequences = &self.parsed.sequences[sequence..block.sequences_end];
            let last = last && index + 1 == self.blocks.len();
            block.write(&input[from..block.end], sequences, last, &mut writer);
            (from, sequence) = (block.end, block.sequences_end);
        }
        let (written, left) = writer.finish();
        debug_assert_eq!(written * 8 + left.1 as usize, bits);
        out.truncate(at + written);
        Some(left)
    }
}
