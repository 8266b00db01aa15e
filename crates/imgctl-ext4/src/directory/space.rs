//! How many bytes each block of a directory has free, with the first block that has enough found in O(log n).

/// A tournament tree of free bytes: node 1 is the root, the children of `n` are `2n` and `2n + 1`.
#[derive(Clone, Debug)]
pub(super) struct FreeSpace {
    width: usize,
    len: usize,
    tree: Vec<usize>,
}

impl FreeSpace {
    pub(super) fn new() -> Self {
        Self {
            width: 1,
            len: 0,
            tree: vec![0; 2],
        }
    }

    pub(super) fn get(&self, block: usize) -> usize {
        let leaf = self.width.saturating_add(block);
        self.tree.get(leaf).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, bytes: usize) {
        if self.len == self.width {
            self.widen();
        }
        self.len = self.len.saturating_add(1);
        self.set(self.len.saturating_sub(1), bytes);
    }

    pub(super) fn set(&mut self, block: usize, bytes: usize) {
        let mut node = self.width.saturating_add(block);
        if let Some(leaf) = self.tree.get_mut(node) {
            *leaf = bytes;
        }
        while node > 1 {
            let most = self.node(node).max(self.node(node ^ 1));
            node >>= 1;
            if let Some(parent) = self.tree.get_mut(node) {
                *parent = most;
            }
        }
    }

    /// The lowest block with at least `bytes` (more than none) free.
    pub(super) fn first_with(&self, bytes: usize) -> Option<usize> {
        if self.node(1) < bytes {
            return None;
        }
        let mut node = 1;
        while node < self.width {
            node <<= 1;
            if self.node(node) < bytes {
                node |= 1;
            }
        }
        Some(node.saturating_sub(self.width))
    }

    fn node(&self, node: usize) -> usize {
        self.tree.get(node).copied().unwrap_or(0)
    }

    fn widen(&mut self) {
        let leaves = self.tree.split_off(self.width);
        self.width = self.width.saturating_mul(2);
        self.tree = vec![0; self.width.saturating_mul(2)];
        for (block, bytes) in leaves.into_iter().enumerate() {
            self.set(block, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_block_with_enough() {
        let mut space = FreeSpace::new();
        assert_eq!(space.first_with(1), None);
        for bytes in [10, 0, 40, 30, 40, 5, 50] {
            space.push(bytes);
        }
        assert_eq!(space.first_with(1), Some(0));
        assert_eq!(space.first_with(11), Some(2));
        assert_eq!(space.first_with(41), Some(6));
        assert_eq!(space.first_with(51), None);
        space.set(2, 0);
        assert_eq!(space.first_with(35), Some(4));
        space.set(1, 99);
        assert_eq!(space.first_with(35), Some(1));
        assert_eq!((space.get(1), space.get(5), space.get(700)), (99, 5, 0));
    }
}
