//! `logs`: what the machine wrote down of itself.

use super::sweep;
use crate::guest::Guest;
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Reset;
use imgctl_vfs::{FileKind, GuestPath};

/// Folders whose every entry belongs to the machine that wrote it: the journal's are named by the machine's identity.
const EMPTIED: [&str; 9] = [
    "/var/log/journal",
    "/var/log/containers",
    "/var/log/pods",
    "/var/log/installer",
    "/var/log/anaconda",
    "/var/log/sa",
    "/var/spool/abrt",
    "/var/crash",
    "/var/log/dump",
];

/// Records that login programs write to only where they exist, with the mode they have.
const TRUNCATED: [&str; 6] = ["btmp", "wtmp", "lastlog", "faillog", "tallylog", "pacct"];

/// Logs and traces of an installation elsewhere.
const ELSEWHERE: [&str; 16] = [
    "/var/named/data/named.run",
    "/var/lib/logrotate.status",
    "/var/lib/logrotate/status",
    "/var/lib/logrotate/logrotate.status",
    "/root/install.log",
    "/root/install.log.syslog",
    "/root/anaconda-ks.cfg",
    "/root/anaconda-post.log",
    "/root/initial-setup-ks.cfg",
    "/root/original-ks.cfg",
    "/var/cache/gdm/*",
    "/var/cache/fontconfig/*",
    "/var/lib/AccountsService/users/*",
    "/var/lib/fprint/*",
    "/var/cache/man/*",
    "/etc/Pegasus/*.{cnf,crt,csr,pem,srl}",
];

pub(super) fn run(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    for folder in EMPTIED {
        sweep::empty(guest, &fixed(folder))?;
    }
    for (path, kind) in sweep::files_below(guest, &fixed("/var/log"))? {
        match kind {
            FileKind::File if guest.is_kept(&path) => guest.leave(&path),
            FileKind::File if is_record(&path) => guest.truncate(&path)?,
            FileKind::File => drop(guest.remove(&path)?),
            _ => {}
        }
    }
    sweep::remove_all(guest, &ELSEWHERE)
}

fn is_record(path: &GuestPath) -> bool {
    let name = path.file_name().unwrap_or_default();
    TRUNCATED.iter().any(|record| record.as_bytes() == name)
}
