//! `net-hostname` and `net-hwaddr`: settings of one machine in Red Hat's ifcfg files.

use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::Outcome;
use imgctl_recipe::Reset;

pub(super) fn hostname(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    without(guest, &["HOSTNAME", "DHCP_HOSTNAME"])
}

pub(super) fn hwaddr(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    without(guest, &["HWADDR"])
}

/// Takes the lines that set these variables out of every file, unless the run itself has put it there.
fn without(guest: &mut Guest, variables: &[&str]) -> Outcome<()> {
    for path in guest.glob("/etc/sysconfig/network-scripts/ifcfg-*")? {
        if guest.is_kept(&path) || !is_file(guest, &path)? {
            continue;
        }
        let Some(old) = guest.read(&path, MAX_TEXT_BYTES)? else {
            continue;
        };
        let lines = old.split_inclusive(|byte| *byte == b'\n');
        let new: Vec<u8> = lines.filter(|line| !sets(line, variables)).flatten().copied().collect();
        if new != old {
            guest.write_file(&path, &mut new.as_slice(), NewMetadata::root(0o644))?;
        }
    }
    Ok(())
}

fn is_file(guest: &Guest, path: &imgctl_vfs::GuestPath) -> Outcome<bool> {
    let metadata = guest.metadata(path)?;
    Ok(metadata.is_some_and(|metadata| metadata.kind == imgctl_vfs::FileKind::File))
}

fn sets(line: &[u8], variables: &[&str]) -> bool {
    variables.iter().any(|name| {
        let rest = line.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"="))
    })
}
