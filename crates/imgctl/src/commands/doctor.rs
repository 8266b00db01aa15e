//! `imgctl doctor`: whether programs of guests can be run here.

use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::Args;
use imgctl_core::Launcher;
use imgctl_core::doctor::{Fact, Rung, facts, rungs};
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// The exit code where no way works.
const EXIT_NOTHING: u8 = 1;

/// Say whether programs of guests can be run here, and what is missing
///
/// Everything else that imgctl does needs nothing of the machine. Each way is tried; the first that works is taken.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl doctor
  imgctl doctor --json | jq -r '.rungs[] | select(.works) | .name'")]
pub(crate) struct DoctorArgs {
    /// Write everything as JSON
    #[arg(long)]
    json: bool,
    /// Folder for what programs write [default: the current folder]
    #[arg(long, value_name = "DIR", default_value = ".")]
    scratch: PathBuf,
}

#[derive(Serialize)]
struct Report {
    facts: Vec<FactRecord>,
    rungs: Vec<RungRecord>,
}

#[derive(Serialize)]
struct FactRecord {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct RungRecord {
    name: &'static str,
    about: &'static str,
    works: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub(crate) fn doctor(ui: &Ui, args: &DoctorArgs) -> CommandResult<u8> {
    let report = Report {
        facts: facts().into_iter().map(fact).collect(),
        rungs: rungs(&args.scratch, &Launcher::default())
            .into_iter()
            .map(rung)
            .collect(),
    };
    let code = match report.rungs.iter().any(|rung| rung.works) {
        true => 0,
        false => EXIT_NOTHING,
    };
    if args.json {
        super::print_json(ui, &report)?;
        return Ok(code);
    }
    let mut out = ui.data();
    out.write_all(text(&report).as_bytes())
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)?;
    Ok(code)
}

fn fact(Fact { name, value }: Fact) -> FactRecord {
    FactRecord { name, value }
}

fn rung(rung: Rung) -> RungRecord {
    let Rung {
        name,
        about,
        problem,
        hint,
        notes,
    } = rung;
    RungRecord {
        name,
        about,
        works: problem.is_none(),
        problem,
        hint,
        notes,
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for FactRecord { name, value } in &report.facts {
        text += &format!("{name}: {value}\n");
    }
    text += "\nPrograms of guests:\n";
    for rung in &report.rungs {
        let state = if rung.works { "works" } else { "no" };
        text += &format!("  {:<11} {state:<6} {}\n", rung.name, rung.about);
        let lines = rung.problem.iter().chain(&rung.hint).chain(&rung.notes);
        lines.for_each(|line| text += &format!("  {:<18} {line}\n", ""));
    }
    text
}
