//! Huffman codes of bounded length, in the canonical form of RFC 1951, section 3.2.2.

/// The longest code of literals, lengths and distances.
pub(crate) const MAX_BITS: usize = 15;

/// Sets `lengths` to the lengths of a good prefix code for `counts`, none above `limit`; unused symbols have none.
///
/// At least two symbols get a code, because some decoders refuse incomplete ones. The sum of `counts` is below 2^23.
pub(crate) fn code_lengths(counts: &[u32], limit: usize, lengths: &mut [u8]) {
    debug_assert!(counts.len() == lengths.len() && counts.len() <= 288);
    lengths.fill(0);
    let mut leaves = [0_u32; 288];
    let mut used = 0;
    for (symbol, &count) in (0_u32..).zip(counts) {
        // Written always and kept only if used: no branch to guess.
        leaves[used] = count << 9 | symbol;
        used += usize::from(count != 0);
    }
    let leaves = &mut leaves[..used];
    if used < 2 {
        let only = leaves.first().map_or(0, |leaf| (leaf & 511) as usize);
        lengths[only] = 1;
        lengths[usize::from(only == 0)] = 1;
        return;
    }
    leaves.sort_unstable();
    let mut per_length = depths(leaves);
    shorten(&mut per_length, limit);
    // The rarest symbols come first and take the longest codes.
    let mut rest = leaves.iter();
    for (length, &how_many) in per_length.iter().enumerate().rev() {
        for leaf in rest.by_ref().take(how_many as usize) {
            lengths[(leaf & 511) as usize] = length as u8;
        }
    }
}

/// How many leaves of the Huffman tree are how deep; those deeper than 31 count as 31.
///
/// The two lightest trees are joined until one is left. Joined ones come out in order of weight, so two queues do.
fn depths(leaves: &[u32]) -> [u32; 32] {
    let mut weights = [0_u32; 288];
    let mut parents = [0_u16; 288];
    let mut leaf_parents = [0_u16; 288];
    let (mut leaf, mut tree) = (0, 0);
    let joins = leaves.len() - 1;
    for join in 0..joins {
        let mut weight = 0;
        for _ in 0..2 {
            let lightest = leaves.get(leaf).map_or(u32::MAX, |leaf| leaf >> 9);
            if tree < join && weights[tree] < lightest {
                weight += weights[tree];
                parents[tree] = join as u16;
                tree += 1;
            } else {
                weight += lightest;
                leaf_parents[leaf] = join as u16;
                leaf += 1;
            }
        }
        weights[join] = weight;
    }
    let mut depth = [0_u8; 288];
    for join in (0..joins - 1).rev() {
        depth[join] = (depth[usize::from(parents[join])] + 1).min(30);
    }
    let mut per_length = [0; 32];
    for &parent in &leaf_parents[..leaves.len()] {
        per_length[usize::from(depth[usize::from(parent)]) + 1] += 1;
    }
    per_length
}

/// Moves leaves up to `limit`, and others down to make room for them.
fn shorten(per_length: &mut [u32; 32], limit: usize) {
    let deeper: u32 = per_length[limit + 1..].iter().sum();
    if deeper == 0 {
        return;
    }
    per_length[limit + 1..].fill(0);
    per_length[limit] += deeper;
    let mut filled: u64 = (1..=limit)
        .map(|length| u64::from(per_length[length]) << (limit - length))
        .sum();
    while filled > 1 << limit {
        // One leaf goes a level down and takes one of the deepest as its sibling: one place less is filled.
        let from = (1..limit).rev().find(|&length| per_length[length] > 0);
        let Some(from) = from else { return };
        per_length[from] -= 1;
        per_length[from + 1] += 2;
        per_length[limit] -= 1;
        filled -= 1;
    }
}

/// Sets `codes` to the canonical codes, their bits reversed as deflate writes them.
pub(crate) fn canonical_codes(lengths: &[u8], codes: &mut [u16]) {
    let mut next = [0_u16; MAX_BITS + 2];
    for &length in lengths {
        next[usize::from(length) + 1] += 1;
    }
    next[1] = 0;
    for length in 1..MAX_BITS {
        next[length + 1] = (next[length] + next[length + 1]) << 1;
    }
    for (&length, code) in lengths.iter().zip(codes) {
        *code = 0;
        if length > 0 {
            let place = &mut next[usize::from(length)];
            *code = place.reverse_bits() >> (16 - length);
            *place = place.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(lengths: &[u8]) -> u32 {
        let used = lengths.iter().filter(|&&length| length > 0);
        used.map(|&length| 1 << (15 - length)).sum()
    }

    #[test]
    fn every_code_is_complete_and_within_its_limit() {
        let mut state = 1_u32;
        for (symbols, limit, skew) in [(288, 15, 4), (288, 9, 24), (30, 15, 24), (19, 7, 20), (286, 15, 22)] {
            for used in 0..symbols {
                let mut counts = vec![0; symbols];
                for count in &mut counts[..used] {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *count = ((state >> 8) >> (state % skew)) >> 10;
                }
                let mut lengths = vec![9; symbols];
                code_lengths(&counts, limit, &mut lengths);
                assert_eq!(filled(&lengths), 1 << 15, "{used} of {symbols}");
                assert!(lengths.iter().all(|&length| usize::from(length) <= limit));
                let pairs = || counts.iter().zip(&lengths);
                assert!(pairs().all(|(&count, &length)| count == 0 || length > 0));
            }
        }
    }

    #[test]
    fn known_codes() {
        let mut lengths = [0; 8];
        code_lengths(&[1, 1, 2, 3, 5, 8, 13, 0], 15, &mut lengths);
        assert_eq!(lengths, [6, 6, 5, 4, 3, 2, 1, 0]);
        code_lengths(&[1, 1, 2, 3, 5, 8, 13, 0], 3, &mut lengths);
        assert_eq!(lengths, [3, 3, 3, 3, 3, 3, 2, 0]);
        // The example of RFC 1951.
        let mut codes = [0; 8];
        canonical_codes(&[3, 3, 3, 3, 3, 2, 4, 4], &mut codes);
        let straight: Vec<u16> = codes
            .iter()
            .zip([3, 3, 3, 3, 3, 2, 4, 4])
            .map(|(code, length)| code.reverse_bits() >> (16 - length))
            .collect();
        assert_eq!(straight, [2, 3, 4, 5, 6, 0, 14, 15]);
    }
}
