//! The command as scripts and people see it: output, messages and exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arguments;
mod customize;
mod drop_in;
mod drop_in_changes;
mod drop_in_reading;
mod environment;
mod help;
mod images;
mod import;
mod interrupts;
mod look_inside;
mod messages;
mod plan;
mod recipe_check;
mod recipe_language;
mod secrets;
mod shells;
mod streams;
mod variables;
mod verify;
