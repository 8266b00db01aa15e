//! Signals and failures at any moment of a run in place: the image is the old one or the new one, and nothing is left.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_testkit::{cli, fixture, oracle};
use rustix::process::{Pid, Signal, kill_process};

use crate::expected::file_digest;

/// A folder with an image, what it is before a run, and what after one.
struct Place {
    folder: tempfile::TempDir,
    old: String,
    new: String,
}

const IMAGE: &str = "disk.qcow2";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Old,
    New,
}

impl Place {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-in-place-").tempdir()?;
        let base = fixture::image("mini")?;
        // Plain clusters, which the kernel copies, and compressed ones of what is written.
        oracle::qemu_convert(&base, &folder.path().join("pristine"), "qcow2")?;
        let mut place = Self {
            old: file_digest(&folder.path().join("pristine"))?,
            folder,
            new: String::new(),
        };
        place.restore()?;
        let output = place.command(None)?.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        oracle::qemu_check(&place.image())?;
        place.new = file_digest(&place.image())?;
        ensure!(place.new != place.old, "nothing changed");
        Ok(place)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join(IMAGE)
    }

    fn restore(&self) -> Result<()> {
        std::fs::copy(self.folder.path().join("pristine"), self.image())?;
        Ok(())
    }

    /// The run, perhaps by way of another program with these options.
    fn command(&self, under: Option<(&str, &[&str])>) -> Result<Command> {
        let mut command = match under {
            None => cli::command(self.folder.path())?,
            Some((program, options)) => {
                let mut command = Command::new(oracle::require(program)?);
                command
                    .current_dir(self.folder.path())
                    .args(options)
                    .arg(cli::binary()?);
                command
            }
        };
        command
            .args([
                "virt-customize",
                "-q",
                "-a",
                IMAGE,
                "--write",
                "/etc/motd:changed in place\n",
            ])
            .args(["--mkdir", "/srv/made", "--hostname", "killed"])
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Ok(command)
    }

    /// The image is whole, and nothing but it is there; a kill may leave one whole file by its interim name.
    fn judge(&self, is_killed: bool) -> Result<Outcome> {
        for entry in self.folder.path().read_dir()? {
            let name = entry?.file_name();
            if [IMAGE, "pristine", "strace.log"].map(OsString::from).contains(&name) {
                continue;
            }
            let path = self.folder.path().join(&name);
            let is_interim = name.to_string_lossy().starts_with(&format!(".{IMAGE}.imgctl-"));
            ensure!(is_killed && is_interim, "left behind: {}", name.display());
            ensure!(file_digest(&path)? == self.new, "{} is no whole file", name.display());
            std::fs::remove_file(path)?;
        }
        let digest = file_digest(&self.image())?;
        ensure!(
            digest == self.old || digest == self.new,
            "the image is neither the old nor the new one"
        );
        Ok(match digest == self.new {
            true => Outcome::New,
            false => Outcome::Old,
        })
    }
}

#[test]
fn signals_at_random_moments_of_a_run_in_place() -> Result<()> {
    let place = Place::new()?;
    let begin = Instant::now();
    place.restore()?;
    ensure!(place.command(None)?.output()?.status.success(), "the timed run failed");
    let whole_run = begin.elapsed();
    let mut struck = 0;
    for seed in tier::seeds(0..24) {
        tier::try_case("kill-in-place", seed, Limits::LARGE, || {
            place.restore()?;
            let mut random = Random::new(seed);
            let signal = *random.pick(&[Signal::KILL, Signal::INT, Signal::TERM]);
            let moment = whole_run.mul_f64(random.below(1100) as f64 / 1000.0);
            let mut child = place.command(None)?.spawn()?;
            std::thread::sleep(moment);
            let _ = kill_process(Pid::from_child(&child), signal);
            let status = child.wait()?;
            let told = || format!("{signal:?} after {moment:?} of {whole_run:?}: {status}");
            let outcome = place.judge(signal == Signal::KILL).with_context(told)?;
            struck += usize::from(outcome == Outcome::Old);
            ensure!(!status.success() || outcome == Outcome::New, "{}", told());
            let is_told = status.code().is_some_and(|code| code <= 1) || status.signal() == Some(signal.as_raw());
            ensure!(is_told, "{}", told());
            Ok(())
        })?;
    }
    ensure!(tier::is_long() || struck > 3, "hardly any run was hit: {struck}");
    Ok(())
}

/// Failures with the number of the call that they strike, counted in each thread.
const INJECTIONS: &[(&str, &str, &[u32])] = &[
    ("pwrite64", "error=ENOSPC", &[1, 2, 5]),
    ("pwrite64", "signal=KILL", &[1, 3]),
    ("copy_file_range", "error=EIO", &[1]),
    ("copy_file_range", "signal=KILL", &[1]),
    ("fsync", "error=EIO", &[1]),
    ("fsync", "signal=KILL", &[1, 2]),
    ("linkat", "error=EIO", &[1]),
    ("linkat", "signal=KILL", &[1]),
    ("renameat", "error=EACCES", &[1]),
    ("renameat", "signal=KILL", &[1]),
    ("fchmod", "error=EPERM", &[1]),
    ("ftruncate", "error=EIO", &[1]),
];

#[test]
fn system_calls_that_fail_in_a_run_in_place() -> Result<()> {
    let place = Place::new()?;
    let log = place.folder.path().join("strace.log").display().to_string();
    for (call, what, moments) in INJECTIONS {
        for when in *moments {
            place.restore()?;
            let told = || format!("{call}: {what} at call {when}");
            let inject = format!("inject={call}:{what}:when={when}");
            let trace = format!("trace={call}");
            let options = ["-f", "-qq", "-o", &log, "-e", &trace, "-e", &inject];
            let output = place.command(Some(("strace", &options)))?.output()?;
            let is_killed = what.contains("KILL");
            let struck = is_killed || std::fs::read_to_string(&log)?.contains("INJECTED");
            ensure!(struck, "{}: it never came", told());
            let outcome = place.judge(is_killed).with_context(told)?;
            ensure!(!output.status.success() || outcome == Outcome::New, "{}", told());
            // Only what comes after the rename may fail with the image being the new one.
            let is_after = *call == "fsync" && *when > 1;
            ensure!(
                outcome == Outcome::Old || is_after || output.status.success(),
                "{}",
                told()
            );
        }
    }
    Ok(())
}

/// A disk that is full fails the run, and the image is the old one.
#[test]
fn a_full_disk_leaves_the_image() -> Result<()> {
    if !imgctl_testkit::root_or_skip("a_full_disk_leaves_the_image") {
        return Ok(());
    }
    let place = Place::new()?;
    let small = place.folder.path().join("small");
    let needed = place.image().metadata()?.len();
    let mount = crate::bad_input::SmallDisk::mount(&small, &format!("size={}", needed + needed / 2))?;
    let image = small.join(IMAGE);
    std::fs::copy(place.folder.path().join("pristine"), &image)?;
    let run = |folder: &Path| -> Result<_> { Ok(place.command(None)?.current_dir(folder).output()?) };
    let output = run(&small)?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(
        String::from_utf8_lossy(&output.stderr).contains("hint: free some space"),
        "{output:?}"
    );
    ensure!(file_digest(&image)? == place.old, "the image has changed");
    ensure!(small.read_dir()?.count() == 1, "something is left");
    drop(mount);
    Ok(())
}

#[test]
fn an_owner_that_cannot_be_kept_is_found_before_anything_is_done() -> Result<()> {
    if !imgctl_testkit::root_or_skip("an_owner_that_cannot_be_kept_is_found_before_anything_is_done") {
        return Ok(());
    }
    let place = Place::new()?;
    place.restore()?;
    std::fs::set_permissions(place.folder.path(), Permissions::from_mode(0o777))?;
    std::fs::set_permissions(place.image(), Permissions::from_mode(0o666))?;
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let output = place.command(Some(("setpriv", &nobody)))?.output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1) && told.contains("would lose its owner 0:0"),
        "{told}"
    );
    ensure!(told.contains("virt-customize: hint: "), "{told}");
    ensure!(place.judge(false)? == Outcome::Old, "the image has changed");

    std::os::unix::fs::chown(place.image(), Some(65534), Some(65534))?;
    let output = place.command(Some(("setpriv", &nobody)))?.output()?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(place.judge(false)? == Outcome::New, "the image has not changed");
    Ok(())
}
