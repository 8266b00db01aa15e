//! How much time each level takes.

/// How hard the parser looks for matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How many earlier places are tried at each position.
    pub(crate) depth: u32,
    /// A match of this length is taken without looking for a longer one.
    pub(crate) nice: usize,
    /// At how many positions behind a match's start a better one is sought.
    pub(crate) lazy: u32,
    /// How many places are tried at the first of these; at each further one half as many.
    pub(crate) lazy_depth: u32,
    /// Blocks begin and end at multiples of about so many bytes.
    pub(crate) segment: usize,
}

const fn effort(depth: u32, nice: usize, (lazy, lazy_depth): (u32, u32), segment: usize) -> Effort {
    Effort {
        depth,
        nice,
        lazy,
        lazy_depth,
        segment,
    }
}

/// Of each level from 1 to 9.
pub(crate) const EFFORTS: [Effort; 9] = [
    effort(1, 16, (0, 0), 8192),
    effort(2, 16, (0, 0), 8192),
    effort(2, 24, (1, 1), 8192),
    effort(2, 48, (1, 1), 8192),
    effort(3, 24, (1, 1), 8192),
    effort(3, 32, (1, 1), 8192),
    effort(16, 64, (1, 8), 4096),
    effort(48, 128, (2, 24), 4096),
    effort(256, 258, (2, 128), 4096),
];
