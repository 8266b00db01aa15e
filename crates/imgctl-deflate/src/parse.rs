//! From bytes to literals and matches, counted per segment.

use crate::level::{EFFORTS, Effort};
use crate::symbols::{DIST_SYMBOLS, FIRST_LENGTH, LENGTH_SLOT, LITLEN_SYMBOLS, MIN_MATCH, distance_slot};
use crate::window::{Match, TAIL, Window};

/// After 2^8 literals in a row every second position is looked at, after twice as many every third, and so on until the
/// segment's end: bytes that are compressed already cost little time that way.
const HASTE: u32 = 8;

/// Some literals and then a match, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// How many literals; at most a segment's.
    pub(crate) literals: u16,
    /// The match's length less 3.
    pub(crate) length: u8,
    /// The symbol of its distance, or [`NO_MATCH`].
    pub(crate) slot: u8,
    /// The value of the bits that follow the symbol of the distance.
    pub(crate) extra: u16,
}

/// No distance has this symbol.
pub(crate) const NO_MATCH: u8 = 31;

/// How often each symbol occurs.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) litlen: [u32; LITLEN_SYMBOLS],
    pub(crate) dist: [u32; DIST_SYMBOLS],
}

impl Counts {
    pub(crate) const NONE: Self = Self {
        litlen: [0; LITLEN_SYMBOLS],
        dist: [0; DIST_SYMBOLS],
    };

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, count) in self.litlen.iter_mut().zip(&other.litlen) {
            *sum += count;
        }
        for (sum, count) in self.dist.iter_mut().zip(&other.dist) {
            *sum += count;
        }
    }
}

/// A part of the input, as sequences.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its end in the input.
    pub(crate) end: usize,
    /// Its last sequence, plus one.
    pub(crate) sequences_end: usize,
    /// Without the end of the block.
    pub(crate) counts: Counts,
}

/// What the parser found.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) segments: Vec<Segment>,
}

/// Parses an input from the first to the second position; stops at the first end of a match at or behind the latter and returns
/// where that is.
///
/// The window holds the input up to 1024 bytes behind there, or to its end.
pub(crate) type Parse = fn(&mut Window, &[u8], (usize, usize), &mut Parsed) -> usize;

/// Of each level from 1 to 9. Each has code of its own, in which its effort is constants.
pub(crate) const PARSERS: [Parse; 9] = [
    parse::<1>, parse::<2>, parse::<3>, parse::<4>, parse::<5>, parse::<6>, parse::<7>, parse::<8>, parse::<9>,
];

fn parse<const LEVEL: usize>(
    window: &mut Window,
    input: &[u8],
    (start, end): (usize, usize),
    parsed: &mut Parsed,
) -> usize {
    parsed.sequences.clear();
    parsed.segments.clear();
    let effort = const { EFFORTS[LEVEL - 1] };
    let mut position = start;
    while position < end {
        parsed.segments.push(Segment {
            end: 0,
            sequences_end: 0,
            counts: Counts::NONE,
        });
        let Some(segment) = parsed.segments.last_mut() else {
            break;
        };
        let segment_end = end.min(position + effort.segment);
        position = parse_segment(
            window,
            input,
            (position, segment_end),
            effort,
            &mut parsed.sequences,
            &mut segment.counts,
        );
        segment.end = position;
        segment.sequences_end = parsed.sequences.len();
    }
    position
}

#[inline(always)]
fn parse_segment(
    window: &mut Window,
    input: &[u8],
    (start, end): (usize, usize),
    effort: Effort,
    sequences: &mut Vec<Sequence>,
    counts: &mut Counts,
) -> usize {
    let mut position = start;
    let mut literals = start;
    let seek_end = end.min(input.len().saturating_sub(TAIL - 1));
    while position < seek_end {
        let rest = input.len() - position;
        let mut found = window.longest(position, 2, rest, effort.nice, effort.depth);
        if found.distance == 0 {
            counts.litlen[usize::from(input[position])] += 1;
            position += 1;
            let more = (position - literals) >> HASTE;
            if more > 0 {
                let next = seek_end.min(position + more);
                count_literals(&input[position..next], counts);
                position = next;
            }
            continue;
        }
        let mut entered = position + 1;
        let mut lookahead = 0;
        while lookahead < effort.lazy && found.length < effort.nice && entered < seek_end {
            let rest = input.len() - entered;
            let depth = effort.lazy_depth >> lookahead;
            lookahead += 1;
            let next = window.longest(entered, found.length - 1, rest, effort.nice, depth);
            if next.distance > 0 && better(found, next, lookahead) {
                count_literals(&input[position..entered], counts);
                position = entered;
                found = next;
                lookahead = 0;
            }
            entered += 1;
        }
        let match_end = position + found.length;
        if found.distance == 1 {
            // All places within a run look alike; its end will do.
            entered = entered.max(match_end.saturating_sub(16));
        }
        window.skip(entered, match_end.min(input.len().saturating_sub(TAIL - 1)));
        push(position - literals, found, sequences, counts);
        position = match_end;
        literals = match_end;
    }
    let literals_end = position.max(end.min(input.len()));
    count_literals(&input[position..literals_end], counts);
    let position = literals_end;
    if literals < position {
        let rest = &input[literals..position];
        sequences.push(Sequence {
            literals: rest.len() as u16,
            length: 0,
            slot: NO_MATCH,
            extra: 0,
        });
    }
    position
}

/// Whether `next`, which begins `later` bytes later, is worth the literals before it.
#[inline(always)]
fn better(found: Match, next: Match, later: u32) -> bool {
    let longer = next.length as i32 - found.length as i32;
    let nearer = found.distance.ilog2() as i32 - next.distance.ilog2() as i32;
    // In quarters of a byte.
    4 * longer + nearer > later as i32 * 4 - 2
}

#[inline(always)]
fn count_literals(literals: &[u8], counts: &mut Counts) {
    for &literal in literals {
        counts.litlen[usize::from(literal)] += 1;
    }
}

#[inline(always)]
fn push(literals: usize, found: Match, sequences: &mut Vec<Sequence>, counts: &mut Counts) {
    let length = (found.length - MIN_MATCH) as u8;
    let (slot, extra) = distance_slot(found.distance as u32);
    counts.litlen[FIRST_LENGTH + usize::from(LENGTH_SLOT[usize::from(length)])] += 1;
    counts.dist[usize::from(slot) % DIST_SYMBOLS] += 1;
    sequences.push(Sequence {
        literals: literals as u16,
        length,
        slot,
        extra,
    });
}
