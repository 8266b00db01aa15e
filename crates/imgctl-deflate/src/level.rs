//! How much time each level takes.

/// How hard the parser looks for matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How many earlier places are tried at each position.
    pub(crate) depth: u32,
    /// A match of this length is taken without looking for a longer one.
    pub(crate) nice: usize,
    /// At how many positions behind a match's start a better one is sought; each with half the attempts of the one before.
    pub(crate) lazy: u32,
}

const fn effort(depth: u32, nice: usize, lazy: u32) -> Effort {
    Effort { depth, nice, lazy }
}

/// Of each level from 1 to 9.
pub(crate) const EFFORTS: [Effort; 9] = [
    effort(1, 16, 0),
    effort(2, 16, 0),
    effort(2, 24, 1),
    effort(4, 24, 1),
    effort(4, 32, 1),
    effort(6, 48, 1),
    effort(16, 64, 1),
    effort(48, 128, 2),
    effort(256, 258, 2),
];
