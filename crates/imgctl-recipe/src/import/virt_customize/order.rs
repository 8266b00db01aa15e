//! Where programs run: virt-customize goes by the order of its options, a recipe by that of its sections.

use super::Operation;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Group {
    Packages,
    Files,
    Programs,
    Other,
}

fn group(operation: &Operation) -> Group {
    match operation.name.as_str() {
        "install" | "uninstall" | "update" => Group::Packages,
        "append-line" | "chmod" | "chown" | "copy" | "copy-in" | "delete" | "edit" | "link" | "mkdir" | "move"
        | "scrub" | "tar-in" | "touch" | "truncate" | "truncate-recursive" | "upload" | "write" => Group::Files,
        "run" | "run-command" => Group::Programs,
        _ => Group::Other,
    }
}

/// The place of a program, by what comes after it.
pub(super) fn place(operations: &[Operation], index: usize) -> &'static str {
    let after = operations.get(index..).unwrap_or_default();
    let has = |wanted| after.iter().any(|operation| group(operation) == wanted);
    if has(Group::Packages) {
        "before-packages"
    } else if has(Group::Files) {
        "after-packages"
    } else {
        "after-files"
    }
}

/// Whether a program runs before files of which it may have need.
pub(super) fn is_too_early(operations: &[Operation], index: usize) -> bool {
    let before = operations.get(..index).unwrap_or_default();
    operations.get(index).map(group) == Some(Group::Programs)
        && place(operations, index) != "after-files"
        && before.iter().any(|operation| group(operation) == Group::Files)
}
