//! Which users of this machine the guest's users are while a program runs.

use crate::{Error, Result};
use nix::unistd::{Uid, User, getegid, geteuid};
use std::fs;
use std::io;
use std::process::{Command, Stdio};

/// The programs of shadow-utils that write maps of a user's further numbers, where distributions have them.
const MAPPERS: [[&str; 2]; 2] = [
    ["/usr/bin/newuidmap", "/usr/bin/newgidmap"],
    ["/bin/newuidmap", "/bin/newgidmap"],
];

/// Root's guests get numbers that nobody else on the machine has: the upper half of them. So their root is nobody here,
/// and limits hold for it.
const SHIFT: u32 = 1 << 31;
const SHIFTED_COUNT: u32 = u32::MAX >> 1;

const NEEDS_SUBUIDS: &str = "give your user further user and group numbers (as root: `usermod --add-subuids 100000-165535 \
--add-subgids 100000-165535 USER`), install newuidmap (package `uidmap` or `shadow-utils`), or run as root";

/// How user and group numbers are mapped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Maps {
    /// By root, onto numbers that nobody has.
    Shifted,
    /// By root of a container that has only some numbers: onto themselves. Both maps as the kernel reads them.
    Same(String, String),
    /// By a normal user: root is the user, and the others are the user's further numbers.
    Subordinate {
        users: (u32, u32),
        groups: (u32, u32),
        mappers: [&'static str; 2],
    },
}

impl Maps {
    /// What the caller can have.
    pub(crate) fn of_caller() -> Result<Self> {
        let uid = geteuid();
        if uid.is_root() {
            let (users, groups) = (own_map("uid")?, own_map("gid")?);
            let is_whole = |map: &[(u32, u32)]| map == [(0, u32::MAX)];
            if is_whole(&users) && is_whole(&groups) {
                return Ok(Self::Shifted);
            }
            return Ok(Self::Same(onto_itself(&users), onto_itself(&groups)));
        }
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        let first = |file| first_range(&fs::read_to_string(file).unwrap_or_default(), name.as_deref(), uid);
        let (Some(users), Some(groups)) = (first("/etc/subuid"), first("/etc/subgid")) else {
            return Err(missing(
                "find further user numbers for you in /etc/subuid and /etc/subgid",
            ));
        };
        let is_there = |pair: &&[&'static str; 2]| pair.iter().all(|path| fs::metadata(path).is_ok());
        let Some(mappers) = MAPPERS.iter().find(is_there) else {
            return Err(missing("find newuidmap and newgidmap"));
        };
        Ok(Self::Subordinate {
            users,
            groups,
            mappers: *mappers,
        })
    }

    /// Who root of the guest is here.
    pub(crate) fn root(&self) -> (u32, u32) {
        match self {
            Self::Shifted => (SHIFT, SHIFT),
            Self::Same(..) => (0, 0),
            Self::Subordinate { .. } => (geteuid().as_raw(), getegid().as_raw()),
        }
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Shifted => "root: the guest's users get numbers that nobody has here".to_owned(),
            Self::Same(..) => "root of a container: the guest's users are the container's".to_owned(),
            Self::Subordinate { users, groups, .. } => {
                format!("{} further users and {} further groups", users.1, groups.1)
            }
        }
    }

    /// Writes the maps of a process that is in a new user namespace.
    pub(crate) fn write(&self, process: i32) -> Result<()> {
        match self {
            Self::Shifted => {
                let map = format!("0 {SHIFT} {SHIFTED_COUNT}\n");
                write_maps(process, &map, &map)
            }
            Self::Same(users, groups) => write_maps(process, users, groups),
            Self::Subordinate {
                users,
                groups,
                mappers: [uid_mapper, gid_mapper],
            } => {
                call(uid_mapper, process, geteuid().as_raw(), *users)?;
                call(gid_mapper, process, getegid().as_raw(), *groups)
            }
        }
    }
}

fn missing(action: &str) -> Error {
    Error::Setup {
        action: action.to_owned(),
        hint: Some(NEEDS_SUBUIDS),
        source: io::ErrorKind::NotFound.into(),
    }
}

fn write_maps(process: i32, users: &str, groups: &str) -> Result<()> {
    for (file, map) in [("uid_map", users), ("gid_map", groups)] {
        fs::write(format!("/proc/{process}/{file}"), map).map_err(|source| Error::Setup {
            action: "map the guest's users to users of this machine".to_owned(),
            hint: Some("root needs the capabilities SETUID and SETGID for it"),
            source,
        })?;
    }
    Ok(())
}

fn call(mapper: &str, process: i32, own: u32, (first, count): (u32, u32)) -> Result<()> {
    let numbers = [
        i64::from(process),
        0,
        i64::from(own),
        1,
        1,
        i64::from(first),
        i64::from(count),
    ];
    let output = Command::new(mapper)
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .output();
    let failed = |source| Error::Setup {
        action: format!("map the guest's users with {mapper}"),
        hint: Some(NEEDS_SUBUIDS),
        source,
    };
    let output = output.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(io::Error::other(message)))
}

/// The numbers that this process itself has: first ones and counts.
fn own_map(kind: &str) -> Result<Vec<(u32, u32)>> {
    let text = fs::read_to_string(format!("/proc/self/{kind}_map")).map_err(|source| Error::Setup {
        action: format!("read /proc/self/{kind}_map"),
        hint: None,
        source,
    })?;
    let ranges = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let first = words.next()?.parse().ok()?;
        let count = words.nth(1)?.parse().ok()?;
        Some((first, count))
    });
    Ok(ranges.collect())
}

fn onto_itself(ranges: &[(u32, u32)]) -> String {
    let lines = ranges.iter().map(|(first, count)| format!("{first} {first} {count}\n"));
    lines.collect()
}

/// The first range of a user in a file like `/etc/subuid`, as subuid(5) describes it.
fn first_range(text: &str, name: Option<&str>, uid: Uid) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let is_own = Some(owner) == name || owner == uid.to_string();
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (is_own && range.1 > 0).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_number() {
        let text = "# x\nother:1:2\nme:100000:65536\n1000:5:6\n";
        assert_eq!(first_range(text, Some("me"), Uid::from_raw(7)), Some((100_000, 65536)));
        assert_eq!(first_range(text, None, Uid::from_raw(1000)), Some((5, 6)));
        assert_eq!(first_range(text, Some("nobody"), Uid::from_raw(7)), None);
    }

    #[test]
    fn a_map_onto_itself_has_three_columns() {
        assert_eq!(onto_itself(&[(0, 1), (5, 9)]), "0 0 1\n5 5 9\n");
    }
}
