//! The engine process's side of a run: starts the warden, serves the tree, passes lines on, gets the changes.

use crate::changes::ChangeSet;
use crate::connection::Connection;
use crate::identity::Maps;
use crate::lines::each_line;
use crate::request::{Command as Program, End, Files, Network, Request, Stream};
use crate::serve::{FirstError, GuestFs};
use crate::warden::MARKER;
use crate::wire::{Failure, FromWarden, Spec, ToWarden, VERSION, WireEnd, WireEntry};
use crate::{Error, Result};
use fuser::{Config, Session, SessionACL};
use imgctl_vfs::{EscapedBytes, MountIndex, Timestamp, Tree};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Between two looks at whether the caller wants the run to end.
const TICK_MILLIS: u16 = 50;

/// A program that becomes the warden says so within this time.
const HELLO: Duration = Duration::from_secs(20);

/// The warden has this time to clean up.
const FAREWELL: Duration = Duration::from_secs(60);

/// A file may be stamped this much earlier than it was written.
const CLOCK_LAG: Duration = Duration::from_millis(50);

/// Changed paths that a run may have.
const MAX_ENTRIES: usize = 4_000_000;

/// How the caller watches a run, and ends it.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Set it to end the run early; nothing is left behind then.
    pub cancel: &'a AtomicBool,
    /// Hears every line the program writes, without its line break; from several threads.
    pub on_line: &'a (dyn Fn(Stream, &[u8]) + Sync),
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// What it changed: where that was wanted and it succeeded.
    pub changes: Option<ChangeSet>,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// The warden's process and the folder of a run.
#[derive(Debug)]
pub(crate) struct Run {
    child: Child,
    began: SystemTime,
    _folder: TempDir,
}

impl Run {
    /// Shortly before anything was written: filesystems stamp with a clock that lags behind by some milliseconds.
    pub(crate) fn began(&self) -> Timestamp {
        let since = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = since.saturating_sub(CLOCK_LAG);
        Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        }
    }
}

impl Drop for Run {
    /// The connection is closed by now, so the warden is cleaning up.
    fn drop(&mut self) {
        let end = Instant::now() + FAREWELL;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program of the guest whose files are `tree`, to its end.
///
/// When it returns, nobody but the caller holds the tree any more.
///
/// # Errors
/// When no sandbox can be made here, the program cannot be started, the caller ended it, or the guest's filesystem failed.
/// A program that fails is no error.
pub fn run(tree: Arc<Tree>, request: &Request, control: &Control<'_>) -> Result<Finished> {
    if request.files != Files::Auto {
        return run_with(tree, request, control, request.files == Files::Extracted);
    }
    match run_with(Arc::clone(&tree), request, control, false) {
        // Nothing has run yet.
        Err(Error::Setup { action, source, .. }) if crate::warden::is_about_fuse(&action) => {
            let mut finished = run_with(tree, request, control, true)?;
            finished.warnings.insert(
                0,
                format!(
                    "the sandbox cannot {action} ({source}), so the guest's files were extracted, which takes longer"
                ),
            );
            Ok(finished)
        }
        finished => finished,
    }
}

fn run_with(tree: Arc<Tree>, request: &Request, control: &Control<'_>, is_extracted: bool) -> Result<Finished> {
    let maps = Maps::of_caller()?;
    let mounts: Vec<MountIndex> = tree.mounts().map(|(index, _)| index).collect();
    let pipes = Pipes::new().map_err(|source| setup("make pipes", source))?;
    let (run, connection) = start(request, is_extracted, &maps, pipes.written)?;
    let first_error = FirstError::default();
    let mut conversation = Conversation {
        connection: &connection,
        request,
        control,
        maps: &maps,
        tree: Some(tree),
        first_error: Arc::clone(&first_error),
        server: None,
        warnings: Vec::new(),
    };
    let (output, errors) = pipes.read;
    let told = thread::scope(|scope| {
        let tell = |stream| move |line: &[u8]| (control.on_line)(stream, line);
        scope.spawn(move || each_line(output, &mut tell(Stream::Output)));
        scope.spawn(move || each_line(errors, &mut tell(Stream::Error)));
        let told = conversation.until_end();
        if told.is_err() {
            // The warden learns of it, ends the program, and so the lines.
            connection.close();
        }
        told
    });
    let served = conversation.server.take().map(JoinHandle::join);
    conversation.tree = None;
    let end = told?;
    if let Some(Err(_)) = served {
        return Err(Error::Lost("the server of the guest's files failed".to_owned()));
    }
    let is_success = end.is_success();
    if let Some(error) = first_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(Error::Guest(error));
    }
    let warnings = std::mem::take(&mut conversation.warnings);
    let entries = match is_success && request.wants_changes {
        true => Some(conversation.entries()?),
        false => None,
    };
    let changes = match entries {
        Some(entries) => Some(ChangeSet::new(entries, &request.left_out, &mounts, connection, run)?),
        None => {
            drop(connection);
            drop(run);
            None
        }
    };
    Ok(Finished { end, changes, warnings })
}

/// What the program writes its output into.
struct Pipes {
    read: (io::PipeReader, io::PipeReader),
    written: (OwnedFd, OwnedFd),
}

impl Pipes {
    fn new() -> io::Result<Self> {
        let (output, output_end) = io::pipe()?;
        let (errors, errors_end) = io::pipe()?;
        Ok(Self {
            read: (output, errors),
            written: (output_end.into(), errors_end.into()),
        })
    }
}

fn setup(action: &str, source: io::Error) -> Error {
    Error::Setup {
        action: action.to_owned(),
        hint: None,
        source,
    }
}

/// Starts the warden in a folder of its own.
fn start(
    request: &Request,
    is_extracted: bool,
    maps: &Maps,
    (output, errors): (OwnedFd, OwnedFd),
) -> Result<(Run, Connection)> {
    let folder = tempfile::Builder::new()
        .prefix(".imgctl-run-")
        .tempdir_in(&request.scratch)
        .map_err(|source| setup(&format!("make a folder in {}", request.scratch.display()), source))?;
    let (uid, gid) = maps.root();
    std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))
        .map_err(|source| setup(&format!("give {} to the guest's root", folder.path().display()), source))?;
    let (ours, theirs) = UnixStream::pair().map_err(|source| setup("make a socket", source))?;
    let began = SystemTime::now();
    let child = Command::new(&request.launcher.program)
        // Programs see it as the name of their first process.
        .arg0("imgctl")
        .args(&request.launcher.arguments)
        .arg(MARKER)
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors))
        .spawn()
        .map_err(|source| setup(&format!("start {}", request.launcher.program.display()), source))?;
    let run = Run {
        child,
        began,
        _folder: folder,
    };
    let connection = Connection::new(ours);
    let spec = spec(request, is_extracted);
    connection
        .send(&ToWarden::Start(Box::new(spec)))
        .map_err(|error| Error::Lost(error.to_string()))?;
    Ok((run, connection))
}

fn spec(request: &Request, is_extracted: bool) -> Spec {
    let (script, arguments) = match &request.command {
        Program::Program(words) => (None, words.clone()),
        Program::Script { text, arguments } => (Some(text.clone()), arguments.clone()),
    };
    let timeout = request
        .timeout
        .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let environment = request.environment.iter();
    Spec {
        script,
        arguments,
        environment: environment.map(|(name, value)| (name.clone(), value.clone())).collect(),
        folder: request.folder.as_bytes().to_vec(),
        uid: request.user.0,
        gid: request.user.1,
        groups: request.user.2.clone(),
        timeout_millis: timeout,
        has_host_network: request.network == Network::Host,
        host_name: request.host_name.clone(),
        kernel_arguments: request.kernel_arguments.clone(),
        wants_changes: request.wants_changes,
        is_extracted,
        most_processes: request.most_processes,
        reserve_bytes: request.reserve_bytes,
    }
}

struct Conversation<'a> {
    connection: &'a Connection,
    request: &'a Request,
    control: &'a Control<'a>,
    maps: &'a Maps,
    tree: Option<Arc<Tree>>,
    first_error: FirstError,
    server: Option<JoinHandle<()>>,
    warnings: Vec<String>,
}

impl Conversation<'_> {
    /// Answers the warden until the program has ended.
    fn until_end(&mut self) -> Result<End> {
        match self.next(Some(Instant::now() + HELLO))? {
            (FromWarden::Hello(VERSION), _) => {}
            (FromWarden::Hello(_), _) => {
                return Err(Error::Lost("it is another version of this program".to_owned()));
            }
            (message, _) => return Err(unexpected(&message)),
        }
        loop {
            match self.next(None)? {
                (FromWarden::WantsMaps(process), _) => {
                    self.maps.write(process)?;
                    let sent = self.connection.send(&ToWarden::Mapped);
                    sent.map_err(|error| Error::Lost(error.to_string()))?;
                }
                (FromWarden::Serve, Some(device)) => self.serve(device)?,
                (FromWarden::WantsFiles, _) => self.send_files()?,
                (FromWarden::Warning(warning), _) => self.warnings.push(warning),
                (FromWarden::Ended(end), _) => return self.end(end),
                (FromWarden::Failed(failure), _) => return Err(failed(failure)),
                (message, _) => return Err(unexpected(&message)),
            }
        }
    }

    fn end(&self, end: WireEnd) -> Result<End> {
        Ok(match end {
            WireEnd::Exited(status) => End::Exited(status),
            WireEnd::Signalled(signal) => End::Signalled(signal),
            WireEnd::TimedOut => End::TimedOut,
            WireEnd::NoSpace => End::NoSpace,
            WireEnd::NotStarted(errno) => {
                let program = match &self.request.command {
                    Program::Program(words) => words.first().map_or(&b""[..], Vec::as_slice),
                    Program::Script { .. } => b"the script",
                };
                return Err(Error::Start {
                    program: EscapedBytes(program).to_string(),
                    source: io::Error::from_raw_os_error(errno),
                });
            }
        })
    }

    /// Serves the tree on the device until its mount is gone.
    fn serve(&mut self, device: OwnedFd) -> Result<()> {
        let Some(tree) = self.tree.take() else {
            return Err(Error::Lost("it wants the guest's files twice".to_owned()));
        };
        let fs = GuestFs::new(tree, &self.request.injected, Arc::clone(&self.first_error));
        let mut config = Config::default();
        config.n_threads = Some(thread::available_parallelism().map_or(2, usize::from).clamp(2, 4));
        let first_error = Arc::clone(&self.first_error);
        let serve = move || {
            let session = Session::from_fd(fs, device, SessionACL::All, config);
            let served = session.and_then(Session::run);
            if let Err(error) = served
                && error.kind() != io::ErrorKind::NotConnected
            {
                let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.to_string());
            }
        };
        let thread = thread::Builder::new().name("guest files".to_owned()).spawn(serve);
        self.server = Some(thread.map_err(|source| setup("start a thread", source))?);
        Ok(())
    }

    /// Sends every file of the tree.
    fn send_files(&mut self) -> Result<()> {
        let Some(tree) = self.tree.take() else {
            return Err(Error::Lost("it wants the guest's files twice".to_owned()));
        };
        let fs = GuestFs::new(tree, &self.request.injected, Arc::clone(&self.first_error));
        let sent = fs.extract(&mut |pieces| {
            if self.control.cancel.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.connection.send(&ToWarden::Files(pieces))
        });
        let sent = sent.and_then(|()| self.connection.send(&ToWarden::NoMoreFiles));
        let Err(error) = sent else {
            return Ok(());
        };
        if self.control.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first {
            return Err(Error::Guest(first));
        }
        // It may have said why it takes no more.
        match self.next(None) {
            Ok((FromWarden::Failed(failure), _)) => Err(failed(failure)),
            _ => Err(Error::Lost(error.to_string())),
        }
    }

    fn entries(&mut self) -> Result<Vec<WireEntry>> {
        let mut entries = Vec::new();
        loop {
            match self.next(None)? {
                (FromWarden::Entries(more), _) => entries.extend(more),
                (FromWarden::NoMoreEntries, _) => return Ok(entries),
                (FromWarden::Failed(failure), _) => return Err(failed(failure)),
                (message, _) => return Err(unexpected(&message)),
            }
            if entries.len() > MAX_ENTRIES {
                return Err(Error::Harvest(format!(
                    "there are more than {MAX_ENTRIES} changed paths"
                )));
            }
        }
    }

    /// The next message, unless the caller ends the run before it comes.
    fn next(&self, until: Option<Instant>) -> Result<(FromWarden, Option<OwnedFd>)> {
        loop {
            if self.control.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let mut waited = [PollFd::new(self.connection.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waited, PollTimeout::from(TICK_MILLIS)) {
                Ok(0) if until.is_some_and(|until| Instant::now() > until) => {
                    return Err(Error::Lost("it does not answer".to_owned()));
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(Error::Lost(errno.to_string())),
                Ok(_) => {
                    let message = self.connection.receive();
                    let message = message.map_err(|error| Error::Lost(error.to_string()))?;
                    return message.ok_or_else(|| Error::Lost("it said nothing more".to_owned()));
                }
            }
        }
    }
}

fn unexpected(message: &FromWarden) -> Error {
    Error::Lost(format!("it said {message:?}"))
}

fn failed(failure: Failure) -> Error {
    let source = io::Error::from_raw_os_error(failure.errno);
    match failure.is_harvest {
        true => Error::Harvest(format!("cannot {}: {source}", failure.action)),
        false => Error::Setup {
            hint: crate::warden::hint_for(&failure.action),
            action: failure.action,
            source,
        },
    }
}
