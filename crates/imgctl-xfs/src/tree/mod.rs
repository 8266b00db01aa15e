//! B+trees: reading them with every check, and building them anew from sorted records.

mod build;
mod read;

pub(crate) use build::{Tree, blocks_for, build, format_of, short_root};
pub(crate) use read::{TreeRoot, read_tree};
