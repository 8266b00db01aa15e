//! What the tools that change a guest have in common: the disk, the run, and what is told of it on the way.

use super::disks::{Disk, DiskArgs};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::customize::reference_time;
use crate::interrupt;
use crate::ui::{Printable, Ui};
use imgctl_core::steps::flags::Flag;
use imgctl_core::{CustomizeOptions, Destination, Event, InputOptions, Receipt, Stage, customize, open_guest};
use std::fmt;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::Instant;

/// Changes the guest on `disks` in place, or only as if.
pub(super) fn change(
    disks: &DiskArgs,
    flags: Vec<Flag>,
    is_dry_run: bool,
    on_event: &(dyn Fn(Event) + Sync),
) -> CommandResult<Receipt> {
    let disk = disk_of_guest(disks)?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let options = CustomizeOptions {
        base: disk.path.clone(),
        input: input(disks, disk),
        recipe: None,
        flags,
        destination: match is_dry_run {
            true => Destination::DryRun,
            false => Destination::InPlace,
        },
        digest_base: false,
        wipe_free: false,
        scratch: None,
        threads: None,
        reference_time: reference_time()?,
        cancel,
    };
    Ok(customize(&options, on_event)?)
}

/// How a disk is opened that stays where it is: its own backing chain may be followed.
pub(super) fn input(disks: &DiskArgs, disk: &Disk) -> InputOptions {
    InputOptions {
        own_chain: disks.allow_backing.is_empty(),
        ..disks.input(disk)
    }
}

/// The one of the disks that has a guest. Filesystems of the others are not looked for.
pub(super) fn disk_of_guest(disks: &DiskArgs) -> CommandResult<&Disk> {
    let [first, others @ ..] = disks.disks.as_slice() else {
        return Err(CommandError::usage("no disk is named").hint("name an image file: -a disk.qcow2"));
    };
    if others.is_empty() {
        return Ok(first);
    }
    let mut found = None;
    let mut failure = None;
    for disk in &disks.disks {
        match (open_guest(&disk.path, &input(disks, disk)), found) {
            (Ok(_), None) => found = Some(disk),
            (Ok(_), Some(other)) => {
                let (one, other) = (disk.path.display(), other.path.display());
                return Err(
                    CommandError::usage(format!("there are operating systems on {other} and on {one}"))
                        .hint("name one of them"),
                );
            }
            (Err(error), _) => failure = failure.or(Some(error)),
        }
    }
    match (found, failure) {
        (Some(disk), _) => Ok(disk),
        (None, Some(error)) => Err(CommandError::from(error).hint("a guest must lie on one disk as a whole")),
        (None, None) => Err(CommandError::usage("no disk is named")),
    }
}

/// The peers' progress: `[   1.5] Setting passwords` on standard output.
#[derive(Debug)]
pub(super) struct Told<'u> {
    ui: &'u Ui,
    is_quiet: bool,
    begin: Instant,
    /// What is still to be told of options, by the steps that they become.
    expected: Mutex<Vec<(String, String)>>,
}

impl<'u> Told<'u> {
    pub(super) fn new(ui: &'u Ui, is_quiet: bool, expected: Vec<(String, String)>) -> Self {
        Self {
            ui,
            is_quiet,
            begin: Instant::now(),
            expected: Mutex::new(expected),
        }
    }

    pub(super) fn event(&self, event: Event) {
        match event {
            Event::Stage(Stage::Open) => self.message("Examining the guest ..."),
            Event::Stage(Stage::Commit) => self.message("Finishing off"),
            Event::Step(step) => self.step(&step),
            Event::Warning(text) => warn(self.ui, &text),
            Event::Notice(notice) => self.notice(&notice.0),
            _ => {}
        }
    }

    fn step(&self, step: &str) {
        let mut expected = match self.expected.lock() {
            Ok(expected) => expected,
            Err(poisoned) => poisoned.into_inner(),
        };
        match expected.iter().position(|(name, _)| name == step) {
            Some(place) => {
                let (_, text) = expected.remove(place);
                self.message(Printable(text));
            }
            None => self.message(Printable(step)),
        }
    }

    fn message(&self, text: impl fmt::Display) {
        if !self.is_quiet {
            line(format_args!("[{:6.1}] {text}", self.begin.elapsed().as_secs_f64()));
        }
    }

    /// A random password, which the peers print on standard output too, whatever else is quiet.
    fn notice(&self, text: &str) {
        let name = self.ui.tool().unwrap_or_default();
        let words = text
            .strip_prefix("the random password of ")
            .and_then(|rest| rest.split_once(" is "));
        match words {
            Some((user, password)) => line(format_args!(
                "{name}: Setting random password of {} to {}",
                Printable(user),
                Printable(password)
            )),
            None => line(format_args!("{name}: {}", Printable(text))),
        }
    }
}

/// Tells a warning, unless it is about what nobody expects of the peers: that a run can be repeated bit by bit.
pub(super) fn warn(ui: &Ui, text: &str) {
    if !text.starts_with("the output cannot be reproduced") {
        ui.warning(text);
    }
}

/// Writes a line. A run is not ended because nobody listens.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
