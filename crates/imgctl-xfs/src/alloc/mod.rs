//! The space of the filesystem: its allocation groups, brought into memory when they are needed.

mod free;
mod group;
mod owners;
mod shared;

pub(crate) use group::{Group, has_unlinked, read_free, read_headers};
pub(crate) use owners::Owners;
pub(crate) use shared::Shared;

use crate::error::Result;
use crate::volume::Volume;
use std::collections::BTreeMap;

/// All groups that were needed so far.
#[derive(Debug, Default)]
pub(crate) struct Space {
    groups: BTreeMap<u32, Group>,
}

impl Space {
    /// The runs of free blocks of a group as (start, length).
    pub(crate) fn free_runs(&self, volume: &Volume, number: u32) -> Result<Vec<(u32, u32)>> {
        match self.groups.get(&number) {
            Some(group) => Ok(group.free.runs().collect()),
            None => Ok(read_free(volume, number)?.runs().collect()),
        }
    }
}
