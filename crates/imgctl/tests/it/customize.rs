//! `customize` on fixtures/mini: what it tells, what it writes, what it refuses.

use crate::environment::TestEnvironment;
use serde_json::Value;
use snapbox::str;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const RECIPE: &str = "\
apiVersion: imgctl/v1
kind: Recipe
files:
  - { path: /etc/motd, content: \"hello\\n\" }
  - { path: /etc/imgctl/new, content: \"x\", mode: \"0600\", owner: 7 }
  - { path: /etc/imgctl/link, type: symlink, target: new }
  - { path: /etc/shadow, mode: \"0600\" }
  - { path: /etc/hostname, state: absent }
";

const CUSTOMIZE: &str = "customize base.qcow2 --recipe golden.yaml -o golden.qcow2";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    environment.write("golden.yaml", RECIPE);
    environment
}

/// The command fails like this, the base is as it was, and no file came or went.
fn refused(environment: &TestEnvironment, arguments: &str, code: i32, message: impl snapbox::IntoData) {
    let (names, base) = (environment.names(), fs::read(environment.path("base.qcow2")).unwrap());
    environment
        .imgctl(arguments)
        .assert()
        .code(code)
        .stdout_eq("")
        .stderr_eq(message);
    assert_eq!(environment.names(), names);
    assert!(fs::read(environment.path("base.qcow2")).unwrap() == base);
}

#[test]
fn a_dry_run_lists_the_changes_and_writes_nothing() {
    let environment = environment();
    environment
        .imgctl("customize base.qcow2 --recipe golden.yaml --dry-run")
        .assert()
        .success()
        .stdout_eq(str![[r#"
1. files: put files, directories, links and lines in place, and remove what should not be there
D /etc/hostname
A /etc/imgctl/ 0755 0:0
A /etc/imgctl/link -> new
A /etc/imgctl/new 0600 7:0 1 B
  @@ -0,0 +1 @@
  +x
  / No newline at end of file
A /etc/motd 0644 0:0 6 B
  @@ -0,0 +1 @@
  +hello
M /etc/shadow mode 0640 → 0600

"#]])
        .stderr_eq(str![[r#"
changing the guest
  files
writing the filesystems
reading the changes back
base      base.qcow2 (qcow2, detected by content; --input-format would say so for certain)
          sha256 [..]
guest     Debian GNU/Linux 13 (trixie)
clock     2025-06-15 15:06:40 UTC
changes   4 added, 1 modified, 1 deleted
verified  / by imgctl and ext4-view
output    none, this was a dry run
time      [..]

"#]]);
    assert_eq!(environment.names(), ["base.qcow2", "golden.yaml"]);
}

#[test]
fn a_run_tells_what_it_wrote() {
    let environment = environment();
    environment
        .imgctl(CUSTOMIZE)
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq(str![[r#"
changing the guest
  files
writing the filesystems
reading the changes back
packing the output
computing checksums
publishing
base      base.qcow2 (qcow2, detected by content; --input-format would say so for certain)
          sha256 [..]
guest     Debian GNU/Linux 13 (trixie)
clock     2025-06-15 15:06:40 UTC
changes   4 added, 1 modified, 1 deleted
verified  / by imgctl and ext4-view
output    golden.qcow2 (qcow2, zlib), [..] for a disk of 192.00 MiB
          sha256 [..]
time      [..]

"#]]);
    assert_eq!(
        environment.names(),
        ["base.qcow2", "golden.qcow2", "golden.qcow2.sha256", "golden.yaml"]
    );
    environment
        .imgctl("cat golden.qcow2 /etc/motd")
        .assert()
        .success()
        .stdout_eq("hello\n");
}

#[test]
fn receipts_are_the_same_in_a_file_and_on_standard_output() {
    let environment = environment();
    let output = environment
        .imgctl(&format!("{CUSTOMIZE} --json --receipt receipt.json"))
        .output()
        .unwrap();
    assert!(output.status.success());
    let file = fs::read(environment.path("receipt.json")).unwrap();
    assert_eq!(output.stdout, file);
    let receipt: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(receipt["dry_run"], false);
    assert_eq!(receipt["output"]["path"], "golden.qcow2");
    let digest = fs::read_to_string(environment.path("golden.qcow2.sha256")).unwrap();
    assert_eq!(
        digest,
        format!("{}  golden.qcow2\n", receipt["output"]["sha256"].as_str().unwrap())
    );
}

#[test]
fn a_dry_run_writes_a_receipt_where_asked() {
    let environment = environment();
    let command = "customize base.qcow2 --recipe golden.yaml --dry-run --json --receipt receipt.json --quiet";
    environment.imgctl(command).assert().success().stderr_eq("");
    let receipt: Value = serde_json::from_slice(&fs::read(environment.path("receipt.json")).unwrap()).unwrap();
    assert_eq!(receipt["dry_run"], true);
    assert_eq!(receipt["output"], Value::Null);
    let changes = receipt["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["path"] == "/etc/motd"));
}

#[test]
fn the_clock_is_source_date_epoch() {
    let environment = environment();
    let command = "customize base.qcow2 --recipe golden.yaml --dry-run --json";
    let output = environment
        .imgctl(command)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap();
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(receipt["reference_time"], 1_700_000_000);
}

#[test]
fn an_existing_output_stays_unless_forced() {
    let environment = environment();
    environment.write("golden.qcow2", "precious");
    refused(
        &environment,
        CUSTOMIZE,
        2,
        str![[r#"
error: the output golden.qcow2 exists already
hint: name another file, or add --force to replace it

"#]],
    );
    assert_eq!(fs::read(environment.path("golden.qcow2")).unwrap(), b"precious");
    environment.imgctl(&format!("{CUSTOMIZE} --force")).assert().success();
    environment
        .imgctl("cat golden.qcow2 /etc/motd")
        .assert()
        .success()
        .stdout_eq("hello\n");
}

#[test]
fn the_base_is_never_the_output() {
    let environment = environment();
    fs::hard_link(environment.path("base.qcow2"), environment.path("other-name.qcow2")).unwrap();
    refused(
        &environment,
        "customize base.qcow2 -r golden.yaml -o base.qcow2 --force",
        2,
        str![[r#"
error: the output base.qcow2 is the base image
hint: name another file for the output

"#]],
    );
    refused(
        &environment,
        "customize base.qcow2 -r golden.yaml -o other-name.qcow2 --force",
        2,
        str![[r#"
error: the output other-name.qcow2 is the base image
hint: name another file for the output

"#]],
    );
}

#[test]
fn folders_that_cannot_be_written_are_found_early() {
    let environment = environment();
    refused(
        &environment,
        "customize base.qcow2 -r golden.yaml -o missing/golden.qcow2",
        1,
        str![[r#"
error: cannot create the output missing/golden.qcow2
caused by: No such file or directory (os error 2)
hint: check that the folder missing exists and can be written

"#]],
    );
    // Root may write everywhere but here.
    refused(
        &environment,
        "customize base.qcow2 -r golden.yaml -o /proc/golden.qcow2",
        1,
        str![[r#"
error: cannot create the output /proc/golden.qcow2
caused by: No such file or directory (os error 2)
hint: check that the folder /proc exists and can be written

"#]],
    );
}

#[test]
fn damaged_images_are_told_from_other_failures() {
    let environment = environment();
    let image = fs::read(environment.path("base.qcow2")).unwrap();
    environment.write("half.qcow2", &image[..image.len() / 2]);
    environment.write("text.img", "This is not an image.\n".repeat(100));
    refused(
        &environment,
        "customize half.qcow2 -r golden.yaml -o golden.qcow2",
        12,
        str![[r#"
error: cannot find the partitions of half.qcow2
caused by: cannot read the partition table
caused by: the image is damaged at offset 201326080
caused by: the cluster of the guest at offset 0xbff0000 is damaged: the file ends before it does; is the image complete?

"#]],
    );
    refused(
        &environment,
        "customize text.img -r golden.yaml -o golden.qcow2",
        12,
        str![[r#"
error: no operating system was found in the image
hint: a root has an /etc folder and an os-release file; the image has no partition table, and what it holds is: unknown

"#]],
    );
    refused(
        &environment,
        "customize missing.qcow2 -r golden.yaml -o golden.qcow2",
        1,
        str![[r#"
error: cannot open the image missing.qcow2
caused by: No such file or directory (os error 2)

"#]],
    );
}

#[test]
fn a_step_that_cannot_be_done_has_its_own_exit_code() {
    let environment = environment();
    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nservices: { enable: [no-such-unit] }\n";
    environment.write("golden.yaml", recipe);
    refused(
        &environment,
        CUSTOMIZE,
        20,
        str![[r#"
changing the guest
  enable-services
error: golden.yaml:3: cannot apply services.enable[0]
caused by: the guest has no unit named no-such-unit.service

"#]],
    );
}

#[test]
fn the_recipe_names_the_output_and_the_command_line_wins() {
    let environment = environment();
    let outputs = "outputs: { images: [ { path: from-recipe.qcow2 } ] }\n";
    environment.write("golden.yaml", format!("{RECIPE}{outputs}"));
    environment
        .imgctl("customize base.qcow2 -r golden.yaml")
        .assert()
        .success();
    environment
        .imgctl("customize base.qcow2 -r golden.yaml -o named.raw --format raw")
        .assert()
        .success();
    let names = environment.names();
    for name in ["from-recipe.qcow2", "named.raw"] {
        assert!(names.iter().any(|other| other == name), "{names:?}");
    }
    let raw = fs::metadata(environment.path("named.raw")).unwrap();
    assert_eq!(raw.len(), 192 << 20);
    assert_eq!(raw.permissions().mode() & 0o111, 0);
}

#[test]
fn a_raw_name_for_a_qcow2_output_is_worth_a_warning() {
    let environment = environment();
    let output = environment
        .imgctl("customize base.qcow2 -r golden.yaml -o golden.raw")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let warning = "warning: golden.raw will be a qcow2 image; use --format raw for a raw one\n";
    assert!(stderr.starts_with(warning), "{stderr}");
}

#[test]
fn the_output_does_not_depend_on_threads() {
    let environment = environment();
    for threads in ["1", "2", "5"] {
        let command = format!("customize base.qcow2 -r golden.yaml -o {threads}.qcow2 --threads {threads}");
        environment.imgctl(&command).assert().success();
    }
    let image = |name: &str| fs::read(environment.path(name)).unwrap();
    assert!(image("1.qcow2") == image("2.qcow2"));
    assert!(image("1.qcow2") == image("5.qcow2"));
}
