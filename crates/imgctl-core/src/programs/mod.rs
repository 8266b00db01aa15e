//! Programs of the guest: what they get to see, and how what they changed becomes edits.

mod apply;
mod output;
mod request;
mod resolver;
mod single;
#[cfg(test)]
mod tests;

pub use request::Program;
pub use single::{RunOptions, run_program};

use crate::Event;
use crate::guest::Guest;
use crate::steps::{Outcome, StepFailure};
use imgctl_sandbox::{Control, End, Finished, Stream};
use output::LastLines;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// What programs of the guest may run in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SandboxChoice {
    /// The first that works here.
    #[default]
    Auto,
    /// Namespaces, with the guest's files served through FUSE.
    Userns,
    /// Namespaces, with the guest's files extracted to the scratch folder first.
    Extract,
    /// Nothing: a run that needs a program of the guest is refused.
    None,
}

/// How programs of the guest run.
#[derive(Clone, Debug, Default)]
pub struct ProgramOptions {
    /// In what.
    pub sandbox: SandboxChoice,
    /// Every program reaches this machine's network, not only loopback of its own.
    pub host_network: bool,
    /// Environment variables of the caller that programs get, like proxies.
    pub environment: Vec<(String, String)>,
    /// The program that becomes the sandbox's warden; the default is the running one.
    pub launcher: imgctl_sandbox::Launcher,
}

/// What a run gives its steps to run programs with.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) options: ProgramOptions,
    /// The folder for what programs write.
    pub(crate) scratch: PathBuf,
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) events: Sender<Event>,
}

/// Runs a program of the guest, and makes what it changed edits of the guest: all of it, or nothing if it fails. Every line
/// it writes is told as one of `step`.
pub(crate) fn run(guest: &mut Guest, step: &'static str, program: &Program) -> Outcome<()> {
    let Some(runner) = guest.runner() else {
        return Err(StepFailure::refused("programs of the guest cannot be run here"));
    };
    refuse_none(&runner.options)?;
    let request = request::of(guest, program, &runner.options, runner.scratch.clone())?;
    let last = Mutex::new(LastLines::default());
    let tell = |_: Stream, line: &[u8]| {
        let text = output::text_of(line);
        last.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        // Nobody listens any more only when the run is over.
        let _ = runner.events.send(Event::Output { step, line: text });
    };
    let finished = guest.lend(|tree| {
        let control = Control {
            cancel: &runner.cancel,
            on_line: &tell,
        };
        imgctl_sandbox::run(tree, &request, &control)
    })??;
    let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Finished { end, changes, warnings } = finished;
    warnings.into_iter().for_each(|warning| guest.warn(warning));
    if !end.is_success() {
        return Err(StepFailure::Program {
            end: describe(end, program),
            last: last.into_text(),
        });
    }
    guest.keep_nothing();
    match changes {
        Some(changes) => apply::apply(guest, &changes),
        None => Ok(()),
    }
}

/// Refuses where the caller wants no program of the guest to run.
pub(crate) fn refuse_none(options: &ProgramOptions) -> Outcome<()> {
    match options.sandbox {
        SandboxChoice::None => Err(StepFailure::refused_with(
            "it needs a program of the guest, and --sandbox none says that none may run",
            "put it off with `first_boot`, or leave --sandbox out",
        )),
        _ => Ok(()),
    }
}

/// How a program ended, as a part of a sentence.
pub(crate) fn describe(end: End, program: &Program) -> String {
    match end {
        End::Exited(status) => format!("ended with status {status}"),
        End::Signalled(signal) => format!("was ended by signal {signal}"),
        End::TimedOut => {
            let limit = program.timeout.map_or(0, |limit| limit.as_secs());
            format!("took longer than the {limit} s it may, and was ended")
        }
        End::NoSpace => "filled the scratch folder's disk, and was ended".to_owned(),
    }
}
