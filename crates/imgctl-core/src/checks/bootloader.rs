//! `bootloader: root_uuid_matches`: what the boot loader looks for is on the disk.
//!
//! Every `root=` (of boot entries, and of /etc/kernel/cmdline for kernels to come) must name the root filesystem; every
//! filesystem that GRUB is told to search for must be there.

use super::{Found, Scene, Verdict};
use crate::boot::entries::{BootFiles, Search, escaped};
use crate::disk::names_partition;
use crate::guest::{FstabSpec, MAX_TEXT_BYTES};
use crate::steps::fixed;

const FUTURE: &str = "/etc/kernel/cmdline";

pub(super) fn judge(scene: &Scene<'_>) -> Verdict {
    Verdict::new(
        "boot loader",
        "its root= and searches lead to filesystems of this disk",
        found(scene),
    )
}

fn found(scene: &Scene<'_>) -> Found {
    let files = BootFiles::read(scene.guest)?;
    let mut faults = Vec::new();
    let mut roots = 0;
    let future = scene.guest.read(&fixed(FUTURE), MAX_TEXT_BYTES)?.unwrap_or_default();
    let future = String::from_utf8_lossy(&future);
    let future = future.split_whitespace().map(|word| (FUTURE, word));
    let entries = files.entries.iter();
    let present = entries.flat_map(|entry| entry.arguments.iter().map(|word| (entry.place.as_str(), word.as_str())));
    for (place, word) in present.chain(future) {
        if let Some(root) = word.strip_prefix("root=") {
            roots += usize::from(place != FUTURE);
            faults.extend(root_fault(scene, root).map(|fault| format!("{}: {fault}", escaped(place))));
        }
    }
    for (place, search) in &files.searches {
        faults.extend(search_fault(scene, search).map(|fault| format!("{}: {fault}", escaped(place))));
    }
    if roots == 0 {
        faults.push("no boot entry with root= was found (GRUB, Boot Loader Specification)".to_owned());
    }
    Ok(faults)
}

fn root_fault(scene: &Scene<'_>, root: &str) -> Option<String> {
    let spec = FstabSpec::parse(root.as_bytes());
    let is_it = |number| {
        scene
            .mounts
            .first()
            .is_some_and(|mount| mount.partition.number == number)
    };
    let mut named = scene
        .partitions
        .iter()
        .filter(|(partition, content)| names_partition(&spec, partition, content));
    match named.next() {
        Some((partition, _)) if is_it(partition.number) => None,
        Some((partition, _)) => {
            let other = crate::disk::describe(partition.number);
            Some(format!("root={} is {other}, not the root filesystem", escaped(root)))
        }
        None => Some(format!("root={} is not on this disk", escaped(root))),
    }
}

fn search_fault(scene: &Scene<'_>, search: &Search) -> Option<String> {
    let mut contents = scene.partitions.iter().map(|(_, content)| content);
    let (is_there, what) = match search {
        Search::Uuid(uuid) => {
            let is_it = |found: &String| found.eq_ignore_ascii_case(uuid);
            (
                contents.any(|content| content.uuid.as_ref().is_some_and(is_it)),
                format!("UUID {uuid}"),
            )
        }
        Search::Label(label) => {
            let is_it = |found: &Vec<u8>| found == label.as_bytes();
            (
                contents.any(|content| content.label.as_ref().is_some_and(is_it)),
                format!("label {label}"),
            )
        }
    };
    (!is_there).then(|| format!("no filesystem of this disk has the {}", escaped(&what)))
}
