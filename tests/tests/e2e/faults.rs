//! Disks that are full or fail at any call of a run: it says so, and there is no half output.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Output};

use anyhow::{Context as _, Result, bail, ensure};
use imgctl_testkit::tier::{self, Limits, Random};

use crate::bad_input::SmallDisk;
use crate::scene::{OUT, Outcome, Scene};

const NO_SPACE: i32 = 13;

fn told(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// The run fails for lack of space; an earlier output stays, and nothing is left.
fn fails_for_space(scene: &Scene, place: &Path, output: &Output) -> Result<()> {
    ensure!(
        output.status.code() == Some(NO_SPACE),
        "not exit {NO_SPACE} but {}",
        told(output)
    );
    ensure!(told(output).contains("hint: free some space"), "{}", told(output));
    ensure!(
        scene.judge(place, false)? == Outcome::Untouched,
        "the output has changed"
    );
    Ok(())
}

#[test]
fn an_output_disk_that_is_full_at_any_size() -> Result<()> {
    if !imgctl_testkit::root_or_skip("an_output_disk_that_is_full_at_any_size") {
        return Ok(());
    }
    let scene = Scene::new("mini")?;
    // Holes take no room.
    let needed = scene.path("reference").join(OUT).metadata()?.blocks() * 512;
    for seed in tier::seeds(0..10) {
        tier::try_case("full-disk", seed, Limits::LARGE, || {
            // Room for an earlier output and its checksum, and then from nothing to less than enough.
            let size = 8192 + Random::new(seed).below(needed / 4096) * 4096;
            let place = scene.path(&format!("full-{seed}"));
            let _disk = SmallDisk::mount(&place, &format!("size={size}"))?;
            Scene::put_earlier(&place)?;
            let output = scene.run(&mut scene.command(&place)?)?;
            fails_for_space(&scene, &place, &output).with_context(|| format!("a disk of {size} bytes"))
        })?;
    }
    Ok(())
}

#[test]
fn a_limit_on_file_sizes() -> Result<()> {
    let scene = Scene::new("mini")?;
    let place = scene.place("limited")?;
    let needed = scene.path("reference").join(OUT).metadata()?.len();
    for seed in tier::seeds(0..6) {
        tier::try_case("file-size", seed, Limits::LARGE, || {
            let limit = Random::new(seed).below(needed);
            let option = format!("--fsize={limit}");
            let output = scene.run(&mut scene.command_under("prlimit", &[&option], &place)?)?;
            fails_for_space(&scene, &place, &output).with_context(|| format!("files of {limit} bytes"))
        })?;
    }
    let option = format!("--fsize={needed}");
    let output = scene.run(&mut scene.command_under("prlimit", &[&option], &place)?)?;
    ensure!(output.status.success(), "exactly enough: {}", told(&output));
    ensure!(scene.judge(&place, false)? == Outcome::Whole, "exactly enough");
    Ok(())
}

/// More changes than are kept in memory, and a scratch disk that does not hold the rest.
#[test]
fn a_full_scratch_disk() -> Result<()> {
    if !imgctl_testkit::root_or_skip("a_full_scratch_disk") {
        return Ok(());
    }
    let scene = Scene::new("mini")?;
    let noise = Random::new(1).bytes(48 << 20);
    std::fs::write(scene.path("noise"), noise)?;
    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: /srv/noise, source: noise }\n";
    std::fs::write(scene.path("golden.yaml"), recipe)?;
    let place = scene.place("place")?;
    let scratch = scene.path("scratch");
    let disk = SmallDisk::mount(&scratch, "size=4m")?;
    let output = scene.run(scene.command(&place)?.arg("--scratch").arg(&scratch))?;
    fails_for_space(&scene, &place, &output)?;
    ensure!(disk.is_empty()?, "something is left on the scratch disk");
    drop(disk);

    let output = scene.run(scene.command(&place)?.arg("--scratch").arg(&scratch))?;
    ensure!(output.status.success(), "with room: {}", told(&output));
    imgctl_testkit::oracle::qemu_check(&place.join(OUT))?;
    ensure!(
        scratch.read_dir()?.next().is_none(),
        "something is left in the scratch folder"
    );
    Ok(())
}

/// A failure of a system call.
#[derive(Clone, Copy, Debug)]
struct Injection {
    call: &'static str,
    what: &'static str,
    /// Whether a run that goes on regardless has lost something.
    must_fail: bool,
}

const INJECTIONS: &[Injection] = &[
    Injection {
        call: "pread64",
        what: "error=EIO",
        must_fail: true,
    },
    Injection {
        call: "pread64",
        what: "retval=0",
        must_fail: true,
    },
    Injection {
        call: "pwrite64",
        what: "error=EIO",
        must_fail: true,
    },
    Injection {
        call: "pwrite64",
        what: "error=ENOSPC",
        must_fail: true,
    },
    Injection {
        call: "pwrite64",
        what: "retval=0",
        must_fail: true,
    },
    Injection {
        call: "write",
        what: "error=ENOSPC",
        must_fail: false,
    },
    Injection {
        call: "fsync",
        what: "error=EIO",
        must_fail: true,
    },
    Injection {
        call: "ftruncate",
        what: "error=EIO",
        must_fail: true,
    },
    Injection {
        call: "linkat",
        what: "error=EIO",
        must_fail: true,
    },
    Injection {
        call: "renameat",
        what: "error=EACCES",
        must_fail: true,
    },
    Injection {
        call: "lseek",
        what: "error=EIO",
        must_fail: false,
    },
    Injection {
        call: "fcntl",
        what: "error=EIO",
        must_fail: false,
    },
    Injection {
        call: "open",
        what: "error=EMFILE",
        must_fail: true,
    },
    Injection {
        call: "clone3",
        what: "error=EAGAIN",
        must_fail: false,
    },
    Injection {
        call: "pread64",
        what: "signal=KILL",
        must_fail: true,
    },
    Injection {
        call: "pwrite64",
        what: "signal=KILL",
        must_fail: true,
    },
    Injection {
        call: "fsync",
        what: "signal=KILL",
        must_fail: true,
    },
    Injection {
        call: "linkat",
        what: "signal=KILL",
        must_fail: true,
    },
    Injection {
        call: "renameat",
        what: "signal=KILL",
        must_fail: true,
    },
    Injection {
        call: "pread64",
        what: "signal=INT",
        must_fail: false,
    },
    Injection {
        call: "pwrite64",
        what: "signal=INT",
        must_fail: false,
    },
    Injection {
        call: "fsync",
        what: "signal=INT",
        must_fail: false,
    },
    Injection {
        call: "renameat",
        what: "signal=INT",
        must_fail: false,
    },
];

#[test]
fn system_calls_that_fail() -> Result<()> {
    let scene = Scene::new("mini")?;
    let counts = count_calls(&scene)?;
    for seed in tier::seeds(0..46) {
        let injection = INJECTIONS[seed as usize % INJECTIONS.len()];
        let calls = *counts
            .get(injection.call)
            .with_context(|| format!("no {} at all", injection.call))?;
        let index = 1 + Random::new(seed).below(calls);
        tier::try_case("system-call", seed, Limits::LARGE, || {
            inject(&scene, injection, index).with_context(|| format!("{injection:?} at call {index} of {calls}"))
        })?;
    }
    Ok(())
}

fn inject(scene: &Scene, injection: Injection, index: u64) -> Result<()> {
    let Injection { call, what, must_fail } = injection;
    let place = scene.place(&format!("{call}-{what}-{index}"))?;
    if index.is_multiple_of(2) {
        Scene::put_earlier(&place)?;
    }
    let inject = format!("inject={call}:{what}:when={index}");
    let log = scene.path("strace.log").display().to_string();
    let options = ["-f", "-qq", "-o", &log, "-e", &format!("trace={call}"), "-e", &inject];
    let output = scene.run(&mut scene.command_under("strace", &options, &place)?)?;
    let is_killed = what == "signal=KILL";
    let outcome = scene.judge(&place, is_killed)?;
    let struck = std::fs::read_to_string(&log)?.contains("INJECTED") || is_killed;
    let failed = !output.status.success();
    ensure!(is_clean_end(output.status, what), "{}", told(&output));
    ensure!(
        failed || outcome == Outcome::Whole,
        "success, but the output is {outcome:?}"
    );
    // The calls of a thread differ a little from run to run, so the last ones may not come.
    ensure!(
        failed || !must_fail || !struck,
        "the failure went unnoticed: {}",
        told(&output)
    );
    if failed && outcome == Outcome::Whole {
        ensure!(
            matches!(call, "fsync" | "write" | "renameat"),
            "failed, but the output is there: {}",
            told(&output)
        );
    }
    std::fs::remove_dir_all(&place)?;
    Ok(())
}

/// An exit code of its own, or the signal that was sent. 127: the failure struck before the program began.
fn is_clean_end(status: ExitStatus, what: &str) -> bool {
    match status.code() {
        Some(code) => code != 70 && code != 101,
        None => {
            what == "signal=KILL" && status.signal() == Some(9) || what == "signal=INT" && status.signal() == Some(2)
        }
    }
}

/// How often each system call is made, by the thread that makes it most often: strace counts so.
fn count_calls(scene: &Scene) -> Result<BTreeMap<String, u64>> {
    let place = scene.place("counted")?;
    let log = scene.path("counted.log");
    let options = ["-f", "-qq", "-o", &log.display().to_string()];
    let output = scene.run(&mut scene.command_under("strace", &options, &place)?)?;
    ensure!(output.status.success(), "{}", told(&output));
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in std::fs::read_to_string(&log)?.lines() {
        if let Some((thread, rest)) = line.split_once(' ')
            && let Some((call, _)) = rest.trim_start().split_once('(')
        {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((call, _), count) in counts {
        let entry = most.entry(call).or_insert(0);
        *entry = count.max(*entry);
    }
    if most.is_empty() {
        bail!("strace wrote nothing");
    }
    Ok(most)
}
