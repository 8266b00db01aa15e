//! Every action of a files entry, twice, and each way it can fail.

use super::*;
use crate::testing::{edited, guest, mode, text};
use imgctl_recipe::Content;
use regex::bytes::Regex;

fn entry(path: &str, action: FileAction) -> FileEntry {
    FileEntry {
        path: path.to_owned(),
        action,
        mode: None,
        owner: None,
        group: None,
        sensitive: false,
    }
}

fn inline(content: &str) -> FileAction {
    FileAction::Content(Content::Inline(content.to_owned()))
}

fn line(line: &str, pattern: Option<&str>) -> FileAction {
    FileAction::Line {
        line: line.to_owned(),
        replaces: pattern.map(|pattern| LinePattern(Regex::new(pattern).unwrap())),
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
        mode: Some(0o4750),
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
        mode: Some(0o700),
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
        with_line(old.as_bytes(), new.as_bytes(), pattern.as_ref()).map(|text| String::from_utf8(text).unwrap())
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
