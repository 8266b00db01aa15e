//! Why an option of the command line is not taken.

use super::FlagSpec;
use imgctl_recipe::Finding;

/// What is wrong about an option.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", name.map_or_else(String::new, |name| format!("--{name}: ")))]
pub struct FlagError {
    name: Option<&'static str>,
    message: String,
    hint: Option<String>,
}

impl FlagError {
    /// What is wrong; the option's name comes before it.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            name: None,
            message: message.into(),
            hint: None,
        }
    }

    /// What is wrong, and what the user can do.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self {
            hint,
            ..Self::new(message)
        }
    }

    /// What the recipe's reader finds wrong about the option's value.
    pub(super) fn of_finding(finding: &Finding) -> Self {
        Self {
            hint: finding.hint.clone(),
            ..Self::new(finding.message.clone())
        }
    }

    /// The same in other words, without the option's name.
    pub(super) fn reworded(&self, message: String) -> Self {
        Self {
            name: None,
            message,
            hint: self.hint.clone(),
        }
    }

    /// The same, about this option.
    pub(super) fn of(self, flag: &FlagSpec) -> Self {
        let name = self.name.or(Some(flag.name));
        Self { name, ..self }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
