//! Inputs of many kinds, each from a seed.

/// A small generator: same seed, same numbers.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// `length` bytes, of which only `kinds` different ones occur.
pub(crate) fn noise(numbers: &mut Numbers, length: usize, kinds: usize) -> Vec<u8> {
    (0..length).map(|_| (numbers.below(kinds) * 37) as u8).collect()
}

/// Bytes that repeat after `period`.
pub(crate) fn periodic(numbers: &mut Numbers, length: usize, period: usize) -> Vec<u8> {
    let once = noise(numbers, period, 256);
    once.into_iter().cycle().take(length).collect()
}

/// Words and spaces.
pub(crate) fn text(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (0..300)
        .map(|_| {
            (0..2 + numbers.below(9))
                .map(|_| b'a' + numbers.below(26) as u8)
                .collect()
        })
        .collect();
    let mut out = Vec::new();
    while out.len() < length {
        let word = numbers.below(300).min(numbers.below(300));
        out.extend(&words[word]);
        out.push(b" \n"[usize::from(numbers.below(12) == 0)]);
    }
    out.truncate(length);
    out
}

/// Records of 32 bytes with counters in them, as tables of programs have.
pub(crate) fn records(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut counter = numbers.next() as u32;
    while out.len() < length {
        counter = counter.wrapping_add(numbers.below(64) as u32);
        out.extend(counter.to_le_bytes());
        out.extend([0, 0, 0, 0, 7, 1, 0, 0]);
        out.extend(counter.wrapping_mul(8).to_be_bytes());
        out.extend([0xff; 16]);
    }
    out.truncate(length);
    out
}

/// Pieces of all kinds, and copies of what came before, from near, from the window's edge and from beyond it.
pub(crate) fn mixture(seed: u64, length: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let numbers = &mut numbers;
    let mut out = Vec::new();
    while out.len() < length {
        let piece = match numbers.below(5) {
            0 => 1 + numbers.below(8),
            1 => 250 + numbers.below(20),
            2 => 1 + numbers.below(300),
            _ => 1 + numbers.below(3000),
        };
        match numbers.below(9) {
            0 => out.extend(noise(numbers, piece, 256)),
            1 => {
                let kinds = 1 + numbers.below(20);
                out.extend(noise(numbers, piece, kinds));
            }
            2 => out.extend(vec![numbers.next() as u8; piece]),
            3 => out.extend(text(numbers, piece)),
            4 => out.extend(records(numbers, piece)),
            _ if out.is_empty() => {}
            kind => {
                let far = match kind {
                    5 => 1 + numbers.below(4),
                    6 => 4090 + numbers.below(12),
                    _ => 1 + numbers.below(5000),
                };
                for _ in 0..piece.min(600) {
                    out.push(out[out.len() - far.min(out.len())]);
                }
            }
        }
    }
    out.truncate(length);
    out
}
