//! The crate against qemu-img, which is the judge of every image read and written here.
#![allow(clippy::unwrap_used, reason = "in tests a panic is how a failure is reported")]

mod check;
mod content;
mod differential;
mod hostile;
mod matrix;
mod qemu;
mod reader;
mod rewrite;
mod window;

/// Whether the tests that take minutes run as a whole: IMGCTL_LONG=1.
pub(crate) fn is_long() -> bool {
    std::env::var_os("IMGCTL_LONG").is_some_and(|value| value == "1")
}
