//! The options that change the guest, from the core's table, in the order in which they stand on the command line.

use crate::command_error::{CommandError, CommandResult};
use crate::host_files::LocalHost;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use imgctl_core::steps::flags::{Flag, FlagError, FlagSpec, flags, parse};

/// The options with their values, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlagArgs {
    given: Vec<(String, String)>,
}

impl FlagArgs {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Their names with their values, in order.
    pub(crate) fn given(&self) -> &[(String, String)] {
        &self.given
    }

    /// What they ask for.
    pub(crate) fn read(&self) -> CommandResult<Vec<Flag>> {
        parse(&self.given, &LocalHost).map_err(|error| refusal(&error))
    }
}

/// What is wrong about an option, as an error of the command line.
pub(crate) fn refusal(error: &FlagError) -> CommandError {
    let refusal = CommandError::usage(error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

impl Args for FlagArgs {
    fn augment_args(command: Command) -> Command {
        flags().map(argument).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FlagArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found: Vec<(usize, String, String)> = Vec::new();
        for FlagSpec { name, .. } in flags() {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            let places = matches.indices_of(name).into_iter().flatten();
            found.extend(
                places
                    .zip(values)
                    .map(|(place, value)| (place, (*name).to_owned(), value.clone())),
            );
        }
        found.sort();
        Ok(Self {
            given: found.into_iter().map(|(_, name, value)| (name, value)).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(flag: &FlagSpec) -> Arg {
    let argument = Arg::new(flag.name)
        .long(flag.name)
        .help(flag.help)
        .help_heading(flag.group.title())
        .hide_short_help(true)
        .action(ArgAction::Append);
    match flag.value {
        // Where one that takes nothing stands is known only of a value.
        "" => argument.num_args(0).default_missing_value(""),
        value => argument.value_name(value).allow_hyphen_values(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Vec<(String, String)> {
        let command = FlagArgs::augment_args(Command::new("x").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).unwrap();
        FlagArgs::from_arg_matches(&matches).unwrap().given
    }

    #[test]
    fn the_order_is_that_of_the_command_line() {
        let found = given(&[
            "--hostname",
            "a",
            "--no-logfile",
            "--mask-unit=b",
            "--hostname",
            "-c",
            "--no-logfile",
        ]);
        let expected = [
            ("hostname", "a"),
            ("no-logfile", ""),
            ("mask-unit", "b"),
            ("hostname", "-c"),
            ("no-logfile", ""),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
