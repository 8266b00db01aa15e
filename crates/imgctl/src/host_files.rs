//! Files of the host that the command reads and writes itself: recipes and receipts.

use crate::command_error::{CommandError, CommandResult};
use imgctl_recipe::{HostFileError, HostFiles, MAX_RECIPE_BYTES};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A recipe's bytes; of a file too long to be one, only enough to say so.
pub(crate) fn read_recipe(path: &Path) -> CommandResult<Vec<u8>> {
    let read = || {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_RECIPE_BYTES).unwrap_or(u64::MAX);
        File::open(path)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| CommandError::file("read the recipe", path, source).into_usage())
}

/// The local files that a recipe names, found from its folder.
#[derive(Debug)]
pub(crate) struct RecipeFolder<'p> {
    folder: &'p Path,
}

impl<'p> RecipeFolder<'p> {
    /// Of the recipe at `path`.
    pub(crate) fn of(path: &'p Path) -> Self {
        Self { folder: folder(path) }
    }
}

impl HostFiles for RecipeFolder<'_> {
    fn source_file(&self, path: &Path) -> Result<PathBuf, HostFileError> {
        let path = match self.folder == Path::new(".") {
            true => path.to_path_buf(),
            false => self.folder.join(path),
        };
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            return Err(HostFileError::IsADirectory);
        }
        // Opening a pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(HostFileError::NotAFile);
        }
        File::open(&path)?;
        Ok(path)
    }
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
    fn local_files_are_looked_for_beside_the_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = folder.path().join("golden.yaml");
        fs::write(folder.path().join("motd"), "hello").unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let host = RecipeFolder::of(&recipe);
        let find = |name: &str| host.source_file(Path::new(name));
        assert_eq!(find("motd"), Ok(folder.path().join("motd")));
        assert_eq!(
            find(folder.path().join("motd").to_str().unwrap()),
            Ok(folder.path().join("motd"))
        );
        assert_eq!(find("missing"), Err(HostFileError::NotFound));
        assert_eq!(find("motd/x"), Err(HostFileError::NotFound));
        assert_eq!(find("d"), Err(HostFileError::IsADirectory));
        assert_eq!(find("socket"), Err(HostFileError::NotAFile));
    }

    #[test]
    fn endless_recipes_are_cut() {
        assert_eq!(read_recipe(Path::new("/dev/zero")).unwrap().len(), MAX_RECIPE_BYTES + 1);
        assert_eq!(read_recipe(Path::new("/missing")).unwrap_err().kind.exit_code(), 2);
    }
}
