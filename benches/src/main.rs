//! `cargo xtask bench`: imgctl against qemu-img, virt-customize, and what this machine can do at best.

mod limits;
mod measure;
mod memory;
mod packing;
mod readme;
mod report;
mod rounds;
mod tools;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};

/// Measures imgctl. The machine should have nothing else to do.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run one program and print what it cost: wall and processor microseconds, peak memory in KiB
    #[command(hide = true)]
    Measure(measure::Arguments),
    /// Read all of a qcow2 image
    #[command(hide = true)]
    Read {
        /// The image
        image: PathBuf,
    },
}

/// What is measured.
#[derive(Debug, Args)]
struct Options {
    /// Rounds; in each, every program runs once, so that a busy moment meets all of them
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Runs of virt-customize, which takes half a minute without KVM; 0 leaves it out
    #[arg(long, default_value_t = 1)]
    virt_customize: usize,
    /// Let libguestfs use KVM, where that works
    #[arg(long)]
    kvm: bool,
    /// Which fixtures
    #[arg(long, default_value = "debian13,debian12", value_delimiter = ',')]
    fixtures: Vec<String>,
    /// Measure nothing but the drop-in tools, and leave README.md as it is
    #[arg(long)]
    tools_only: bool,
    /// Leave README.md as it is
    #[arg(long)]
    keep_readme: bool,
    /// Where scratch files go [default: target/bench]
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.task {
        Some(Task::Measure(measured)) => measure::run(&measured),
        Some(Task::Read { image }) => packing::read_everything(&image),
        None => run(&arguments.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    ensure!(options.runs > 0, "at least one run is needed");
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| imgctl_testkit::workspace().join("target/bench"));
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let mut images = Vec::new();
    let tools = tools::measure(&folder, options)?;
    if options.tools_only {
        say(&report::tools_table(&tools));
        report::tools_against_targets(&tools).iter().for_each(|line| say(line));
        return Ok(());
    }
    for name in &options.fixtures {
        images.push(rounds::measure(name, &folder, options)?);
    }
    let packing = packing::measure(&folder, options)?;
    let figures = Figures {
        images,
        tools,
        packing,
        memory: memory::measure(&folder)?,
    };
    let text = report::markdown(&figures);
    say(&text);
    let targets = report::against_targets(&figures);
    for line in targets.iter().chain(&report::tools_against_targets(&figures.tools)) {
        say(line);
    }
    if !options.keep_readme {
        readme::update(&text)?;
    }
    Ok(())
}

/// Everything that was measured.
#[derive(Debug)]
struct Figures {
    images: Vec<rounds::ImageFigures>,
    tools: Vec<tools::ToolFigures>,
    packing: Vec<packing::Row>,
    memory: Vec<memory::MemoryFigure>,
}

/// Prints for the person at the terminal.
#[allow(clippy::print_stderr, reason = "this is a program for the terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}
