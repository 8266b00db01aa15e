//! `kernel_cmdline`: arguments that every boot entry has, or none.
//!
//! Entries for repairs need not have what others must: they leave out what is only for ordinary boots.

use super::{Found, Scene, Verdict};
use crate::boot::arguments::has;
use crate::boot::entries::{BootFiles, escaped};

pub(super) fn judge(scene: &Scene<'_>, present: bool, args: &[String]) -> Verdict {
    let verb = if present { "contains" } else { "lacks" };
    let expected = format!("every boot entry {verb} {}", args.join(" "));
    Verdict::new("kernel command line", expected, found(scene, present, args))
}

fn found(scene: &Scene<'_>, present: bool, args: &[String]) -> Found {
    let files = BootFiles::read(scene.guest)?;
    let entries = files.entries.iter().filter(|entry| !(present && entry.is_rescue));
    let mut faults = Vec::new();
    let mut count = 0;
    for entry in entries {
        count += 1;
        let wrong = args.iter().filter(|arg| has(&entry.arguments, arg) != present);
        let wrong: Vec<&str> = wrong.map(String::as_str).collect();
        if !wrong.is_empty() {
            let verb = if present { "lacks" } else { "has" };
            faults.push(format!("{} {verb} {}", escaped(&entry.place), wrong.join(" ")));
        }
    }
    if count == 0 {
        faults.push("no boot entry was found (GRUB, Boot Loader Specification)".to_owned());
    }
    Ok(faults)
}
