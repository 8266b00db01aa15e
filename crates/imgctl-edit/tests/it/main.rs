//! Scripts here and in perl(1), as `virt-customize --edit` runs it: the same text must come out.

mod scripts;

use imgctl_edit::Script;
use imgctl_testkit::oracle;
use scripts::{FAILING, REFUSED, WORKING};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What virt-customize runs: the expression for each line, then the line.
const HARNESS: &str = r#"
    $lineno = 0;
    $expr = $ENV{virt_edit_expr};
    while (<STDIN>) {
        $lineno++;
        eval $expr;
        die if $@;
        print STDOUT $_ or die "print: $!";
    }
    close STDOUT or die "close: $!";
"#;

/// Texts of many kinds: configuration files, one without an end, bytes that are no UTF-8, empty ones.
const TEXTS: [&[u8]; 8] = [
    b"# sshd\n#PermitRootLogin prohibit-password\nPasswordAuthentication no\n  UsePAM yes\n\nSubsystem sftp /usr/lib/sftp\nfoo foo.bar(baz)\nAAA aaa 12 7\n",
    b"GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"quiet splash\"\nGRUB_DEFAULT=0\nx=1;y=2\nuser@host.example.com:/srv\n",
    b"root:x:0:0:root:/root:/bin/bash\n%sudo\tALL=(ALL:ALL) ALL\nUUID=ab-12 / ext4 defaults 0 1\nUUID=cd / btrfs subvol=home 0 0\nfoo",
    b"a\r\nfoo bar\r\nb\r\n",
    b"caf\xc3\xa9 na\xefve \xff\nfoo\n\x00foo\n",
    b"\n\n\nfoo\n\n",
    b"foo",
    b"",
];

fn perl(script: &str, text: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("perl");
    command.args(["-e", HARNESS]).env("virt_edit_expr", script);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("perl runs");
    let mut stdin = child.stdin.take().expect("perl reads a pipe");
    stdin.write_all(text).expect("perl reads the text");
    drop(stdin);
    let output = child.wait_with_output().expect("perl ends");
    output.status.success().then_some(output.stdout)
}

#[test]
fn texts_come_out_as_from_perl() {
    oracle::require("perl").unwrap();
    assert!(WORKING.len() >= 60, "only {} scripts", WORKING.len());
    let mut failures = Vec::new();
    let mut changed = 0;
    for script in WORKING {
        let parsed = match Script::parse(script) {
            Ok(parsed) => parsed,
            Err(error) => {
                failures.push(format!("{script}\n  refused: {error}"));
                continue;
            }
        };
        let mut acts = false;
        for text in TEXTS {
            let expected = perl(script, text);
            let got = parsed.run(text);
            acts |= expected.as_deref() != Some(text);
            match (&got, &expected) {
                (Ok(got), Some(expected)) if got == expected => {}
                (Err(_), None) => {}
                _ => failures.push(format!(
                    "{script}\n  of {}\n  perl {}\n  here {}",
                    text.escape_ascii(),
                    expected.map_or("fails".to_owned(), |text| text.escape_ascii().to_string()),
                    got.map_or_else(|error| error.to_string(), |text| text.escape_ascii().to_string()),
                )),
            }
        }
        changed += usize::from(acts);
    }
    assert!(
        failures.is_empty(),
        "{} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        changed * 10 >= WORKING.len() * 9,
        "only {changed} scripts change something"
    );
}

#[test]
fn what_needs_perl_is_refused_with_a_remedy() {
    for script in REFUSED {
        let error = Script::parse(script).expect_err(script);
        assert!(error.remedy().is_some(), "{script}: {error}");
        let message = error.to_string();
        assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
    }
}

#[test]
fn scripts_that_fail_in_perl_fail_here() {
    oracle::require("perl").unwrap();
    for script in FAILING {
        let text = b"foo\nbar 1\n";
        assert_eq!(perl(script, text), None, "{script}");
        let outcome = Script::parse(script).and_then(|script| script.run(text));
        assert!(outcome.is_err(), "{script}");
    }
}

#[test]
fn lines_are_deleted_as_by_sed() {
    let run = |script: &str| Script::parse(script).unwrap().run(b"a\nB\nb/c\n").unwrap();
    assert_eq!(run("/^b/d"), b"a\nB\n");
    assert_eq!(run("/^b/Id"), b"a\n");
    assert_eq!(run("/^b/!d"), b"b/c\n");
    assert_eq!(run(r"/\//d; s/a/x/"), b"x\nB\n");
}

#[test]
fn nothing_runs_for_ever() {
    for script in [
        "1 while 1",
        "while (1) { $x++ }",
        "$_ x= 100 while 1",
        r"/^(\w+\s?)*\1$/",
    ] {
        let text = [vec![b'a'; 40], b"!\n".to_vec()].concat();
        let started = std::time::Instant::now();
        if script.starts_with('/') {
            let _ = Script::parse(script).unwrap().run(&text);
        } else {
            Script::parse(script).unwrap().run(&text).unwrap_err();
        }
        assert!(started.elapsed().as_secs() < 50, "{script}");
    }
    Script::parse(&"(".repeat(60_000)).unwrap_err();
    Script::parse(&"!".repeat(60_000)).unwrap_err();
    Script::parse(&format!("$_ = \"{}\"", "\\Q".repeat(20_000))).unwrap_err();
}
