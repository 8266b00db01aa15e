//! /etc/default/grub and /etc/default/grub.d: what grub-mkconfig makes of kernels that are installed later.
//!
//! The files are shell, read in this order, the folder only where the distribution's grub-mkconfig reads it (Debian's and
//! its relatives'). Ordinary entries get `GRUB_CMDLINE_LINUX`, then `GRUB_CMDLINE_LINUX_DEFAULT`; those for repairs only
//! the first.

use crate::boot::arguments::{Wanted, appended, has, plain_words};
use crate::boot::shell::{Assignment, Quotes, assignments, encoded, evaluated, reference};
use crate::boot::words::Syntax;
use std::collections::BTreeMap;

pub(super) const ALL: &str = "GRUB_CMDLINE_LINUX";
pub(super) const ORDINARY: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// What the variables come to, with GRUB's quotes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Lists {
    /// For every entry.
    pub(super) all: String,
    /// For ordinary ones besides.
    pub(super) ordinary: String,
}

/// The files' new texts, with what the variables come to before and after. Arguments that are nowhere yet go into the
/// last assignment of [`ALL`], so that every entry gets them.
pub(super) fn edited(texts: &[String], wanted: &Wanted) -> (Vec<String>, Lists, Lists) {
    let before = lists(texts);
    let mut new: Vec<String> = texts.iter().map(|text| corrected(text, wanted)).collect();
    let mut after = lists(&new);
    let mut present = plain_words(&after.all, Syntax::Grub);
    present.extend(plain_words(&after.ordinary, Syntax::Grub));
    let absent = wanted.ensure.iter().filter(|asked| !has(&present, asked));
    let absent: Vec<&str> = absent.map(String::as_str).collect();
    if !absent.is_empty() {
        add(&mut new, &absent);
        after = lists(&new);
    }
    (new, before, after)
}

fn lists(texts: &[String]) -> Lists {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for assignment in texts.iter().flat_map(|text| assignments(text)) {
        let value = evaluated(&assignment.value, &variables);
        let old = variables.entry(assignment.name).or_default();
        match assignment.appends {
            true => old.push_str(&value),
            false => *old = value,
        }
    }
    Lists {
        all: variables.remove(ALL).unwrap_or_default(),
        ordinary: variables.remove(ORDINARY).unwrap_or_default(),
    }
}

fn corrected(text: &str, wanted: &Wanted) -> String {
    let edits = assignments(text).into_iter().filter_map(|assignment| {
        let is_ours = assignment.name == ALL || assignment.name == ORDINARY;
        let value = wanted.correct(&assignment.value, Syntax::Grub).filter(|_| is_ours)?;
        Some((assignment, value))
    });
    let mut new = text.to_owned();
    for (assignment, value) in edits.collect::<Vec<_>>().into_iter().rev() {
        put(&mut new, &assignment, &value);
    }
    new
}

fn add(texts: &mut [String], absent: &[&str]) {
    let mut assigned = texts.iter().enumerate().rev().filter_map(|(index, text)| {
        let last = assignments(text)
            .into_iter()
            .rfind(|assignment| assignment.name == ALL)?;
        Some((index, last))
    });
    match assigned.next() {
        Some((index, assignment)) if !assignment.is_conditional => {
            let lead = if assignment.appends && assignment.value.is_empty() {
                " "
            } else {
                ""
            };
            let value = appended(&assignment.value, absent, Syntax::Grub);
            put(&mut texts[index], &assignment, &format!("{lead}{value}"));
        }
        // After what only happens sometimes, or in the first file: the one that every distribution has.
        other => {
            let is_conditional = other.is_some();
            let index = other.map_or(0, |(index, _)| index);
            let before = if is_conditional { reference(ALL) } else { String::new() };
            let line = encoded(&appended(&before, absent, Syntax::Grub), Quotes::Double);
            if let Some(text) = texts.get_mut(index) {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&format!("{ALL}={line}\n"));
            }
        }
    }
}

fn put(text: &mut String, assignment: &Assignment, value: &str) {
    text.replace_range(assignment.place.clone(), &encoded(value, assignment.quotes));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(texts: &[&str], ensure: &[&str], remove: &[&str]) -> (Vec<String>, Lists) {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let wanted = Wanted {
            ensure: owned(ensure),
            remove: owned(remove),
        };
        let (new, _, after) = edited(&owned(texts), &wanted);
        let (again, before, same) = edited(&new, &wanted);
        assert_eq!((&again, &before), (&new, &same), "a second run changes nothing");
        (new, after)
    }

    #[test]
    fn arguments_are_put_where_every_entry_gets_them() {
        for (texts, ensure, remove, expected) in [
            (
                &["# c\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n#x\n"][..],
                &["a=1"][..],
                &["quiet"][..],
                &["# c\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"\"\nGRUB_CMDLINE_LINUX=\"a=1\"\n#x\n"][..],
            ),
            (&["A=1"], &["a=1"], &[], &["A=1\nGRUB_CMDLINE_LINUX=\"a=1\"\n"]),
            (
                &["GRUB_CMDLINE_LINUX='crashkernel=1G rd.lvm.lv=a/b'\n"],
                &["net.ifnames=0"],
                &[],
                &["GRUB_CMDLINE_LINUX='crashkernel=1G rd.lvm.lv=a/b net.ifnames=0'\n"],
            ),
            (
                &[
                    "GRUB_CMDLINE_LINUX=\"x\"\n",
                    "GRUB_CMDLINE_LINUX=\"console=tty0 y=0\"\n",
                ],
                &["y=1", "z"],
                &[],
                &[
                    "GRUB_CMDLINE_LINUX=\"x\"\n",
                    "GRUB_CMDLINE_LINUX=\"console=tty0 y=1 z\"\n",
                ],
            ),
            (
                &[
                    "GRUB_CMDLINE_LINUX=a\n",
                    "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b\"\n",
                ],
                &["c"],
                &["a"],
                &[
                    "GRUB_CMDLINE_LINUX=\n",
                    "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b c\"\n",
                ],
            ),
            (
                &["if x; then\n  GRUB_CMDLINE_LINUX=\"a\"\nfi\n"],
                &["b"],
                &[],
                &["if x; then\n  GRUB_CMDLINE_LINUX=\"a\"\nfi\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b\"\n"],
            ),
            (
                &["GRUB_CMDLINE_LINUX_DEFAULT=\"quiet a=1\"\n"],
                &["a=1"],
                &[],
                &["GRUB_CMDLINE_LINUX_DEFAULT=\"quiet a=1\"\n"],
            ),
            (
                &["GRUB_CMDLINE_LINUX=\"\"\n"],
                &["dyndbg=\"file a +p\"", "memmap=1$2"],
                &[],
                &["GRUB_CMDLINE_LINUX=\"dyndbg=\\\"file a +p\\\" 'memmap=1\\$2'\"\n"],
            ),
        ] {
            let (new, after) = run(texts, ensure, remove);
            assert_eq!(new, expected);
            let present = [
                plain_words(&after.all, Syntax::Grub),
                plain_words(&after.ordinary, Syntax::Grub),
            ]
            .concat();
            assert!(ensure.iter().all(|asked| has(&present, asked)), "{present:?}");
        }
    }
}
