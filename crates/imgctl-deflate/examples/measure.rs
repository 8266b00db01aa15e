//! Measures speed and size on the clusters of a raw disk image, beside zlib-rs through flate2.
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
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

    let mut rows: Vec<(String, Vec<Duration>, usize)> = Vec::new();
    for round in 0..rounds {
        let mut runs: Vec<(String, Duration, usize)> = Vec::new();
        let (time, size) = zlib_rs(&clusters)?;
        runs.push(("zlib-rs, 12-bit window, level 6".into(), time, size));
        for &level in &levels {
            let (time, size) = own(&clusters, level, round == 0)?;
            runs.push((format!("imgctl-deflate, level {level}"), time, size));
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
        println!(
            "{name:32} {:7.1} MB/s of CPU ({:.1} to {:.1}), {size} bytes, {:+.2} %",
            megabytes / median,
            megabytes / worst,
            megabytes / best,
            (size as f64 / reference - 1.0) * 100.0,
        );
    }
    Ok(())
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

fn zlib_rs(clusters: &[Vec<u8>]) -> Result<(Duration, usize), Box<dyn std::error::Error>> {
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

fn own(clusters: &[Vec<u8>], level: u32, check: bool) -> Result<(Duration, usize), Box<dyn std::error::Error>> {
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
