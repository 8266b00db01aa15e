//! Refuses what a recipe asks for and no step can do yet: all of it at once, by name and place.

use crate::{Error, ErrorKind, Result};
use imgctl_recipe::Sourced;
use std::fmt::Write as _;

/// # Errors
/// When there is anything: nothing of such a recipe is carried out.
pub(crate) fn refuse(unsupported: &[Sourced<String>]) -> Result<()> {
    if unsupported.is_empty() {
        return Ok(());
    }
    let mut message = String::from("the recipe asks for what cannot be done yet");
    for Sourced { value, origin } in unsupported {
        let (file, line, column) = (origin.file.display(), origin.line, origin.column);
        // Writing to a string cannot fail.
        let _ = write!(message, "\n{file}:{line}:{column}: `{value}` is not supported yet");
    }
    Err(Error::new(ErrorKind::Usage, message)
        .with_hint("remove these keys, or put them into a recipe that extends this one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgctl_recipe::Origin;

    #[test]
    fn all_of_it_is_listed() {
        assert!(refuse(&[]).is_ok());
        let entry = |value: &str, line| Sourced {
            value: value.to_owned(),
            origin: Origin {
                file: "r.yaml".into(),
                line,
                column: 3,
                key: value.to_owned(),
            },
        };
        let error = refuse(&[entry("packages.install", 4), entry("run", 9)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(
            error.to_string(),
            "the recipe asks for what cannot be done yet\n\
             r.yaml:4:3: `packages.install` is not supported yet\n\
             r.yaml:9:3: `run` is not supported yet"
        );
    }
}
