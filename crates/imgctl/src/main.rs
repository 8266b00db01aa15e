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
mod virt;

use std::ffi::OsString;
use std::process::ExitCode;
use ui::MessageArgs;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before anything else: the sandbox of guest programs is made by a process that was just this.
    if let Some(code) = imgctl_core::warden(&arguments) {
        return code;
    }
    if let Some(call) = virt::Call::of(&arguments) {
        return call.run();
    }
    let (messages, command) = MessageArgs::early(&arguments);
    let ui = messages.ui();
    let command = command.map(str::to_owned);
    panics::guard(ui, || cli::run(ui, command.as_deref(), arguments))
}
