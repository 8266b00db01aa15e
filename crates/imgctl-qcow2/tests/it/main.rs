//! The crate against qemu-img, which is the judge of every image read and written here.

mod content;
mod matrix;
mod qemu;
mod reader;
