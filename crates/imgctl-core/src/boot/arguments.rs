//! Arguments of kernels: what must be on a command line, what must not, and the text edited so that it is so.

use super::words::Syntax;
use std::ops::Range;

/// Names that can be given several times, each time with more to say.
const REPEATABLE: [&str; 26] = [
    "acpi_osi",
    "bond",
    "bridge",
    "cgroup_disable",
    "cgroup_enable",
    "console",
    "crashkernel",
    "earlycon",
    "hugepages",
    "hugepagesz",
    "ifname",
    "initcall_blacklist",
    "inst.ks",
    "inst.repo",
    "ip",
    "memmap",
    "modprobe.blacklist",
    "nameserver",
    "pci",
    "systemd.mask",
    "systemd.setenv",
    "systemd.wants",
    "team",
    "trace_event",
    "video",
    "vlan",
];

/// What says where the system is, and what boot loaders add themselves.
const PROTECTED: [&str; 3] = ["root", "BOOT_IMAGE", "initrd"];

/// What a command line must be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// Arguments that must be there, in the recipe's form: quotes around a value with spaces.
    pub(crate) ensure: Vec<String>,
    /// Arguments that must not; a name alone stands for every value.
    pub(crate) remove: Vec<String>,
}

impl Wanted {
    /// Whether it asks for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.ensure.is_empty() && self.remove.is_empty()
    }

    /// What of it does not hold for these arguments, which have no quotes: `lacks a=1`, `has quiet`.
    pub(crate) fn missing(&self, arguments: &[String]) -> Vec<String> {
        let lacks = self.ensure.iter().filter(|asked| !has(arguments, asked));
        let lacks = lacks.map(|asked| format!("lacks {asked}"));
        let present = arguments
            .iter()
            .filter(|argument| self.removes(argument) && !self.ensures(argument));
        lacks.chain(present.map(|argument| format!("has {argument}"))).collect()
    }

    /// The text with everything ensured and removed; `None` when it is so already.
    pub(crate) fn apply(&self, text: &str, syntax: Syntax) -> Option<String> {
        let corrected = self.correct(text, syntax);
        let text = corrected.as_deref().unwrap_or(text);
        let present: Vec<String> = plain_words(text, syntax);
        let absent = self.ensure.iter().map(String::as_str);
        let absent: Vec<&str> = absent
            .filter(|asked| !is_protected(name(asked)) && !has(&present, asked))
            .collect();
        match absent.is_empty() {
            true => corrected,
            false => Some(appended(text, &absent, syntax)),
        }
    }

    /// The text without what must not be there, and with the asked values where it has others; nothing is added.
    pub(crate) fn correct(&self, text: &str, syntax: Syntax) -> Option<String> {
        let places = syntax.split(text);
        let word = |at: &Range<usize>| syntax.plain(text.get(at.clone()).unwrap_or_default());
        let present: Vec<String> = places.iter().map(word).collect();
        let mut done: Vec<&str> = self
            .ensure
            .iter()
            .filter(|asked| has(&present, asked))
            .map(String::as_str)
            .collect();
        let mut edited = String::new();
        let mut from = 0;
        for (index, (place, argument)) in places.iter().zip(&present).enumerate() {
            let replacement = match self.verdict(argument, &mut done) {
                Deed::Keep => continue,
                Deed::Replace(asked) => Some(syntax.quoted(asked)),
                Deed::Drop => None,
            };
            edited.push_str(text.get(from..place.start).unwrap_or_default());
            from = place.end;
            match replacement {
                Some(word) => edited.push_str(&word),
                // With the spaces before it; those of the first word are what is after it.
                None if index > 0 && edited.ends_with([' ', '\t']) => {
                    edited.truncate(edited.trim_end_matches([' ', '\t']).len());
                }
                None => from += spaces(text.get(place.end..).unwrap_or_default()),
            }
        }
        (from > 0).then(|| edited + text.get(from..).unwrap_or_default())
    }

    fn verdict<'s>(&'s self, argument: &str, done: &mut Vec<&'s str>) -> Deed<'s> {
        if is_protected(name(argument)) || self.ensures(argument) {
            return Deed::Keep;
        }
        if self.removes(argument) {
            return Deed::Drop;
        }
        let mut asked = self
            .ensure
            .iter()
            .filter(|asked| same_name(name(asked), name(argument)));
        let Some(first) = asked.next().filter(|first| !is_repeatable(name(first))) else {
            return Deed::Keep;
        };
        let mut candidates = std::iter::once(first).chain(asked);
        match candidates.find(|asked| !done.contains(&asked.as_str())) {
            Some(asked) => {
                done.push(asked);
                Deed::Replace(asked)
            }
            None => Deed::Drop,
        }
    }

    fn ensures(&self, argument: &str) -> bool {
        self.ensure.iter().any(|asked| same(&unquoted(asked), argument))
    }

    fn removes(&self, argument: &str) -> bool {
        let is_it = |asked: &String| match asked.contains('=') {
            true => same(&unquoted(asked), argument),
            false => same_name(asked, name(argument)),
        };
        !is_protected(name(argument)) && self.remove.iter().any(is_it)
    }
}

enum Deed<'s> {
    Keep,
    Replace(&'s str),
    Drop,
}

/// Whether an argument, in the recipe's form, is among these, which have no quotes.
pub(crate) fn has(arguments: &[String], asked: &str) -> bool {
    let asked = unquoted(asked);
    arguments.iter().any(|argument| same(argument, &asked))
}

/// The words without quotes, variables as they are written.
pub(crate) fn plain_words(text: &str, syntax: Syntax) -> Vec<String> {
    let places = syntax.split(text).into_iter();
    places
        .map(|at| syntax.plain(text.get(at).unwrap_or_default()))
        .collect()
}

/// The text with further arguments: at its end, before what is meant for init, without spaces that nobody needs.
pub(crate) fn appended(text: &str, arguments: &[&str], syntax: Syntax) -> String {
    let words = arguments.iter().map(|argument| syntax.quoted(argument));
    let added = words.collect::<Vec<_>>().join(" ");
    let places = syntax.split(text);
    let for_init = places.iter().find(|at| text.get((*at).clone()) == Some("--"));
    let end = for_init.map_or_else(
        || places.last().map_or(0, |last| last.end),
        |dashes| text.get(..dashes.start).unwrap_or_default().trim_end().len(),
    );
    let (before, after) = text.split_at_checked(end).unwrap_or((text, ""));
    let blank = if before.trim().is_empty() { "" } else { " " };
    // Blanks at the end of a line stay only where a comment follows.
    let after = if after.trim().is_empty() { "" } else { after };
    format!("{before}{blank}{added}{after}")
}

/// Whether recipes may not name it.
fn is_protected(name: &str) -> bool {
    PROTECTED.contains(&name)
}

fn is_repeatable(name: &str) -> bool {
    name.starts_with("rd.") || REPEATABLE.iter().any(|known| same_name(known, name))
}

fn name(argument: &str) -> &str {
    argument.split_once('=').map_or(argument, |(name, _)| name)
}

/// `-` and `_` are the same in names of parameters.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}

fn same(one: &str, other: &str) -> bool {
    let value = |argument: &str| argument.split_once('=').map(|(_, value)| value.to_owned());
    same_name(name(one), name(other)) && value(one) == value(other)
}

fn unquoted(asked: &str) -> String {
    asked.replace('"', "")
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(ensure: &[&str], remove: &[&str]) -> Wanted {
        let owned = |list: &[&str]| list.iter().map(|argument| (*argument).to_owned()).collect();
        Wanted {
            ensure: owned(ensure),
            remove: owned(remove),
        }
    }

    #[test]
    fn arguments_are_added_replaced_and_removed() {
        for (ensure, remove, text, expected) in [
            (&["a=1"][..], &[][..], "root=/dev/a ro", "root=/dev/a ro a=1"),
            (&["a=1", "b"], &[], "", "a=1 b"),
            (&["a=1"], &[], " ro  a=0 quiet a=2 ", " ro  a=1 quiet "),
            (&["a-b=1"], &[], "a_b=1", "a_b=1"),
            (
                &["console=ttyS0"],
                &[],
                "console=tty0 x",
                "console=tty0 x console=ttyS0",
            ),
            (&["a=1", "a=2"], &[], "a=3 a=2", "a=1 a=2"),
            (&[], &["quiet", "splash"], "quiet ro splash x", "ro x"),
            (&[], &["console"], "console=tty0 ro console=ttyS0", "ro"),
            (&[], &["a=1"], "a=1 a=2 a", "a=2 a"),
            (&["root=/dev/b"], &["root"], "root=/dev/a", "root=/dev/a"),
            (&["console=ttyS0"], &["console"], "console=tty0 ro", "ro console=ttyS0"),
            (&["x"], &[], "ro -- 3", "ro x -- 3"),
            (
                &["dyndbg=\"file a.c +p\""],
                &[],
                "ro dyndbg=\"file a.c +p\"",
                "ro dyndbg=\"file a.c +p\"",
            ),
            (
                &["dyndbg=\"file b.c +p\""],
                &[],
                "dyndbg='x y' ro",
                "dyndbg=\"file b.c +p\" ro",
            ),
            (&["memmap=64K$0x1"], &[], "ro", "ro 'memmap=64K$0x1'"),
            (&["x"], &[], "$kernelopts $tuned_params", "$kernelopts $tuned_params x"),
        ] {
            let wanted = wanted(ensure, remove);
            let edited = wanted.apply(text, Syntax::Grub);
            assert_eq!(edited.as_deref().unwrap_or(text), expected, "{text}");
            assert_eq!(wanted.apply(expected, Syntax::Grub), None, "{expected}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let wanted = wanted(&["a=1", "d=\"b c\""], &["quiet"]);
        let arguments = ["a=2", "d=b c", "quiet"].map(str::to_owned);
        assert_eq!(wanted.missing(&arguments), ["lacks a=1", "has quiet"]);
    }
}
