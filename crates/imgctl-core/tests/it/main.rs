//! The library from outside, judged by the programs it stands in for.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod accounts;
mod authorities;
mod chroot;
mod first_boot;
mod guest_units;
mod identity;
mod in_place;
mod logins;
mod made_guest;
mod offline;
mod operations;
mod recipe;
mod reset;
mod scene;
mod settings;
mod sources;
mod swap;
mod systemctl;
mod update_grub;
mod xfs;
