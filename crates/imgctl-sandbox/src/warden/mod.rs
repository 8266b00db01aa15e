//! The warden: a process of its own that makes the sandbox, watches the program, and reads back what it wrote.
//!
//! It is two processes: an outer one, a user of this machine like the caller, that removes the run's folder whatever
//! happens; and an inner one in the new namespaces. Neither has threads, so both may fork.

mod failure;
mod harvest;
mod init;
mod layers;
mod namespaces;
mod program;
mod unpack;

pub(crate) use failure::{hint_for, is_about_fuse};

use crate::connection::Connection;
use crate::wire::{Failure, FromWarden, Spec, ToWarden, VERSION, WireEnd};
use failure::{Attempt as _, Outcome};
use init::Init;
use layers::Layers;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The last argument of a process that is to be the warden.
pub(crate) const MARKER: &str = "--imgctl-sandbox-warden";

const TICK_MILLIS: u16 = 100;

/// Becomes the warden if the arguments of this process say so; then its `main` is to return what this returns. To be called
/// before the process has any thread, or reads its standard input.
#[must_use]
pub fn warden(arguments: &[OsString]) -> Option<ExitCode> {
    (arguments.last()? == MARKER).then(|| match outer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// The only fork without a program to follow: nothing but this module's code runs in the child.
#[expect(
    unsafe_code,
    reason = "fork is only sound in a process without threads, and the warden has none"
)]
fn fork_alone() -> nix::Result<ForkResult> {
    // SAFETY: see above; the callers never start threads, and the child may do whatever the parent may.
    unsafe { fork() }
}

/// Ends a child of a fork.
#[expect(
    clippy::exit,
    reason = "what the parent has yet to do must not be done twice, so a child never returns"
)]
fn leave(status: i32) -> ! {
    std::process::exit(status)
}

fn outer() -> nix::Result<()> {
    // A key press in the caller's terminal is the caller's business: it tells the warden what to do.
    let _ = setsid();
    let folder = std::env::current_dir();
    match fork_alone()? {
        ForkResult::Child => {
            let ended = inner();
            leave(i32::from(ended.is_err()));
        }
        ForkResult::Parent { child } => {
            release_streams()?;
            while waitpid(child, None) == Err(nix::errno::Errno::EINTR) {}
            remove(folder.ok());
            Ok(())
        }
    }
}

/// What the inner process left, if it was killed.
fn remove(folder: Option<PathBuf>) {
    if let Some(folder) = folder {
        // Usually the caller is faster.
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Holds neither the control socket nor the program's output any longer.
fn release_streams() -> nix::Result<()> {
    let null = null()?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)
}

fn null() -> nix::Result<File> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    null.map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO)))
}

fn inner() -> nix::Result<()> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned();
    let stdin: OwnedFd = stdin.map_err(|_| nix::errno::Errno::EBADF)?;
    dup2_stdin(null()?)?;
    let connection = Connection::new(UnixStream::from(stdin));
    match serve(&connection) {
        Ok(()) => Ok(()),
        Err(failure) => {
            // With the caller gone there is nobody to tell.
            let errno = failure.errno;
            let _ = connection.send(&FromWarden::Failed(failure));
            Err(nix::errno::Errno::from_raw(errno))
        }
    }
}

fn serve(connection: &Connection) -> Outcome<()> {
    connection.send(&FromWarden::Hello(VERSION)).or_failed("answer")?;
    let Some((ToWarden::Start(spec), _)) = connection.receive().or_failed("read what is to be done")? else {
        return Err(Failure::new("understand what is to be done", nix::libc::EPROTO));
    };
    let device = namespaces::enter(connection, &spec)?;
    let layers = Layers::make(connection, device)?;
    let ended = execute(connection, &spec);
    // Nobody uses them any more; the server of the files ends with its mount.
    let unmounted = layers.unmount();
    let ended = ended.and_then(|ended| unmounted.map(|()| ended));
    let done = ended.and_then(|ended| finish(connection, &spec, &layers, ended));
    layers.remove();
    done
}

fn finish(connection: &Connection, spec: &Spec, layers: &Layers, ended: Option<WireEnd>) -> Outcome<()> {
    let Some(ended) = ended else {
        return Ok(());
    };
    connection.send(&FromWarden::Ended(ended)).or_failed("answer")?;
    if spec.wants_changes && ended == WireEnd::Exited(0) {
        harvest::serve(connection, layers)
    } else {
        // The folder stays until the caller has heard of it.
        while let Ok(Some(_)) = connection.receive::<ToWarden>() {}
        Ok(())
    }
}

/// Runs the program to its end; `None` when the caller is gone.
fn execute(connection: &Connection, spec: &Spec) -> Outcome<Option<WireEnd>> {
    let init = Init::start(spec)?;
    release_streams().or_failed("let go of the program's output")?;
    let ended = watch(connection, spec, &init);
    let left = match &ended {
        Ok(Some(Watched::Reported)) => init.report()?,
        _ => {
            init.kill();
            None
        }
    };
    init.wait();
    Ok(match ended? {
        None => None,
        Some(Watched::TimedOut) => Some(WireEnd::TimedOut),
        Some(Watched::NoSpace) => Some(WireEnd::NoSpace),
        Some(Watched::Reported) => {
            let (end, killed) = left.ok_or_else(|| Failure::new("watch the program", nix::libc::ECHILD))?;
            if killed > 0 {
                let message = format!("{killed} processes that the program left behind were ended");
                connection.send(&FromWarden::Warning(message)).or_failed("answer")?;
            }
            Some(end)
        }
    })
}

enum Watched {
    Reported,
    TimedOut,
    NoSpace,
}

/// Waits for the report of the program's end, or for a reason to end it; `None` when the caller is gone.
fn watch(connection: &Connection, spec: &Spec, init: &Init) -> Outcome<Option<Watched>> {
    let began = Instant::now();
    let limit = spec.timeout_millis.map(Duration::from_millis);
    loop {
        let mut waited = [
            PollFd::new(connection.as_fd(), PollFlags::POLLIN),
            PollFd::new(init.report_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut waited, PollTimeout::from(TICK_MILLIS)) {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(Failure::new("watch the program", errno as i32)),
            Ok(_) => {}
        }
        let [control, report] = waited;
        let is_ready = |waited: &PollFd<'_>| waited.any().unwrap_or(true);
        if is_ready(&report) {
            return Ok(Some(Watched::Reported));
        }
        // While the program runs the caller says nothing but that it is gone.
        if is_ready(&control) {
            return Ok(None);
        }
        if limit.is_some_and(|limit| began.elapsed() > limit) {
            return Ok(Some(Watched::TimedOut));
        }
        if layers::free_bytes().is_some_and(|free| free < spec.reserve_bytes) {
            return Ok(Some(Watched::NoSpace));
        }
    }
}

/// The process of this number, as a borrowed thing to wait for.
fn reap(process: Pid) {
    while waitpid(process, None) == Err(nix::errno::Errno::EINTR) {}
}

/// A descriptor that stays open as long as what it is borrowed from.
fn borrowed(file: &impl AsFd) -> BorrowedFd<'_> {
    file.as_fd()
}
