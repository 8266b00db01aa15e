//! `machine_id`: an identity of its own for every clone.

use crate::guest::{Guest, NewMetadata};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::{MachineId, Reset};
use imgctl_vfs::FileKind;

pub(super) fn run(guest: &mut Guest, of: &Reset) -> Outcome<()> {
    let path = fixed("/etc/machine-id");
    match of.machine_id {
        // Asked for by name in the same run, and no identity either.
        MachineId::Empty if guest.is_kept(&path) && guest.has_content(&path, &mut &b"uninitialized\n"[..])? => Ok(()),
        MachineId::Empty => reset(guest, ""),
        MachineId::Uninitialized => reset(guest, "uninitialized\n"),
        MachineId::Keep => Ok(()),
    }
}

/// The file is never left absent: systemd could not bind its own over it while the root is read-only.
pub(in crate::steps) fn reset(guest: &mut Guest, content: &str) -> Outcome<()> {
    let path = fixed("/etc/machine-id");
    // A link would lead into /run or to another file of this machine.
    if guest.read_link(&path)?.is_some() {
        guest.remove(&path)?;
    }
    if !guest.has_content(&path, &mut content.as_bytes())? {
        guest.create_directory_all(&fixed("/etc"), NewMetadata::root(0o755))?;
        guest.write_file(&path, &mut content.as_bytes(), NewMetadata::root(0o444))?;
    }
    // D-Bus makes its copy anew; a link to the file above may stay.
    let copy = fixed("/var/lib/dbus/machine-id");
    if guest
        .link_metadata(&copy)?
        .is_some_and(|metadata| metadata.kind == FileKind::File)
    {
        guest.remove(&copy)?;
    }
    Ok(())
}
