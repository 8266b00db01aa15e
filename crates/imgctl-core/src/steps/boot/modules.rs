//! `kernel.modules`: what is loaded at boot, what is not, and with which options.
//!
//! Options of one module add up over all files of modprobe.d, read in the order of their names; the file's name is last, so
//! that what it says counts.

use crate::boot::entries::texts;
use crate::guest::{Guest, OsFamily, OsRelease};
use crate::steps::each::each;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::text::{edit, push_line, with_lines};
use crate::steps::{Outcome, StepSpec, fixed};
use imgctl_recipe::{KernelModules, Plan};
use serde_json::json;
use std::collections::BTreeSet;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "kernel-modules",
    section: "kernel",
    help: "load kernel modules at boot, or keep them from it, and set their options",
    build: |plan: &Plan| each(SPEC.name, plan.kernel.modules.clone(), set),
};

pub(super) const FLAGS: [FlagSpec; 3] = [
    FlagSpec {
        name: "module-load",
        value: "MODULE",
        group: FlagGroup::Boot,
        help: "Load a kernel module at boot",
        example: "br_netfilter",
        recipe: "kernel.modules.load",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|name| Ok(json!({ "kernel": { "modules": { "load": [name] } } }))),
    },
    FlagSpec {
        name: "module-blacklist",
        value: "MODULE",
        group: FlagGroup::Boot,
        help: "Keep a kernel module from being loaded by itself",
        example: "nouveau",
        recipe: "kernel.modules.blacklist",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|name| Ok(json!({ "kernel": { "modules": { "blacklist": [name] } } }))),
    },
    FlagSpec {
        name: "module-option",
        value: "MODULE:OPTION=VALUE",
        group: FlagGroup::Boot,
        help: "Set an option of a kernel module",
        example: "i915:enable_guc=3",
        recipe: "kernel.modules.options",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|text| {
            let example = "i915:enable_guc=3";
            let (module, option) = super::parts(text, ':', example)?;
            let (name, value) = super::assignment(option, example)?;
            Ok::<_, FlagError>(json!({ "kernel": { "modules": { "options": { module: { name: value } } } } }))
        }),
    },
];

const LOAD: &str = "/etc/modules-load.d/imgctl.conf";
const ALPINE_LOAD: &str = "/etc/modules";
const CONFIGURATION: &str = "/etc/modprobe.d/zz-imgctl.conf";

fn set(guest: &mut Guest, modules: &KernelModules) -> Outcome<()> {
    let release = OsRelease::read(guest.tree())?.unwrap_or_default();
    let load = match release.family {
        OsFamily::Alpine => fixed(ALPINE_LOAD),
        _ => fixed(LOAD),
    };
    edit(guest, &load, |text| Ok(Some(loaded(text, modules))))?;
    let configuration = fixed(CONFIGURATION);
    let is_new = edit(guest, &configuration, |text| Ok(Some(configured(text, modules))))?;
    if is_new && has_initramfs(guest)? {
        guest.warn(format!(
            "an initramfs can hold a copy of {configuration} and load modules without the new one; \
             it counts there when the guest makes the initramfs anew, at the latest with the next kernel"
        ));
    }
    warn_of_blacklists(guest, modules)?;
    warn_of_unknown(guest, modules)
}

/// The list of modules to load.
fn loaded(text: &str, modules: &KernelModules) -> String {
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let word = line.split_whitespace().next().unwrap_or_default();
        if !modules.blacklist.iter().any(|name| same(name, word)) {
            kept.push_str(line);
        }
    }
    let present = kept.clone();
    let is_there = |name: &String| {
        let mut words = present.lines().filter_map(|line| line.split_whitespace().next());
        words.any(|word| same(word, name))
    };
    with_lines(
        &kept,
        modules.load.iter().filter(|name| !is_there(name)).map(String::as_str),
    )
}

/// The file of modprobe.d.
fn configured(text: &str, modules: &KernelModules) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let blacklisted = line.trim().strip_prefix("blacklist ").map(str::trim);
        if !blacklisted.is_some_and(|word| modules.load.iter().any(|name| same(name, word))) {
            lines.push(line.to_owned());
        }
    }
    for (module, options) in modules.options.iter().filter(|(_, options)| !options.is_empty()) {
        let head = format!("options {module} ");
        let place = lines.iter().position(|line| line.starts_with(&head));
        let old = place.and_then(|index| lines.get(index)?.strip_prefix(&head).map(str::to_owned));
        let old = old.unwrap_or_default();
        let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
        let mut words: Vec<String> = old.split_whitespace().map(str::to_owned).collect();
        for (option, value) in options {
            let word = match value.as_str() {
                "" => option.clone(),
                value => format!("{option}={value}"),
            };
            match words.iter_mut().find(|known| same(&name(known), option)) {
                Some(known) => *known = word,
                None => words.push(word),
            }
        }
        let line = format!("{head}{}", words.join(" "));
        match place.and_then(|index| lines.get_mut(index)) {
            Some(known) => *known = line,
            None => lines.push(line),
        }
    }
    let mut new = String::new();
    lines.iter().for_each(|line| push_line(&mut new, line));
    let blacklist: Vec<String> = modules
        .blacklist
        .iter()
        .map(|name| format!("blacklist {name}"))
        .collect();
    with_lines(&new, blacklist.iter().map(String::as_str))
}

pub(super) fn has_initramfs(guest: &Guest) -> Outcome<bool> {
    for pattern in ["/boot/initrd*", "/boot/initramfs*"] {
        if !guest.glob(pattern)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// systemd-modules-load obeys blacklists.
fn warn_of_blacklists(guest: &mut Guest, modules: &KernelModules) -> Outcome<()> {
    let patterns = [
        "/etc/modprobe.d/*.conf",
        "/usr/lib/modprobe.d/*.conf",
        "/lib/modprobe.d/*.conf",
    ];
    for (path, text) in texts(guest, &patterns)? {
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("blacklist "));
        for name in names.map(str::trim) {
            if modules.load.iter().any(|load| same(load, name)) {
                guest.warn(format!(
                    "{path} blacklists {name}, which keeps it from being loaded at boot"
                ));
            }
        }
    }
    Ok(())
}

/// A module that no kernel of the guest has is perhaps a mistake, perhaps still to come.
fn warn_of_unknown(guest: &mut Guest, modules: &KernelModules) -> Outcome<()> {
    let lists = ["/lib/modules/*/modules.dep", "/lib/modules/*/modules.builtin"];
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (_, text) in texts(guest, &lists)? {
        known.extend(text.lines().filter_map(|line| {
            let path = line.split(':').next()?;
            let file = path.rsplit('/').next()?;
            Some(plain(file.split(".ko").next()?))
        }));
    }
    for name in &modules.load {
        if !known.is_empty() && !known.contains(&plain(name)) {
            guest.warn(format!("no kernel of the guest has the module {name}"));
        }
    }
    Ok(())
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// `-` and `_` are the same in names of modules.
fn same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, listing, text};

    fn modules(load: &[&str], blacklist: &[&str], options: &[(&str, &str, &str)]) -> KernelModules {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        KernelModules {
            load: owned(load),
            blacklist: owned(blacklist),
            options: options
                .iter()
                .map(|(module, name, value)| ((*module).to_owned(), vec![((*name).to_owned(), (*value).to_owned())]))
                .collect(),
        }
    }

    #[test]
    fn files_have_what_is_asked() {
        let mut guest = guest(&[
            "/lib/modules/6.1/modules.dep|kernel/net/bridge/br_netfilter.ko: x.ko\nkernel/a/overlay.ko.xz:\n",
            "/etc/modprobe.d/x.conf|blacklist overlay\n",
            "/boot/initrd.img-6.1|",
        ]);
        let wanted = modules(
            &["overlay", "br-netfilter", "nosuch"],
            &["xe"],
            &[
                ("i915", "enable_guc", "3"),
                ("i915", "max_vfs", "7"),
                ("kvm", "nested", ""),
            ],
        );
        edited(&mut guest, |guest| set(guest, &wanted).unwrap());
        assert_eq!(text(&guest, LOAD), "overlay\nbr-netfilter\nnosuch\n");
        assert_eq!(
            text(&guest, CONFIGURATION),
            "options i915 enable_guc=3 max_vfs=7\noptions kvm nested\nblacklist xe\n"
        );
        let told: Vec<&str> = guest.warnings().iter().map(|warning| &warning.message[..20]).collect();
        assert_eq!(
            told,
            ["an initramfs can hol", "/etc/modprobe.d/x.co", "no kernel of the gue"]
        );
        let before = listing(guest.tree());
        set(&mut guest, &wanted).unwrap();
        assert_eq!(listing(guest.tree()), before, "a second run changes nothing");
        set(
            &mut guest,
            &modules(&["xe"], &["overlay"], &[("i915", "enable-guc", "2")]),
        )
        .unwrap();
        assert_eq!(text(&guest, LOAD), "br-netfilter\nnosuch\nxe\n");
        assert_eq!(
            text(&guest, CONFIGURATION),
            "options i915 enable-guc=2 max_vfs=7\noptions kvm nested\nblacklist overlay\n"
        );
    }

    #[test]
    fn alpine_has_a_list_of_its_own() {
        let mut guest = guest(&["/etc/os-release|ID=alpine\n", "/etc/modules|af_packet\nipv6\n"]);
        let wanted = modules(&["ipv6", "overlay"], &[], &[]);
        let changes = edited(&mut guest, |guest| set(guest, &wanted).unwrap());
        assert_eq!(changes, ["~/etc/modules"]);
        assert_eq!(text(&guest, "/etc/modules"), "af_packet\nipv6\noverlay\n");
    }
}
