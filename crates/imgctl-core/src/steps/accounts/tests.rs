//! Families of guests that have no oracle here, damage that must stay, and second runs that change nothing.

use super::password::{Wanted, set};
use super::{group, user};
use crate::guest::Guest;
use crate::testing::{again, edited, guest, mode, text};
use imgctl_recipe::{Expiry, GroupEntry, Password, Principal, User, UserState};

fn present(name: &str) -> User {
    User {
        name: name.to_owned(),
        state: UserState::Present,
        ..User::default()
    }
}

/// Makes it so, and checks that a second time finds nothing to do.
fn ensured(mut guest: Guest, user: &User) -> Guest {
    user::ensure(&mut guest, user).unwrap();
    let mut guest = again(guest);
    user::ensure(&mut guest, user).unwrap();
    assert!(guest.log().is_empty(), "{user:?} is not at rest");
    guest
}

const EL: &[&str] = &[
    "/etc/os-release|ID=rocky\n",
    "/etc/passwd|root:x:0:0:root:/root:/bin/bash\n",
    "/etc/shadow 0000|root:!locked::0:99999:7:::\n",
    "/etc/group|root:x:0:\nmail:x:12:\nwheel:x:10:\n",
    "/etc/gshadow 0000|root:::\nmail:::\nwheel:::\n",
    "/etc/subuid|",
    "/etc/subgid|",
    "/etc/login.defs|MAIL_DIR\t/var/spool/mail\nUMASK\t022\nHOME_MODE\t0700\nPASS_MAX_DAYS\t99999\nPASS_MIN_DAYS\t0\nPASS_WARN_AGE\t7\nUID_MIN 1000\nUID_MAX 60000\nSYS_UID_MIN 201\nSYS_UID_MAX 999\nGID_MIN 1000\nSYS_GID_MIN 201\nSYS_GID_MAX 999\nUSERGROUPS_ENAB yes\nCREATE_HOME yes\n",
    "/etc/default/useradd|GROUP=100\nHOME=/home\nINACTIVE=-1\nEXPIRE=\nSHELL=/bin/bash\nSKEL=/etc/skel\nCREATE_MAIL_SPOOL=yes\n",
    "/etc/skel/.bashrc 0644|# rc\n",
    "/etc/skel/.ssh/ 0700",
    "/etc/skel/link -> /etc/skel/.bashrc",
    "/var/spool/mail/ 0775 0 12",
    "/home/",
    "/bin/bash 0755|",
];

#[test]
fn el_makes_a_private_home_and_a_mailbox() {
    let ops = User {
        groups: vec!["wheel".to_owned()],
        comment: Some("Operator".to_owned()),
        ..present("ops")
    };
    let guest = ensured(guest(EL), &ops);
    assert!(text(&guest, "/etc/passwd").ends_with("ops:x:1000:1000:Operator:/home/ops:/bin/bash\n"));
    assert!(text(&guest, "/etc/shadow").ends_with("ops:!:23148:0:99999:7:::\n"));
    assert_eq!(
        text(&guest, "/etc/group"),
        "root:x:0:\nmail:x:12:\nwheel:x:10:ops\nops:x:1000:\n"
    );
    assert_eq!(text(&guest, "/etc/gshadow"), "root:::\nmail:::\nwheel:::ops\nops:!::\n");
    assert_eq!(text(&guest, "/etc/subuid"), "ops:100000:65536\n");
    assert_eq!(mode(&guest, "/home/ops"), "0700 1000:1000");
    assert_eq!(mode(&guest, "/home/ops/.bashrc"), "0644 1000:1000");
    assert_eq!(mode(&guest, "/home/ops/.ssh"), "0700 1000:1000");
    assert_eq!(
        guest
            .read_link(&crate::testing::path("/home/ops/link"))
            .unwrap()
            .unwrap(),
        b"/home/ops/.bashrc"
    );
    assert_eq!(mode(&guest, "/var/spool/mail/ops"), "0660 1000:12");
    assert_eq!(mode(&guest, "/etc/shadow"), "0000 0:0");
    let system = User {
        is_system: true,
        ..present("agent")
    };
    let guest = ensured(guest, &system);
    assert!(text(&guest, "/etc/passwd").ends_with("agent:x:999:999::/home/agent:/bin/bash\n"));
    assert!(text(&guest, "/etc/shadow").ends_with("agent:!:23148::::::\n"));
    assert!(!guest.exists(&crate::testing::path("/home/agent")).unwrap());
}

#[test]
fn suse_has_one_group_for_all() {
    let guest = guest(&[
        "/etc/os-release|ID=opensuse-leap\n",
        "/etc/passwd|root:x:0:0:root:/root:/bin/bash\n+::::::\n",
        "/etc/shadow 0640 0 15|root:*:1::::::\n+::::::::\n",
        "/etc/group|root:x:0:\nusers:x:100:\n+:::\n",
        "/usr/etc/login.defs|UMASK 022\nUSERGROUPS_ENAB no\nUID_MIN 1000\nPASS_MIN_DAYS 0\nPASS_MAX_DAYS 99999\nPASS_WARN_AGE 7\n",
        "/usr/etc/default/useradd|GROUP=100\nSHELL=/bin/bash\n",
    ]);
    let guest = ensured(guest, &present("ops"));
    assert_eq!(
        text(&guest, "/etc/passwd"),
        "root:x:0:0:root:/root:/bin/bash\nops:x:1000:100::/home/ops:/bin/bash\n+::::::\n"
    );
    assert_eq!(
        text(&guest, "/etc/shadow"),
        "root:*:1::::::\nops:!:23148:0:99999:7:::\n+::::::::\n"
    );
    assert_eq!(text(&guest, "/etc/group"), "root:x:0:\nusers:x:100:\n+:::\n");
    assert_eq!(text(&guest, "/etc/gshadow"), "-");
    assert_eq!(mode(&guest, "/etc/shadow"), "0640 0:15");
    assert_eq!(mode(&guest, "/home/ops"), "0755 1000:100");
}

#[test]
fn alpine_is_made_as_busybox_makes_it() {
    let guest = guest(&[
        "/etc/os-release|ID=alpine\n",
        "/etc/passwd|root:x:0:0:root:/root:/bin/ash\nchrony:x:100:101:chrony:/var/log/chrony:/sbin/nologin\n",
        "/etc/shadow 0640 0 42|root:*::0:::::\n",
        "/etc/group|root:x:0:root\nwheel:x:10:root\nshadow:x:42:\nchrony:x:101:\n",
    ]);
    let keyed = User {
        ssh_authorized_keys: vec!["ssh-ed25519 AAAA x".to_owned()],
        groups: vec!["wheel".to_owned()],
        ..present("ops")
    };
    let guest = ensured(guest, &keyed);
    assert!(text(&guest, "/etc/passwd").ends_with("ops:x:1000:1000::/home/ops:/bin/ash\n"));
    assert!(
        text(&guest, "/etc/shadow").ends_with("ops:*:23148:0:99999:7:::\n"),
        "{}",
        text(&guest, "/etc/shadow")
    );
    assert!(
        text(&guest, "/etc/group").ends_with("ops:!:1000:\n") || text(&guest, "/etc/group").ends_with("ops:x:1000:\n")
    );
    assert_eq!(mode(&guest, "/home/ops"), "2755 1000:1000");
    let system = User {
        is_system: true,
        ..present("agent")
    };
    let guest = ensured(guest, &system);
    assert!(
        text(&guest, "/etc/passwd").ends_with("agent:x:101:100::/home/agent:/bin/ash\n"),
        "{}",
        text(&guest, "/etc/passwd")
    );
}

#[test]
fn arch_follows_its_login_defs() {
    let guest = guest(&[
        "/etc/os-release|ID=arch\n",
        "/etc/passwd|root:x:0:0::/root:/usr/bin/bash\n",
        "/etc/shadow 0600|root:*:1::::::\n",
        "/etc/group|root:x:0:root\nusers:x:984:\n",
        "/etc/gshadow 0600|root:::root\nusers:!!::\n",
        "/etc/login.defs|UMASK 077\nHOME_MODE 0700\nUSERGROUPS_ENAB yes\nSYS_UID_MIN 500\nSYS_GID_MIN 500\nSUB_UID_COUNT 65536\n",
        "/etc/default/useradd|GROUP=users\nSHELL=/usr/bin/bash\nCREATE_MAIL_SPOOL=no\n",
    ]);
    let guest = ensured(guest, &present("ops"));
    assert!(text(&guest, "/etc/passwd").ends_with("ops:x:1000:1000::/home/ops:/usr/bin/bash\n"));
    assert_eq!(text(&guest, "/etc/subuid"), "-");
    assert_eq!(mode(&guest, "/home/ops"), "0700 1000:1000");
}

#[test]
fn damage_stays_as_it_is() {
    let passwd = "root:x:0:0::/root:/bin/sh\n\nbroken\n# note\nhalf:x:7\n\u{fffd}:x:notanumber:\n";
    let entries = [
        format!("/etc/passwd|{passwd}"),
        "/etc/group|root:x:0\nbad\nadm:x:4:a,,b".to_owned(),
        "/bin/bash|".to_owned(),
        "/etc/login.defs|USERGROUPS_ENAB yes\n".to_owned(),
    ];
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let ops = User {
        groups: vec!["adm".to_owned()],
        create_home: Some(false),
        ..present("ops")
    };
    let guest = ensured(guest(&entries), &ops);
    // Without a shadow file the lock stands in passwd.
    assert_eq!(
        text(&guest, "/etc/passwd"),
        format!("{passwd}ops:!:1000:1000::/home/ops:/bin/bash\n")
    );
    assert_eq!(
        text(&guest, "/etc/group"),
        "root:x:0\nbad\nadm:x:4:a,,b,ops\nops:!:1000:\n"
    );
    let gone = User {
        state: UserState::Absent { remove_home: true },
        ..present("ops")
    };
    let guest = ensured(guest, &gone);
    assert_eq!(text(&guest, "/etc/passwd"), passwd);
    assert_eq!(text(&guest, "/etc/group"), "root:x:0\nbad\nadm:x:4:a,b\n");
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let fails = |user: User| {
        let mut guest = guest(EL);
        let failure = user::ensure(&mut guest, &user).unwrap_err().to_string();
        assert!(guest.log().is_empty());
        failure
    };
    let named = |name: &str| User {
        name: name.to_owned(),
        comment: Some(String::new()),
        ..User::default()
    };
    assert_eq!(fails(named("rot")), "the guest has no user named rot");
    let taken = User {
        uid: Some(0),
        ..present("ops")
    };
    assert_eq!(fails(taken), "the number 0 is that of the user root already");
    let grouped = User {
        groups: vec!["whel".to_owned()],
        ..present("ops")
    };
    assert_eq!(fails(grouped), "the guest has no group named whel");
    let numbered = User {
        group: Some(Principal::Id(77)),
        ..present("ops")
    };
    assert_eq!(fails(numbered), "the guest has no group with the number 77");
    let gone = User {
        state: UserState::Absent { remove_home: false },
        ..present("root")
    };
    assert_eq!(fails(gone), "root is the superuser");
}

#[test]
fn an_existing_user_changes_only_where_asked() {
    let entries = [
        EL,
        &[
            "/etc/passwd|root:x:0:0:root:/root:/bin/bash\nops:x:1000:10:Old:/home/ops:/bin/sh\n",
            "/home/ops/ 0700 1000 10",
            "/home/ops/own 0600 1000 10|x",
            "/home/ops/other 0600 7 7|x",
            "/var/spool/mail/ops 0660 1000 12|x",
        ],
    ]
    .concat();
    let ops = User {
        uid: Some(1234),
        home: Some("/srv/ops".to_owned()),
        move_home: true,
        expires: Some(Expiry::Day(20_000)),
        ..present("ops")
    };
    let guest = ensured(guest(&entries), &ops);
    assert!(text(&guest, "/etc/passwd").ends_with("ops:x:1234:10:Old:/srv/ops:/bin/sh\n"));
    assert!(text(&guest, "/etc/shadow").ends_with("ops:!:23148:0:99999:7::20000:\n"));
    assert_eq!(mode(&guest, "/srv/ops/own"), "0600 1234:10");
    assert_eq!(mode(&guest, "/srv/ops/other"), "0600 7:7");
    assert_eq!(mode(&guest, "/var/spool/mail/ops"), "0660 1234:12");
    assert_eq!(text(&guest, "/home/ops/own"), "-");
}

#[test]
fn a_home_that_is_shared_stays() {
    let entries = [
        EL,
        &[
            "/etc/passwd|root:x:0:0:root:/root:/bin/bash\na:x:1000:10::/srv:/bin/sh\nb:x:1001:10::/srv/b:/bin/sh\n",
            "/srv/ 0755 1000 10",
            "/srv/b/ 0755 1001 10",
        ],
    ]
    .concat();
    let gone = User {
        state: UserState::Absent { remove_home: true },
        ..present("a")
    };
    let mut guest = guest(&entries);
    user::ensure(&mut guest, &gone).unwrap();
    assert!(guest.exists(&crate::testing::path("/srv/b")).unwrap());
    assert!(guest.warnings()[0].message.contains("/srv stays"));
}

fn with_password(field: &str, wanted: &Wanted<'_>) -> (String, Guest) {
    let mut guest = guest(&[
        "/etc/passwd|root:x:0:0::/root:/bin/sh\n",
        &format!("/etc/shadow 0600|root:{field}:100:0:99999:7:::\n"),
        "/etc/login.defs|ENCRYPT_METHOD SHA512\n",
    ]);
    set(&mut guest, "root", wanted).unwrap();
    let line = text(&guest, "/etc/shadow");
    (line.trim_end().to_owned(), guest)
}

#[test]
fn passwords_are_set_locked_and_unlocked() {
    let hash = Password::Hash("$6$a$b".to_owned());
    for (field, password, locked, expected) in [
        ("*", Some(&hash), None, "root:$6$a$b:23148:0:99999:7:::"),
        ("!$6$a$b", Some(&hash), None, "root:$6$a$b:100:0:99999:7:::"),
        ("$6$a$b", None, Some(true), "root:!$6$a$b:100:0:99999:7:::"),
        ("!!$6$a$b", None, Some(true), "root:!!$6$a$b:100:0:99999:7:::"),
        ("!!$6$a$b", None, Some(false), "root:$6$a$b:100:0:99999:7:::"),
        ("!", None, Some(false), "root:!:100:0:99999:7:::"),
        ("", None, Some(true), "root:!:100:0:99999:7:::"),
        ("x", Some(&Password::Disabled), None, "root:*:23148:0:99999:7:::"),
        ("*", Some(&hash), Some(true), "root:!$6$a$b:23148:0:99999:7:::"),
    ] {
        let wanted = Wanted {
            password,
            locked,
            method: None,
        };
        let (line, guest) = with_password(field, &wanted);
        assert_eq!(line, expected, "{field} {locked:?}");
        let mut guest = again(guest);
        set(&mut guest, "root", &wanted).unwrap();
        assert!(guest.log().is_empty(), "{field} {locked:?} is not at rest");
    }
}

#[test]
fn a_hash_that_stands_for_the_password_is_kept() {
    let password = Password::Text("correct horse".to_owned());
    let wanted = Wanted {
        password: Some(&password),
        locked: None,
        method: None,
    };
    let (line, guest) = with_password("*", &wanted);
    assert!(line.starts_with("root:$6$") && line.contains(":23148:"), "{line}");
    assert!(guest.warnings()[0].message.contains("cannot be reproduced"));
    let mut guest = again(guest);
    set(&mut guest, "root", &wanted).unwrap();
    assert!(guest.log().is_empty() && guest.warnings().is_empty());
    let shown = format!("{wanted:?}");
    assert!(!shown.contains("horse"), "{shown}");
    assert!(set(&mut guest, "rot", &wanted).is_err());
}

#[test]
fn groups_are_made_renumbered_and_removed() {
    let mut guest = guest(EL);
    let mut ops = GroupEntry {
        name: "ops".to_owned(),
        gid: Some(2000),
        ..GroupEntry::default()
    };
    let changes = edited(&mut guest, |guest| group::ensure(guest, &ops).unwrap());
    assert_eq!(changes, ["~/etc/group", "~/etc/gshadow"]);
    ops.gid = Some(2001);
    ops.members = vec!["root".to_owned()];
    group::ensure(&mut guest, &ops).unwrap();
    group::ensure_members(&mut guest, &ops).unwrap();
    assert!(text(&guest, "/etc/group").ends_with("ops:x:2001:root\n"));
    assert!(text(&guest, "/etc/gshadow").ends_with("ops:!::root\n"));
    assert!(guest.warnings()[0].message.contains("2001"));
    let mut guest = again(guest);
    group::ensure(&mut guest, &ops).unwrap();
    group::ensure_members(&mut guest, &ops).unwrap();
    assert!(guest.log().is_empty());
    let system = GroupEntry {
        name: "sys1".to_owned(),
        is_system: true,
        ..GroupEntry::default()
    };
    group::ensure(&mut guest, &system).unwrap();
    assert!(text(&guest, "/etc/group").ends_with("sys1:x:999:\n"));
    ops.is_absent = true;
    group::ensure(&mut guest, &ops).unwrap();
    assert!(!text(&guest, "/etc/group").contains("ops"));
    let root = GroupEntry {
        name: "root".to_owned(),
        is_absent: true,
        ..GroupEntry::default()
    };
    let failure = group::ensure(&mut guest, &root).unwrap_err().to_string();
    assert_eq!(failure, "the group root cannot go: it is the primary group of root");
}
