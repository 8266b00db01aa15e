//! Every action of a files entry, twice, and each way it can fail.

use super::*;
use crate::testing::{edited, guest, mode, text};
use imgctl_recipe::{LinePattern, LineSide, Preserve, Principal};
use regex::bytes::Regex;

fn entry(path: &str, action: FileAction) -> FileEntry {
    FileEntry::new(path, action)
}

fn inline(content: &str) -> FileAction {
    FileAction::Content(Content::Inline(content.to_owned()))
}

fn line(line: &str, pattern: Option<&str>) -> FileAction {
    FileAction::Line {
        line: line.to_owned(),
        replaces: pattern.map(|pattern| LinePattern(Regex::new(pattern).unwrap())),
        near: None,
    }
}

/// Puts an entry in place and checks that a second time finds nothing to do.
fn put_twice(guest: &mut Guest, entry: &FileEntry) -> Vec<String> {
    let changes = edited(guest, |guest| put(guest, entry).unwrap());
    let tree = std::mem::replace(guest, crate::testing::empty()).into_parts().0;
    *guest = Guest::new(tree, crate::testing::NOW);
    put(guest, entry).unwrap();
    assert!(guest.log().is_empty(), "{entry:?} is not at rest");
    changes
}

#[test]
fn content_goes_where_links_lead_and_keeps_what_was_not_asked() {
    let mut guest = guest(&["/etc/a 0600 5 6|old", "/etc/l -> /../../opt/new", "/opt/"]);
    assert_eq!(put_twice(&mut guest, &entry("/etc/a", inline("new"))), ["~/etc/a"]);
    assert_eq!(
        (text(&guest, "/etc/a"), mode(&guest, "/etc/a")),
        ("new".into(), "0600 5:6".into())
    );
    assert_eq!(
        put_twice(&mut guest, &entry("/etc/l", inline("x"))),
        ["~/opt", "+/opt/new"]
    );
    let changes = put_twice(&mut guest, &entry("/srv/deep/er/file", inline("")));
    assert_eq!(
        changes,
        ["~/", "+/srv", "+/srv/deep", "+/srv/deep/er", "+/srv/deep/er/file"]
    );
    assert_eq!(
        (mode(&guest, "/srv/deep"), mode(&guest, "/srv/deep/er/file")),
        ("0755 0:0".into(), "0644 0:0".into())
    );
}

#[test]
fn owners_are_looked_up_in_the_guest() {
    let mut guest = guest(&["/etc/passwd|web:x:33:99::/:/x\n", "/etc/group|www:x:34:\n"]);
    let owned = FileEntry {
        mode: Some(ModeChange::Bits(0o4750)),
        owner: Some(Principal::Name("web".into())),
        group: Some(Principal::Name("www".into())),
        ..entry("/f", inline("x"))
    };
    put_twice(&mut guest, &owned);
    assert_eq!(mode(&guest, "/f"), "4750 33:34");
    let by_number = FileEntry {
        owner: Some(Principal::Id(1)),
        ..entry("/f", FileAction::Metadata)
    };
    assert_eq!(put_twice(&mut guest, &by_number), ["~/f"]);
    assert_eq!(mode(&guest, "/f"), "4750 1:34");
    let stranger = FileEntry {
        group: Some(Principal::Name("wwww".into())),
        ..entry("/f", FileAction::Metadata)
    };
    let failure = put(&mut guest, &stranger).unwrap_err();
    assert_eq!(failure.to_string(), "the guest has no group named wwww");
}

#[test]
fn a_source_file_is_streamed() {
    let mut host = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..700_000_u32).map(|index| (index % 251) as u8).collect();
    std::io::Write::write_all(&mut host, &content).unwrap();
    let mut guest = guest(&["/f|short"]);
    let source = entry("/f", FileAction::Content(Content::Source(host.path().to_owned())));
    assert_eq!(put_twice(&mut guest, &source), ["~/f"]);
    assert_eq!(
        guest.read(&GuestPath::new("/f").unwrap(), 1 << 20).unwrap().unwrap(),
        content
    );
    host.close().unwrap();
    let failure = put(&mut guest, &source).unwrap_err();
    assert!(
        failure.to_string().starts_with("cannot read the local file /"),
        "{failure}"
    );
}

#[test]
fn directories_and_links() {
    let mut guest = guest(&["/etc/f|x", "/lib -> usr/lib", "/usr/lib/", "/full/x|"]);
    let directory = FileEntry {
        mode: Some(ModeChange::Bits(0o700)),
        ..entry("/lib/a/b", FileAction::Directory)
    };
    assert_eq!(
        put_twice(&mut guest, &directory),
        ["~/usr/lib", "+/usr/lib/a", "+/usr/lib/a/b"]
    );
    assert_eq!(
        (mode(&guest, "/usr/lib/a"), mode(&guest, "/usr/lib/a/b")),
        ("0755 0:0".into(), "0700 0:0".into())
    );
    let link = FileEntry {
        owner: Some(Principal::Id(3)),
        ..entry("/etc/f", FileAction::Symlink("../nowhere".into()))
    };
    assert_eq!(put_twice(&mut guest, &link), ["~/etc", "~/etc/f"]);
    assert_eq!(mode(&guest, "/etc/f"), "0777 3:0");
    for (path, action) in [
        ("/full", inline("x")),
        ("/full", FileAction::Symlink("x".into())),
        ("/full/x", FileAction::Directory),
        ("/full/x/y", inline("x")),
        ("/missing", FileAction::Metadata),
        ("relative", inline("x")),
    ] {
        put(&mut guest, &entry(path, action)).unwrap_err();
    }
}

#[test]
fn absent_takes_what_the_glob_finds() {
    let mut guest = guest(&[
        "/etc/a.conf|",
        "/etc/b.conf/c|",
        "/etc/.d.conf|",
        "/etc/l.conf -> /keep",
        "/keep/x|",
    ]);
    let changes = put_twice(&mut guest, &entry("/etc/*.conf", FileAction::Absent));
    assert_eq!(
        changes,
        [
            "~/etc",
            "-/etc/a.conf",
            "-/etc/b.conf",
            "-/etc/b.conf/c",
            "-/etc/l.conf"
        ]
    );
    assert!(put_twice(&mut guest, &entry("/no/such/thing", FileAction::Absent)).is_empty());
    put(&mut guest, &entry("/..", FileAction::Absent)).unwrap_err();
}

#[test]
fn appended_text_is_there_once() {
    assert_eq!(appended(b"a", b"b\nc").unwrap(), b"a\nb\nc\n");
    assert_eq!(appended(b"", b"b\n").unwrap(), b"b\n");
    assert_eq!(appended(b"x\r\nb\r\nc\r\ny", b"b\nc\n"), None);
    assert_eq!(appended(b"b\nx\nc\n", b"b\nc\n").unwrap(), b"b\nx\nc\nb\nc\n");
    assert_eq!(appended(b"a", b""), None);
    let mut guest = guest(&["/etc/hosts 0600|1 a"]);
    put_twice(&mut guest, &entry("/etc/hosts", FileAction::Append("2 b\n3 c".into())));
    assert_eq!(
        (text(&guest, "/etc/hosts"), mode(&guest, "/etc/hosts")),
        ("1 a\n2 b\n3 c\n".into(), "0600 0:0".into())
    );
    put_twice(&mut guest, &entry("/etc/new", FileAction::Append("x".into())));
    assert_eq!(text(&guest, "/etc/new"), "x\n");
}

#[test]
fn a_line_replaces_the_last_match_or_is_added() {
    let with = |old: &str, new: &str, pattern: Option<&str>| {
        let pattern = pattern.map(|pattern| LinePattern(Regex::new(pattern).unwrap()));
        with_line(old.as_bytes(), new.as_bytes(), pattern.as_ref(), None).map(|text| String::from_utf8(text).unwrap())
    };
    assert_eq!(
        with("a=1\nb\na=2\nc\n", "a=3", Some("^a=")).unwrap(),
        "a=1\nb\na=3\nc\n"
    );
    assert_eq!(with("a=1\r\nb", "a=3", Some("^a=.$")).unwrap(), "a=3\r\nb");
    assert_eq!(with("a", "a=3", Some("^a$")).unwrap(), "a=3");
    assert_eq!(with("x", "a", Some("^y")).unwrap(), "x\na\n");
    assert_eq!(with("", "a", None).unwrap(), "a\n");
    assert_eq!(with("x\na\ny\n", "a", None), None);
    assert_eq!(with("a\nx\n", "a", Some("^y")), None);
    assert_eq!(with("a\n", "a", Some("^a")), None);
    let mut guest = guest(&["/etc/sshd|#Port 22\nPort 2\n"]);
    put_twice(&mut guest, &entry("/etc/sshd", line("Port 22", Some("^Port "))));
    assert_eq!(text(&guest, "/etc/sshd"), "#Port 22\nPort 22\n");
}

#[test]
fn of_entries_with_secrets_nothing_but_the_change_is_told() {
    let mut guest = guest(&["/etc/a|old", "/opt/other => /etc/a", "/etc/l -> b", "/etc/plain|old"]);
    let put_secret = |guest: &mut Guest, path| {
        let entry = FileEntry {
            sensitive: true,
            ..entry(path, inline("swordfish"))
        };
        put_hidden(guest, &entry).unwrap();
    };
    put_secret(&mut guest, "/etc/a");
    put_secret(&mut guest, "/etc/l");
    put_hidden(&mut guest, &entry("/etc/plain", inline("new"))).unwrap();
    let changes = guest.log().finish(guest.tree()).unwrap();
    let json = serde_json::to_value(&changes).unwrap();
    let of = |path: &str| {
        let mut changes = json.as_array().unwrap().iter();
        changes.find(|change| change["path"] == path).unwrap().clone()
    };
    for (path, sides) in [("/etc/a", 2), ("/opt/other", 2), ("/etc/b", 1)] {
        let change = of(path);
        let states: Vec<_> = ["before", "after"].iter().filter_map(|side| change.get(side)).collect();
        assert_eq!(states.len(), sides, "{path}");
        for state in states {
            assert_eq!(state["secret"], true, "{path}");
            assert!(state.get("sha256").is_none() && state.get("size").is_none(), "{path}");
        }
    }
    assert_eq!(of("/etc/plain")["after"]["size"], 3);
}

#[test]
fn lines_go_beside_what_is_found() {
    let with = |old: &str, side: LineSide, pattern: &str| {
        let near = (side, LinePattern(Regex::new(pattern).unwrap()));
        let new = with_line(old.as_bytes(), b"new", None, Some(&near));
        new.map(|text| String::from_utf8(text).unwrap())
    };
    assert_eq!(with("a\nb\na\nc", LineSide::Before, "^a").unwrap(), "a\nb\nnew\na\nc");
    assert_eq!(with("a\nb\na\nc", LineSide::After, "^a").unwrap(), "a\nb\na\nnew\nc");
    assert_eq!(with("a\r\nb\r\n", LineSide::After, "^a$").unwrap(), "a\r\nnew\r\nb\r\n");
    assert_eq!(with("a\nb", LineSide::After, "^b").unwrap(), "a\nb\nnew\n");
    assert_eq!(with("a\n", LineSide::Before, "^x").unwrap(), "a\nnew\n");
    assert_eq!(with("new\na\n", LineSide::After, "^a"), None);
}

#[test]
fn what_is_of_the_guest_is_copied_and_moved_once() {
    let mut guest = guest(&[
        "/d/f 4750 5 6|x",
        "/d/s/l -> ../f",
        "/d/s/again => /d/f",
        "/old 0600|y",
        "/to -> other",
        "/other/",
    ]);
    put_twice(&mut guest, &entry("/to/d", FileAction::Copy("/d".into())));
    assert_eq!(mode(&guest, "/other/d/f"), "4750 5:6");
    assert_eq!(
        guest
            .read_link(&GuestPath::new("/other/d/s/l").unwrap())
            .unwrap()
            .unwrap(),
        b"../f"
    );
    let node = |name: &str| guest.find(&GuestPath::new(name).unwrap()).unwrap().unwrap().node;
    assert_eq!(node("/other/d/f"), node("/other/d/s/again"));
    assert_ne!(node("/other/d/f"), node("/d/f"));
    put_twice(&mut guest, &entry("/new/place", FileAction::Move("/old".into())));
    assert_eq!(
        (text(&guest, "/new/place"), text(&guest, "/old")),
        ("y".into(), "-".into())
    );
    put(&mut guest, &entry("/d/inside", FileAction::Copy("/d".into()))).unwrap_err();
    put(&mut guest, &entry("/no", FileAction::Move("/nothing".into()))).unwrap_err();
}

#[test]
fn what_is_on_another_filesystem_is_copied_there() {
    let mut guest = crate::testing::guest_with_esp(&["/boot/x 0640 1 1|kernel"], true);
    put_twice(&mut guest, &entry("/boot/efi/x", FileAction::Move("/boot/x".into())));
    assert_eq!(
        (text(&guest, "/boot/efi/x"), text(&guest, "/boot/x")),
        ("kernel".into(), "-".into())
    );
}

#[test]
fn files_are_made_and_emptied() {
    let mut guest = guest(&["/log/a 0600 1 2|x", "/log/b/c|x", "/log/l -> /keep", "/keep|x"]);
    assert_eq!(
        put_twice(&mut guest, &entry("/new/f", FileAction::File)),
        ["~/", "+/new", "+/new/f"]
    );
    assert!(put_twice(&mut guest, &entry("/keep", FileAction::File)).is_empty());
    assert_eq!(put_twice(&mut guest, &entry("/log/a*", FileAction::Empty)), ["~/log/a"]);
    put(&mut guest, &entry("/log", FileAction::Empty)).unwrap_err();
    let all = FileEntry {
        recursive: true,
        ..entry("/log", FileAction::Empty)
    };
    assert_eq!(put_twice(&mut guest, &all), ["~/log/b/c"]);
    assert_eq!(
        (mode(&guest, "/log/a"), text(&guest, "/keep")),
        ("0600 1:2".into(), "x".into())
    );
}

#[test]
fn a_tree_is_put_into_what_is_there() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let host = tempfile::tempdir().unwrap();
    let local = host.path().join("etc");
    std::fs::create_dir_all(local.join("lib/deep")).unwrap();
    std::fs::write(local.join("lib/f"), "new").unwrap();
    std::fs::set_permissions(local.join("lib/f"), std::fs::Permissions::from_mode(0o4711)).unwrap();
    std::fs::set_permissions(local.join("lib"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::hard_link(local.join("lib/f"), local.join("lib/deep/f")).unwrap();
    symlink("to/nowhere", local.join("l")).unwrap();
    let mut guest = guest(&[
        "/x/lib -> /usr/lib",
        "/usr/lib/ 0755 3 3",
        "/usr/lib/f 0600 4 4|old",
        "/x/l|was a file",
    ]);
    let tree = FileAction::Tree {
        source: local.clone(),
        preserve: Preserve::default(),
    };
    put_twice(&mut guest, &entry("/x", tree.clone()));
    assert_eq!(
        (text(&guest, "/usr/lib/f"), mode(&guest, "/usr/lib/f")),
        ("new".into(), "4711 0:0".into())
    );
    assert_eq!(
        (mode(&guest, "/usr/lib"), mode(&guest, "/usr/lib/deep")),
        ("0755 3:3".into(), mode(&guest, "/x/lib/deep"))
    );
    assert_eq!(
        guest.read_link(&GuestPath::new("/x/l").unwrap()).unwrap().unwrap(),
        b"to/nowhere"
    );
    let owned = FileEntry {
        owner: Some(Principal::Id(9)),
        mode: ModeChange::parse("go-x"),
        recursive: true,
        ..entry("/y", tree)
    };
    put(&mut guest, &owned).unwrap();
    assert_eq!(
        (mode(&guest, "/y/lib/f"), mode(&guest, "/y/l")),
        ("4700 9:0".into(), "0777 9:0".into())
    );
    let gone = FileAction::Tree {
        source: host.path().join("gone"),
        preserve: Preserve::default(),
    };
    put(&mut guest, &entry("/x", gone)).unwrap_err();
}
