//! However a run ends, it says how, and leaves nothing behind.

use crate::guest::{request, tree, try_run};
use imgctl_sandbox::{Command, Control, End, Error, run};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A scratch folder of the test's own.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// Whether a process on this machine has this word among its arguments.
pub(crate) fn is_running(word: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|entry| {
        let arguments = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == word.as_bytes())
    })
}

#[test]
fn an_end_is_told_as_it_is() {
    for (line, expected) in [
        ("true", End::Exited(0)),
        ("exit 7", End::Exited(7)),
        ("kill -9 $$", End::Signalled(9)),
    ] {
        let folder = scratch();
        let mut request = request(line);
        request.scratch = folder.path().to_owned();
        let tree = tree();
        let outcome = try_run(tree.clone(), &request).unwrap();
        assert_eq!(outcome.end, expected);
        assert_eq!(outcome.changes.is_empty(), expected != End::Exited(0));
        assert!(is_empty(folder.path()));
    }
}

#[test]
fn what_takes_too_long_is_ended() {
    let folder = scratch();
    let mut request = request("sleep 86399 & sleep 86399");
    request.scratch = folder.path().to_owned();
    request.timeout = Some(Duration::from_millis(300));
    let tree = tree();
    assert_eq!(try_run(tree.clone(), &request).unwrap().end, End::TimedOut);
    assert!(is_empty(folder.path()) && !is_running("86399"));
}

#[test]
fn what_is_left_behind_is_ended_and_told() {
    let tree = tree();
    let outcome = try_run(tree.clone(), &request("setsid sleep 86398 >/dev/null 2>&1 & echo done")).unwrap();
    assert_eq!((outcome.end, outcome.output.as_str()), (End::Exited(0), "done\n"));
    assert!(
        outcome.warnings.iter().any(|warning| warning.contains("left behind")),
        "{:?}",
        outcome.warnings
    );
    assert!(!is_running("86398"));
}

#[test]
fn the_caller_can_end_it() {
    let folder = scratch();
    let mut request = request("yes 86397");
    request.scratch = folder.path().to_owned();
    let cancel = AtomicBool::new(false);
    let (tree, lines) = (tree(), std::sync::atomic::AtomicUsize::new(0));
    let on_line = |_, _: &[u8]| {
        if lines.fetch_add(1, Ordering::Relaxed) == 100 {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    let control = Control {
        cancel: &cancel,
        on_line: &on_line,
    };
    let began = Instant::now();
    let error = run(Arc::clone(&tree), &request, &control).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(Arc::strong_count(&tree), 1);
    assert!(is_empty(folder.path()) && !is_running("86397"));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut request = request("");
    request.command = Command::Program(vec![b"no-such-program".to_vec()]);
    let tree = tree();
    let error = try_run(tree.clone(), &request).err().unwrap();
    assert_eq!(error.to_string(), "no-such-program cannot be started in the guest");
}

#[test]
fn a_launcher_that_is_no_warden_is_told() {
    let mut request = request("true");
    request.launcher.program = "/bin/true".into();
    let tree = tree();
    let error = try_run(tree.clone(), &request).err().unwrap();
    assert!(matches!(error, Error::Lost(_)), "{error}");
}

#[test]
fn a_full_disk_ends_it() {
    let folder = scratch();
    let mut request = request("yes > /srv/filler");
    request.scratch = folder.path().to_owned();
    // More than any disk has: a disk that is really full would disturb others.
    request.reserve_bytes = u64::MAX;
    let tree = tree();
    assert_eq!(try_run(tree.clone(), &request).unwrap().end, End::NoSpace);
    assert!(is_empty(folder.path()));
}
