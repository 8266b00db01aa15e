//! Values that no output may show.

use std::fmt;

/// A secret's name and value. Its `Debug` shows the name alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret {
    /// Its key in `secrets`.
    pub name: String,
    /// What must not be shown.
    pub value: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
