//! `machine_id`: machine-id(5), and D-Bus's copy of it.

use super::{Found, Scene, Verdict};
use crate::guest::MAX_TEXT_BYTES;
use crate::steps::fixed;
use imgctl_recipe::MachineIdCheck;
use imgctl_vfs::FileKind;

pub(super) fn judge(scene: &Scene<'_>, wanted: MachineIdCheck) -> Verdict {
    Verdict::new("/etc/machine-id", name(wanted), found(scene, wanted))
}

fn name(state: MachineIdCheck) -> &'static str {
    match state {
        MachineIdCheck::Empty => "empty",
        MachineIdCheck::Uninitialized => "uninitialized",
        MachineIdCheck::Set => "set",
    }
}

fn found(scene: &Scene<'_>, wanted: MachineIdCheck) -> Found {
    let Some(content) = scene.guest.read(&fixed("/etc/machine-id"), MAX_TEXT_BYTES)? else {
        return Ok(vec!["it is not there".to_owned()]);
    };
    let state = match content.trim_ascii() {
        b"" if content.is_empty() => Some(MachineIdCheck::Empty),
        b"uninitialized" => Some(MachineIdCheck::Uninitialized),
        id if id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit) => Some(MachineIdCheck::Set),
        _ => None,
    };
    let mut faults = Vec::new();
    match state {
        Some(state) if state == wanted => {}
        Some(state) => faults.push(name(state).to_owned()),
        None => faults.push("it holds no machine id".to_owned()),
    }
    let copy = fixed("/var/lib/dbus/machine-id");
    let copied = scene.guest.link_metadata(&copy)?;
    if wanted != MachineIdCheck::Set && copied.is_some_and(|copied| copied.kind == FileKind::File && copied.size > 0) {
        faults.push(format!("{copy} still holds an id"));
    }
    Ok(faults)
}
