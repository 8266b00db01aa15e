//! A step that does the same with each of several entries of a recipe.

use super::{Outcome, Step, StepError};
use crate::guest::Guest;
use imgctl_recipe::Sourced;
use std::fmt::Debug;

/// What to do with each entry.
pub(super) type Run<T> = fn(&mut Guest, &T) -> Outcome<()>;

#[derive(Debug)]
struct Each<T> {
    name: &'static str,
    entries: Vec<Sourced<T>>,
    run: Run<T>,
}

/// The step; `None` where there are no entries.
pub(super) fn each<T: Clone + Debug + Send + Sync + 'static>(
    name: &'static str,
    entries: impl IntoIterator<Item = Sourced<T>>,
    run: Run<T>,
) -> Option<Box<dyn Step>> {
    let entries: Vec<Sourced<T>> = entries.into_iter().collect();
    (!entries.is_empty()).then(|| Box::new(Each { name, entries, run }) as Box<dyn Step>)
}

impl<T: Debug + Send + Sync> Step for Each<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for entry in &self.entries {
            (self.run)(guest, &entry.value).map_err(|failure| failure.at(self.name, Some(&entry.origin)))?;
        }
        Ok(())
    }
}
