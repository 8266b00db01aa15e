//! A run that something happens to, and the look around afterwards.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use imgctl_testkit::{cli, fixture, oracle};

use crate::expected::file_digest;

/// The output's name.
pub(crate) const OUT: &str = "out.qcow2";

/// What was at the output's place before.
const EARLIER: &[u8] = b"an earlier output\n";

/// What must happen to the output's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// As before the run.
    Untouched,
    /// The whole new image and its checksum.
    Whole,
    /// A new checksum beside an image as before: the run ended between two names. No half file.
    Between,
}

/// A base, a recipe, and what a run that nothing happens to makes of them.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    base: PathBuf,
    base_digest: String,
    whole: BTreeMap<OsString, String>,
}

impl Scene {
    /// With a built fixture, or `mini`. The golden recipe changes every filesystem of it.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-scene-").tempdir()?;
        fs::write(folder.path().join("golden.yaml"), crate::golden::RECIPE)?;
        for (name, content) in crate::golden::FILES {
            fs::write(folder.path().join(name), content)?;
        }
        let base = fixture::image(name)?.canonicalize()?;
        let mut scene = Self {
            base_digest: file_digest(&base)?,
            folder,
            base,
            whole: BTreeMap::new(),
        };
        let place = scene.place("reference")?;
        let output = scene.run(&mut scene.command(&place)?)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        oracle::qemu_check(&place.join(OUT))?;
        scene.whole = digests(&place)?;
        ensure!(scene.whole.len() == 2, "{:?}", scene.whole);
        Ok(scene)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder for an output.
    pub(crate) fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.path(name);
        fs::create_dir(&place)?;
        Ok(place)
    }

    /// Puts an earlier output into `place`.
    pub(crate) fn put_earlier(place: &Path) -> Result<()> {
        fs::write(place.join(OUT), EARLIER)?;
        fs::write(place.join(format!("{OUT}.sha256")), EARLIER)?;
        Ok(())
    }

    /// The run: the output goes into `place`.
    pub(crate) fn command(&self, place: &Path) -> Result<Command> {
        let mut command = cli::command(self.folder.path())?;
        command.args(self.arguments(place).into_iter().skip(1));
        Self::quiet(&mut command);
        Ok(command)
    }

    /// The same run by way of another program, such as a debugger, with arguments of its own.
    pub(crate) fn command_under(&self, program: &str, arguments: &[&str], place: &Path) -> Result<Command> {
        let mut command = Command::new(oracle::require(program)?);
        command.current_dir(self.folder.path()).args(arguments);
        command
            .arg(cli::binary()?)
            .args(self.arguments(place).into_iter().skip(1));
        Self::quiet(&mut command);
        Ok(command)
    }

    fn quiet(command: &mut Command) {
        command
            .env("SOURCE_DATE_EPOCH", crate::journey::NOW.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
    }

    fn arguments(&self, place: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["imgctl".into(), "customize".into(), self.base.clone().into()];
        arguments.extend(["--recipe", "golden.yaml", "--force", "--threads", "2", "-o"].map(OsString::from));
        arguments.push(place.join(OUT).into());
        arguments
    }

    pub(crate) fn run(&self, command: &mut Command) -> Result<Output> {
        command.output().with_context(|| format!("starting {command:?}"))
    }

    /// The base is as it was, and in `place` every file is as it was before or as it is after a whole run.
    /// `interim`: names that a kill may leave; what they name is whole too.
    pub(crate) fn judge(&self, place: &Path, interim: bool) -> Result<Outcome> {
        ensure!(file_digest(&self.base)? == self.base_digest, "the base has changed");
        let mut found = digests(place)?;
        if interim {
            self.take_interim(&mut found)?;
        }
        let checksum = format!("{OUT}.sha256");
        let earlier = crate::expected::digest_of(EARLIER);
        let is_earlier = |digest: Option<&String>| digest.is_none_or(|digest| *digest == earlier);
        let states = [OUT, &checksum].map(|name| {
            let (found, whole) = (
                found.remove(OsString::from(name).as_os_str()),
                self.whole.get(OsString::from(name).as_os_str()),
            );
            (is_earlier(found.as_ref()), found.as_ref() == whole)
        });
        ensure!(found.is_empty(), "left behind: {:?}", found.keys());
        match states {
            [(_, true), (_, true)] => Ok(Outcome::Whole),
            [(true, _), (true, _)] => Ok(Outcome::Untouched),
            [(true, _), (_, true)] => Ok(Outcome::Between),
            _ => bail!("a half output: {states:?} (as before, whole) of the image and its checksum"),
        }
    }

    /// With `--force`, a whole file has another name for the moment before it replaces the earlier one.
    fn take_interim(&self, found: &mut BTreeMap<OsString, String>) -> Result<()> {
        let is_interim = |name: &str| name.starts_with(&format!(".{OUT}")) && name.contains(".imgctl-");
        let names: Vec<OsString> = found
            .keys()
            .filter(|name| is_interim(&name.to_string_lossy()))
            .cloned()
            .collect();
        ensure!(names.len() <= 1, "left behind: {names:?}");
        for name in names {
            let digest = found.remove(&name);
            ensure!(
                self.whole.values().any(|whole| Some(whole) == digest.as_ref()),
                "{} is no whole file",
                name.display()
            );
        }
        Ok(())
    }
}

/// The digests of all files in a folder.
fn digests(folder: &Path) -> Result<BTreeMap<OsString, String>> {
    let entries = folder.read_dir()?;
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name(), file_digest(&entry.path())?))
        })
        .collect()
}
