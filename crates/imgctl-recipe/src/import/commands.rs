//! Shell commands that say what should be so: a recipe says it without running anything.

use super::draft::Draft;

/// What became of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// The draft has it.
    Yes,
    /// It must be run.
    No,
}

/// Carries a command over that is nothing but one well-known call.
pub(super) fn take(draft: &mut Draft, command: &str, from: &str) -> Taken {
    let command = command.trim();
    // What may fail: all but what a recipe would fail for, too.
    let (command, may_fail) = match ["|| true", "|| :"].iter().find_map(|end| command.strip_suffix(end)) {
        Some(rest) => (rest.trim_end().trim_end_matches("2>/dev/null").trim_end(), true),
        None => (command, false),
    };
    let words_of_it = |command: &str| command.contains("enable") || command.contains("install");
    if may_fail && words_of_it(command) {
        return Taken::No;
    }
    let is_simple = |byte: u8| byte.is_ascii_alphanumeric() || b" _@%+=:,./*-".contains(&byte);
    if !command.bytes().all(is_simple) {
        return Taken::No;
    }
    let words: Vec<&str> = command.split(' ').filter(|word| !word.is_empty()).collect();
    take_words(draft, &words, from)
}

/// The same for a command in words.
pub(super) fn take_words(draft: &mut Draft, words: &[&str], from: &str) -> Taken {
    let Some((program, arguments)) = words.split_first() else {
        return Taken::Yes;
    };
    let program = program.rsplit('/').next().unwrap_or(program);
    let (options, names): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| word.starts_with('-'));
    match (program, names.as_slice()) {
        ("systemctl", [verb, units @ ..]) => systemctl(draft, verb, units, &options, from),
        ("timedatectl", ["set-timezone", zone]) if options.is_empty() => {
            draft.timezone = Some(((*zone).to_owned(), from.to_owned()));
            Taken::Yes
        }
        ("hostnamectl", ["set-hostname" | "hostname", name]) if only(&options, &["--static"]) => {
            draft.hostname = Some(((*name).to_owned(), from.to_owned()));
            Taken::Yes
        }
        ("apt-get" | "apt" | "dnf" | "yum", [verb, names @ ..]) => {
            packages(draft, program, verb, names, &options, from)
        }
        ("truncate", ["0", "/etc/machine-id"]) if options == ["-s"] => on(draft, "machine_id", "empty", from),
        ("truncate", ["/etc/machine-id"]) if matches!(options[..], ["-s0"] | ["--size=0"] | ["--size", "0"]) => {
            on(draft, "machine_id", "empty", from)
        }
        ("rm", ["/etc/ssh/ssh_host_*"]) if only(&options, &["-f", "-rf", "-fv", "-v"]) => {
            on(draft, "ssh_hostkeys", "true", from)
        }
        ("cloud-init", ["clean"]) if only(&options, &["--logs", "-l", "--seed", "-s"]) => {
            on(draft, "cloud_init", "true", from)
        }
        _ => Taken::No,
    }
}

fn systemctl(draft: &mut Draft, verb: &str, units: &[&str], options: &[&str], from: &str) -> Taken {
    let (global, options): (Vec<&str>, Vec<&str>) = options.iter().partition(|option| **option == "--global");
    let is_global = !global.is_empty();
    if !only(&options, &["--now", "--quiet", "-q", "--no-reload", "--force", "-f"]) {
        return Taken::No;
    }
    let is_unit = |unit: &&str| !unit.contains(['*', '/', '=']);
    let list = match verb {
        "enable" if is_global => &mut draft.user_enable,
        "disable" if is_global => &mut draft.user_disable,
        "mask" if is_global => &mut draft.user_mask,
        _ if is_global => return Taken::No,
        "enable" => &mut draft.enable,
        "disable" => &mut draft.disable,
        "mask" => &mut draft.mask,
        "unmask" => &mut draft.unmask,
        "preset" => &mut draft.preset,
        "set-default" => match units {
            [target] if is_unit(target) => {
                draft.default_target = Some(((*target).to_owned(), from.to_owned()));
                return Taken::Yes;
            }
            _ => return Taken::No,
        },
        "start" | "stop" | "restart" | "reload" | "try-restart" | "daemon-reload" | "daemon-reexec" => {
            draft.left_out(from, "no system is running while an image is made");
            return Taken::Yes;
        }
        _ => return Taken::No,
    };
    if units.is_empty() || !units.iter().all(is_unit) {
        return Taken::No;
    }
    list.extend(units.iter().map(|unit| ((*unit).to_owned(), from.to_owned())));
    Taken::Yes
}

fn packages(draft: &mut Draft, program: &str, verb: &str, names: &[&str], options: &[&str], from: &str) -> Taken {
    if !only(
        options,
        &["-y", "--yes", "--assumeyes", "-q", "-qq", "-qy", "-yq", "--quiet"],
    ) {
        return Taken::No;
    }
    let is_package = |name: &&str| !name.contains(['*', '/', '@', ':']);
    let is_apt = program.starts_with("apt");
    match (verb, names) {
        ("install", [_, ..]) if names.iter().all(is_package) => {
            draft
                .install
                .extend(names.iter().map(|name| ((*name).to_owned(), from.to_owned())));
        }
        ("remove" | "purge" | "erase", [_, ..]) if names.iter().all(is_package) => {
            draft
                .remove
                .extend(names.iter().map(|name| ((*name).to_owned(), from.to_owned())));
        }
        // Only the lists of packages, which are fetched anyway.
        ("update", []) if is_apt => {}
        ("upgrade" | "dist-upgrade" | "full-upgrade", []) | ("update", []) => {
            draft.update = Some(("all".to_owned(), from.to_owned()));
        }
        ("clean" | "autoclean", []) if is_apt => return on(draft, "package_cache", "true", from),
        ("clean", ["all"]) => return on(draft, "package_cache", "true", from),
        _ => return Taken::No,
    }
    Taken::Yes
}

fn only(options: &[&str], allowed: &[&str]) -> bool {
    options.iter().all(|option| allowed.contains(option))
}

fn on(draft: &mut Draft, key: &'static str, value: &str, from: &str) -> Taken {
    draft.reset(key, value, from);
    Taken::Yes
}

/// A word as a shell reads it back.
pub(super) fn quoted(word: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_safe) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_well_known_commands_are_taken() {
        for (command, taken) in [
            ("systemctl enable qemu-guest-agent", Taken::Yes),
            ("/usr/bin/systemctl --now mask a.service b", Taken::Yes),
            ("systemctl restart x", Taken::Yes),
            ("systemctl enable", Taken::No),
            ("systemctl enable x || true", Taken::No),
            ("systemctl disable x 2>/dev/null || true", Taken::Yes),
            ("systemctl disable x || echo no", Taken::No),
            ("dnf install -y x || true", Taken::No),
            ("systemctl --user enable x", Taken::No),
            ("systemctl --global enable x", Taken::Yes),
            ("systemctl --global preset x", Taken::No),
            ("systemctl unmask x", Taken::Yes),
            ("systemctl set-default multi-user.target", Taken::Yes),
            ("systemctl set-default", Taken::No),
            ("timedatectl set-timezone Europe/Berlin", Taken::Yes),
            ("timedatectl set-ntp true", Taken::No),
            ("hostnamectl set-hostname n1", Taken::Yes),
            ("systemctl enable \"$X\"", Taken::No),
            ("apt-get install -y a b=1.2-3", Taken::Yes),
            ("apt-get install -y ./a.deb", Taken::No),
            ("apt-get install -o X=y a", Taken::No),
            ("dnf -y upgrade", Taken::Yes),
            ("dnf clean all", Taken::Yes),
            ("truncate -s 0 /etc/machine-id", Taken::Yes),
            ("truncate -s 1 /etc/machine-id", Taken::No),
            ("rm -f /etc/ssh/ssh_host_*", Taken::Yes),
            ("rm -f /etc/ssh/ssh_host_* /x", Taken::No),
            ("cloud-init clean --logs", Taken::Yes),
            ("cloud-init clean --machine-id", Taken::No),
            ("echo hi", Taken::No),
            ("", Taken::Yes),
        ] {
            assert_eq!(take(&mut Draft::default(), command, "x"), taken, "{command}");
        }
    }

    #[test]
    fn words_are_quoted_for_shells() {
        assert_eq!(quoted("a/b.c"), "a/b.c");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
