//! Why a run failed, in the classes that decide what a caller does next.

use std::fmt;

/// The result of a call into this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The class of a failure; each has an exit code of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something that fits no other class, such as a file that cannot be read.
    Other,
    /// The call itself makes no sense: output equals base, the output exists, the base is not what the recipe expects.
    Usage,
    /// A digest is not what it should be.
    Checksum,
    /// The image is damaged, or uses what imgctl does not support.
    Image,
    /// The host has no space left for the output or the scratch file.
    NoSpace,
    /// A step could not do what the recipe asks.
    Step,
    /// The result is not what was written, or not what the recipe's `verify` asks.
    Verify,
    /// The run was interrupted.
    Cancelled,
}

impl ErrorKind {
    /// The process exit code for this class.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Checksum => 11,
            Self::Image => 12,
            Self::NoSpace => 13,
            Self::Step => 20,
            Self::Verify => 21,
            // As a shell reports SIGINT.
            Self::Cancelled => 130,
        }
    }
}

/// A failed run.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    findings: Vec<imgctl_recipe::Finding>,
    checks: Box<[crate::CheckRecord]>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `kind`; `message` names the thing, lower case, without a final period.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            findings: Vec::new(),
            checks: Box::default(),
            source: None,
        }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure with its cause. When the cause is a full host disk, that decides the class.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        if host_is_full(&*source) {
            self.kind = ErrorKind::NoSpace;
            self.hint.get_or_insert_with(|| {
                "free some space beside the output, or name another folder with --scratch".to_owned()
            });
        }
        self.source = Some(source);
        self
    }

    /// The same failure with the findings about the recipe that it is made of.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<imgctl_recipe::Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// What is wrong in the recipe, where that is the reason.
    #[must_use]
    pub fn findings(&self) -> &[imgctl_recipe::Finding] {
        &self.findings
    }

    /// The same failure with all checks of the recipe, passed or not.
    #[must_use]
    pub fn with_checks(mut self, checks: Vec<crate::CheckRecord>) -> Self {
        self.checks = checks.into_boxed_slice();
        self
    }

    /// The recipe's checks, where one that failed is the reason.
    #[must_use]
    pub fn checks(&self) -> &[crate::CheckRecord] {
        &self.checks
    }

    /// The class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

fn host_is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let by_io = error.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge
            )
        });
        by_io
            || error
                .downcast_ref::<imgctl_block::Error>()
                .is_some_and(imgctl_block::Error::is_no_space)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_decides_the_class_however_deep_it_is() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let block = imgctl_block::Error::Io {
            action: "write",
            offset: 0,
            source: full,
        };
        let error = Error::new(ErrorKind::Other, "cannot write the output").with_source(block);
        assert_eq!(error.kind().exit_code(), 13);
        assert!(error.hint().is_some());
    }
}
