//! `imgctl verify`: `expect` and `verify` of a recipe on any image, and nothing else.

use super::{Scene, Verification, evaluate, expect};
use crate::disk::{Access, Disk, assemble, mount_records};
use crate::guest::{Guest, plan_for};
use crate::image::BaseImage;
use crate::receipt::GuestRecord;
use crate::{InputOptions, Result};
use imgctl_block::Overlay;
use imgctl_recipe::Recipe;
use imgctl_vfs::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What [`verify`] does.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The image to look at.
    pub image: PathBuf,
    /// How it is opened.
    pub input: InputOptions,
    /// Whose `expect` and `verify` are judged.
    pub recipe: Recipe,
    /// Set it to end the run early.
    pub cancel: Arc<AtomicBool>,
}

/// Judges the recipe's `expect` and `verify` on an image, which is only read. Checks that fail are no error here.
pub fn verify(options: &VerifyOptions) -> Result<Verification> {
    let base = BaseImage::open(&options.image, &options.input)?;
    let disk = Disk::open(Overlay::new(base.disk.device()), &base.path)?;
    let assembly = assemble(&disk, options.input.root, Timestamp::default(), Access::ReadOnly)?;
    let guest = Guest::new(assembly.tree, Timestamp::default());
    let plan = plan_for(&options.recipe, guest.tree())?;
    let scene = Scene::new(&guest, &disk, &assembly.mounts, &plan, &options.cancel);
    let mut checks = options
        .recipe
        .expect()
        .map_or_else(Vec::new, |expected| expect(&scene, expected));
    checks.extend(evaluate(&scene, &plan.verify)?);
    Ok(Verification {
        path: base.path.display().to_string(),
        guest: GuestRecord::of(&guest, mount_records(&assembly.mounts)),
        checks,
        warnings: assembly.warnings,
    })
}
