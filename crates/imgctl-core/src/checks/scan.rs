//! Files of the guest as streams: digests and searches in bounded memory.

use super::{Fault, Scene};
use aho_corasick::AhoCorasick;
use imgctl_vfs::{Tree, TreeNode};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

const PIECE_BYTES: usize = 1 << 18;

/// A regular file, from its start.
pub(super) struct FileReader<'s> {
    tree: &'s Tree,
    node: TreeNode,
    offset: u64,
    cancel: &'s AtomicBool,
}

impl<'s> FileReader<'s> {
    pub(super) fn new(scene: &Scene<'s>, node: TreeNode) -> Self {
        Self {
            tree: scene.guest.tree(),
            node,
            offset: 0,
            cancel: scene.cancel,
        }
    }

    /// All of it; the caller knows that it is short.
    pub(super) fn whole(mut self) -> Result<Vec<u8>, Fault> {
        let mut content = Vec::new();
        self.read_to_end(&mut content).map_err(|error| fault(&error))?;
        Ok(content)
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        let fs = self.tree.fs(self.node);
        let count = fs
            .read_at(self.node.node, self.offset, buffer)
            .map_err(io::Error::other)?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

/// The fault of a stream that broke.
pub(super) fn fault(error: &io::Error) -> Fault {
    let source = error
        .get_ref()
        .map(|source| source as &(dyn std::error::Error + 'static));
    Fault(super::chain(source.unwrap_or(error)))
}

/// SHA-256, in lower-case hexadecimal.
pub(super) fn sha256(reader: &mut FileReader<'_>) -> Result<String, Fault> {
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece).map_err(|error| fault(&error))? {
            0 => break,
            count => digest.update(&piece[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether the text is somewhere in the stream.
pub(super) fn contains(reader: &mut FileReader<'_>, text: &[u8]) -> Result<bool, Fault> {
    if text.is_empty() {
        return Ok(true);
    }
    let search = AhoCorasick::new([text]).map_err(|error| Fault(error.to_string()))?;
    let found = search.stream_find_iter(reader).next();
    Ok(found.transpose().map_err(|error| fault(&error))?.is_some())
}
