//! The main job: a base image and a plan in, a new image and a receipt out.

use crate::disk::{Assembly, Disk, MountPoint, assemble, mount_records};
use crate::event::OnEvent;
use crate::guest::{Change, Guest, Notice, facts, plan_for};
use crate::image::BaseImage;
use crate::pack::digest::{FileDigests, digest_file};
use crate::pack::{PackSource, PendingOutput, Replacement, Target, free_ranges, wipe};
use crate::programs::Runner;
use crate::receipt::{BaseRecord, GuestRecord, OutputRecord, StepRecord, VerifierRecord};
use crate::stages::{Stages, cancelled};
use crate::steps::flags::{PlannedFlag, planned};
use crate::{
    CheckRecord, CustomizeOptions, Destination, Error, ErrorKind, Event, Receipt, Result, Stage, checks, diff, steps,
    unsupported, verify,
};
use imgctl_block::{BlockRead, Overlay};
use imgctl_recipe::{Plan, Recipe};
use imgctl_vfs::{Timestamp, Tree};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

/// Changes kept in memory before they spill to the scratch file.
const OVERLAY_MEMORY_BYTES: u64 = 32 << 20;

/// Changes the guest in the base image as the recipe says, and writes the result as a new image, or in the base's place.
///
/// On any failure there is no output and nothing else has changed.
pub fn customize(options: &CustomizeOptions, on_event: &(dyn Fn(Event) + Sync)) -> Result<Receipt> {
    if let Some(recipe) = &options.recipe {
        unsupported::refuse(recipe.unsupported())?;
    }
    let mut run = Run::new(options, on_event);
    run.stages.begin(Stage::Open)?;
    let base = match options.destination {
        Destination::InPlace => BaseImage::open_in_place(&options.base, &options.input)?,
        Destination::DryRun | Destination::File(_) => BaseImage::open(&options.base, &options.input)?,
    };
    let output = match &options.destination {
        Destination::DryRun => Pending::Nothing,
        Destination::File(output) => Pending::File(PendingOutput::create(output, &base, Target::File)?),
        Destination::InPlace => Pending::InPlace(Replacement::create(&base)?),
    };
    let abandon = AtomicBool::new(false);
    let is_over = || abandon.load(Ordering::Relaxed) || options.cancel.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        // The digest of the base needs nothing from the run, so it goes on beside everything up to the packing.
        let digest_base = || digest_file(base.file(), &base.path, false, &is_over, &|_| {});
        let start = || std::thread::Builder::new().spawn_scoped(scope, digest_base);
        let thread = options.digest_base.then(start);
        let base_digest = || {
            let digested = thread.map(|thread| match thread {
                Ok(thread) => {
                    let joined = thread.join();
                    joined.map_err(|_| Error::new(ErrorKind::Other, "the digest of the base failed"))?
                }
                Err(_) => digest_base(),
            });
            digested.transpose()
        };
        let baked = run
            .bake(&base)
            .and_then(|baked| run.finish(&base, baked, base_digest, output));
        abandon.store(baked.is_err(), Ordering::Relaxed);
        baked
    })
}

/// One run under way.
struct Run<'a> {
    options: &'a CustomizeOptions,
    on_event: OnEvent<'a>,
    stages: Stages<'a>,
}

/// What will be written, with its place taken.
enum Pending<'a> {
    Nothing,
    File(PendingOutput<'a>),
    InPlace(Replacement<'a>),
}

/// The changed disk, committed and verified, before it is packed.
struct Baked {
    disk: Disk,
    /// The guest's filesystems, opened anew.
    tree: Tree,
    mounts: Vec<MountPoint>,
    guest: GuestRecord,
    now: Timestamp,
    steps: Vec<StepRecord>,
    changes: Vec<Change>,
    verified_by: Vec<VerifierRecord>,
    checks: Vec<CheckRecord>,
    notices: Vec<Notice>,
}

impl<'a> Run<'a> {
    fn new(options: &'a CustomizeOptions, on_event: OnEvent<'a>) -> Self {
        Self {
            options,
            on_event,
            stages: Stages::new(on_event, &options.cancel),
        }
    }

    /// Everything up to the packing: open, edit, commit, verify.
    fn bake(&mut self, base: &BaseImage) -> Result<Baked> {
        let overlay = Overlay::with_scratch(base.disk.device(), self.scratch_folder(), OVERLAY_MEMORY_BYTES);
        let disk = Disk::open(overlay, &base.path)?;
        let now = match self.options.reference_time {
            Some(seconds) => Timestamp::from_seconds(seconds),
            None => disk.recorded_time()?,
        };
        let assembly = assemble(&disk, self.options.input.root, now, crate::disk::Access::Write)?;
        for warning in &assembly.warnings {
            self.stages.warn(warning.clone());
        }
        let mut guest = Guest::new(assembly.tree, now);
        let mounts = assembly.mounts;
        self.expect(&guest, &disk, &mounts)?;
        let plan = self.plan(&guest)?;
        let flags = self.flags(&guest)?;

        self.stages.begin(Stage::Edit)?;
        let record = GuestRecord::of(&guest, mount_records(&mounts));
        self.apply(&plan, &flags, &mut guest)?;

        self.stages.begin(Stage::Commit)?;
        let notices = guest.take_notices();
        let (tree, log, warnings) = guest.into_parts();
        for warning in warnings {
            self.stages.warn(warning.message);
        }
        tree.commit().map_err(|source| {
            Error::new(ErrorKind::Step, "cannot write the changes into the guest's filesystems").with_source(source)
        })?;

        self.stages.begin(Stage::Verify)?;
        let tree = Assembly::reopen(&disk, &mounts)?;
        let mut changes = log
            .finish(&tree)
            .map_err(|source| Error::new(ErrorKind::Verify, "the changes cannot be read back").with_source(source))?;
        if matches!(self.options.destination, Destination::DryRun) {
            let before = Disk::open(Overlay::new(base.disk.device()), &base.path)?;
            diff::add_diffs(&mut changes, &Assembly::reopen(&before, &mounts)?, &tree)?;
        }
        let mut verified_by = verify::own_reading(&mounts, &changes);
        verified_by.extend(verify::second_opinion(&disk, &tree, &mounts, &changes)?);
        let guest = Guest::new(tree, now);
        let scene = checks::Scene::new(&guest, &disk, &mounts, &plan, &self.options.cancel);
        let checks = checks::evaluate(&scene, &plan.verify)?;
        if let Some(error) = checks::failure(ErrorKind::Verify, "checks", &checks) {
            return Err(error);
        }
        let (tree, ..) = guest.into_parts();
        Ok(Baked {
            disk,
            tree,
            mounts,
            guest: record,
            now,
            steps: StepRecord::of(&plan, &flags),
            changes,
            verified_by,
            checks,
            notices,
        })
    }

    /// Fails unless the base is what the recipe expects.
    fn expect(&self, guest: &Guest, disk: &Disk, mounts: &[MountPoint]) -> Result<()> {
        let Some(expect) = self.options.recipe.as_ref().and_then(Recipe::expect) else {
            return Ok(());
        };
        let plan = Plan::default();
        let scene = checks::Scene::new(guest, disk, mounts, &plan, &self.options.cancel);
        let records = checks::expect(&scene, expect);
        match checks::failure(ErrorKind::Usage, "expectations of the base", &records) {
            Some(error) => Err(error.with_hint("this recipe is for another base image; change `expect` if it is not")),
            None => Ok(()),
        }
    }

    /// What the recipe asks for in this guest.
    fn plan(&self, guest: &Guest) -> Result<Plan> {
        let Some(recipe) = &self.options.recipe else {
            return Ok(Plan::default());
        };
        let plan = plan_for(recipe, guest.tree())?;
        unsupported::refuse(&plan.unsupported)?;
        Ok(plan)
    }

    /// What the options of the command line ask for in this guest.
    fn flags(&self, guest: &Guest) -> Result<Vec<PlannedFlag>> {
        planned(&self.options.flags, &facts(guest.tree())).map_err(|error| {
            let plain = Error::new(ErrorKind::Usage, error.to_string());
            match error.hint() {
                Some(hint) => plain.with_hint(hint),
                None => plain,
            }
        })
    }

    fn apply(&self, plan: &Plan, flags: &[PlannedFlag], guest: &mut Guest) -> Result<()> {
        let mut on_step = |name: &str| {
            (self.on_event)(Event::Step(name.to_owned()));
            !self.options.cancel.load(Ordering::Relaxed)
        };
        let executed = self.with_programs(guest, |guest| steps::execute_with(plan, flags, guest, &mut on_step));
        match executed {
            Err(_) if self.options.cancel.load(Ordering::Relaxed) => Err(cancelled()),
            Ok(true) => Ok(()),
            Ok(false) => Err(cancelled()),
            Err(failed) => {
                let error = Error::new(ErrorKind::Step, failed.to_string());
                Err(match failed.hint() {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }
                .with_source(failed.cause))
            }
        }
    }

    /// Lets steps run programs of the guest; what these write is told as it comes.
    fn with_programs<T>(&self, guest: &mut Guest, work: impl FnOnce(&mut Guest) -> T) -> T {
        let (events, told) = mpsc::channel();
        guest.set_runner(Some(Arc::new(Runner {
            options: self.options.programs.clone(),
            scratch: self.scratch_folder(),
            cancel: Arc::clone(&self.options.cancel),
            events,
        })));
        std::thread::scope(|scope| {
            scope.spawn(|| told.into_iter().for_each(self.on_event));
            let done = work(guest);
            // With it goes the sender, and so the thread ends.
            guest.set_runner(None);
            done
        })
    }

    /// Packing, publishing and the receipt. `base_digest` waits for the digest of the base.
    fn finish(
        &mut self,
        base: &BaseImage,
        baked: Baked,
        base_digest: impl FnOnce() -> Result<Option<FileDigests>>,
        output: Pending<'_>,
    ) -> Result<Receipt> {
        let is_dry_run = matches!(output, Pending::Nothing);
        let (output, base_digest) = match output {
            Pending::Nothing => {
                let digest = base_digest()?;
                base.check_unchanged()?;
                (None, digest)
            }
            Pending::File(pending) => {
                let (output, digest) = self.write(pending, base, &baked, base_digest)?;
                (Some(output), digest)
            }
            Pending::InPlace(replacement) => {
                let digest = base_digest()?;
                (self.replace(replacement, base, &baked)?, digest)
            }
        };
        if !is_dry_run {
            let notices = baked.notices.into_iter().map(Event::Notice);
            notices.for_each(self.on_event);
        }
        let (warnings, stages) = self.stages.finish();
        Ok(Receipt {
            imgctl: env!("CARGO_PKG_VERSION").to_owned(),
            dry_run: is_dry_run,
            reference_time: baked.now.seconds,
            base: base_record(base, &baked.disk, base_digest),
            output,
            guest: baked.guest,
            steps: baked.steps,
            changes: baked.changes,
            verified_by: baked.verified_by,
            checks: baked.checks,
            warnings,
            stages,
        })
    }

    /// Packs, digests and publishes a new image.
    fn write(
        &mut self,
        pending: PendingOutput<'_>,
        base: &BaseImage,
        baked: &Baked,
        base_digest: impl FnOnce() -> Result<Option<FileDigests>>,
    ) -> Result<(OutputRecord, Option<FileDigests>)> {
        self.stages.begin(Stage::Pack)?;
        let free = free_ranges(&baked.tree, &baked.mounts)?;
        if self.options.wipe_free {
            wipe(&baked.disk.overlay, &free)?;
        }
        let packed = pending.pack(&self.source(base, baked, &free))?;
        for warning in packed.warnings() {
            self.stages.warn(warning);
        }
        let base_digest = base_digest()?;
        base.check_unchanged()?;
        self.stages.begin(Stage::Digest)?;
        let digested = packed.digest(&self.options.cancel, self.on_event)?;
        self.stages.begin(Stage::Publish)?;
        Ok((digested.publish()?, base_digest))
    }

    /// Replaces the base, unless nothing changed in the guest.
    fn replace(
        &mut self,
        replacement: Replacement<'_>,
        base: &BaseImage,
        baked: &Baked,
    ) -> Result<Option<OutputRecord>> {
        if baked.changes.is_empty() && !self.options.wipe_free {
            base.check_unchanged()?;
            return Ok(None);
        }
        self.stages.begin(Stage::Pack)?;
        // What was free before stays as it is: only what is asked for changes.
        let free = match self.options.wipe_free {
            true => free_ranges(&baked.tree, &baked.mounts)?,
            false => Vec::new(),
        };
        let successor = replacement.pack(&self.source(base, baked, &free))?;
        base.check_unchanged()?;
        self.stages.begin(Stage::Publish)?;
        successor.publish().map(Some)
    }

    fn source<'b>(&'b self, base: &'b BaseImage, baked: &'b Baked, free: &'b [Range<u64>]) -> PackSource<'b> {
        PackSource {
            base,
            overlay: &baked.disk.overlay,
            free,
            threads: self.options.threads,
            cancel: &self.options.cancel,
            on_event: self.on_event,
        }
    }

    /// Beside the output, where space is needed anyway.
    fn scratch_folder(&self) -> PathBuf {
        let beside = self
            .options
            .destination
            .file()
            .map_or(&self.options.base, |output| &output.path);
        self.options
            .scratch
            .clone()
            .unwrap_or_else(|| crate::pack::publish::folder_of(beside))
    }
}

fn base_record(base: &BaseImage, disk: &Disk, digest: Option<FileDigests>) -> BaseRecord {
    BaseRecord {
        path: base.path.display().to_string(),
        format: base.format().to_string(),
        format_detected: base.format_detected,
        file_bytes: base.file_bytes(),
        virtual_bytes: disk.overlay.len_bytes(),
        sha256: digest.map(|digest| digest.sha256),
    }
}
