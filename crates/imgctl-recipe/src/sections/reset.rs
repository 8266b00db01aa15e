//! `reset`: what must not travel to clones.

use super::Context;
use crate::fields::Fields;
use crate::plan::{MachineId, Reset, ResetOperation, ResetProfile, Sourced};

pub(super) fn reset(fields: &Fields<'_>, context: &Context<'_>) -> Option<Sourced<Reset>> {
    let (section, place) = fields.table("reset")?;
    let profile = match section.text("profile") {
        Some(("none", _)) => ResetProfile::None,
        _ => ResetProfile::Golden,
    };
    let machine_id = match section.text("machine_id") {
        Some(("uninitialized", _)) => MachineId::Uninitialized,
        Some(("keep", _)) => MachineId::Keep,
        None if profile == ResetProfile::None => MachineId::Keep,
        _ => MachineId::Empty,
    };
    let named = ResetOperation::ALL.iter().copied();
    let operations = named.filter_map(|operation| Some((operation, section.boolean(operation.key())?)));
    let reset = Reset {
        profile,
        machine_id,
        operations: operations.collect(),
    };
    Some(context.sourced(reset, place))
}

#[cfg(test)]
mod tests {
    use crate::plan::ResetOperation;
    use crate::schema::{RECIPE, Shape};

    #[test]
    fn every_operation_has_a_key() {
        let Some(Shape::Table(reset)) = RECIPE.key("reset").map(|key| &key.shape) else {
            panic!("no reset");
        };
        for operation in ResetOperation::ALL {
            assert!(
                matches!(reset.key(operation.key()).map(|key| &key.shape), Some(Shape::Boolean)),
                "{operation:?}"
            );
        }
    }
}
