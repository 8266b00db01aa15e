//! What a program tries in order to get out, and gets instead.

use crate::ends::is_running;
use crate::guest::{request, shell, tree, try_run};
use imgctl_sandbox::End;

/// Runs a line that must fail, with these words in its errors.
#[track_caller]
fn refused(line: &str, words: &str) {
    let tree = tree();
    let outcome = try_run(tree.clone(), &request(line)).unwrap();
    assert_ne!(outcome.end, End::Exited(0), "{line}: {}", outcome.output);
    assert!(outcome.errors.contains(words), "{line}: {}", outcome.errors);
}

#[test]
fn mounts_namespaces_and_the_machine_are_out_of_reach() {
    for (line, words) in [
        ("mount -t tmpfs none /srv", "ermission denied"),
        ("mount -o bind / /srv", "ermission denied"),
        ("umount /proc", "not permitted"),
        ("unshare -r true", "not permitted"),
        ("mknod /srv/disk b 8 0", "not permitted"),
        ("hostname other", "not permitted"),
        ("dmesg", "not permitted"),
        ("date -s 2001-01-01; false", "not permitted"),
        ("echo x > /proc/sys/kernel/hostname", "ead-only"),
        ("echo 1 > /proc/sys/vm/overcommit_memory", "ead-only"),
        ("echo b > /proc/sysrq-trigger; false", ""),
        ("touch /sys/x", "ead-only"),
        ("ip link add x type dummy", "not permitted"),
    ] {
        refused(line, words);
    }
}

#[test]
fn nothing_of_the_machine_is_seen() {
    let outcome = shell(
        "ps -o pid,args | grep -v -e sh -e ps -e PID -e grep; ls /proc | grep -c '^[0-9]'; cat /proc/kcore | wc -c; \
         ls /sys | wc -l; ls /dev; cat /proc/mounts | grep -v -e '^guest ' -e '^proc' -e '^tmpfs' -e '^dev' -e '^run' \
         -e '^tmp' -e '^sys' | sed 's/ .*//' | sort -u; ls /proc/1/fd 2>&1; ls -l /proc/self/fd | wc -l; ip -o link",
    );
    let text = &outcome.output;
    assert!(!text.contains("debug") && !text.contains("/target"), "{text}");
    assert!(text.contains("Permission denied"), "{text}");
    assert!(
        text.contains("fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"),
        "{text}"
    );
    assert_eq!(text.matches("LOOPBACK").count(), 1, "{text}");
    assert!(!text.contains("eth0"), "{text}");
}

#[test]
fn a_chroot_leads_nowhere() {
    let outcome = shell(
        "mkdir /srv/jail /srv/jail/bin; cp /bin/busybox /srv/jail/bin/; chroot /srv/jail /bin/busybox true; \
         cd /..; cd ../../../..; ls; ls /proc/1/root/ 2>&1; ls /proc/1/cwd/ 2>&1; true",
    );
    assert!(
        outcome.output.starts_with("bin\ndev\netc\nproc\nrun\nsrv\nsys\ntmp\n"),
        "{}",
        outcome.output
    );
    assert_eq!(
        outcome.output.matches("ermission denied").count(),
        2,
        "{}",
        outcome.output
    );
}

#[test]
fn killing_everything_kills_itself_alone() {
    let tree = tree();
    let outcome = try_run(tree.clone(), &request("kill -9 1; kill -9 -1; echo still; kill -9 $$")).unwrap();
    assert_eq!(outcome.end, End::Signalled(9), "{}{}", outcome.output, outcome.errors);
}

#[test]
fn a_fork_bomb_stays_small() {
    let mut request = request("bomb() { sleep 86395 & bomb | bomb & }; bomb; sleep 1; echo survived");
    request.most_processes = 200;
    let tree = tree();
    let outcome = try_run(tree.clone(), &request);
    // Whether the shell itself gets that far is up to it.
    assert!(outcome.is_ok());
    assert!(!is_running("86395"));
}

#[test]
fn names_of_the_upper_folder_lead_nowhere() {
    let outcome = shell(
        "cd /srv; ln -s / root; ln -s ../../../../../../etc up; ln -s /proc/self/exe self; mkfifo pipe; \
         ln -s /etc/shadow data2; rm -r deep; ln -s /etc deep; : > \"$(printf 'new\\nline')\"",
    );
    assert!(outcome.contents.keys().all(|path| !path.contains("shadow")));
    assert_eq!(outcome.node("/srv/deep").target, b"/etc");
    assert_eq!(outcome.node("/srv/root").target, b"/");
    assert!(outcome.contents.contains_key("/srv/new\\nline") || outcome.contents.contains_key("/srv/new\\x0aline"));
}

#[test]
fn attributes_of_the_overlay_cannot_be_forged() {
    let tree = tree();
    let line = "mkdir /srv/x; setfattr -n user.overlay.opaque -v y /srv/deep; setfattr -n user.overlay.redirect -v /etc /srv/x";
    let outcome = try_run(tree.clone(), &request(&format!("{line}; true"))).unwrap();
    assert!(outcome.end.is_success());
    let is_forged = outcome.changes.iter().any(|change| {
        let names = change.node.iter().flat_map(|node| node.xattrs.keys());
        names.into_iter().any(|name| name.starts_with(b"user.overlay"))
    });
    assert!(!is_forged, "{:?}", outcome.changes);
    assert!(!outcome.paths().contains(&"/srv/deep".to_owned()) || !outcome.node("/srv/deep").is_opaque);
}

#[test]
fn a_user_is_nobody_else() {
    let mut request = request("id; touch /etc/x; cat /srv/deep/a; su root -c id; echo end");
    request.user = (1000, 1000, vec![50]);
    let tree = tree();
    let outcome = try_run(tree.clone(), &request).unwrap();
    assert!(
        outcome.output.starts_with("uid=1000(user) gid=1000(user) groups=50"),
        "{}",
        outcome.output
    );
    assert_eq!(
        outcome.errors.matches("ermission denied").count(),
        2,
        "{}",
        outcome.errors
    );
    assert_eq!(outcome.paths(), ["/"]);
}
