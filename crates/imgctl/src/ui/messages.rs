//! The options that every command has: how messages look.

use super::Ui;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::io::IsTerminal as _;

/// How messages on standard error look.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Messages")]
pub(crate) struct MessageArgs {
    /// Only warnings and errors: no progress, no summary
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Form of messages on standard error; json: one object per line
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    #[arg(help = "Form of messages on standard error: text, or json with one object per line")]
    log_format: LogFormat,
    /// When to use colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    color: When,
}

/// The form of messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum When {
    /// By the environment and whether it is a terminal
    #[default]
    Auto,
    Always,
    Never,
}

impl MessageArgs {
    /// What a command line says before it is known to be right, and the command in it: mistakes are told in that form, too.
    pub(crate) fn early(arguments: &[OsString]) -> (Self, Option<&str>) {
        let mut found = Self::default();
        let mut command = None;
        let mut arguments = arguments
            .iter()
            .skip(1)
            .map(|argument| argument.to_str().unwrap_or_default());
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (argument, None),
            };
            match name {
                "--" => break,
                "-q" | "--quiet" => found.quiet = true,
                "--log-format" => found.log_format = parsed(value.or_else(|| arguments.next())),
                "--color" => found.color = parsed(value.or_else(|| arguments.next())),
                name if !name.starts_with('-') && command.is_none() => command = Some(name),
                _ => {}
            }
        }
        (found, command)
    }

    /// Decides about colour for the whole process.
    pub(crate) fn ui(self) -> Ui {
        let choice = match self.color {
            When::Auto if is_unforced() => plain_choice(),
            When::Auto => anstream::ColorChoice::Auto,
            When::Always => anstream::ColorChoice::Always,
            When::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Ui {
            log: self.log_format,
            quiet: self.quiet,
            tool: None,
        }
    }
}

/// Whether `CLICOLOR_FORCE` is there and says no. The library that colours are left to takes any value for a yes.
fn is_unforced() -> bool {
    std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value == "0")
}

/// What holds without that variable, for both streams: no colour unless both are terminals.
fn plain_choice() -> anstream::ColorChoice {
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|found| found == value);
    let has_no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let are_terminals = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    match are_terminals && !has_no_color && !is("CLICOLOR", "0") && !is("TERM", "dumb") {
        true => anstream::ColorChoice::Always,
        false => anstream::ColorChoice::Never,
    }
}

fn parsed<T: ValueEnum + Default>(value: Option<&str>) -> T {
    value
        .and_then(|value| T::from_str(value, false).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_known_before_the_rest_is_right() {
        let early = |line: &str| {
            let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let (found, command) = MessageArgs::early(&arguments);
            let command = command.map(str::to_owned);
            (found.quiet, found.log_format == LogFormat::Json, found.color, command)
        };
        let command = |name: &str| Some(name.to_owned());
        assert_eq!(early("imgctl check -q x"), (true, false, When::Auto, command("check")));
        assert_eq!(
            early("imgctl --log-format json --color=never ls --bad"),
            (false, true, When::Never, command("ls"))
        );
        assert_eq!(early("imgctl --color check"), (false, false, When::Auto, None));
        assert_eq!(early("imgctl ls -- --quiet"), (false, false, When::Auto, command("ls")));
        assert_eq!(early(""), (false, false, When::Auto, None));
    }
}
