//! Where one block ends and the next begins: neighbours whose symbols are alike share a block.

use crate::parse::{Counts, Segment};

/// How many binary digits of a bit are counted.
const FRACTION: u32 = 4;
const TABLE: usize = 1025;

/// Of each n, `n * log2(n)` in sixteenths of a bit, in integers: every host makes the same.
static N_LOG_N: [u32; TABLE] = n_log_n();

const fn n_log_n() -> [u32; TABLE] {
    let mut table = [0; TABLE];
    let mut n = 1;
    while n < TABLE {
        // log2 with 12 bits behind the point, by squaring.
        let whole = n.ilog2();
        let mut mantissa = ((n as u64) << 30) >> whole;
        let mut log = whole as u64;
        let mut bit = 0;
        while bit < 12 {
            mantissa = (mantissa * mantissa) >> 30;
            log <<= 1;
            if mantissa >= 2 << 30 {
                mantissa >>= 1;
                log |= 1;
            }
            bit += 1;
        }
        table[n] = ((n as u64 * log) >> (12 - FRACTION)) as u32;
        n += 1;
    }
    table
}

#[inline(always)]
fn n_log(n: u32) -> u32 {
    match N_LOG_N.get(n as usize) {
        Some(&bits) => bits,
        None => {
            // Between two multiples of 2^shift, in proportion; log2(q * 2^shift) is log2(q) + shift.
            let shift = 22 - n.leading_zeros().min(21);
            let quotient = (n >> shift) as usize % (TABLE - 1);
            let [below, above] = [N_LOG_N[quotient], N_LOG_N[quotient + 1]];
            (below << shift) + (above - below) * (n - ((quotient as u32) << shift)) + ((n * shift) << FRACTION)
        }
    }
}

/// About how many sixteenths of bits a block of these symbols would take, without the bits that follow symbols.
#[inline(always)]
fn cost(litlen: impl Iterator<Item = u32>, dist: impl Iterator<Item = u32>) -> u32 {
    let (of_litlen, of_dist) = (of_code(litlen), of_code(dist));
    of_litlen + of_dist + (BLOCK_BITS << FRACTION)
}

#[inline(always)]
fn of_code(counts: impl Iterator<Item = u32>) -> u32 {
    let (mut sum, mut used, mut spent) = (0, 0, 0);
    for count in counts {
        sum += count;
        used += u32::from(count > 0);
        spent += n_log(count);
    }
    n_log(sum) - spent + used * (SYMBOL_BITS << FRACTION)
}

/// What a description spends on each symbol used, about.
const SYMBOL_BITS: u32 = 4;
/// And on itself.
const BLOCK_BITS: u32 = 100;

/// Joins neighbours, those first that gain most by it, until none gains. What is left is listed in `kept`, in order;
/// each of those holds the counts of all that were joined to it, and ends where the last of them ended.
pub(crate) fn join(segments: &mut [Segment], kept: &mut Vec<Kept>) {
    kept.clear();
    kept.extend(segments.iter().enumerate().map(|(index, segment)| Kept {
        index,
        alone: cost_of(&segment.counts),
        with_next: 0,
    }));
    for at in 0..kept.len().saturating_sub(1) {
        kept[at].with_next = cost_of_both(segments, kept, at);
    }
    loop {
        let gains = kept.windows(2).enumerate().map(|(at, pair)| {
            let apart = i64::from(pair[0].alone) + i64::from(pair[1].alone);
            (apart - i64::from(pair[0].with_next), at)
        });
        let Some((gain, at)) = gains.reduce(|best, next| if next.0 > best.0 { next } else { best }) else {
            return;
        };
        if gain < 0 {
            return;
        }
        let second = kept.remove(at + 1);
        let (before, behind) = segments.split_at_mut(second.index);
        let first = &mut before[kept[at].index];
        first.counts.add(&behind[0].counts);
        first.end = behind[0].end;
        first.sequences_end = behind[0].sequences_end;
        kept[at].alone = kept[at].with_next;
        for pair in at.saturating_sub(1)..(at + 1).min(kept.len() - 1) {
            kept[pair].with_next = cost_of_both(segments, kept, pair);
        }
    }
}

/// A segment that begins a block, as it seems so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) index: usize,
    alone: u32,
    with_next: u32,
}

fn cost_of(counts: &Counts) -> u32 {
    cost(counts.litlen.iter().copied(), counts.dist.iter().copied())
}

fn cost_of_both(segments: &[Segment], kept: &[Kept], at: usize) -> u32 {
    let [one, other] = [kept[at].index, kept[at + 1].index].map(|index| &segments[index].counts);
    let sum = |(one, other): (&u32, &u32)| one + other;
    let litlen = one.litlen.iter().zip(&other.litlen).map(sum);
    cost(litlen, one.dist.iter().zip(&other.dist).map(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_near_enough() {
        assert_eq!(n_log(0), 0);
        for n in 1..70_000_u32 {
            let exact = f64::from(n) * f64::from(n).log2();
            let found = f64::from(n_log(n)) / 16.0;
            assert!(
                (found - exact).abs() <= 1.0 + exact / 4000.0,
                "{n}: {found}, not {exact}"
            );
        }
    }
}
