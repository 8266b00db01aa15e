//! grub.cfg: the `linux` lines of every entry, and the defaults that it sets for Boot Loader Specification entries.
//!
//! Where a line holds what /etc/default/grub came to, it becomes what it comes to now, so that the next run of
//! grub-mkconfig changes nothing; any other line is edited word by word. Entries of other systems (os-prober) are left.

use super::defaults::Lists;
use crate::boot::arguments::{Wanted, plain_words};
use crate::boot::entries::{is_other_program, is_rescue};
use crate::boot::words::Syntax;

const FOREIGN: &str = "/etc/grub.d/30_os-prober ###";
/// Variables that Fedora's blscfg gives entries.
const VARIABLES: [&str; 2] = ["kernelopts", "default_kernelopts"];

/// What lines are made from.
#[derive(Debug)]
pub(super) struct Generated<'g> {
    pub(super) before: &'g Lists,
    pub(super) after: &'g Lists,
    pub(super) wanted: &'g Wanted,
}

impl Generated<'_> {
    /// The configuration with the arguments in place.
    pub(super) fn edited(&self, text: &str) -> String {
        let mut new = String::with_capacity(text.len());
        let mut is_foreign = false;
        for line in text.split_inclusive('\n') {
            match line.trim_end().strip_suffix(FOREIGN) {
                Some("### BEGIN ") => is_foreign = true,
                Some(_) => is_foreign = false,
                None => {}
            }
            let end = line.trim_end_matches(['\n', '\r']).len();
            let (content, ending) = line.split_at_checked(end).unwrap_or((line, ""));
            let edited = if is_foreign { None } else { self.line(content) };
            new.push_str(edited.as_deref().unwrap_or(content));
            new.push_str(ending);
        }
        new
    }

    fn line(&self, line: &str) -> Option<String> {
        let words = Syntax::Grub.split(line);
        let word = |index: usize| words.get(index).and_then(|at| line.get(at.clone()));
        match word(0)? {
            "linux" | "linux16" | "linuxefi" => {
                let kernel = words.get(1)?;
                if is_other_program(&Syntax::Grub.plain(word(1)?)) {
                    return None;
                }
                let (head, arguments) = line.split_at_checked(kernel.end)?;
                let plain = plain_words(arguments, Syntax::Grub);
                let new = self.arguments(arguments, is_rescue(word(1)?, &plain))?;
                // Nothing may grow together with the kernel's name.
                let blank = if new.is_empty() || new.starts_with([' ', '\t']) {
                    ""
                } else {
                    " "
                };
                Some(format!("{head}{blank}{new}"))
            }
            "set" => {
                let (name, value) = word(1)?.split_once('=')?;
                let quotes = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                let inner = quotes.filter(|_| VARIABLES.contains(&name) && words.len() == 2)?;
                let new = self.wanted.apply(inner, Syntax::Kernel)?;
                let place = words.get(1)?;
                let (before, after) = (line.get(..place.start)?, line.get(place.end..)?);
                Some(format!("{before}{name}=\"{new}\"{after}"))
            }
            _ => None,
        }
    }

    fn arguments(&self, text: &str, is_rescue: bool) -> Option<String> {
        let joined = |lists: &Lists| match is_rescue {
            true => lists.all.clone(),
            false => format!("{} {}", lists.all, lists.ordinary),
        };
        let (before, after) = (joined(self.before), joined(self.after));
        let made = replaced(text, &before, &after);
        let current = made.as_deref().unwrap_or(text);
        // Entries for repairs need nothing that is only for ordinary ones.
        let wanted = match is_rescue {
            false => self.wanted.clone(),
            true => Wanted {
                ensure: self
                    .wanted
                    .ensure
                    .iter()
                    .filter(|asked| self.is_for_all(asked))
                    .cloned()
                    .collect(),
                remove: self.wanted.remove.clone(),
            },
        };
        wanted.apply(current, Syntax::Grub).or(made)
    }

    fn is_for_all(&self, asked: &str) -> bool {
        let ordinary = plain_words(&self.after.ordinary, Syntax::Grub);
        let all = plain_words(&self.after.all, Syntax::Grub);
        let has = |words: &[String]| crate::boot::arguments::has(words, asked);
        has(&all) || !has(&ordinary)
    }
}

/// The text with the words of `before`, where they follow each other, replaced by those of `after`.
fn replaced(text: &str, before: &str, after: &str) -> Option<String> {
    let old = plain_words(before, Syntax::Grub);
    if old.is_empty() || plain_words(after, Syntax::Grub) == old {
        return None;
    }
    let places = Syntax::Grub.split(text);
    let present = plain_words(text, Syntax::Grub);
    let first = present.windows(old.len()).rposition(|window| window == old)?;
    let (start, end) = (places.get(first)?.start, places.get(first + old.len() - 1)?.end);
    let raw = Syntax::Grub.split(after).into_iter().filter_map(|at| after.get(at));
    let words = raw.collect::<Vec<_>>().join(" ");
    Some(format!("{}{words}{}", text.get(..start)?, text.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
### BEGIN /etc/grub.d/10_linux ###
set default_kernelopts=\"root=UUID=1 ro old=1\"
menuentry 'Debian' --class debian {
\tlinux\t/boot/vmlinuz-6.1 root=UUID=1 ro console=tty0 quiet
\tinitrd\t/boot/initrd.img-6.1
}
submenu 'more' {
\tlinux /boot/vmlinuz-6.1 root=UUID=1 ro  quiet $vt_handoff
\tlinux\t/boot/vmlinuz-6.1 root=UUID=1 ro single console=tty0
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_os-prober ###
\tlinux /vmlinuz root=/dev/sdb1
### END /etc/grub.d/30_os-prober ###
\tlinux16 /boot/memtest86+.bin console=ttyS0
\tlinuxefi /vmlinuz
";

    #[test]
    fn every_entry_gets_them() {
        let lists = |all: &str, ordinary: &str| Lists {
            all: all.to_owned(),
            ordinary: ordinary.to_owned(),
        };
        let (before, after) = (lists("console=tty0", "quiet"), lists("console=tty0 a=1", "splash"));
        let wanted = Wanted {
            ensure: vec!["a=1".to_owned()],
            remove: vec!["quiet".to_owned(), "old".to_owned()],
        };
        let generated = Generated {
            before: &before,
            after: &after,
            wanted: &wanted,
        };
        let new = generated.edited(TEXT);
        let changed: Vec<&str> = new
            .lines()
            .zip(TEXT.lines())
            .filter_map(|(new, old)| (new != old).then_some(new))
            .collect();
        assert_eq!(
            changed,
            [
                "set default_kernelopts=\"root=UUID=1 ro a=1\"",
                "\tlinux\t/boot/vmlinuz-6.1 root=UUID=1 ro console=tty0 a=1 splash",
                "\tlinux /boot/vmlinuz-6.1 root=UUID=1 ro $vt_handoff a=1",
                "\tlinux\t/boot/vmlinuz-6.1 root=UUID=1 ro single console=tty0 a=1",
                "\tlinuxefi /vmlinuz a=1",
            ]
        );
        let again = Generated {
            before: &after,
            ..generated
        };
        assert_eq!(again.edited(&new), new);
    }
}
