//! Edits stay inside the guest, keep what they should, and are all in the log.

use super::*;
use crate::testing::{changes, difference, edited, guest, guest_with_esp, listing, mode, path, text};
use imgctl_vfs::MetadataChange;
use proptest::prelude::*;

const NEW: NewMetadata = NewMetadata {
    mode: 0o640,
    uid: 7,
    gid: 8,
};

fn write(guest: &mut Guest, name: &str, content: &str) -> Result<Found> {
    guest.write_file(&path(name), &mut content.as_bytes(), NEW)
}

#[test]
fn writing_keeps_an_existing_node_and_makes_a_new_one_as_asked() {
    let mut guest = guest(&[
        "/etc/a 0600 3 4|old",
        "/etc/b => /etc/a",
        "/srv/c => /etc/a",
        "/etc/d|old",
    ]);
    let changes = edited(&mut guest, |guest| {
        write(guest, "/etc/a", "new").unwrap();
        write(guest, "/etc/n", "made").unwrap();
    });
    assert_eq!(changes, ["~/etc", "~/etc/a", "~/etc/b", "+/etc/n", "~/srv/c"]);
    assert_eq!(
        (text(&guest, "/srv/c"), mode(&guest, "/etc/a")),
        ("new".into(), "0600 3:4".into())
    );
    assert_eq!(
        (text(&guest, "/etc/n"), mode(&guest, "/etc/n")),
        ("made".into(), "0640 7:8".into())
    );
}

#[test]
fn links_are_followed_inside_the_guest_only() {
    let mut guest = guest(&[
        "/etc/out -> /../../host",
        "/etc/up -> ../../../usr/x",
        "/usr/",
        "/etc/loop -> loop",
    ]);
    write(&mut guest, "/etc/out", "1").unwrap();
    write(&mut guest, "/etc/up", "2").unwrap();
    assert_eq!(
        (text(&guest, "/host"), text(&guest, "/usr/x")),
        ("1".into(), "2".into())
    );
    assert_eq!(changes(&guest), ["~/", "+/host", "~/usr", "+/usr/x"]);
    let error = write(&mut guest, "/etc/loop", "3").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::SymlinkLoop));
    assert_eq!(error.to_string(), "cannot write /etc/loop (partition 1)");
    assert_eq!(
        write(&mut guest, "/no/where", "").unwrap_err().kind(),
        Some(ErrorKind::NotFound)
    );
    let error = write(&mut guest, "/usr", "").unwrap_err();
    assert_eq!(error.to_string(), "cannot write /usr (partition 1): it is a directory");
}

#[test]
fn directories_are_made_with_their_parents() {
    let mut guest = guest(&["/file|x", "/lib -> usr/lib", "/usr/lib/"]);
    let changes = edited(&mut guest, |guest| {
        guest.create_directory_all(&path("/lib/a/../b/c"), NEW).unwrap();
    });
    assert_eq!(changes, ["~/usr/lib", "+/usr/lib/a", "+/usr/lib/b", "+/usr/lib/b/c"]);
    let error = guest.create_directory_all(&path("/file/x"), NEW).unwrap_err();
    assert!(error.to_string().contains("/file"), "{error}");
}

#[test]
fn symlinks_replace_files_and_never_full_directories() {
    let mut guest = guest_with_esp(&["/f|x", "/l -> a", "/empty/", "/full/x|", "/same -> t"], true);
    let changes = edited(&mut guest, |guest| {
        for name in ["/f", "/l", "/empty", "/new", "/same"] {
            guest.symlink(&path(name), b"t").unwrap();
        }
    });
    assert_eq!(changes, ["~/", "~/empty", "~/f", "~/l", "+/new"]);
    let error = guest.symlink(&path("/full"), b"t").unwrap_err();
    assert!(error.to_string().ends_with("it is a directory that holds entries"));
    let error = guest.symlink(&path("/boot/efi"), b"t").unwrap_err();
    assert!(error.to_string().ends_with("it is a mount point"));
    let error = guest.symlink(&path("/boot/efi/x"), b"t").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Unsupported));
    assert_eq!(
        error.to_string(),
        "cannot make a symbolic link of /boot/efi/x (partition 15)"
    );
}

#[test]
fn removal_is_recursive_stops_at_mounts_and_does_not_follow_links() {
    let mut guest = guest_with_esp(
        &[
            "/d/x/y|1",
            "/d/x/.z|2",
            "/d/l -> /keep",
            "/keep/k|3",
            "/to -> d",
            "/boot/v|4",
            "/boot/efi/e|5",
        ],
        true,
    );
    let changes = edited(&mut guest, |guest| {
        assert!(guest.remove(&path("/to")).unwrap());
        assert!(guest.remove(&path("/d")).unwrap());
        assert!(!guest.remove(&path("/d")).unwrap());
        assert!(!guest.remove(&path("/keep/k/below-a-file")).unwrap());
    });
    assert_eq!(changes, ["~/", "-/d", "-/d/l", "-/d/x", "-/d/x/.z", "-/d/x/y", "-/to"]);
    for name in ["/", "/boot", "/boot/efi"] {
        guest.remove(&path(name)).unwrap_err();
    }
    assert_eq!(text(&guest, "/boot/v"), "4");
    guest.remove_contents(&path("/boot/efi")).unwrap();
    assert_eq!(text(&guest, "/boot/efi/e"), "-");
}

#[test]
fn renaming_a_directory_lists_what_it_holds() {
    let mut guest = guest(&["/a/b/c|1", "/a/f|2", "/t/"]);
    let changes = edited(&mut guest, |guest| guest.rename(&path("/a"), &path("/t/n")).unwrap());
    assert_eq!(
        changes,
        [
            "~/",
            "-/a",
            "-/a/b",
            "-/a/b/c",
            "-/a/f",
            "~/t",
            "+/t/n",
            "+/t/n/b",
            "+/t/n/b/c",
            "+/t/n/f"
        ]
    );
}

#[test]
fn what_ends_as_it_began_is_left_out() {
    let mut guest = guest(&["/etc/a|same", "/etc/b|x"]);
    let changes = edited(&mut guest, |guest| {
        write(guest, "/etc/a", "other").unwrap();
        write(guest, "/etc/a", "same").unwrap();
        guest.set_modified(&path("/etc/a"), crate::testing::THEN).unwrap();
        guest.set_mode(&path("/etc/b"), 0o644).unwrap();
        guest.truncate(&path("/etc/missing")).unwrap();
    });
    assert_eq!(changes, Vec::<String>::new());
}

#[test]
fn a_link_across_filesystems_is_a_copy() {
    let mut guest = guest_with_esp(&["/vmlinuz 0600 1 2|kernel"], true);
    guest.set_xattr(&path("/vmlinuz"), b"user.note", b"1").unwrap();
    guest.link(&path("/vmlinuz"), &path("/boot/efi/vmlinuz")).unwrap();
    guest.link(&path("/vmlinuz"), &path("/boot/vmlinuz")).unwrap();
    assert_eq!(text(&guest, "/boot/efi/vmlinuz"), "kernel");
    assert_eq!(guest.metadata(&path("/boot/vmlinuz")).unwrap().unwrap().links, 2);
    let warnings: Vec<&str> = guest
        .warnings()
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].starts_with("/boot/efi/vmlinuz is a copy of /vmlinuz"));
    assert!(warnings[2].contains("loses its attributes user.note"));
}

#[test]
fn owners_on_a_filesystem_without_them_are_one_warning() {
    let mut guest = guest_with_esp(&["/boot/efi/a|1", "/boot/efi/b|1"], true);
    guest.set_owner(&path("/boot/efi/a"), 5, 6).unwrap();
    guest.set_mode(&path("/boot/efi/b"), 0o600).unwrap();
    assert_eq!(guest.warnings().len(), 1);
    assert!(guest.warnings()[0].message.contains("/boot/efi (partition 15)"));
    assert!(guest.log().is_empty());
}

#[test]
fn the_receipt_form_escapes_names_and_hides_secrets() {
    let mut guest = guest(&["/etc/shadow 0640|root:old", "/etc/plain|1", "/etc/pem|x"]);
    write(&mut guest, "/etc/shadow", "root:new").unwrap();
    write(&mut guest, "/etc/plain", "2").unwrap();
    write(&mut guest, "/etc/pem", "-----BEGIN PRIVATE KEY-----").unwrap();
    let evil = GuestPath::new(b"/etc/\x1b[2J\xff").unwrap();
    guest.write_file(&evil, &mut &b""[..], NEW).unwrap();
    let changes = guest.log().finish(guest.tree()).unwrap();
    let json = serde_json::to_value(&changes).unwrap();
    let of = |name: &str| {
        json.as_array()
            .unwrap()
            .iter()
            .find(|change| change["path"] == name)
            .unwrap()
    };
    for name in ["/etc/shadow", "/etc/pem"] {
        for side in ["before", "after"] {
            assert_eq!(of(name)[side]["secret"], true);
            assert!(of(name)[side].get("sha256").is_none());
        }
    }
    let plain = of("/etc/plain");
    assert_eq!(
        plain["after"]["sha256"],
        "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"
    );
    assert_eq!(plain["before"]["mtime"], "1000000000.000000005");
    assert_eq!(
        (&plain["kind"], &plain["partition"]),
        (&"modified".into(), &"partition 1".into())
    );
    assert_eq!(of("/etc/\\x1b[2J\\xff")["kind"], "added");
    assert!(!format!("{changes:?}").contains("root:new"));
}

#[test]
fn globs_are_the_shells() {
    let guest = guest(&[
        "/var/log/a.log|",
        "/var/log/b.log|",
        "/var/log/.c.log|",
        "/var/log/app/d.log|",
        "/home/u/.bash_history|",
        "/home/v -> /root",
        "/home/w -> w",
        "/root/.bash_history|",
        "/l -> var/log",
        "/odd/[x]|",
        "/home/file|",
    ]);
    let glob = |pattern| {
        let found = guest.glob(pattern).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(glob("/var/log/*.log"), ["/var/log/a.log", "/var/log/b.log"]);
    assert_eq!(glob("/var/log/.*"), ["/var/log/.c.log"]);
    assert_eq!(glob("/l/{a,b}.log"), ["/var/log/a.log", "/var/log/b.log"]);
    assert_eq!(
        glob("/home/*/.bash_history"),
        ["/home/u/.bash_history", "/root/.bash_history"]
    );
    assert_eq!(glob("/home/w"), ["/home/w"]);
    assert_eq!(glob("/l"), ["/l"]);
    assert_eq!(glob("/odd/\\[x\\]"), ["/odd/[x]"]);
    assert_eq!(glob("/../../l/?.log/x"), Vec::<String>::new());
    assert_eq!(glob("/var/*/../log/a.log"), ["/var/log/a.log"]);
    let error = guest.glob("/var/[").unwrap_err();
    assert_eq!(error.to_string(), "the pattern [ is not a valid glob");
}

const NAMES: [&str; 14] = [
    "/a",
    "/b",
    "/d",
    "/d/a",
    "/d/b",
    "/d/e",
    "/d/e/x",
    "/boot/k",
    "/boot/efi/k",
    "/boot/efi/m",
    "/l",
    "/l/x",
    "/d/l",
    "/dangling",
];

#[derive(Clone, Debug)]
enum Op {
    Write(usize, u8),
    Mkdir(usize),
    Symlink(usize, usize),
    Remove(usize),
    Empty(usize),
    Rename(usize, usize),
    Link(usize, usize),
    Mode(usize, u16),
    Xattr(usize, u8),
    Truncate(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    prop_oneof![
        (name.clone(), 0..3_u8).prop_map(|(a, b)| Op::Write(a, b)),
        name.clone().prop_map(Op::Mkdir),
        (name.clone(), name.clone()).prop_map(|(a, b)| Op::Symlink(a, b)),
        name.clone().prop_map(Op::Remove),
        name.clone().prop_map(Op::Empty),
        (name.clone(), name.clone()).prop_map(|(a, b)| Op::Rename(a, b)),
        (name.clone(), name.clone()).prop_map(|(a, b)| Op::Link(a, b)),
        (name.clone(), 0..8_u16).prop_map(|(a, b)| Op::Mode(a, 0o640 | b)),
        (name.clone(), 0..2_u8).prop_map(|(a, b)| Op::Xattr(a, b)),
        name.prop_map(Op::Truncate),
    ]
}

/// Makes one edit; what the guest refuses is part of the game.
fn apply(guest: &mut Guest, op: &Op) {
    let name = |index: &usize| path(NAMES[*index]);
    let _ = match op {
        Op::Write(at, byte) => {
            let content = vec![b'a' + byte; usize::from(*byte) * 3];
            guest.write_file(&name(at), &mut content.as_slice(), NEW).map(|_| ())
        }
        Op::Mkdir(at) => guest.create_directory_all(&name(at), NEW).map(|_| ()),
        Op::Symlink(at, target) => guest.symlink(&name(at), NAMES[*target].as_bytes()),
        Op::Remove(at) => guest.remove(&name(at)).map(|_| ()),
        Op::Empty(at) => guest.remove_contents(&name(at)),
        Op::Rename(from, to) => guest.rename(&name(from), &name(to)),
        Op::Link(from, to) => guest.link(&name(from), &name(to)),
        Op::Mode(at, mode) => guest.set_metadata(
            &name(at),
            MetadataChange {
                mode: Some(*mode),
                uid: Some(u32::from(*mode % 3)),
                ..Default::default()
            },
        ),
        Op::Xattr(at, value) => match value {
            0 => guest.remove_xattr(&name(at), b"user.x"),
            value => guest.set_xattr(&name(at), b"user.x", &[*value]),
        },
        Op::Truncate(at) => guest.truncate(&name(at)),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn the_log_is_the_difference_of_two_trees(ops in proptest::collection::vec(op(), 1..20)) {
        let mut guest = guest_with_esp(
            &["/a|1", "/b => /a", "/d/a => /a", "/d/e/x|2", "/l -> /d/e", "/boot/k|3", "/boot/efi/k|4", "/dangling -> /gone"],
            true,
        );
        let before = listing(guest.tree());
        for op in &ops {
            apply(&mut guest, op);
        }
        prop_assert_eq!(changes(&guest), difference(&before, &listing(guest.tree())));
    }
}
