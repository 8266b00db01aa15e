//! What boots the guest: the `linux` lines of GRUB's configurations, and Boot Loader Specification entries.
//!
//! These are the truth about kernel command lines. /etc/default/grub and /etc/kernel/cmdline only say what entries will be
//! made of the next time; nothing reads them at boot. Variables are those that the same configuration and grubenv set;
//! others are empty, as GRUB has it.
//!
//! Facts: the GRUB manual ("Shell-like scripting", "search"), the Boot Loader Specification, Fedora's blscfg.

use super::Fault;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use imgctl_vfs::{EscapedBytes, GuestPath};
use std::collections::BTreeMap;

/// As many lines as configurations may have in all.
const MAX_LINES: usize = 1 << 18;
/// As long as a line may become when variables are filled in.
const MAX_WORD_BYTES: usize = 1 << 16;

const CONFIGURATIONS: [&str; 5] = [
    "/boot/grub/grub.cfg",
    "/boot/grub/custom.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/efi/EFI/*/grub.cfg",
    "/efi/EFI/*/grub.cfg",
];
const ENVIRONMENTS: [&str; 3] = ["/boot/grub/grubenv", "/boot/grub2/grubenv", "/boot/efi/EFI/*/grubenv"];
const ENTRIES: [&str; 3] = [
    "/boot/loader/entries/*.conf",
    "/boot/efi/loader/entries/*.conf",
    "/efi/loader/entries/*.conf",
];

/// One way to boot.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct BootEntry {
    /// Where it stands: `/boot/grub/grub.cfg:101`.
    pub(super) place: String,
    /// The kernel's arguments.
    pub(super) arguments: Vec<String>,
    /// Whether it is for repairs, without what ordinary entries have.
    pub(super) is_rescue: bool,
}

/// How GRUB is told to find a filesystem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Search {
    Uuid(String),
    Label(String),
}

/// All that boots the guest.
#[derive(Debug, Default)]
pub(super) struct BootFiles {
    pub(super) entries: Vec<BootEntry>,
    /// `search` commands, with their places.
    pub(super) searches: Vec<(String, Search)>,
}

type Variables = BTreeMap<String, String>;

impl BootFiles {
    pub(super) fn read(guest: &Guest) -> Result<Self, Fault> {
        let mut variables = Variables::new();
        for (_, text) in texts(guest, &ENVIRONMENTS)? {
            let assignments = text.lines().filter(|line| !line.starts_with('#'));
            variables.extend(assignments.filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            }));
        }
        let mut files = Self::default();
        let mut lines = 0;
        for (path, text) in texts(guest, &CONFIGURATIONS)? {
            lines += text.lines().count();
            if lines > MAX_LINES {
                return Err(Fault(format!(
                    "the boot loader's configuration has more than {MAX_LINES} lines"
                )));
            }
            files.add_grub(&path, &text, &mut variables);
        }
        for (path, text) in texts(guest, &ENTRIES)? {
            files.entries.extend(bls_entry(&path, &text, &variables));
        }
        Ok(files)
    }

    fn add_grub(&mut self, path: &str, text: &str, variables: &mut Variables) {
        // What grubenv has is loaded before the configuration asks whether it is set.
        let loaded = variables.clone();
        for (index, line) in text.lines().enumerate() {
            let words = words(line, variables);
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

/// The files that match, with their texts.
fn texts(guest: &Guest, patterns: &[&str]) -> Result<Vec<(String, String)>, Fault> {
    let mut texts = Vec::new();
    for pattern in patterns {
        for path in guest.glob(pattern)? {
            if let Some(text) = read_file(guest, &path)? {
                texts.push((path.to_string(), text));
            }
        }
    }
    Ok(texts)
}

fn read_file(guest: &Guest, path: &GuestPath) -> Result<Option<String>, Fault> {
    let is_file = guest
        .metadata(path)?
        .is_some_and(|metadata| metadata.kind == imgctl_vfs::FileKind::File);
    match is_file {
        true => Ok(guest
            .read(path, MAX_TEXT_BYTES)?
            .map(|text| String::from_utf8_lossy(&text).into_owned())),
        false => Ok(None),
    }
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
    let rescue = [
        "single",
        "recovery",
        "rescue",
        "emergency",
        "systemd.unit=rescue.target",
    ];
    let is_rescue = kernel.contains("-rescue-") || arguments.iter().any(|word| rescue.contains(&word.as_str()));
    Some(BootEntry {
        place,
        arguments: arguments.to_vec(),
        is_rescue,
    })
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
    let mut arguments = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once([' ', '\t']) else {
            continue;
        };
        match key {
            "linux" => kernel = Some(value.trim().to_owned()),
            "options" => arguments.extend(words(value, variables)),
            _ => {}
        }
    }
    let all: Vec<String> = kernel.into_iter().chain(arguments).collect();
    let mut entry = entry(path.to_owned(), &all)?;
    entry.is_rescue |= path.contains("-0-rescue");
    Some(entry)
}

/// The words of a line, quotes taken away and variables filled in; nothing of a comment.
fn words(line: &str, variables: &Variables) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.trim().chars().peekable();
    while let Some(character) = characters.next() {
        let bytes = words.iter().map(String::len).sum::<usize>() + word.as_ref().map_or(0, String::len);
        if bytes > MAX_WORD_BYTES {
            break;
        }
        match (character, quote) {
            ('#', None) if word.is_none() => break,
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (character, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            ('$', None | Some('"')) => {
                let value = variables.get(&variable(&mut characters)).map_or("", String::as_str);
                expand(value, quote.is_some(), &mut word, &mut words);
            }
            (' ' | '\t' | ';' | '{' | '}', None) => words.extend(word.take()),
            (character, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Adds a variable's value: outside of quotes it falls into words.
fn expand(value: &str, is_quoted: bool, word: &mut Option<String>, words: &mut Vec<String>) {
    if is_quoted {
        word.get_or_insert_default().push_str(value);
        return;
    }
    let mut pieces = value.split([' ', '\t']);
    if let Some(first) = pieces.next().filter(|first| !first.is_empty()) {
        word.get_or_insert_default().push_str(first);
    }
    for piece in pieces {
        words.extend(word.take());
        *word = Some(piece.to_owned()).filter(|piece| !piece.is_empty());
    }
}

/// The name behind a dollar sign, with or without braces.
fn variable(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let in_braces = characters.next_if_eq(&'{').is_some();
    let mut name = String::new();
    let is_part = |character: &char| character.is_ascii_alphanumeric() || *character == '_' || *character == '?';
    while let Some(character) = characters.next_if(is_part) {
        name.push(character);
    }
    if in_braces {
        characters.next_if_eq(&'}');
    }
    name
}

/// A place or an argument, safe to print.
pub(super) fn escaped(text: &str) -> String {
    EscapedBytes(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn words_as_grub_has_them() {
        let variables = Variables::from([
            ("a".to_owned(), "x y".to_owned()),
            ("root".to_owned(), "hd0".to_owned()),
        ]);
        let words = |line| words(line, &variables).join("|");
        assert_eq!(
            words("\tlinux /k root=UUID=1 ro $a$none quiet # c"),
            "linux|/k|root=UUID=1|ro|x|y|quiet"
        );
        assert_eq!(words("set b=\"${a} z\" 'it''s $a' \\$a"), "set|b=x y z|its $a|$a");
        assert_eq!(
            words("if [ x ]; then search ($root)/x; fi"),
            "if|[|x|]|then|search|(hd0)/x|fi"
        );
        assert_eq!(words("# all of it"), "");
        assert_eq!(words("\"open"), "open");
    }

    #[test]
    fn entries_of_all_kinds() {
        let guest = guest(&[
            "/boot/grub2/grubenv|# GRUB Environment Block\nkernelopts=root=UUID=1 ro env\n###",
            "/boot/grub2/grub.cfg|if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=2 default\"\nfi\nblscfg\n\
             menuentry 'x' {\n search --no-floppy --fs-uuid --set=root --hint='hd0,gpt2' 77-88\n linuxefi /k $kernelopts single\n}\n",
            "/boot/efi/EFI/debian/grub.cfg|search.fs_uuid AB-CD root hd0,gpt1\nsearch --label boot --set\n",
            "/boot/loader/entries/x-5.14.conf|title x\nlinux /vmlinuz-5.14\ninitrd /i\noptions $kernelopts $tuned_params\noptions more\n",
            "/boot/loader/entries/x-0-rescue.conf|linux /vmlinuz-0-rescue-x\noptions a\n",
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
