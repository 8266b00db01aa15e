//! The warden as a program of its own, for programs whose `main` cannot begin with it, like tests.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    imgctl_sandbox::warden(&arguments).unwrap_or(ExitCode::FAILURE)
}
