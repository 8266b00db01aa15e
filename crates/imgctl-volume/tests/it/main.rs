//! Tables and filesystems made by the usual tools, read back, and damaged in every way a seed can think of.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod identify;
mod oracle;
mod tables;
