//! Options about accounts, read and carried out in their order.

use crate::guest::Guest;
use crate::steps::execute_with;
use crate::steps::flags::{FlagHost, parse, planned};
use crate::testing::{guest, mode, text};
use imgctl_recipe::{GuestFacts, Host, HostFileError, Plan};
use std::path::{Path, PathBuf};

/// The caller's machine: a home directory, and files that are read from the disk.
#[derive(Debug)]
struct Caller(Option<PathBuf>);

impl Host for Caller {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        self.read_file(path, 1 << 20).map(drop)
    }

    fn read_file(&self, path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        std::fs::read(path).map_err(|_| HostFileError::NotFound)
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

impl FlagHost for Caller {
    fn home(&self) -> Option<PathBuf> {
        self.0.clone()
    }
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

const ENTRIES: &[&str] = &[
    "/etc/passwd|root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv/web:/bin/sh\n",
    "/etc/shadow 0600|root:*:1::::::\nweb:!:1::::::\n",
    "/etc/group|root:x:0:\nadm:x:4:\n",
    "/etc/login.defs|ENCRYPT_METHOD SHA512\n",
    "/etc/sudoers|@includedir /etc/sudoers.d\n",
    "/etc/ssh/sshd_config|Include /etc/ssh/sshd_config.d/*.conf\n",
    "/bin/sh 0755|",
    "/srv/web/ 0755 33 33",
    "/root/.ssh/authorized_keys 0600|ssh-rsa OLD x",
];

fn given(flags: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    flags.iter().map(owned).collect()
}

fn run_with(caller: &Caller, flags: &[(&str, &str)]) -> Result<Guest, String> {
    let flags = parse(&given(flags), caller).map_err(|error| error.to_string())?;
    assert!(!format!("{flags:?}").contains("hunter2"), "{flags:?}");
    let flags = planned(&flags, &GuestFacts::default()).unwrap();
    let mut guest = guest(ENTRIES);
    let run = execute_with(&Plan::default(), &flags, &mut guest, &mut |_| true);
    run.map(|_| guest).map_err(|error| format!("{error}: {}", error.cause))
}

fn run(flags: &[(&str, &str)]) -> Result<Guest, String> {
    run_with(&Caller(None), flags)
}

fn field(guest: &Guest, user: &str) -> String {
    let shadow = text(guest, "/etc/shadow");
    let line = shadow
        .lines()
        .find(|line| line.split(':').next() == Some(user))
        .unwrap();
    line.split(':').nth(1).unwrap().to_owned()
}

#[test]
fn every_selector_of_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2 of a file\nsecond line\n").unwrap();
    let from_file = format!("file:{}", file.display());
    for (selector, begin, password) in [
        ("password:hunter2:colons", "$6$", Some("hunter2:colons")),
        (from_file.as_str(), "$6$", Some("hunter2 of a file")),
        ("locked:password:hunter2", "!$6$", Some("hunter2")),
        ("hash:$y$j9T$abc$def", "$y$j9T$abc$def", None),
        ("disabled", "*", None),
        ("locked", "!*", None),
        ("lock:disabled", "!*", None),
    ] {
        let guest = run(&[("root-password", selector), ("password", &format!("web:{selector}"))]).unwrap();
        for user in ["root", "web"] {
            let field = field(&guest, user);
            assert!(field.starts_with(begin), "{selector}: {field}");
            if let Some(password) = password {
                assert!(
                    super::crypt::verifies(field.trim_start_matches('!'), password),
                    "{selector}"
                );
            }
        }
    }
    let guest = run(&[("root-password", "password:hunter2"), ("password-crypto", "yescrypt")]).unwrap();
    assert!(field(&guest, "root").starts_with("$y$j9T$"));
}

#[test]
fn a_random_password_is_announced_and_kept_nowhere() {
    let mut guest = run(&[("root-password", "random")]).unwrap();
    let notices = guest.take_notices();
    let password = notices[0]
        .0
        .strip_prefix("the random password of root is ")
        .unwrap()
        .to_owned();
    assert_eq!(password.len(), 16);
    assert!(super::crypt::verifies(&field(&guest, "root"), &password));
    assert!(
        guest
            .warnings()
            .iter()
            .all(|warning| !warning.message.contains(&password))
    );
    assert_eq!(format!("{notices:?}"), "[Notice(…)]");
    let mut other = run(&[("root-password", "random")]).unwrap();
    assert_ne!(other.take_notices()[0].0, notices[0].0);
}

#[test]
fn mistakes_are_found_and_passwords_not_repeated() {
    for (flag, value, expected) in [
        (
            "password",
            "hunter2",
            "--password: there is no colon between the user and the selector",
        ),
        ("password", "web:hunter2", "--password: the selector is unknown"),
        ("root-password", "hunter2:x", "--root-password: the selector is unknown"),
        (
            "root-password",
            "password:",
            "--root-password: a password is one line, not empty",
        ),
        (
            "root-password",
            "hash:hunter2",
            "--root-password: this is no hash of a password: one begins with `$6$` or `$y$`",
        ),
        (
            "root-password",
            "disabled:hunter2",
            "--root-password: the selector is unknown",
        ),
        (
            "password",
            "nobody:disabled",
            "cannot do what --password asks for: the guest has no user named nobody",
        ),
        (
            "password-crypto",
            "md5",
            "--password-crypto: passwords are not hashed by `md5`",
        ),
        ("user", "a:colour=red", "--user: there is no key `colour`"),
        ("user", "a:uid=x", "--user: `uid` is a number, not `x`"),
        ("user", "a b", "--user: `a b` cannot be the name of a user or group"),
        (
            "delete-user",
            "a:house",
            "--delete-user: after the name comes `:home`, not `:house`",
        ),
        ("sudo", "web", "--sudo: there is no colon in `web`"),
        ("sshd", "UsePAM", "--sshd: there is no `=` in `UsePAM`"),
        ("sshd", "UsePM=no", "--sshd: `UsePM` is not a keyword of sshd_config"),
        ("ssh-inject", "root", "--ssh-inject: your home directory is not known"),
        (
            "ssh-inject",
            "root:x:y",
            "--ssh-inject: after the user comes nothing, `:file:FILE` or `:string:KEY`",
        ),
    ] {
        let error = run(&[(flag, value)]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(
        run(&[("sudo", "web:ALL=ALL # x")])
            .unwrap_err()
            .starts_with("--sudo: `ALL=ALL # x`")
    );
    assert!(
        run(&[("ssh-inject", "root:string:nonsense")])
            .unwrap_err()
            .starts_with("--ssh-inject: ")
    );
}

#[test]
fn keys_are_added_once() {
    let home = tempfile::tempdir().unwrap();
    let ssh = home.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    let caller = Caller(Some(home.path().to_owned()));
    let error = run_with(&caller, &[("ssh-inject", "root")]).unwrap_err();
    assert!(error.contains("there is no public key"), "{error}");
    for (name, comment) in [
        ("id_rsa.pub", "old"),
        ("id_ed25519.pub", "new"),
        ("id_x-cert.pub", "cert"),
        ("known.pub", "other"),
    ] {
        std::fs::write(ssh.join(name), format!("{KEY} {comment}\n")).unwrap();
    }
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5);
    std::fs::File::options()
        .write(true)
        .open(ssh.join("id_rsa.pub"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let guest = run_with(
        &caller,
        &[
            ("ssh-inject", "root"),
            ("ssh-inject", &format!("root:string:{KEY} comment: with colons")),
            ("ssh-inject", &format!("web:string:{KEY} comment: with colons")),
            ("ssh-inject", &format!("web:file:{}", ssh.join("id_rsa.pub").display())),
        ],
    )
    .unwrap();
    assert_eq!(
        text(&guest, "/root/.ssh/authorized_keys"),
        format!("ssh-rsa OLD x\n{KEY} new\n")
    );
    assert_eq!(
        text(&guest, "/srv/web/.ssh/authorized_keys"),
        format!("{KEY} comment: with colons\n")
    );
    assert_eq!(mode(&guest, "/srv/web/.ssh"), "0700 33:33");
}

#[test]
fn short_forms_are_entries_of_a_recipe() {
    let guest = run(&[
        ("group", "ops:gid=2000"),
        (
            "user",
            "ops:uid=1500,group=ops,groups=adm+root,shell=/bin/sh,comment=The Operator",
        ),
        ("user", "agent:system"),
        ("sudo", "ops:ALL=(ALL) NOPASSWD: ALL"),
        ("sudo", "ops:ALL=(web) /bin/ls"),
        ("sshd", "PasswordAuthentication=no"),
        ("sshd", "X11Forwarding=no"),
        ("delete-user", "web:home"),
        ("group", "old"),
        ("delete-group", "old"),
    ])
    .unwrap();
    let passwd = text(&guest, "/etc/passwd");
    assert!(
        passwd.contains("ops:x:1500:2000:The Operator:/home/ops:/bin/sh\n"),
        "{passwd}"
    );
    assert!(passwd.contains("agent:x:999:") && !passwd.contains("web"), "{passwd}");
    assert!(text(&guest, "/etc/group").starts_with("root:x:0:ops\nadm:x:4:ops\n"));
    assert_eq!(
        text(&guest, "/etc/sudoers.d/90-imgctl-ops"),
        "# Made by imgctl\nops ALL=(ALL) NOPASSWD: ALL\nops ALL=(web) /bin/ls\n"
    );
    assert_eq!(
        text(&guest, "/etc/ssh/sshd_config.d/10-imgctl.conf"),
        "# Made by imgctl\nPasswordAuthentication no\nX11Forwarding no\n"
    );
    assert!(!guest.exists(&crate::testing::path("/srv/web")).unwrap());
}
