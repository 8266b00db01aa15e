//! The command as scripts and people see it: output, messages and exit codes.

mod arguments;
mod customize;
mod environment;
mod help;
mod interrupts;
mod look_inside;
mod recipe_check;
mod streams;
