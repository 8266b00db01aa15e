//! Options as getopt_long(3) and getopt_long_only(3) read them: shortened where that is unambiguous, and with a single
//! dash where a tool takes that.

use crate::command_error::{CommandError, CommandResult};
use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// How a tool reads options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Getopt {
    /// `--add`; a single dash begins short options. The peers written in C.
    Long,
    /// `-add` is `--add` as well. The peers written in OCaml.
    LongOnly,
}

/// The arguments with every long option by its whole name after two dashes, which is all that `clap` reads.
pub(super) fn resolve(command: &Command, style: Getopt, arguments: &[OsString]) -> CommandResult<Vec<OsString>> {
    let mut command = command.clone();
    command.build();
    let options = Options {
        command: &command,
        style,
    };
    let mut resolved = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            resolved.push(argument.clone());
            break;
        }
        let (argument, wants_value) = options.option(argument)?;
        resolved.push(argument);
        if wants_value {
            resolved.extend(arguments.next().cloned());
        }
    }
    resolved.extend(arguments.cloned());
    Ok(resolved)
}

struct Options<'a> {
    command: &'a Command,
    style: Getopt,
}

impl Options<'_> {
    /// The argument as `clap` wants it, and whether the next one is its value.
    fn option(&self, argument: &OsStr) -> CommandResult<(OsString, bool)> {
        let bytes = argument.as_bytes();
        let (name, is_certain) = match bytes {
            [b'-', b'-', name @ ..] => (name, true),
            // A lone dash is a file, as is what has none.
            [b'-', name @ ..] if !name.is_empty() => (name, false),
            _ => return Ok((argument.to_owned(), false)),
        };
        if !is_certain && (self.style == Getopt::Long || name.len() == 1) {
            return Ok((argument.to_owned(), self.short_wants_value(name)));
        }
        let (name, value) = match name.iter().position(|byte| *byte == b'=') {
            Some(place) => (&name[..place], Some(&name[place..])),
            None => (name, None),
        };
        let Some((long, option)) = self.long(name, is_certain)? else {
            let wants_value = !is_certain && self.short_wants_value(&bytes[1..]);
            return Ok((argument.to_owned(), wants_value));
        };
        let mut whole = format!("--{long}").into_bytes();
        whole.extend_from_slice(value.unwrap_or_default());
        let wants_value = value.is_none() && takes_value(option) && !option.is_require_equals_set();
        Ok((OsString::from_vec(whole), wants_value))
    }

    /// The option that `name` is, or that it alone begins.
    fn long(&self, name: &[u8], is_certain: bool) -> CommandResult<Option<(&str, &Arg)>> {
        let mut begun: Vec<(&str, &Arg)> = Vec::new();
        for option in self.command.get_arguments() {
            let aliases = option.get_all_aliases().unwrap_or_default();
            for long in option.get_long().into_iter().chain(aliases) {
                if long.as_bytes() == name {
                    return Ok(Some((long, option)));
                }
                if !name.is_empty() && long.as_bytes().starts_with(name) {
                    begun.push((long, option));
                }
            }
        }
        let is_same = |pair: &[(&str, &Arg)]| pair[0].1.get_id() == pair[1].1.get_id();
        match begun.as_slice() {
            [] => Ok(None),
            [first, ..] if begun.windows(2).all(is_same) => Ok(Some(*first)),
            _ if !is_certain => Ok(None),
            _ => {
                let names: Vec<String> = begun.iter().map(|(long, _)| format!("--{long}")).collect();
                let message = format!("--{} could be several options", String::from_utf8_lossy(name));
                Err(CommandError::usage(message).hint(format!("there are {}", names.join(", "))))
            }
        }
    }

    /// Whether short options end in one whose value is the next argument.
    fn short_wants_value(&self, letters: &[u8]) -> bool {
        for (place, letter) in letters.iter().enumerate() {
            let mut options = self.command.get_arguments();
            let option = options.find(|option| option.get_short() == Some(char::from(*letter)));
            if option.is_some_and(takes_value) {
                return place + 1 == letters.len();
            }
        }
        false
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_num_args().is_some_and(|count| count.takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ArgAction;

    fn command() -> Command {
        Command::new("x")
            .arg(Arg::new("add").short('a').long("add").action(ArgAction::Append))
            .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue))
            .arg(Arg::new("run").long("run"))
            .arg(Arg::new("run-command").long("run-command"))
            .arg(
                Arg::new("colors")
                    .long("colors")
                    .aliases(["colours"])
                    .action(ArgAction::SetTrue),
            )
            .arg(Arg::new("sum").long("sum").num_args(0..=1).require_equals(true))
    }

    fn resolved(style: Getopt, line: &str) -> Result<String, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words = resolve(&command(), style, &words).map_err(|error| error.error.to_string())?;
        Ok(words.join(OsStr::new(" ")).into_string().unwrap())
    }

    #[test]
    fn options_are_found_by_what_they_begin_with() {
        for (line, expected) in [
            ("--ad x --q", "--add x --quiet"),
            ("--add=x --run-c --q", "--add=x --run-command --q"),
            ("--run x", "--run x"),
            ("-a --quie -q", "-a --quie -q"),
            ("-qa --quie", "-qa --quie"),
            ("-a--quie --quie", "-a--quie --quiet"),
            ("--sum --qui", "--sum --quiet"),
            ("--col", "--colors"),
            ("--colo=x", "--colors=x"),
            ("-- --qui", "-- --qui"),
            ("--nothing --qui", "--nothing --quiet"),
            ("- --qui", "- --quiet"),
        ] {
            assert_eq!(resolved(Getopt::Long, line).as_deref(), Ok(expected));
            assert_eq!(resolved(Getopt::LongOnly, line).as_deref(), Ok(expected));
        }
        let error = resolved(Getopt::Long, "--ru x").unwrap_err();
        assert_eq!(error, "--ru could be several options");
    }

    #[test]
    fn one_dash_is_enough_for_some() {
        assert_eq!(
            resolved(Getopt::LongOnly, "-add x -qui -run-command -q").as_deref(),
            Ok("--add x --quiet --run-command -q")
        );
        assert_eq!(resolved(Getopt::LongOnly, "-qa -qui").as_deref(), Ok("-qa -qui"));
        assert_eq!(resolved(Getopt::Long, "-add -qui").as_deref(), Ok("-add -qui"));
    }
}
