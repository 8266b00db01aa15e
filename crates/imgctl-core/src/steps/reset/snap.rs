//! `snap-state`: a device of its own for every clone.

use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Reset;
use serde_json::Value;

/// What snapd knows a registered device by; without them it registers anew (overlord/auth, `device`).
const IDENTITY: [&str; 3] = ["serial", "key-id", "session-macaroon"];

pub(super) fn run(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    let path = fixed("/var/lib/snapd/state.json");
    let Some(text) = guest.read(&path, MAX_TEXT_BYTES)? else {
        return Ok(());
    };
    let Ok(mut state) = serde_json::from_slice::<Value>(&text) else {
        guest.warn(format!(
            "{path} is not understood and left as it is: clones may share snapd's identity"
        ));
        return Ok(());
    };
    let device = state.pointer_mut("/data/auth/device").and_then(Value::as_object_mut);
    let Some(device) = device else {
        return Ok(());
    };
    let before = device.len();
    device.retain(|key, _| !IDENTITY.contains(&key.as_str()));
    if device.len() != before {
        let new = state.to_string();
        guest.write_file(&path, &mut new.as_bytes(), NewMetadata::root(0o600))?;
    }
    Ok(())
}
