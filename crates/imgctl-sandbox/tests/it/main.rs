//! Programs in a guest of busybox: what they see, what they change, what they cannot do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod changes;
mod ends;
mod guest;

#[test]
fn the_judges_are_there() {
    imgctl_testkit::oracle::require("busybox").unwrap();
}
