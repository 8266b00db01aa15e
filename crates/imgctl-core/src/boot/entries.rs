//! What boots the guest: the `linux` lines of GRUB's configurations, Boot Loader Specification entries, and the `append`
//! lines of extlinux.
//!
//! These are the truth about kernel command lines. /etc/default/grub and /etc/kernel/cmdline only say what entries will be
//! made of the next time; nothing reads them at boot. Variables are those that the same configuration and grubenv set;
//! others are empty, as GRUB has it.
//!
//! Facts: the GRUB manual ("Shell-like scripting", "search"), the Boot Loader Specification, Fedora's blscfg, the
//! manual of SYSLINUX.

use super::words::{Syntax, Variables, expanded};
use super::{arguments, environment};
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};

/// As many lines as configurations may have in all.
const MAX_LINES: usize = 1 << 18;

pub(crate) const CONFIGURATIONS: [&str; 5] = [
    "/boot/grub/grub.cfg",
    "/boot/grub/custom.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/efi/EFI/*/grub.cfg",
    "/efi/EFI/*/grub.cfg",
];
pub(crate) const ENTRIES: [&str; 3] = [
    "/boot/loader/entries/*.conf",
    "/boot/efi/loader/entries/*.conf",
    "/efi/loader/entries/*.conf",
];
pub(crate) const EXTLINUX: [&str; 5] = [
    "/boot/extlinux.conf",
    "/boot/extlinux/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
    "/boot/efi/EFI/*/syslinux.cfg",
    "/boot/efi/EFI/*/extlinux.conf",
];

/// One way to boot.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct BootEntry {
    /// Where it stands: `/boot/grub/grub.cfg:101`.
    pub(crate) place: String,
    /// The kernel's arguments.
    pub(crate) arguments: Vec<String>,
    /// Whether it is for repairs, without what ordinary entries have.
    pub(crate) is_rescue: bool,
}

/// How GRUB is told to find a filesystem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Search {
    Uuid(String),
    Label(String),
}

/// All that boots the guest.
#[derive(Debug, Default)]
pub(crate) struct BootFiles {
    pub(crate) entries: Vec<BootEntry>,
    /// `search` commands, with their places.
    pub(crate) searches: Vec<(String, Search)>,
}

impl BootFiles {
    pub(crate) fn read(guest: &Guest) -> Outcome<Self> {
        let mut variables = Variables::new();
        for (_, text) in texts(guest, &environment::PLACES)? {
            variables.extend(environment::variables(&text));
        }
        let mut files = Self::default();
        let mut lines = 0;
        for (path, text) in texts(guest, &CONFIGURATIONS)? {
            lines += text.lines().count();
            if lines > MAX_LINES {
                return Err(StepFailure::refused(format!(
                    "the boot loader's configuration has more than {MAX_LINES} lines"
                )));
            }
            files.add_grub(&path.to_string(), &text, &mut variables);
        }
        for (path, text) in texts(guest, &ENTRIES)? {
            files.entries.extend(bls_entry(&path.to_string(), &text, &variables));
        }
        for (path, text) in texts(guest, &EXTLINUX)? {
            files.add_extlinux(&path.to_string(), &text);
        }
        Ok(files)
    }

    fn add_extlinux(&mut self, path: &str, text: &str) {
        for (index, line) in text.lines().enumerate().take(MAX_LINES) {
            if let Some(at) = extlinux_arguments(line) {
                let text = line.get(at..).unwrap_or_default();
                self.entries.push(BootEntry {
                    place: format!("{path}:{}", index + 1),
                    arguments: arguments::plain_words(text, Syntax::Kernel),
                    is_rescue: false,
                });
            }
        }
    }

    fn add_grub(&mut self, path: &str, text: &str, variables: &mut Variables) {
        // What grubenv has is loaded before the configuration asks whether it is set.
        let loaded = variables.clone();
        for (index, line) in text.lines().enumerate() {
            let words = expanded(line, variables);
            let place = || format!("{path}:{}", index + 1);
            let (command, arguments) = match words.split_first() {
                Some((command, arguments)) => (command.as_str(), arguments),
                None => continue,
            };
            match command {
                "set" => assign(arguments.first(), &loaded, variables),
                "linux" | "linux16" | "linuxefi" => self.entries.extend(entry(place(), arguments)),
                "search" | "search.fs_uuid" | "search.fs_label" => {
                    self.searches
                        .extend(search(command, arguments).map(|search| (place(), search)));
                }
                _ => {}
            }
        }
    }
}

/// Where the arguments of an `append` line begin.
pub(crate) fn extlinux_arguments(line: &str) -> Option<usize> {
    let start = line.len() - line.trim_start().len();
    let (word, rest) = line.get(start..)?.split_once([' ', '\t'])?;
    word.eq_ignore_ascii_case("append").then(|| line.len() - rest.len())
}

/// The files that match, with their texts, each file once.
pub(crate) fn texts(guest: &Guest, patterns: &[&str]) -> Outcome<Vec<(GuestPath, String)>> {
    let mut texts: Vec<(GuestPath, String)> = Vec::new();
    for pattern in patterns {
        for path in guest.glob(pattern)? {
            let Some(found) = guest.find(&path)? else {
                continue;
            };
            let is_file = guest.metadata_of(&found)?.kind == FileKind::File;
            if is_file
                && texts.iter().all(|(known, _)| *known != found.path)
                && let Some(text) = guest.read(&path, MAX_TEXT_BYTES)?
            {
                texts.push((found.path, String::from_utf8_lossy(&text).into_owned()));
            }
        }
    }
    Ok(texts)
}

fn assign(assignment: Option<&String>, loaded: &Variables, variables: &mut Variables) {
    let Some((name, value)) = assignment.and_then(|assignment| assignment.split_once('=')) else {
        return;
    };
    // `if [ -z "${kernelopts}" ]; then set kernelopts=…`: a default for what is not loaded.
    if name != "kernelopts" || !loaded.contains_key(name) {
        variables.insert(name.to_owned(), value.to_owned());
    }
}

/// The entry of a `linux` line: the kernel's path, then its arguments.
fn entry(place: String, words: &[String]) -> Option<BootEntry> {
    let (kernel, arguments) = words.split_first()?;
    if is_other_program(kernel) {
        return None;
    }
    let is_rescue = is_rescue(kernel, arguments);
    Some(BootEntry {
        place,
        arguments: arguments.to_vec(),
        is_rescue,
    })
}

/// Whether an entry is for repairs.
pub(crate) fn is_rescue(kernel: &str, arguments: &[String]) -> bool {
    let words = [
        "single",
        "recovery",
        "rescue",
        "emergency",
        "systemd.unit=rescue.target",
    ];
    kernel.contains("-rescue-") || arguments.iter().any(|word| words.contains(&word.as_str()))
}

/// Whether what a `linux` line loads is no Linux.
pub(crate) fn is_other_program(kernel: &str) -> bool {
    let name = kernel.rsplit('/').next().unwrap_or_default();
    name.starts_with("memtest") || name.starts_with("mt86")
}

fn search(command: &str, arguments: &[String]) -> Option<Search> {
    let has = |options: [&str; 2]| arguments.iter().any(|word| options.contains(&word.as_str()));
    let mut plain = arguments.iter().filter(|word| !word.starts_with('-'));
    match command {
        "search.fs_uuid" => plain.next().cloned().map(Search::Uuid),
        "search.fs_label" => plain.next().cloned().map(Search::Label),
        _ if has(["--fs-uuid", "-u"]) => plain.next_back().cloned().map(Search::Uuid),
        _ if has(["--label", "-l"]) => plain.next_back().cloned().map(Search::Label),
        _ => None,
    }
}

fn bls_entry(path: &str, text: &str, variables: &Variables) -> Option<BootEntry> {
    let mut kernel = None;
    let mut arguments = None;
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once([' ', '\t']) else {
            continue;
        };
        match key {
            "linux" => kernel = Some(value.trim().to_owned()),
            "options" => arguments
                .get_or_insert_with(Vec::new)
                .extend(expanded(value, variables)),
            _ => {}
        }
    }
    // Fedora's blscfg takes this variable for an entry that says nothing.
    let default = || {
        let value = variables.get("default_kernelopts");
        value.map_or_else(Vec::new, |value| expanded(value, variables))
    };
    let all: Vec<String> = kernel.into_iter().chain(arguments.unwrap_or_else(default)).collect();
    let mut entry = entry(path.to_owned(), &all)?;
    entry.is_rescue |= path.contains("-0-rescue");
    Some(entry)
}

/// A place or an argument, safe to print.
pub(crate) fn escaped(text: &str) -> String {
    EscapedBytes(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn entries_of_all_kinds() {
        let guest = guest(&[
            "/boot/grub2/grubenv|# GRUB Environment Block\nkernelopts=root=UUID=1 ro env\n###",
            "/boot/grub2/grub.cfg|if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=2 default\"\nfi\nblscfg\n\
             menuentry 'x' {\n search --no-floppy --fs-uuid --set=root --hint='hd0,gpt2' 77-88\n linuxefi /k $kernelopts single\n}\n",
            "/boot/efi/EFI/debian/grub.cfg|search.fs_uuid AB-CD root hd0,gpt1\nsearch --label boot --set\n",
            "/boot/loader/entries/x-5.14.conf|title x\nlinux /vmlinuz-5.14\ninitrd /i\noptions $kernelopts $tuned_params\noptions more\n",
            "/boot/loader/entries/x-0-rescue.conf|linux /vmlinuz-0-rescue-x\noptions a\n",
            "/boot/extlinux.conf|DEFAULT x\nLABEL x\n  LINUX vmlinuz\n  APPEND root=UUID=3 modules=ext4 y\n",
        ]);
        let files = BootFiles::read(&guest).unwrap();
        let told: Vec<String> = files
            .entries
            .iter()
            .map(|entry| format!("{} {} {}", entry.place, entry.arguments.join(" "), entry.is_rescue))
            .collect();
        assert_eq!(
            told,
            [
                "/boot/grub2/grub.cfg:7 root=UUID=1 ro env single true",
                "/boot/loader/entries/x-0-rescue.conf a true",
                "/boot/loader/entries/x-5.14.conf root=UUID=1 ro env more false",
                "/boot/extlinux.conf:4 root=UUID=3 modules=ext4 y false",
            ]
        );
        let searches: Vec<&Search> = files.searches.iter().map(|(_, search)| search).collect();
        let expected = [
            &Search::Uuid("77-88".to_owned()),
            &Search::Uuid("AB-CD".to_owned()),
            &Search::Label("boot".to_owned()),
        ];
        assert_eq!(searches, expected);
    }
}
