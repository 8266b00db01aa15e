//! `--reset`: a profile and what differs from it, in one word.

use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use imgctl_recipe::ResetProfile;
use serde_json::{Value, json};

pub(in crate::steps) const FLAGS: &[FlagSpec] = &[FlagSpec {
    name: "reset",
    value: "PROFILE[,+OP,-OP]",
    group: FlagGroup::Reset,
    help: "Take identity and traces of the machine away: golden, sysprep or none, and operations to add or leave out",
    example: "golden,+ssh-userdir,-logs",
    recipe: "reset",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(sections),
}];

/// Without a profile only what is named is done.
fn sections(text: &str) -> Result<Value, FlagError> {
    let mut words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .peekable();
    let Some(first) = words.peek().copied() else {
        return Err(FlagError::with_hint(
            "neither a profile nor an operation is named",
            "write --reset golden",
        ));
    };
    let profile = ResetProfile::find(first);
    if profile.is_some() {
        words.next();
    }
    let operations: Vec<&str> = words.collect();
    let profile = profile.unwrap_or(ResetProfile::None).name();
    Ok(json!({ "reset": { "profile": profile, "operations": operations } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_and_operations() {
        let read = |text| sections(text).map_err(|error| error.to_string());
        assert_eq!(
            read("golden, +a,-b"),
            Ok(json!({ "reset": { "profile": "golden", "operations": ["+a", "-b"] } }))
        );
        assert_eq!(
            read("+logs"),
            Ok(json!({ "reset": { "profile": "none", "operations": ["+logs"] } }))
        );
        assert!(read(",").is_err());
    }
}
