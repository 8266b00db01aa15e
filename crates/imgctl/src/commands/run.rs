//! `imgctl run`: one program of the guest, of which nothing is kept.

use super::InputArgs;
use super::programs::ProgramArgs;
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::Ui;
use clap::Args;
use imgctl_core::{Command, End, Program, RunOptions, Stream};
use imgctl_recipe::Principal;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// The exit code where the program was ended for taking too long, as timeout(1) has it.
const EXIT_TIMED_OUT: u8 = 124;

/// Run one program of the guest, and keep nothing of what it writes
///
/// The program sees the guest's files and can write, but the image is only read. It runs in a sandbox without a network;
/// docs/sandbox.md says what that keeps from it. The exit code is the program's, or 128 and its signal's number.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl run base.qcow2 -- dpkg -l
  imgctl run base.qcow2 --user debian -- sh -c 'id; sudo -l'
  imgctl run base.qcow2 --timeout 60 -- rpm -Va")]
pub(crate) struct RunProgramArgs {
    /// Image, qcow2 or raw
    image: PathBuf,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// User or number of a user who runs it [default: root]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Folder in the guest that it begins in
    #[arg(long, value_name = "PATH", default_value = "/")]
    cwd: OsString,
    /// Environment variable that it gets; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Seconds that it may take [default: no limit]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Folder of this machine for what it writes [default: the image's folder]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn run(ui: &Ui, args: &RunProgramArgs) -> CommandResult<u8> {
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let options = RunOptions {
        image: args.image.clone(),
        input: args.input.options(),
        program: program(args)?,
        programs: args.programs.options(),
        scratch: args.scratch.clone(),
        cancel,
    };
    let out = Mutex::new(ui.data());
    // Nobody is left to be told when the streams are gone.
    let tell = |stream: Stream, line: &[u8]| {
        let line = [line, b"\n"].concat();
        let _ = match (stream, out.lock()) {
            (Stream::Output, Ok(mut out)) => out.write_all(&line).and_then(|()| out.flush()),
            _ => std::io::stderr().write_all(&line),
        };
    };
    let (end, warnings) = imgctl_core::run_program(&options, &tell)?;
    for warning in warnings {
        ui.warning(warning);
    }
    Ok(match end {
        End::Exited(status) => u8::try_from(status).unwrap_or(1),
        End::Signalled(signal) => u8::try_from(signal.saturating_add(128)).unwrap_or(255),
        End::TimedOut => {
            ui.warning("the program took longer than it may, and was ended");
            EXIT_TIMED_OUT
        }
        End::NoSpace => {
            ui.warning("the program filled the scratch folder's disk, and was ended");
            1
        }
    })
}

fn program(args: &RunProgramArgs) -> CommandResult<Program> {
    let words = args.command.iter().cloned().map(OsString::into_vec).collect();
    let mut environment = Vec::new();
    for text in &args.env {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| CommandError::usage(format!("`{text}` sets no variable")).hint("write --env NAME=VALUE"))?;
        environment.push((name.to_owned(), value.to_owned()));
    }
    let user = args.user.as_deref().map(|user| {
        Principal::parse(user).ok_or_else(|| CommandError::usage(format!("`{user}` is neither a name nor a number")))
    });
    Ok(Program {
        environment,
        folder: super::guest_path(&args.cwd.clone().into_vec())?,
        user: user.transpose()?,
        timeout: args.timeout.map(Duration::from_secs),
        wants_changes: false,
        ..Program::new(Command::Program(words))
    })
}
