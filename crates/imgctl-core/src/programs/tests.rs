//! Changes of programs become edits.

use super::apply::{Source, apply};
use crate::guest::Guest;
use crate::steps::Outcome;
use crate::testing::{NOW, edited, guest, guest_with_esp, mode, path, text};
use imgctl_sandbox::{Change, Node};
use imgctl_vfs::{FileKind, Timestamp};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Changes with the contents of their files.
#[derive(Default)]
struct Fixed {
    changes: Vec<Change>,
    contents: BTreeMap<usize, &'static str>,
}

impl Source for Fixed {
    fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn began(&self) -> Timestamp {
        Timestamp::from_seconds(1_500_000_000)
    }

    fn open(&self, index: usize) -> Outcome<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(self.contents[&index])))
    }
}

fn node(kind: FileKind) -> Node {
    Node {
        kind,
        mode: if kind == FileKind::Directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        size: 0,
        modified: Timestamp::from_seconds(5),
        target: Vec::new(),
        xattrs: BTreeMap::new(),
        is_opaque: false,
        origin: None,
        link: None,
    }
}

impl Fixed {
    fn add(mut self, name: &str, node: Option<Node>) -> Self {
        self.changes.push(Change { path: path(name), node });
        self
    }

    fn file(self, name: &str, content: &'static str) -> Self {
        self.file_like(name, content, node(FileKind::File))
    }

    fn file_like(mut self, name: &str, content: &'static str, node: Node) -> Self {
        self.contents.insert(self.changes.len(), content);
        self.add(name, Some(node))
    }

    fn folder(self, name: &str, is_opaque: bool) -> Self {
        let folder = node(FileKind::Directory);
        self.add(name, Some(Node { is_opaque, ..folder }))
    }

    fn apply(&self, guest: &mut Guest) -> Vec<String> {
        edited(guest, |guest| apply(guest, self).unwrap())
    }
}

#[test]
fn new_things_replace_what_was_there_whatever_it_was() {
    let mut guest = guest(&["/a/file|x", "/a/dir/x|1", "/a/link -> file", "/a/gone|x", "/a/kept|y"]);
    let changes = Fixed::default()
        .folder("/a", false)
        .file("/a/dir", "now a file")
        .folder("/a/file", true)
        .file("/a/file/in", "inside")
        .add("/a/gone", None)
        .file("/a/link", "no link")
        .add("/a/pipe", Some(node(FileKind::Fifo)))
        .add("/a/void", None)
        .apply(&mut guest);
    assert_eq!(
        changes,
        [
            "~/a",
            "~/a/dir",
            "-/a/dir/x",
            "~/a/file",
            "+/a/file/in",
            "-/a/gone",
            "~/a/link",
            "+/a/pipe"
        ]
    );
    assert_eq!(text(&guest, "/a/dir"), "now a file");
    assert_eq!(text(&guest, "/a/link"), "no link");
    assert_eq!(text(&guest, "/a/kept"), "y");
}

#[test]
fn a_folder_made_anew_holds_only_what_is_new() {
    let mut guest = guest(&["/d/old|1", "/d/sub/old|2", "/d/same|3"]);
    let changes = Fixed::default()
        .folder("/d", true)
        .file("/d/new", "n")
        .file("/d/same", "other")
        .folder("/d/sub", true)
        .apply(&mut guest);
    assert_eq!(
        changes,
        ["~/d", "+/d/new", "-/d/old", "~/d/same", "~/d/sub", "-/d/sub/old"]
    );
}

#[test]
fn a_file_of_several_names_stays_one() {
    let mut guest = guest(&["/a|x", "/b => /a", "/c|y", "/d => /c"]);
    let origin = guest.find(&path("/a")).unwrap().map(|found| found.node);
    // One is written through, the other replaced.
    let written = Node {
        origin,
        ..node(FileKind::File)
    };
    Fixed::default()
        .file_like("/a", "changed", written)
        .file("/c", "replaced")
        .apply(&mut guest);
    assert_eq!(
        (text(&guest, "/a"), text(&guest, "/b")),
        ("changed".into(), "changed".into())
    );
    assert_eq!(
        (text(&guest, "/c"), text(&guest, "/d")),
        ("replaced".into(), "y".into())
    );
}

#[test]
fn new_names_are_links() {
    let mut guest = guest(&["/m|x", "/n => /m", "/z|old"]);
    let origin = guest.find(&path("/m")).unwrap().map(|found| found.node);
    let linked = |origin| Node {
        link: Some(7),
        origin,
        ..node(FileKind::File)
    };
    Fixed::default()
        .file_like("/a", "same", linked(origin))
        .file_like("/m", "same", linked(origin))
        .file_like("/z", "same", linked(origin))
        .apply(&mut guest);
    for name in ["/a", "/m", "/n", "/z"] {
        assert_eq!(text(&guest, name), "same", "{name}");
        assert_eq!(guest.metadata(&path(name)).unwrap().unwrap().links, 4, "{name}");
    }
}

#[test]
fn rights_attributes_and_times_are_taken_over() {
    let mut guest = guest(&["/f 0644 1 2|same", "/g|x"]);
    guest.set_xattr(&path("/f"), b"user.old", b"1").unwrap();
    guest.set_xattr(&path("/f"), b"security.selinux", b"label").unwrap();
    let changed = Node {
        mode: 0o4711,
        uid: 70_000,
        gid: 8,
        xattrs: [(b"security.capability".to_vec(), b"caps".to_vec())].into(),
        ..node(FileKind::File)
    };
    let late = Node {
        // After the program began, before the run's reference time.
        modified: Timestamp::from_seconds(1_600_000_000),
        ..node(FileKind::File)
    };
    let changes = Fixed::default()
        .file_like("/f", "same", changed)
        .file_like("/g", "later", late)
        .apply(&mut guest);
    assert_eq!(changes, ["~/f", "~/g"]);
    assert_eq!(mode(&guest, "/f"), "4711 70000:8");
    let names: Vec<Vec<u8>> = guest.xattrs(&path("/f")).unwrap().into_keys().collect();
    assert_eq!(names, [b"security.capability".to_vec(), b"security.selinux".to_vec()]);
    assert_eq!(guest.metadata(&path("/f")).unwrap().unwrap().modified.seconds, 5);
    assert_eq!(guest.metadata(&path("/g")).unwrap().unwrap().modified, NOW);
}

#[test]
fn what_a_filesystem_cannot_store_is_a_warning() {
    let mut guest = guest_with_esp(&["/boot/efi/a|1"], true);
    let owned = Node {
        uid: 5,
        ..node(FileKind::File)
    };
    Fixed::default()
        .file_like("/boot/efi/a", "2", owned)
        .file("/boot/efi/b", "3")
        .apply(&mut guest);
    assert_eq!(text(&guest, "/boot/efi/a"), "2");
    assert_eq!(text(&guest, "/boot/efi/b"), "3");
    assert!(!guest.warnings().is_empty());
}
