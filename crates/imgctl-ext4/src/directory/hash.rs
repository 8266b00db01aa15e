//! The name hashes of indexed directories: legacy, half-MD4 and TEA, over signed or unsigned characters.

/// Which of the three hash functions an index uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HashFunction {
    Legacy,
    HalfMd4,
    Tea,
}

impl HashFunction {
    /// The function of a `hash_version` in an index root, where only the base versions may stand.
    pub(super) fn from_root(version: u8) -> Option<Self> {
        match version {
            0 => Some(Self::Legacy),
            1 => Some(Self::HalfMd4),
            2 => Some(Self::Tea),
            _ => None,
        }
    }

    /// The `hash_version` to store in an index root.
    pub(super) fn root_version(self) -> u8 {
        match self {
            Self::Legacy => 0,
            Self::HalfMd4 => 1,
            Self::Tea => 2,
        }
    }
}

/// One filesystem's name hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Hasher {
    pub(crate) function: HashFunction,
    /// Bytes from 0x80 on count as positive (`EXT2_FLAGS_UNSIGNED_HASH` in `s_flags`).
    pub(crate) unsigned: bool,
    /// `s_hash_seed`; all zero stands for the start values of MD4.
    pub(crate) seed: [u32; 4],
}

/// The value that readdir cookies keep for the end of the directory; no name may have it.
const END: u32 = 0xffff_fffe;
const BEFORE_END: u32 = 0xffff_fffc;
const MD4_START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

impl Hasher {
    /// The hash of `name`, always even: the low bit belongs to the index.
    pub(crate) fn hash(&self, name: &[u8]) -> u32 {
        let start = if self.seed == [0; 4] { MD4_START } else { self.seed };
        let raw = match self.function {
            HashFunction::Legacy => self.legacy(name),
            HashFunction::HalfMd4 => {
                let [_, hash, ..] = name
                    .chunks(32)
                    .zip(remaining(name, 32))
                    .fold(start, |state, (chunk, left)| {
                        half_md4(state, self.words::<8>(chunk, left))
                    });
                hash
            }
            HashFunction::Tea => {
                let [hash, ..] = name
                    .chunks(16)
                    .zip(remaining(name, 16))
                    .fold(start, |state, (chunk, left)| tea(state, self.words::<4>(chunk, left)));
                hash
            }
        };
        match raw & !1 {
            END => BEFORE_END,
            hash => hash,
        }
    }

    fn character(&self, byte: u8) -> u32 {
        if self.unsigned {
            u32::from(byte)
        } else {
            i32::from(byte.cast_signed()).cast_unsigned()
        }
    }

    fn legacy(&self, name: &[u8]) -> u32 {
        let mut previous: u32 = 0x37ab_e8f9;
        let mut current: u32 = 0x12a3_fe2d;
        for &byte in name {
            let mut next = previous.wrapping_add(current ^ self.character(byte).wrapping_mul(7_152_373));
            if next & 0x8000_0000 != 0 {
                next = next.wrapping_sub(0x7fff_ffff);
            }
            previous = current;
            current = next;
        }
        current << 1
    }

    /// `chunk` as big-endian words, filled up with the length of the whole rest of the name.
    fn words<const N: usize>(&self, chunk: &[u8], left: usize) -> [u32; N] {
        let length = u32::from(u8::try_from(left & 0xff).unwrap_or(0));
        let pad = length.wrapping_mul(0x0101_0101);
        let mut words = [pad; N];
        for (word, bytes) in words.iter_mut().zip(chunk.chunks(4)) {
            *word = bytes
                .iter()
                .fold(pad, |word, &byte| (word << 8).wrapping_add(self.character(byte)));
        }
        words
    }
}

/// How much of `name` is left at each chunk's start.
fn remaining(name: &[u8], step: usize) -> impl Iterator<Item = usize> {
    let length = name.len();
    (0..length).step_by(step).map(move |at| length.saturating_sub(at))
}

/// MD4 with three rounds of eight steps over eight words.
fn half_md4(state: [u32; 4], input: [u32; 8]) -> [u32; 4] {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = input;
    let first = half_md4_round(
        state,
        |x, y, z| z ^ (x & (y ^ z)),
        [i0, i1, i2, i3, i4, i5, i6, i7],
        [3, 7, 11, 19],
    );
    let second = half_md4_round(
        first,
        |x, y, z| (x & y).wrapping_add((x ^ y) & z).wrapping_add(0x5a82_7999),
        [i1, i3, i5, i7, i0, i2, i4, i6],
        [3, 5, 9, 13],
    );
    let third = half_md4_round(
        second,
        |x, y, z| (x ^ y ^ z).wrapping_add(0x6ed9_eba1),
        [i3, i7, i2, i6, i1, i5, i0, i4],
        [3, 9, 11, 15],
    );
    add(state, third)
}

fn half_md4_round(state: [u32; 4], mix: fn(u32, u32, u32) -> u32, words: [u32; 8], shifts: [u32; 4]) -> [u32; 4] {
    let steps = words.into_iter().zip(shifts.into_iter().cycle());
    steps.fold(state, |[a, b, c, d], (word, shift)| {
        let stirred = a.wrapping_add(mix(b, c, d)).wrapping_add(word);
        [d, stirred.rotate_left(shift), b, c]
    })
}

/// Sixteen rounds of TEA; the upper half of the state passes through.
fn tea(state: [u32; 4], key: [u32; 4]) -> [u32; 4] {
    let [mut low, mut high, ..] = state;
    let [k0, k1, k2, k3] = key;
    let mut sum: u32 = 0;
    for _ in 0..16 {
        sum = sum.wrapping_add(0x9e37_79b9);
        low = low.wrapping_add((high << 4).wrapping_add(k0) ^ high.wrapping_add(sum) ^ (high >> 5).wrapping_add(k1));
        high = high.wrapping_add((low << 4).wrapping_add(k2) ^ low.wrapping_add(sum) ^ (low >> 5).wrapping_add(k3));
    }
    add(state, [low, high, 0, 0])
}

fn add(left: [u32; 4], right: [u32; 4]) -> [u32; 4] {
    let [l0, l1, l2, l3] = left;
    let [r0, r1, r2, r3] = right;
    [
        l0.wrapping_add(r0),
        l1.wrapping_add(r1),
        l2.wrapping_add(r2),
        l3.wrapping_add(r3),
    ]
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::process::Command;

    use super::*;

    const UUID: &str = "01020304-0506-0708-090a-0b0c0d0e0f10";
    const SEED: [u32; 4] = [0x0403_0201, 0x0807_0605, 0x0c0b_0a09, 0x100f_0e0d];

    fn names() -> Vec<String> {
        let mut names: Vec<String> = (1..=255)
            .step_by(7)
            .map(|length| "abcdefghij".repeat(26)[..length].to_owned())
            .collect();
        names.extend(
            [
                "a",
                "lost+found",
                "grüße",
                "日本語のファイル",
                "éééééééééééééééééééééééééééé",
                "x.y-z_0",
            ]
            .map(String::from),
        );
        names
    }

    /// The hashes that debugfs computes.
    fn oracle(function: &str, seed: Option<&str>, names: &[String]) -> Vec<u32> {
        let seed = seed.map_or(String::new(), |seed| format!("-s {seed} "));
        let script = names.iter().fold(String::new(), |mut script, name| {
            writeln!(script, "dx_hash -h {function} {seed}{name}").expect("a string can be written");
            script
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("script");
        std::fs::write(&path, script).expect("a script is written");
        let output = Command::new("debugfs").arg("-f").arg(&path).output();
        let output = output.expect("debugfs runs (apt-get install e2fsprogs)").stdout;
        let text = String::from_utf8_lossy(&output);
        let hash = |line: &str| {
            let (_, rest) = line.split_once(" is 0x")?;
            u32::from_str_radix(rest.split_once(' ')?.0, 16).ok()
        };
        text.lines().filter_map(hash).collect()
    }

    /// debugfs hashes over signed characters only; unsigned ones are tested with directories the kernel wrote.
    #[test]
    fn hashes_are_those_of_debugfs() {
        let names = names();
        let functions = [
            (HashFunction::Legacy, "legacy"),
            (HashFunction::HalfMd4, "half_md4"),
            (HashFunction::Tea, "tea"),
        ];
        for (function, text) in functions {
            for (seed, uuid) in [([0; 4], None), (SEED, Some(UUID))] {
                let hasher = Hasher {
                    function,
                    unsigned: false,
                    seed,
                };
                let ours = names.iter().map(|name| hasher.hash(name.as_bytes()));
                assert_eq!(ours.collect::<Vec<_>>(), oracle(text, uuid, &names), "{text} {uuid:?}");
            }
        }
    }

    #[test]
    fn signed_and_unsigned_differ_beyond_ascii_only() {
        let signed = Hasher {
            function: HashFunction::HalfMd4,
            unsigned: false,
            seed: SEED,
        };
        let unsigned = Hasher {
            unsigned: true,
            ..signed
        };
        assert_eq!(signed.hash(b"name"), unsigned.hash(b"name"));
        assert_ne!(signed.hash(b"n\xe4me"), unsigned.hash(b"n\xe4me"));
    }
}
