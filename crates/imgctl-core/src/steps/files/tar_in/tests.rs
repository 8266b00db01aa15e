//! Archives: whole ones, and hostile ones.

use super::*;
use crate::testing::{guest, mode, path, text};
use std::io::Write as _;
use tar::{Builder, EntryType, Header};

type Made = Builder<Vec<u8>>;

fn add(made: &mut Made, name: &str, kind: EntryType, content: &[u8], link: &str) {
    let mut header = Header::new_gnu();
    // Written by hand, since the crate refuses hostile names.
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o640);
    header.set_uid(5);
    header.set_gid(6);
    header.set_mtime(1_600_000_000);
    header.set_cksum();
    made.append(&header, content).unwrap();
}

fn archive(fill: impl FnOnce(&mut Made)) -> tempfile::NamedTempFile {
    let mut made = Builder::new(Vec::new());
    fill(&mut made);
    file(&made.into_inner().unwrap())
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn refusal(fill: impl FnOnce(&mut Made)) -> String {
    let mut guest = guest(&["/in/", "/out/secret|kept", "/etc/passwd|kept"]);
    let archive = archive(fill);
    let error = unpack(&mut guest, archive.path(), &path("/in"), 0, true).unwrap_err();
    assert_eq!(
        (text(&guest, "/out/secret"), text(&guest, "/etc/passwd")),
        ("kept".into(), "kept".into())
    );
    let source = std::error::Error::source(&error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}

#[test]
fn members_keep_what_they_have() {
    let made = archive(|made| {
        add(made, "./", EntryType::Directory, b"", "");
        add(made, "d/f", EntryType::Regular, b"content", "");
        add(made, "/abs", EntryType::Regular, b"inside", "");
        add(made, "d/l", EntryType::Symlink, b"", "/etc/passwd");
        add(made, "d/h", EntryType::Link, b"", "d/f");
        add(made, "lib/x", EntryType::Regular, b"merged", "");
        add(made, "fifo", EntryType::Fifo, b"", "");
        add(made, "was", EntryType::Regular, b"file", "");
    });
    let mut guest = guest(&[
        "/in/ 0700 1 1",
        "/in/lib -> /usr/lib",
        "/usr/lib/",
        "/in/was -> /etc/passwd",
        "/etc/passwd|kept",
    ]);
    for _ in 0..2 {
        unpack(&mut guest, made.path(), &path("/in"), 0, false).unwrap();
    }
    assert_eq!(
        (text(&guest, "/in/d/f"), mode(&guest, "/in/d/f")),
        ("content".into(), "0640 5:6".into())
    );
    assert_eq!(
        (text(&guest, "/in/abs"), text(&guest, "/usr/lib/x")),
        ("inside".into(), "merged".into())
    );
    assert_eq!(
        (text(&guest, "/in/was"), text(&guest, "/etc/passwd")),
        ("file".into(), "kept".into())
    );
    assert_eq!(guest.metadata(&path("/in/d/h")).unwrap().unwrap().links, 2);
    assert_eq!(
        guest.metadata(&path("/in/d/f")).unwrap().unwrap().modified.seconds,
        1_600_000_000
    );
    assert_eq!(mode(&guest, "/in"), "0700 1:1");
    let tree = guest.into_parts().0;
    let mut guest = Guest::new(tree, crate::testing::NOW);
    unpack(&mut guest, made.path(), &path("/in"), 0, false).unwrap();
    assert!(guest.log().finish(guest.tree()).unwrap().is_empty());
    unpack(&mut guest, made.path(), &path("/usr"), 1, false).unwrap();
    assert_eq!(
        (text(&guest, "/usr/f"), text(&guest, "/usr/abs")),
        ("content".into(), "-".into())
    );
}

#[test]
fn nothing_gets_out() {
    for (name, words) in [
        ("../out/secret", "`..`"),
        ("a/../../out/secret", "`..`"),
        ("/../out/secret", "`..`"),
    ] {
        let told = refusal(|made| add(made, name, EntryType::Regular, b"evil", ""));
        assert!(told.contains(words), "{told}");
    }
    let told = refusal(|made| {
        add(made, "way", EntryType::Symlink, b"", "/out");
        add(made, "way/secret", EntryType::Regular, b"evil", "");
    });
    assert!(told.contains("through a symbolic link"), "{told}");
    let told = refusal(|made| {
        add(made, "way", EntryType::Symlink, b"", "../out");
        add(made, "way/", EntryType::Directory, b"", "");
    });
    assert!(told.contains("through a symbolic link"), "{told}");
    for target in ["../out/secret", "/etc/passwd", "nothing"] {
        let told = refusal(|made| {
            add(made, "mine", EntryType::Link, b"", target);
            add(made, "mine", EntryType::Regular, b"evil", "");
        });
        assert!(told.contains("hard link") || told.contains("`..`"), "{told}");
    }
    let told = refusal(|made| {
        add(made, "way", EntryType::Symlink, b"", "/out");
        add(made, "mine", EntryType::Link, b"", "way/secret");
    });
    assert!(told.contains("through a symbolic link"), "{told}");
}

#[test]
fn lies_and_bombs_are_refused() {
    let mut header = Header::new_gnu();
    header.set_path("f").unwrap();
    header.set_size(1 << 60);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut lie = header.as_bytes().to_vec();
    lie.extend([7; 1000]);
    header.set_entry_type(EntryType::GNULongName);
    header.set_cksum();
    let long_name = header.as_bytes().to_vec();
    header.set_entry_type(EntryType::XHeader);
    header.set_cksum();
    let pax = header.as_bytes().to_vec();
    let sparse = {
        header.set_entry_type(EntryType::GNUSparse);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    for (bytes, words) in [
        (lie, "ends in the middle"),
        (long_name, "too long"),
        (pax, "too long"),
        (sparse, "sparse"),
        (vec![7; 2000], "no tar archive"),
        (b"BZh9".repeat(300), "bzip2"),
        (vec![b'x'; 100], "ends in the middle"),
    ] {
        let mut guest = guest(&["/in/"]);
        let file = file(&bytes);
        let error = unpack(&mut guest, file.path(), &path("/in"), 0, true).unwrap_err();
        let mut told = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            told = format!("{told}: {cause}");
            source = cause.source();
        }
        assert!(told.contains(words), "{told}");
    }
    // No archive at all is an empty one.
    unpack(&mut guest(&["/in/"]), file(b"").path(), &path("/in"), 0, true).unwrap();
}

#[test]
fn cut_and_changed_archives_end_in_an_error_or_a_tree() {
    let made = archive(|made| {
        add(made, "d/f", EntryType::Regular, &[b'x'; 700], "");
        add(made, "d/l", EntryType::Symlink, b"", "/etc/passwd");
        add(made, "d/h", EntryType::Link, b"", "d/f");
    });
    let bytes = std::fs::read(made.path()).unwrap();
    for at in (0..bytes.len()).step_by(13) {
        let cut = file(&bytes[..at]);
        let _ = unpack(&mut guest(&["/in/"]), cut.path(), &path("/in"), 0, true);
        let mut changed = bytes.clone();
        changed[at] ^= 0x81;
        let changed = file(&changed);
        let _ = unpack(&mut guest(&["/in/"]), changed.path(), &path("/in"), 0, true);
    }
}
