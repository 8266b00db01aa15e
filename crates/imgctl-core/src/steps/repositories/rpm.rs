//! dnf and zypper: `.repo` files (dnf.conf(5), "Repo options"; zypper's are of the same form).

use super::{put, put_key, refuse};
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::Outcome;
use imgctl_recipe::{Repository, RepositoryKey, RepositoryPlace};

const KEYS: &str = "/etc/pki/rpm-gpg";

/// Where a package manager has its files, and what it can say.
#[derive(Debug)]
pub(super) struct Dialect {
    name: &'static str,
    folder: &'static str,
    /// The greatest number of a priority.
    lowest_priority: u64,
    /// What every repository gets besides.
    further: &'static str,
}

pub(super) static DNF: Dialect = Dialect {
    name: "dnf",
    folder: "/etc/yum.repos.d",
    lowest_priority: 99,
    further: "",
};

pub(super) static ZYPPER: Dialect = Dialect {
    name: "zypper",
    folder: "/etc/zypp/repos.d",
    lowest_priority: 200,
    further: "autorefresh=1\n",
};

pub(super) fn add(guest: &mut Guest, repository: &Repository, dialect: &Dialect) -> Outcome<()> {
    let id = &repository.id;
    let mut text = format!("[{id}]\nname={id}\n");
    match &repository.place {
        RepositoryPlace::Base(url) => text.push_str(&format!("baseurl={url}\n")),
        RepositoryPlace::MirrorList(url) => text.push_str(&format!("mirrorlist={url}\n")),
        RepositoryPlace::Metalink(url) => text.push_str(&format!("metalink={url}\n")),
        RepositoryPlace::Apt(_) => {}
    }
    let bit = |value: bool| u8::from(value);
    text.push_str(&format!("enabled={}\n{}", bit(repository.enabled), dialect.further));
    text.push_str(&format!("gpgcheck={}\n", bit(repository.is_signed)));
    let mut keys = Vec::new();
    for (number, key) in (1_usize..).zip(&repository.keys) {
        keys.push(match key {
            RepositoryKey::Url(url) => url.clone(),
            RepositoryKey::Guest(path) => format!("file://{path}"),
            RepositoryKey::Bytes { .. } => {
                let path = match number {
                    1 => format!("{KEYS}/RPM-GPG-KEY-{id}"),
                    _ => format!("{KEYS}/RPM-GPG-KEY-{id}-{number}"),
                };
                put_key(guest, &path, key)?;
                format!("file://{path}")
            }
        });
    }
    if !keys.is_empty() {
        // Further values stand on lines of their own, indented.
        text.push_str(&format!("gpgkey={}\n", keys.join("\n       ")));
    }
    if let Some(priority) = repository.priority {
        if priority > dialect.lowest_priority {
            let what = format!("priority {priority}");
            return Err(refuse(
                dialect.name,
                &what,
                "write a number from 1 to 99; the lowest number counts first",
            ));
        }
        text.push_str(&format!("priority={priority}\n"));
    }
    let path = format!("{}/{id}.repo", dialect.folder);
    warn_of_others(guest, dialect, id, &path)?;
    put(guest, &path, text.as_bytes())
}

/// A repository that two files define is taken from one of them, and nobody knows which.
fn warn_of_others(guest: &mut Guest, dialect: &Dialect, id: &str, own: &str) -> Outcome<()> {
    let heading = format!("[{id}]");
    for path in guest.glob(&format!("{}/*.repo", dialect.folder))? {
        if path.as_bytes() == own.as_bytes() {
            continue;
        }
        let text = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
        if String::from_utf8_lossy(&text)
            .lines()
            .any(|line| line.trim() == heading)
        {
            guest.warn(format!("the repository {id} is in {path}, too"));
        }
    }
    Ok(())
}
