//! Boot Loader Specification entries, GRUB's environment blocks, /etc/kernel/cmdline and extlinux.

use super::edit;
use crate::boot::arguments::{Wanted, appended, has};
use crate::boot::entries::{BootFiles, CONFIGURATIONS, ENTRIES, EXTLINUX, extlinux_arguments, texts};
use crate::boot::environment::{self, PLACES};
use crate::boot::words::{Syntax, Variables, expanded};
use crate::guest::{Guest, NewMetadata};
use crate::steps::text::read;
use crate::steps::{Outcome, StepFailure, fixed};

const VARIABLE: &str = "kernelopts";
const COMMAND_LINE: &str = "/etc/kernel/cmdline";
const INSTALLERS: [&str; 3] = ["/usr/bin/kernel-install", "/bin/kernel-install", "/sbin/kernel-install"];

/// Edits `kernelopts` of every environment block; whether there is one.
pub(super) fn environments(guest: &mut Guest, wanted: &Wanted) -> Outcome<bool> {
    let mut is_there = false;
    for (path, text) in texts(guest, &PLACES)? {
        let Some(value) = environment::variables(&text).remove(VARIABLE) else {
            continue;
        };
        is_there = true;
        let Some(value) = wanted.apply(&value, Syntax::Kernel) else {
            continue;
        };
        edit(guest, &path, |text| {
            match environment::with_value(text, VARIABLE, &value) {
                Some(block) => Ok(Some(block)),
                None => Err(StepFailure::refused(format!(
                    "{path} has no room for the kernel's arguments: it is 1024 bytes, whatever it holds"
                ))),
            }
        })?;
    }
    Ok(is_there)
}

/// Edits the `options` of every entry.
pub(super) fn specified(guest: &mut Guest, wanted: &Wanted) -> Outcome<()> {
    let configurations = texts(guest, &CONFIGURATIONS)?;
    let by_grub = configurations.iter().any(|(_, text)| text.contains("blscfg"));
    let syntax = if by_grub { Syntax::Grub } else { Syntax::Kernel };
    let mut variables = Variables::new();
    for (_, text) in texts(guest, &PLACES)? {
        variables.extend(environment::variables(&text));
    }
    for (path, _) in texts(guest, &ENTRIES)? {
        edit(guest, &path, |text| Ok(entry(text, wanted, syntax, &variables)))?;
    }
    Ok(())
}

fn entry(text: &str, wanted: &Wanted, syntax: Syntax, variables: &Variables) -> Option<String> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut present = Vec::new();
    let mut last = None;
    for (index, line) in lines.iter_mut().enumerate() {
        let Some(start) = options(line) else {
            continue;
        };
        let (head, arguments) = line.split_at_checked(start)?;
        if let Some(new) = wanted.correct(arguments, syntax) {
            *line = format!("{head}{new}");
        }
        present.extend(expanded(line.get(start..).unwrap_or_default(), variables));
        last = Some((index, start));
    }
    let absent = wanted.ensure.iter().filter(|asked| !has(&present, asked));
    let absent: Vec<&str> = absent.map(String::as_str).collect();
    match last {
        _ if absent.is_empty() => {}
        Some((index, start)) => {
            let line = lines.get_mut(index)?;
            let (head, arguments) = line.split_at_checked(start)?;
            *line = format!("{head}{}", appended(arguments, &absent, syntax));
        }
        // GRUB gives such an entry what its configuration says; the others give it nothing.
        None if syntax == Syntax::Grub => {}
        None => {
            let line = format!("options {}", appended("", &absent, syntax));
            lines.insert(lines.len().saturating_sub(usize::from(text.ends_with('\n'))), line);
        }
    }
    Some(lines.join("\n"))
}

/// Where the arguments of an `options` line begin.
fn options(line: &str) -> Option<usize> {
    let rest = line.trim_start().strip_prefix("options")?;
    let value = rest.trim_start_matches([' ', '\t']);
    (value.len() < rest.len()).then(|| line.len() - value.len())
}

/// Edits the `append` lines.
pub(super) fn extlinux(guest: &mut Guest, wanted: &Wanted) -> Outcome<()> {
    for (path, _) in texts(guest, &EXTLINUX)? {
        edit(guest, &path, |text| {
            let lines = text.split('\n').map(|line| {
                let at = extlinux_arguments(line)?;
                let (head, arguments) = line.split_at_checked(at)?;
                let new = wanted.apply(arguments, Syntax::Kernel)?;
                Some(format!("{head}{new}"))
            });
            let lines: Vec<String> = lines
                .zip(text.split('\n'))
                .map(|(new, old)| new.unwrap_or_else(|| old.to_owned()))
                .collect();
            Ok(Some(lines.join("\n")))
        })?;
    }
    Ok(())
}

/// Edits /etc/kernel/cmdline; whether it is there then.
///
/// Without it kernel-install gives a new entry the arguments of the machine that it runs on, in a container or an
/// appliance somebody else's. So where entries say theirs themselves, the file is made from them.
pub(super) fn kernel_install(guest: &mut Guest, wanted: &Wanted) -> Outcome<bool> {
    let path = fixed(COMMAND_LINE);
    if let Some(text) = read(guest, &path)? {
        edit(guest, &path, |_| Ok(command_line(&text, wanted)))?;
        return Ok(true);
    }
    let mut has_installer = false;
    for installer in INSTALLERS {
        has_installer |= guest.exists(&fixed(installer))?;
    }
    let is_own = |text: &str| text.lines().any(|line| options(line).is_some()) && !text.contains("$kernelopts");
    let specified = texts(guest, &ENTRIES)?;
    if !has_installer || !specified.iter().any(|(_, text)| is_own(text)) {
        return Ok(false);
    }
    let files = BootFiles::read(guest)?;
    let own = files.entries.iter().rev().find(|entry| {
        let is_specified = specified.iter().any(|(path, _)| entry.place == path.to_string());
        is_specified && !entry.is_rescue && !entry.arguments.is_empty()
    });
    let Some(entry) = own else {
        return Ok(false);
    };
    let by_loader = ["BOOT_IMAGE=", "initrd="];
    let words = entry
        .arguments
        .iter()
        .filter(|word| !by_loader.iter().any(|prefix| word.starts_with(prefix)));
    let quoted = words.map(|word| match word.split_once('=') {
        Some((name, value)) if value.contains(' ') => format!("{name}=\"{value}\""),
        _ => word.clone(),
    });
    let text = quoted.collect::<Vec<_>>().join(" ") + "\n";
    guest.create_directory_all(&fixed("/etc/kernel"), NewMetadata::root(0o755))?;
    guest.write_file(&path, &mut text.as_bytes(), NewMetadata::root(0o644))?;
    Ok(true)
}

/// Lines are one command line together; comments are none.
fn command_line(text: &str, wanted: &Wanted) -> Option<String> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let is_used = |line: &String| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let mut present = Vec::new();
    for line in lines.iter_mut().filter(|line| is_used(line)) {
        if let Some(new) = wanted.correct(line, Syntax::Kernel) {
            *line = new;
        }
        present.extend(crate::boot::arguments::plain_words(line, Syntax::Kernel));
    }
    let absent = wanted.ensure.iter().filter(|asked| !has(&present, asked));
    let absent: Vec<&str> = absent.map(String::as_str).collect();
    if !absent.is_empty() {
        match lines.iter_mut().rfind(|line| is_used(line)) {
            Some(line) => *line = appended(line, &absent, Syntax::Kernel),
            None => lines.insert(0, appended("", &absent, Syntax::Kernel)),
        }
    }
    Some(lines.join("\n"))
}
