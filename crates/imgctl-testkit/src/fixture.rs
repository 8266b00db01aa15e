//! The images under `fixtures/`: the small one that lives in git, and the real ones that are built and cached.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::oracle::{self, hex};

/// The fixtures that `cargo xtask fixtures` builds.
pub const BUILT: [&str; 3] = ["debian13", "debian12", "ubuntu-like"];

/// The image of `fixtures/mini`.
#[must_use]
pub fn mini() -> PathBuf {
    folder("mini").join("image.qcow2")
}

/// The folder of a fixture's sources.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    crate::workspace().join("fixtures").join(name)
}

/// Where built fixtures lie: `IMGCTL_FIXTURES`, else `target/fixtures` of the workspace.
#[must_use]
pub fn cache() -> PathBuf {
    let told = std::env::var_os("IMGCTL_FIXTURES").map(PathBuf::from);
    told.unwrap_or_else(|| crate::workspace().join("target/fixtures"))
}

/// The image of a built fixture; it is built now if it is missing or older than its scripts.
///
/// Several processes may ask at once: one builds, the others wait.
///
/// # Errors
///
/// When there is no such fixture, or it cannot be built.
pub fn built(name: &str) -> Result<PathBuf> {
    let script = folder(name).join("gen.sh");
    ensure!(
        script.is_file(),
        "no fixture is called {name}: {} does not exist",
        script.display()
    );
    let cache = cache();
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    let lock = cache.join(format!(".{name}.lock"));
    let lock = File::create(&lock).with_context(|| format!("creating {}", lock.display()))?;
    lock.lock().context("waiting for another build of the fixture")?;
    let image = cache.join(format!("{name}.qcow2"));
    let stamp = cache.join(format!("{name}.stamp"));
    let wanted = scripts_digest(&script)?;
    if !image.is_file() || fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
        build(name, &script, &image)?;
        fs::write(&stamp, &wanted).with_context(|| format!("writing {}", stamp.display()))?;
    }
    Ok(image)
}

/// The image of a fixture: `mini`, or one that is built.
///
/// # Errors
///
/// When there is no such fixture, or it cannot be built.
pub fn image(name: &str) -> Result<PathBuf> {
    if name == "mini" { Ok(mini()) } else { built(name) }
}

/// Whether tests on this fixture should run: `IMGCTL_TEST_FIXTURES` may name a few of the built ones, with commas.
#[must_use]
pub fn is_wanted(name: &str) -> bool {
    let told = std::env::var("IMGCTL_TEST_FIXTURES");
    let wanted =
        name == "mini" || told.as_ref().is_ok_and(|told| told.split(',').any(|one| one == name)) || told.is_err();
    if !wanted {
        #[allow(clippy::print_stderr, reason = "a skipped test must be seen in the runner's output")]
        {
            eprintln!("SKIPPED (IMGCTL_TEST_FIXTURES does not name it): {name}");
        }
    }
    wanted
}

/// The raw form of a fixture (`mini` or a built one), converted by qemu-img and cached.
///
/// # Errors
///
/// When the fixture cannot be built or converted.
pub fn raw(name: &str) -> Result<PathBuf> {
    let image = image(name)?;
    let cache = cache();
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    let lock = cache.join(format!(".{name}.raw.lock"));
    let lock = File::create(&lock).with_context(|| format!("creating {}", lock.display()))?;
    lock.lock().context("waiting for another conversion of the fixture")?;
    let raw = cache.join(format!("{name}.raw"));
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    if modified(&raw).is_none() || modified(&raw) < modified(&image) {
        let partial = cache.join(format!("{name}.raw.partial"));
        oracle::qemu_convert(&image, &partial, "raw")?;
        fs::rename(&partial, &raw).with_context(|| format!("renaming {}", partial.display()))?;
    }
    Ok(raw)
}

fn build(name: &str, script: &Path, image: &Path) -> Result<()> {
    for (program, _) in oracle::FIXTURE_PROGRAMS {
        oracle::require(program)?;
    }
    ensure!(
        crate::is_root(),
        "building the fixture {name} needs root (loop devices, chroot)"
    );
    let log_path = image.with_extension("log");
    let log = File::create(&log_path).with_context(|| format!("creating {}", log_path.display()))?;
    let mut command = Command::new(script);
    command
        .arg(image)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let status = command
        .status()
        .with_context(|| format!("starting {}", script.display()))?;
    if !status.success() {
        let text = fs::read_to_string(&log_path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines
            .get(lines.len().saturating_sub(20)..)
            .unwrap_or_default()
            .join("\n");
        anyhow::bail!(
            "building the fixture {name} ended with {status}; the end of {}:\n{end}",
            log_path.display()
        );
    }
    Ok(())
}

/// A digest of a fixture's script and of those it shares with others.
fn scripts_digest(script: &Path) -> Result<String> {
    let shared = crate::workspace().join("fixtures/debian-image.sh");
    let mut hasher = Sha256::new();
    for path in [script, &shared] {
        hasher.update(fs::read(path).with_context(|| format!("reading {}", path.display()))?);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    Ok(hex(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_fixture_is_named() {
        let error = built("nothing-like-this").unwrap_err();
        assert!(
            error.to_string().starts_with("no fixture is called nothing-like-this"),
            "{error}"
        );
    }

    #[test]
    fn every_built_fixture_has_a_script() {
        for name in BUILT {
            assert!(folder(name).join("gen.sh").is_file(), "{name}");
        }
    }

    #[test]
    fn the_mini_image_is_sound() {
        oracle::qemu_check(&mini()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("mini.raw");
        oracle::qemu_convert(&mini(), &raw, "raw").unwrap();
        oracle::e2fsck(&raw, oracle::partition(&raw, 1).unwrap()).unwrap();
        oracle::fsck_fat(&raw, oracle::partition(&raw, 15).unwrap()).unwrap();
    }
}
