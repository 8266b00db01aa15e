//! Signals at any moment of a run: the base and an earlier output are intact, and there is no half output.

use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use imgctl_testkit::fixture;
use imgctl_testkit::tier::{self, Limits, Random};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Outcome, Scene};

/// What became of the points of a test.
#[derive(Debug, Default)]
struct Tally {
    struck: usize,
    too_late: usize,
}

#[test]
fn signals_at_random_moments_of_a_small_run() -> Result<()> {
    let tally = strike("mini", "kill", 0..30)?;
    ensure!(tier::is_long() || tally.struck > 5, "hardly any run was hit: {tally:?}");
    Ok(())
}

#[test]
fn signals_at_random_moments_of_a_long_run() -> Result<()> {
    if !imgctl_testkit::root_or_skip("signals_at_random_moments_of_a_long_run") || !fixture::is_wanted("debian13") {
        return Ok(());
    }
    let tally = strike("debian13", "kill-long", 0..6)?;
    ensure!(tier::is_long() || tally.struck > 1, "hardly any run was hit: {tally:?}");
    Ok(())
}

/// Ends runs at random moments, by SIGKILL, SIGINT and SIGTERM, over an earlier output and without one.
fn strike(fixture: &str, kind: &str, usual: Range<u64>) -> Result<Tally> {
    let scene = Scene::new(fixture)?;
    let whole_run = whole_run(&scene)?;
    let mut tally = Tally::default();
    for seed in tier::seeds(usual) {
        let outcome = tier::try_case(kind, seed, Limits::LARGE, || strike_once(&scene, whole_run, seed))?;
        match outcome {
            Outcome::Whole => tally.too_late += 1,
            Outcome::Untouched | Outcome::Between => tally.struck += 1,
        }
    }
    #[allow(clippy::print_stderr, reason = "the count belongs into the runner's log")]
    {
        eprintln!("{fixture}: within {whole_run:?}: {tally:?}");
    }
    Ok(tally)
}

fn strike_once(scene: &Scene, whole_run: Duration, seed: u64) -> Result<Outcome> {
    let mut random = Random::new(seed);
    let place = scene.place(&format!("point-{seed}"))?;
    if random.below(2) == 0 {
        Scene::put_earlier(&place)?;
    }
    let signal = *random.pick(&[Signal::KILL, Signal::INT, Signal::KILL, Signal::TERM]);
    let moment = whole_run.mul_f64(random.below(1100) as f64 / 1000.0);
    let told = || format!("{signal:?} after {moment:?} of {whole_run:?}");
    let status = run_until(scene, &place, moment, signal).with_context(told)?;
    let outcome = judge(scene, &place, signal, status).with_context(told)?;
    // What a kill left does not disturb the next run.
    if random.below(10) == 0 {
        let output = scene.run(&mut scene.command(&place)?)?;
        ensure!(output.status.success(), "{}: the next run: {output:?}", told());
        ensure!(scene.judge(&place, true)? == Outcome::Whole, "{}: the next run", told());
    }
    std::fs::remove_dir_all(&place)?;
    Ok(outcome)
}

/// How long a run takes that nothing happens to.
fn whole_run(scene: &Scene) -> Result<Duration> {
    let place = scene.place("timing")?;
    let mut took = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        ensure!(
            scene.run(&mut scene.command(&place)?)?.status.success(),
            "the timed run failed"
        );
        took.push(begin.elapsed());
    }
    took.sort();
    Ok(took[1])
}

fn run_until(scene: &Scene, place: &Path, moment: Duration, signal: Signal) -> Result<ExitStatus> {
    let mut child = scene.command(place)?.spawn().context("starting imgctl")?;
    std::thread::sleep(moment);
    // It may have ended already; until it is waited for, its number is nobody else's.
    let _ = kill_process(Pid::from_child(&child), signal);
    let status = wait(&mut child);
    drop(child.kill());
    drop(child.wait());
    status
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        ensure!(
            begin.elapsed() < Duration::from_secs(60),
            "the run goes on after a signal"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The exit status and what is in the output's folder fit together.
fn judge(scene: &Scene, place: &Path, signal: Signal, status: ExitStatus) -> Result<Outcome> {
    let outcome = scene.judge(place, signal == Signal::KILL)?;
    let fits = match (status.code(), status.signal()) {
        (Some(0), _) => outcome == Outcome::Whole,
        (Some(130), _) => outcome == Outcome::Untouched,
        // Before the run listens, when nothing has been done; and SIGKILL at any time.
        (None, Some(number)) if number == signal.as_raw() => outcome == Outcome::Untouched || signal == Signal::KILL,
        _ => bail!("ended with {status}"),
    };
    ensure!(fits, "ended with {status}, and the output is {outcome:?}");
    Ok(outcome)
}
