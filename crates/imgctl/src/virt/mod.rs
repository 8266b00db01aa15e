//! The drop-in tools: `imgctl virt-cat …`, or `virt-cat …` by a link of that name, for scripts written for guestfs-tools.
//!
//! Options, their order and what is printed are the peers'; the exit status is 0 or 1. docs/virt-tools.md tells the
//! differences.

mod cat;
mod changing;
mod checksum;
mod clock;
mod copy_in;
mod copy_out;
mod customize;
mod df;
mod diff;
mod disks;
mod edit;
mod figures;
mod filesystems;
mod get_kernel;
mod getopt;
mod inspector;
mod log;
mod ls;
mod messages;
mod mounts;
mod sparsify;
mod sysprep;
mod tar_out;

use crate::command_error::{CommandError, CommandErrorKind, CommandResult, EXIT_BUG};
use crate::panics;
use crate::ui::Ui;
use clap::{ArgMatches, Command};
use getopt::Getopt;
use imgctl_core::{DiskRecord, VolumeRecord};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

/// One tool.
#[derive(Debug)]
pub(crate) struct Tool {
    /// What it is called by.
    pub(crate) name: &'static str,
    /// How it reads options.
    getopt: Getopt,
    /// Its arguments, of `clap`'s.
    arguments: fn(Command) -> Command,
    /// Does what the arguments ask for.
    run: fn(&Ui, &ArgMatches) -> CommandResult,
}

/// All of them, by name.
pub(crate) const TOOLS: &[Tool] = &[
    cat::TOOL,
    copy_in::COPY_IN,
    copy_out::TOOL,
    customize::TOOL,
    df::TOOL,
    diff::TOOL,
    edit::TOOL,
    filesystems::TOOL,
    get_kernel::TOOL,
    inspector::TOOL,
    log::TOOL,
    ls::TOOL,
    sparsify::TOOL,
    sysprep::TOOL,
    copy_in::TAR_IN,
    tar_out::TOOL,
];

/// What `--version` tells: the release of guestfs-tools whose options these are, for scripts that compare it.
const VERSION: &str = concat!("1.56.0 (imgctl ", env!("CARGO_PKG_VERSION"), ")");

/// A tool with its arguments.
#[derive(Debug)]
pub(crate) struct Call {
    tool: &'static Tool,
    arguments: Vec<OsString>,
}

impl Call {
    /// The tool that a command line calls: by the program's own name, or by the first argument.
    pub(crate) fn of(arguments: &[OsString]) -> Option<Self> {
        let (program, rest) = arguments.split_first()?;
        let called = Path::new(program).file_name().and_then(|name| find(name.as_bytes()));
        let (tool, arguments) = match (called, rest.split_first()) {
            (Some(tool), _) => (tool, rest),
            (None, Some((first, rest))) => (find(first.as_bytes())?, rest),
            (None, None) => return None,
        };
        Some(Self {
            tool,
            arguments: arguments.to_vec(),
        })
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> ExitCode {
        let ui = Ui::of_tool(self.tool.name);
        panics::guard(ui, || match self.result(ui) {
            Ok(()) => ExitCode::SUCCESS,
            Err(code) => ExitCode::from(code),
        })
    }

    fn result(&self, ui: Ui) -> Result<(), u8> {
        let tell = |error: CommandError| {
            let code = match error.kind {
                CommandErrorKind::BrokenPipe => return 0,
                _ if error.kind.exit_code() == EXIT_BUG => EXIT_BUG,
                _ => 1,
            };
            error.report_as(&ui, code);
            code
        };
        let command = self.tool.command();
        if let [only] = self.arguments.as_slice()
            && let Some(list) = for_completion(&command, only)
        {
            return ui
                .data()
                .write_all(list.as_bytes())
                .map_err(|source| tell(CommandError::stdout(source)));
        }
        let arguments = getopt::resolve(&command, self.tool.getopt, &self.arguments).map_err(tell)?;
        match command.try_get_matches_from(arguments) {
            Ok(matches) => (self.tool.run)(&ui, &matches).map_err(tell),
            Err(error) if error.use_stderr() => Err(tell(
                usage(&error).hint(format!("{} --help lists the options", self.tool.name)),
            )),
            Err(answer) => {
                // Nobody is left to be told when standard output is gone.
                let _ = answer.print();
                Ok(())
            }
        }
    }
}

impl Tool {
    /// Its command line. Short options are free for what the peer's mean: `-h` of virt-df is not help.
    pub(crate) fn command(&self) -> Command {
        let command = Command::new(self.name)
            .version(VERSION)
            .no_binary_name(true)
            .args_override_self(true)
            .disable_help_flag(true)
            .arg(
                clap::Arg::new("help")
                    .long("help")
                    .help("Print help")
                    .action(clap::ArgAction::HelpLong),
            );
        let command = (self.arguments)(command);
        match self.getopt {
            Getopt::LongOnly => command,
            // Their `--format` alone means that it is found out.
            Getopt::Long
                if command
                    .get_arguments()
                    .any(|argument| argument.get_id() == disks::FORMAT) =>
            {
                command.mut_arg(disks::FORMAT, |argument| {
                    argument
                        .num_args(0..=1)
                        .require_equals(true)
                        .default_missing_value("auto")
                })
            }
            Getopt::Long => command,
        }
    }
}

/// The options that there are, as the peers tell them to shells that complete a line.
fn for_completion(command: &Command, question: &OsStr) -> Option<String> {
    let options = command.get_arguments();
    let mut names: Vec<String> = match question.to_str()? {
        "--short-options" => options
            .filter_map(|option| Some(format!("-{}", option.get_short()?)))
            .collect(),
        "--long-options" => options
            .filter_map(|option| Some(format!("--{}", option.get_long()?)))
            .collect(),
        _ => return None,
    };
    names.sort();
    Some(names.into_iter().map(|name| name + "\n").collect())
}

/// Fails for words that are neither options nor their values.
fn no_words(words: &[OsString]) -> CommandResult {
    match words {
        [] => Ok(()),
        [word, ..] => Err(CommandError::usage(format!("{} is no option", word.display()))
            .hint("write --format=raw, not --format raw")),
    }
}

/// What the disks hold: disks without a table before partitions, as the peers list them.
fn by_kind_of_device(disks: &[DiskRecord]) -> impl Iterator<Item = &VolumeRecord> {
    let volumes = || disks.iter().flat_map(|disk| &disk.volumes);
    let whole = volumes().filter(|volume| volume.place.partition == 0);
    whole.chain(volumes().filter(|volume| volume.place.partition != 0))
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What is wrong about arguments, in the words of `clap`.
fn usage(error: &clap::Error) -> CommandError {
    let text = error.to_string();
    let mut lines = text.trim_start_matches("error: ").lines().map(str::trim);
    let usage = CommandError::usage(lines.next().unwrap_or_default());
    lines
        .filter_map(|line| line.strip_prefix("hint: ").or(line.strip_prefix("tip: ")))
        .fold(usage, CommandError::hint)
}

fn find(name: &[u8]) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(line: &str) -> Option<(&'static str, Vec<OsString>)> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Call::of(&words).map(|call| (call.tool.name, call.arguments))
    }

    #[test]
    fn a_tool_is_called_by_its_link_or_by_the_first_argument() {
        let words = |line: &str| line.split_whitespace().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            called("/usr/local/bin/virt-cat -a x"),
            Some(("virt-cat", words("-a x")))
        );
        assert_eq!(called("imgctl virt-cat -a x"), Some(("virt-cat", words("-a x"))));
        assert_eq!(called("imgctl cat x"), None);
        assert_eq!(called("imgctl"), None);
        assert_eq!(called("imgctl ls virt-cat"), None);
    }

    #[test]
    fn the_command_lines_are_consistent_and_sorted() {
        for tool in TOOLS {
            tool.command().debug_assert();
        }
        assert!(TOOLS.is_sorted_by_key(|tool| tool.name));
    }
}
