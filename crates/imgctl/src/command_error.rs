//! Why a command failed, what the user can do about it, and the exit code that scripts see.

use crate::ui::Ui;
use imgctl_vfs as vfs;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

/// The result of a command.
pub(crate) type CommandResult<T = ()> = Result<T, CommandError>;

/// The exit code of a bug in imgctl.
pub(crate) const EXIT_BUG: u8 = 70;

/// The class of a failed command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CommandErrorKind {
    /// The command line or the recipe makes no sense.
    Usage,
    /// Something else, such as a file that cannot be read.
    Other,
    /// A class of the core's.
    Core(imgctl_core::ErrorKind),
    /// Nobody reads standard output any more; that is not worth a message, nor a failure.
    BrokenPipe,
}

impl CommandErrorKind {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::Core(kind) => kind.exit_code(),
        }
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: CommandErrorKind,
    pub(crate) error: Box<dyn Error + Send + Sync>,
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    /// A command line or recipe that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Usage, Message::new(message))
    }

    /// Anything else.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Other, Message::new(message))
    }

    /// A host file that could not be used: `cannot read golden.yaml`.
    pub(crate) fn file(action: &str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                CommandErrorKind::Core(imgctl_core::ErrorKind::NoSpace)
            }
            _ => CommandErrorKind::Other,
        };
        let message = format!("cannot {action} {}", path.display());
        Self::new(kind, Message::new(message).caused_by(source))
    }

    /// Standard output that could not be written.
    pub(crate) fn stdout(source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::BrokenPipe => CommandErrorKind::BrokenPipe,
            io::ErrorKind::StorageFull => CommandErrorKind::Core(imgctl_core::ErrorKind::NoSpace),
            _ => CommandErrorKind::Other,
        };
        Self::new(kind, Message::new("cannot write to standard output").caused_by(source))
    }

    /// Something in an image that could not be read: `cannot read /etc/x in base.qcow2`.
    pub(crate) fn guest(message: impl Into<String>, source: vfs::Error) -> Self {
        let kind = match source.kind() {
            vfs::ErrorKind::Corrupt | vfs::ErrorKind::Unsupported => {
                CommandErrorKind::Core(imgctl_core::ErrorKind::Image)
            }
            _ => CommandErrorKind::Other,
        };
        Self::new(kind, Message::new(message).caused_by(source))
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same failure, counted as a mistake on the command line: a recipe that is not there.
    #[must_use]
    pub(crate) fn into_usage(mut self) -> Self {
        self.kind = CommandErrorKind::Usage;
        self
    }

    /// Whether the user ended the run.
    pub(crate) fn is_interrupt(&self) -> bool {
        self.kind == CommandErrorKind::Core(imgctl_core::ErrorKind::Cancelled)
    }

    /// Tells the user.
    pub(crate) fn report(&self, ui: &Ui) {
        self.report_as(ui, self.kind.exit_code());
    }

    /// The same for a command that exits with a code of its own.
    pub(crate) fn report_as(&self, ui: &Ui, exit_code: u8) {
        if self.kind != CommandErrorKind::BrokenPipe {
            ui.error(&*self.error, &self.hints, exit_code);
        }
    }

    fn new(kind: CommandErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
            hints: Vec::new(),
        }
    }
}

impl From<imgctl_core::Error> for CommandError {
    fn from(error: imgctl_core::Error) -> Self {
        let hints = error.hint().map(str::to_owned).into_iter().collect();
        Self {
            kind: CommandErrorKind::Core(error.kind()),
            error: Box::new(error),
            hints,
        }
    }
}

/// A message with an optional cause.
#[derive(Debug)]
struct Message {
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Message {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            source: None,
        }
    }

    fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Message {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = CommandError::stdout(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.kind.exit_code(), 0);
    }

    #[test]
    fn a_full_disk_behind_standard_output_is_one() {
        let error = CommandError::stdout(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.kind.exit_code(), 13);
    }

    #[test]
    fn every_class_of_the_core_has_the_documented_exit_code() {
        use imgctl_core::ErrorKind;
        let expected = [
            (ErrorKind::Other, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::Checksum, 11),
            (ErrorKind::Image, 12),
            (ErrorKind::NoSpace, 13),
            (ErrorKind::Step, 20),
            (ErrorKind::Verify, 21),
            (ErrorKind::Cancelled, 130),
        ];
        for (kind, code) in expected {
            assert_eq!(CommandErrorKind::Core(kind).exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn damage_inside_an_image_is_not_a_missing_file() {
        let damaged = vfs::Error::new(vfs::ErrorKind::Corrupt, "bad checksum");
        assert_eq!(CommandError::guest("cannot read /x", damaged).kind.exit_code(), 12);
        let missing = vfs::Error::new(vfs::ErrorKind::NotFound, "/x does not exist");
        assert_eq!(CommandError::guest("cannot read /x", missing).kind.exit_code(), 1);
    }
}
