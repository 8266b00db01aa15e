//! What a run tells while it goes on. Only the command line draws it.

use crate::guest::Notice;
use std::fmt;

/// A part of a run, in the order of the walk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Stage {
    /// Opening the base and finding the guest in it.
    Open,
    /// The steps.
    Edit,
    /// Writing the filesystems' structures into the overlay.
    Commit,
    /// Reading back what was changed.
    Verify,
    /// Reading two images side by side.
    Compare,
    /// Writing the output.
    Pack,
    /// Its digests.
    Digest,
    /// Making it durable and giving it its name.
    Publish,
}

impl Stage {
    /// The stage's name in receipts and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Edit => "edit",
            Self::Commit => "commit",
            Self::Verify => "verify",
            Self::Compare => "compare",
            Self::Pack => "pack",
            Self::Digest => "digest",
            Self::Publish => "publish",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that happened during a run.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A stage begins.
    Stage(Stage),
    /// A step of the recipe begins.
    Step(String),
    /// A program of the guest wrote a line.
    Output {
        /// The step that runs it.
        step: &'static str,
        /// The line, without its line break.
        line: String,
    },
    /// A stage has done so many of so many bytes.
    Progress {
        /// The stage.
        stage: Stage,
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Something people should know, though the run goes on. The receipt repeats it.
    Warning(String),
    /// Something only the user may see, like a password that was made up. No receipt has it.
    Notice(Notice),
}

/// Where events go.
pub(crate) type OnEvent<'a> = &'a (dyn Fn(Event) + Sync);
