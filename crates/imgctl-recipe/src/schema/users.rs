//! `users`: who is there and may log in.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

/// The highest number of a user or group; the one above means "no change" to chown.
const ID_MAX: u64 = 4_294_967_294;

pub(super) static USER: Table = Table {
    path: "users[]",
    what: "a mapping like `{ name: debian, ssh_authorized_keys: [\"ssh-ed25519 AAAA…\"] }`",
    about: "\
A user that must exist in the guest, unless `state` says otherwise. Keys that are authorized already stay, and so do other
properties that the entry does not name.",
    example: "\
users:
  - name: debian
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example.com
",
    rules: &[Rule::OneAtMost(&["password", "password_hash"])],
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
        Key::new("state", Shape::Choice(&["present", "absent"]), "absent", "Whether the user exists; `absent` removes it.")
            .default("must exist")
            .also(&["ensure"])
            .later(),
        Key::new("uid", Shape::Integer(0, ID_MAX), "1500", "The user's number.")
            .default("as the guest's login.defs says")
            .also(&["id", "user_id"])
            .later(),
        Key::new("group", Shape::Text(&kinds::PRINCIPAL), "users", "The primary group.")
            .default("a group of the user's name")
            .also(&["gid", "primary_group"])
            .later(),
        Key::new(
            "groups",
            Shape::List(&Shape::Text(&kinds::GROUP_NAME)),
            "[adm, sudo]",
            "Further groups the user is in.",
        )
        .also(&["append_groups", "supplementary_groups"])
        .later(),
        Key::new("home", Shape::Text(&kinds::GUEST_PATH), "/home/debian", "The home directory.")
            .default("`/home/NAME`")
            .also(&["homedir", "home_dir"])
            .later(),
        Key::new("shell", Shape::Text(&kinds::GUEST_PATH), "/bin/bash", "The login shell.")
            .default("as the guest has it")
            .later(),
        Key::new("comment", Shape::Text(&kinds::GECOS), "Node operator", "The user's full name.")
            .also(&["gecos", "full_name", "description"])
            .later(),
        Key::new("system", Shape::Boolean, "true", "Whether it is a system user: a low number, no home.")
            .default("`false`")
            .later(),
        Key::new("password", Shape::Text(&kinds::PASSWORD), "\"${{ secrets.login }}\"", "The password itself.")
            .also(&["plain_text_passwd", "passphrase"])
            .later(),
        Key::new(
            "password_hash",
            Shape::Text(&kinds::PASSWORD_HASH),
            "\"$6$imgctlexample$c7FFf7Csmmh3o.6pyRg/kzA55JEIhUP3wL6VZPF1xzHwdceLo5qbhYQAKjGj3aRdJk6tQZHrrw6xJ1TJBKSuS0\"",
            "The password as crypt(5) stores it.",
        )
        .also(&["passwd", "hashed_passwd", "hashed_password", "crypted_password"])
        .later(),
        Key::new("locked", Shape::Boolean, "true", "Whether no password logs in.")
            .default("unchanged")
            .also(&["lock_passwd", "lock", "disabled"])
            .later(),
        Key::new(
            "sudo",
            Shape::OneOrMore(&Shape::Text(&kinds::LINE)),
            "\"ALL=(ALL) NOPASSWD: ALL\"",
            "What the user may do as root: rules of sudoers without the user's name.",
        )
        .also(&["sudoers", "sudo_rules"])
        .later(),
        Key::when(),
    ],
};
