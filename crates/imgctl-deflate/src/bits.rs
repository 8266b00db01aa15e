//! Bits into bytes, lowest bit first, as deflate wants them.

/// Writes bits into a slice that is known to be long enough, with 8 bytes of slack behind the last bit.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
    bits: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    /// Begins at the start of `out` with the `count` (below 8) bits that a writer before this one left over.
    pub(crate) fn new(out: &'a mut [u8], (bits, count): (u64, u32)) -> Self {
        Self {
            out,
            at: 0,
            bits,
            count,
        }
    }

    /// A writer that goes on where this one is, and that this one is to [`resume`](Self::resume) from.
    pub(crate) fn reborrow(&mut self) -> BitWriter<'_> {
        BitWriter {
            out: &mut *self.out,
            at: self.at,
            bits: self.bits,
            count: self.count,
        }
    }

    /// Where the next bit goes, and the bits that are not out yet.
    pub(crate) fn state(&self) -> (usize, u64, u32) {
        (self.at, self.bits, self.count)
    }

    /// Goes on from the state of a writer that was reborrowed from this one.
    pub(crate) fn resume(&mut self, (at, bits, count): (usize, u64, u32)) {
        (self.at, self.bits, self.count) = (at, bits, count);
    }

    /// Adds the lowest `count` bits of `bits`, whose others are zero. No more than 56 bits between two flushes.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits << (self.count & 63);
        self.count += count;
    }

    /// Moves whole bytes out; fewer than 8 bits stay.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        if let Some(place) = self.out.get_mut(self.at..self.at + 8) {
            place.copy_from_slice(&self.bits.to_le_bytes());
        }
        self.at += (self.count >> 3) as usize;
        self.bits >>= self.count & 56;
        self.count &= 7;
    }

    /// Fills the last byte with zeros and copies `bytes` behind it.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.count = (self.count + 7) & !7;
        self.flush();
        if let Some(place) = self.out.get_mut(self.at..self.at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    /// How many whole bytes were written, and the bits left over.
    pub(crate) fn finish(mut self) -> (usize, (u64, u32)) {
        self.flush();
        (self.at, (self.bits, self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bit_comes_first() {
        let mut out = [0; 24];
        let mut writer = BitWriter::new(&mut out, (1, 1));
        writer.put(0b10, 2);
        writer.put(0b1_0000_0001, 9);
        writer.flush();
        writer.put_bytes(&[7, 8]);
        writer.put(0x155, 9);
        assert_eq!(writer.finish(), (5, (1, 1)));
        assert_eq!(out[..5], [0b0000_1101, 0b0000_1000, 7, 8, 0x55]);
    }
}
