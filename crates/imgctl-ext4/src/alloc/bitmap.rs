//! A group's bitmap: one bit per block or inode, set where it is in use.

use std::ops::Range;

/// A bitmap of known length. Bits beyond it count as in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    bits: u32,
}

impl Bitmap {
    /// A bitmap of `bits` bits, all free.
    pub(crate) fn free(bits: u32) -> Self {
        Self::from_bytes(&[], bits)
    }

    /// Reads `bits` bits, the lowest of the first byte first. Missing bytes are free.
    pub(crate) fn from_bytes(bytes: &[u8], bits: u32) -> Self {
        let mut words = vec![0_u64; bits.div_ceil(64) as usize];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut raw = [0; 8];
            raw[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(raw);
        }
        if let Some(last) = words.last_mut()
            && !bits.is_multiple_of(64)
        {
            *last |= u64::MAX << (bits % 64);
        }
        Self { words, bits }
    }

    /// The bitmap in `length` bytes, everything behind its end set.
    pub(crate) fn to_bytes(&self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(length, 0xff);
        bytes
    }

    pub(crate) fn is_used(&self, bit: u32) -> bool {
        self.words
            .get((bit / 64) as usize)
            .is_none_or(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Marks a range; whatever of it lies behind the end is ignored.
    pub(crate) fn set(&mut self, range: Range<u32>, used: bool) {
        let end = range.end.min(self.bits);
        let mut bit = range.start;
        while bit < end {
            let next = (bit - bit % 64 + 64).min(end);
            let mask = (u64::MAX >> (64 - (next - bit))) << (bit % 64);
            if let Some(word) = self.words.get_mut((bit / 64) as usize) {
                if used {
                    *word |= mask;
                } else {
                    *word &= !mask;
                }
            }
            bit = next;
        }
    }

    /// The first free bit at or after `from`.
    pub(crate) fn next_free(&self, from: u32) -> Option<u32> {
        self.next(from, |word| !word)
    }

    /// The end of the free run that holds `from`.
    pub(crate) fn free_until(&self, from: u32) -> u32 {
        self.next(from, |word| word).unwrap_or(self.bits)
    }

    /// All free runs at or after `from`.
    pub(crate) fn free_runs(&self, from: u32) -> impl Iterator<Item = Range<u32>> {
        let mut at = from;
        std::iter::from_fn(move || {
            let start = self.next_free(at)?;
            at = self.free_until(start);
            Some(start..at)
        })
    }

    /// How many bits are free.
    pub(crate) fn free_count(&self) -> u32 {
        self.words.iter().map(|word| word.count_zeros()).sum()
    }

    fn next(&self, from: u32, view: impl Fn(u64) -> u64) -> Option<u32> {
        let first = (from / 64) as usize;
        let mut mask = u64::MAX << (from % 64);
        for (index, word) in self.words.iter().enumerate().skip(first) {
            let found = view(*word) & mask;
            if found != 0 {
                let bit = index as u32 * 64 + found.trailing_zeros();
                return (bit < self.bits).then_some(bit);
            }
            mask = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_across_words() {
        let mut bitmap = Bitmap::free(200);
        bitmap.set(0..3, true);
        bitmap.set(60..130, true);
        assert_eq!(bitmap.free_runs(0).collect::<Vec<_>>(), [3..60, 130..200]);
        assert_eq!(
            bitmap.free_runs(140).collect::<Vec<_>>(),
            [Range { start: 140, end: 200 }]
        );
        assert_eq!(bitmap.free_count(), 127);
        bitmap.set(100..101, false);
        assert!(!bitmap.is_used(100) && bitmap.is_used(101) && bitmap.is_used(200));
        bitmap.set(0..500, true);
        assert_eq!(bitmap.next_free(0), None);
        assert_eq!(bitmap.free_until(5), 200.min(bitmap.free_until(5)));
    }

    #[test]
    fn everything_behind_the_end_is_set_on_disk() {
        let bitmap = Bitmap::from_bytes(&[0b101], 10);
        assert_eq!(bitmap.to_bytes(16)[..3], [0b101, 0b1111_1100, 0xff]);
        assert_eq!(Bitmap::from_bytes(&bitmap.to_bytes(16), 10), bitmap);
    }
}
