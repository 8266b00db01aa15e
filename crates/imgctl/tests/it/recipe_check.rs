//! Recipes: every finding, with its place.

use crate::environment::TestEnvironment;
use snapbox::str;

const RIGHT: &str = "apiVersion: imgctl/v1\nkind: Recipe\nhostname: golden\n";
const WRONG: &str = "\
apiVersion: imgctl/v1
kind: Recipe
hostnam: golden
files:
  - { path: /etc/motd, content: hello, mode: \"0999\" }
  - { path: etc/issue, source: files/missing }
";

#[test]
fn a_right_recipe() {
    let environment = TestEnvironment::new();
    environment.write("golden.yaml", RIGHT);
    environment
        .imgctl("recipe check golden.yaml")
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq(str![[r#"
1 recipe: no errors, no warnings

"#]]);
}

#[test]
fn all_findings_of_all_files() {
    let environment = TestEnvironment::new();
    environment.write("right.yaml", RIGHT);
    environment.write("wrong.yaml", WRONG);
    environment.write("other.yaml", "kind: [\n");
    environment
        .imgctl("recipe check wrong.yaml right.yaml other.yaml")
        .assert()
        .code(2)
        .stdout_eq(str![[r#"
error: unknown key `hostnam`
 --> wrong.yaml:3:1
  |
3 | hostnam: golden
  | ^^^^^^^
  |
  = hint: did you mean `hostname`?

error: `0999` is not a mode
 --> wrong.yaml:5:46
  |
5 |   - { path: /etc/motd, content: hello, mode: "0999" }
  |                                              ^^^^^^
  |
  = hint: write three or four octal digits, like `mode: "0644"`

error: `etc/issue` is not an absolute path
 --> wrong.yaml:6:13
  |
6 |   - { path: etc/issue, source: files/missing }
  |             ^^^^^^^^^
  |
  = hint: write `/etc/issue`

error: cannot read `files/missing`: there is no such file
 --> wrong.yaml:6:32
  |
6 |   - { path: etc/issue, source: files/missing }
  |                                ^^^^^^^^^^^^^
  |
  = hint: the path is relative to the recipe's folder

error: YAML syntax: while parsing a node, did not find expected node content
 --> other.yaml:2:1
  |
2 |
  | ^
  |
  = hint: a `[` or `{` is perhaps not closed, or a value is missing


"#]])
        .stderr_eq(str![[r#"
error: 5 errors

"#]]);
}

#[test]
fn findings_for_machines() {
    let environment = TestEnvironment::new();
    environment.write("wrong.yaml", "apiVersion: imgctl/v1\nkind: Recipe\nhostnam: golden\n");
    environment
        .imgctl("recipe check --json wrong.yaml")
        .assert()
        .code(2)
        .stdout_eq(str![[r#"
{
  "errors": 1,
  "warnings": 0,
  "findings": [
    {
      "severity": "error",
      "file": "wrong.yaml",
      "line": 3,
      "column": 1,
      "key": "hostnam",
      "message": "unknown key `hostnam`",
      "hint": "did you mean `hostname`?"
    }
  ]
}

"#]])
        .stderr_eq(str![[r#"
error: 1 error

"#]]);
    environment.write("right.yaml", RIGHT);
    environment
        .imgctl("recipe check --json right.yaml")
        .assert()
        .success()
        .stdout_eq(str![[r#"
{
  "errors": 0,
  "warnings": 0,
  "findings": []
}

"#]])
        .stderr_eq("");
}

#[test]
fn a_missing_file_does_not_hide_the_findings_of_others() {
    let environment = TestEnvironment::new();
    environment.write("wrong.yaml", "apiVersion: imgctl/v1\nkind: Recipe\nhostnam: golden\n");
    environment
        .imgctl("recipe check missing.yaml wrong.yaml")
        .assert()
        .code(2)
        .stdout_eq(str![[r#"
error: unknown key `hostnam`
 --> wrong.yaml:3:1
  |
3 | hostnam: golden
  | ^^^^^^^
  |
  = hint: did you mean `hostname`?


"#]])
        .stderr_eq(str![[r#"
error: cannot read the recipe missing.yaml
caused by: No such file or directory (os error 2)

"#]]);
}

#[test]
fn customize_reports_all_findings_before_it_opens_the_image() {
    let environment = TestEnvironment::new();
    environment.write("wrong.yaml", WRONG);
    environment
        .imgctl("customize missing.qcow2 -r wrong.yaml -o out.qcow2")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: unknown key `hostnam`
 --> wrong.yaml:3:1
  |
3 | hostnam: golden
  | ^^^^^^^
  |
  = hint: did you mean `hostname`?

error: `0999` is not a mode
 --> wrong.yaml:5:46
  |
5 |   - { path: /etc/motd, content: hello, mode: "0999" }
  |                                              ^^^^^^
  |
  = hint: write three or four octal digits, like `mode: "0644"`

error: `etc/issue` is not an absolute path
 --> wrong.yaml:6:13
  |
6 |   - { path: etc/issue, source: files/missing }
  |             ^^^^^^^^^
  |
  = hint: write `/etc/issue`

error: cannot read `files/missing`: there is no such file
 --> wrong.yaml:6:32
  |
6 |   - { path: etc/issue, source: files/missing }
  |                                ^^^^^^^^^^^^^
  |
  = hint: the path is relative to the recipe's folder

error: wrong.yaml has 4 errors

"#]]);
    assert_eq!(environment.names(), ["wrong.yaml"]);
}

#[test]
fn a_source_is_looked_for_beside_the_recipe() {
    let environment = TestEnvironment::new();
    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: /etc/motd, source: files/motd }\n";
    environment.write("recipes/golden.yaml", recipe);
    environment
        .imgctl("recipe check recipes/golden.yaml")
        .assert()
        .code(2)
        .stdout_eq(str![[r#"
error: cannot read `files/motd`: there is no such file
 --> recipes/golden.yaml:4:32
  |
4 |   - { path: /etc/motd, source: files/motd }
  |                                ^^^^^^^^^^
  |
  = hint: the path is relative to the recipe's folder


"#]]);
    environment.write("recipes/files/motd", "hello");
    environment
        .imgctl("recipe check recipes/golden.yaml")
        .assert()
        .success();
}

#[test]
fn recipes_that_are_not_text() {
    let environment = TestEnvironment::new();
    environment.write("binary.yaml", b"apiVersion: imgctl/v1\nkind: \xff\n");
    environment
        .imgctl("recipe check binary.yaml")
        .assert()
        .code(2)
        .stdout_eq(str![[r#"
error: the recipe is not UTF-8 text
 --> binary.yaml:2:7
  |
2 | kind: 
  |       ^
  |
  = hint: save it as UTF-8


"#]]);
    environment.write(
        "escape.yaml",
        "apiVersion: imgctl/v1\nkind: \"\u{1b}[31mRecipe\"\n\u{9b}2J: 1\n",
    );
    let output = environment.imgctl("recipe check escape.yaml").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
}
