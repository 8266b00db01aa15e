//! Disk contents of every kind: text, noise, zeros, and seams between them.

/// A small generator of noise; the same seed gives the same noise.
#[derive(Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A disk of `length` bytes: stretches of text, of noise and of zeros in a fixed shuffle.
pub(crate) fn disk(length: usize, seed: u64) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let stretch = 512 * (1 + noise.below(600)) as usize;
        match noise.below(4) {
            0 => bytes.resize(bytes.len() + stretch, 0),
            1 => bytes.extend((0..stretch).map(|_| noise.next() as u8)),
            _ => {
                let end = bytes.len() + stretch;
                while bytes.len() < end {
                    let words = ["/usr/lib/", "golden", "image\n", "0x", "systemd", " = "];
                    bytes.extend(words[noise.below(6) as usize].bytes());
                    bytes.push(b'a' + noise.below(9) as u8);
                }
            }
        }
    }
    bytes.truncate(length);
    bytes
}
