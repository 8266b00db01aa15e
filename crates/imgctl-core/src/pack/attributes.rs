//! What a file has beside its bytes: owner, mode, ACL, labels and other extended attributes.

use crate::{Error, ErrorKind, Result};
use rustix::fs::{IFlags, XattrFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Signatures of a content that is about to change; the kernel keeps them itself.
const OF_CONTENT: [&str; 2] = ["security.ima", "security.evm"];

/// The longest list of names, and the longest value, that Linux has.
const MOST_BYTES: usize = 64 << 10;

/// Gives `to`, which is empty, everything that `from` has beside its bytes and times, or fails naming what it cannot.
///
/// `path` is what messages call `from`.
pub(crate) fn keep(from: &File, to: &File, path: &Path) -> Result<()> {
    let failed = |source| unreadable(path, source);
    let (old, new) = (from.metadata().map_err(failed)?, to.metadata().map_err(failed)?);
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::fchown(to, Some(old.uid()), Some(old.gid())).map_err(|source| {
            let owner = format!("owner {}:{}", old.uid(), old.gid());
            cannot_keep(path, &owner, source)
        })?;
    }
    to.set_permissions(PermissionsExt::from_mode(old.mode() & 0o7777))
        .map_err(|source| cannot_keep(path, "mode", source))?;
    keep_flags(from, to);
    keep_xattrs(from, to, path)
}

/// Images on Btrfs are often kept out of copy-on-write. Without the flag they work as well, only slower.
fn keep_flags(from: &File, to: &File) {
    if let Ok(flags) = rustix::fs::ioctl_getflags(from)
        && flags.contains(IFlags::NOCOW)
        && let Ok(own) = rustix::fs::ioctl_getflags(to)
    {
        let _ = rustix::fs::ioctl_setflags(to, own | IFlags::NOCOW);
    }
}

fn keep_xattrs(from: &File, to: &File, path: &Path) -> Result<()> {
    let (wanted, found) = (xattrs(from, path)?, xattrs(to, path)?);
    let told = |name: &CString| format!("extended attribute {}", name.to_string_lossy());
    for (name, value) in &wanted {
        if found.get(name) != Some(value) {
            rustix::fs::fsetxattr(to, name.as_c_str(), value, XattrFlags::empty())
                .map_err(|errno| cannot_keep(path, &told(name), errno.into()))?;
        }
    }
    // The folder may have given some, such as a default ACL. A label is the policy's.
    let surplus = found.keys().filter(|name| !wanted.contains_key(*name));
    for name in surplus.filter(|name| !name.to_bytes().starts_with(b"security.")) {
        rustix::fs::fremovexattr(to, name.as_c_str())
            .map_err(|errno| cannot_keep(path, &format!("lack of the {}", told(name)), errno.into()))?;
    }
    Ok(())
}

fn xattrs(file: &File, path: &Path) -> Result<BTreeMap<CString, Vec<u8>>> {
    let failed = |errno: Errno| unreadable(path, errno.into());
    let mut buffer = vec![0; MOST_BYTES];
    let length = match rustix::fs::flistxattr(file, &mut buffer[..]) {
        Ok(length) => length,
        // A filesystem without any.
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(failed(errno)),
    };
    let mut found = BTreeMap::new();
    let names: Vec<CString> = buffer[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !OF_CONTENT.iter().any(|known| known.as_bytes() == *name))
        .filter_map(|name| CString::new(name).ok())
        .collect();
    for name in names {
        match rustix::fs::fgetxattr(file, name.as_c_str(), &mut buffer[..]) {
            Ok(length) => {
                found.insert(name, buffer[..length].to_vec());
            }
            // It has gone meanwhile.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::new(
        ErrorKind::Other,
        format!("cannot read the attributes of the image {}", path.display()),
    )
    .with_source(source)
}

fn cannot_keep(path: &Path, what: &str, source: io::Error) -> Error {
    Error::new(
        ErrorKind::Other,
        format!("the image {} would lose its {what}", path.display()),
    )
    .with_hint("it is replaced by a new file with the same attributes; run as its owner or as root, or write a copy")
    .with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn judge(program: &str, arguments: &[&str], path: &Path) -> String {
        let output = Command::new(program).args(arguments).arg(path).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; apt-get install acl attr"));
        assert!(output.status.success(), "{program}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn an_acl_and_attributes_are_kept_and_a_default_acl_adds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
        std::fs::write(&old, "x").unwrap();
        judge("setfacl", &["-m", "u:7:rw,g:8:r"], &old);
        judge("setfattr", &["-n", "user.origin", "-v", "golden"], &old);
        std::fs::set_permissions(&old, PermissionsExt::from_mode(0o640)).unwrap();
        judge("setfacl", &["-d", "-m", "u:9:rwx"], folder.path());
        let to = File::create(&new).unwrap();
        keep(&File::open(&old).unwrap(), &to, &old).unwrap();
        let of = |path| judge("getfacl", &["-ncp", "--omit-header"], path);
        assert_eq!(of(&old), of(&new));
        assert!(of(&new).contains("user:7:rw"), "{}", of(&new));
        let attribute = judge("getfattr", &["--only-values", "-n", "user.origin"], &new);
        assert_eq!(attribute, "golden");

        let plain = folder.path().join("plain");
        std::fs::write(&plain, "x").unwrap();
        judge("setfacl", &["-b"], &plain);
        let to = File::create(folder.path().join("plain.new")).unwrap();
        keep(&File::open(&plain).unwrap(), &to, &plain).unwrap();
        assert_eq!(of(&folder.path().join("plain.new")), of(&plain));
    }
}
