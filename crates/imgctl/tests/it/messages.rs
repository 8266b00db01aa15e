//! `--log-format`, `--color`, `--quiet`, and what a terminal changes.

use crate::environment::TestEnvironment;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use snapbox::str;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::Stdio;

const RECIPE: &str = "apiVersion: imgctl/v1\nkind: Recipe\nfiles: [{ path: /etc/motd, content: \"hello\\n\" }]\n";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    environment.write("golden.yaml", RECIPE);
    environment
}

/// The lines of standard error, each of them an object.
fn events(environment: &TestEnvironment, arguments: &str, code: i32) -> Vec<Value> {
    let output = environment.process(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn a_run_in_events() {
    let environment = environment();
    let command = "customize base.qcow2 -r golden.yaml -o golden.qcow2 --log-format json";
    let events = events(&environment, command, 0);
    let mut told = names(&events);
    told.retain(|name| *name != "progress");
    let stages = [
        "stage", "stage", "step", "stage", "stage", "stage", "stage", "stage", "done",
    ];
    assert_eq!(told, stages);
    assert_eq!(events[0], json!({ "event": "stage", "stage": "open" }));
    assert_eq!(events[2], json!({ "event": "step", "step": "files" }));
    let progress = events.iter().find(|event| event["event"] == "progress").unwrap();
    assert!(
        progress["done_bytes"].is_u64() && progress["total_bytes"].is_u64(),
        "{progress}"
    );
    let done = events.last().unwrap();
    assert_eq!(done["changes"], json!({ "added": 1, "modified": 0, "removed": 0 }));
    assert_eq!(done["output"]["path"], "golden.qcow2");
}

#[test]
fn failures_in_events() {
    let environment = environment();
    assert_eq!(
        events(&environment, "inspect missing.qcow2 --log-format json", 1),
        [json!({
            "event": "error",
            "message": "cannot open the image missing.qcow2",
            "causes": ["No such file or directory (os error 2)"],
            "exit_code": 1,
        })]
    );
    // These two have exit codes of their own.
    for (command, code) in [("check missing", 1), ("compare missing golden.yaml", 2)] {
        let events = events(&environment, &format!("--log-format json {command}"), code);
        assert_eq!(events.last().unwrap()["exit_code"], code, "{command}");
    }
    let events = events(&environment, "--log-format=json convert --bad", 2);
    assert_eq!(events[0]["message"], "unexpected argument '--bad' found");
    assert_eq!(events[0]["exit_code"], 2);
}

#[test]
fn findings_in_events() {
    let environment = environment();
    environment.write("wrong.yaml", "apiVersion: imgctl/v1\nkind: Recipe\nhostnam: x\n");
    let events = events(&environment, "plan base.qcow2 -r wrong.yaml --log-format json", 2);
    assert_eq!(names(&events), ["finding", "error"]);
    assert_eq!(events[0]["line"], 3);
    assert_eq!(events[0]["message"], "unknown key `hostnam`");
}

#[test]
fn every_command_that_reports_has_json_and_events() {
    let environment = environment();
    environment
        .imgctl("convert base.qcow2 other.qcow2 -q")
        .assert()
        .success()
        .stderr_eq("");
    for command in [
        "customize base.qcow2 -r golden.yaml -n",
        "plan base.qcow2 -r golden.yaml",
        "convert base.qcow2 again.qcow2",
        "check other.qcow2",
        "compare base.qcow2 other.qcow2",
        "info base.qcow2",
        "inspect base.qcow2",
        "ls base.qcow2",
        "recipe check golden.yaml",
    ] {
        let output = environment
            .process(&format!("{command} --json --log-format json"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{command}: {error}"));
        for line in String::from_utf8(output.stderr).unwrap().lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{command}: {line}: {error}"));
        }
    }
}

#[test]
fn quiet_leaves_only_what_matters() {
    let environment = environment();
    environment
        .imgctl("customize base.qcow2 -r golden.yaml -o golden.raw --quiet")
        .assert()
        .success()
        .stderr_eq(str![[r#"
warning: golden.raw will be a qcow2 image; use --format raw for a raw one

"#]]);
    environment
        .imgctl("-q recipe check golden.yaml")
        .assert()
        .success()
        .stderr_eq("");
    environment.write("wrong.yaml", "apiVersion: imgctl/v1\nkind: Recipe\nhostnam: x\n");
    let output = environment.imgctl("plan base.qcow2 -r wrong.yaml -q").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("did you mean `hostname`?"), "{stderr}");
}

#[test]
fn colour_is_chosen_by_option_then_by_environment() {
    let environment = environment();
    let has_colour = |option: &str, variables: &[(&str, &str)]| {
        let mut command = environment.process(&format!("plan base.qcow2 -r golden.yaml {option}"));
        let output = command.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("\u{1b}[")
    };
    assert!(!has_colour("", &[]));
    assert!(has_colour("--color always", &[("NO_COLOR", "1"), ("TERM", "dumb")]));
    assert!(!has_colour("--color never", &[("CLICOLOR_FORCE", "1")]));
    assert!(has_colour("--color auto", &[("CLICOLOR_FORCE", "1")]));
    assert!(!has_colour("", &[("CLICOLOR_FORCE", "0")]));
    assert!(!has_colour("", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    // Mistakes on the command line, too.
    let output = environment.process("plan --bad --color always").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("\u{1b}["));
}

/// What the command writes where all its streams are one terminal.
fn on_terminal(environment: &TestEnvironment, arguments: &str, variables: &[(&str, &str)]) -> String {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let open = || -> Stdio {
        let path = name.to_str().unwrap();
        OpenOptions::new().read(true).write(true).open(path).unwrap().into()
    };
    let mut command = environment.process(arguments);
    command
        .envs(variables.iter().copied())
        .stdin(open())
        .stdout(open())
        .stderr(open());
    let mut child = command.spawn().unwrap();
    // The child's are the only ones left, so that reading ends with it.
    drop(command);
    let mut text = Vec::new();
    // Linux reports the end of a terminal as an error.
    let _ = File::from(controller).read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

#[test]
fn a_terminal_gets_colour_unless_it_is_told_not_to() {
    let environment = environment();
    let command = "plan base.qcow2 -r golden.yaml";
    let has_colour =
        |variables: &[(&str, &str)]| on_terminal(&environment, command, variables).contains("\u{1b}[1m1. files");
    let term = ("TERM", "xterm-256color");
    assert!(has_colour(&[term]));
    assert!(!has_colour(&[term, ("NO_COLOR", "1")]));
    assert!(has_colour(&[term, ("NO_COLOR", "")]));
    assert!(!has_colour(&[term, ("CLICOLOR", "0")]));
    assert!(!has_colour(&[("TERM", "dumb")]));
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let environment = environment();
    let text = on_terminal(&environment, "plan base.qcow2 -r golden.yaml", &[("TERM", "dumb")]);
    assert!(text.starts_with("changing the guest\r\n  files\r\n"), "{text:?}");
    let text = on_terminal(&environment, "plan base.qcow2 -r golden.yaml", &[("TERM", "xterm")]);
    assert!(!text.contains("changing the guest"), "{text:?}");
}
