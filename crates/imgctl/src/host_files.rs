//! Files of the host that the command reads and writes itself: recipes and receipts.

use crate::command_error::{CommandError, CommandResult};
use imgctl_core::steps::flags::FlagHost;
use imgctl_recipe::{Host, HostFileError, ImportHost, LocalFile, MAX_IMPORT_BYTES, MAX_RECIPE_BYTES};
use std::env;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A recipe's bytes; of a file too long to be one, only enough to say so.
pub(crate) fn read_recipe(path: &Path) -> CommandResult<Vec<u8>> {
    let read = || read_limited(&File::open(path)?, MAX_RECIPE_BYTES);
    read().map_err(|source| CommandError::file("read the recipe", path, source).into_usage())
}

/// Another tool's instructions, likewise; `-` is standard input.
pub(crate) fn read_import(path: &Path) -> CommandResult<Vec<u8>> {
    let read = || match path == Path::new("-") {
        true => read_limited(io::stdin().lock(), MAX_IMPORT_BYTES),
        false => read_limited(File::open(path)?, MAX_IMPORT_BYTES),
    };
    read().map_err(|source| CommandError::file("read", path, source).into_usage())
}

/// A file's bytes, at most one more than the limit.
fn read_limited(file: impl io::Read, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What recipes may ask of this machine.
#[derive(Debug)]
pub(crate) struct LocalHost;

impl Host for LocalHost {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        open_regular(path).map(drop)
    }

    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        let bytes = read_limited(&open_regular(path)?, limit_bytes)?;
        match bytes.len() > limit_bytes {
            true => Err(HostFileError::TooLarge(limit_bytes)),
            false => Ok(bytes),
        }
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        env::var_os(name).map(OsStringExt::into_vec)
    }
}

impl FlagHost for LocalHost {
    fn home(&self) -> Option<PathBuf> {
        env::var_os("HOME").map(PathBuf::from)
    }
}

impl ImportHost for LocalHost {
    fn look(&self, path: &Path) -> Option<LocalFile> {
        let metadata = fs::metadata(path).ok()?;
        Some(LocalFile {
            is_directory: metadata.is_dir(),
            mode: u16::try_from(metadata.mode() & 0o7777).ok()?,
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }

    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        Host::read_file(self, path, limit_bytes)
    }
}

fn open_regular(path: &Path) -> Result<File, HostFileError> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(HostFileError::IsADirectory);
    }
    // Opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(HostFileError::NotAFile);
    }
    Ok(File::open(path)?)
}

/// Fails early where [`write_whole`] would fail after a long run.
pub(crate) fn check_writable(what: &str, path: &Path) -> CommandResult {
    if path.is_dir() {
        return Err(CommandError::usage(format!(
            "the {what} {} is a folder",
            path.display()
        )));
    }
    temporary(path)
        .map(drop)
        .map_err(|source| CommandError::file(&format!("write the {what}"), path, source))
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_whole(what: &str, path: &Path, content: &[u8]) -> CommandResult {
    let write = || {
        let mut file = temporary(path)?;
        file.as_file_mut().write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder(path))?.sync_all()
    };
    write().map_err(|source| CommandError::file(&format!("write the {what}"), path, source))
}

/// Whether both paths lead to the same file, be it there or not.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => identity(&one) == identity(&other),
        (Err(_), Err(_)) => place(one).is_some_and(|place_of_one| place(other) == Some(place_of_one)),
        _ => false,
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A path that nothing is at yet: its folder without symbolic links, and its name.
fn place(path: &Path) -> Option<PathBuf> {
    Some(fs::canonicalize(folder(path)).ok()?.join(path.file_name()?))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A new file beside `path`, which the umask restricts as any other new file.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".imgctl-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder(path))
        // Nobody asked for the temporary file's name.
        .map_err(|error| io::Error::from(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_is_found_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "").unwrap();
        fs::write(at("b"), "").unwrap();
        fs::hard_link(at("a"), at("hard")).unwrap();
        std::os::unix::fs::symlink("a", at("soft")).unwrap();
        std::os::unix::fs::symlink(folder.path(), at("here")).unwrap();
        for (one, other, same) in [
            ("a", "hard", true),
            ("a", "soft", true),
            ("a", "here/a", true),
            ("a", "b", false),
            ("a", "new", false),
            ("new", "here/new", true),
            ("new", "here/other", false),
            ("missing/new", "missing/new", false),
        ] {
            assert_eq!(is_same_file(&at(one), &at(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.json");
        check_writable("receipt", &path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        for content in ["first", "2"] {
            write_whole("receipt", &path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(check_writable("receipt", &folder.path().join("missing/receipt.json")).is_err());
        assert!(check_writable("receipt", folder.path()).is_err());
    }

    #[test]
    fn recipes_get_regular_files_of_bounded_length() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("motd"), "hello").unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let check = |name: &str| LocalHost.check_file(&folder.path().join(name));
        assert_eq!(check("motd"), Ok(()));
        assert_eq!(check("missing"), Err(HostFileError::NotFound));
        assert_eq!(check("motd/x"), Err(HostFileError::NotFound));
        assert_eq!(check("d"), Err(HostFileError::IsADirectory));
        assert_eq!(check("socket"), Err(HostFileError::NotAFile));
        let read = |limit| Host::read_file(&LocalHost, &folder.path().join("motd"), limit);
        assert_eq!(read(5), Ok(b"hello".to_vec()));
        assert_eq!(read(4), Err(HostFileError::TooLarge(4)));
    }

    #[test]
    fn endless_recipes_are_cut() {
        assert_eq!(read_recipe(Path::new("/dev/zero")).unwrap().len(), MAX_RECIPE_BYTES + 1);
        assert_eq!(read_recipe(Path::new("/missing")).unwrap_err().kind.exit_code(), 2);
    }
}
