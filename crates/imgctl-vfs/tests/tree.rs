//! The tree never leaves the guest's root, whatever the links in it say.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use imgctl_vfs::{
    ErrorKind, FileKind, GuestPath, ModelFs, Mount, NewNode, NodeId, ReadFs, Resolution, Timestamp, Tree, WriteFs,
};

fn path(path: &str) -> GuestPath {
    GuestPath::new(path).unwrap()
}

fn node(kind: FileKind, target: &str) -> NewNode {
    NewNode {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        target: target.into(),
    }
}

fn add(fs: &mut ModelFs, directory: NodeId, name: &str, kind: FileKind, target: &str) -> NodeId {
    fs.create(directory, name.as_bytes(), &node(kind, target)).unwrap()
}

/// /etc/passwd, /usr/bin/sh, /bin -> usr/bin, and links of every kind.
fn guest() -> Tree {
    let mut fs = ModelFs::new(Timestamp::default());
    let root = fs.root();
    let etc = add(&mut fs, root, "etc", FileKind::Directory, "");
    let usr = add(&mut fs, root, "usr", FileKind::Directory, "");
    let bin = add(&mut fs, usr, "bin", FileKind::Directory, "");
    add(&mut fs, root, "boot", FileKind::Directory, "");
    let passwd = add(&mut fs, etc, "passwd", FileKind::File, "");
    fs.write_at(passwd, 0, b"root:x:0:0::/root:/bin/sh\n").unwrap();
    add(&mut fs, bin, "sh", FileKind::File, "");
    for (directory, name, target) in [
        (root, "bin", "usr/bin"),
        (etc, "outside", "/../../../../etc/passwd"),
        (etc, "up", "../../../../.."),
        (etc, "loop", "/etc/pool"),
        (etc, "pool", "loop"),
        (etc, "self", "self"),
        (etc, "dangling", "/etc/not/../there"),
        (etc, "fresh", "/usr/fresh"),
    ] {
        add(&mut fs, directory, name, FileKind::Symlink, target);
    }
    Tree::new("partition 1", Box::new(fs))
}

#[test]
fn links_are_followed_inside_the_guest_only() {
    let tree = guest();
    let found = |from: &str| tree.resolve(&path(from)).unwrap().path.to_string();
    assert_eq!(found("/bin/sh"), "/usr/bin/sh");
    assert_eq!(found("/etc/outside"), "/etc/passwd");
    assert_eq!(found("/etc/up"), "/");
    assert_eq!(found("/etc/up/etc/passwd"), "/etc/passwd");
    assert_eq!(found("/../../bin/../bin/sh"), "/usr/bin/sh");
    assert_eq!(found("/bin/.."), "/usr", "`..` is that of the link's target");
    assert_eq!(tree.resolve_link(&path("/bin")).unwrap().path.to_string(), "/bin");
}

#[test]
fn circles_and_dead_ends_are_errors() {
    let tree = guest();
    let kind = |of: &str| tree.resolve(&path(of)).unwrap_err().kind();
    assert_eq!(kind("/etc/loop"), ErrorKind::SymlinkLoop);
    assert_eq!(kind("/etc/self/x"), ErrorKind::SymlinkLoop);
    assert_eq!(kind("/etc/dangling"), ErrorKind::NotFound);
    assert_eq!(kind("/etc/passwd/x"), ErrorKind::NotADirectory);
    assert_eq!(tree.find(&path("/etc/passwd/x")).unwrap(), None);
    assert_eq!(tree.find(&path("/nothing/here")).unwrap(), None);
    assert!(tree.find(&path("/etc/loop")).is_err(), "a loop is not absence");
}

#[test]
fn a_free_name_is_located_where_a_link_points() {
    let tree = guest();
    let Resolution::Missing { parent, name } = tree.locate(&path("/etc/fresh"), true).unwrap() else {
        panic!("/usr/fresh does not exist");
    };
    assert_eq!(
        (parent.path.to_string().as_str(), name.as_slice()),
        ("/usr", &b"fresh"[..])
    );
    let Resolution::Found(link) = tree.locate(&path("/etc/fresh"), false).unwrap() else {
        panic!("the link exists");
    };
    assert_eq!(link.path.to_string(), "/etc/fresh");
    assert_eq!(
        tree.locate(&path("/x/y"), true).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_grafted_filesystem_covers_its_mount_point() {
    let mut tree = guest();
    let mut boot = ModelFs::new(Timestamp::default());
    let root = boot.root();
    add(&mut boot, root, "vmlinuz", FileKind::File, "");
    add(&mut boot, root, "back", FileKind::Symlink, "../etc/passwd");
    let mount = |at: &str, fs: ModelFs| Mount {
        path: path(at),
        label: "partition 16".into(),
        fs: Box::new(fs),
    };
    let index = tree.graft(mount("/boot", boot.clone())).unwrap();
    let kernel = tree.resolve(&path("/boot/vmlinuz")).unwrap();
    assert_eq!(kernel.node.mount, index);
    assert_eq!(
        tree.resolve(&path("/boot/back")).unwrap().path.to_string(),
        "/etc/passwd"
    );
    assert_eq!(tree.resolve(&path("/boot/..")).unwrap().node, tree.root().node);
    assert!(tree.is_mount_point(tree.root().node, b"boot").unwrap());
    assert_eq!(
        tree.walk(&tree.root())
            .filter(|entry| entry.as_ref().unwrap().path.is_within(&path("/boot")))
            .count(),
        3
    );

    assert_eq!(
        tree.graft(mount("/boot", boot.clone())).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        tree.graft(mount("/etc/passwd", boot.clone())).unwrap_err().kind(),
        ErrorKind::NotADirectory
    );
    assert_eq!(tree.graft(mount("/mnt", boot)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_walk_meets_parents_first_and_names_in_order() {
    let tree = guest();
    let paths: Vec<_> = tree
        .walk(&tree.root())
        .map(|entry| entry.unwrap().path.to_string())
        .collect();
    let expected = [
        "/",
        "/bin",
        "/boot",
        "/etc",
        "/etc/dangling",
        "/etc/fresh",
        "/etc/loop",
        "/etc/outside",
        "/etc/passwd",
        "/etc/pool",
        "/etc/self",
        "/etc/up",
        "/usr",
        "/usr/bin",
        "/usr/bin/sh",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_file_larger_than_expected_is_not_read() {
    let tree = guest();
    let passwd = tree.resolve(&path("/etc/passwd")).unwrap();
    assert_eq!(tree.read_file(passwd.node, 26).unwrap(), b"root:x:0:0::/root:/bin/sh\n");
    assert_eq!(
        tree.read_file(passwd.node, 25).unwrap_err().kind(),
        ErrorKind::LimitReached
    );
}
