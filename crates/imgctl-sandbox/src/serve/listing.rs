//! Directories that are open: what they held then.

use super::Target;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The listings of open directories, by handle. The order of the map is never seen.
#[derive(Debug, Default)]
pub(super) struct Listings {
    state: Mutex<(u64, HashMap<u64, Arc<Listing>>)>,
}

#[derive(Debug)]
pub(super) struct Listing(Vec<(Vec<u8>, Target)>);

impl Listings {
    pub(super) fn insert(&self, entries: Vec<(Vec<u8>, Target)>) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let handle = state.0;
        state.1.insert(handle, Arc::new(Listing(entries)));
        handle
    }

    pub(super) fn get(&self, handle: u64) -> Option<Arc<Listing>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.get(&handle).map(Arc::clone)
    }

    pub(super) fn remove(&self, handle: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.remove(&handle);
    }
}

impl Listing {
    /// What comes from `offset` on: the offset of the next, the name, and what it leads to; `None` for `.` and `..`.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &[u8], Option<Target>)> {
        let dots = [(&b"."[..], None), (b"..", None)];
        let entries = self.0.iter().map(|(name, target)| (name.as_slice(), Some(*target)));
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let all = dots.into_iter().chain(entries);
        (1..)
            .zip(all)
            .skip(skip)
            .map(|(next, (name, target))| (next, name, target))
    }
}
