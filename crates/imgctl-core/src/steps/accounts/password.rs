//! `users[].password`, `password_hash`, `disabled` and `locked`: what stands for a user's password.

use super::crypt::{self, Method};
use super::customs::{Customs, day_field, today};
use super::user::known_users;
use crate::guest::{AccountFile, Database, Guest};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec};
use AccountFile::{Passwd, Shadow};
use imgctl_recipe::{Password, Plan, Sourced, User, UserState};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "passwords",
    section: "users",
    help: "set, lock and unlock passwords",
    build: |plan: &Plan| {
        let asks = |user: &&Sourced<User>| {
            let is_there = !matches!(user.value.state, UserState::Absent { .. });
            is_there && (user.value.password.is_some() || user.value.locked.is_some())
        };
        let users: Vec<_> = plan.users.iter().filter(asks).cloned().collect();
        (!users.is_empty()).then(|| Box::new(Passwords { users }) as Box<dyn Step>)
    },
};

#[derive(Debug)]
struct Passwords {
    users: Vec<Sourced<User>>,
}

impl Step for Passwords {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for Sourced { value: user, origin } in &self.users {
            let wanted = Wanted {
                password: user.password.as_ref(),
                locked: user.locked,
                method: None,
            };
            set(guest, &user.name, &wanted).map_err(|failure| failure.at(SPEC.name, Some(origin)))?;
        }
        Ok(())
    }
}

/// What becomes of a user's password.
#[derive(Debug)]
pub(super) struct Wanted<'w> {
    /// The password; `None`: the one that is there.
    pub(super) password: Option<&'w Password>,
    /// Whether it is locked; `None`: a new one is not, an old one stays as it is.
    pub(super) locked: Option<bool>,
    /// How it is hashed; `None`: as the guest does it.
    pub(super) method: Option<Method>,
}

/// Makes a user's password what is wanted. A hash that stands for the password already is kept.
pub(super) fn set(guest: &mut Guest, name: &str, wanted: &Wanted<'_>) -> Outcome<()> {
    let customs = Customs::read(guest)?;
    let mut database = Database::read(guest)?;
    let line = name.as_bytes();
    if !database.get(Passwd).is_some_and(|file| file.has(line)) {
        let known = known_users(&database);
        return Err(StepFailure::unknown("user", name, known.iter().map(Vec::as_slice)));
    }
    // Without the file the hash stands in passwd, as it did before there was one.
    let file = match database.get(Shadow).is_some() {
        true => Shadow,
        false => Passwd,
    };
    let present = database.field(file, line, 1).unwrap_or(b"!").to_vec();
    let present = String::from_utf8_lossy(&present).into_owned();
    let old = present.trim_start_matches('!');
    let new = match wanted.password {
        None => old.to_owned(),
        Some(Password::Disabled) => "*".to_owned(),
        Some(Password::Hash(hash)) => hash.clone(),
        Some(Password::Text(text)) if crypt::verifies(old, text) => old.to_owned(),
        Some(Password::Text(text)) => {
            let method = match wanted.method {
                Some(method) => method,
                None => crypt::method_of(guest, &customs)?,
            };
            guest.warn(format!(
                "the output cannot be reproduced: the password of {name} is hashed with random salt (a ready `password_hash` is not)"
            ));
            crypt::hash(method, text)?
        }
    };
    let field = match wanted.locked {
        Some(true) if new == old && present.starts_with('!') => present.clone(),
        Some(true) => format!("!{new}"),
        Some(false) if new.is_empty() && !present.is_empty() => {
            guest.warn(format!("{name} has no password to unlock, and stays locked"));
            present.clone()
        }
        Some(false) => new.clone(),
        None if wanted.password.is_none() => present.clone(),
        None => new.clone(),
    };
    if field == present && database.field(file, line, 1).is_some() {
        return Ok(());
    }
    if file == Shadow && !database.get(Shadow).is_some_and(|file| file.has(line)) {
        add_line(&mut database, guest, &customs, line);
    }
    database.set_field(file, line, 1, field.as_bytes());
    if file == Shadow {
        if new != old {
            database.set_field(Shadow, line, 2, day_field(today(guest)).as_bytes());
        }
        if database.field(Passwd, line, 1) != Some(b"x") {
            database.set_field(Passwd, line, 1, b"x");
        }
    }
    database.write(guest)?;
    if file == Passwd {
        guest.hide(&file.path())?;
    }
    Ok(())
}

/// The line of a user that has none.
fn add_line(database: &mut Database, guest: &Guest, customs: &Customs, name: &[u8]) {
    let [min, max, warn] = customs.aging(false);
    let texts = [day_field(today(guest)), min, max, warn];
    let mut fields = vec![name, b"!"];
    fields.extend(texts.iter().map(String::as_bytes));
    fields.extend([&b""[..], b"", b""]);
    database.push(Shadow, &fields);
}
