//! The library from outside, judged by the programs it stands in for.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod accounts;
mod authorities;
mod chroot;
mod logins;
mod operations;
mod reset;
mod scene;
mod sources;
mod systemctl;
