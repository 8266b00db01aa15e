//! `users`: made, changed and removed as useradd(8), usermod(8) and userdel(8) do it.

use super::customs::{Customs, day_field, today};
use super::group;
use super::{home, ids, sudoers};
use crate::guest::{AccountFile, ColonFile, Database, Guest, NewMetadata, OsFamily};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec};
use AccountFile::{Group, Gshadow, Passwd, Shadow, Subgid, Subuid};
use imgctl_recipe::{Expiry, Plan, Principal, Sourced, User, UserState};
use imgctl_vfs::{EscapedBytes, GuestPath, MetadataChange};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "users",
    section: "users",
    help: "make, change and remove users",
    build: |plan: &Plan| {
        let users: Vec<_> = plan
            .users
            .iter()
            .filter(|user| says_something(&user.value))
            .cloned()
            .collect();
        (!users.is_empty()).then(|| Box::new(Users { users }) as Box<dyn Step>)
    },
};

/// Whether an entry is about more than keys, passwords and sudo, which have steps of their own.
fn says_something(user: &User) -> bool {
    let others = User {
        name: user.name.clone(),
        ssh_authorized_keys: user.ssh_authorized_keys.clone(),
        password: user.password.clone(),
        locked: user.locked,
        sudo: user.sudo.clone(),
        ..User::default()
    };
    *user != others
}

#[derive(Debug)]
struct Users {
    users: Vec<Sourced<User>>,
}

impl Step for Users {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for user in &self.users {
            ensure(guest, &user.value).map_err(|failure| failure.at(SPEC.name, Some(&user.origin)))?;
        }
        Ok(())
    }
}

pub(in crate::steps) fn ensure(guest: &mut Guest, user: &User) -> Outcome<()> {
    if !matches!(user.state, UserState::Absent { .. }) {
        guest.keep_account(user.name.as_bytes());
    }
    let customs = Customs::read(guest)?;
    let database = Database::read(guest)?;
    let is_there = database.get(Passwd).is_some_and(|file| file.has(user.name.as_bytes()));
    let mut edit = Edit {
        name: user.name.as_bytes(),
        user,
        customs,
        database,
    };
    match (user.state, is_there) {
        (UserState::Absent { remove_home }, true) => edit.remove(guest, remove_home),
        (UserState::Absent { .. }, false) => sudoers::remove(guest, &user.name),
        (UserState::Present, false) => edit.create(guest),
        (UserState::Existing, false) => Err(edit.unknown()),
        (_, true) => edit.modify(guest),
    }
}

/// One user's entry, and the guest's files while they are edited.
struct Edit<'e> {
    name: &'e [u8],
    user: &'e User,
    customs: Customs,
    database: Database,
}

impl Edit<'_> {
    fn unknown(&self) -> StepFailure {
        let entries = self.database.get(Passwd).into_iter().flat_map(ColonFile::entries);
        let names = entries.filter_map(|fields| fields.first().copied());
        StepFailure::unknown("user", &self.user.name, names)
    }

    fn field(&self, column: usize) -> &[u8] {
        self.database.field(Passwd, self.name, column).unwrap_or_default()
    }

    fn id(&self, column: usize) -> Outcome<u32> {
        ids::number(self.field(column)).ok_or_else(|| {
            let line = EscapedBytes(self.name);
            StepFailure::refused(format!(
                "the line of {line} in /etc/passwd has no number where one must be"
            ))
        })
    }

    fn home(&self) -> Option<GuestPath> {
        GuestPath::new(self.field(5)).ok()
    }

    // ------------------------------------------------------------------------------------------------ new users

    fn create(&mut self, guest: &mut Guest) -> Outcome<()> {
        if self.database.get(Passwd).is_none() {
            return Err(StepFailure::refused("the guest has no /etc/passwd"));
        }
        let user = self.user;
        let uid = match user.uid {
            Some(uid) => self.unused(uid)?,
            None => ids::free_uid(&self.database, &self.customs, user.is_system)?,
        };
        let gid = self.primary_group(uid)?;
        let home = match &user.home {
            Some(home) => GuestPath::new(home)?,
            None => GuestPath::new(format!("{}/{}", self.customs.home_folder(), user.name))?,
        };
        let of_root = self.database.field(Passwd, b"root", 6);
        let shell = match &user.shell {
            Some(shell) => shell.clone().into_bytes(),
            None => self.customs.shell(of_root),
        };
        let comment = user.comment.as_deref().unwrap_or_default().as_bytes();
        let numbers = [uid.to_string(), gid.to_string()];
        let [uid_field, gid_field] = numbers.each_ref().map(String::as_bytes);
        let has_shadow = self.database.get(Shadow).is_some();
        let password = self.first_password();
        let field: &[u8] = if has_shadow { b"x" } else { password };
        let fields = [self.name, field, uid_field, gid_field, comment, home.as_bytes(), &shell];
        self.database.push(Passwd, &fields);
        self.add_shadow(guest, password);
        self.add_to_groups()?;
        self.add_subordinate(uid)?;
        self.expire();
        self.database.write(guest)?;
        self.check_shell(guest, &shell)?;
        if user.create_home.unwrap_or(!user.is_system) {
            self.create_home(guest, &home, uid, gid)?;
        }
        if !user.is_system {
            self.create_mail(guest, uid, gid)?;
        }
        Ok(())
    }

    /// No password yet. Without PAM sshd takes `!` for an account that nobody may enter, by keys neither.
    fn first_password(&self) -> &'static [u8] {
        let is_locked = self.user.locked == Some(true);
        match self.customs.family == OsFamily::Alpine && !self.user.ssh_authorized_keys.is_empty() && !is_locked {
            true => b"*",
            false => b"!",
        }
    }

    fn unused(&self, uid: u32) -> Outcome<u32> {
        let entries = self.database.get(Passwd).into_iter().flat_map(ColonFile::entries);
        let mut others = entries.filter(|fields| fields.first() != Some(&self.name));
        let digits = uid.to_string();
        match others.find(|fields| fields.get(2) == Some(&digits.as_bytes())) {
            None => Ok(uid),
            Some(fields) => Err(StepFailure::refused(format!(
                "the number {uid} is that of the user {} already",
                EscapedBytes(fields.first().copied().unwrap_or_default())
            ))),
        }
    }

    /// The number of the primary group, which is made if it is the user's own.
    fn primary_group(&mut self, uid: u32) -> Outcome<u32> {
        let own = || Principal::Name(self.user.name.clone());
        let wanted = match &self.user.group {
            Some(group) => group.clone(),
            None if self.customs.has_user_groups() => own(),
            None => {
                let name = self.customs.default_group();
                let number = name.parse().ok().map(Principal::Id);
                let default = number.unwrap_or_else(|| Principal::Name(name.to_owned()));
                // A group that is not there is no default.
                match group::number_of(&self.database, &default) {
                    Ok(_) => default,
                    Err(_) => own(),
                }
            }
        };
        if wanted == own() && !self.database.get(Group).is_some_and(|file| file.has(self.name)) {
            let system = self.user.is_system;
            let gid = ids::free_gid(&self.database, &self.customs, system, Some(uid))?;
            group::add(&mut self.database, &self.customs, self.name, gid);
            return Ok(gid);
        }
        group::number_of(&self.database, &wanted)
    }

    fn add_shadow(&mut self, guest: &Guest, password: &[u8]) {
        let [min, max, warn] = self.customs.aging(self.user.is_system);
        let [inactive, expire] = self.customs.limits();
        let day = day_field(today(guest));
        let texts = [day, min, max, warn, inactive, expire];
        let mut fields = vec![self.name, password];
        fields.extend(texts.iter().map(String::as_bytes));
        fields.push(b"");
        self.database.push(Shadow, &fields);
    }

    fn add_to_groups(&mut self) -> Outcome<()> {
        for name in &self.user.groups {
            group::add_member(&mut self.database, name, self.name)?;
        }
        Ok(())
    }

    /// As useradd: only ordinary users get subordinate numbers, and only where the guest keeps them.
    fn add_subordinate(&mut self, uid: u32) -> Outcome<()> {
        let ordinary = self.customs.range("UID", false);
        if self.user.is_system || !(ordinary.low..=ordinary.high).contains(&uid) {
            return Ok(());
        }
        for (file, kind) in [(Subuid, "UID"), (Subgid, "GID")] {
            let (range, count) = self.customs.subordinate(kind);
            let Some(present) = self.database.get(file).filter(|file| count > 0 && !file.has(self.name)) else {
                continue;
            };
            let Some(first) = ids::free_subordinate(present, range, count) else {
                return Err(StepFailure::refused(format!(
                    "{} has no room for another user",
                    file.path()
                )));
            };
            let texts = [first.to_string(), count.to_string()];
            self.database
                .push(file, &[self.name, texts[0].as_bytes(), texts[1].as_bytes()]);
        }
        Ok(())
    }

    fn create_home(&self, guest: &mut Guest, home: &GuestPath, uid: u32, gid: u32) -> Outcome<()> {
        if guest.exists(home)? {
            if guest.metadata(home)?.is_some_and(|metadata| metadata.uid != uid) {
                let name = &self.user.name;
                guest.warn(format!(
                    "the home directory {home} of {name} is there already, and somebody else's"
                ));
            }
            return Ok(());
        }
        let skeleton = GuestPath::new(self.customs.skeleton())?;
        let mode = self.customs.home_mode();
        home::create(guest, home, &skeleton, NewMetadata { mode, uid, gid })
    }

    fn create_mail(&self, guest: &mut Guest, uid: u32, gid: u32) -> Outcome<()> {
        let Some(folder) = self.customs.mail_folder() else {
            return Ok(());
        };
        let folder = GuestPath::new(folder)?;
        let file = folder.join(self.name);
        if !guest.is_directory(&folder)? || guest.exists(&file)? {
            return Ok(());
        }
        let group = self.database.field(Group, b"mail", 2).and_then(ids::number);
        let (mode, gid) = group.map_or((0o600, gid), |gid| (0o660, gid));
        guest.write_file(&file, &mut b"".as_slice(), NewMetadata { mode, uid, gid })?;
        Ok(())
    }

    fn check_shell(&self, guest: &mut Guest, shell: &[u8]) -> Outcome<()> {
        if let Ok(path) = GuestPath::new(shell)
            && !guest.exists(&path)?
        {
            let name = &self.user.name;
            guest.warn(format!("the shell {path} of {name} is not in the guest"));
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------ changes

    fn modify(&mut self, guest: &mut Guest) -> Outcome<()> {
        let user = self.user;
        let (old_uid, old_gid) = (self.id(2)?, self.id(3)?);
        let uid = match user.uid {
            Some(uid) if uid != old_uid => self.unused(uid)?,
            _ => old_uid,
        };
        let gid = match &user.group {
            Some(group) => group::number_of(&self.database, group)?,
            None => old_gid,
        };
        let old_home = self.home();
        let new_home = user.home.as_ref().map(GuestPath::new).transpose()?;
        if (uid, gid) != (old_uid, old_gid) {
            self.set(2, uid.to_string().as_bytes());
            self.set(3, gid.to_string().as_bytes());
            if let Some(home) = &old_home {
                home::give(guest, home, (old_uid, uid), (old_gid, gid))?;
            }
            self.give_mail(guest, old_uid, uid)?;
        }
        if let Some(comment) = &user.comment {
            self.set(4, comment.as_bytes());
        }
        if let Some(shell) = &user.shell
            && self.field(6) != shell.as_bytes()
        {
            self.set(6, shell.as_bytes());
            self.check_shell(guest, shell.as_bytes())?;
        }
        if let (Some(new), old) = (&new_home, &old_home)
            && Some(new) != old.as_ref()
        {
            self.set(5, new.as_bytes());
            if let Some(old) = old.as_ref().filter(|_| user.move_home) {
                home::rename(guest, old, new)?;
            }
        }
        if user.expires.is_some() {
            self.ensure_shadow(guest);
            self.expire();
        }
        self.add_to_groups()?;
        self.database.write(guest)?;
        if user.create_home == Some(true)
            && let Some(home) = new_home.or(old_home)
        {
            self.create_home(guest, &home, uid, gid)?;
        }
        Ok(())
    }

    fn set(&mut self, column: usize, value: &[u8]) {
        if self.field(column) != value {
            self.database.set_field(Passwd, self.name, column, value);
        }
    }

    fn ensure_shadow(&mut self, guest: &Guest) {
        if self.database.get(Shadow).is_some_and(|file| !file.has(self.name)) {
            self.add_shadow(guest, b"!");
        }
    }

    fn expire(&mut self) {
        let day = match self.user.expires {
            None => return,
            Some(Expiry::Never) => String::new(),
            Some(Expiry::Day(day)) => day.to_string(),
        };
        if self.database.field(Shadow, self.name, 7) != Some(day.as_bytes()) {
            self.database.set_field(Shadow, self.name, 7, day.as_bytes());
        }
    }

    fn mailbox(&self) -> Outcome<GuestPath> {
        Ok(GuestPath::new(self.customs.mail_place())?.join(self.name))
    }

    fn give_mail(&self, guest: &mut Guest, old: u32, new: u32) -> Outcome<()> {
        let mail = self.mailbox()?;
        if old != new && guest.link_metadata(&mail)?.is_some_and(|metadata| metadata.uid == old) {
            let change = MetadataChange {
                uid: Some(new),
                ..MetadataChange::default()
            };
            guest.set_link_metadata(&mail, change)?;
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------ removal

    fn remove(&mut self, guest: &mut Guest, remove_home: bool) -> Outcome<()> {
        let home = self.home();
        let (uid, gid) = (self.id(2)?, self.field(3).to_vec());
        if uid == 0 {
            return Err(StepFailure::refused(format!("{} is the superuser", self.user.name)));
        }
        for file in [Passwd, Shadow, Subuid, Subgid] {
            self.database.remove(file, self.name);
        }
        for file in [Group, Gshadow] {
            if let Some(file) = self.database.get_mut(file) {
                file.remove_word(3, self.name);
            }
        }
        if let Some(file) = self.database.get_mut(Gshadow) {
            file.remove_word(2, self.name);
        }
        self.remove_own_group(&gid);
        self.database.write(guest)?;
        sudoers::remove(guest, &self.user.name)?;
        if remove_home {
            let passwd = self.database.get(Passwd).into_iter().flat_map(ColonFile::entries);
            let homes = passwd.filter_map(|fields| GuestPath::new(fields.get(5)?).ok());
            let others: Vec<GuestPath> = homes.collect();
            if let Some(home) = home {
                home::remove(guest, &home, uid, &others)?;
            }
            let mail = self.mailbox()?;
            if guest.link_metadata(&mail)?.is_some_and(|metadata| metadata.uid == uid) {
                guest.remove(&mail)?;
            }
        }
        Ok(())
    }

    /// The group of the user's own name goes with it, if nobody else is in it.
    fn remove_own_group(&mut self, gid: &[u8]) {
        let Some(fields) = self.database.get(Group).and_then(|file| file.entry(self.name)) else {
            return;
        };
        let is_own = fields.get(2).is_some_and(|number| *number == gid);
        let has_members = fields.get(3).is_some_and(|members| !members.is_empty());
        let mut passwd = self.database.get(Passwd).into_iter().flat_map(ColonFile::entries);
        let is_shared = passwd.any(|fields| fields.get(3).is_some_and(|other| *other == gid));
        drop(passwd);
        if is_own && !has_members && !is_shared && self.customs.has_user_groups() {
            self.database.remove(Group, self.name);
            self.database.remove(Gshadow, self.name);
        }
    }
}

/// Names for messages.
pub(super) fn known_users(database: &Database) -> Vec<Vec<u8>> {
    let entries = database.get(Passwd).into_iter().flat_map(ColonFile::entries);
    entries
        .filter_map(|fields| fields.first().map(|name| name.to_vec()))
        .collect()
}
