//! The value of an option, in the forms that many of them share.

use super::{FlagError, FlagSettings, FlagSpec};
use crate::guest::Guest;
use crate::steps::{Outcome, Step, StepError};
use imgctl_recipe::Host;
use imgctl_vfs::GuestPath;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The machine that options are read on.
pub trait FlagHost: Host {
    /// The caller's home directory.
    fn home(&self) -> Option<PathBuf>;
}

/// The value of an option, with what its reader may ask.
#[derive(Clone, Copy, Debug)]
pub struct FlagArgument<'a> {
    /// The option.
    pub flag: &'static FlagSpec,
    /// Its value.
    pub text: &'a str,
    /// The machine it is read on.
    pub host: &'a dyn FlagHost,
    /// What the other options say about it.
    pub settings: &'a FlagSettings,
}

impl<'a> FlagArgument<'a> {
    /// The two parts around the first colon: the first cannot have one, the second can.
    pub fn split(&self) -> Result<(&'a str, &'a str), FlagError> {
        self.text.split_once(':').ok_or_else(|| {
            let FlagSpec {
                name, value, example, ..
            } = self.flag;
            FlagError::with_hint(
                format!("there is no colon in `{}`", self.text),
                format!("write --{name} {value}, like --{name} '{example}'"),
            )
        })
    }

    /// A path in the guest: an absolute one.
    pub fn guest_path(&self, text: &str) -> Result<GuestPath, FlagError> {
        GuestPath::new(text).map_err(|error| {
            FlagError::with_hint(
                error.to_string(),
                "paths inside the guest begin with a slash: /etc/motd",
            )
        })
    }

    /// A local file that can be read.
    pub fn host_file(&self, text: &str) -> Result<PathBuf, FlagError> {
        let path = Path::new(text);
        match self.host.check_file(path) {
            Ok(()) => Ok(path.to_owned()),
            Err(error) => Err(FlagError::new(format!("cannot read the local file {text}: {error}"))),
        }
    }

    /// The text of a small local file.
    pub fn host_text(&self, text: &str, limit_bytes: usize) -> Result<String, FlagError> {
        let failed = |reason: &dyn fmt::Display| FlagError::new(format!("cannot read the local file {text}: {reason}"));
        let bytes = self.host.read_file(Path::new(text), limit_bytes);
        String::from_utf8(bytes.map_err(|error| failed(&error))?).map_err(|_| failed(&"it is not UTF-8 text"))
    }

    /// The step that does `run` with `value`.
    pub fn step<T: Send + Sync + 'static>(&self, value: T, run: fn(&T, &mut Guest) -> Outcome<()>) -> Arc<dyn Step> {
        Arc::new(FlagStep {
            name: self.flag.name,
            value,
            run,
        })
    }
}

struct FlagStep<T> {
    name: &'static str,
    value: T,
    run: fn(&T, &mut Guest) -> Outcome<()>,
}

impl<T> fmt::Debug for FlagStep<T> {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagStep")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync> Step for FlagStep<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        (self.run)(&self.value, guest).map_err(|failure| failure.at(self.name, None))
    }
}
