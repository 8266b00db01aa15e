//! The crate against qemu-img, which is the judge of every image read and written here.
#![allow(clippy::unwrap_used, reason = "in tests a panic is how a failure is reported")]

mod check;
mod content;
mod differential;
mod hostile;
mod in_kind;
mod matrix;
mod qemu;
mod reader;
mod rewrite;
mod window;
