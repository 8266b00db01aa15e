//! Why a script is refused or fails.

/// What is wrong with a script.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    hint: Option<&'static str>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        let hint = Some(hint);
        Self { hint, ..self }
    }

    /// Something that perl could do.
    pub(crate) fn real_perl(what: impl std::fmt::Display) -> Self {
        Self::new(format!("{what} needs Perl itself, which imgctl does not have")).hint(
            "s/…/…/, tr/…/…/, $_ = …, print, conditions and scalar variables work; for the rest, run the guest's own perl",
        )
    }

    /// What the user can do.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        self.hint
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
