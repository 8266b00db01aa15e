//! Blocks: where they begin and end, the cheapest of the three kinds, and their bits.

use crate::bits::BitWriter;
use crate::huffman::{MAX_BITS, canonical_codes, code_lengths};
use crate::parse::{Counts, NO_MATCH, Sequence};
use crate::symbols::{
    DIST_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA, LENGTH_SLOT, LITLEN_SYMBOLS, distance_extra,
};

/// In which order a dynamic block gives the lengths of the code-length code.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// How many bits follow the symbols of the code-length code.
const RUN_EXTRA: [u32; 19] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];
/// The most that one stored block holds.
const STORED_MAX: usize = 65535;

/// The lengths of both codes of a block.
#[derive(Clone, Debug)]
pub(crate) struct Lengths {
    litlen: [u8; LITLEN_SYMBOLS],
    dist: [u8; DIST_SYMBOLS],
}

impl Lengths {
    /// The codes that need no description.
    const FIXED: Self = {
        let mut litlen = [8; LITLEN_SYMBOLS];
        let mut symbol = 144;
        while symbol < 280 {
            litlen[symbol] = if symbol < 256 { 9 } else { 7 };
            symbol += 1;
        }
        Self {
            litlen,
            dist: [5; DIST_SYMBOLS],
        }
    };

    fn of(counts: &Counts) -> Self {
        let mut lengths = Self {
            litlen: [0; LITLEN_SYMBOLS],
            dist: [0; DIST_SYMBOLS],
        };
        // The last two symbols of either are not for use.
        let (litlen, _) = counts.litlen.split_at(LITLEN_SYMBOLS - 2);
        let (dist, _) = counts.dist.split_at(DIST_SYMBOLS - 2);
        code_lengths(litlen, MAX_BITS, &mut lengths.litlen[..LITLEN_SYMBOLS - 2]);
        code_lengths(dist, MAX_BITS, &mut lengths.dist[..DIST_SYMBOLS - 2]);
        lengths
    }

    /// How many bits all symbols take, with the bits that follow them.
    fn bits(&self, counts: &Counts) -> usize {
        let mut bits = 0;
        for (&count, &length) in counts.litlen.iter().zip(&self.litlen) {
            bits += count * u32::from(length);
        }
        for (&count, &extra) in counts.litlen[FIRST_LENGTH..].iter().zip(&LENGTH_EXTRA) {
            bits += count * u32::from(extra);
        }
        for (slot, (&count, &length)) in counts.dist.iter().zip(&self.dist).enumerate() {
            bits += count * (u32::from(length) + distance_extra(slot));
        }
        bits as usize
    }
}

/// How a dynamic block describes its codes.
#[derive(Clone, Debug)]
struct Description {
    litlen_count: usize,
    dist_count: usize,
    order_count: usize,
    /// Symbols of the code-length code, and the values of the bits that follow them.
    symbols: [(u8, u8); LITLEN_SYMBOLS + DIST_SYMBOLS],
    symbols_count: usize,
    lengths: [u8; 19],
    bits: usize,
}

impl Description {
    fn of(lengths: &Lengths) -> Self {
        let used = |lengths: &[u8], least: usize| {
            let last = lengths.iter().rposition(|&length| length > 0);
            last.map_or(least, |last| least.max(last + 1))
        };
        let litlen_count = used(&lengths.litlen, FIRST_LENGTH);
        let dist_count = used(&lengths.dist, 1);
        let mut all = [0; LITLEN_SYMBOLS + DIST_SYMBOLS];
        all[..litlen_count].copy_from_slice(&lengths.litlen[..litlen_count]);
        let all_count = litlen_count + dist_count;
        all[litlen_count..all_count].copy_from_slice(&lengths.dist[..dist_count]);

        let mut symbols = [(0, 0); LITLEN_SYMBOLS + DIST_SYMBOLS];
        let mut counts = [0; 19];
        let symbols_count = runs(&all[..all_count], &mut symbols, &mut counts);
        let mut code = [0; 19];
        code_lengths(&counts, 7, &mut code);
        let last = ORDER.iter().rposition(|&symbol| code[symbol] > 0);
        let order_count = last.map_or(4, |last| (last + 1).max(4));
        let coded: u32 = (0..19)
            .map(|symbol| counts[symbol] * (u32::from(code[symbol]) + RUN_EXTRA[symbol]))
            .sum();
        Self {
            litlen_count,
            dist_count,
            order_count,
            symbols,
            symbols_count,
            lengths: code,
            bits: 14 + 3 * order_count + coded as usize,
        }
    }

    fn write(&self, writer: &mut BitWriter<'_>) {
        writer.put((self.litlen_count - FIRST_LENGTH) as u64, 5);
        writer.put((self.dist_count - 1) as u64, 5);
        writer.put((self.order_count - 4) as u64, 4);
        writer.flush();
        for &symbol in &ORDER[..self.order_count] {
            writer.put(u64::from(self.lengths[symbol]), 3);
            writer.flush();
        }
        let mut codes = [0; 19];
        canonical_codes(&self.lengths, &mut codes);
        for &(symbol, extra) in &self.symbols[..self.symbols_count] {
            let symbol = usize::from(symbol);
            writer.put(u64::from(codes[symbol]), u32::from(self.lengths[symbol]));
            writer.put(u64::from(extra), RUN_EXTRA[symbol]);
            writer.flush();
        }
    }
}

/// Turns code lengths into symbols of the code-length code, counts those, and returns how many there are.
fn runs(all: &[u8], symbols: &mut [(u8, u8)], counts: &mut [u32; 19]) -> usize {
    let mut made = 0;
    let mut push = |symbol: u8, extra: usize| {
        symbols[made] = (symbol, extra as u8);
        counts[usize::from(symbol)] += 1;
        made += 1;
    };
    let mut rest = all;
    while let Some(&length) = rest.first() {
        let mut run = rest.iter().take_while(|&&other| other == length).count();
        rest = &rest[run..];
        if length == 0 {
            while run >= 11 {
                let part = run.min(138);
                push(18, part - 11);
                run -= part;
            }
            if run >= 3 {
                push(17, run - 3);
                run = 0;
            }
        } else {
            push(length, 0);
            run -= 1;
            while run >= 3 {
                let part = run.min(6);
                push(16, part - 3);
                run -= part;
            }
        }
        for _ in 0..run {
            push(length, 0);
        }
    }
    made
}

/// How a block is written.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

/// A block as it will be written.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    kind: Kind,
    /// Of the dynamic codes, also where another kind was chosen: blocks lie in one piece of memory.
    lengths: Lengths,
    description: Description,
    /// Its end in the input.
    pub(crate) end: usize,
    pub(crate) sequences_end: usize,
}

impl Block {
    /// Chooses the cheapest kind for what `counts` (with the end of the block) counts, which is `bytes` long; adds the
    /// block's bits to `total`.
    pub(crate) fn plan(counts: &Counts, bytes: usize, (end, sequences_end): (usize, usize), total: &mut usize) -> Self {
        let lengths = Lengths::of(counts);
        let description = Description::of(&lengths);
        let dynamic = 3 + description.bits + lengths.bits(counts);
        let fixed = 3 + Lengths::FIXED.bits(counts);
        let pieces = bytes.div_ceil(STORED_MAX).max(1);
        // Up to the next byte, then two bytes of length, and two again.
        let padding = (8 - (*total + 3) % 8) % 8;
        let stored = 3 + padding + 32 + (pieces - 1) * 40 + 8 * bytes;
        let (kind, bits) = if stored <= dynamic && stored <= fixed {
            (Kind::Stored, stored)
        } else if fixed <= dynamic {
            (Kind::Fixed, fixed)
        } else {
            (Kind::Dynamic, dynamic)
        };
        *total += bits;
        Self {
            kind,
            lengths,
            description,
            end,
            sequences_end,
        }
    }

    /// Writes the block of `sequences`, which stand for `input`.
    pub(crate) fn write(&self, input: &[u8], sequences: &[Sequence], last: bool, writer: &mut BitWriter<'_>) {
        match self.kind {
            Kind::Stored => write_stored(input, last, writer),
            Kind::Fixed => {
                writer.put(u64::from(last) | 1 << 1, 3);
                write_coded(&Lengths::FIXED, input, sequences, writer);
            }
            Kind::Dynamic => {
                writer.put(u64::from(last) | 2 << 1, 3);
                self.description.write(writer);
                write_coded(&self.lengths, input, sequences, writer);
            }
        }
    }
}

fn write_stored(input: &[u8], last: bool, writer: &mut BitWriter<'_>) {
    let mut pieces = input.chunks(STORED_MAX).peekable();
    while let Some(piece) = pieces.next() {
        writer.put(u64::from(last && pieces.peek().is_none()), 3);
        let length = piece.len() as u16;
        let [low, high] = length.to_le_bytes();
        writer.put_bytes(&[low, high, !low, !high]);
        writer.put_bytes(piece);
    }
    if input.is_empty() {
        writer.put(u64::from(last), 3);
        writer.put_bytes(&[0, 0, 0xff, 0xff]);
    }
}

/// Codes ready to be written: the bits, and how many of them from bit 24 on.
#[derive(Debug)]
struct Coded {
    literals: [u32; 256],
    /// By length less 3, with the bits that follow the symbol.
    lengths: [u32; 256],
    /// By the distance's symbol; from bit 16 on how many bits follow.
    distances: [u32; DIST_SYMBOLS],
    end: u32,
}

impl Coded {
    fn of(lengths: &Lengths) -> Self {
        let mut codes = [0; LITLEN_SYMBOLS];
        canonical_codes(&lengths.litlen, &mut codes);
        let entry = |symbol: usize| u32::from(codes[symbol]) | u32::from(lengths.litlen[symbol]) << 24;
        let mut coded = Self {
            literals: std::array::from_fn(entry),
            lengths: [0; 256],
            distances: [0; DIST_SYMBOLS],
            end: entry(END_OF_BLOCK),
        };
        for (length, place) in coded.lengths.iter_mut().enumerate() {
            let slot = usize::from(LENGTH_SLOT[length]);
            let symbol = FIRST_LENGTH + slot;
            let extra = (length - usize::from(LENGTH_BASE[slot])) as u32;
            *place = (entry(symbol) | extra << lengths.litlen[symbol]) + (u32::from(LENGTH_EXTRA[slot]) << 24);
        }
        let mut codes = [0; DIST_SYMBOLS];
        canonical_codes(&lengths.dist, &mut codes);
        for (slot, place) in coded.distances.iter_mut().enumerate() {
            let bits = u32::from(lengths.dist[slot]);
            *place = u32::from(codes[slot]) | distance_extra(slot) << 16 | bits << 24;
        }
        coded
    }
}

fn write_coded(lengths: &Lengths, input: &[u8], sequences: &[Sequence], outer: &mut BitWriter<'_>) {
    let coded = Coded::of(lengths);
    // A writer of its own stays in registers.
    let mut inner = outer.reborrow();
    let writer = &mut inner;
    let put = |writer: &mut BitWriter<'_>, entry: u32| {
        writer.put(u64::from(entry & 0x00ff_ffff), entry >> 24);
    };
    let mut rest = input;
    for sequence in sequences {
        let run = usize::from(sequence.literals);
        let (literals, behind) = rest.split_at(run);
        match rest.first_chunk::<3>() {
            // Three are looked up whatever the number, which nobody could guess; those too many have no bits.
            Some(&[first, second, third]) if run <= 3 => {
                let only_if = |wanted: usize, literal: u8| {
                    coded.literals[usize::from(literal)] & u32::from(run <= wanted).wrapping_sub(1)
                };
                put(writer, only_if(0, first));
                put(writer, only_if(1, second));
                put(writer, only_if(2, third));
                writer.flush();
            }
            _ => {
                for three in literals.chunks(3) {
                    for &literal in three {
                        put(writer, coded.literals[usize::from(literal)]);
                    }
                    writer.flush();
                }
            }
        }
        if sequence.slot == NO_MATCH {
            rest = behind;
            continue;
        }
        put(writer, coded.lengths[usize::from(sequence.length)]);
        let distance = coded.distances[usize::from(sequence.slot) % DIST_SYMBOLS];
        let bits = distance >> 24;
        writer.put(
            u64::from(distance & 0xffff) | u64::from(sequence.extra) << bits,
            bits + (distance >> 16 & 0xff),
        );
        writer.flush();
        rest = &behind[usize::from(sequence.length) + 3..];
    }
    put(writer, coded.end);
    writer.flush();
    let state = inner.state();
    outer.resume(state);
}
