//! `cargo xtask boot-test`: an image boots by every firmware, with and without a seed, and shows what it should.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use imgctl_testkit::boot::{self, BootImage, Check, Expectation, Firmware, Options, Report};

use crate::say;

/// What to boot, how, and what is expected.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The image; it is not written.
    image: PathBuf,
    /// Boot by this firmware: bios, uefi, or direct (qemu starts the image's kernel). May be repeated; all without it.
    #[arg(long = "firmware", value_name = "FIRMWARE")]
    firmwares: Vec<Firmware>,
    /// Only boot with a NoCloud seed, which makes a user and gives the hostname "imgctl-seeded".
    #[arg(long, conflicts_with = "no_seed")]
    seed: bool,
    /// Only boot without a seed.
    #[arg(long)]
    no_seed: bool,
    /// Root's password in the image. Without it, boots without a seed are judged by login prompt and disk alone.
    #[arg(long, value_name = "PASSWORD")]
    root_password: Option<String>,
    #[arg(long, value_name = "EXPECTATION", help = expect_help())]
    expect: Vec<Expectation>,
    /// A command for root, and a regular expression that its output must match. May be repeated.
    #[arg(long = "check", num_args = 2, value_names = ["COMMAND", "REGEX"])]
    checks: Vec<String>,
    /// Boot each overlay a second time: the identity must stay, checks must hold again.
    #[arg(long)]
    reboot: bool,
    /// Shut down in the end and check the filesystems.
    #[arg(long)]
    fsck: bool,
    /// The time limit of one boot in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = boot::LIMIT.as_secs())]
    limit: u64,
}

fn expect_help() -> String {
    format!(
        "Something every boot must show; may be repeated: {}",
        boot::EXPECTATION_NAMES
    )
}

/// Boots in every way asked for and prints what came of it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let base = BootImage::open(&arguments.image)?;
    let mut plan = plan(arguments)?;
    if let ([only], true) = (
        plan.as_slice(),
        arguments.expect.iter().any(Expectation::compares_boots),
    ) {
        // That an identity is new on every boot takes two boots to show.
        let mut again = only.clone();
        again.log = only.log.with_extension("again.log");
        plan.push(again);
    }
    let mut reports = Vec::new();
    let mut passed = true;
    for options in &plan {
        match base.boot(options) {
            Ok(report) => {
                say(&line(&report));
                passed &= report.faults.is_empty();
                for fault in &report.faults {
                    say(&format!("  FAULT: {fault}"));
                }
                reports.push(report);
            }
            Err(error) => {
                passed = false;
                say(&format!("{}: FAILED: {error:#}", options.log.display()));
            }
        }
    }
    if reports.len() == plan.len() {
        for fault in boot::judge(&arguments.expect, base.facts(), &reports) {
            passed = false;
            say(&format!("  FAULT: {fault}"));
        }
    }
    say(&format!(
        "boot-test {}: {} of {} boots came up; {}",
        arguments.image.display(),
        reports.len(),
        plan.len(),
        if passed { "all passed" } else { "FAILED" }
    ));
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The boots to make, each with its log.
fn plan(arguments: &Arguments) -> Result<Vec<Options>> {
    let pairs = arguments.checks.chunks(2).filter_map(|pair| match pair {
        [command, expected] => Some(Check {
            command: command.clone(),
            expected: expected.clone(),
        }),
        _ => None,
    });
    let checks: Vec<Check> = pairs.chain(Expectation::checks(&arguments.expect)).collect();
    let firmwares = if arguments.firmwares.is_empty() {
        Firmware::ALL.to_vec()
    } else {
        arguments.firmwares.clone()
    };
    let mut plan = Vec::new();
    for firmware in firmwares {
        for seed in [false, true] {
            if (seed && arguments.no_seed) || (!seed && arguments.seed) {
                continue;
            }
            plan.push(Options {
                root_password: arguments.root_password.clone(),
                checks: checks.clone(),
                reboot: arguments.reboot,
                fsck: arguments.fsck,
                limit: Duration::from_secs(arguments.limit),
                ..Options::new(&arguments.image, firmware, seed)?
            });
        }
    }
    Ok(plan)
}

fn line(report: &Report) -> String {
    let failed = if report.failed_units.is_empty() {
        String::new()
    } else {
        format!(", failed units: {}", report.failed_units.join(" "))
    };
    format!(
        "{:<28} login after {:>3} s, all after {:>3} s; machine-id {}, {} host keys, hostname {}{failed}",
        report.name,
        report.until_login.as_secs(),
        report.total.as_secs(),
        report.facts.machine_id,
        report.facts.host_keys.len(),
        report.facts.hostname,
    )
}
