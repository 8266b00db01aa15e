//! Measures speed and size on the clusters of a raw disk image, beside zlib-rs (through flate2) and libdeflate, and the
//! decoders that could read the streams: zlib-rs, libdeflate and miniz_oxide.
//!
//! `cargo run --release -p imgctl-deflate --example measure -- IMAGE.raw [EVERY] [ROUNDS] [LEVEL...]`
//!
//! EVERY is how many clusters that are not zero make one of the sample: 4 unless given.

#![allow(clippy::print_stdout, reason = "printing is what this is for")]

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use imgctl_deflate::Encoder;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

const CLUSTER: usize = 65536;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which image?")?;
    let every: usize = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut levels = arguments.map(|text| text.parse()).collect::<Result<Vec<u32>, _>>()?;
    if levels.is_empty() {
        levels = (1..=9).collect();
    }
    let clusters = sample(&path, every)?;
    println!("{} clusters of 64 KiB that are not zero", clusters.len());

    let streams = streams(&clusters);
    let mut rows: Vec<(String, Vec<Duration>, usize)> = Vec::new();
    for round in 0..rounds {
        let mut runs: Vec<(String, Duration, usize)> = Vec::new();
        let (time, size) = zlib_rs(&clusters)?;
        runs.push(("zlib-rs, 12-bit window, level 6".into(), time, size));
        let (time, size) = libdeflate(&clusters)?;
        runs.push(("libdeflate, 15-bit window, level 6".into(), time, size));
        for &level in &levels {
            let (time, size) = own(&clusters, level, round == 0)?;
            runs.push((format!("imgctl-deflate, level {level}"), time, size));
        }
        for (name, decode) in DECODERS {
            let begin = cpu();
            let size = decode(&streams)?;
            runs.push((format!("inflate: {name}"), cpu() - begin, size));
        }
        for (index, (name, time, size)) in runs.into_iter().enumerate() {
            if round == 0 {
                rows.push((name, Vec::new(), size));
            }
            rows[index].1.push(time);
        }
    }
    let megabytes = (clusters.len() * CLUSTER) as f64 / 1e6;
    let reference = rows[0].2 as f64;
    for (name, mut times, size) in rows {
        times.sort();
        let median = times[times.len() / 2].as_secs_f64();
        let (best, worst) = (times[0].as_secs_f64(), times[times.len() - 1].as_secs_f64());
        print!(
            "{name:34} {:7.1} MB/s of CPU ({:.1} to {:.1})",
            megabytes / median,
            megabytes / worst,
            megabytes / best,
        );
        if name.starts_with("inflate") {
            println!();
        } else {
            println!(", {size} bytes, {:+.2} %", (size as f64 / reference - 1.0) * 100.0);
        }
    }
    Ok(())
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A decoder's name, and what inflates every stream and returns how many bytes came out.
type NamedDecoder = (&'static str, fn(&[Vec<u8>]) -> Outcome<usize>);

const DECODERS: [NamedDecoder; 3] = [
    ("zlib-rs", by_zlib_rs),
    ("libdeflate", by_libdeflate),
    ("miniz_oxide", by_miniz_oxide),
];

fn streams(clusters: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(6);
    let mut compress = |cluster: &Vec<u8>| {
        let mut out = Vec::new();
        encoder.compress(cluster, usize::MAX, &mut out);
        out
    };
    clusters.iter().map(&mut compress).collect()
}

fn by_zlib_rs(streams: &[Vec<u8>]) -> Outcome<usize> {
    let mut inflate = Decompress::new(false);
    let mut out = vec![0; CLUSTER];
    for stream in streams {
        inflate.reset(false);
        inflate.decompress(stream, &mut out, FlushDecompress::Finish)?;
    }
    Ok(streams.len() * out.len())
}

fn by_libdeflate(streams: &[Vec<u8>]) -> Outcome<usize> {
    let mut inflate = libdeflater::Decompressor::new();
    let mut out = vec![0; CLUSTER];
    let mut size = 0;
    for stream in streams {
        size += inflate.deflate_decompress(stream, &mut out)?;
    }
    Ok(size)
}

fn by_miniz_oxide(streams: &[Vec<u8>]) -> Outcome<usize> {
    let mut out = vec![0; CLUSTER];
    let mut size = 0;
    for stream in streams {
        size += miniz_oxide::inflate::decompress_slice_iter_to_slice(
            &mut out,
            [stream.as_slice()].into_iter(),
            false,
            true,
        )
        .map_err(|status| format!("miniz_oxide: {status:?}"))?;
    }
    Ok(size)
}

/// Its window is of 32 KiB, which the format does not allow: only for comparison.
fn libdeflate(clusters: &[Vec<u8>]) -> Outcome<(Duration, usize)> {
    let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(6).map_err(|_| "level 6")?);
    let mut out = vec![0; 2 * CLUSTER];
    let mut size = 0;
    let begin = cpu();
    for cluster in clusters {
        size += deflate.deflate_compress(cluster, &mut out)?.min(CLUSTER);
    }
    Ok((cpu() - begin, size))
}

/// One in `every` clusters of the image that are not zero.
fn sample(path: &str, every: usize) -> std::io::Result<Vec<Vec<u8>>> {
    let mut file = File::open(path)?;
    let mut clusters = Vec::new();
    let mut cluster = vec![0; CLUSTER];
    let mut all = 0_usize;
    while file.read_exact(&mut cluster).is_ok() {
        if cluster.iter().any(|&byte| byte != 0) {
            all += 1;
            if all.is_multiple_of(every) {
                clusters.push(cluster.clone());
            }
        }
    }
    Ok(clusters)
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn zlib_rs(clusters: &[Vec<u8>]) -> Outcome<(Duration, usize)> {
    let mut deflate = Compress::new_with_window_bits(Compression::new(6), false, 12);
    let mut out = vec![0; 2 * CLUSTER];
    let mut size = 0;
    let begin = cpu();
    for cluster in clusters {
        deflate.reset();
        let status = deflate.compress(cluster, &mut out, FlushCompress::Finish)?;
        assert!(status == Status::StreamEnd);
        size += (deflate.total_out() as usize).min(CLUSTER);
    }
    Ok((cpu() - begin, size))
}

fn own(clusters: &[Vec<u8>], level: u32, check: bool) -> Outcome<(Duration, usize)> {
    let mut encoder = Encoder::new(level);
    let mut out = Vec::new();
    let mut size = 0;
    let begin = cpu();
    for cluster in clusters {
        out.clear();
        size += encoder.compress(cluster, CLUSTER - 1, &mut out).unwrap_or(CLUSTER);
    }
    let time = cpu() - begin;
    if check {
        let mut inflate = Decompress::new_with_window_bits(false, 12);
        let mut found = vec![0; CLUSTER];
        for cluster in clusters {
            out.clear();
            if encoder.compress(cluster, CLUSTER - 1, &mut out).is_some() {
                inflate.reset(false);
                let status = inflate.decompress(&out, &mut found, FlushDecompress::Finish)?;
                assert!(status == Status::StreamEnd && &found == cluster);
            }
        }
    }
    Ok((time, size))
}
