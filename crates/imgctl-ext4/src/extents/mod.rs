//! Where a file's blocks lie: a sorted map in memory, read from and written to extent trees and block maps.

mod indirect;
mod map;
mod tree;

pub(crate) use indirect::{block_map_block_count, block_map_limit, read_block_map, write_block_map};
pub(crate) use map::{ExtentMap, Piece};
pub(crate) use tree::{read_tree, tree_block_count, write_tree};
