//! The language: explained, as a schema, and the parts of it that cannot be carried out yet.

use crate::environment::TestEnvironment;
use snapbox::str;

const LATER: &str = "\
apiVersion: imgctl/v1
kind: Recipe
packages:
  update: none
  install: [htop]
users:
  - { name: debian, shell: /bin/bash }
run:
  - { script: \"true\\n\" }
outputs: { images: [{ path: a.qcow2 }, { path: b.qcow2 }] }
";

#[test]
fn a_key_is_explained() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("recipe explain files.mode")
        .assert()
        .success()
        .stdout_eq(str![[r#"
files.mode: octal mode in quotes, or symbolic

Permission bits: octal, in quotes, or symbolic like `u+x,go-w` or `a=rX`.

  default  `"0644"` for a new file, `"0755"` for a new directory, else unchanged
  example  mode: "0644"

"#]])
        .stderr_eq("");
}

#[test]
fn a_kind_of_entry_is_explained() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("recipe explain verify.ssh_host_keys")
        .assert()
        .success()
        .stdout_eq(str![[r#"
verify.ssh_host_keys: mapping

No host key is in the image.

Keys:
  ssh_host_keys   What must be so. Required. (`absent`)
  when            A condition: the entry counts only where it is true. (condition)

Example:

  verify: [{ ssh_host_keys: absent }]

"#]])
        .stderr_eq("");
}

#[test]
fn an_unknown_name_is_not_explained() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("recipe explain files.permissions")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `files` has no `permissions`
hint: did you mean `files.mode`?

"#]]);
}

#[test]
fn the_schema_is_json() {
    let environment = TestEnvironment::new();
    let output = environment.imgctl("recipe schema").output().unwrap();
    assert!(output.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["verify"]["oneOf"].is_array());
}

#[test]
fn what_cannot_be_done_yet_is_right_but_said() {
    let environment = TestEnvironment::new();
    environment.write("later.yaml", LATER);
    environment
        .imgctl("recipe check later.yaml")
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq(str![[r#"
later.yaml: `imgctl customize` cannot do this yet: `packages.install`, `outputs.images[1]`
1 recipe: no errors, no warnings

"#]]);
}

#[test]
fn what_cannot_be_done_yet_is_refused_before_the_image_is_looked_for() {
    let environment = TestEnvironment::new();
    environment.write("later.yaml", LATER);
    environment
        .imgctl("customize nowhere.qcow2 --recipe later.yaml --dry-run")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the recipe asks for what cannot be done yet
  later.yaml:5:3: `packages.install` is not supported yet
  later.yaml:10:40: `outputs.images[1]` is not supported yet
hint: remove these keys, or put them into a recipe that extends this one

"#]]);
}
