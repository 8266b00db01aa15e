//! Runs of data and runs of nothing.

/// What a range of a device holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExtentKind {
    /// Bytes that have to be read to be known.
    Data,
    /// Nothing stored: reads as zeros.
    Hole,
}

/// A run of one kind, starting at the offset that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// What the run holds.
    pub kind: ExtentKind,
    /// Its length in bytes, at least 1.
    pub length: u64,
}

impl Extent {
    /// The same run, no longer than `length` bytes.
    #[must_use]
    pub fn capped(self, length: u64) -> Self {
        Self {
            length: self.length.min(length),
            ..self
        }
    }
}
