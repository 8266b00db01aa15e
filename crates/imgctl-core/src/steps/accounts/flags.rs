//! Options of the command line about users, groups and how they get in.

use super::crypt::{self, Method};
use super::password::{self, Wanted};
use super::sudoers::{self, Others};
use crate::guest::Guest;
use crate::steps::flags::{
    FlagArgument, FlagDeed, FlagError, FlagGroup, FlagSettings, FlagSpec, Form, Peer, named_entry,
};
use crate::steps::{Outcome, Step, ssh_authorized_keys};
use imgctl_recipe::{Password, User, ssh_key_problem, sudo_rule_problem};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GROUP: FlagGroup = FlagGroup::Accounts;

pub(in crate::steps) const FLAGS: &[FlagSpec] = &[
    FlagSpec {
        name: "root-password",
        value: "SELECTOR",
        group: GROUP,
        help: "Set root's password: password:TEXT, file:FILE, hash:HASH, random, disabled, locked[:SELECTOR]",
        example: "random",
        recipe: "users[].password",
        peer: Peer::Better(
            "hash:HASH takes a ready hash; the hash is the guest's own kind; the day of the change is set",
        ),
        deed: FlagDeed::Step(|argument| set_password(argument, "root", argument.text)),
    },
    FlagSpec {
        name: "password",
        value: "USER:SELECTOR",
        group: GROUP,
        help: "Set a user's password, with the selectors of --root-password",
        example: "debian:disabled",
        recipe: "users[].password",
        peer: Peer::Better("an unknown user is an error; hash:HASH takes a ready hash; the day of the change is set"),
        deed: FlagDeed::Step(|argument| match argument.text.split_once(':') {
            Some((user, selector)) => set_password(argument, user, selector),
            // What was given is not repeated: it may be the password.
            None => Err(FlagError::with_hint(
                "there is no colon between the user and the selector",
                "write --password USER:SELECTOR, like --password debian:file:password.txt",
            )),
        }),
    },
    FlagSpec {
        name: "password-crypto",
        value: "METHOD",
        group: GROUP,
        help: "How passwords of options are hashed: yescrypt, sha512 or sha256",
        example: "sha512",
        recipe: "",
        peer: Peer::Better(
            "md5 is refused; without it passwords are hashed as the guest's PAM says, not as its name and version suggest",
        ),
        deed: FlagDeed::Setting(set_method),
    },
    FlagSpec {
        name: "ssh-inject",
        value: "USER[:SELECTOR]",
        group: GROUP,
        help: "Let a public key log in: file:FILE, string:KEY, or else the newest ~/.ssh/id*.pub",
        example: "root:string:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me",
        recipe: "users[].ssh_authorized_keys",
        peer: Peer::Better(
            "a key that is there is not added again; a last line without an end gets one; comments may hold colons",
        ),
        deed: FlagDeed::Step(inject_key),
    },
    FlagSpec {
        name: "user",
        value: "NAME[:KEY=VALUE,...]",
        group: GROUP,
        help: "Make a user, with keys of users[] like uid, group, home, shell, system, or groups=a+b",
        example: "ops:uid=1500,groups=users+adm,shell=/bin/bash",
        recipe: "users[]",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(user),
    },
    FlagSpec {
        name: "delete-user",
        value: "NAME[:home]",
        group: GROUP,
        help: "Remove a user; with :home its home directory and mail, too",
        example: "games",
        recipe: "users[].state",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|text| {
            let (name, remove_home) = match text.split_once(':') {
                None => (text, false),
                Some((name, "home")) => (name, true),
                Some((_, other)) => {
                    return Err(FlagError::new(format!("after the name comes `:home`, not `:{other}`")));
                }
            };
            let mut entry = json!({ "name": name, "state": "absent" });
            if remove_home {
                entry["remove_home"] = true.into();
            }
            Ok(json!({ "users": [entry] }))
        }),
    },
    FlagSpec {
        name: "group",
        value: "NAME[:KEY=VALUE,...]",
        group: GROUP,
        help: "Make a group, with keys of groups[]: gid, system, or members=a+b",
        example: "ops:gid=2000",
        recipe: "groups[]",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|text| Ok(json!({ "groups": [named_entry(text, GROUP_KEYS)?] }))),
    },
    FlagSpec {
        name: "delete-group",
        value: "NAME",
        group: GROUP,
        help: "Remove a group",
        example: "games",
        recipe: "groups[].state",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|name| Ok(json!({ "groups": [{ "name": name, "state": "absent" }] }))),
    },
    FlagSpec {
        name: "sudo",
        value: "USER:RULE",
        group: GROUP,
        help: "Let a user act as others by a rule of sudoers without the user's name",
        example: "debian:ALL=(ALL) NOPASSWD: ALL",
        recipe: "users[].sudo",
        peer: Peer::Ours,
        deed: FlagDeed::Step(allow),
    },
    FlagSpec {
        name: "sshd",
        value: "KEYWORD=VALUE",
        group: GROUP,
        help: "Set a keyword of sshd_config",
        example: "PasswordAuthentication=no",
        recipe: "sshd.settings",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|text| {
            let pair = text.split_once(['=', ' ']);
            let (keyword, value) = pair.ok_or_else(|| FlagError::new(format!("there is no `=` in `{text}`")))?;
            Ok(json!({ "sshd": { "settings": { keyword.trim(): value.trim() } } }))
        }),
    },
];

// ---------------------------------------------------------------------------------------------------- passwords

/// What an option says about a password. Nothing of it is shown by `Debug`, for `Password` does not.
#[derive(Debug)]
struct NewPassword {
    user: String,
    given: Given,
    is_locked: bool,
    method: Option<Method>,
}

#[derive(Debug)]
enum Given {
    Password(Password),
    Random,
}

fn set_password(argument: &FlagArgument<'_>, user: &str, selector: &str) -> Result<Arc<dyn Step>, FlagError> {
    let (is_locked, selector) = match selector.split_once(':') {
        Some(("locked" | "lock", rest)) => (true, rest),
        _ => (matches!(selector, "locked" | "lock"), selector),
    };
    let given = match selector.split_once(':').unwrap_or((selector, "")) {
        ("locked" | "lock" | "disabled" | "disable", "") => Given::Password(Password::Disabled),
        ("random", "") => Given::Random,
        ("password", text) => Given::Password(Password::Text(one_line(text)?)),
        ("hash", hash) => Given::Password(Password::Hash(hash_of(hash)?)),
        ("file", path) => {
            const LIMIT_BYTES: usize = 64 << 10;
            let text = argument.host_text(path, LIMIT_BYTES)?;
            let first = text.lines().next().unwrap_or_default();
            Given::Password(Password::Text(one_line(first)?))
        }
        // What was given is not repeated: it may be the password.
        _ => {
            return Err(FlagError::with_hint(
                "the selector is unknown",
                "it is password:TEXT, file:FILE, hash:HASH, random, disabled, locked, or locked: and another",
            ));
        }
    };
    let value = NewPassword {
        user: user.to_owned(),
        given,
        is_locked,
        method: argument.settings.password_method,
    };
    Ok(argument.step(value, apply_password))
}

fn one_line(text: &str) -> Result<String, FlagError> {
    match text.is_empty() || text.contains(char::is_control) {
        true => Err(FlagError::new("a password is one line, not empty")),
        false => Ok(text.to_owned()),
    }
}

fn hash_of(text: &str) -> Result<String, FlagError> {
    let is_hash = text.starts_with('$') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    match is_hash {
        true => Ok(text.to_owned()),
        false => Err(FlagError::new(
            "this is no hash of a password: one begins with `$6$` or `$y$`",
        )),
    }
}

fn apply_password(new: &NewPassword, guest: &mut Guest) -> Outcome<()> {
    let (password, random) = match &new.given {
        Given::Password(password) => (password.clone(), None),
        Given::Random => {
            let text = random_password()?;
            (Password::Text(text.clone()), Some(text))
        }
    };
    let wanted = Wanted {
        password: Some(&password),
        locked: Some(new.is_locked),
        method: new.method,
    };
    password::set(guest, &new.user, &wanted)?;
    if let Some(text) = random {
        guest.announce(format!("the random password of {} is {text}", new.user));
    }
    Ok(())
}

/// 16 letters and digits that are not mistaken for each other: 92 bits.
fn random_password() -> Outcome<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut password = String::new();
    while password.len() < 16 {
        for byte in crypt::random::<32>()? {
            // Of equal chance: what is beyond the last whole alphabet is thrown away.
            let limit = 256 - 256 % ALPHABET.len();
            if usize::from(byte) < limit && password.len() < 16 {
                password.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    Ok(password)
}

fn set_method(text: &str, settings: &mut FlagSettings) -> Result<(), FlagError> {
    match Method::named(text) {
        Some(method) => {
            settings.password_method = Some(method);
            Ok(())
        }
        None => Err(FlagError::with_hint(
            format!("passwords are not hashed by `{text}`"),
            "it is yescrypt, sha512 or sha256; without this option the guest's own method is used",
        )),
    }
}

// ---------------------------------------------------------------------------------------------------- keys, sudo

fn inject_key(argument: &FlagArgument<'_>) -> Result<Arc<dyn Step>, FlagError> {
    const LIMIT_BYTES: usize = 64 << 10;
    let mut parts = argument.text.splitn(3, ':');
    let user = parts.next().unwrap_or_default();
    let text = match (parts.next(), parts.next()) {
        (None, _) => {
            let path = newest_key(argument)?;
            argument.host_text(&path.to_string_lossy(), LIMIT_BYTES)?
        }
        (Some("file"), Some(path)) => argument.host_text(path, LIMIT_BYTES)?,
        (Some("string"), Some(key)) => key.to_owned(),
        _ => {
            let message = "after the user comes nothing, `:file:FILE` or `:string:KEY`";
            return Err(FlagError::with_hint(message, "like --ssh-inject 'root:file:id.pub'"));
        }
    };
    let lines = text.lines().map(str::trim);
    let keys: Vec<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    if keys.is_empty() || user.is_empty() {
        return Err(FlagError::new("there is no user or no key in it"));
    }
    for key in &keys {
        if let Some(problem) = ssh_key_problem(key) {
            return Err(FlagError::new(problem));
        }
    }
    let user = User {
        name: user.to_owned(),
        ssh_authorized_keys: keys,
        ..User::default()
    };
    Ok(argument.step(user, |user, guest| ssh_authorized_keys::authorize(guest, user)))
}

/// The caller's public key that changed last.
fn newest_key(argument: &FlagArgument<'_>) -> Result<PathBuf, FlagError> {
    let home = argument
        .host
        .home()
        .ok_or_else(|| FlagError::new("your home directory is not known"))?;
    let folder = home.join(".ssh");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let is_key = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("id") && name.ends_with(".pub") && !name.ends_with("-cert.pub")
    };
    let keys = entries.map(|entry| entry.path()).filter(|path| is_key(path));
    let dated = keys.filter_map(|path| {
        let modified = std::fs::metadata(&path).ok()?.modified().ok()?;
        Some((modified, path))
    });
    let newest = dated.max().map(|(_, path)| path);
    newest.ok_or_else(|| {
        FlagError::with_hint(
            format!("there is no public key like {}/id*.pub", folder.display()),
            "name one: --ssh-inject USER:file:FILE",
        )
    })
}

fn allow(argument: &FlagArgument<'_>) -> Result<Arc<dyn Step>, FlagError> {
    let (user, rule) = argument.split()?;
    if user.is_empty() {
        return Err(FlagError::new("there is no user before the colon"));
    }
    let rule = rule.trim();
    if let Some(problem) = sudo_rule_problem(rule) {
        return Err(FlagError::new(problem));
    }
    let value = (user.to_owned(), vec![rule.to_owned()]);
    Ok(argument.step(value, |(user, rules), guest| {
        sudoers::allow(guest, user, rules, Others::Kept)
    }))
}

// ---------------------------------------------------------------------------------------------------- short forms

const USER_KEYS: &[(&str, Form)] = &[
    ("uid", Form::Number),
    ("group", Form::Text),
    ("groups", Form::List),
    ("home", Form::Text),
    ("create_home", Form::Boolean),
    ("move_home", Form::Boolean),
    ("shell", Form::Text),
    ("comment", Form::Text),
    ("system", Form::Boolean),
    ("expires", Form::Text),
    ("locked", Form::Boolean),
    ("disabled", Form::Boolean),
];

const GROUP_KEYS: &[(&str, Form)] = &[
    ("gid", Form::Number),
    ("system", Form::Boolean),
    ("members", Form::List),
];

fn user(text: &str) -> Result<Value, FlagError> {
    let mut entry = named_entry(text, USER_KEYS)?;
    entry.insert("state".to_owned(), "present".into());
    Ok(json!({ "users": [entry] }))
}
