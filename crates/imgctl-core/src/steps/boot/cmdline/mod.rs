//! `kernel.cmdline`: arguments of every boot entry, and of those that are made when kernels are installed later.
//!
//! What boots now is edited: GRUB's configurations and environment blocks, Boot Loader Specification entries, extlinux. So
//! is what later entries are made from: /etc/default/grub, /etc/kernel/cmdline, /etc/update-extlinux.conf. Afterwards the
//! entries are read as `verify` reads them; when anything asked for does not hold in one of them, the run fails.

mod defaults;
mod entries;
mod grub_config;
#[cfg(test)]
mod tests;

use crate::boot::arguments::Wanted;
use crate::boot::entries::{BootFiles, CONFIGURATIONS, escaped, texts};
use crate::boot::shell;
use crate::boot::words::Syntax;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata, OsFamily, OsRelease};
use crate::steps::each::each;
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::text::{self, read};
use crate::steps::{Outcome, StepFailure, StepSpec, fixed};
use defaults::Lists;
use grub_config::Generated;
use imgctl_recipe::{KernelCommandLine, Plan};
use imgctl_vfs::{FileKind, GuestPath};
use serde_json::json;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "kernel-cmdline",
    section: "kernel",
    help: "give every boot entry arguments for the kernel, and take others away",
    build: |plan: &Plan| {
        each(
            SPEC.name,
            plan.kernel.cmdline.clone(),
            |guest, line: &KernelCommandLine| {
                let wanted = Wanted {
                    ensure: line.ensure.clone(),
                    remove: line.remove.clone(),
                };
                set(guest, &wanted)
            },
        )
    },
};

pub(super) const ENSURE: FlagSpec = FlagSpec {
    name: "kernel-arg",
    value: "ARG",
    group: FlagGroup::Boot,
    help: "Give every boot entry an argument for the kernel, in place of one with another value",
    example: "console=ttyS0",
    recipe: "kernel.cmdline.ensure",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|argument| Ok(json!({ "kernel": { "cmdline": { "ensure": [argument] } } }))),
};

pub(super) const REMOVE: FlagSpec = FlagSpec {
    name: "remove-kernel-arg",
    value: "ARG",
    group: FlagGroup::Boot,
    help: "Take an argument of the kernel from every boot entry; a name alone stands for every value",
    example: "quiet",
    recipe: "kernel.cmdline.remove",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|argument| Ok(json!({ "kernel": { "cmdline": { "remove": [argument] } } }))),
};

const DEFAULTS: &str = "/etc/default/grub";
const GENERATORS: [&str; 4] = [
    "/usr/sbin/grub-mkconfig",
    "/usr/sbin/grub2-mkconfig",
    "/usr/bin/grub-mkconfig",
    "/sbin/grub-mkconfig",
];
/// Shell files of other generators, with the variable that holds arguments.
const OTHER_DEFAULTS: [(&str, &str); 2] = [
    ("/etc/update-extlinux.conf", "default_kernel_opts"),
    ("/etc/default/u-boot", "U_BOOT_PARAMETERS"),
];
const UNIFIED: [&str; 3] = [
    "/boot/efi/EFI/Linux/*.efi",
    "/efi/EFI/Linux/*.efi",
    "/boot/EFI/Linux/*.efi",
];

/// Makes every command line as wanted.
fn set(guest: &mut Guest, wanted: &Wanted) -> Outcome<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut is_for_later = entries::environments(guest, wanted)?;
    let (before, after, has_defaults) = set_defaults(guest, wanted)?;
    is_for_later |= has_defaults;
    for (path, _) in texts(guest, &CONFIGURATIONS)? {
        let generated = Generated {
            before: &before,
            after: &after,
            wanted,
        };
        edit(guest, &path, |text| Ok(Some(generated.edited(text))))?;
    }
    entries::specified(guest, wanted)?;
    entries::extlinux(guest, wanted)?;
    is_for_later |= entries::kernel_install(guest, wanted)?;
    for (path, variable) in OTHER_DEFAULTS {
        is_for_later |= set_variable(guest, &fixed(path), variable, wanted)?;
    }
    for pattern in UNIFIED {
        for path in guest.glob(pattern)? {
            guest.warn(format!(
                "{path} holds a kernel with its own command line, which stays as it is until the guest makes the file anew"
            ));
        }
    }
    check(guest, wanted, is_for_later)
}

/// Edits GRUB's defaults; what they came to before and come to now, and whether there are any.
fn set_defaults(guest: &mut Guest, wanted: &Wanted) -> Outcome<(Lists, Lists, bool)> {
    let mut paths = Vec::new();
    let is_file = guest
        .metadata(&fixed(DEFAULTS))?
        .is_some_and(|metadata| metadata.kind == FileKind::File);
    if is_file || has_generator(guest)? {
        paths.push(fixed(DEFAULTS));
    }
    if reads_folder(guest)? {
        paths.extend(guest.glob("/etc/default/grub.d/*.cfg")?);
    }
    let mut old = Vec::new();
    for path in &paths {
        old.push(read(guest, path)?.unwrap_or_default());
    }
    if paths.is_empty() {
        return Ok((Lists::default(), Lists::default(), false));
    }
    let (new, before, after) = defaults::edited(&old, wanted);
    for (path, (old, new)) in paths.iter().zip(old.iter().zip(&new)) {
        if old != new {
            guest.create_directory_all(&fixed("/etc/default"), NewMetadata::root(0o755))?;
            guest.write_file(path, &mut new.as_bytes(), NewMetadata::root(0o644))?;
        }
    }
    Ok((before, after, true))
}

fn has_generator(guest: &Guest) -> Outcome<bool> {
    for path in GENERATORS {
        if guest.exists(&fixed(path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether grub-mkconfig reads /etc/default/grub.d: the program itself says so; Debian's does.
fn reads_folder(guest: &Guest) -> Outcome<bool> {
    for path in GENERATORS {
        let path = fixed(path);
        let is_file = guest
            .metadata(&path)?
            .is_some_and(|metadata| metadata.kind == FileKind::File);
        if let (true, Some(program)) = (is_file, guest.read(&path, MAX_TEXT_BYTES).ok().flatten()) {
            return Ok(String::from_utf8_lossy(&program).contains("default/grub.d"));
        }
    }
    let release = OsRelease::read(guest.tree())?.unwrap_or_default();
    Ok(release.family == OsFamily::Debian)
}

/// Edits a variable of a shell file; whether there is such a file.
fn set_variable(guest: &mut Guest, path: &GuestPath, variable: &str, wanted: &Wanted) -> Outcome<bool> {
    let is_there = guest.exists(path)?;
    edit(guest, path, |text| {
        let mut assignments = shell::assignments(text).into_iter();
        let Some(last) = assignments.rfind(|assignment| assignment.name == variable) else {
            let value = wanted.apply("", Syntax::Kernel).unwrap_or_default();
            let line = format!("{variable}={}\n", shell::encoded(&value, shell::Quotes::Double));
            let end = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            return Ok((!value.is_empty()).then(|| format!("{text}{end}{line}")));
        };
        Ok(wanted.apply(&last.value, Syntax::Kernel).map(|value| {
            let mut new = text.to_owned();
            new.replace_range(last.place, &shell::encoded(&value, last.quotes));
            new
        }))
    })?;
    Ok(is_there)
}

/// Reads the entries as they are now.
fn check(guest: &mut Guest, wanted: &Wanted, is_for_later: bool) -> Outcome<()> {
    let files = BootFiles::read(guest)?;
    for entry in &files.entries {
        let relevant = match entry.is_rescue {
            false => wanted.clone(),
            true => Wanted {
                ensure: Vec::new(),
                remove: wanted.remove.clone(),
            },
        };
        if let Some(fault) = relevant.missing(&entry.arguments).first() {
            let message = format!("the boot entry {} still {fault}", escaped(&entry.place));
            let hint = "something in the boot loader's configuration sets it in a way that is not understood; \
                        edit that file by `files`";
            return Err(StepFailure::refused_with(message, hint));
        }
    }
    if files.entries.is_empty() && is_for_later {
        guest.warn("the guest has no boot entry yet; those that it makes will have the kernel's arguments");
    } else if files.entries.is_empty() {
        return Err(StepFailure::refused_with(
            "the guest has no boot entry to give arguments to",
            "known are GRUB, Boot Loader Specification entries and extlinux",
        ));
    }
    Ok(())
}

/// Replaces the text of a file that is there by what `change` makes of it.
fn edit(guest: &mut Guest, path: &GuestPath, change: impl FnOnce(&str) -> Outcome<Option<String>>) -> Outcome<bool> {
    match guest.exists(path)? {
        true => text::edit(guest, path, change),
        false => Ok(false),
    }
}
