//! `kernel`, `sysctl`, `fstab` and `swap`.

use std::collections::BTreeMap;

use super::Context;
use crate::fields::{Checked, Fields, Value};
use crate::finding::{Complaint, Place, quoted};
use crate::kinds::size_bytes;
use crate::plan::{Initramfs, Kernel, KernelCommandLine, KernelModules, Mount, Sourced, SwapFile, SysctlFile};

/// Smaller than ten pages no kernel takes.
const SMALLEST_SWAP_BYTES: u64 = 10 * PAGE_BYTES;
const PAGE_BYTES: u64 = 4096;

pub(super) fn kernel(fields: &Fields<'_>, context: &mut Context<'_>) -> Kernel {
    let Some((section, _)) = fields.table("kernel") else {
        return Kernel::default();
    };
    let cmdline = section.table("cmdline").map(|(table, place)| {
        let cmdline = command_line(table, context);
        context.sourced(cmdline, place)
    });
    let modules = section.table("modules").map(|(table, place)| {
        let modules = modules(table, context);
        context.sourced(modules, place)
    });
    let initramfs = section.table("initramfs").map(|(table, place)| {
        let initramfs = Initramfs {
            hostonly: table.boolean("hostonly").unwrap_or(false),
            drivers: texts(table, "drivers"),
            compression: table.text("compression").map(|(text, _)| text.to_owned()),
        };
        context.sourced(initramfs, place)
    });
    Kernel {
        cmdline,
        modules,
        initramfs,
    }
}

fn command_line(table: &Fields<'_>, context: &mut Context<'_>) -> KernelCommandLine {
    const PROTECTED: [&str; 3] = ["root", "initrd", "BOOT_IMAGE"];
    for (argument, place) in table.texts("ensure").chain(table.texts("remove")) {
        let name = argument.split('=').next().unwrap_or_default();
        if PROTECTED.contains(&name) {
            let complaint = Complaint::error(format!("`{name}` is not changed: it says where the system is"));
            context.report(place, complaint.hint("remove the entry"));
        }
    }
    let ensured: BTreeMap<_, _> = table
        .texts("ensure")
        .map(|(argument, place)| (argument, context.line(place)))
        .collect();
    for (argument, place) in table.texts("remove") {
        if let Some(line) = ensured.get(argument) {
            let message = format!("{} is in `remove` and in `ensure` (line {line})", quoted(argument));
            context.report(place, Complaint::error(message).hint("remove it from one of them"));
        }
    }
    KernelCommandLine {
        ensure: texts(table, "ensure"),
        remove: texts(table, "remove"),
    }
}

fn modules(table: &Fields<'_>, context: &mut Context<'_>) -> KernelModules {
    let plain = |name: &str| name.replace('-', "_");
    let loaded: BTreeMap<_, _> = table
        .texts("load")
        .map(|(name, place)| (plain(name), context.line(place)))
        .collect();
    for (name, place) in table.texts("blacklist") {
        if let Some(line) = loaded.get(&plain(name)) {
            let message = format!("{} is in `blacklist` and in `load` (line {line})", quoted(name));
            context.report(place, Complaint::error(message).hint("remove it from one of them"));
        }
    }
    let options = table.map("options").iter().map(|(module, options)| {
        let options = match &options.value {
            Value::Map(entries) => settings(entries),
            _ => Vec::new(),
        };
        ((*module).to_owned(), options)
    });
    KernelModules {
        load: texts(table, "load"),
        blacklist: texts(table, "blacklist"),
        options: options.collect(),
    }
}

pub(super) fn sysctl(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<SysctlFile>> {
    let mut files = Vec::new();
    for (name, file) in fields.map("sysctl") {
        if let Value::Map(entries) = &file.value {
            let file_of = SysctlFile {
                name: (*name).to_owned(),
                settings: settings(entries),
            };
            files.push(context.sourced(file_of, &file.place));
        }
    }
    files
}

fn settings(entries: &[(&str, Checked<'_>)]) -> Vec<(String, String)> {
    let pairs = entries.iter().filter_map(|(name, value)| match value.value {
        Value::Text(text) | Value::Secret(text) => Some(((*name).to_owned(), text.to_owned())),
        _ => None,
    });
    pairs.collect()
}

pub(super) fn fstab(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<Mount>> {
    let mut mounts = Vec::new();
    let mut seen = BTreeMap::new();
    for (entry, place) in fields.tables("fstab") {
        let Some((path, path_place)) = entry.text("path") else {
            continue;
        };
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        let is_absent = entry.text("state").is_some_and(|(state, _)| state == "absent");
        if is_absent {
            contradicts_absent(entry, path, context);
        }
        let source = source(entry);
        check_none(entry, path, source.as_deref(), path_place, context);
        let key = if path == "none" {
            source.clone().unwrap_or_default()
        } else {
            path.to_owned()
        };
        if !entry.is_conditional() {
            let line = context.line(path_place);
            if let Some(first) = seen.insert(key, line) {
                let message = format!("{} is in `fstab` twice, first in line {first}", quoted(path));
                context.report(path_place, Complaint::error(message).hint("merge the two entries"));
            }
        }
        let number = |key: &str| entry.integer(key).and_then(|(number, _)| u8::try_from(number).ok());
        let mount = Mount {
            path: path.to_owned(),
            source,
            fs_type: entry.text("type").map(|(text, _)| text.to_owned()),
            options: options(entry),
            dump: number("dump"),
            pass: number("pass"),
            is_absent,
        };
        mounts.push(context.sourced(mount, place));
    }
    mounts
}

fn source(entry: &Fields<'_>) -> Option<String> {
    let named = |key: &str, name: &str| entry.text(key).map(|(text, _)| format!("{name}={text}"));
    let source = entry.text("source").map(|(text, _)| text.to_owned());
    source
        .or_else(|| named("uuid", "UUID"))
        .or_else(|| named("label", "LABEL"))
}

fn options(entry: &Fields<'_>) -> Option<Vec<String>> {
    let words = entry.texts("options").flat_map(|(text, _)| text.split(','));
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    (!words.is_empty()).then_some(words)
}

fn contradicts_absent(entry: &Fields<'_>, path: &str, context: &mut Context<'_>) {
    let told_by: &[&str] = if path == "none" {
        &[]
    } else {
        &["source", "uuid", "label"]
    };
    for key in ["type", "options", "dump", "pass"].iter().chain(told_by) {
        if let Some(place) = entry.key_place(key) {
            let complaint = Complaint::error(format!("`{key}` contradicts `state: absent`"));
            context.report(place, complaint.hint("remove one of the two"));
        }
    }
}

fn check_none(entry: &Fields<'_>, path: &str, source: Option<&str>, place: &Place, context: &mut Context<'_>) {
    if path == "none" && source.is_none() && !entry.is_incomplete() {
        let complaint = Complaint::error("what is mounted nowhere is told by its source");
        context.report(place, complaint.hint("add `source: …`, `uuid: …` or `label: …`"));
    }
}

pub(super) fn swap(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<Sourced<SwapFile>> {
    let (section, place) = fields.table("swap")?;
    let (size, size_place) = section.text("size")?;
    let size_bytes = size_bytes(size).ok()?;
    if size_bytes < SMALLEST_SWAP_BYTES || !size_bytes.is_multiple_of(PAGE_BYTES) {
        let complaint = Complaint::error(format!("{} is no size for a swap file", quoted(size)));
        context.report(
            size_place,
            complaint.hint("it has at least ten pages of 4 KiB, and whole ones"),
        );
    }
    let path = section.text("path").map_or("/swapfile", |(path, _)| path);
    let swap = SwapFile {
        path: path.to_owned(),
        size_bytes,
        priority: section
            .integer("priority")
            .and_then(|(number, _)| u16::try_from(number).ok()),
    };
    Some(context.sourced(swap, place))
}

fn texts(table: &Fields<'_>, key: &str) -> Vec<String> {
    table.texts(key).map(|(text, _)| text.to_owned()).collect()
}
