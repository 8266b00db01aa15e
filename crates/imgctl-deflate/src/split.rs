//! Where one block ends and the next begins: neighbours whose symbols are alike share a block.

use crate::parse::{Counts, Segment};

/// `n * log2(n)` in quarters of ... see [`N_LOG_N`].
const FRACTION: u32 = 4;
const TABLE: usize = 1024;

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
            // (n / 2^k) * 2^k: the logarithm of the quotient, and k.
            let shift = 23 - n.leading_zeros().min(22);
            (N_LOG_N[(n >> shift) as usize % TABLE] << shift) + ((n * shift) << FRACTION)
        }
    }
}

/// About how many sixteenths of bits a block of these symbols would take, without the bits that follow symbols.
fn cost(counts: &Counts) -> u32 {
    let (mut litlen, mut dist, mut used, mut spent) = (0, 0, 0, 0);
    for &count in &counts.litlen {
        litlen += count;
        used += u32::from(count > 0);
        spent += n_log(count);
    }
    for &count in &counts.dist {
        dist += count;
        used += u32::from(count > 0);
        spent += n_log(count);
    }
    n_log(litlen) + n_log(dist) - spent + used * (SYMBOL_BITS << FRACTION) + (BLOCK_BITS << FRACTION)
}

/// What a description spends on each symbol used, about.
const SYMBOL_BITS: u32 = 4;
/// And on itself.
const BLOCK_BITS: u32 = 100;

/// Joins neighbours, those first that gain most by it, until none gains.
pub(crate) fn join(segments: &mut Vec<Segment>) {
    let mut costs: Vec<u32> = segments.iter().map(|segment| cost(&segment.counts)).collect();
    let joined = |one: &Segment, other: &Segment| {
        let mut counts = one.counts.clone();
        counts.add(&other.counts);
        cost(&counts)
    };
    let mut pairs: Vec<u32> = segments
        .windows(2)
        .map(|pair| joined(&pair[0], &pair[1]))
        .collect();
    loop {
        let gains = (0..pairs.len()).map(|at| (i64::from(costs[at]) + i64::from(costs[at + 1]) - i64::from(pairs[at]), at));
        let Some((gain, at)) = gains.max_by_key(|&(gain, at)| (gain, std::cmp::Reverse(at))) else {
            return;
        };
        if gain < 0 {
            return;
        }
        let second = segments.remove(at + 1);
        let first = &mut segments[at];
        first.counts.add(&second.counts);
        first.end = second.end;
        first.sequences_end = second.sequences_end;
        costs[at] = pairs[at];
        costs.remove(at + 1);
        pairs.remove(at);
        if at > 0 {
            pairs[at - 1] = joined(&segments[at - 1], &segments[at]);
        }
        if at < pairs.len() {
            pairs[at] = joined(&segments[at], &segments[at + 1]);
        }
    }
}
