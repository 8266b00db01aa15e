//! `reset`: what must not travel to clones. The keys of its operations come from their table.

use super::{Key, Shape, Table};
use crate::kinds;
use crate::plan::RESET_OPERATIONS;

pub(super) static RESET: Table = Table {
    path: "reset",
    what: "a mapping like `{ profile: golden }`",
    about: "\
Takes the identity and the traces of one machine out of the image. A profile names the operations to begin with; then each
counts that has `true` or `false` by its key, and last the list of `operations`, one after the other.

It comes after everything else that changes the guest, and leaves what the recipe itself has put there: keys of `users`,
certificates of `trust`, `files`, and so on; where that is not what one expects, a warning says so.",
    example: "reset: { profile: golden, machine_id: empty, logs: false, operations: [+ssh-userdir, -random-seed] }\n",
    rules: &[],
    keys: &KEYS,
};

static OPERATION: Shape = Shape::Text(&kinds::RESET_OPERATION);
static USER_NAME: Shape = Shape::Text(&kinds::USER_NAME);

/// The keys that are no operations, but for the condition.
const SETTINGS: [Key; 7] = [
    Key::new(
        "profile",
        Shape::Choice(&["golden", "sysprep", "none"]),
        "golden",
        "`golden`: what a template for clones must not have; `sysprep`: what virt-sysprep does by default; `none`: only what is named.",
    )
    .default("`golden`"),
    Key::new(
        "machine_id",
        Shape::Choice(&["empty", "uninitialized", "keep"]),
        "empty",
        "`/etc/machine-id`: `empty` gives a new id at first boot, `uninitialized` also runs `ConditionFirstBoot=` units.",
    )
    .default("`empty`; `keep` with `profile: none`"),
    Key::new(
        "operations",
        Shape::List(&OPERATION),
        "[+ssh-userdir, -logs]",
        "Operations to add (`+`, or nothing before the name) and to leave out (`-`), by our names or virt-sysprep's.",
    )
    .also(&["operation", "enable", "ops"]),
    Key::new(
        "ssh_authorized_keys",
        Shape::List(&USER_NAME),
        "[rocky, root]",
        "Users whose authorized keys go, but for those that `users` authorizes.",
    )
    .also(&["authorized_keys", "remove_authorized_keys"]),
    Key::new(
        "keep_authorized_keys",
        Shape::List(&USER_NAME),
        "[ubuntu]",
        "Users whose `~/.ssh` stays, whatever the profile says.",
    )
    .also(&["keep_ssh_authorized_keys"]),
    Key::new(
        "remove_users",
        Shape::List(&USER_NAME),
        "[builder]",
        "Users that `user_account` removes.",
    )
    .default("all ordinary users")
    .also(&["remove_user_accounts"]),
    Key::new(
        "keep_users",
        Shape::List(&USER_NAME),
        "[debian]",
        "Users that `user_account` leaves.",
    )
    .also(&["keep_user_accounts"]),
];

const COUNT: usize = SETTINGS.len() + operation_keys() + 1;

static KEYS: [Key; COUNT] = {
    let mut keys = [const { Key::when() }; COUNT];
    let mut settings = SETTINGS;
    let mut next = 0;
    while next < settings.len() {
        std::mem::swap(&mut keys[next], &mut settings[next]);
        next += 1;
    }
    let mut index = 0;
    while index < RESET_OPERATIONS.len() {
        let operation = &RESET_OPERATIONS[index];
        if is_key(index) {
            keys[next] = Key::new(operation.key, Shape::Boolean, "true", operation.about)
                .default("by profile")
                .also(operation.also);
            next += 1;
        }
        index += 1;
    }
    keys
};

const fn operation_keys() -> usize {
    let mut count = 0;
    let mut index = 0;
    while index < RESET_OPERATIONS.len() {
        if is_key(index) {
            count += 1;
        }
        index += 1;
    }
    count
}

/// Whether an operation has a key that is `true` or `false`: the machine-id has three states, and what is refused none.
const fn is_key(index: usize) -> bool {
    let operation = &RESET_OPERATIONS[index];
    operation.refused.is_empty() && !matches!(operation.key.as_bytes(), b"machine_id")
}
