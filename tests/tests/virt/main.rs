//! The virt-* commands beside the guestfs-tools themselves: the same scripts, run unchanged by both on copies of the same disk.

mod edits;
mod extraction;
mod known;
mod outputs;
mod scene;
mod trees;
