//! rpm: the `Packages` table of `rpmdb.sqlite`, a header per package.
//!
//! Facts: rpm's documentation of its database and of the header format; where the database lies: EL9 `/var/lib/rpm`,
//! Fedora, EL10 and SUSE `/usr/lib/sysimage/rpm`, ostree `/usr/share/rpm`.

mod header;

use crate::database::{Package, find, fixed, push};
use crate::error::{Error, Result};
use crate::sqlite::Sqlite;
use imgctl_vfs::Tree;

const FOLDERS: [&str; 3] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"];

/// Databases of other kinds that rpm knows, by their file.
const OTHERS: [(&str, &str); 2] = [
    ("Packages.db", "it is of the kind ndb; imgctl reads sqlite"),
    (
        "Packages",
        "it is a Berkeley DB (rpm before 4.16); imgctl reads sqlite, which `rpmdb --rebuilddb` in the guest can make",
    ),
];

pub(crate) fn read(tree: &Tree) -> Result<Option<Vec<Package>>> {
    for folder in FOLDERS.map(fixed) {
        let path = folder.join(b"rpmdb.sqlite");
        let Some(database) = Sqlite::open(tree, &path)? else {
            continue;
        };
        let Some(root) = database.table("Packages")? else {
            return Err(database.corrupt("it has no table Packages"));
        };
        let mut packages = Vec::new();
        database.blobs(root, &mut |blob| {
            let package = header::package(blob).map_err(|reason| Error::corrupt(&path, reason))?;
            push(&mut packages, package, &path)
        })?;
        return Ok(Some(packages));
    }
    for folder in FOLDERS.map(fixed) {
        for (name, reason) in OTHERS {
            let path = folder.join(name.as_bytes());
            if find(tree, &path)?.is_some() {
                return Err(Error::unsupported(&path, reason));
            }
        }
    }
    Ok(None)
}
