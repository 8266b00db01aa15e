//! Where a file's blocks lie: a sorted map in memory, read from and written to extent trees and block maps.

mod indirect;
mod map;
mod tree;

pub(crate) use indirect::read_block_map;
pub(crate) use map::{ExtentMap, Piece};
pub(crate) use tree::{read_tree, tree_block_count, write_tree};
