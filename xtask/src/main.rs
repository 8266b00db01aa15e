//! The workspace task runner: `cargo xtask <task>`.

mod bench;
mod boot_test;
mod fixtures;
mod man;
mod oracles;
mod test;
mod tidy;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure imgctl against other programs and against this machine, and update the README's table.
    Bench {
        /// Passed on; `cargo xtask bench --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Boot an image under qemu (software emulation) and assert what it shows; logs go to target/boot-test.
    BootTest(Box<boot_test::Arguments>),
    /// Build the real disk images that the tests use into target/fixtures (root, a Debian mirror; a minute or two each).
    ///
    /// An image is built again when its scripts have changed. IMGCTL_FIXTURES names another folder.
    Fixtures {
        /// Which ones; all without a name: debian13, debian12, ubuntu-like.
        names: Vec<String>,
    },
    /// Write the manual pages, one for each command, into target/man.
    Man,
    /// Say which judges of the tests this machine has, in which versions; install what is missing.
    Oracles(oracles::Arguments),
    /// Run every test, after a look whether the programs that judge the results are installed.
    Test {
        /// Passed on to the test runner, like a test's name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the rules of this workspace that no compiler or linter checks.
    Tidy,
    /// The long tier: many more seeds, every image, every way to boot. Resumable; writes docs/verification.md.
    Verify(verify::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Bench { arguments } => bench::run(&arguments),
        Task::BootTest(arguments) => boot_test::run(&arguments),
        Task::Fixtures { names } => fixtures::build(&names),
        Task::Man => man::run(),
        Task::Oracles(arguments) => oracles::run(&arguments),
        Task::Test { arguments } => test::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Verify(arguments) => verify::run(&arguments),
    }
}

/// Prints one line for the person at the terminal.
#[allow(clippy::print_stderr, reason = "this is a program for the terminal")]
fn say(line: &str) {
    eprintln!("{line}");
}
