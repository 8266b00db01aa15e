//! Runs one shard and reads from its log what came of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::boot::Firmware;
use imgctl_testkit::{fixture, tier};

use super::kinds::{ADDRESS_SPACE, Test, Work};
use super::programs::Programs;
use super::results::Outcome;
use super::shard::{Boot, Part, Shard};

/// Far longer than any shard takes on a busy machine.
const SHARD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What a boot may take, in seconds, on a machine that does other things.
const BOOT_LIMIT: &str = "900";

/// After so many failures in one shard the rest of it would say nothing new.
const MOST_FAILURES: usize = 5;

/// Root's password in the customized images: their recipe sets it.
const ROOT_PASSWORD: &str = "made by imgctl";

/// What a command prints in every customized image: arguments of the kernel by the boot loader's own entry, what the first
/// boot did after a failure, swap.
const BOOT_CHECKS: [(&str, &str); 4] = [
    ("cat /proc/cmdline", r" imgctl\.golden=1 "),
    (FIRST_BOOT, "^2$"),
    ("wc -l </var/lib/fixture-once", "^1$"),
    ("swapon --show=NAME --noheadings", "^/swapfile$"),
];

/// Waits for the end of what the first boot does.
const FIRST_BOOT: &str = "for i in $(seq 60); do test -e /usr/lib/systemd/system/imgctl-first-boot.service || break; sleep 2; done; \
                          wc -l </var/lib/fixture-after";

/// What every customized image shows, however it booted.
const BOOT_EXPECTATIONS: [&str; 6] = [
    "hostname=golden",
    "active=fixture-node.service",
    "enabled=fixture-node.service",
    "disabled=cron.service",
    "masked=systemd-timesyncd.service",
    "one-line=/var/lib/fixture-first-boot",
];

/// The recipe of the images that are booted, in the workspace.
const BOOT_RECIPE: &str = "tests/tests/boot/customized.yaml";

/// Where shards run and leave their logs.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) programs: Programs,
    pub(super) folder: PathBuf,
    pub(super) commit: String,
    /// Two shards may want the same customized image at once.
    images: Mutex<()>,
}

impl Bench {
    pub(super) fn new(programs: Programs, folder: PathBuf, commit: String) -> Self {
        Self {
            programs,
            folder,
            commit,
            images: Mutex::new(()),
        }
    }

    /// Runs a shard to its end; also an outcome where it could not even be started.
    pub(super) fn run(&self, shard: &Shard) -> Outcome {
        let begin = Instant::now();
        let log = self.folder.join("logs").join(format!("{}.log", shard.file_name()));
        let mut outcome = self.run_logged(shard, &log).unwrap_or_else(|error| Outcome {
            reason: format!("{error:#}"),
            ..Outcome::default()
        });
        outcome.seconds = begin.elapsed().as_secs();
        outcome
    }

    fn run_logged(&self, shard: &Shard, log: &Path) -> Result<Outcome> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let mut outcome = match shard.part {
            Part::Seeds(test, from, to) => self.run_seeds(shard, test, (from, to), (&file, log))?,
            Part::Test(test) => {
                let mut command = self.programs.command(test, None);
                read(run(&mut command, &file)?, &fs::read_to_string(log)?, shard.kind.name)
            }
            Part::Boot(boot) => {
                let status = run(&mut self.boot_command(boot)?, &file)?;
                Outcome {
                    passed: status.success(),
                    cases: u64::from(status.success()),
                    reason: format!("boot-test ended with {status}"),
                    ..Outcome::default()
                }
            }
        };
        if matches!(shard.part, Part::Test(_)) && outcome.passed {
            outcome.cases = 1;
        }
        if outcome.passed && outcome.cases != shard.expected() {
            outcome.passed = false;
            outcome.reason = format!("{} cases instead of {}", outcome.cases, shard.expected());
        }
        if outcome.passed {
            outcome.reason.clear();
        }
        Ok(outcome)
    }

    /// Goes through a range of seeds, also behind one that failed.
    fn run_seeds(
        &self,
        shard: &Shard,
        test: Test,
        (from, to): (u64, u64),
        (file, log): (&File, &Path),
    ) -> Result<Outcome> {
        let is_confined = matches!(shard.kind.work, Work::Seeds { is_confined: true, .. });
        let mut whole = Outcome {
            passed: true,
            ..Outcome::default()
        };
        let mut next = from;
        while next < to {
            let mut command = self.programs.command(test, is_confined.then_some(ADDRESS_SPACE));
            command.env(tier::SEEDS, format!("{next}..{to}"));
            let begin = usize::try_from(file.metadata()?.len())?;
            let status = run(&mut command, file)?;
            let text = fs::read(log)?;
            let text = String::from_utf8_lossy(text.get(begin..).unwrap_or_default()).into_owned();
            let outcome = read(status, &text, shard.kind.name);
            whole.cases += outcome.cases;
            whole.slowest = whole.slowest.max(outcome.slowest);
            whole.memory = whole.memory.max(outcome.memory);
            if outcome.passed {
                break;
            }
            whole.passed = false;
            whole.reason = outcome.reason;
            let Some(seed) = outcome.failed_seeds.last() else {
                break;
            };
            whole.failed_seeds.push(*seed);
            if whole.failed_seeds.len() >= MOST_FAILURES {
                break;
            }
            next = seed + 1;
        }
        Ok(whole)
    }

    fn boot_command(&self, boot: Boot) -> Result<Command> {
        let image = self.customized(boot.fixture)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("boot-test")
            .arg(image)
            .args([
                "--firmware",
                &boot.firmware.to_string(),
                "--fsck",
                "--limit",
                BOOT_LIMIT,
            ])
            .arg(if boot.seed { "--seed" } else { "--no-seed" });
        command.args(["--root-password", ROOT_PASSWORD]);
        for (checked, expected) in BOOT_CHECKS {
            command.args(["--check", checked, expected]);
        }
        for expectation in BOOT_EXPECTATIONS {
            command.args(["--expect", expectation]);
        }
        // Two boots each: one way shows what a second boot of the same disk keeps, the other that two disks differ.
        match (boot.firmware, boot.seed) {
            (Firmware::Bios, false) => drop(command.arg("--reboot")),
            (Firmware::Bios, true) => {
                command.args(["--expect", "new-machine-id", "--expect", "new-host-keys"]);
            }
            _ => {}
        }
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// The customized image of a fixture, made once for each commit.
    fn customized(&self, name: &str) -> Result<PathBuf> {
        let _alone = self.images.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let images = self.folder.join("images");
        fs::create_dir_all(&images)?;
        let short = self.commit.get(..12).unwrap_or(&self.commit);
        let image = images.join(format!("{name}-{short}.qcow2"));
        if !image.is_file() {
            let output = Command::new(self.programs.imgctl())
                .arg("customize")
                .arg(fixture::built(name)?)
                .arg("--recipe")
                .arg(imgctl_testkit::workspace().join(BOOT_RECIPE))
                .arg("-o")
                .arg(&image)
                .output()
                .context("starting imgctl")?;
            ensure!(
                output.status.success(),
                "customizing {name} ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(image)
    }
}

/// Runs a command with its output in the log.
fn run(command: &mut Command, log: &File) -> Result<ExitStatus> {
    let mut header = log.try_clone()?;
    writeln!(header, "$ {command:?}")?;
    command
        .env("IMGCTL_TEST_FIXTURES", fixture::BUILT.join(","))
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    wait(&mut child)
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begin.elapsed() > SHARD_LIMIT {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("it was still running after {} minutes", SHARD_LIMIT.as_secs() / 60);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Counts the cases of a kind in what a test printed. A test that is not there or skips itself has not passed.
fn read(status: ExitStatus, text: &str, kind: &str) -> Outcome {
    let mut outcome = Outcome {
        passed: status.success(),
        ..Outcome::default()
    };
    // Cases begin their line, unless the runner's "test NAME ... " is still before them.
    for line in text.lines() {
        if let Some((_, fields)) = line.split_once(tier::CASE) {
            let mut fields = fields.split_whitespace();
            if fields.next() == Some(kind) {
                let numbers: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
                outcome.cases += 1;
                outcome.slowest = outcome.slowest.max(numbers.get(1).copied().unwrap_or(0));
                outcome.memory = outcome.memory.max(numbers.get(2).copied().unwrap_or(0));
            }
        } else if let Some((_, fields)) = line.split_once(tier::FAILED) {
            let seed = fields.split_whitespace().nth(1);
            let seed = seed.and_then(|seed| seed.parse::<u64>().ok());
            outcome.failed_seeds.extend(seed);
        }
    }
    let skipped = text.lines().find(|line| line.to_lowercase().starts_with("skipped"));
    if let (true, Some(line)) = (outcome.passed, skipped) {
        outcome.passed = false;
        outcome.reason = line.to_owned();
    } else if outcome.passed && !text.contains("1 passed") {
        outcome.passed = false;
        outcome.reason = "there is no such test at this commit".to_owned();
    } else if !outcome.passed {
        outcome.reason = failure(text, status);
    }
    outcome
}

/// The line that says most about a failure: what follows the panic's place.
fn failure(text: &str, status: ExitStatus) -> String {
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
    let said = lines
        .nth(1)
        .or_else(|| text.lines().find(|line| line.starts_with("Error: ")));
    let said: String = said.unwrap_or_default().chars().take(300).collect();
    format!("{status}: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    const LOG: &str = "
running 1 test
test damage::bytes ... imgctl-case: ext4-damage 4 12 900
imgctl-case: ext4-damage 5 30 100
imgctl-case: other 5 1 1
";

    #[test]
    fn cases_are_counted() {
        let text = format!("{LOG}ok\n\ntest result: ok. 1 passed; 0 failed\n");
        let outcome = read(ExitStatus::from_raw(0), &text, "ext4-damage");
        assert!(outcome.passed, "{outcome:?}");
        assert_eq!((outcome.cases, outcome.slowest, outcome.memory), (2, 30, 900));
    }

    #[test]
    fn a_failure_has_its_seed_and_its_reason() {
        let text =
            format!("{LOG}\nthread 'x' panicked at a.rs:3:5:\nindex out of bounds\nimgctl-failed: ext4-damage 6\n");
        let outcome = read(ExitStatus::from_raw(101 << 8), &text, "ext4-damage");
        assert!(!outcome.passed);
        assert_eq!((outcome.cases, outcome.failed_seeds), (2, vec![6]));
        assert_eq!(outcome.reason, "exit status: 101: index out of bounds");
    }

    #[test]
    fn what_did_not_run_has_not_passed() {
        let nothing = read(
            ExitStatus::from_raw(0),
            "running 0 tests\ntest result: ok. 0 passed",
            "x",
        );
        assert!(!nothing.passed && nothing.reason.contains("no such test"));
        let text = "SKIPPED (IMGCTL_TEST_NO_ROOT=1): x\ntest result: ok. 1 passed";
        assert!(!read(ExitStatus::from_raw(0), text, "x").passed);
    }
}
