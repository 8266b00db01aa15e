//! What the tools that change a guest have in common: the disk, the run, and what is told of it on the way.

use super::disks::{Disk, DiskArgs};
use super::mounts::parse;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::customize::reference_time;
use crate::interrupt;
use crate::ui::{Printable, Ui};
use clap::Args;
use imgctl_core::steps::flags::Flag;
use imgctl_core::{
    CustomizeOptions, Destination, Disks, Event, InputOptions, MountRecord, ProgramOptions, Receipt, Stage, customize,
};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Mutex;
use std::time::Instant;

/// Changes the guest on `disks` in place, or only as if.
pub(super) fn change(
    disks: &DiskArgs,
    flags: Vec<Flag>,
    programs: ProgramOptions,
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
        programs,
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

/// `-m` of tools that change a guest: what is changed is the guest, so it must be mounted as it says itself.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Disks")]
pub(super) struct GuestMountArgs {
    /// Mount this, which must be what the guest mounts itself: device, mount point [default: /]; may be repeated
    #[arg(short = 'm', long = "mount", value_name = "DEV[:DIR[:OPTIONS[:FSTYPE]]]")]
    mounts: Vec<OsString>,
    /// Find the guest and mount what it mounts, as is done anyway
    #[arg(short = 'i', long = "inspector", hide = true)]
    inspector: bool,
}

impl GuestMountArgs {
    /// Fails if another filesystem is wanted than the guest has there.
    pub(super) fn check(&self, disks: &DiskArgs) -> CommandResult {
        if self.mounts.is_empty() {
            return Ok(());
        }
        let (disk, guest) = opened(disks)?.guest()?;
        for mount in &self.mounts {
            let (place, path) = parse(mount.as_bytes())?;
            let is_it = |found: &MountRecord| {
                found.path.as_bytes() == path.as_bytes() && (disk, found.partition) == (place.disk, place.partition)
            };
            if !guest.mounts().iter().any(is_it) {
                let message = format!("-m {}: the guest does not mount that there", mount.display());
                return Err(CommandError::usage(message)
                    .hint("leave -m out and name the file by its path in the guest; virt-inspector lists the mounts"));
            }
        }
        Ok(())
    }
}

fn opened(disks: &DiskArgs) -> CommandResult<Disks> {
    let named = disks.disks.iter().map(|disk| (disk.path.clone(), input(disks, disk)));
    Ok(Disks::open(&named.collect::<Vec<_>>())?)
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
    // The locks on all disks go before one of them is opened for writing.
    let (index, _) = opened(disks)?.guest()?;
    Ok(disks.disks.get(index).unwrap_or(first))
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
