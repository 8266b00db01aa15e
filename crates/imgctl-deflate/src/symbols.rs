//! Deflate's symbols for lengths and distances: RFC 1951, section 3.2.5.

/// Literals, the end of the block, and 29 lengths; two more that no stream uses, to make the fixed code complete.
pub(crate) const LITLEN_SYMBOLS: usize = 288;
/// Distances up to 32 KiB have 30 symbols; those up to 4 KiB have 24.
pub(crate) const DIST_SYMBOLS: usize = 32;
/// The symbol that ends a block.
pub(crate) const END_OF_BLOCK: usize = 256;
/// The symbol of the shortest length.
pub(crate) const FIRST_LENGTH: usize = 257;
pub(crate) const MIN_MATCH: usize = 3;
pub(crate) const MAX_MATCH: usize = 258;

/// Of each length, less 3: its symbol less 257.
pub(crate) const LENGTH_SLOT: [u8; 256] = length_slots();
/// Of each length symbol, less 257: the length less 3 it begins with.
pub(crate) const LENGTH_BASE: [u8; 29] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 255,
];
/// Of each length symbol, less 257: how many bits follow it.
pub(crate) const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];

const fn length_slots() -> [u8; 256] {
    let mut slots = [0; 256];
    let mut length = 0;
    while length < 256 {
        let mut slot = 0;
        while slot < 28 && LENGTH_BASE[slot + 1] as usize <= length {
            slot += 1;
        }
        slots[length] = slot as u8;
        length += 1;
    }
    slots
}

/// A distance's symbol, and the value of the bits that follow it.
#[inline(always)]
pub(crate) fn distance_slot(distance: u32) -> (u8, u16) {
    let value = distance.wrapping_sub(1);
    if value < 2 {
        return (value as u8, 0);
    }
    let log = 31 - value.leading_zeros();
    let half = (value >> (log - 1)) & 1;
    let extra = value & ((1 << (log - 1)) - 1);
    ((2 * log + half) as u8, extra as u16)
}

/// How many bits follow a distance's symbol.
#[inline(always)]
pub(crate) fn distance_extra(slot: usize) -> u32 {
    (slot as u32 >> 1).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbols_cover_every_length_and_distance() {
        for (length, &slot) in LENGTH_SLOT.iter().enumerate() {
            let slot = usize::from(slot);
            let extra = length - usize::from(LENGTH_BASE[slot]);
            assert!(extra < 1 << LENGTH_EXTRA[slot], "{length}");
        }
        assert_eq!(LENGTH_SLOT[255], 28);
        let mut expected = 1;
        for slot in 0..30_usize {
            for value in 0..1_u16 << distance_extra(slot) {
                assert_eq!(distance_slot(expected), (slot as u8, value));
                expected += 1;
            }
        }
        assert_eq!(expected, 32769);
    }
}
