//! Every stream is read back by zlib-rs and by a strict reader that knows only 4 KiB.
#![allow(clippy::unwrap_used, reason = "in tests a panic is how a failure is reported")]

mod content;
mod strict;

use content::{Numbers, mixture, noise, periodic, records, text};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use imgctl_deflate::Encoder;
use proptest::prelude::{any, prop_assert_eq, proptest};

/// Compresses `input`, reads it back twice, and returns the stream and the kinds of its blocks.
fn round_trip(encoder: &mut Encoder, input: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut stream = vec![0x5a; 3];
    let length = encoder.compress(input, usize::MAX, &mut stream);
    assert_eq!(length, Some(stream.len() - 3), "of {} bytes", input.len());
    assert_eq!(stream[..3], [0x5a; 3]);
    let stream = stream.split_off(3);
    let (found, end, kinds) = strict::inflate(&stream);
    assert!(found == input, "the strict reader sees something else");
    assert_eq!(end, stream.len());

    let mut inflate = Decompress::new_with_window_bits(false, 12);
    let mut found = vec![0; input.len() + 1];
    let status = inflate.decompress(&stream, &mut found, FlushDecompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    assert_eq!(inflate.total_in(), stream.len() as u64);
    assert!(
        found[..inflate.total_out() as usize] == *input,
        "zlib-rs sees something else"
    );
    // A stored block for each 16 KiB would be more.
    assert!(stream.len() <= input.len() + 5 * (input.len() / 16384 + 1));
    (stream, kinds)
}

fn zlib(input: &[u8]) -> usize {
    let mut deflate = Compress::new_with_window_bits(Compression::new(6), false, 12);
    let mut out = vec![0; input.len() * 2 + 100];
    let status = deflate.compress(input, &mut out, FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    deflate.total_out() as usize
}

#[test]
fn the_shortest_inputs() {
    for level in [1, 3, 6, 9] {
        let mut encoder = Encoder::new(level);
        for length in 0..80 {
            let mut numbers = Numbers::new(length as u64);
            for kinds in [1, 2, 5, 256] {
                round_trip(&mut encoder, &noise(&mut numbers, length, kinds));
            }
        }
        let (stream, _) = round_trip(&mut encoder, &[]);
        assert_eq!(stream, [3, 0]);
    }
}

#[test]
fn lengths_around_the_longest_match() {
    for level in 1..=9 {
        let mut encoder = Encoder::new(level);
        for length in (254..266).chain(510..525) {
            let mut numbers = Numbers::new(9);
            let once = noise(&mut numbers, length, 256);
            let twice = [&once[..], &[1, 2, 3], &once[..]].concat();
            let (stream, _) = round_trip(&mut encoder, &twice);
            assert!(stream.len() < length * 9 / 8 + 40, "level {level}, length {length}");
            round_trip(&mut encoder, &vec![7; length]);
        }
    }
}

#[test]
fn the_window_is_used_to_its_edge_and_not_beyond() {
    let mut numbers = Numbers::new(5);
    for level in 1..=9 {
        let mut encoder = Encoder::new(level);
        for period in [1, 2, 3, 255, 258, 2048, 4090, 4094, 4095, 4096] {
            let input = periodic(&mut numbers, 65536, period);
            let (stream, _) = round_trip(&mut encoder, &input);
            let bound = period + 1500;
            assert!(stream.len() < bound, "level {level}, period {period}: {}", stream.len());
        }
        for period in [4097, 4098, 8192] {
            let input = periodic(&mut numbers, 65536, period);
            let (stream, _) = round_trip(&mut encoder, &input);
            assert!(stream.len() > 64000, "level {level}, period {period}");
        }
    }
}

#[test]
fn every_cluster_size_and_the_ring_s_seams() {
    for level in [1, 6, 8] {
        let mut encoder = Encoder::new(level);
        let sizes = (9..=20).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for (seed, size) in (0..).zip(sizes.chain([65530, 65540, 49152 + 1024, 98304])) {
            round_trip(&mut encoder, &mixture(seed, size));
        }
    }
    let mut encoder = Encoder::new(6);
    let mut numbers = Numbers::new(8);
    for input in [
        mixture(77, 2 << 20),
        text(&mut numbers, 2 << 20),
        vec![0; 2 << 20],
        noise(&mut numbers, 2 << 20, 256),
    ] {
        round_trip(&mut encoder, &input);
    }
}

#[test]
fn every_kind_of_block_is_used() {
    let mut encoder = Encoder::new(6);
    let mut numbers = Numbers::new(6);
    let text = text(&mut numbers, 20000);
    let random = noise(&mut numbers, 20000, 256);
    let mixed = [&text[..], &random, &text].concat();
    let (stream, kinds) = round_trip(&mut encoder, &mixed);
    assert!(kinds.contains(&0) && kinds.contains(&2), "{kinds:?}");
    assert!(stream.len() < zlib(&mixed), "splitting pays");
    let (_, kinds) = round_trip(&mut encoder, b"few bytes, few bytes");
    assert_eq!(kinds, [1]);
}

#[test]
fn a_limit_is_kept_and_leaves_nothing() {
    let mut encoder = Encoder::new(6);
    for (seed, size) in [(1, 512), (2, 4096), (3, 65536), (4, 300_000)] {
        let input = mixture(seed, size);
        let mut stream = Vec::new();
        let exact = encoder.compress(&input, usize::MAX, &mut stream).unwrap();
        let mut out = vec![1, 2, 3];
        for limit in [0, 1, exact / 2, exact - 1] {
            assert_eq!(encoder.compress(&input, limit, &mut out), None);
            assert_eq!(out, [1, 2, 3]);
        }
        assert_eq!(encoder.compress(&input, exact, &mut out), Some(exact));
        assert_eq!(out[3..], stream);
    }
    let random = noise(&mut Numbers::new(4), 65536, 256);
    let mut out = Vec::new();
    assert_eq!(encoder.compress(&random, random.len() - 1, &mut out), None);
}

#[test]
fn what_came_before_changes_nothing() {
    for level in 1..=9 {
        let mut used = Encoder::new(level);
        for seed in 0..6 {
            round_trip(&mut used, &mixture(seed + 100, 70_000));
            let mut numbers = Numbers::new(seed);
            let size = numbers.below(66_000);
            let input = mixture(seed, size);
            let mut again = Vec::new();
            used.compress(&input, usize::MAX, &mut again);
            let mut fresh = Vec::new();
            Encoder::new(level).compress(&input, usize::MAX, &mut fresh);
            assert!(again == fresh, "level {level}, seed {seed}");
        }
    }
}

/// The sum of a stream's bytes that this version makes on every machine. A change here is a change of every image made.
#[test]
fn the_bytes_are_these() {
    let input = mixture(2026, 65536);
    let sums: Vec<(usize, u32)> = [1, 6, 9]
        .map(|level| {
            let (stream, _) = round_trip(&mut Encoder::new(level), &input);
            let sum = stream.iter().fold(0x811c_9dc5_u32, |sum, &byte| {
                (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            (stream.len(), sum)
        })
        .to_vec();
    assert_eq!(
        sums,
        [(15918, 2_811_372_611), (15709, 2_400_434_412), (15306, 3_936_348_800)]
    );
}

#[test]
fn the_levels_keep_their_order_and_the_default_keeps_up_with_zlib() {
    let mut numbers = Numbers::new(3);
    let inputs = [
        text(&mut numbers, 65536),
        records(&mut numbers, 65536),
        mixture(31, 65536),
        std::fs::read(std::env::current_exe().unwrap()).unwrap()[..1 << 20].to_vec(),
    ];
    let mut sums = (0, 0);
    for input in &inputs {
        let sizes = [1, 6, 9].map(|level| {
            let mut encoder = Encoder::new(level);
            let clusters = input.chunks(65536);
            clusters
                .map(|cluster| round_trip(&mut encoder, cluster).0.len())
                .sum::<usize>()
        });
        let zlib: usize = input.chunks(65536).map(zlib).sum();
        assert!(sizes.is_sorted_by(|one, other| one >= other), "{sizes:?}");
        // zlib tries 128 places where this tries 6.
        assert!(sizes[1] <= zlib + zlib / 50, "{sizes:?}, zlib {zlib}");
        sums = (sums.0 + sizes[1], sums.1 + zlib);
    }
    assert!(sums.0 < sums.1, "{sums:?}");
}

/// Bytes for which many places have the same hash: the attempts are bounded, and the time with them.
#[test]
fn the_worst_inputs_end() {
    let mut encoder = Encoder::new(9);
    let mut almost = Vec::new();
    for index in 0..4096_u32 {
        almost.extend(vec![0; 15 + (index % 3) as usize]);
        almost.push(((index * 31) >> 3) as u8);
    }
    round_trip(&mut encoder, &almost);
}

proptest! {
    #[test]
    fn any_bytes(input in proptest::collection::vec(any::<u8>(), 0..3000), level in 1..=9_u32) {
        round_trip(&mut Encoder::new(level), &input);
    }

    #[test]
    fn any_mixture(seed in any::<u64>(), size in 0..20_000_usize, level in 0..12_u32) {
        let input = mixture(seed, size);
        let (stream, _) = round_trip(&mut Encoder::new(level), &input);
        let (again, _) = round_trip(&mut Encoder::new(level), &input);
        prop_assert_eq!(stream, again);
    }
}

/// Many seeds with encoders that live on, as in a long run.
#[test]
fn many_seeds() {
    let mut encoders: Vec<Encoder> = (1..=9).map(Encoder::new).collect();
    for seed in 0..400_u64 {
        let mut numbers = Numbers::new(seed);
        let size = numbers.below(1 << (4 + seed % 14));
        let input = mixture(seed, size);
        round_trip(&mut encoders[(seed % 9) as usize], &input);
    }
}
