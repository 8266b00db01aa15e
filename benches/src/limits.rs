//! What this machine can do at best with the bytes that a run has to move.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

const PIECE_BYTES: usize = 1 << 20;

/// How long each takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Reading the base from the page cache.
    pub(crate) read: Duration,
    /// Copying as many bytes in memory.
    pub(crate) copy: Duration,
    /// SHA-256 of as many bytes.
    pub(crate) sha256: Duration,
    /// Writing as many bytes to a new file and making it durable.
    pub(crate) write: Duration,
}

/// Measures with the bytes of `base`, once.
pub(crate) fn measure(base: &Path, folder: &Path) -> Result<Limits> {
    let mut limits = Limits::default();
    let mut file = File::open(base)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut copy = vec![0; PIECE_BYTES];
    let mut digest = Sha256::new();
    let target = folder.join("limit");
    let mut written = File::create(&target)?;
    loop {
        let begin = Instant::now();
        let length = file.read(&mut piece)?;
        limits.read += begin.elapsed();
        if length == 0 {
            break;
        }
        let begin = Instant::now();
        copy[..length].copy_from_slice(black_box(&piece[..length]));
        black_box(&copy);
        limits.copy += begin.elapsed();
        let begin = Instant::now();
        digest.update(&piece[..length]);
        limits.sha256 += begin.elapsed();
        let begin = Instant::now();
        written.write_all(&piece[..length])?;
        limits.write += begin.elapsed();
    }
    black_box(digest.finalize());
    let begin = Instant::now();
    written.sync_all()?;
    limits.write += begin.elapsed();
    std::fs::remove_file(&target)?;
    Ok(limits)
}
