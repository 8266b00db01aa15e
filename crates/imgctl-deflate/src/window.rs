//! The bytes that matches are sought in, and the chains that say where the same bytes were seen before.

use crate::symbols::{MAX_MATCH, MIN_MATCH};

/// No match reaches further back.
pub(crate) const WINDOW: usize = 4096;
/// The ring holds the window, what is being compressed and what is looked at ahead of it. As 16-bit numbers count its
/// places, no place needs a check.
pub(crate) const RING: usize = 1 << 16;
/// The ring's first bytes follow its last ones again, so that a match, read 8 bytes at a time, never wraps around.
const MIRROR: usize = 272;

const HASH3_BITS: u32 = 13;
const HASH4_BITS: u32 = 14;
/// From here on to the end of the input nothing is sought.
pub(crate) const TAIL: usize = 4;

/// A length and how far back; the length is what was to be exceeded, and the distance 0, if nothing was found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Match {
    pub(crate) length: usize,
    pub(crate) distance: usize,
}

/// The place of the input's first byte: no place that the tables begin with lies within the window before it.
const FIRST: usize = WINDOW + 1;

/// Where a position of the input lies in the ring.
#[inline(always)]
fn place_of(position: usize) -> u16 {
    position.wrapping_add(FIRST) as u16
}

/// Where the bytes of the input are, and where they occurred before.
///
/// A place that a table gives may be stale, of a position that is long gone, but it is only ever used for a distance
/// within the window, whose bytes are then compared.
pub(crate) struct Window {
    ring: Box<[u8; RING + MIRROR]>,
    /// The last place where three bytes with this hash began.
    head3: Box<[u16; 1 << HASH3_BITS]>,
    /// The last place where four bytes with this hash began.
    head4: Box<[u16; 1 << HASH4_BITS]>,
    /// Of each place of the window, the place before it with the same hash of four bytes.
    back: Box<[u16; WINDOW]>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            ring: Box::new([0; RING + MIRROR]),
            head3: Box::new([0; 1 << HASH3_BITS]),
            head4: Box::new([0; 1 << HASH4_BITS]),
            back: Box::new([0; WINDOW]),
        }
    }

    /// Forgets everything. What the ring holds may stay: no match reaches behind the start of the input.
    pub(crate) fn reset(&mut self) {
        self.head3.fill(0);
        self.head4.fill(0);
        self.back.fill(0);
    }

    /// Puts `bytes`, which begin at `position` of the input, in the ring.
    pub(crate) fn fill(&mut self, position: usize, bytes: &[u8]) {
        let start = usize::from(place_of(position));
        let until_end = bytes.len().min(RING - start);
        let (first, second) = bytes.split_at(until_end);
        self.ring[start..start + until_end].copy_from_slice(first);
        self.ring[..second.len()].copy_from_slice(second);
        self.ring.copy_within(..MIRROR, RING);
    }

    #[inline(always)]
    fn load4(&self, place: u16, ahead: u8) -> u32 {
        let at = usize::from(place) + usize::from(ahead);
        load4(&self.ring, at)
    }

    /// Remembers `position` and returns the places with the same three bytes and with the same four; both are guesses.
    #[inline(always)]
    fn enter(&mut self, place: u16, bytes: u32) -> (u16, u16) {
        let hash3 = (bytes << 8).wrapping_mul(0x9e37_79b1) >> (32 - HASH3_BITS);
        let hash4 = bytes.wrapping_mul(0x9e37_79b1) >> (32 - HASH4_BITS);
        let before3 = std::mem::replace(&mut self.head3[hash3 as usize], place);
        let before4 = std::mem::replace(&mut self.head4[hash4 as usize], place);
        self.back[usize::from(place) % WINDOW] = before4;
        (before3, before4)
    }

    /// Remembers the positions from `start` to `end`.
    #[inline(always)]
    pub(crate) fn skip(&mut self, start: usize, end: usize) {
        for position in start..end {
            let place = place_of(position);
            let bytes = self.load4(place, 0);
            self.enter(place, bytes);
        }
    }

    /// The longest match at `position`, of those longer than `exceed` (at least 2) and within the `rest` of the input, that
    /// `depth` attempts find; one of `nice` bytes ends the search. Remembers the position.
    #[inline(always)]
    pub(crate) fn longest(&mut self, position: usize, exceed: usize, rest: usize, nice: usize, depth: u32) -> Match {
        let place = place_of(position);
        let bytes = self.load4(place, 0);
        let (before3, before4) = self.enter(place, bytes);
        let mut best = Match {
            length: exceed,
            distance: 0,
        };
        let mut candidate = before4;
        if exceed < MIN_MATCH {
            // Everything is loaded and compared before anything is decided: whether a position is a literal is a coin toss, and
            // where it is guessed wrong, what comes next must be there already.
            let distance3 = usize::from(place.wrapping_sub(before3));
            let same3 = (self.load4(before3, 0) ^ bytes) << 8 == 0;
            let hit3 = (distance3.wrapping_sub(1) < WINDOW) & same3;
            let distance4 = usize::from(place.wrapping_sub(before4));
            let same4 = self.load4(before4, 0) == bytes;
            let hit4 = (distance4.wrapping_sub(1) < WINDOW) & same4;
            if !(hit3 | hit4) {
                return best;
            }
            if hit3 {
                best = Match {
                    length: MIN_MATCH,
                    distance: distance3,
                };
            }
        }
        let limit = rest.min(MAX_MATCH);
        let mut to_exceed = best.length.max(MIN_MATCH);
        if to_exceed >= limit {
            return best;
        }
        let nice = nice.min(limit);
        let mut wanted = self.load4(place, (to_exceed - MIN_MATCH) as u8);
        let mut nearer = 0;
        for _ in 0..depth {
            let distance = usize::from(place.wrapping_sub(candidate));
            // Further back than the place before, but not too far: stale places lead nowhere.
            if distance.wrapping_sub(nearer + 1) >= WINDOW - nearer {
                break;
            }
            nearer = distance;
            if self.load4(candidate, (to_exceed - MIN_MATCH) as u8) == wanted {
                let length = self.common_length(candidate, place).min(limit);
                if length > to_exceed {
                    best = Match { length, distance };
                    if length >= nice {
                        break;
                    }
                    to_exceed = length;
                    wanted = self.load4(place, (to_exceed - MIN_MATCH) as u8);
                }
            }
            candidate = self.back[usize::from(candidate) % WINDOW];
        }
        best
    }

    /// How many bytes are the same at two places, up to 258.
    #[inline(always)]
    fn common_length(&self, one: u16, other: u16) -> usize {
        for ahead in (0..MAX_MATCH).step_by(16) {
            let at_one = load16(&self.ring, usize::from(one) + ahead);
            let different = at_one ^ load16(&self.ring, usize::from(other) + ahead);
            if different != 0 {
                return (ahead + different.trailing_zeros() as usize / 8).min(MAX_MATCH);
            }
        }
        MAX_MATCH
    }
}

#[inline(always)]
fn load4(ring: &[u8; RING + MIRROR], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&ring[at..at + 4]);
    u32::from_le_bytes(bytes)
}

#[inline(always)]
fn load16(ring: &[u8; RING + MIRROR], at: usize) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&ring[at..at + 16]);
    u128::from_le_bytes(bytes)
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Window")
    }
}
