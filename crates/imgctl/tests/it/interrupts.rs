//! Ctrl-C: the run ends soon, with its own exit code, and leaves nothing behind.

use crate::environment::TestEnvironment;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, OpenOptions};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The digest of a base this long alone takes far longer than the test.
const ENDLESS_BYTES: u64 = 1 << 40;

const PATIENCE: Duration = Duration::from_secs(20);

/// An environment with `endless.raw`: the small image, and then a hole.
fn environment() -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    let command = "customize base.qcow2 -o endless.raw --format raw";
    environment.imgctl(command).assert().success();
    fs::remove_file(environment.path("endless.raw.sha256")).unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(environment.path("endless.raw"))
        .unwrap();
    file.set_len(ENDLESS_BYTES).unwrap();
    environment
}

/// A run that listens for interrupts already.
fn start(environment: &TestEnvironment) -> Child {
    let child = environment
        .process("customize endless.raw -o golden.qcow2 --receipt receipt.json")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let begin = Instant::now();
    while !catches_interrupts(&fs::read_to_string(&status).unwrap()) {
        assert!(begin.elapsed() < PATIENCE, "the run does not listen for interrupts");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Whether SIGINT, the second bit, is among the signals that the process catches.
fn catches_interrupts(status: &str) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
}

fn interrupt(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[track_caller]
fn assert_interrupted(environment: &TestEnvironment, mut child: Child) -> String {
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the run goes on after an interrupt");
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(130), "{status}");
    assert_eq!(environment.names(), ["base.qcow2", "endless.raw"]);
    std::io::read_to_string(child.stderr.take().unwrap()).unwrap()
}

#[test]
fn one_interrupt_ends_the_run() {
    let environment = environment();
    for signal in [Signal::INT, Signal::TERM] {
        let child = start(&environment);
        thread::sleep(Duration::from_millis(300));
        interrupt(&child, signal);
        let stderr = assert_interrupted(&environment, child);
        assert!(stderr.contains("error: interrupted"), "{stderr}");
    }
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let environment = environment();
    let child = start(&environment);
    thread::sleep(Duration::from_millis(100));
    interrupt(&child, Signal::INT);
    // Signals that are pending already are not counted.
    thread::sleep(Duration::from_millis(10));
    // It may have ended already.
    let _ = kill_process(Pid::from_child(&child), Signal::INT);
    assert_interrupted(&environment, child);
}
