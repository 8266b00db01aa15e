//! Pages of a table's b-tree.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{Parsed, u16_at, u32_at, varint};

/// One page of a table.
#[derive(Debug)]
pub(in crate::sqlite) enum TablePage<'p> {
    /// The pages below, in order.
    Interior(Vec<u32>),
    /// The rows.
    Leaf(Vec<Cell<'p>>),
}

/// A row as its page holds it.
#[derive(Debug)]
pub(in crate::sqlite) struct Cell<'p> {
    /// The whole length of its record.
    pub(in crate::sqlite) payload_bytes: u64,
    /// What of the record is in the page.
    pub(in crate::sqlite) local: &'p [u8],
    /// The first page of the rest.
    pub(in crate::sqlite) overflow: Option<u32>,
}

impl<'p> TablePage<'p> {
    /// Reads a page; its structure begins at `start` (100 on the first page of the file).
    pub(in crate::sqlite) fn parse(page: &'p [u8], start: usize, usable_bytes: usize) -> Parsed<Self> {
        let outside = "a page's structure lies outside of it";
        let page = page.get(..usable_bytes).ok_or(outside)?;
        let kind = page.get(start).copied().ok_or(outside)?;
        let at = |offset: usize| start.checked_add(offset).ok_or(outside);
        let count = usize::from(u16_at(page, at(3)?).ok_or(outside)?);
        let header_bytes = match kind {
            0x05 => 12,
            0x0d => 8,
            _ => return Err("a page that should be of a table is not"),
        };
        let cell = |index: usize| {
            let pointer = index.checked_mul(2)?.checked_add(header_bytes)?.checked_add(start)?;
            page.get(usize::from(u16_at(page, pointer)?)..)
        };
        if kind == 0x05 {
            let children = (0..count).map(|index| cell(index).and_then(|cell| u32_at(cell, 0)).ok_or(outside));
            let mut children: Vec<u32> = children.collect::<Parsed<_>>()?;
            children.push(u32_at(page, at(8)?).ok_or(outside)?);
            return Ok(Self::Interior(children));
        }
        let cells = (0..count).map(|index| {
            let cell = cell(index).ok_or(outside)?;
            Cell::parse(cell, usable_bytes).ok_or(outside)
        });
        Ok(Self::Leaf(cells.collect::<Parsed<_>>()?))
    }
}

impl<'p> Cell<'p> {
    fn parse(cell: &'p [u8], usable_bytes: usize) -> Option<Self> {
        let (payload_bytes, length) = varint(cell)?;
        let rest = cell.get(length..)?;
        let (_row_id, length) = varint(rest)?;
        let rest = rest.get(length..)?;
        let local_bytes = local_bytes(payload_bytes, usable_bytes)?;
        let (local, rest) = rest.split_at_checked(local_bytes)?;
        let is_whole = u64::try_from(local_bytes).ok()? == payload_bytes;
        Some(Self {
            payload_bytes,
            local,
            overflow: match is_whole {
                true => None,
                false => Some(u32_at(rest, 0)?),
            },
        })
    }
}

/// How much of a record of this length is in its leaf page: "B-tree Cell Format" of the format's description.
fn local_bytes(payload_bytes: u64, usable_bytes: usize) -> Option<usize> {
    let usable = u64::try_from(usable_bytes).ok()?;
    let most = usable.checked_sub(35)?;
    if payload_bytes <= most {
        return usize::try_from(payload_bytes).ok();
    }
    let least = usable
        .checked_sub(12)?
        .checked_mul(32)?
        .checked_div(255)?
        .checked_sub(23)?;
    let beyond = payload_bytes.checked_sub(least)?.checked_rem(usable.checked_sub(4)?)?;
    let local = least.checked_add(beyond)?;
    usize::try_from(if local <= most { local } else { least }).ok()
}
