//! Content in place: what is there already stays, and only what follows is written.

use super::edit::{CHUNK_BYTES, read_chunk};
use super::{Guest, GuestError, Result};
use imgctl_vfs::{Found, GuestPath};
use std::collections::BTreeMap;
use std::io::Read;

impl Guest {
    /// Makes a regular file that was found hold exactly `content`, read once and in pieces. Whether it changed.
    pub fn ensure_content(&mut self, found: &Found, content: &mut dyn Read) -> Result<bool> {
        self.check_regular("write", found)?;
        let failed = |source| GuestError::Content {
            path: found.path.clone(),
            source,
        };
        let mut wanted = vec![0; CHUNK_BYTES];
        let mut present = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        let mut is_changed = false;
        loop {
            let count = read_chunk(content, &mut wanted).map_err(failed)?;
            let chunk = wanted.get(..count).unwrap_or_default();
            is_changed |= self.ensure_chunk(found, offset, chunk, &mut present, is_changed)?;
            if count == 0 {
                return Ok(is_changed);
            }
            offset += count as u64;
        }
    }

    /// The same with the content of another file of the guest.
    pub fn ensure_copy(&mut self, from: &Found, to: &Found) -> Result<bool> {
        self.check_regular("copy", from)?;
        self.check_regular("write", to)?;
        let mut wanted = vec![0; CHUNK_BYTES];
        let mut present = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        let mut is_changed = false;
        loop {
            let count = self.read_exact_at(from, offset, &mut wanted)?;
            let chunk = wanted.get(..count).unwrap_or_default();
            is_changed |= self.ensure_chunk(to, offset, chunk, &mut present, is_changed)?;
            if count == 0 {
                return Ok(is_changed);
            }
            offset += count as u64;
        }
    }

    /// Writes a piece where the file has another, and cuts the file there; whether it did. An empty piece is the end.
    fn ensure_chunk(
        &mut self,
        found: &Found,
        offset: u64,
        chunk: &[u8],
        present: &mut [u8],
        is_changed: bool,
    ) -> Result<bool> {
        if !is_changed {
            let there = self.read_exact_at(found, offset, present)?;
            if present.get(..there) == Some(chunk) {
                return Ok(false);
            }
            self.log.touch_node(&self.tree, found)?;
            self.on_node("write", found, |fs, node| fs.set_len(node, offset))?;
        }
        if !chunk.is_empty() {
            self.on_node("write", found, |fs, node| fs.write_at(node, offset, chunk))?;
        }
        Ok(true)
    }

    /// Adds bytes to the end of a regular file that was found.
    pub fn append(&mut self, found: &Found, bytes: &[u8]) -> Result<()> {
        self.check_regular("write", found)?;
        let end = self.metadata_of(found)?.size;
        self.log.touch_node(&self.tree, found)?;
        self.on_node("write", found, |fs, node| fs.write_at(node, end, bytes))
    }

    /// The first bytes of a regular file that was found, and its last ones: as many of each as the buffers take.
    pub fn ends_of(&self, found: &Found, first: &mut Vec<u8>, last: &mut Vec<u8>) -> Result<()> {
        self.check_regular("read", found)?;
        let size = self.metadata_of(found)?.size;
        let count = self.read_exact_at(found, 0, first)?;
        first.truncate(count);
        let start = size.saturating_sub(last.len() as u64);
        let count = self.read_exact_at(found, start, last)?;
        last.truncate(count);
        Ok(())
    }

    /// The extended attributes of what is at `path`, of a link its own.
    pub fn xattrs(&self, path: &GuestPath) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        Ok(self.xattrs_at(path)?.1)
    }

    /// Whether the filesystem of what was found can store extended attributes.
    #[must_use]
    pub fn stores_xattrs(&self, found: &Found) -> bool {
        self.capabilities(found).xattrs
    }
}
