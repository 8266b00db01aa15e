//! `imgctl check`: whether an image's tables and refcounts hold together.

use super::info::TableArgs;
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::{OneLine, Ui};
use clap::Args;
use imgctl_core::{CheckReport, FindingKind};
use indicatif::HumanBytes;
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// As `qemu-img check` exits.
pub(crate) const EXIT_INCOMPLETE: u8 = 1;
const EXIT_ERRORS: u8 = 2;
const EXIT_LEAKS: u8 = 3;
const EXIT_NOT_CHECKABLE: u8 = 63;

const EXIT_CODES: &str = "\
Examples:
  imgctl check disk.qcow2
  imgctl check --json disk.qcow2 | jq .leaks

Exit codes are those of `qemu-img check`, not those of the other commands:
  0  no errors                          3  leaked clusters: space is wasted, no data is harmed
  1  the check could not be done       63  the format has nothing to check (raw)
  2  errors: data may be damaged";

/// Check the tables and refcounts of a qcow2 image
///
/// Refcounts, overlaps and leaks; nothing is repaired, and no other file is opened. Memory does not grow with the image.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CheckArgs {
    /// Image, qcow2
    image: PathBuf,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: TableArgs,
}

/// What `--json` writes.
#[derive(Serialize)]
struct CheckRecord<'a> {
    path: String,
    errors: u64,
    overlaps: u64,
    leaks: u64,
    unreadable: u64,
    total_clusters: u64,
    allocated_clusters: u64,
    fragmented_clusters: u64,
    compressed_clusters: u64,
    end_bytes: u64,
    findings: Vec<FindingRecord<'a>>,
}

#[derive(Serialize)]
struct FindingRecord<'a> {
    kind: &'static str,
    message: &'a str,
}

/// Returns the exit code.
pub(crate) fn check(ui: &Ui, args: &CheckArgs) -> CommandResult<u8> {
    match checked(ui, args) {
        Err(error) if error.is_interrupt() => Err(error),
        Err(error) => {
            error.report_as(ui, EXIT_INCOMPLETE);
            Ok(EXIT_INCOMPLETE)
        }
        Ok(code) => Ok(code),
    }
}

fn checked(ui: &Ui, args: &CheckArgs) -> CommandResult<u8> {
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let Some(report) = imgctl_core::check(&args.image, &args.input.options(), &cancel)? else {
        let error = CommandError::other(format!(
            "{} is a raw image, which has nothing to check",
            args.image.display()
        ));
        error.report_as(ui, EXIT_NOT_CHECKABLE);
        return Ok(EXIT_NOT_CHECKABLE);
    };
    if args.json {
        super::print_json(ui, &record(args, &report))?;
    } else {
        let mut out = ui.data();
        out.write_all(text(&report).as_bytes())
            .and_then(|()| out.flush())
            .map_err(CommandError::stdout)?;
    }
    Ok(match &report {
        report if report.unreadable > 0 => EXIT_INCOMPLETE,
        report if report.errors > 0 => EXIT_ERRORS,
        report if report.leaks > 0 => EXIT_LEAKS,
        _ => 0,
    })
}

fn record<'a>(args: &CheckArgs, report: &'a CheckReport) -> CheckRecord<'a> {
    let findings = report.findings.iter().map(|finding| FindingRecord {
        kind: kind_name(finding.kind),
        message: &finding.message,
    });
    CheckRecord {
        path: args.image.display().to_string(),
        errors: report.errors,
        overlaps: report.overlaps,
        leaks: report.leaks,
        unreadable: report.unreadable,
        total_clusters: report.total_clusters,
        allocated_clusters: report.allocated_clusters,
        fragmented_clusters: report.fragmented_clusters,
        compressed_clusters: report.compressed_clusters,
        end_bytes: report.end_bytes,
        findings: findings.collect(),
    }
}

fn kind_name(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Error => "error",
        FindingKind::Leak => "leak",
    }
}

fn text(report: &CheckReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!("{}: {}\n", kind_name(finding.kind), OneLine(&finding.message)));
    }
    let left_out = (report.errors + report.leaks).saturating_sub(report.findings.len() as u64);
    if report.findings.len() >= 1000 && left_out > 0 {
        text.push_str("and more of the kind\n");
    }
    text.push_str(&match (report.errors, report.leaks) {
        (0, 0) => "no errors\n".to_owned(),
        (0, leaks) => format!("{leaks} leaked clusters: space is wasted, no data is harmed\n"),
        (errors, leaks) => format!("{errors} errors, {leaks} leaked clusters: data may be damaged\n"),
    });
    if report.unreadable > 0 {
        text.push_str("parts of the refcounts could not be read, so there may be more\n");
    }
    text.push_str(&format!(
        "{} of {} clusters allocated, {} of them fragmented, {} compressed; the image ends at {}\n",
        report.allocated_clusters,
        report.total_clusters,
        report.fragmented_clusters,
        report.compressed_clusters,
        HumanBytes(report.end_bytes)
    ));
    text
}
