//! The guest's users and groups: passwd(5) and group(5).

mod colon_file;
mod database;

pub use colon_file::ColonFile;
pub use database::{AccountFile, Database};

use super::{Guest, MAX_TEXT_BYTES, Result};
use imgctl_vfs::GuestPath;

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The user's name.
    pub name: Vec<u8>,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
    /// The home directory, if it is an absolute path.
    pub home: Option<GuestPath>,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// The group's name.
    pub name: Vec<u8>,
    /// The group's number.
    pub gid: u32,
}

/// Every user and group of the guest. As with getpwnam(3), the first line with a name counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accounts {
    /// The users, in the order of the file.
    pub users: Vec<Account>,
    /// The groups, in the order of the file.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Reads both files; a missing one has no lines, and a line that makes no sense is passed over, as the C library does.
    pub fn read(guest: &Guest) -> Result<Self> {
        let passwd = guest.read(&path(b"/etc/passwd"), MAX_TEXT_BYTES)?;
        let group = guest.read(&path(b"/etc/group"), MAX_TEXT_BYTES)?;
        Ok(Self::parse(&passwd.unwrap_or_default(), &group.unwrap_or_default()))
    }

    /// Reads the texts of `/etc/passwd` and `/etc/group`.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        let user = |fields: Vec<&[u8]>| {
            Some(Account {
                name: fields.first()?.to_vec(),
                uid: number(fields.get(2)?)?,
                gid: number(fields.get(3)?)?,
                home: fields.get(5).and_then(|home| GuestPath::new(*home).ok()),
            })
        };
        let group_of = |fields: Vec<&[u8]>| {
            Some(Group {
                name: fields.first()?.to_vec(),
                gid: number(fields.get(2)?)?,
            })
        };
        Self {
            users: ColonFile::parse(passwd).entries().filter_map(user).collect(),
            groups: ColonFile::parse(group).entries().filter_map(group_of).collect(),
        }
    }

    /// The user of this name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Account> {
        self.users.iter().find(|user| user.name == name.as_bytes())
    }

    /// The group of this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name.as_bytes())
    }
}

fn path(path: &[u8]) -> GuestPath {
    GuestPath::new(path).unwrap_or_else(|_| GuestPath::root())
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_lines_are_passed_over() {
        let accounts = Accounts::parse(
            b"root:x:0:0:root:/root:/bin/sh\nno:x:fields\n#c:x:1:1::/:\nweb:x:33:34::relative:/x\nroot:x:9:9::/evil:\n\n",
            b"root:x:0:\nadm:x:4:a,b\n::\n",
        );
        assert_eq!(accounts.users.len(), 3);
        assert_eq!(accounts.user("root").unwrap().uid, 0);
        assert_eq!(accounts.user("root").unwrap().home, GuestPath::new("/root").ok());
        assert_eq!(accounts.user("web").unwrap().home, None);
        assert_eq!(accounts.user("no"), None);
        assert_eq!(accounts.group("adm").unwrap().gid, 4);
        assert_eq!(accounts.groups.len(), 2);
    }
}
