//! A recipe in the making: sections with what each part was made of, and what was left out on the way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::yaml::{Child, Value, write_map};
use super::{Import, ImportError, ImportNote, ImportNoteKind};
use crate::{Host, HostFileError, RecipeSource, Settings};

/// How often the recipe is checked and what is wrong in it left out.
const MAX_PASSES: usize = 20;

/// The most characters of a line of the notes.
const MAX_NOTE_CHARS: usize = 240;

/// Where package managers find repositories and their keys.
const REPOSITORIES: [&str; 6] = [
    "/etc/yum.repos.d/",
    "/etc/zypp/repos.d/",
    "/etc/apt/sources.list",
    "/etc/apt/keyrings/",
    "/etc/apt/trusted.gpg.d/",
    "/etc/apk/repositories",
];

/// A unit's or package's name, or another word, with what it came from.
type Word = (String, String);

/// Everything a recipe can say, of what other tools say.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) hostname: Option<Word>,
    pub(super) timezone: Option<Word>,
    pub(super) locale: Option<Word>,
    pub(super) keyboard: Option<Child>,
    pub(super) ca: Vec<Child>,
    pub(super) repositories: Vec<Child>,
    pub(super) update: Option<Word>,
    pub(super) install: Vec<Word>,
    pub(super) remove: Vec<Word>,
    pub(super) groups: Vec<Child>,
    pub(super) users: Vec<User>,
    pub(super) files: Vec<Child>,
    /// Local paths in them that are directories.
    pub(super) trees: BTreeSet<PathBuf>,
    pub(super) sshd: Vec<(&'static str, Child)>,
    pub(super) enable: Vec<Word>,
    pub(super) disable: Vec<Word>,
    pub(super) mask: Vec<Word>,
    pub(super) unmask: Vec<Word>,
    pub(super) preset: Vec<Word>,
    pub(super) default_target: Option<Word>,
    pub(super) user_enable: Vec<Word>,
    pub(super) user_disable: Vec<Word>,
    pub(super) user_mask: Vec<Word>,
    pub(super) first_boot: Vec<Child>,
    pub(super) run: Vec<Child>,
    pub(super) reset: Vec<(&'static str, Child)>,
    pub(super) relabel: Option<Word>,
    pub(super) notes: Vec<ImportNote>,
}

/// A user under way: several instructions can speak of one.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) keys: Vec<Word>,
    pub(super) properties: Vec<(&'static str, Child)>,
}

impl Draft {
    pub(super) fn left_out(&mut self, subject: impl Into<String>, reason: impl Into<String>) {
        self.note(ImportNoteKind::LeftOut, subject.into(), reason.into());
    }

    pub(super) fn remark(&mut self, subject: impl Into<String>, reason: impl Into<String>) {
        self.note(ImportNoteKind::Remark, subject.into(), reason.into());
    }

    fn note(&mut self, kind: ImportNoteKind, subject: String, reason: String) {
        let note = ImportNote { kind, subject, reason };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The user of this name, new or not.
    pub(super) fn user(&mut self, name: &str, from: &str) -> &mut User {
        let index = match self.users.iter().position(|user| user.name == name) {
            Some(index) => index,
            None => {
                self.users.push(User {
                    name: name.to_owned(),
                    from: from.to_owned(),
                    keys: Vec::new(),
                    properties: Vec::new(),
                });
                self.users.len() - 1
            }
        };
        &mut self.users[index]
    }

    /// An entry of `files`. What says only a mode or an owner joins the entry that makes the file; what says all of a
    /// file's content takes the place of an earlier content.
    pub(super) fn file(&mut self, from: impl Into<String>, path: &str, mut keys: Vec<(&'static str, Child)>) {
        const METADATA: [&str; 3] = ["mode", "owner", "group"];
        const CONTENT: [&str; 2] = ["content", "source"];
        let has = |keys: &[(&str, Child)], names: &[&str]| keys.iter().any(|(key, _)| names.contains(key));
        let is_metadata = keys.iter().all(|(key, _)| METADATA.contains(key));
        let is_content = has(&keys, &CONTENT);
        let earlier = self.files.iter_mut().rev().find_map(|child| match &mut child.value {
            Value::Map(entry) if !child.is_dropped && is_path(entry, path) => Some((&mut child.is_dropped, entry)),
            _ => None,
        });
        match earlier {
            Some((_, entry)) if is_metadata && !has(entry, &["state", "target", "append"]) => {
                for (key, child) in keys {
                    entry.retain(|(present, _)| *present != key);
                    entry.push((key, child));
                }
                return;
            }
            Some((is_dropped, entry)) if is_content && has(entry, &CONTENT) => {
                *is_dropped = true;
                for (key, child) in entry.iter().filter(|(key, _)| METADATA.contains(key)) {
                    if !has(&keys, &[key]) {
                        keys.push((key, child.clone()));
                    }
                }
            }
            _ => {}
        }
        let from = from.into();
        if REPOSITORIES.iter().any(|folder| path.starts_with(folder)) && !has(&keys, &["state"]) {
            let reason = "files are put in place after packages: a repository for these belongs in `packages.repos`";
            self.remark(&from, reason);
        }
        let path = ("path", Child::part(Value::text(path)));
        self.files
            .push(Child::of(from, Value::Map([vec![path], keys].concat())));
    }

    /// Switches an operation of `reset` on.
    pub(super) fn reset(&mut self, key: &'static str, value: &str, from: &str) {
        if !self.reset.iter().any(|(present, _)| *present == key) {
            self.reset.push((key, Child::of(from, Value::Plain(value.to_owned()))));
        }
    }

    /// The recipe's text, without everything that is not right in it.
    pub(super) fn finish(mut self, tool: &str) -> Result<Import, ImportError> {
        let mut notes = std::mem::take(&mut self.notes);
        let trees = std::mem::take(&mut self.trees);
        let mut root = Child::part(Value::Map(self.sections()));
        for _ in 0..MAX_PASSES {
            let text = body(tool, &root);
            let source = RecipeSource {
                name: Path::new("recipe"),
                text: text.as_bytes(),
            };
            let findings = crate::read(source, &Settings::default(), &AnyFile(&trees)).findings;
            if findings.is_empty() {
                return Ok(Import {
                    recipe: text + &comments(&notes),
                    notes,
                });
            }
            // Places are found before anything goes, since that changes how items are counted.
            let mut culprits = Vec::new();
            for finding in &findings {
                let places = culprits_of(&root, &finding.origin.key);
                culprits.extend(places.into_iter().map(|place| (place, finding.message.clone())));
            }
            if culprits.is_empty() {
                let message = findings.into_iter().next().map(|finding| finding.message);
                return Err(ImportError::Unwritable(message.unwrap_or_default()));
            }
            for (place, reason) in culprits {
                if let Some(subject) = drop_at(&mut root, &place) {
                    let kind = ImportNoteKind::LeftOut;
                    notes.push(ImportNote { kind, subject, reason });
                }
            }
        }
        Err(ImportError::Unwritable("too much of it is wrong".to_owned()))
    }

    fn sections(self) -> Vec<(&'static str, Child)> {
        let word = |word: Option<Word>| match word {
            Some((text, from)) => Child::of(from, Value::Text(text)),
            None => nothing(),
        };
        let part = |value| Child::part(value);
        // What is not named in it stays as it is.
        let reset = match self.reset.is_empty() {
            true => Vec::new(),
            false => [vec![("profile", part(Value::text("none")))], self.reset].concat(),
        };
        let recommends = match self.install.is_empty() {
            true => nothing(),
            // The tools that this comes from install them.
            false => Child::of("recommended packages", Value::Plain("true".to_owned())),
        };
        let packages = vec![
            ("repos", part(Value::List(self.repositories))),
            ("update", word(self.update)),
            ("recommends", recommends),
            ("install", words(self.install)),
            ("remove", words(self.remove)),
        ];
        let user = vec![
            ("enable", words(self.user_enable)),
            ("disable", words(self.user_disable)),
            ("mask", words(self.user_mask)),
        ];
        let services = vec![
            ("enable", words(self.enable)),
            ("disable", words(self.disable)),
            ("mask", words(self.mask)),
            ("unmask", words(self.unmask)),
            ("preset", words(self.preset)),
            ("default_target", word(self.default_target)),
            ("user", part(Value::Map(user))),
        ];
        vec![
            ("hostname", word(self.hostname)),
            ("timezone", word(self.timezone)),
            ("locale", word(self.locale)),
            ("keyboard", self.keyboard.unwrap_or_else(nothing)),
            ("trust", part(Value::Map(vec![("ca", part(Value::List(self.ca)))]))),
            ("packages", part(Value::Map(packages))),
            ("groups", part(Value::List(self.groups))),
            (
                "users",
                part(Value::List(self.users.into_iter().map(User::entry).collect())),
            ),
            ("files", part(Value::List(self.files))),
            ("sshd", part(Value::Map(self.sshd))),
            ("services", part(Value::Map(services))),
            ("first_boot", part(Value::List(self.first_boot))),
            ("run", part(Value::List(self.run))),
            ("reset", part(Value::Map(reset))),
            ("selinux", part(Value::Map(vec![("relabel", word(self.relabel))]))),
        ]
    }
}

fn is_path(entry: &[(&'static str, Child)], path: &str) -> bool {
    entry
        .iter()
        .any(|(key, child)| *key == "path" && matches!(&child.value, Value::Text(text) if text == path))
}

impl User {
    pub(super) fn key(&mut self, key: &str, from: &str) {
        let key = key.trim();
        if !key.is_empty() && !self.keys.iter().any(|(present, _)| present == key) {
            self.keys.push((key.to_owned(), from.to_owned()));
        }
    }

    pub(super) fn set(&mut self, key: &'static str, child: Child) {
        self.properties.retain(|(present, _)| *present != key);
        self.properties.push((key, child));
    }

    fn entry(self) -> Child {
        let name = Child::part(Value::Text(self.name));
        let keys = ("ssh_authorized_keys", words(self.keys));
        Child::of(
            self.from,
            Value::Map([vec![("name", name)], self.properties, vec![keys]].concat()),
        )
    }
}

fn nothing() -> Child {
    Child::part(Value::List(Vec::new()))
}

fn words(words: Vec<Word>) -> Child {
    let mut items: Vec<Child> = Vec::new();
    for (text, from) in words {
        let value = Value::Text(text);
        if !items.iter().any(|item| item.value == value) {
            items.push(Child::of(from, value));
        }
    }
    Child::part(Value::List(items))
}

fn body(tool: &str, root: &Child) -> String {
    let mut text = format!("# Made by `imgctl recipe from-{tool}`.\napiVersion: imgctl/v1\nkind: Recipe\n");
    if let Value::Map(sections) = &root.value {
        write_map(&mut text, sections, 0);
    }
    text
}

/// The notes, for people who read the recipe later.
fn comments(notes: &[ImportNote]) -> String {
    let mut text = String::new();
    for (kind, heading) in [
        (ImportNoteKind::LeftOut, "Not carried over"),
        (ImportNoteKind::Remark, "To know"),
    ] {
        let of_kind: Vec<&ImportNote> = notes.iter().filter(|note| note.kind == kind).collect();
        if !of_kind.is_empty() {
            text.push_str(&format!("\n# {heading}:\n"));
            for note in of_kind {
                text.push_str(&format!("# - {}\n", comment(&note.to_string())));
            }
        }
    }
    text
}

/// One line that cannot end the comment, nor do anything to a terminal.
fn comment(text: &str) -> String {
    let mut line = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == MAX_NOTE_CHARS {
            line.push('…');
            break;
        }
        match character {
            '\n' => line.push_str("\\n"),
            '\t' => line.push(' '),
            _ if character.is_control() || crate::finding::is_harmful(character) => line.push('\u{fffd}'),
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => line.push('\u{fffd}'),
            _ => line.push(character),
        }
    }
    line
}

/// The innermost part that can go on a finding's path like `users[2].shell`, as positions from the root; where there is
/// none, every part below it.
fn culprits_of(root: &Child, path: &str) -> Vec<Vec<usize>> {
    let mut at = root;
    let mut place = Vec::new();
    let mut found = None;
    for segment in path.split('.') {
        let (name, indices) = segment.split_once('[').unwrap_or((segment, ""));
        let Value::Map(entries) = &at.value else {
            break;
        };
        let is_named = |(key, child): &(&str, Child)| *key == name && child.is_written();
        let Some(position) = entries.iter().position(is_named) else {
            break;
        };
        place.push(position);
        at = &entries[position].1;
        found = at.from.as_ref().map(|_| place.clone()).or(found);
        let index = indices.split(']').next().and_then(|index| index.parse::<usize>().ok());
        if let (Some(index), Value::List(items)) = (index, &at.value) {
            let mut written = items.iter().enumerate().filter(|(_, item)| item.is_written());
            let Some((position, item)) = written.nth(index) else {
                break;
            };
            place.push(position);
            at = item;
            found = at.from.as_ref().map(|_| place.clone()).or(found);
        }
    }
    match found {
        Some(place) => vec![place],
        None if place.is_empty() => Vec::new(),
        None => {
            let mut below = Vec::new();
            parts_below(at, &mut place, &mut below);
            below
        }
    }
}

fn parts_below(child: &Child, place: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    if child.from.is_some() && child.is_written() {
        found.push(place.clone());
        return;
    }
    let inner: Vec<&Child> = match &child.value {
        Value::Map(entries) => entries.iter().map(|(_, child)| child).collect(),
        Value::List(items) => items.iter().collect(),
        _ => return,
    };
    for (position, child) in inner.into_iter().enumerate() {
        place.push(position);
        parts_below(child, place, found);
        place.pop();
    }
}

/// Leaves a part out; what it was made of, unless it was left out before.
fn drop_at(root: &mut Child, place: &[usize]) -> Option<String> {
    let mut at = root;
    for position in place {
        at = match &mut at.value {
            Value::Map(entries) => &mut entries.get_mut(*position)?.1,
            Value::List(items) => items.get_mut(*position)?,
            _ => return None,
        };
    }
    (!std::mem::replace(&mut at.is_dropped, true)).then(|| at.from.clone().unwrap_or_default())
}

/// A machine that has every file: that is found out when the recipe is checked.
#[derive(Debug)]
struct AnyFile<'d>(&'d BTreeSet<PathBuf>);

impl Host for AnyFile<'_> {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        match self.0.iter().any(|tree| path.ends_with(tree)) {
            true => Err(HostFileError::IsADirectory),
            false => Ok(()),
        }
    }

    fn read_file(&self, _path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        Err(HostFileError::NotFound)
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}
