//! Operations on users.

use super::super::yaml::{Child, Value};
use super::Importer;

impl Importer<'_> {
    /// `USER`, `USER:file:FILE`, `USER:string:KEY`.
    pub(super) fn ssh_inject(&mut self) {
        let value = self.operation.value.clone();
        let from = self.operation.subject();
        let mut parts = value.splitn(3, ':');
        let user = parts.next().unwrap_or_default();
        let key = match (parts.next(), parts.next()) {
            (Some("string"), Some(key)) => key.to_owned(),
            (Some("file"), Some(path)) => match self.read_line(path) {
                Some(key) => key,
                None => return,
            },
            (None, _) => {
                self.draft.left_out(
                    from,
                    "the key of whoever runs virt-customize: write it into `ssh_authorized_keys`",
                );
                return;
            }
            _ => {
                self.draft.left_out(from, "virt-customize would refuse it");
                return;
            }
        };
        self.draft.user(user, &from).key(&key, &from);
    }

    /// `[USER:]password:TEXT`, `file:PATH`, `random`, `disabled`, `locked[:…]`.
    pub(super) fn password(&mut self) {
        let value = self.operation.value.clone();
        let from = self.operation.subject();
        let (user, selector) = match self.operation.name.as_str() {
            "root-password" => ("root", value.as_str()),
            _ => match value.split_once(':') {
                Some(pair) => pair,
                None => {
                    self.no_colon();
                    return;
                }
            },
        };
        let (is_locked, selector) = match selector.split_once(':') {
            Some(("locked" | "lock", rest)) => (true, rest),
            _ => (matches!(selector, "locked" | "lock"), selector),
        };
        let yes = Child::of(from.clone(), Value::Plain("true".to_owned()));
        if is_locked {
            self.draft.user(user, &from).set("locked", yes);
        } else if matches!(selector, "disabled" | "disable") {
            self.draft.user(user, &from).set("disabled", yes);
        }
        match selector.split_once(':').unwrap_or((selector, "")) {
            ("locked" | "lock" | "disabled" | "disable", _) => {}
            ("random", _) => self.draft.left_out(from, "a recipe makes no random passwords"),
            // What is secret does not move into a file that is meant to be shared.
            ("password" | "file", _) => self.draft.left_out(
                from,
                "a password does not belong in a recipe: name a secret, `password: \"${{ secrets.NAME }}\"`, or give \
                 `password_hash`",
            ),
            _ => self.draft.left_out(from, "virt-customize would refuse it"),
        }
    }
}
