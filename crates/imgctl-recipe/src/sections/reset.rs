//! `reset`: what must not travel to clones.

use super::Context;
use crate::fields::Fields;
use crate::finding::Complaint;
use crate::plan::{MachineId, RESET_OPERATIONS, Reset, ResetOperation, ResetProfile, Sourced};

/// The one operation that is more than on or off.
const MACHINE_ID: &str = "machine-id";

pub(super) fn reset(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<Sourced<Reset>> {
    let (section, place) = fields.table("reset")?;
    let profile = section.text("profile").and_then(|(name, _)| ResetProfile::find(name));
    let profile = profile.unwrap_or_default();
    let mut runs: Vec<bool> = RESET_OPERATIONS
        .iter()
        .map(|operation| profile.has(operation))
        .collect();
    for (operation, runs) in RESET_OPERATIONS.iter().zip(&mut runs) {
        *runs = section.boolean(operation.key).unwrap_or(*runs);
    }
    let machine_id = section.text("machine_id").map(|(text, _)| match text {
        "uninitialized" => MachineId::Uninitialized,
        "keep" => MachineId::Keep,
        _ => MachineId::Empty,
    });
    let of_machine_id = |operation: &ResetOperation| operation.name == MACHINE_ID;
    if let (Some(state), Some(index)) = (machine_id, RESET_OPERATIONS.iter().position(of_machine_id)) {
        runs[index] = state != MachineId::Keep;
    }
    for (word, place) in section.texts("operations") {
        let (is_on, name) = split(word);
        let found = RESET_OPERATIONS.iter().position(|operation| is_named(operation, name));
        let Some(index) = found else { continue };
        let operation = &RESET_OPERATIONS[index];
        if is_on && !operation.refused.is_empty() {
            let message = format!("the operation `{}` is not done by imgctl", operation.name);
            context.report(place, Complaint::error(message).hint(operation.refused));
            continue;
        }
        runs[index] = is_on;
    }
    let operations = RESET_OPERATIONS.iter().zip(&runs).filter(|(_, runs)| **runs);
    let mut reset = Reset {
        profile,
        machine_id: MachineId::Keep,
        operations: operations.map(|(operation, _)| operation).collect(),
        ssh_authorized_keys: names(section, "ssh_authorized_keys"),
        keep_authorized_keys: names(section, "keep_authorized_keys"),
        remove_users: names(section, "remove_users"),
        keep_users: names(section, "keep_users"),
    };
    if reset.runs(MACHINE_ID) {
        let named = machine_id.filter(|state| *state != MachineId::Keep);
        reset.machine_id = named.unwrap_or_default();
    }
    check_users(section, &reset, context);
    Some(context.sourced(reset, place))
}

/// Lists of users need the operation that reads them.
fn check_users(section: &Fields<'_>, reset: &Reset, context: &mut Context<'_>) {
    for key in ["remove_users", "keep_users"] {
        if let (Some(place), false) = (section.key_place(key).cloned(), reset.runs("user-account")) {
            let message = format!("`{key}` needs the operation `user_account`");
            context.report(&place, Complaint::error(message).hint("add `user_account: true`"));
        }
    }
    for (remove, keep) in [
        ("remove_users", "keep_users"),
        ("ssh_authorized_keys", "keep_authorized_keys"),
    ] {
        for (name, place) in section.texts(keep) {
            if section.texts(remove).any(|(removed, _)| removed == name) {
                let message = format!("`{name}` is in `{remove}`, too");
                context.report(place, Complaint::error(message).hint("keep one of the two"));
            }
        }
    }
}

fn names(section: &Fields<'_>, key: &str) -> Vec<String> {
    section.texts(key).map(|(name, _)| name.to_owned()).collect()
}

/// Whether a word of the list adds an operation, and which.
fn split(word: &str) -> (bool, &str) {
    match word.strip_prefix('-') {
        Some(name) => (false, name),
        None => (true, word.strip_prefix('+').unwrap_or(word)),
    }
}

fn is_named(operation: &ResetOperation, name: &str) -> bool {
    ResetOperation::find(name).is_some_and(|found| found.name == operation.name)
}

#[cfg(test)]
mod tests {
    use super::RESET_OPERATIONS;
    use crate::schema::{RECIPE, Shape};

    #[test]
    fn every_operation_has_a_key() {
        let Some(Shape::Table(reset)) = RECIPE.key("reset").map(|key| &key.shape) else {
            panic!("no reset");
        };
        for operation in RESET_OPERATIONS {
            let shape = reset.key(operation.key).map(|key| &key.shape);
            match (operation.refused.is_empty(), operation.key) {
                (false, _) => assert!(shape.is_none(), "{operation:?}"),
                (true, "machine_id") => assert!(matches!(shape, Some(Shape::Choice(_)))),
                (true, _) => assert!(matches!(shape, Some(Shape::Boolean)), "{operation:?}"),
            }
        }
    }
}
