//! What a program changes is told exactly.

use crate::guest::{THEN, request, shell, tree, try_run};
use imgctl_sandbox::{Command, InjectedFile, LEFT_OUT};
use imgctl_vfs::FileKind;

#[test]
fn nothing_is_changed_by_looking() {
    let outcome = shell("find / -xdev | wc -l; cat /srv/data /srv/other-name; id -u; pwd");
    assert_eq!(outcome.paths(), ["/"], "{}", outcome.output);
    assert!(outcome.output.contains("data\ndata\n0\n/\n"), "{}", outcome.output);
    assert_eq!(outcome.node("/").modified, THEN);
}

#[test]
fn files_folders_links_and_rights_are_told() {
    let outcome = shell(
        "cd /srv; echo more >> data; chmod 4755 deep/a; chown 7:8 deep/b; ln -s /etc/passwd link; mkfifo fifo; \
         mkdir -p new/sub; echo x > new/sub/f; ln new/sub/f new/hard; chmod 1777 new; touch -d '2001-01-01 00:00:00' old",
    );
    assert_eq!(
        outcome.paths(),
        [
            "/",
            "/srv",
            "/srv/data",
            "/srv/deep",
            "/srv/deep/a",
            "/srv/deep/b",
            "/srv/fifo",
            "/srv/link",
            "/srv/new",
            "/srv/new/hard",
            "/srv/new/sub",
            "/srv/new/sub/f",
            "/srv/old"
        ]
    );
    assert_eq!(outcome.contents["/srv/data"], b"data\nmore\n");
    assert!(outcome.node("/srv/data").origin.is_some() && outcome.node("/srv/old").origin.is_none());
    assert_eq!(
        outcome.node("/srv/data").xattrs.keys().collect::<Vec<_>>(),
        [b"user.note"]
    );
    assert_eq!(outcome.node("/srv/deep/a").mode, 0o4755);
    assert_eq!(
        (outcome.node("/srv/deep/b").uid, outcome.node("/srv/deep/b").gid),
        (7, 8)
    );
    assert_eq!(outcome.node("/srv/link").target, b"/etc/passwd");
    assert_eq!(outcome.node("/srv/fifo").kind, FileKind::Fifo);
    assert_eq!(outcome.node("/srv/new").mode, 0o1777);
    assert!(!outcome.node("/srv").is_opaque && !outcome.node("/srv/deep").is_opaque);
    assert!(outcome.node("/srv/new/hard").link.is_some());
    assert_eq!(outcome.node("/srv/new/hard").link, outcome.node("/srv/new/sub/f").link);
    assert_eq!(outcome.node("/srv/old").modified.seconds, 978_307_200);
}

#[test]
fn device_nodes_are_seen_where_files_are_served() {
    let tree = tree();
    let outcome = try_run(tree.clone(), &request("ls -l /srv/device; rm /srv/device")).unwrap();
    assert!(outcome.output.contains("1,   3"), "{}", outcome.output);
    assert_eq!(outcome.paths(), ["/", "/srv", "-/srv/device"]);
}

#[test]
fn a_folder_that_is_made_anew_holds_nothing_old() {
    let outcome = shell("rm -r /srv/deep; mkdir -p /srv/deep/inner; echo c > /srv/deep/c; mv /srv/data /srv/moved");
    assert_eq!(
        outcome.paths(),
        [
            "/",
            "/srv",
            "-/srv/data",
            "/srv/deep",
            "/srv/deep/c",
            "/srv/deep/inner",
            "/srv/moved"
        ]
    );
    assert!(outcome.node("/srv/deep").is_opaque && outcome.node("/srv/deep/inner").is_opaque);
}

#[test]
fn a_folder_that_is_moved_is_copied() {
    let outcome = shell("mv /srv/deep /srv/deeper; ls /srv/deeper");
    assert_eq!(outcome.output, "a\nb\ninner\n");
    assert_eq!(
        outcome.paths(),
        [
            "/",
            "/srv",
            "-/srv/deep",
            "/srv/deeper",
            "/srv/deeper/a",
            "/srv/deeper/b",
            "/srv/deeper/inner",
            "/srv/deeper/inner/x"
        ]
    );
}

#[test]
fn what_is_not_of_the_guest_leaves_no_trace() {
    let mut request = request(
        "cat /etc/resolv.conf; cat /etc/passwd > /tmp/x; echo y > /run/y; echo z > /dev/shm/z; chmod 600 /etc/resolv.conf; \
         mkdir -p /var/cache/apt/archives; echo big > /var/cache/apt/archives/a.deb; cat /proc/cmdline; hostname",
    );
    request.injected = vec![InjectedFile {
        path: crate::guest::path("/etc/resolv.conf"),
        mode: 0o644,
        content: b"nameserver 192.0.2.1\n".to_vec(),
    }];
    request.kernel_arguments = b"root=/dev/vda1 ro".to_vec();
    request.host_name = b"node1".to_vec();
    let tree = tree();
    let outcome = try_run(tree.clone(), &request).unwrap();
    assert_eq!(
        outcome.output, "nameserver 192.0.2.1\nroot=/dev/vda1 ro\nnode1\n",
        "{}",
        outcome.errors
    );
    assert_eq!(outcome.paths(), ["/", "/etc", "/var", "/var/cache", "/var/cache/apt"]);
    assert!(LEFT_OUT.contains(&"/var/cache/apt/"));
}

#[test]
fn scripts_are_run_by_their_interpreter() {
    let mut request = request("");
    for (text, expected) in [
        ("echo $0 $1; false; echo after", "/run/imgctl/script one\n"),
        (
            "#!/bin/sh\necho $0 $1; false; echo after",
            "/run/imgctl/script one\nafter\n",
        ),
        ("#!/bin/sed 1d\nthe second line\n", "the second line\n"),
    ] {
        let arguments = if expected.contains("one") {
            vec![b"one".to_vec()]
        } else {
            Vec::new()
        };
        let text = text.as_bytes().to_vec();
        request.command = Command::Script { text, arguments };
        let tree = tree();
        assert_eq!(try_run(tree.clone(), &request).unwrap().output, expected);
    }
}

#[test]
fn thousands_of_files_and_a_large_one() {
    let outcome = shell(
        "mkdir /srv/many; cd /srv/many; for i in $(seq 3000); do echo $i > $i; done; \
         dd if=/dev/zero of=/srv/large bs=1M count=64 2>/dev/null; cat /bin/busybox > /srv/copy",
    );
    assert_eq!(outcome.changes.len(), 3000 + 5);
    assert_eq!(outcome.contents["/srv/many/2999"], b"2999\n");
    assert_eq!(outcome.node("/srv/large").size, 64 << 20);
    let busybox = std::fs::read(imgctl_testkit::oracle::require("busybox").unwrap()).unwrap();
    assert_eq!(outcome.contents["/srv/copy"], busybox[..busybox.len().min(1 << 20)]);
}
