//! rpm's database, made by rpm and by SQLite themselves.

use super::{guest, put};
use imgctl_package::{Database, Manager};
use imgctl_testkit::oracle;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Enough for a tree of two levels, and a few that are longer than a page.
const PACKAGES: usize = 50;

const DATABASE: &str = "var/lib/rpm/rpmdb.sqlite";

/// Packages without files: an epoch, a long header, and enough of them for a tree of several levels.
fn spec() -> String {
    let mut spec = format!(
        "Name: tiny\nVersion: 1.2~rc1\nRelease: 3.el9\nEpoch: 7\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\n{}\n%files\n",
        "long ".repeat(20_000)
    );
    for number in 0..PACKAGES {
        spec.push_str(&format!(
            "%package -n tiny-{number}\nVersion: {number}.0\nSummary: x\n%description -n tiny-{number}\n{}\n%files -n tiny-{number}\n",
            "words ".repeat(number * 60)
        ));
    }
    spec
}

fn rpm(root: &Path, arguments: &[&str]) -> String {
    let root = root.display().to_string();
    let base = [
        "--root",
        &root,
        "--define",
        "_dbpath /var/lib/rpm",
        "--define",
        "_db_backend sqlite",
    ];
    oracle::run("rpm", base.iter().chain(arguments)).unwrap()
}

/// A root of its own with the packages installed.
pub(crate) fn installed() -> tempfile::TempDir {
    static MADE: LazyLock<tempfile::TempDir> = LazyLock::new(install);
    let copy = tempfile::tempdir().unwrap();
    let from = MADE.path().join("var");
    let arguments = [Path::new("-a"), &from, copy.path()].map(Path::as_os_str);
    oracle::run("cp", arguments).unwrap();
    copy
}

fn install() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "build/tiny.spec", spec().as_bytes());
    let top = format!("_topdir {}", root.join("build").display());
    let spec = root.join("build/tiny.spec").display().to_string();
    let fast = "_binary_payload w0.gzdio";
    oracle::run(
        "rpmbuild",
        ["--quiet", "--define", &top, "--define", fast, "-bb", &spec],
    )
    .unwrap();
    let packages = fs::read_dir(root.join("build/RPMS/noarch")).unwrap();
    let packages: Vec<PathBuf> = packages.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(packages.len(), PACKAGES + 1);
    rpm(root, &["--initdb"]);
    let mut arguments = vec!["-i", "--nodeps", "--justdb", "--nosignature"];
    let packages: Vec<String> = packages.iter().map(|path| path.display().to_string()).collect();
    arguments.extend(packages.iter().map(String::as_str));
    rpm(root, &arguments);
    folder
}

fn by_rpm(root: &Path) -> Vec<String> {
    let format = "%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH} %{INSTALLTIME} %{SIZE}\n";
    let mut lines: Vec<String> = rpm(root, &["-qa", "--qf", format]).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn ours(root: &Path) -> Vec<String> {
    let database = Database::read(&guest(root)).unwrap().unwrap();
    assert_eq!(database.manager, Manager::Rpm);
    let mut lines: Vec<String> = database
        .packages
        .iter()
        .map(|package| {
            format!(
                "{} {} {} {} {}",
                package.name,
                package.version,
                package.architecture.as_deref().unwrap_or("(none)"),
                package.installed_at.unwrap_or_default(),
                package.installed_bytes.unwrap_or_default()
            )
        })
        .collect();
    lines.sort();
    lines
}

fn sqlite(database: &Path, script: &str) -> String {
    oracle::run("sqlite3", [database.display().to_string().as_str(), script]).unwrap()
}

#[test]
fn the_list_is_that_of_rpm() {
    let folder = installed();
    let root = folder.path();
    let expected = by_rpm(root);
    assert_eq!(expected.len(), PACKAGES + 1);
    assert_eq!(ours(root), expected);
    rpm(root, &["-e", "--justdb", "--nodeps", "tiny-7", "tiny-40", "tiny"]);
    let expected = by_rpm(root);
    assert_eq!(expected.len(), PACKAGES - 2);
    assert_eq!(ours(root), expected);
    // Where Fedora has it.
    fs::create_dir_all(root.join("usr/lib/sysimage")).unwrap();
    fs::rename(root.join("var/lib/rpm"), root.join("usr/lib/sysimage/rpm")).unwrap();
    std::os::unix::fs::symlink("../../usr/lib/sysimage/rpm", root.join("var/lib/rpm")).unwrap();
    assert_eq!(ours(root), expected);
    for page_bytes in [512, 1024, 65536] {
        let script = format!("PRAGMA journal_mode=delete; PRAGMA page_size={page_bytes}; VACUUM;");
        sqlite(&root.join(DATABASE), &script);
        assert_eq!(ours(root), expected, "{page_bytes}");
    }
}

/// Copies the database while SQLite has it open, so that the log stays.
fn copied(root: &Path, script: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir_all(copy.path().join("var/lib")).unwrap();
    let (from, to) = (root.join("var/lib/rpm"), copy.path().join("var/lib/rpm"));
    let script = format!(
        "PRAGMA journal_mode=wal;\nPRAGMA wal_autocheckpoint=0;\n{script}\n.shell cp -r {} {}\n",
        from.display(),
        to.display()
    );
    let file = root.join("script.sql");
    fs::write(&file, script).unwrap();
    sqlite(&root.join(DATABASE), &format!(".read {}", file.display()));
    assert!(fs::metadata(copy.path().join(format!("{DATABASE}-wal"))).unwrap().len() > 1000);
    copy
}

#[test]
fn committed_frames_of_the_log_count_and_others_do_not() {
    let folder = installed();
    let root = folder.path();
    let all = by_rpm(root);
    let committed = copied(
        root,
        "DELETE FROM Packages WHERE hnum % 3 = 0;\nDELETE FROM Packages WHERE hnum % 5 = 0;",
    );
    let expected = by_rpm(root);
    assert!(expected.len() < 40 && !expected.is_empty(), "{}", expected.len());
    assert_eq!(ours(committed.path()), expected);
    // rpm recovers the copy to the same.
    let again = committed.path().join(DATABASE);
    let count = sqlite(&again, "SELECT count(*) FROM Packages;");
    assert_eq!(count.trim(), expected.len().to_string());

    let folder = installed();
    let root = folder.path();
    let script = "DELETE FROM Packages WHERE hnum = 1;\nPRAGMA cache_size=2;\nPRAGMA cache_spill=2;\nBEGIN;\n\
                  UPDATE Packages SET blob = zeroblob(50000);\nDELETE FROM Packages WHERE hnum % 2 = 0;";
    let open = copied(root, script);
    assert!(fs::metadata(open.path().join(format!("{DATABASE}-wal"))).unwrap().len() > 500_000);
    assert_eq!(ours(open.path()).len(), all.len() - 1);
    // A log whose last frames are torn ends before them.
    let log = committed_log(&open);
    fs::write(open.path().join(format!("{DATABASE}-wal")), &log[..log.len() - 100]).unwrap();
    assert_eq!(ours(open.path()).len(), all.len() - 1);
    let mut torn = log;
    torn[40] ^= 1;
    fs::write(open.path().join(format!("{DATABASE}-wal")), torn).unwrap();
    assert_eq!(ours(open.path()).len(), all.len());
}

fn committed_log(folder: &tempfile::TempDir) -> Vec<u8> {
    fs::read(folder.path().join(format!("{DATABASE}-wal"))).unwrap()
}

#[test]
fn what_is_not_read_is_named() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("var/lib/rpm/Packages.db", b"RpmP", "ndb"),
        ("var/lib/rpm/Packages", b"\0", "Berkeley DB"),
        ("usr/lib/sysimage/rpm/Packages.db", b"RpmP", "ndb"),
        (DATABASE, b"not a database at all", "it is no SQLite database"),
    ];
    for (path, content, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), path, content);
        let error = Database::read(&guest(folder.path())).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains(&format!("/{path}")),
            "{error}"
        );
    }
    let folder = installed();
    let journal = [&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7][..], &[0; 600]].concat();
    put(folder.path(), &format!("{DATABASE}-journal"), &journal);
    let error = Database::read(&guest(folder.path())).unwrap_err().to_string();
    assert!(error.contains("interrupted"), "{error}");
}
