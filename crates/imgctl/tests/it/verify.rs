//! `verify` on fixtures/mini: what it tells, and how it ends.

use crate::environment::TestEnvironment;
use snapbox::str;

const RECIPE: &str = "\
apiVersion: imgctl/v1
kind: Recipe
expect: { os: debian, version: \"13\" }
verify:
  - { file: /etc/hostname, contains: mini }
  - { service: cron, state: masked }
  - { machine_id: empty }
  - { package: cron, state: installed, version: \">= 1.0\" }
";

fn environment(recipe: &str) -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    environment.write("golden.yaml", recipe);
    environment
}

#[test]
fn each_check_is_a_line() {
    let environment = environment(RECIPE);
    let names = environment.names();
    environment
        .imgctl("verify base.qcow2 --recipe golden.yaml")
        .assert()
        .code(21)
        .stdout_eq(str![[r#"
ok     golden.yaml:3:9: operating system: debian
ok     golden.yaml:3:9: version: 13
ok     golden.yaml:5:5: file /etc/hostname: contains "mini"
FAILED golden.yaml:6:5: service cron.service: masked; found: enabled
FAILED golden.yaml:7:5: /etc/machine-id: empty; found: set
ok     golden.yaml:8:5: package cron: installed, version >= 1.0

"#]])
        .stderr_eq(str![[r#"
error: 2 of 6 checks failed

"#]]);
    assert_eq!(environment.names(), names);
}

#[test]
fn what_passes_is_counted() {
    let environment = environment("apiVersion: imgctl/v1\nkind: Recipe\nverify:\n  - { group: sudo, gid: 27 }\n");
    environment
        .imgctl("verify base.qcow2 --recipe golden.yaml")
        .assert()
        .success()
        .stdout_eq(str![[r#"
ok     golden.yaml:4:5: group sudo: gid 27

"#]])
        .stderr_eq(str![[r#"
1 check passed

"#]]);
}

#[test]
fn json_lists_what_was_expected_and_found() {
    let environment = environment("apiVersion: imgctl/v1\nkind: Recipe\nverify:\n  - { group: sudo, gid: 28 }\n");
    environment
        .imgctl("verify base.qcow2 --recipe golden.yaml --json")
        .assert()
        .code(21)
        .stdout_eq(str![[r#"
{
  "path": "base.qcow2",
  "guest": {
    "os": "debian",
    "version": "13",
    "name": "Debian GNU/Linux 13 (trixie)",
    "mounts": [
      {
        "path": "/",
        "partition": 1,
        "filesystem": "ext4"
      },
      {
        "path": "/boot/efi",
        "partition": 15,
        "filesystem": "vfat"
      }
    ]
  },
  "checks": [
    {
      "origin": "golden.yaml:4:5",
      "key": "verify[0]",
      "subject": "group sudo",
      "expected": "gid 28",
      "passed": false,
      "found": [
        "gid 27"
      ]
    }
  ],
  "warnings": []
}

"#]])
        .stderr_eq(str![[r#"
error: 1 of 1 checks failed

"#]]);
}

#[test]
fn a_recipe_without_checks_says_so() {
    let environment = environment("apiVersion: imgctl/v1\nkind: Recipe\nhostname: x\n");
    environment
        .imgctl("verify base.qcow2 --recipe golden.yaml")
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq(str![[r#"
warning: golden.yaml has neither `expect` nor `verify`

"#]]);
}
