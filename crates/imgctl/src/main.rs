//! The imgctl command: arguments, terminal and exit codes around `imgctl-core`.
//!
//! Standard output carries what was asked for (files, listings, a receipt, a dry run's changes) and nothing else.

mod cli;
mod command_error;
mod commands;
mod diagnostics;
mod host_files;
mod interrupt;
mod panics;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    panics::guard(|| cli::run(std::env::args_os()))
}
