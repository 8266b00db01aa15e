//! `imgctl steps`: every operation on a guest, as a step of a recipe and as an option.

use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::Args;
use imgctl_core::steps::STEPS;
use imgctl_core::steps::flags::{FlagDeed, FlagSpec, flags};
use serde::Serialize;
use std::io::{self, Write};

const EXAMPLES: &str = "\
Examples:
  imgctl steps
  imgctl steps --json | jq -r '.options[].name'

docs/operations.md says more about each, and compares them with virt-customize's.";

/// List every operation: the steps of a recipe, and the options that change a guest
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StepsArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Operations {
    steps: Vec<StepRow>,
    options: Vec<OptionRow>,
}

#[derive(Serialize)]
struct StepRow {
    name: &'static str,
    section: &'static str,
    about: &'static str,
}

#[derive(Serialize)]
struct OptionRow {
    name: &'static str,
    value: &'static str,
    group: &'static str,
    about: &'static str,
    recipe: &'static str,
    /// Whether it can be used.
    supported: bool,
}

impl Operations {
    fn all() -> Self {
        let steps = STEPS.iter().map(|step| StepRow {
            name: step.name,
            section: step.section,
            about: step.about(),
        });
        let options = flags().map(|flag| OptionRow {
            name: flag.name,
            value: flag.value,
            group: flag.group.title(),
            about: flag.help,
            recipe: flag.recipe,
            supported: is_supported(flag),
        });
        Self {
            steps: steps.collect(),
            options: options.collect(),
        }
    }
}

fn is_supported(flag: &FlagSpec) -> bool {
    !matches!(flag.deed, FlagDeed::Later(_) | FlagDeed::Refused(_))
}

pub(crate) fn steps(ui: &Ui, args: &StepsArgs) -> CommandResult {
    if args.json {
        return super::print_json(ui, &Operations::all());
    }
    let mut out = ui.styled_data();
    write(&mut out).and_then(|()| out.flush()).map_err(CommandError::stdout)
}

fn write(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Steps of a recipe, in their order:")?;
    for step in STEPS {
        writeln!(out, "  {:<28} {:<12} {}", step.name, step.section, step.about())?;
    }
    let mut group = None;
    for flag in flags().filter(|flag| is_supported(flag)) {
        if group != Some(flag.group) {
            writeln!(out, "\n{}, as options of `imgctl customize`:", flag.group.title())?;
            group = Some(flag.group);
        }
        let option = format!("--{} {}", flag.name, flag.value);
        writeln!(out, "  {option:<41} {}", flag.help)?;
    }
    Ok(())
}
