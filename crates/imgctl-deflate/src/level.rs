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
    /// A match of three bytes that is further away costs more than its literals.
    pub(crate) near3: usize,
}

const fn effort(depth: u32, nice: usize, lazy: u32, near3: usize) -> Effort {
    Effort {
        depth,
        nice,
        lazy,
        near3,
    }
}

/// Of each level from 1 to 9.
pub(crate) const EFFORTS: [Effort; 9] = [
    effort(2, 16, 0, 4096),
    effort(4, 16, 0, 4096),
    effort(8, 24, 0, 4096),
    effort(16, 30, 0, 4096),
    effort(16, 30, 1, 4096),
    effort(35, 65, 1, 4096),
    effort(60, 100, 2, 4096),
    effort(128, 258, 2, 4096),
    effort(512, 258, 2, 4096),
];
