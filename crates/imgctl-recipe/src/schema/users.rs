//! `users` and `groups`: who is there and may log in.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

/// The highest number of a user or group; the one above means "no change" to chown.
const ID_MAX: u64 = 4_294_967_294;

pub(super) static USER: Table = Table {
    path: "users[]",
    what: "a mapping like `{ name: debian, ssh_authorized_keys: [\"ssh-ed25519 AAAA…\"] }`",
    about: "\
A user that must exist in the guest, unless `state` says otherwise. Keys that are authorized already stay, and so do groups
and other properties that the entry does not name. New users are made as the guest's own useradd makes them.",
    example: "\
users:
  - name: debian
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example.com
",
    rules: &[
        Rule::OneAtMost(&["password", "password_hash", "disabled"]),
        Rule::OneAtMost(&["locked", "disabled"]),
        Rule::Needs("move_home", &["home"]),
    ],
    keys: &[
        Key::new("name", Shape::Text(&kinds::USER_NAME), "debian", "The login name.")
            .required()
            .also(&["user", "username", "login"]),
        Key::new(
            "ssh_authorized_keys",
            Shape::List(&Shape::Text(&kinds::SSH_KEY)),
            "[\"ssh-ed25519 AAAA… me\"]",
            "Public keys that may log in, each as a line of `authorized_keys`: options, type, key, comment.",
        )
        .also(&["ssh_keys", "authorized_keys", "ssh_key", "keys", "ssh_import_id"]),
        Key::new(
            "state",
            Shape::Choice(&["present", "absent"]),
            "present",
            "Whether the user exists: `present` makes it where it is missing, `absent` removes it.",
        )
            .default("must exist")
            .also(&["ensure"]),
        Key::new("uid", Shape::Integer(0, ID_MAX), "1500", "The user's number.")
            .default("as the guest's login.defs says")
            .also(&["id", "user_id"]),
        Key::new("group", Shape::Text(&kinds::PRINCIPAL), "users", "The primary group.")
            .default("a group of the user's name")
            .also(&["gid", "primary_group"]),
        Key::new(
            "groups",
            Shape::List(&Shape::Text(&kinds::GROUP_NAME)),
            "[adm, sudo]",
            "Further groups the user is in.",
        )
        .also(&["append_groups", "supplementary_groups"]),
        Key::new("home", Shape::Text(&kinds::GUEST_PATH), "/home/debian", "The home directory.")
            .default("`/home/NAME`")
            .also(&["homedir", "home_dir"]),
        Key::new("create_home", Shape::Boolean, "true", "Whether the home directory is made where it is missing, from `/etc/skel`.")
            .default("`true` for a new user that is none of the system's")
            .also(&["createhome"]),
        Key::new("move_home", Shape::Boolean, "true", "Whether what is in the old home directory moves to `home`.")
            .default("`false`"),
        Key::new("remove_home", Shape::Boolean, "true", "Whether `state: absent` removes the home directory and the mail, too.")
            .default("`false`")
            .also(&["remove"]),
        Key::new("shell", Shape::Text(&kinds::GUEST_PATH), "/bin/bash", "The login shell.")
            .default("as the guest has it"),
        Key::new("comment", Shape::Text(&kinds::GECOS), "Node operator", "The user's full name.")
            .also(&["gecos", "full_name", "description"]),
        Key::new("system", Shape::Boolean, "true", "Whether it is a system user: a low number, no home.")
            .default("`false`"),
        Key::new("expires", Shape::Text(&kinds::DATE_OR_NEVER), "2027-01-31", "The day on which the account ends, or `never`.")
            .default("unchanged")
            .also(&["expiredate", "expire"]),
        Key::new("password", Shape::Text(&kinds::PASSWORD), "\"${{ secrets.login }}\"", "The password itself; it is hashed as the guest does it. One that the present hash stands for is kept.")
            .also(&["plain_text_passwd", "passphrase"]),
        Key::new(
            "password_hash",
            Shape::Text(&kinds::PASSWORD_HASH),
            "\"$6$imgctlexample$c7FFf7Csmmh3o.6pyRg/kzA55JEIhUP3wL6VZPF1xzHwdceLo5qbhYQAKjGj3aRdJk6tQZHrrw6xJ1TJBKSuS0\"",
            "The password as crypt(5) stores it.",
        )
        .also(&["passwd", "hashed_passwd", "hashed_password", "crypted_password"]),
        Key::new("disabled", Shape::Boolean, "true", "Whether there is no password at all: the hash becomes `*`.")
            .default("unchanged")
            .also(&["disabled_password"]),
        Key::new("locked", Shape::Boolean, "true", "Whether no password logs in.")
            .default("unchanged")
            .also(&["lock_passwd", "lock"]),
        Key::new(
            "sudo",
            Shape::OneOrMore(&Shape::Text(&kinds::SUDO_RULE)),
            "\"ALL=(ALL) NOPASSWD: ALL\"",
            "What the user may do as others: rules of sudoers without the user's name, in `/etc/sudoers.d/90-imgctl-NAME`.",
        )
        .also(&["sudoers", "sudo_rules"]),
        Key::when(),
    ],
};

pub(super) static GROUP: Table = Table {
    path: "groups[]",
    what: "a mapping like `{ name: ops, gid: 2000 }`",
    about: "A group that exists, unless `state` says otherwise. Members that the entry does not name stay.",
    example: "groups:\n  - { name: ops, gid: 2000, members: [debian] }\n  - { name: games, state: absent }\n",
    rules: &[],
    keys: &[
        Key::new("name", Shape::Text(&kinds::GROUP_NAME), "ops", "The group's name.")
            .required()
            .also(&["group", "groupname"]),
        Key::new(
            "state",
            Shape::Choice(&["present", "absent"]),
            "absent",
            "Whether the group exists; `absent` removes it.",
        )
        .default("`present`")
        .also(&["ensure"]),
        Key::new("gid", Shape::Integer(0, ID_MAX), "2000", "The group's number.")
            .default("as the guest's login.defs says")
            .also(&["id", "group_id"]),
        Key::new(
            "system",
            Shape::Boolean,
            "true",
            "Whether a new group is one of the system's: a low number.",
        )
        .default("`false`"),
        Key::new(
            "members",
            Shape::List(&Shape::Text(&kinds::USER_NAME)),
            "[debian]",
            "Users that are in it.",
        )
        .also(&["users"]),
        Key::when(),
    ],
};
