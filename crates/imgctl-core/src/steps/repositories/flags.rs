//! Repositories as options: a line of sources.list, an address with settings.

use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use serde_json::{Map, Value, json};

pub(in crate::steps) const FLAGS: &[FlagSpec] = &[
    FlagSpec {
        name: "apt-repo",
        value: "ID:LINE",
        group: FlagGroup::Trust,
        help: "Add an archive of apt, by a line as sources.list has it; signed-by may name a local file",
        example: "backports:deb [signed-by=debian-archive-keyring] http://mirror.example/debian trixie-backports main",
        recipe: "packages.repos",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(apt),
    },
    FlagSpec {
        name: "dnf-repo",
        value: "ID:URL [KEY=VALUE]",
        group: FlagGroup::Trust,
        help: "Add a repository of dnf, zypper, apk or pacman; gpgkey, gpgcheck, enabled and priority may follow",
        example: "k8s:https://mirror.example/k8s gpgkey=https://mirror.example/k8s/key priority=10",
        recipe: "packages.repos",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(base),
    },
];

fn split(text: &str) -> Result<(&str, &str), FlagError> {
    let colon = text.split_once(':');
    colon.filter(|(id, _)| !id.contains(['/', ' '])).ok_or_else(|| {
        FlagError::with_hint(
            format!("there is no name before the first colon of `{text}`"),
            "write a name of your choice, a colon, and the repository",
        )
    })
}

fn entry(id: &str, entry: Map<String, Value>) -> Value {
    let mut entry = entry;
    entry.insert("id".to_owned(), id.into());
    json!({ "packages": { "repos": [entry] } })
}

fn apt(text: &str) -> Result<Value, FlagError> {
    let (id, line) = split(text)?;
    let refuse = |why: &str| {
        FlagError::with_hint(
            format!("`{line}` is no line of sources.list: {why}"),
            "it looks like `deb [signed-by=FILE] http://mirror.example/debian trixie main`",
        )
    };
    let line = line.trim();
    let (kind, rest) = line
        .split_once(char::is_whitespace)
        .ok_or_else(|| refuse("it ends too soon"))?;
    let rest = rest.trim_start();
    let (options, place) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(|| refuse("there is no `]`"))?,
        None => ("", rest),
    };
    let mut found = Map::new();
    for option in options.split_whitespace() {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, value) {
            ("signed-by", _) => drop(found.insert("signed_by".to_owned(), value.into())),
            ("arch", _) => {
                let list: Vec<&str> = value.split(',').collect();
                found.insert("architectures".to_owned(), json!(list));
            }
            ("trusted", "yes") => drop(found.insert("gpgcheck".to_owned(), false.into())),
            _ => return Err(refuse(&format!("the option `{option}` is not known"))),
        }
    }
    let words: Vec<&str> = place.split_whitespace().collect();
    let [uri, suite, components @ ..] = words.as_slice() else {
        return Err(refuse("there is no suite"));
    };
    found.insert("types".to_owned(), json!([kind]));
    found.insert("uri".to_owned(), (*uri).into());
    found.insert("suite".to_owned(), (*suite).into());
    if !components.is_empty() {
        found.insert("components".to_owned(), json!(components));
    }
    Ok(entry(id, found))
}

fn base(text: &str) -> Result<Value, FlagError> {
    let (id, rest) = split(text)?;
    let mut words = rest.split_whitespace();
    let mut found = Map::new();
    found.insert("baseurl".to_owned(), words.next().unwrap_or_default().into());
    for word in words {
        let refuse = || {
            FlagError::with_hint(
                format!("`{word}` is no setting of a repository"),
                "after the address there can be gpgkey=, gpgcheck=, enabled= and priority=",
            )
        };
        let (name, value) = word.split_once('=').ok_or_else(refuse)?;
        let value = match (name, value) {
            ("gpgkey", _) => value.into(),
            ("gpgcheck" | "enabled", "0" | "no" | "false") => false.into(),
            ("gpgcheck" | "enabled", "1" | "yes" | "true") => true.into(),
            ("priority", _) => value.parse::<u64>().map_err(|_| refuse())?.into(),
            _ => return Err(refuse()),
        };
        found.insert(name.to_owned(), value);
    }
    Ok(entry(id, found))
}
