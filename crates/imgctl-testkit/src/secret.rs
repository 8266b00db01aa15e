//! Looking for the bytes of deleted files in a disk image.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Bytes compared at each place: long enough that two files do not share them by chance.
const WINDOW: usize = 32;
/// A window holds at least this many different bytes, else it could be padding or text that is everywhere.
const VARIETY: usize = 12;

/// One piece is taken from so many bytes of a file.
const STRIDE: usize = 128;

/// Pieces of files that must be nowhere in an image.
#[derive(Debug, Default)]
pub struct Secrets {
    pieces: HashMap<[u8; WINDOW], String>,
    /// Pieces that two files have, like the first lines of all private keys: they tell nothing.
    shared: HashSet<[u8; WINDOW]>,
}

/// Where a piece was found.
type Found = (u64, [u8; WINDOW]);

impl Secrets {
    /// Adds pieces of a file's content: one of every 128 bytes. `name` is for the message.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        for chunk in content.chunks(STRIDE) {
            let window = chunk.windows(WINDOW).find(|window| is_telling(window));
            let Some(piece) = window.and_then(|window| <[u8; WINDOW]>::try_from(window).ok()) else {
                continue;
            };
            let other = self.pieces.insert(piece, name.to_owned());
            if other.is_some_and(|other| other != name) {
                self.shared.insert(piece);
            }
        }
        self.pieces.retain(|piece, _| !self.shared.contains(piece));
    }

    /// Keeps the pieces that are in a raw image exactly once: what is there twice, like the first lines of a public
    /// key, may rightly stay. Returns the files of which a piece is left.
    ///
    /// # Errors
    ///
    /// When the image cannot be read.
    pub fn keep_unique_in(&mut self, image: &Path) -> Result<BTreeSet<String>> {
        let file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
        let mut counts: HashMap<[u8; WINDOW], usize> = HashMap::new();
        let found = self
            .find_pieces(file)
            .with_context(|| format!("reading {}", image.display()))?;
        found
            .into_iter()
            .for_each(|(_, piece)| *counts.entry(piece).or_default() += 1);
        self.pieces.retain(|piece, _| counts.get(piece) == Some(&1));
        Ok(self.pieces.values().cloned().collect())
    }

    /// How many pieces there are to find.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is nothing to find.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces found in a raw image: offset and the name of the file.
    ///
    /// # Errors
    ///
    /// When the image cannot be read.
    pub fn find_in_file(&self, image: &Path) -> Result<Vec<(u64, String)>> {
        let file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
        self.find(file).with_context(|| format!("reading {}", image.display()))
    }

    /// The pieces found in a stream of bytes: offset and the name of the file.
    ///
    /// # Errors
    ///
    /// When reading fails.
    pub fn find(&self, stream: impl Read) -> std::io::Result<Vec<(u64, String)>> {
        let found = self.find_pieces(stream)?;
        let name = |piece| self.pieces.get(piece).cloned().unwrap_or_default();
        Ok(found.iter().map(|(offset, piece)| (*offset, name(piece))).collect())
    }

    fn find_pieces(&self, mut stream: impl Read) -> std::io::Result<Vec<Found>> {
        // A bit per value of a window's first two bytes spares a hash at most places.
        let mut starts = vec![false; 1 << 16];
        for piece in self.pieces.keys() {
            if let Some(start) = starts.get_mut(pair(piece)) {
                *start = true;
            }
        }
        let mut found = Vec::new();
        let mut buffer = vec![0; 4 << 20];
        let mut kept = 0;
        let mut offset = 0;
        loop {
            let count = fill(&mut stream, &mut buffer, kept)?;
            let bytes = buffer.get(..kept + count).unwrap_or_default();
            if bytes.iter().any(|byte| *byte != 0) {
                self.find_in(bytes, offset, &starts, &mut found);
            }
            if count == 0 {
                return Ok(found);
            }
            let end = kept + count;
            kept = end.min(WINDOW - 1);
            buffer.copy_within(end - kept..end, 0);
            offset += (end - kept) as u64;
        }
    }

    fn find_in(&self, bytes: &[u8], offset: u64, starts: &[bool], found: &mut Vec<Found>) {
        for (index, window) in bytes.windows(WINDOW).enumerate() {
            if starts.get(pair(window)) == Some(&true)
                && let Ok(piece) = <&[u8; WINDOW]>::try_from(window)
                && self.pieces.contains_key(piece)
            {
                found.push((offset + index as u64, *piece));
            }
        }
    }
}

fn pair(window: &[u8]) -> usize {
    match window {
        [first, second, ..] => usize::from(*first) << 8 | usize::from(*second),
        _ => 0,
    }
}

fn is_telling(window: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in window {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= VARIETY
}

fn fill(stream: &mut impl Read, buffer: &mut [u8], from: usize) -> std::io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(from + count..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32, len: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn finds_a_piece_wherever_it_lies_across_buffers() {
        let mut secrets = Secrets::default();
        let secret = noise(1, 100);
        secrets.add("key", &secret);
        assert_eq!(secrets.len(), 1);
        for start in [0, 4095, (4 << 20) - 16, (4 << 20) - 1, 5 << 20] {
            let mut image = vec![0; 6 << 20];
            image[start..start + 100].copy_from_slice(&secret);
            assert_eq!(
                secrets.find(&image[..]).unwrap(),
                [(start as u64, "key".to_owned())],
                "at {start}"
            );
        }
    }

    #[test]
    fn finds_nothing_where_only_the_start_is_left() {
        let mut secrets = Secrets::default();
        let secret = noise(2, 5000);
        secrets.add("key", &secret);
        assert_eq!(secrets.len(), 39);
        assert!(secrets.find(&secret[..20]).unwrap().is_empty());
        assert_eq!(secrets.find(&secret[..]).unwrap().len(), 39);
        let image = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(image.path(), [&secret[..], &secret[..2000]].concat()).unwrap();
        assert_eq!(secrets.keep_unique_in(image.path()).unwrap().len(), 1);
        assert_eq!(secrets.len(), 23);
    }

    #[test]
    fn what_two_files_share_is_no_secret() {
        let mut secrets = Secrets::default();
        let (header, first, second) = (noise(3, 128), noise(4, 128), noise(5, 128));
        secrets.add("first", &[&header[..], &first].concat());
        secrets.add("second", &[&header[..], &second].concat());
        secrets.add("third", &header);
        assert_eq!(secrets.len(), 2);
        assert!(secrets.find(&header[..]).unwrap().is_empty());
        assert_eq!(secrets.find(&second[..]).unwrap(), [(0, "second".to_owned())]);
    }

    #[test]
    fn passes_over_padding() {
        let mut secrets = Secrets::default();
        secrets.add("zeros", &[0; 4096]);
        secrets.add("short", b"few bytes");
        assert!(secrets.is_empty());
    }
}
