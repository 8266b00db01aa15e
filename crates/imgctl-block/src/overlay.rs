//! Everything a run changes, kept above a base that is never written.

use crate::device::check_range;
use crate::{BlockDevice, BlockRead, Error, Extent, ExtentKind, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The unit in which the overlay keeps changes.
pub const PAGE_BYTES: u64 = 4096;

const PAGE: usize = PAGE_BYTES as usize;

/// A changed range of an [`Overlay`], in whole pages (the last one may end with the device).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DirtyRange {
    /// Where it begins.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// [`ExtentKind::Hole`] when the range was discarded, so that it reads as zeros.
    pub kind: ExtentKind,
}

/// A device that reads through to a base and keeps every write for itself.
///
/// Changed pages live in memory up to a budget, then in a scratch file that has no name, so that nothing is left
/// behind however the process ends.
pub struct Overlay {
    base: Arc<dyn BlockRead>,
    state: RwLock<State>,
    scratch: Option<Scratch>,
}

#[derive(Default)]
struct State {
    pages: BTreeMap<u64, Page>,
    in_memory: usize,
    spilled: Option<File>,
    spilled_pages: u64,
}

/// Where pages go when memory is full.
struct Scratch {
    folder: PathBuf,
    memory_pages: usize,
}

enum Page {
    Zero,
    Memory(Box<[u8; PAGE]>),
    Spilled { slot: u64 },
}

impl Overlay {
    /// An overlay that keeps every change in memory.
    pub fn new(base: Arc<dyn BlockRead>) -> Self {
        Self {
            base,
            state: RwLock::default(),
            scratch: None,
        }
    }

    /// An overlay that keeps at most `memory_bytes` of changes in memory and the rest in an unlinked file in `folder`.
    pub fn with_scratch(base: Arc<dyn BlockRead>, folder: impl Into<PathBuf>, memory_bytes: u64) -> Self {
        Self {
            scratch: Some(Scratch {
                folder: folder.into(),
                memory_pages: usize::try_from(memory_bytes / PAGE_BYTES).unwrap_or(usize::MAX),
            }),
            ..Self::new(base)
        }
    }

    /// The device below.
    pub fn base(&self) -> &Arc<dyn BlockRead> {
        &self.base
    }

    /// Every changed range, in order; neighbours of one kind are merged.
    pub fn dirty_ranges(&self) -> Vec<DirtyRange> {
        let mut ranges: Vec<DirtyRange> = Vec::new();
        for (number, page) in &self.read_state().pages {
            let offset = number * PAGE_BYTES;
            let length = PAGE_BYTES.min(self.len_bytes() - offset);
            let kind = page.kind();
            match ranges.last_mut() {
                Some(last) if last.offset + last.length == offset && last.kind == kind => {
                    last.length += length;
                }
                _ => ranges.push(DirtyRange { offset, length, kind }),
            }
        }
        ranges
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one page, or its part up to the device's end, from the base.
    fn base_page(&self, number: u64) -> Result<Box<[u8; PAGE]>> {
        let offset = number * PAGE_BYTES;
        let length = PAGE_BYTES.min(self.len_bytes() - offset) as usize;
        let mut page = Box::new([0; PAGE]);
        self.base.read_at(offset, &mut page[..length])?;
        Ok(page)
    }

    /// Changes the bytes at `start` within one page.
    fn write_page(&self, state: &mut State, number: u64, start: usize, data: &[u8]) -> Result<()> {
        let range = start..start + data.len();
        match state.pages.get_mut(&number) {
            Some(Page::Memory(page)) => {
                page[range].copy_from_slice(data);
                return Ok(());
            }
            Some(Page::Spilled { slot }) => {
                let slot = *slot;
                return state.write_spilled(slot, start, data);
            }
            Some(Page::Zero) | None => {}
        }
        let mut page = match state.pages.get(&number) {
            Some(_) => Box::new([0; PAGE]),
            None if data.len() == PAGE => Box::new([0; PAGE]),
            None => self.base_page(number)?,
        };
        page[range].copy_from_slice(data);
        let page = match &self.scratch {
            Some(scratch) if state.in_memory >= scratch.memory_pages => state.spill(scratch, &page)?,
            _ => {
                state.in_memory += 1;
                Page::Memory(page)
            }
        };
        state.pages.insert(number, page);
        Ok(())
    }

    /// Makes the whole pages from `position` to `end` read as zeros, and says how far it got: at least one page.
    fn discard_pages(&self, state: &mut State, position: u64, end: u64) -> Result<u64> {
        let number = position / PAGE_BYTES;
        let base = self.base.extent_at(position)?;
        let base_is_zero = base.kind == ExtentKind::Hole && base.length >= PAGE_BYTES.min(self.len_bytes() - position);
        if !base_is_zero {
            state.replace(number, Some(Page::Zero));
            return Ok((position + PAGE_BYTES).min(end));
        }
        // Over a hole of the base nothing needs to be remembered, so that discarding an empty terabyte costs nothing.
        let hole_end = match (position + base.length).min(end) {
            hole_end if hole_end == self.len_bytes() => hole_end,
            hole_end => hole_end / PAGE_BYTES * PAGE_BYTES,
        };
        let pages: Vec<u64> = state
            .pages
            .range(number..hole_end.div_ceil(PAGE_BYTES))
            .map(|(page, _)| *page)
            .collect();
        for page in pages {
            state.replace(page, None);
        }
        Ok(hole_end)
    }
}

impl Page {
    fn kind(&self) -> ExtentKind {
        match self {
            Self::Zero => ExtentKind::Hole,
            Self::Memory(_) | Self::Spilled { .. } => ExtentKind::Data,
        }
    }
}

impl State {
    /// Puts `page` in the place of what was kept, if anything.
    fn replace(&mut self, number: u64, page: Option<Page>) {
        let old = match page {
            Some(page) => self.pages.insert(number, page),
            None => self.pages.remove(&number),
        };
        if let Some(Page::Memory(_)) = old {
            self.in_memory -= 1;
        }
    }

    fn spill(&mut self, scratch: &Scratch, page: &[u8; PAGE]) -> Result<Page> {
        if self.spilled.is_none() {
            let file = tempfile::tempfile_in(&scratch.folder).map_err(|source| Error::Io {
                action: "create the scratch file",
                offset: 0,
                source,
            })?;
            self.spilled = Some(file);
        }
        let slot = self.spilled_pages;
        self.write_spilled(slot, 0, page)?;
        self.spilled_pages += 1;
        Ok(Page::Spilled { slot })
    }

    fn write_spilled(&self, slot: u64, start: usize, data: &[u8]) -> Result<()> {
        let offset = slot * PAGE_BYTES + start as u64;
        match &self.spilled {
            Some(file) => file.write_all_at(data, offset),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
        .map_err(|source| Error::Io {
            action: "write the scratch file",
            offset,
            source,
        })
    }

    fn read_spilled(&self, slot: u64, start: usize, buf: &mut [u8]) -> Result<()> {
        let offset = slot * PAGE_BYTES + start as u64;
        match &self.spilled {
            Some(file) => file.read_exact_at(buf, offset),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
        .map_err(|source| Error::Io {
            action: "read the scratch file",
            offset,
            source,
        })
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.read_state();
        f.debug_struct("Overlay")
            .field("base", &self.base)
            .field("changed_pages", &state.pages.len())
            .field("spilled_pages", &state.spilled_pages)
            .finish()
    }
}

impl BlockRead for Overlay {
    fn len_bytes(&self) -> u64 {
        self.base.len_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len_bytes(), offset, buf.len() as u64)?;
        let state = self.read_state();
        let mut done = 0;
        while done < buf.len() {
            let position = offset + done as u64;
            let number = position / PAGE_BYTES;
            let start = (position % PAGE_BYTES) as usize;
            let length = match state.pages.range(number..).next() {
                Some((found, page)) if *found == number => {
                    let length = (PAGE - start).min(buf.len() - done);
                    let part = &mut buf[done..done + length];
                    match page {
                        Page::Zero => part.fill(0),
                        Page::Memory(bytes) => part.copy_from_slice(&bytes[start..start + length]),
                        Page::Spilled { slot } => state.read_spilled(*slot, start, part)?,
                    }
                    length
                }
                // Everything up to the next changed page comes from the base in one read.
                next => {
                    let end = next.map_or(u64::MAX, |(found, _)| found * PAGE_BYTES);
                    let length = (end - position).min((buf.len() - done) as u64) as usize;
                    self.base.read_at(position, &mut buf[done..done + length])?;
                    length
                }
            };
            done += length;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len_bytes(), offset, 1)?;
        let state = self.read_state();
        let rest = self.len_bytes() - offset;
        let number = offset / PAGE_BYTES;
        let Some(first) = state.pages.get(&number) else {
            let next = state.pages.range(number..).next();
            let end = next.map_or(u64::MAX, |(found, _)| found * PAGE_BYTES);
            return Ok(self.base.extent_at(offset)?.capped((end - offset).min(rest)));
        };
        let kind = first.kind();
        let mut end = number;
        for (found, page) in state.pages.range(number..) {
            if *found != end || page.kind() != kind {
                break;
            }
            end += 1;
        }
        Ok(Extent {
            kind,
            length: (end * PAGE_BYTES - offset).min(rest),
        })
    }
}

impl BlockDevice for Overlay {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        check_range(self.len_bytes(), offset, data.len() as u64)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < data.len() {
            let position = offset + done as u64;
            let start = (position % PAGE_BYTES) as usize;
            let length = (PAGE - start).min(data.len() - done);
            let part = &data[done..done + length];
            // Zeros are remembered, not kept: a swap file of gigabytes costs nothing.
            if length == PAGE && part.iter().all(|byte| *byte == 0) {
                self.discard_pages(&mut state, position, position + PAGE_BYTES)?;
            } else {
                self.write_page(&mut state, position / PAGE_BYTES, start, part)?;
            }
            done += length;
        }
        Ok(())
    }

    fn discard(&self, offset: u64, length: u64) -> Result<()> {
        check_range(self.len_bytes(), offset, length)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let end = offset + length;
        let whole_pages_end = match end {
            end if end == self.len_bytes() => end,
            end => end / PAGE_BYTES * PAGE_BYTES,
        };
        let mut position = offset;
        while position < end {
            let number = position / PAGE_BYTES;
            let page_start = number * PAGE_BYTES;
            let page_end = (page_start + PAGE_BYTES).min(self.len_bytes());
            let stop = page_end.min(end);
            position = if position == page_start && stop == page_end {
                self.discard_pages(&mut state, position, whole_pages_end)?
            } else {
                let zeros = [0; PAGE];
                let start = (position - page_start) as usize;
                self.write_page(&mut state, number, start, &zeros[..(stop - position) as usize])?;
                stop
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDevice;
    use proptest::prelude::*;

    const LENGTH: usize = 10 * PAGE + 100;

    /// Pages 3 to 6 are zeros.
    fn base_bytes() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..LENGTH).map(|index| (index / 7 % 251) as u8).collect();
        bytes[3 * PAGE..7 * PAGE].fill(0);
        bytes
    }

    /// The same bytes in a file with a hole where the zeros are.
    fn sparse_base() -> crate::FileDevice {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LENGTH as u64).unwrap();
        file.write_all_at(&base_bytes()[..3 * PAGE], 0).unwrap();
        file.write_all_at(&base_bytes()[7 * PAGE..], 7 * PAGE_BYTES).unwrap();
        crate::FileDevice::new(file).unwrap()
    }

    #[test]
    fn dirty_ranges_are_merged_by_kind() {
        let overlay = Overlay::new(Arc::new(MemoryDevice::zeroed(LENGTH)));
        overlay.write_at(PAGE_BYTES - 1, &[1, 1]).unwrap();
        overlay.discard(2 * PAGE_BYTES, 2 * PAGE_BYTES).unwrap();
        overlay.discard(10 * PAGE_BYTES, 100).unwrap();
        let range = |offset, length, kind| DirtyRange { offset, length, kind };
        assert_eq!(
            overlay.dirty_ranges(),
            [
                range(0, 2 * PAGE_BYTES, ExtentKind::Data),
                range(2 * PAGE_BYTES, 2 * PAGE_BYTES, ExtentKind::Hole),
                range(10 * PAGE_BYTES, 100, ExtentKind::Hole),
            ]
        );
    }

    #[test]
    fn discarding_an_empty_terabyte_costs_nothing() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        let overlay = Overlay::new(Arc::new(crate::FileDevice::new(file).unwrap()));
        overlay.write_at(1 << 30, &[1; 2 * PAGE]).unwrap();
        overlay.discard(0, 1 << 40).unwrap();
        assert_eq!(overlay.dirty_ranges(), []);
        assert_eq!(overlay.read_vec(1 << 30, PAGE).unwrap(), [0; PAGE]);
    }

    #[test]
    fn nothing_is_written_past_the_end() {
        let overlay = Overlay::new(Arc::new(MemoryDevice::zeroed(LENGTH)));
        assert!(overlay.write_at(LENGTH as u64 - 1, &[1, 1]).is_err());
        assert!(overlay.discard(LENGTH as u64, 1).is_err());
        assert!(overlay.dirty_ranges().is_empty());
    }

    #[test]
    fn a_missing_scratch_folder_is_an_error_not_a_loss() {
        let base = Arc::new(MemoryDevice::from_bytes(base_bytes()));
        let overlay = Overlay::with_scratch(base, "/nonexistent", 0);
        assert!(overlay.write_at(0, &[1]).is_err());
        assert_eq!(overlay.read_vec(0, LENGTH).unwrap(), base_bytes());
    }

    #[derive(Clone, Debug)]
    enum Change {
        Write(usize, Vec<u8>),
        Discard(usize, usize),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..LENGTH, proptest::collection::vec(any::<u8>(), 0..3 * PAGE))
                .prop_map(|(offset, data)| Change::Write(offset, data)),
            (0..LENGTH, 0..4 * PAGE).prop_map(|(offset, length)| Change::Discard(offset, length)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whether pages stay in memory or are spilled, the overlay reads as a plain buffer would.
        #[test]
        fn the_overlay_equals_a_buffer(changes in proptest::collection::vec(change(), 1..20), memory_pages in 0_u64..4) {
            let base = Arc::new(sparse_base());
            let folder = tempfile::tempdir().unwrap();
            let overlay = Overlay::with_scratch(base.clone(), folder.path(), memory_pages * PAGE_BYTES);
            let mut model = base_bytes();
            for change in changes {
                match change {
                    Change::Write(offset, mut data) => {
                        data.truncate(LENGTH - offset);
                        overlay.write_at(offset as u64, &data).unwrap();
                        model[offset..offset + data.len()].copy_from_slice(&data);
                    }
                    Change::Discard(offset, length) => {
                        let length = length.min(LENGTH - offset);
                        overlay.discard(offset as u64, length as u64).unwrap();
                        model[offset..offset + length].fill(0);
                    }
                }
            }
            prop_assert_eq!(overlay.read_vec(0, LENGTH).unwrap(), model.clone());
            prop_assert_eq!(base.read_vec(0, LENGTH).unwrap(), base_bytes());
            let mut offset = 0;
            while offset < LENGTH as u64 {
                let extent = overlay.extent_at(offset).unwrap();
                if extent.kind == ExtentKind::Hole {
                    let range = offset as usize..(offset + extent.length) as usize;
                    prop_assert!(model[range].iter().all(|byte| *byte == 0));
                }
                offset += extent.length;
            }
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the scratch file has no name");
        }
    }

    #[test]
    fn written_zeros_take_no_place() {
        let base = MemoryDevice::zeroed(LENGTH);
        base.write_at(0, &[9; 2 * PAGE]).unwrap();
        let overlay = Overlay::new(Arc::new(base));
        overlay.write_at(PAGE_BYTES, &[7; PAGE]).unwrap();
        overlay.write_at(0, &[0; 2 * PAGE]).unwrap();
        let ranges = overlay.dirty_ranges().into_iter();
        let kinds: Vec<_> = ranges.map(|range| (range.offset, range.length, range.kind)).collect();
        assert_eq!(kinds, [(0, 2 * PAGE_BYTES, ExtentKind::Hole)]);
        let mut pages = vec![1; 2 * PAGE];
        overlay.read_at(0, &mut pages).unwrap();
        assert!(pages.iter().all(|byte| *byte == 0));
    }
}
