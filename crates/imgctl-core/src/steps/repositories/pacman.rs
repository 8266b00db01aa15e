//! pacman: a section of /etc/pacman.conf.

use super::{put, refuse};
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_recipe::Repository;

const CONFIGURATION: &str = "/etc/pacman.conf";

pub(super) fn add(guest: &mut Guest, repository: &Repository, url: &str) -> Outcome<()> {
    if !repository.enabled || repository.priority.is_some() {
        return Err(refuse(
            "pacman",
            "disabled repositories and no priorities",
            "leave `enabled` and `priority` out: the order of its file counts",
        ));
    }
    if !repository.keys.is_empty() {
        return Err(StepFailure::refused_with(
            "keys of pacman are in a keyring that only pacman-key makes",
            "run `pacman-key --add` at the first boot, and leave the key out",
        ));
    }
    let signed = if repository.is_signed { "" } else { "SigLevel = Never\n" };
    let section = format!("[{}]\n{signed}Server = {url}\n", repository.id);
    let old = guest.read(&fixed(CONFIGURATION), MAX_TEXT_BYTES)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&old);
    put(
        guest,
        CONFIGURATION,
        with_section(&text, &repository.id, &section).as_bytes(),
    )
}

/// The text with this section in place of the one of its name, else at its end.
fn with_section(old: &str, id: &str, section: &str) -> String {
    let heading = format!("[{id}]");
    let mut new = String::new();
    let mut is_inside = false;
    let mut is_there = false;
    for line in old.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            is_inside = line.trim() == heading;
            if is_inside && !is_there {
                is_there = true;
                new.push_str(section);
                continue;
            }
        }
        // What people noted and blank lines between sections stay.
        let is_setting = !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if !is_inside || !is_setting {
            new.push_str(line);
        }
    }
    if !is_there {
        if !new.is_empty() {
            new.push_str(if new.ends_with('\n') { "\n" } else { "\n\n" });
        }
        new.push_str(section);
    }
    new
}
