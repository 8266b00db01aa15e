//! The drop-in tools that change a guest: in place, with what the peers print, and nothing half done.

use crate::environment::TestEnvironment;
use snapbox::str;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Output, Stdio};

/// A tool that succeeds; what it prints.
fn succeed(environment: &TestEnvironment, arguments: &[&str]) -> String {
    let output = run(environment, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A tool that fails with exit status 1 and changes nothing; what it tells.
fn fail(environment: &TestEnvironment, arguments: &[&str]) -> String {
    let before = (fs::read(environment.path("base.qcow2")).unwrap(), environment.names());
    let output = run(environment, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    assert!((fs::read(environment.path("base.qcow2")).unwrap(), environment.names()) == before);
    String::from_utf8(output.stderr).unwrap()
}

fn run(environment: &TestEnvironment, arguments: &[&str]) -> Output {
    environment.process("").args(arguments).output().unwrap()
}

fn cat(environment: &TestEnvironment, path: &str) -> String {
    succeed(environment, &["virt-cat", "-a", "base.qcow2", path])
}

/// Without the seconds, which differ.
fn without_times(text: &str) -> String {
    let lines = text.lines().map(
        |line| match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((seconds, message)) if seconds.trim().parse::<f64>().is_ok() => format!("[...] {message}\n"),
            _ => format!("{line}\n"),
        },
    );
    lines.collect()
}

#[test]
fn virt_customize_changes_the_image_and_tells_it_as_theirs() {
    let environment = TestEnvironment::with_base();
    environment.write("commands", "# comment\nwrite /etc/b:from a file\\nx\nmkdir /srv/made\n");
    environment.write("motd", "uploaded\n");
    let told = succeed(
        &environment,
        &[
            "virt-customize",
            "--format",
            "qcow2",
            "-a",
            "base.qcow2",
            "-m",
            "2048",
            "--smp",
            "2",
            "--network",
            "-v",
            "-x",
            "--colours",
            "--wrap",
            "--attach",
            "nothing.iso",
            "--root-password",
            "password:secret",
            "--write",
            "/etc/a:x:y",
            "-hostname",
            "node1",
            "--upload",
            "motd:/etc/motd",
            "--commands-from-file",
            "commands",
            "--chmod",
            "0600:/etc/a",
            "--no-logfile",
        ],
    );
    assert_eq!(
        without_times(&told),
        "[...] Examining the guest ...\n[...] Writing: /etc/a\n[...] Setting the hostname: node1\n\
         [...] Uploading: motd to /etc/motd\n[...] write\n[...] mkdir\n\
         [...] Changing permissions of /etc/a to 0600\n[...] Setting passwords\n[...] Finishing off\n"
    );
    assert_eq!(cat(&environment, "/etc/hostname"), "node1\n");
    assert_eq!(cat(&environment, "/etc/a"), "x:y");
    assert_eq!(cat(&environment, "/etc/motd"), "uploaded\n");
    assert_eq!(environment.names(), ["base.qcow2", "commands", "motd"]);
}

#[test]
fn a_random_password_is_printed_on_standard_output_even_if_quiet() {
    let environment = TestEnvironment::with_base();
    let told = succeed(
        &environment,
        &["virt-customize", "-q", "-a", "base.qcow2", "--root-password", "random"],
    );
    let password = told
        .strip_prefix("virt-customize: Setting random password of root to ")
        .unwrap();
    assert_eq!(password.trim_end().len(), 16, "{told}");
    assert_eq!(told.lines().count(), 1);
}

#[test]
fn nothing_is_replaced_by_a_dry_run_or_without_changes() {
    let environment = TestEnvironment::with_base();
    let image = environment.path("base.qcow2");
    let (inode, content) = (image.metadata().unwrap().ino(), fs::read(&image).unwrap());
    for dry in ["-n", "--dry-run", "--dryrun"] {
        succeed(
            &environment,
            &["virt-customize", "-a", "base.qcow2", dry, "--write", "/etc/a:x"],
        );
        succeed(&environment, &["virt-sysprep", "-a", "base.qcow2", dry]);
    }
    succeed(&environment, &["virt-customize", "-a", "base.qcow2"]);
    assert_eq!(image.metadata().unwrap().ino(), inode);
    assert!(fs::read(&image).unwrap() == content);
}

#[test]
fn what_cannot_be_done_is_refused_by_name_before_anything_is_changed() {
    let environment = TestEnvironment::with_base();
    for (arguments, expected) in [
        (
            &["--write", "/etc/a:x", "--inject-virtio-win", "/x"][..],
            "--inject-virtio-win",
        ),
        (&["--write", "/etc/a:x", "--sm-register"], "--sm-register"),
        (&["--write", "/etc/a:x", "--write", "/nothing/a:x"], "/nothing"),
        (&["--write", "etc"], "--write"),
        (&["--nothing"], "--nothing"),
        (&["--password", "nobody-there:password:x"], "nobody-there"),
        (&["-d", "guest"], "libvirt"),
    ] {
        let told = fail(
            &environment,
            &[&["virt-customize", "-a", "base.qcow2"], arguments].concat(),
        );
        assert!(
            told.starts_with("virt-customize: error: ") && told.contains(expected),
            "{arguments:?}: {told}"
        );
    }
    let told = fail(
        &environment,
        &["virt-sysprep", "-a", "base.qcow2", "--script", "/bin/true"],
    );
    assert!(told.contains("--script"), "{told}");
    fs::hard_link(environment.path("base.qcow2"), environment.path("other")).unwrap();
    let told = fail(
        &environment,
        &["virt-customize", "-a", "base.qcow2", "--write", "/etc/a:x"],
    );
    assert!(
        told.contains("2 names") && told.contains("virt-customize: hint: "),
        "{told}"
    );
}

#[test]
fn the_guest_is_found_on_one_of_several_disks() {
    let environment = TestEnvironment::with_base();
    environment.write("empty.raw", vec![0; 1 << 20]);
    fs::copy(environment.path("base.qcow2"), environment.path("second.qcow2")).unwrap();
    let disks = ["--format=raw", "-a", "empty.raw", "--format=qcow2", "-a", "base.qcow2"];
    succeed(
        &environment,
        &[&["virt-customize", "--write", "/etc/a:x"][..], &disks].concat(),
    );
    assert_eq!(cat(&environment, "/etc/a"), "x");
    let told = fail(
        &environment,
        &[
            "virt-customize",
            "-a",
            "base.qcow2",
            "-a",
            "second.qcow2",
            "--touch",
            "/x",
        ],
    );
    assert!(told.contains("several disks hold an operating system"), "{told}");
    let told = fail(&environment, &["virt-customize", "-a", "empty.raw", "--touch", "/x"]);
    assert!(told.starts_with("virt-customize: error: "), "{told}");
}

#[test]
fn virt_sysprep_resets_and_lists() {
    let environment = TestEnvironment::with_base();
    let list = succeed(&environment, &["virt-sysprep", "--list-operations"]);
    for line in ["machine-id", "ssh-hostkeys", "customize", "logfiles"] {
        let found = list.lines().find(|found| found.split_whitespace().next() == Some(line));
        assert_eq!(
            found.and_then(|found| found.split_whitespace().nth(1)),
            Some("*"),
            "{line}: {list}"
        );
    }
    succeed(
        &environment,
        &[
            "virt-customize",
            "-q",
            "-a",
            "base.qcow2",
            "--write",
            "/root/.bash_history:ls\n",
        ],
    );
    let told = succeed(
        &environment,
        &[
            "virt-sysprep",
            "-a",
            "base.qcow2",
            "--operations",
            "defaults,-ssh-userdir,-lvm-uuids,-script",
            "--no-network",
            "--mount-options",
            "/:noatime",
            "--hostname",
            "template",
        ],
    );
    let told = without_times(&told);
    assert!(told.starts_with("[...] Examining the guest ...\n"), "{told}");
    for line in [
        "Performing \"bash-history\" ...",
        "Performing \"machine-id\" ...",
        "Setting the hostname: template",
    ] {
        assert!(told.contains(&format!("[...] {line}\n")), "{line}: {told}");
    }
    assert!(!told.contains("ssh-userdir"), "{told}");
    assert_eq!(cat(&environment, "/etc/hostname"), "template\n");
    assert_eq!(cat(&environment, "/etc/machine-id"), "");
    environment
        .imgctl("virt-cat -a base.qcow2 /root/.bash_history")
        .assert()
        .code(1)
        .stderr_eq(str![[r#"
virt-cat: error: cannot read /root/.bash_history in base.qcow2
virt-cat: caused by: /root/.bash_history does not exist

"#]]);
}

#[test]
fn shells_are_told_the_options() {
    let environment = TestEnvironment::new();
    let short = succeed(&environment, &["virt-sysprep", "--short-options"]);
    assert!(
        short.starts_with("-a\n-c\n-d\n") && short.contains("-n\n-q\n"),
        "{short}"
    );
    let long = succeed(&environment, &["virt-customize", "--long-options"]);
    assert!(long.contains("--add\n") && long.contains("--root-password\n"), "{long}");
}

#[test]
fn virt_edit_edits_by_expression_and_with_an_editor() {
    let environment = TestEnvironment::with_base();
    succeed(
        &environment,
        &[
            "virt-edit",
            "-a",
            "base.qcow2",
            "/etc/hostname",
            "-b",
            ".bak",
            "-e",
            "s/mini/maxi/",
        ],
    );
    assert_eq!(cat(&environment, "/etc/hostname"), "maxi\n");
    assert_eq!(cat(&environment, "/etc/hostname.bak"), "mini\n");

    let edit = |editor: &str, files: &[&str]| {
        let mut command = environment.process("virt-edit -a base.qcow2");
        command
            .args(files)
            .env("EDITOR", editor)
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    };
    let output = edit("sed -i s/m/M/", &["/etc/hostname", "/etc/hostname.bak"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(cat(&environment, "/etc/hostname"), "Maxi\n");
    assert_eq!(cat(&environment, "/etc/hostname.bak"), "Mini\n");
    let output = edit("true", &["/etc/hostname"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "File not changed.\n");
    assert_eq!(edit("false", &["/etc/hostname"]).status.code(), Some(1));
    assert_eq!(edit("true", &["/etc/nothing"]).status.code(), Some(1));
}

#[test]
fn mounts_must_be_those_of_the_guest() {
    let environment = TestEnvironment::with_base();
    let list = succeed(
        &environment,
        &["virt-filesystems", "-a", "base.qcow2", "--long", "--csv", "--no-title"],
    );
    let device = |kind: &str| {
        let line = list.lines().find(|line| line.contains(kind)).unwrap();
        line.split(',').next().unwrap().to_owned()
    };
    let edit = |mount: &str| {
        let words = [
            "virt-edit",
            "-a",
            "base.qcow2",
            "-m",
            mount,
            "/etc/hostname",
            "-e",
            "s/i/I/",
        ];
        words.map(str::to_owned)
    };
    let words = edit(&device("ext4"));
    succeed(&environment, &words.each_ref().map(String::as_str));
    assert_eq!(cat(&environment, "/etc/hostname"), "mIni\n");
    let words = edit(&device("vfat"));
    let told = fail(&environment, &words.each_ref().map(String::as_str));
    assert!(told.contains("the guest does not mount that there"), "{told}");
}

#[test]
fn files_and_archives_are_put_into_a_folder() {
    let environment = TestEnvironment::with_base();
    environment.write("site/index", "a page\n");
    environment.write("issue", "an issue\n");
    succeed(
        &environment,
        &["virt-copy-in", "-a", "base.qcow2", "issue", "site", "/srv"],
    );
    assert_eq!(cat(&environment, "/srv/issue"), "an issue\n");
    assert_eq!(cat(&environment, "/srv/site/index"), "a page\n");

    let tar = std::process::Command::new("tar")
        .args(["cf", "-", "issue"])
        .current_dir(environment.path("."))
        .output()
        .unwrap();
    let mut child = environment
        .process("virt-tar-in -a base.qcow2 - /root")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&tar.stdout).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(cat(&environment, "/root/issue"), "an issue\n");
    for wrong in [
        &["virt-copy-in", "-a", "base.qcow2", "issue"][..],
        &["virt-copy-in", "-a", "base.qcow2", "nothing", "/srv"],
        &["virt-tar-in", "-a", "base.qcow2", "issue"],
        &["virt-tar-in", "-a", "base.qcow2", "issue", "/srv"],
    ] {
        fail(&environment, wrong);
    }
}

#[test]
fn an_overlay_is_changed_without_a_word_about_its_backing_file() {
    let environment = TestEnvironment::with_base();
    let create = [
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "qcow2",
        "-b",
        "base.qcow2",
        "top.qcow2",
    ];
    let made = std::process::Command::new("qemu-img")
        .args(create)
        .current_dir(environment.path("."))
        .status();
    assert!(made.expect("apt-get install qemu-utils").success());
    let before = fs::read(environment.path("base.qcow2")).unwrap();
    succeed(
        &environment,
        &["virt-customize", "-a", "top.qcow2", "--hostname", "above"],
    );
    assert!(fs::read(environment.path("base.qcow2")).unwrap() == before);
    let told = succeed(
        &environment,
        &["virt-cat", "--allow-backing", ".", "-a", "top.qcow2", "/etc/hostname"],
    );
    assert_eq!(told, "above\n");
}
