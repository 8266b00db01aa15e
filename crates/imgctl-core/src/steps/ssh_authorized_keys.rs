//! `users`: public keys that may log in.

use super::{Outcome, Step, StepError, StepFailure, StepSpec};
use crate::guest::{Account, Accounts, Guest, MAX_TEXT_BYTES, NewMetadata};
use imgctl_recipe::{Plan, Sourced, User};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath, MetadataChange};

pub(super) const SPEC: StepSpec = StepSpec {
    name: "ssh-authorized-keys",
    section: "users",
    help: "authorize public keys of users",
    build: |plan: &Plan| {
        let users = plan
            .users
            .iter()
            .filter(|user| !user.value.ssh_authorized_keys.is_empty());
        let users: Vec<_> = users.cloned().collect();
        (!users.is_empty()).then(|| Box::new(SshAuthorizedKeys { users }) as Box<dyn Step>)
    },
};

#[derive(Debug)]
struct SshAuthorizedKeys {
    users: Vec<Sourced<User>>,
}

impl Step for SshAuthorizedKeys {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for user in &self.users {
            authorize(guest, &user.value).map_err(|failure| failure.at(SPEC.name, Some(&user.origin)))?;
        }
        Ok(())
    }
}

/// Lets a user's keys log in.
pub(super) fn authorize(guest: &mut Guest, user: &User) -> Outcome<()> {
    let accounts = Accounts::read(guest)?;
    let Some(account) = accounts.user(&user.name) else {
        let known = accounts.users.iter().map(|user| user.name.as_slice());
        return Err(StepFailure::unknown("user", &user.name, known));
    };
    guest.keep_account(&account.name);
    let home = home_of(guest, account)?;
    let directory = home.join(b".ssh");
    let file = directory.join(b"authorized_keys");
    let old = guest.read(&file, MAX_TEXT_BYTES)?.unwrap_or_default();
    let new = with_keys(guest, &old, user, &file);
    let (uid, gid) = (account.uid, account.gid);
    guest.create_directory_all(&directory, NewMetadata { mode: 0o700, uid, gid })?;
    if new != old {
        guest.write_file(&file, &mut new.as_slice(), NewMetadata { mode: 0o600, uid, gid })?;
    }
    keep(guest, user, &file, &new)?;
    make_private(guest, &directory, FileKind::Directory, 0o700, account)?;
    make_private(guest, &file, FileKind::File, 0o600, account)
}

/// Has a reset of the same run leave the lines that hold the user's keys.
fn keep(guest: &mut Guest, user: &User, file: &GuestPath, text: &[u8]) -> Outcome<()> {
    let wanted: Vec<_> = user
        .ssh_authorized_keys
        .iter()
        .map(|key| KeyLine::parse(key.as_bytes()))
        .collect();
    let is_wanted = |line: &&[u8]| {
        let key = KeyLine::parse(line).map(|line| line.key);
        key.is_some_and(|key| wanted.iter().flatten().any(|wanted| wanted.key == key))
    };
    let lines = text.split(|byte| *byte == b'\n').filter(is_wanted);
    Ok(guest.keep_lines(file, lines)?)
}

fn home_of(guest: &Guest, account: &Account) -> Outcome<GuestPath> {
    let name = EscapedBytes(&account.name);
    let Some(home) = &account.home else {
        return Err(StepFailure::refused(format!(
            "the user {name} has no home directory in /etc/passwd"
        )));
    };
    if !guest.is_directory(home)? {
        let message = format!("the home directory {home} of {name} does not exist");
        return Err(StepFailure::refused_with(
            message,
            "use a user whose home the image has",
        ));
    }
    Ok(home.clone())
}

/// Gives what is at `path` to the user, unless it is a link: what that leads to may be anyone's.
fn make_private(guest: &mut Guest, path: &GuestPath, kind: FileKind, mode: u16, account: &Account) -> Outcome<()> {
    if guest.link_metadata(path)?.is_some_and(|metadata| metadata.kind == kind) {
        let change = MetadataChange {
            mode: Some(mode),
            uid: Some(account.uid),
            gid: Some(account.gid),
            ..MetadataChange::default()
        };
        guest.set_metadata(path, change)?;
    }
    Ok(())
}

/// The file's text with those of the user's keys that it lacks at its end.
fn with_keys(guest: &mut Guest, old: &[u8], user: &User, file: &GuestPath) -> Vec<u8> {
    let mut text = old.to_vec();
    for wanted in &user.ssh_authorized_keys {
        let wanted = wanted.trim();
        let wanted_key = KeyLine::parse(wanted.as_bytes());
        let same = text.split(|byte| *byte == b'\n').filter(|line| {
            let line = line.trim_ascii();
            match (&wanted_key, KeyLine::parse(line)) {
                (Some(wanted), Some(present)) => wanted.key == present.key,
                _ => line == wanted.as_bytes(),
            }
        });
        let same: Vec<Vec<u8>> = same
            .map(|line| KeyLine::parse(line).map_or(Vec::new(), |key| key.options))
            .collect();
        let options = wanted_key.map_or(Vec::new(), |key| key.options);
        if same.contains(&options) {
            continue;
        }
        if let Some(first) = same.first() {
            guest.warn(format!(
                "{file} has a key of {} already with the options {}, and sshd takes the first line of a key",
                user.name,
                EscapedBytes(if first.is_empty() { b"(none)" } else { first }),
            ));
        }
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(wanted.as_bytes());
        text.push(b'\n');
    }
    text
}

/// A line of authorized_keys: options, then type and key, then a comment.
struct KeyLine {
    options: Vec<u8>,
    key: [Vec<u8>; 2],
}

impl KeyLine {
    fn parse(line: &[u8]) -> Option<Self> {
        if line.trim_ascii().starts_with(b"#") {
            return None;
        }
        let words = words(line);
        let is_type = |word: &&[u8]| {
            let kinds: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];
            kinds.iter().any(|kind| word.starts_with(kind))
        };
        let index = words.iter().take(2).position(is_type)?;
        Some(Self {
            options: words[..index].concat(),
            key: [words[index].to_vec(), words.get(index + 1)?.to_vec()],
        })
    }
}

/// The words of a line; blanks in double quotes do not part them.
fn words(line: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let mut start = None;
    let mut is_quoted = false;
    let mut previous = 0;
    for (index, byte) in line.iter().enumerate() {
        let is_blank = byte.is_ascii_whitespace() && !is_quoted;
        if *byte == b'"' && previous != b'\\' {
            is_quoted = !is_quoted;
        }
        match (start, is_blank) {
            (None, false) => start = Some(index),
            (Some(begin), true) => {
                words.push(&line[begin..index]);
                start = None;
            }
            _ => {}
        }
        previous = *byte;
    }
    words.extend(start.map(|begin| &line[begin..]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, mode, text};

    const PASSWD: &str = "/etc/passwd|root:x:0:0::/root:/bin/sh\nweb:x:33:34::/home/web:/bin/sh\nnone:x:9:9:::/x\n";
    const KEY: &str = "ssh-ed25519 AAAA1 me@here";

    fn user(name: &str, keys: &[&str]) -> User {
        User {
            name: name.to_owned(),
            ssh_authorized_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            ..User::default()
        }
    }

    #[test]
    fn a_fresh_file_belongs_to_the_user() {
        let mut guest = guest(&[PASSWD, "/home/web/ 0750 33 34"]);
        let web = user("web", &[KEY, "ssh-ed25519 AAAA1 another comment"]);
        let changes = edited(&mut guest, |guest| authorize(guest, &web).unwrap());
        assert_eq!(
            changes,
            ["~/home/web", "+/home/web/.ssh", "+/home/web/.ssh/authorized_keys"]
        );
        assert_eq!(text(&guest, "/home/web/.ssh/authorized_keys"), format!("{KEY}\n"));
        assert_eq!(mode(&guest, "/home/web/.ssh"), "0700 33:34");
        assert_eq!(mode(&guest, "/home/web/.ssh/authorized_keys"), "0600 33:34");
    }

    #[test]
    fn other_keys_stay_and_the_last_line_is_ended() {
        let mut guest = guest(&[
            PASSWD,
            "/root/.ssh/ 0755",
            "/root/.ssh/authorized_keys 0644|# mine\nfrom=\"a b\" ssh-rsa OLD x\nssh-ed25519 AAAA1 other comment",
        ]);
        authorize(&mut guest, &user("root", &[KEY, "ssh-rsa NEW y"])).unwrap();
        assert_eq!(
            text(&guest, "/root/.ssh/authorized_keys"),
            "# mine\nfrom=\"a b\" ssh-rsa OLD x\nssh-ed25519 AAAA1 other comment\nssh-rsa NEW y\n"
        );
        assert_eq!(mode(&guest, "/root/.ssh/authorized_keys"), "0600 0:0");
        assert!(guest.warnings().is_empty());
        authorize(&mut guest, &user("root", &["ssh-rsa OLD x"])).unwrap();
        assert!(
            guest.warnings()[0].message.contains("from=\"a b\""),
            "{:?}",
            guest.warnings()
        );
    }

    #[test]
    fn nothing_is_touched_when_all_is_so() {
        let keys = format!("/root/.ssh/authorized_keys 0600|{KEY}");
        let mut guest = guest(&[PASSWD, "/root/.ssh/ 0700", &keys]);
        authorize(&mut guest, &user("root", &[KEY])).unwrap();
        assert!(guest.log().is_empty());
    }

    #[test]
    fn links_stay_in_the_guest_and_strangers_keep_what_they_lead_to() {
        let mut guest = guest(&[
            PASSWD,
            "/home/web -> /../../srv/web",
            "/srv/web/",
            "/srv/web/.ssh -> /etc",
            "/etc/",
        ]);
        authorize(&mut guest, &user("web", &[KEY])).unwrap();
        assert_eq!(text(&guest, "/etc/authorized_keys"), format!("{KEY}\n"));
        assert_eq!(mode(&guest, "/etc"), "0755 0:0");
    }

    #[test]
    fn missing_users_and_homes_are_errors() {
        let mut guest = guest(&[PASSWD]);
        let mut failure = |name| authorize(&mut guest, &user(name, &[KEY])).unwrap_err().to_string();
        assert_eq!(failure("wep"), "the guest has no user named wep");
        assert_eq!(failure("zzzzzzzz"), "the guest has no user named zzzzzzzz");
        assert_eq!(failure("none"), "the user none has no home directory in /etc/passwd");
        assert!(failure("web").ends_with("the home directory /home/web of web does not exist"));
        assert!(guest.log().is_empty());
    }
}
