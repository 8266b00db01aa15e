//! Standard output and error: colours, readers that go away, full disks.

use crate::environment::TestEnvironment;
use std::fs::OpenOptions;
use std::process::Stdio;

#[test]
fn colours_follow_the_environment() {
    let environment = TestEnvironment::new();
    let has_colour = |variables: &[(&str, &str)]| {
        let mut command = environment.process("recipe check missing.yaml");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stderr).unwrap().contains('\u{1b}')
    };
    assert!(!has_colour(&[]));
    assert!(!has_colour(&[("TERM", "xterm-256color")]));
    assert!(has_colour(&[("CLICOLOR_FORCE", "1")]));
    assert!(!has_colour(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let environment = TestEnvironment::with_base();
    for command in [
        "ls -R base.qcow2",
        "ls --json base.qcow2",
        "inspect base.qcow2",
        "cat base.qcow2 /etc/passwd",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = environment
            .process(command)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let environment = TestEnvironment::with_base();
    for command in [
        "ls base.qcow2",
        "inspect --json base.qcow2",
        "cat base.qcow2 /etc/passwd",
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = environment
            .process(command)
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with("error: cannot write to standard output\ncaused by: "),
            "{stderr}"
        );
        assert_eq!(output.status.code(), Some(13), "{command}");
    }
}

#[test]
fn a_closed_standard_error_does_not_change_the_exit_code() {
    let environment = TestEnvironment::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = environment
        .process("recipe check missing.yaml")
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}
