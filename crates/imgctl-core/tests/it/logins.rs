//! How users get in: hashes beside crypt(3), rules beside visudo, settings beside sshd.

use crate::accounts::{NOW, guest_of};
use crate::chroot::{Chroot, Lower};
use crate::recipe::plan;
use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_recipe::sudo_rule_problem;
use imgctl_testkit::{oracle, root_or_skip};
use imgctl_vfs::{GuestPath, Timestamp};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn path(path: &str) -> GuestPath {
    GuestPath::new(path).unwrap()
}

fn text(guest: &Guest, name: &str) -> String {
    String::from_utf8(guest.read(&path(name), 1 << 20).unwrap().unwrap()).unwrap()
}

/// What libcrypt makes of a password and a setting.
fn crypt(password: &str, setting: &str) -> String {
    oracle::run("perl", ["-e", "print crypt($ARGV[0], $ARGV[1])", password, setting]).unwrap()
}

/// The hash of a user in shadow.
fn hash_of(guest: &Guest, user: &str) -> String {
    let shadow = text(guest, "/etc/shadow");
    let line = shadow
        .lines()
        .find(|line| line.starts_with(&format!("{user}:")))
        .unwrap();
    line.split(':').nth(1).unwrap().to_owned()
}

fn run(guest: &mut Guest, recipe: &str) {
    execute(&plan(recipe), guest, &mut |_| true).unwrap();
}

fn again(guest: Guest) -> Guest {
    Guest::new(guest.into_parts().0, Timestamp::from_seconds(NOW))
}

#[test]
fn hashes_are_those_of_the_c_library() {
    if !root_or_skip("hashes_are_those_of_the_c_library") {
        return;
    }
    let lower = Lower::of("debian12");
    for (method, begin) in [("yescrypt", "$y$j9T$"), ("sha512", "$6$"), ("sha256", "$5$")] {
        let chroot = Chroot::new(&lower);
        // PAM's word counts, whatever login.defs says.
        let line = format!("sed -i 's/obscure yescrypt/obscure {method}/' /etc/pam.d/common-password");
        assert!(chroot.run(&line, NOW).status.success());
        let mut guest = guest_of(&chroot.root());
        let password = "Größe: \"7\" & more, longer than a block of sixty-four bytes, which is hashed in two";
        let recipe = format!("users: [{{ name: debian, password: {password:?} }}]");
        run(&mut guest, &recipe);
        let hash = hash_of(&guest, "debian");
        assert!(hash.starts_with(begin), "{hash}");
        assert_eq!(crypt(password, &hash), hash);
        assert_ne!(crypt("another", &hash), hash);
        let mut guest = again(guest);
        run(&mut guest, &recipe);
        assert!(guest.log().is_empty(), "{method}");
    }
}

#[test]
fn hashes_of_the_c_library_are_kept() {
    if !root_or_skip("hashes_of_the_c_library_are_kept") {
        return;
    }
    let lower = Lower::of("debian13");
    for setting in [
        "$y$j9T$abcdefghijklmnopqrst.1",
        "$y$j75$abcdefghijklmnopqrst.1",
        "$y$jAT$abcdefgh",
        "$6$saltsalt$",
        "$6$rounds=10000$saltsaltsaltsalt$",
        "$6$s$",
        "$5$saltsalt$",
        "$5$rounds=1000$saltsalt$",
    ] {
        let hash = crypt("hunter2 hunter2", setting);
        assert!(hash.starts_with(setting.trim_end_matches('$')), "{hash}");
        let chroot = Chroot::new(&lower);
        assert!(
            chroot
                .run(&format!("usermod -p '{hash}' debian"), NOW - 900_000)
                .status
                .success()
        );
        let mut guest = guest_of(&chroot.root());
        run(&mut guest, "users: [{ name: debian, password: hunter2 hunter2 }]");
        assert!(guest.log().is_empty(), "{setting}: {:?}", guest.warnings());
        run(&mut guest, "users: [{ name: debian, password: hunter2 hunter3 }]");
        assert_ne!(hash_of(&guest, "debian"), hash);
    }
}

const HOSTS: &[&str] = &[
    "ALL",
    "web1",
    "10.0.0.0/8",
    "!web,ALL",
    "web*",
    "",
    "a b",
    "SERVERS",
    "+n",
    "fe80::1",
    "%x",
];
const RUN_AS: &[&str] = &[
    "",
    "(ALL)",
    "(ALL:ALL) ",
    "(root,#33)",
    "(:adm)",
    "()",
    "(a b)",
    "(OPS)",
    "(root",
    "(%adm)",
    "(!root)",
    "(a:b:c)",
];
const TAGS: &[&str] = &[
    "",
    "NOPASSWD:",
    "NOPASSWD: SETENV: ",
    "PASSWD NOEXEC:",
    "NOPASS:",
    "LOG_OUTPUT : ",
];
const COMMANDS: &[&str] = &[
    "ALL",
    "/bin/ls",
    "!/bin/su, /bin/*",
    "/bin/x a\\,b \\:c\\=d",
    "/bin/x a=b",
    "/bin/x a:b",
    "/usr/local/bin/",
    "/bin/[a-z]?",
    "sudoedit /etc/motd",
    "sudoedit x",
    "ls",
    "/bin/x \\q",
    "/bin/x # y",
    "/bin/x !y",
    "/bin/x (y)",
    "/bin/x \\",
    "WEB",
    "/bin/x,",
    "",
    "ALL : web=(root) /bin/id",
    "ALL :",
    "list",
    "/bin/x \"\"",
    "/bin/x a\\\\b",
    "/bin/x -f [a",
    "../x",
    "/bin/x @y",
    "/bin/x <y >z | w & v ; u",
    "/bin/x {y}",
    "!!/bin/x",
    "! /bin/x",
    "/bin/été",
];

#[test]
fn visudo_takes_every_rule_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sudoers");
    let (mut taken, mut refused) = (0, 0);
    for host in HOSTS {
        for (index, who) in RUN_AS.iter().enumerate() {
            for (number, tag) in TAGS.iter().enumerate() {
                // Every pair of parts meets, not every four.
                for command in COMMANDS.iter().skip((index + number) % 3).step_by(3) {
                    let rule = format!("{host}={who}{tag}{command}");
                    if sudo_rule_problem(&rule).is_some() {
                        refused += 1;
                        continue;
                    }
                    taken += 1;
                    fs::write(&file, format!("# x\nuser.name-1 {rule}\n\"ADM\" {rule}\n")).unwrap();
                    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
                    let judged = oracle::output("visudo", ["-cf", file.to_str().unwrap()]).unwrap();
                    let said = String::from_utf8_lossy(&judged.stderr).into_owned();
                    assert!(judged.status.success() && said.is_empty(), "{rule}: {said}");
                }
            }
        }
    }
    assert!(taken > 200 && refused > 200, "{taken} {refused}");
}

/// Writes what ours made of a file into the chroot.
fn put(guest: &Guest, chroot: &Chroot, name: &str) {
    let metadata = guest.metadata(&path(name)).unwrap().unwrap();
    let file = chroot.root().join(&name[1..]);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, guest.read(&path(name), 1 << 20).unwrap().unwrap()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(u32::from(metadata.mode))).unwrap();
}

#[test]
fn sudo_reads_the_files() {
    if !root_or_skip("sudo_reads_the_files") {
        return;
    }
    for fixture in ["debian12", "debian13"] {
        let lower = Lower::of(fixture);
        let chroot = Chroot::new(&lower);
        let mut guest = guest_of(&chroot.root());
        run(
            &mut guest,
            "users: [{ name: debian, sudo: [\"ALL=(ALL) NOPASSWD: ALL\"] }, { name: a.b, state: present, sudo: \"ALL=(games) /bin/ls\" }, { name: ADMINS, state: present, sudo: \"ALL=/bin/id\" }]",
        );
        for name in ["debian", "a%2eb", "ADMINS"] {
            put(&guest, &chroot, &format!("/etc/sudoers.d/90-imgctl-{name}"));
        }
        for name in ["/etc/passwd", "/etc/group", "/etc/shadow"] {
            put(&guest, &chroot, name);
        }
        let judged = chroot.run("visudo -c && for u in debian a.b ADMINS; do sudo -l -U $u; done", NOW);
        let said = String::from_utf8_lossy(&judged.stdout).into_owned();
        assert!(
            judged.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&judged.stderr)
        );
        for expected in ["(ALL) NOPASSWD: ALL", "(games) /bin/ls", "(root) /bin/id"] {
            assert!(said.contains(expected), "{fixture}: {expected}: {said}");
        }
    }
}

#[test]
fn sshd_heeds_the_settings() {
    if !root_or_skip("sshd_heeds_the_settings") {
        return;
    }
    const RECIPE: &str = "sshd: { permit_root_login: prohibit-password, password_authentication: false, settings: { MaxAuthTries: 3, X11Forwarding: \"no\", Banner: /etc/issue.net, AllowUsers: [debian, \"ops@10.*\"], Ciphers: \"aes256-gcm@openssh.com\" } }";
    for (fixture, before) in [
        ("debian12", "true"),
        ("debian13", "true"),
        // As on EL 8, and with a block at the end.
        (
            "debian12",
            "sed -i '/^Include/d; s/^X11Forwarding.*/X11Forwarding yes/' /etc/ssh/sshd_config; printf 'Match User x\\n  PermitRootLogin yes\\n' >>/etc/ssh/sshd_config",
        ),
        (
            "debian13",
            "echo 'PermitRootLogin yes' >/etc/ssh/sshd_config.d/50-cloud-init.conf",
        ),
    ] {
        let lower = Lower::of(fixture);
        let chroot = Chroot::new(&lower);
        let ready = chroot.run(&format!("{before}; ssh-keygen -A >/dev/null; mkdir -p /run/sshd"), NOW);
        assert!(ready.status.success(), "{}", String::from_utf8_lossy(&ready.stderr));
        let mut guest = guest_of(&chroot.root());
        run(&mut guest, RECIPE);
        for name in ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/10-imgctl.conf"] {
            if guest.exists(&path(name)).unwrap() {
                put(&guest, &chroot, name);
            }
        }
        let judged = chroot.run("sshd -t && sshd -T", NOW);
        let said = String::from_utf8_lossy(&judged.stdout).into_owned();
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
        for expected in [
            "permitrootlogin without-password",
            "passwordauthentication no",
            "kbdinteractiveauthentication no",
            "maxauthtries 3",
            "x11forwarding no",
            "banner /etc/issue.net",
            "allowusers debian",
            "allowusers ops@10.*",
            "ciphers aes256-gcm@openssh.com",
        ] {
            assert!(
                said.lines().any(|line| line == expected),
                "{fixture}: {expected}\n{said}"
            );
        }
        let mut guest = again(guest);
        run(&mut guest, RECIPE);
        assert!(guest.log().is_empty(), "{fixture}");
    }
}

#[test]
fn every_keyword_is_one_that_sshd_knows() {
    if !root_or_skip("every_keyword_is_one_that_sshd_knows") {
        return;
    }
    let lower = Lower::of("debian13");
    let chroot = Chroot::new(&lower);
    assert!(
        chroot
            .run("ssh-keygen -A >/dev/null; mkdir -p /run/sshd", NOW)
            .status
            .success()
    );
    let reference = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recipe.md")).unwrap();
    assert!(reference.contains("## `sshd`"));
    let judged = chroot.run("sshd -T", NOW);
    let said = String::from_utf8_lossy(&judged.stdout).into_owned();
    for keyword in said.lines().filter_map(|line| line.split(' ').next()) {
        // What sshd lists by its own name is a keyword that a recipe can set.
        let _ = plan(&format!(
            "sshd: {{ settings: {{ {keyword}: {} }} }}",
            value_of(&said, keyword)
        ));
    }
}

/// The value that sshd itself lists, as a string.
fn value_of(said: &str, keyword: &str) -> String {
    let line = said
        .lines()
        .find(|line| line.split(' ').next() == Some(keyword))
        .unwrap();
    let value = line.split_once(' ').map_or("none", |(_, value)| value);
    format!("{value:?}")
}
