//! Recipes of several files and with variables: findings from every file, `--set`, `--vars`, conditions.

use crate::environment::TestEnvironment;
use snapbox::str;

const HEAD: &str = "apiVersion: imgctl/v1\nkind: Recipe\n";

fn environment(recipe: &str) -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    environment.write("golden.yaml", format!("{HEAD}{recipe}"));
    environment
}

#[test]
fn findings_show_the_file_that_they_are_about() {
    let environment = environment("extends: lib/base.yaml\nvars: { name: you }\nhostname: \"-${{ vars.name }}\"\n");
    environment.write(
        "lib/base.yaml",
        format!(
            "{HEAD}files:\n  - {{ path: /etc/motd, template: motd.tmpl }}\n  - {{ path: etc/issue, content: x }}\n"
        ),
    );
    environment.write("lib/motd.tmpl", "welcome,\n  ${{ vars.nam }}\n");
    environment
        .imgctl("recipe check golden.yaml --set nam=x")
        .assert()
        .code(2)
        .stdout_eq(str![[r#"
error: `-you` is not a host name: a part begins or ends with `-` (from `vars.name`)
 --> golden.yaml:5:11
  |
5 | hostname: "-${{ vars.name }}"
  |           ^^^^^^^^^^^^^^^^^^^

error: `etc/issue` is not an absolute path
 --> lib/base.yaml:5:13
  |
5 |   - { path: etc/issue, content: x }
  |             ^^^^^^^^^
  |
  = hint: write `/etc/issue`

error: the recipe has no variable `nam`
 --> --set:1:1
  |
1 | nam=x
  | ^^^
  |
  = hint: did you mean `name`?

error: there is no variable `nam`
 --> lib/motd.tmpl:2:3
  |
2 |   ${{ vars.nam }}
  |   ^^^^^^^^^^^^^^^
  |
  = hint: did you mean `name`?


"#]])
        .stderr_eq(str![[r#"
error: 4 errors

"#]]);
}

#[test]
fn a_missing_variable_says_how_to_set_it() {
    let environment =
        environment("vars: { key: { required: true } }\nfiles: [{ path: /etc/motd, content: \"${{ vars.key }}\" }]\n");
    environment
        .imgctl("plan base.qcow2 --recipe golden.yaml")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the variable `key` has no value
 --> golden.yaml:3:9
  |
3 | vars: { key: { required: true } }
  |         ^^^
  |
  = hint: set by `--set key=…`, or in a file of `--vars FILE`

error: golden.yaml has 1 error

"#]]);
    environment.write("vars.yaml", "key: from the file\n");
    for (arguments, content) in [
        ("--vars vars.yaml", "from the file"),
        ("--vars vars.yaml --set key=mine", "mine"),
    ] {
        environment
            .imgctl(&format!(
                "customize base.qcow2 --recipe golden.yaml -o out.qcow2 --force -q {arguments}"
            ))
            .assert()
            .success();
        environment
            .imgctl("cat out.qcow2 /etc/motd")
            .assert()
            .success()
            .stdout_eq(content);
    }
}

#[test]
fn conditions_are_judged_once_the_guest_is_known() {
    let environment = environment(
        "files:\n  - { path: /etc/motd, content: debian, when: os == \"debian\" and version >= \"13\" }\n  \
         - { path: /etc/motd, content: rocky, when: os == \"rocky\" }\n",
    );
    environment
        .imgctl("customize base.qcow2 --recipe golden.yaml -o out.qcow2 -q")
        .assert()
        .success();
    environment
        .imgctl("cat out.qcow2 /etc/motd")
        .assert()
        .success()
        .stdout_eq("debian");
}

#[test]
fn what_contradicts_itself_in_one_guest_is_shown_as_findings() {
    let environment = environment(
        "files:\n  - { path: /etc/motd, content: a, when: os == \"debian\" }\n  \
         - { path: /etc/motd, content: b, when: version == \"13\" }\n",
    );
    environment.imgctl("recipe check golden.yaml").assert().success();
    environment
        .imgctl("customize base.qcow2 --recipe golden.yaml -o out.qcow2 -q")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `/etc/motd` is set twice, first in line 4
 --> golden.yaml:5:13
  |
5 |   - { path: /etc/motd, content: b, when: version == "13" }
  |             ^^^^^^^^^
  |
  = hint: merge the two entries

error: the recipe contradicts itself in this guest

"#]]);
    assert_eq!(environment.names(), ["base.qcow2", "golden.yaml"]);
}
