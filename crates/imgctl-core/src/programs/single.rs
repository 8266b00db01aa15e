//! One program of a guest, of which nothing is kept.

use super::{Program, ProgramOptions, refuse_none, request};
use crate::guest::Guest;
use crate::steps::StepFailure;
use crate::{Error, ErrorKind, InputOptions, Result, open_guest};
use imgctl_sandbox::{Control, End, Stream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What [`run_program`] does.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The image to look into. It is only read.
    pub image: PathBuf,
    /// How it is opened.
    pub input: InputOptions,
    /// What runs.
    pub program: Program,
    /// How it runs.
    pub programs: ProgramOptions,
    /// The folder for what it writes; `None`: that of the image.
    pub scratch: Option<PathBuf>,
    /// Set it to end the run early.
    pub cancel: Arc<AtomicBool>,
}

/// Runs one program of the guest in an image. It sees itself writing, but nothing of that is kept.
///
/// # Errors
/// When it could not be run. A program that fails is no error.
pub fn run_program(options: &RunOptions, on_line: &(dyn Fn(Stream, &[u8]) + Sync)) -> Result<(End, Vec<String>)> {
    let opened = open_guest(&options.image, &options.input)?;
    let mut warnings = opened.warnings().to_vec();
    let mut guest: Guest = opened.guest;
    let folder = || crate::pack::publish::folder_of(&options.image);
    let scratch = options.scratch.clone().unwrap_or_else(folder);
    let failed = |failure: StepFailure| {
        let hint = failure.hint();
        let error = Error::new(ErrorKind::Step, "the program cannot be run").with_source(failure);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    };
    refuse_none(&options.programs).map_err(failed)?;
    let request = request::of(&guest, &options.program, &options.programs, scratch).map_err(failed)?;
    let control = Control {
        cancel: &options.cancel,
        on_line,
    };
    let lent = guest.lend(|tree| imgctl_sandbox::run(tree, &request, &control));
    match lent.map_err(|error| failed(error.into()))? {
        Ok(finished) => {
            warnings.extend(finished.warnings);
            Ok((finished.end, warnings))
        }
        Err(imgctl_sandbox::Error::Cancelled) => Err(crate::stages::cancelled()),
        Err(error) => Err(failed(error.into())),
    }
}
