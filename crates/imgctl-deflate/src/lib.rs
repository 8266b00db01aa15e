//! A deflate encoder for one job: the compressed clusters of qcow2 images.

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
use level::{EFFORTS, Effort};
use parse::{Parsed, parse};
use split::Kept;
use symbols::END_OF_BLOCK;
use window::{RING, Window};

/// Compresses inputs into raw deflate streams; makes nothing on the heap once it is warm.
#[derive(Debug)]
pub struct Encoder {
    effort: Effort,
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
    /// Levels are 1 (fastest) to 9 (smallest); others count as the nearest.
    #[must_use]
    pub fn new(level: u32) -> Self {
        let index = level.clamp(1, 9) as usize - 1;
        Self {
            effort: EFFORTS[index],
            window: Window::new(),
            parsed: Parsed::default(),
            kept: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Appends the stream of `input` to `out` and returns its length in bytes; `None`, and nothing is appended, when it
    /// would be longer than `limit`.
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
            position = parse(&mut self.window, input, (from, end), self.effort, &mut self.parsed);
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
