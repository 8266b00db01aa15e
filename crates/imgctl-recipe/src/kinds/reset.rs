//! Operations of a reset.

use super::{Numbers, TextKind, nearest};
use crate::finding::{Complaint, quoted};
use crate::plan::ResetOperation;

/// An operation to add or to leave out.
pub(crate) static RESET_OPERATION: TextKind = TextKind {
    title: "operation",
    what: "an operation's name, perhaps with `+` or `-` before it",
    numbers: Numbers::Quote,
    pattern: r"^[+-]?[a-z][a-z0-9_-]*$",
    check: |text| {
        let name = text.strip_prefix(['+', '-']).unwrap_or(text);
        if ResetOperation::find(name).is_some() {
            return Ok(());
        }
        let complaint = Complaint::error(format!("{} is no operation of a reset", quoted(name)));
        Err(match name {
            "customize" => complaint.hint("what a recipe says besides `reset` is always done"),
            "defaults" | "all" => complaint.hint("name a profile: `profile: sysprep` or `profile: golden`"),
            _ => match nearest(name, ResetOperation::names()) {
                Some(near) => complaint.hint(format!("did you mean {}?", quoted(near))),
                None => complaint.hint("`imgctl sysprep --list-operations` shows all"),
            },
        })
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_tools() {
        for text in ["logs", "+logfiles", "-ssh-userdir", "ssh_hostkeys", "fs-uuids"] {
            assert!((RESET_OPERATION.check)(text).is_ok(), "{text}");
        }
        for text in ["", "+", "--logs", "customize", "defaults", "log", "Logs"] {
            assert!((RESET_OPERATION.check)(text).is_err(), "{text}");
        }
    }
}
