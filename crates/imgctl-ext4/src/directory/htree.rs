//! The index of a large directory: a root in block 0, interior nodes, and the hash range of every leaf.

use std::collections::{BTreeMap, BTreeSet};

use super::DirectoryDamage;
use super::block::{Layout, SMALLEST};
use super::hash::HashFunction;
use crate::format::checksum::Checksum;

const POINTER_BYTES: usize = 8;
const TAIL_BYTES: usize = 8;
/// In the root: `.`, the header of `..`, its name, and the eight bytes of index information.
const ROOT_POINTERS: usize = 32;
const NODE_POINTERS: usize = 8;
const INFO: usize = 24;
const INFO_BYTES: u8 = 8;
/// The upper four bits of a block number are reserved.
const BLOCK_MASK: u32 = 0x0fff_ffff;

/// One way down the tree: from `hash` on, names are below `block`. The first pointer of a node has no hash of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Pointer {
    /// The low bit says that names of the same hash are in the leaf before as well.
    hash: u32,
    block: u32,
}

/// A leaf with the hashes it may hold: from `low` (its low bit cleared) up to, not including, `end`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Leaf {
    pub(super) block: u32,
    pub(super) low: u32,
    pub(super) end: Option<u32>,
}

impl Leaf {
    pub(super) fn may_hold(&self, hash: u32) -> bool {
        (self.low & !1) <= hash && self.end.is_none_or(|end| hash < end)
    }
}

/// The nodes from the root to the leaf of a hash, each with the pointer taken.
#[derive(Clone, Debug)]
pub(super) struct Path {
    steps: Vec<(u32, usize)>,
    pub(super) leaf: u32,
}

/// What stands in the way of one more leaf; each takes a fresh block to clear away.
#[derive(Clone, Copy, Debug)]
pub(super) enum Obstacle {
    /// The node at this depth of the path is full, the one above is not.
    Split(usize),
    /// Every node of the path is full.
    Deepen,
}

/// The index is at its greatest depth and full.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexFull;

#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) function: HashFunction,
    layout: Layout,
    /// Interior levels below the root.
    levels: u8,
    most_levels: u8,
    nodes: BTreeMap<u32, Vec<Pointer>>,
    dirty: BTreeSet<u32>,
}

fn damage(block: u32, what: &'static str) -> DirectoryDamage {
    DirectoryDamage::Block { block, what }
}

fn most_levels(large_dir: bool) -> u8 {
    if large_dir { 2 } else { 1 }
}

fn position(block: u32) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

/// How many pointers fit in the root or a node, the slot of limit and count included.
fn capacity(layout: &Layout, block: u32) -> usize {
    let tail = layout.checksum.map_or(0, |_| TAIL_BYTES);
    layout
        .block_bytes
        .saturating_sub(pointers_at(block))
        .saturating_sub(tail)
        .checked_div(POINTER_BYTES)
        .unwrap_or(0)
}

fn pointers_at(block: u32) -> usize {
    if block == 0 { ROOT_POINTERS } else { NODE_POINTERS }
}

impl Index {
    /// An index of one leaf.
    pub(super) fn new(layout: Layout, function: HashFunction, large_dir: bool, leaf: u32) -> Self {
        let root = vec![Pointer { hash: 0, block: leaf }];
        Self {
            function,
            layout,
            levels: 0,
            most_levels: most_levels(large_dir),
            nodes: BTreeMap::from([(0, root)]),
            dirty: BTreeSet::from([0]),
        }
    }

    /// Reads the index and checks that it is a tree, in order, of depth as stated, over all of `blocks`.
    pub(super) fn decode(layout: Layout, large_dir: bool, blocks: &[Vec<u8>]) -> Result<Self, DirectoryDamage> {
        let root = blocks.first().ok_or(DirectoryDamage::Empty)?;
        let (function, levels) = decode_information(&layout, root)?;
        if levels > most_levels(large_dir) {
            return Err(damage(0, "the index is deeper than the filesystem's features allow"));
        }
        let mut nodes = BTreeMap::new();
        let mut level = vec![0];
        for _ in 0..=levels {
            let mut below = Vec::new();
            for number in level {
                let block = blocks
                    .get(position(number))
                    .ok_or(damage(number, "the index points behind the directory's end"))?;
                let pointers = decode_pointers(&layout, number, block)?;
                // A second visit would mean a loop or a shared block, and could make the work endless.
                below.extend(pointers.iter().map(|pointer| pointer.block));
                if nodes.insert(number, pointers).is_some() || below.len() > blocks.len() {
                    return Err(damage(number, "the index points at a block twice"));
                }
            }
            level = below;
        }
        let index = Self {
            function,
            layout,
            levels,
            most_levels: most_levels(large_dir),
            nodes,
            dirty: BTreeSet::new(),
        };
        index.check_leaves(blocks.len())?;
        Ok(index)
    }

    fn check_leaves(&self, block_count: usize) -> Result<(), DirectoryDamage> {
        let mut seen: BTreeSet<u32> = self.nodes.keys().copied().collect();
        let mut low = 0;
        for leaf in self.leaves() {
            if position(leaf.block) >= block_count {
                return Err(damage(leaf.block, "the index points behind the directory's end"));
            }
            if !seen.insert(leaf.block) {
                return Err(damage(leaf.block, "the index points at a block twice"));
            }
            if leaf.low < low {
                return Err(damage(leaf.block, "the index is out of order"));
            }
            low = leaf.low;
        }
        if seen.len() == block_count {
            Ok(())
        } else {
            Err(damage(0, "the index does not reach every block"))
        }
    }

    /// All leaves in hash order.
    pub(super) fn leaves(&self) -> Vec<Leaf> {
        let mut pointers = vec![Pointer { hash: 0, block: 0 }];
        for _ in 0..=self.levels {
            pointers = pointers
                .into_iter()
                .flat_map(|parent| {
                    let children = self.pointers(parent.block).iter().enumerate();
                    children.map(move |(at, child)| Pointer {
                        hash: if at == 0 { parent.hash } else { child.hash },
                        block: child.block,
                    })
                })
                .collect();
        }
        let ends = pointers.iter().skip(1).map(|next| Some(next.hash));
        let ends = ends.chain([None]).collect::<Vec<_>>();
        pointers
            .iter()
            .zip(ends)
            .map(|(pointer, end)| Leaf {
                block: pointer.block,
                low: pointer.hash,
                end,
            })
            .collect()
    }

    pub(super) fn is_node(&self, block: u32) -> bool {
        self.nodes.contains_key(&block)
    }

    /// The way to the first leaf that may hold `hash`.
    pub(super) fn path(&self, hash: u32) -> Path {
        let mut steps = Vec::new();
        let mut block = 0;
        for _ in 0..=self.levels {
            let pointers = self.pointers(block);
            let rest = pointers.get(1..).unwrap_or_default();
            let after = rest.partition_point(|pointer| pointer.hash <= hash);
            steps.push((block, after));
            block = pointers.get(after).map_or(0, |pointer| pointer.block);
        }
        Path { steps, leaf: block }
    }

    /// What keeps the path's last node from one more pointer, if anything.
    pub(super) fn obstacle(&self, path: &Path) -> Result<Option<Obstacle>, IndexFull> {
        let free = path.steps.iter().rposition(|&(node, _)| !self.is_full(node));
        match free {
            Some(depth) if depth.saturating_add(1) == path.steps.len() => Ok(None),
            Some(depth) => Ok(Some(Obstacle::Split(depth.saturating_add(1)))),
            None if self.levels < self.most_levels => Ok(Some(Obstacle::Deepen)),
            None => Err(IndexFull),
        }
    }

    /// Clears `obstacle` away with the fresh block `block`; the path is stale afterwards.
    pub(super) fn relieve(&mut self, path: &Path, obstacle: Obstacle, block: u32) {
        match obstacle {
            Obstacle::Deepen => {
                let pointers = std::mem::take(self.node_mut(0));
                self.nodes.insert(block, pointers);
                *self.node_mut(0) = vec![Pointer { hash: 0, block }];
                self.levels = self.levels.saturating_add(1);
            }
            Obstacle::Split(depth) => {
                let Some(&(full, _)) = path.steps.get(depth) else {
                    return;
                };
                let above = depth.checked_sub(1).and_then(|above| path.steps.get(above));
                let Some(&(parent, at)) = above else {
                    return;
                };
                let pointers = self.node_mut(full);
                let upper = pointers.split_off(pointers.len() >> 1);
                let hash = upper.first().map_or(0, |pointer| pointer.hash);
                self.nodes.insert(block, upper);
                self.insert(parent, at, Pointer { hash, block });
            }
        }
        self.dirty.insert(block);
    }

    /// Names from `hash` on that were in the path's leaf are in `leaf` now.
    pub(super) fn insert_leaf(&mut self, path: &Path, hash: u32, leaf: u32) {
        if let Some(&(parent, at)) = path.steps.last() {
            self.insert(parent, at, Pointer { hash, block: leaf });
        }
    }

    fn insert(&mut self, node: u32, after: usize, pointer: Pointer) {
        let pointers = self.node_mut(node);
        let at = after.saturating_add(1).min(pointers.len());
        pointers.insert(at, pointer);
    }

    /// The nodes changed since the last time.
    pub(super) fn take_dirty(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.dirty)
    }

    /// Writes node `number` into its block, checksum included. The root's entries stay as they are.
    pub(super) fn encode(&self, number: u32, block: &mut [u8]) {
        if number == 0 {
            self.encode_information(block);
        } else {
            block.fill(0);
            self.layout.write_record_bytes(block, 0, self.layout.block_bytes);
        }
        let start = pointers_at(number);
        let room = capacity(&self.layout, number);
        let pointers = self.pointers(number);
        let slots = block
            .get_mut(start..)
            .map(|rest| rest.as_chunks_mut::<POINTER_BYTES>().0)
            .unwrap_or_default();
        for (at, slot) in slots.iter_mut().take(room).enumerate() {
            let pointer = pointers.get(at).copied();
            let Pointer { hash, block } = pointer.unwrap_or(Pointer { hash: 0, block: 0 });
            let [h0, h1, h2, h3] = hash.to_le_bytes();
            let [b0, b1, b2, b3] = block.to_le_bytes();
            *slot = [h0, h1, h2, h3, b0, b1, b2, b3];
        }
        if let Some([l0, l1, c0, c1, ..]) = slots.first_mut() {
            [*l0, *l1] = short(room).to_le_bytes();
            [*c0, *c1] = short(pointers.len()).to_le_bytes();
        }
        if let Some(seed) = self.layout.checksum {
            let sum = checksum(seed, block, start, pointers.len(), room);
            if let Some([_, _, _, _, sum_bytes @ ..]) = tail_mut(block, start, room) {
                *sum_bytes = sum.to_le_bytes();
            }
        }
    }

    fn encode_information(&self, block: &mut [u8]) {
        let information = block.get_mut(INFO..).and_then(|rest| rest.first_chunk_mut::<8>());
        if let Some([_, _, _, _, version, length, levels, _]) = information {
            *version = self.function.root_version();
            *length = INFO_BYTES;
            *levels = self.levels;
        }
    }

    fn is_full(&self, node: u32) -> bool {
        self.pointers(node).len() >= capacity(&self.layout, node)
    }

    fn pointers(&self, node: u32) -> &[Pointer] {
        self.nodes.get(&node).map_or(&[], Vec::as_slice)
    }

    fn node_mut(&mut self, node: u32) -> &mut Vec<Pointer> {
        self.dirty.insert(node);
        self.nodes.entry(node).or_default()
    }
}

fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn tail_mut(block: &mut [u8], start: usize, room: usize) -> Option<&mut [u8; TAIL_BYTES]> {
    let at = start.saturating_add(room.saturating_mul(POINTER_BYTES));
    block.get_mut(at..)?.first_chunk_mut()
}

/// The sum over the block up to the last pointer in use, then the tail with its sum as zero.
fn checksum(seed: Checksum, block: &[u8], start: usize, count: usize, room: usize) -> u32 {
    let body = start.saturating_add(count.saturating_mul(POINTER_BYTES));
    let tail = start.saturating_add(room.saturating_mul(POINTER_BYTES));
    let reserved = block.get(tail..tail.saturating_add(4)).unwrap_or_default();
    seed.update(block.get(..body).unwrap_or_default())
        .update(reserved)
        .update(&[0; 4])
        .value()
}

/// Checks the root's `..` and reads the information behind it: the hash function and the depth.
fn decode_information(layout: &Layout, root: &[u8]) -> Result<(HashFunction, u8), DirectoryDamage> {
    let [dot, dotdot] = [0, SMALLEST].map(|at| layout.record_at(root, at, layout.block_bytes));
    let whole =
        dot.is_ok_and(|dot| dot.end() == SMALLEST) && dotdot.is_ok_and(|dotdot| dotdot.end() == layout.block_bytes);
    if !whole {
        return Err(damage(0, "the index root is not behind the entries . and .."));
    }
    let information = root.get(INFO..).and_then(|rest| rest.first_chunk::<8>());
    let Some(&[0, 0, 0, 0, version, INFO_BYTES, levels, flags]) = information else {
        return Err(damage(0, "the index root's information is malformed"));
    };
    let function = HashFunction::from_root(version).ok_or(damage(0, "the index's hash function is unknown"))?;
    if flags & 1 != 0 {
        return Err(damage(0, "the index has unknown flags"));
    }
    Ok((function, levels))
}

fn decode_pointers(layout: &Layout, number: u32, block: &[u8]) -> Result<Vec<Pointer>, DirectoryDamage> {
    let start = pointers_at(number);
    if number != 0 {
        let cover = layout.record_at(block, 0, layout.block_bytes);
        if !cover.is_ok_and(|cover| cover.is_free() && cover.end() == layout.block_bytes) {
            return Err(damage(number, "the index node is not covered by a free entry"));
        }
    }
    let room = capacity(layout, number);
    let slots = block
        .get(start..)
        .map_or(&[][..], |rest| rest.as_chunks::<POINTER_BYTES>().0);
    let Some([l0, l1, c0, c1, ..]) = slots.first() else {
        return Err(damage(number, "the index node is cut off"));
    };
    let count = usize::from(u16::from_le_bytes([*c0, *c1]));
    if usize::from(u16::from_le_bytes([*l0, *l1])) != room {
        return Err(damage(number, "the index node's limit is wrong"));
    }
    if count == 0 || count > room {
        return Err(damage(number, "the index node's count is out of range"));
    }
    if let Some(seed) = layout.checksum {
        let at = start
            .saturating_add(room.saturating_mul(POINTER_BYTES))
            .saturating_add(4);
        let stored = block.get(at..).and_then(|rest| rest.first_chunk::<4>());
        let sum = checksum(seed, block, start, count, room);
        if stored != Some(&sum.to_le_bytes()) {
            return Err(damage(number, "the index checksum is wrong"));
        }
    }
    let pointers = slots.iter().take(count).enumerate();
    Ok(pointers
        .map(|(at, &[h0, h1, h2, h3, b0, b1, b2, b3])| Pointer {
            hash: if at == 0 {
                0
            } else {
                u32::from_le_bytes([h0, h1, h2, h3])
            },
            block: u32::from_le_bytes([b0, b1, b2, b3]) & BLOCK_MASK,
        })
        .collect())
}
