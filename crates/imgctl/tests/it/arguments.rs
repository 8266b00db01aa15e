//! Command lines that make no sense: exit code 2, before anything is opened.

use crate::environment::TestEnvironment;
use snapbox::{IntoData, str};

const RECIPE: &str = "apiVersion: imgctl/v1\nkind: Recipe\nhostname: golden\n";

/// The command fails with exit code 2 and exactly this message, and leaves no file behind.
fn refused(environment: &TestEnvironment, arguments: &str, message: impl IntoData) {
    let before = environment.names();
    environment
        .imgctl(arguments)
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(message);
    assert_eq!(environment.names(), before);
}

#[test]
fn a_base_is_needed() {
    refused(
        &TestEnvironment::new(),
        "customize -o out.qcow2",
        str![[r#"
error: no base image is named
hint: `source:` in recipes is not supported yet; name the base image: imgctl customize BASE …

"#]],
    );
}

#[test]
fn an_output_is_needed() {
    let environment = TestEnvironment::new();
    environment.write("golden.yaml", RECIPE);
    refused(
        &environment,
        "customize base.qcow2 --recipe golden.yaml",
        str![[r#"
error: no output is named
hint: name one with -o OUT or in the recipe's `outputs`, or use --dry-run to see what would change

"#]],
    );
}

#[test]
fn compression_levels_have_limits() {
    let environment = TestEnvironment::new();
    refused(
        &environment,
        "customize base.qcow2 -o out.qcow2 --compress zlib:10",
        str![[r#"
error: invalid value 'zlib:10' for '--compress <METHOD[:LEVEL]>': levels of zlib are 1 to 9

For more information, try '--help'.

"#]],
    );
    refused(
        &environment,
        "customize base.qcow2 -o out.qcow2 --compress lz4",
        str![[r#"
error: invalid value 'lz4' for '--compress <METHOD[:LEVEL]>': the method must be `zlib`, `zstd` or `none`

For more information, try '--help'.

"#]],
    );
}

#[test]
fn raw_outputs_are_not_compressed() {
    let environment = TestEnvironment::new();
    refused(
        &environment,
        "customize base.qcow2 -o out.raw --format raw --compress zstd",
        str![[r#"
error: --compress cannot be used with a raw output
hint: write a qcow2 with --format qcow2, or leave the option out

"#]],
    );
    refused(
        &environment,
        "customize base.qcow2 -o out.raw --format raw --thin",
        str![[r#"
error: --thin cannot be used with a raw output
hint: write a qcow2 with --format qcow2, or leave the option out

"#]],
    );
}

#[test]
fn a_receipt_replaces_nothing_that_is_needed() {
    let environment = TestEnvironment::new();
    environment.write("base.qcow2", "an image");
    environment.write("golden.yaml", RECIPE);
    let customize = "customize base.qcow2 --recipe golden.yaml -o out.qcow2";
    refused(
        &environment,
        &format!("{customize} --receipt base.qcow2"),
        str![[r#"
error: the receipt base.qcow2 is the base image
hint: name another file for the receipt

"#]],
    );
    refused(
        &environment,
        &format!("{customize} --receipt ./golden.yaml"),
        str![[r#"
error: the receipt ./golden.yaml is the recipe
hint: name another file for the receipt

"#]],
    );
    refused(
        &environment,
        &format!("{customize} --receipt ./out.qcow2"),
        str![[r#"
error: the receipt ./out.qcow2 is the output
hint: name another file for the receipt

"#]],
    );
    refused(
        &environment,
        &format!("{customize} --receipt ."),
        str![[r#"
error: the receipt . is a folder

"#]],
    );
    refused(
        &environment,
        "customize base.qcow2 -r golden.yaml -o golden.yaml --force",
        str![[r#"
error: the output golden.yaml is the recipe
hint: name another file for the output

"#]],
    );
}

#[test]
fn a_receipt_that_cannot_be_written_is_found_early() {
    let environment = TestEnvironment::new();
    let command = "customize base.qcow2 -o out.qcow2 --receipt missing/receipt.json";
    environment
        .imgctl(command)
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot write the receipt missing/receipt.json
caused by: entity not found

"#]]);
}

#[test]
fn source_date_epoch_is_a_number() {
    let environment = TestEnvironment::new();
    let customize = || environment.imgctl("customize base.qcow2 -o out.qcow2");
    customize()
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: SOURCE_DATE_EPOCH is not a number of seconds: yesterday
hint: set it to seconds since 1970, as `git log -1 --format=%ct` prints them, or unset it

"#]]);
    for value in ["", "-1", "1e9", "99999999999999999999"] {
        customize()
            .env("SOURCE_DATE_EPOCH", value)
            .assert()
            .code(2)
            .stdout_eq("");
    }
}

#[test]
fn guest_paths_are_absolute() {
    refused(
        &TestEnvironment::new(),
        "cat base.qcow2 etc/passwd",
        str![[r#"
error: the path etc/passwd is not absolute
hint: paths inside the guest begin with a slash: /etc/os-release

"#]],
    );
    refused(
        &TestEnvironment::new(),
        "ls base.qcow2 etc",
        str![[r#"
error: the path etc is not absolute
hint: paths inside the guest begin with a slash: /etc/os-release

"#]],
    );
}

#[test]
fn a_missing_recipe_is_wrong_usage() {
    refused(
        &TestEnvironment::new(),
        "customize base.qcow2 -o out.qcow2 -r golden.yml",
        str![[r#"
error: cannot read the recipe golden.yml
caused by: No such file or directory (os error 2)

"#]],
    );
}

#[test]
fn unknown_options_are_refused() {
    refused(
        &TestEnvironment::new(),
        "customize base.qcow2 --outptu out.qcow2",
        str![[r#"
error: unexpected argument '--outptu' found

  tip: a similar argument exists: '--output'

Usage: imgctl customize --output <OUT> <BASE>

For more information, try '--help'.

"#]],
    );
}
