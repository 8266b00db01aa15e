//! `machine_id`: an identity of its own for every clone.

use crate::guest::{Guest, NewMetadata};
use crate::steps::{Outcome, Step, StepError, StepSpec, fixed};
use imgctl_recipe::{MachineId, Origin, Plan};
use imgctl_vfs::FileKind;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "machine-id",
    section: "reset",
    help: "empty /etc/machine-id, or mark it uninitialized, so that each clone gets its own",
    build: |plan: &Plan| {
        let reset = plan.reset.as_ref()?;
        let content = match reset.value.machine_id {
            MachineId::Empty => "",
            MachineId::Uninitialized => "uninitialized\n",
            MachineId::Keep => return None,
        };
        let origin = reset.origin.clone();
        Some(Box::new(ResetMachineId { content, origin }))
    },
};

#[derive(Debug)]
struct ResetMachineId {
    content: &'static str,
    origin: Origin,
}

impl Step for ResetMachineId {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        reset(guest, self.content).map_err(|failure| failure.at(SPEC.name, Some(&self.origin)))
    }
}

/// The file is never left absent: systemd could not bind its own over it while the root is read-only.
pub(super) fn reset(guest: &mut Guest, content: &str) -> Outcome<()> {
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
