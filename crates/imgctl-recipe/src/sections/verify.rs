//! `verify`: what must be true of the result.

use super::Context;
use crate::fields::Fields;
use crate::finding::{Complaint, Place};
use crate::kinds::{full_name, mode_bits, principal, version_requirements};
use crate::plan::{
    Check, FileCheck, FileType, GlobCheck, GroupCheck, MachineIdCheck, PackageCheck, ServiceState, Sourced, UserCheck,
};

pub(super) fn verify(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<Check>> {
    let mut checks = Vec::new();
    for (entry, place) in fields.tables("verify") {
        if let Some(check) = check(entry, context) {
            checks.push(context.sourced(check, place));
        }
    }
    checks
}

/// One entry; `None` after a finding.
fn check(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<Check> {
    // `group` is a key of a file, too, so files come first.
    if entry.has("file") {
        return file(entry, context).map(Check::File);
    }
    if entry.has("glob") {
        return glob(entry, context).map(Check::Glob);
    }
    if entry.has("package") {
        return package(entry, context).map(Check::Package);
    }
    if entry.has("service") {
        return service(entry);
    }
    if entry.has("user") {
        return user(entry, context).map(Check::User);
    }
    if entry.has("group") {
        return group(entry, context).map(Check::Group);
    }
    if entry.has("kernel_cmdline") {
        let args = list(entry, "args", context)?;
        let present = entry.text("kernel_cmdline")?.0 == "contains";
        return Some(Check::KernelCmdline { present, args });
    }
    if entry.has("sysctl") {
        let key = dotted(entry.text("sysctl")?.0);
        let value = entry.text("value")?.0.to_owned();
        return Some(Check::Sysctl { key, value });
    }
    if entry.has("initramfs") {
        let modules = list(entry, "modules", context)?;
        return Some(Check::InitramfsContains { modules });
    }
    if let Some((state, _)) = entry.text("machine_id") {
        return Some(Check::MachineId(match state {
            "uninitialized" => MachineIdCheck::Uninitialized,
            "set" => MachineIdCheck::Set,
            _ => MachineIdCheck::Empty,
        }));
    }
    let one_word = [
        ("fstab", Check::FstabMountsResolve),
        ("bootloader", Check::BootloaderRootMatches),
        ("ssh_host_keys", Check::SshHostKeysAbsent),
        ("secrets", Check::SecretsAbsent),
    ];
    let mut said = one_word.into_iter().filter(|(key, _)| entry.text(key).is_some());
    said.next().map(|(_, check)| check)
}

fn file(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<FileCheck> {
    let absent = is_absent(entry, context);
    if let Some(("symlink" | "directory", _)) = entry.text("type") {
        let kind = entry.text("type").map_or("", |(kind, _)| kind);
        for key in ["size", "sha256", "contains", "matches"] {
            if let (Some(place), false) = (entry.key_place(key), absent) {
                let what = if kind == "symlink" { "symbolic link" } else { kind };
                let complaint = Complaint::error(format!("`{key}` says nothing about a {what}"));
                context.report(place, complaint.hint(format!("remove `{key}`, or `type: {kind}`")));
            }
        }
    }
    let matches = match entry.text("matches") {
        Some((text, place)) => context.pattern(text, place),
        None => None,
    };
    if let Some(("", place)) = entry.text("contains") {
        let complaint = Complaint::error("`contains` is empty: every file has that");
        context.report(place, complaint.hint("write `size: 0` for an empty file"));
    }
    Some(FileCheck {
        path: path(entry.text("file")?.0),
        absent,
        kind: entry.text("type").map(|(kind, _)| match kind {
            "directory" => FileType::Directory,
            "symlink" => FileType::Symlink,
            _ => FileType::File,
        }),
        mode: entry.text("mode").and_then(|(text, _)| mode_bits(text)),
        owner: entry.text("owner").and_then(|(text, _)| principal(text)),
        group: entry.text("group").and_then(|(text, _)| principal(text)),
        size: entry.integer("size").map(|(size, _)| size),
        sha256: entry.text("sha256").map(|(digest, _)| digest.to_ascii_lowercase()),
        contains: entry.text("contains").map(|(text, _)| text.to_owned()),
        matches,
    })
}

fn glob(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<GlobCheck> {
    let number = |key: &str| entry.integer(key).map(|(number, _)| number);
    let (count, min, max) = (number("count"), number("min"), number("max"));
    if let (Some(min), Some(max), Some(place)) = (min, max, entry.key_place("max"))
        && min > max
    {
        let complaint = Complaint::error(format!("`max` is {max}, but `min` is {min}"));
        context.report(place, complaint.hint("swap the two"));
    }
    if let (Some(0), None, Some(place)) = (min, max, entry.key_place("min")) {
        let complaint = Complaint::error("`min: 0` is true of every pattern");
        context.report(place, complaint.hint("write `count: 0` if nothing may match"));
    }
    Some(GlobCheck {
        pattern: path(entry.text("glob")?.0),
        min: count.or(min),
        max: count.or(max),
    })
}

fn package(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<PackageCheck> {
    let absent = is_absent(entry, context);
    let version = entry.text("version").map(|(text, _)| version_requirements(text));
    Some(PackageCheck {
        name: entry.text("package")?.0.to_owned(),
        absent,
        version: version.and_then(Result::ok).unwrap_or_default(),
    })
}

fn service(entry: &Fields<'_>) -> Option<Check> {
    Some(Check::Service {
        unit: full_name(entry.text("service")?.0),
        state: match entry.text("state")?.0 {
            "enabled" => ServiceState::Enabled,
            "masked" => ServiceState::Masked,
            _ => ServiceState::Disabled,
        },
    })
}

fn user(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<UserCheck> {
    let absent = is_absent(entry, context);
    Some(UserCheck {
        name: entry.text("user")?.0.to_owned(),
        absent,
        uid: id(entry, "uid"),
        home: entry.text("home").map(|(text, _)| path(text)),
        shell: entry.text("shell").map(|(text, _)| path(text)),
        groups: entry.texts("groups").map(|(text, _)| text.to_owned()).collect(),
        locked: entry.boolean("locked"),
    })
}

fn group(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<GroupCheck> {
    let absent = is_absent(entry, context);
    Some(GroupCheck {
        name: entry.text("group")?.0.to_owned(),
        absent,
        gid: id(entry, "gid"),
    })
}

/// Whether the subject must not be there; nothing else can be said of it then.
fn is_absent(entry: &Fields<'_>, context: &mut Context<'_>) -> bool {
    const PROPERTIES: [&str; 15] = [
        "type", "mode", "owner", "size", "sha256", "contains", "matches", "version", "uid", "home", "shell", "groups",
        "locked", "gid", "group",
    ];
    let Some(("absent", _)) = entry.text("state") else {
        return false;
    };
    // A group's own name is no property.
    let of_file = entry.has("file");
    for key in PROPERTIES.into_iter().filter(|key| of_file || *key != "group") {
        if let Some(place) = entry.key_place(key) {
            let complaint = Complaint::error(format!("`{key}` contradicts `state: absent`"));
            context.report(place, complaint.hint("remove one of the two"));
        }
    }
    true
}

/// The strings of a list that cannot be empty.
fn list(entry: &Fields<'_>, key: &str, context: &mut Context<'_>) -> Option<Vec<String>> {
    let texts: Vec<String> = entry.texts(key).map(|(text, _)| text.to_owned()).collect();
    let place: Option<&Place> = entry.key_place(key).filter(|_| entry.items(key).is_empty());
    if let (Some(place), true) = (place, entry.is_list(key)) {
        let complaint = Complaint::error(format!("`{key}` is empty: nothing would be checked"));
        context.report(place, complaint.hint("name at least one"));
    }
    (!texts.is_empty()).then_some(texts)
}

fn id(entry: &Fields<'_>, key: &str) -> Option<u32> {
    entry.integer(key).and_then(|(id, _)| u32::try_from(id).ok())
}

/// Without the slash that a directory's name may end in.
fn path(text: &str) -> String {
    match text.trim_end_matches('/') {
        "" => "/".into(),
        path => path.into(),
    }
}

/// A kernel parameter with dots between its parts: where slashes are, dots belong to names (sysctl(8)).
fn dotted(name: &str) -> String {
    match name.chars().find(|c| matches!(c, '.' | '/')) {
        Some('/') => name
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_dots() {
        for (given, dots) in [
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
            ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
            ("net/ipv4/conf/eth0.1/arp_ignore", "net.ipv4.conf.eth0/1.arp_ignore"),
            ("net.ipv4.conf.eth0/1.arp_ignore", "net.ipv4.conf.eth0/1.arp_ignore"),
        ] {
            assert_eq!(dotted(given), dots, "{given}");
        }
    }
}
