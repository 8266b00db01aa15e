//! `recipe from-cloud-config` and `recipe from-virt-customize` on the command line.

use crate::environment::TestEnvironment;
use snapbox::str;
use std::fs;

const CLOUD_CONFIG: &str = "\
#cloud-config
hostname: node
packages: [chrony]
power_state: { mode: reboot }
ssh_pwauth: false
";

#[test]
fn a_cloud_config_becomes_a_recipe() {
    let environment = TestEnvironment::new();
    environment.write("user-data", CLOUD_CONFIG);
    environment
        .imgctl("recipe from-cloud-config user-data")
        .assert()
        .success()
        .stdout_eq(str![[r#"
# Made by `imgctl recipe from-cloud-config`.
apiVersion: imgctl/v1
kind: Recipe
hostname: node
packages:
  recommends: true
  install:
    - chrony
sshd:
  password_authentication: false

# Not carried over:
# - power_state: it is about a machine that boots, not about the image

"#]])
        .stderr_eq(str![[r#"
warning: not carried over: power_state: it is about a machine that boots, not about the image

"#]]);
    environment
        .imgctl("recipe from-cloud-config user-data -o golden.yaml --strict -q")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
warning: not carried over: power_state: it is about a machine that boots, not about the image
error: 1 instruction was not carried over

"#]]);
    environment.imgctl("recipe check golden.yaml").assert().success();
    environment
        .imgctl("recipe from-cloud-config - -o golden.yaml")
        .stdin(CLOUD_CONFIG)
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: the recipe golden.yaml exists already
hint: name another file, or add --force to replace it

"#]]);
    let recipe = fs::read_to_string(environment.path("golden.yaml")).unwrap();
    environment
        .imgctl("recipe from-cloud-config - --force -o golden.yaml")
        .stdin("#cloud-config\nhostname: other\n")
        .assert()
        .success()
        .stderr_eq("");
    assert_ne!(fs::read_to_string(environment.path("golden.yaml")).unwrap(), recipe);
    environment.write("script", "#!/bin/sh\n");
    environment
        .imgctl("recipe from-cloud-config script")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: this is a script, not a cloud-config; name it in `run` by `source`

"#]]);
}

#[test]
fn a_command_line_becomes_a_recipe() {
    let environment = TestEnvironment::new();
    environment.write("motd", "hello\n");
    environment.write(
        "commands",
        "hostname node\nupload motd:/etc/motd\nedit /etc/x:s/a/b/\nedit /etc/x:y\n",
    );
    environment
        .imgctl("recipe from-virt-customize --commands-from-file commands --update")
        .assert()
        .success()
        .stdout_eq(str![[r##"
# Made by `imgctl recipe from-virt-customize`.
apiVersion: imgctl/v1
kind: Recipe
hostname: node
packages:
  update: all
files:
  - path: /etc/motd
    source: motd
    mode: "0644"
  - path: /etc/x
    edit: s/a/b/

# Not carried over:
# - --edit /etc/x:y: a pattern has no end; `files` with `line` and `match` replaces a line

"##]])
        .stderr_eq(str![[r#"
warning: not carried over: --edit /etc/x:y: a pattern has no end; `files` with `line` and `match` replaces a line

"#]]);
    // As it stands in a script, with imgctl's own options before it.
    environment
        .imgctl("recipe from-virt-customize -o golden.yaml --strict virt-customize -a base.qcow2 --hostname node -q")
        .assert()
        .success()
        .stderr_eq(str![[r#"
note: --add base.qcow2: name the base image on imgctl's command line

"#]]);
    environment.imgctl("recipe check golden.yaml").assert().success();
    environment
        .imgctl("recipe from-virt-customize --strict --edit /etc/x:y")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
warning: not carried over: --edit /etc/x:y: a pattern has no end; `files` with `line` and `match` replaces a line
error: 1 instruction was not carried over

"#]]);
    environment
        .imgctl("recipe from-virt-customize --nonsense")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: virt-customize has no option --nonsense

"#]]);
    let output = environment
        .imgctl("--log-format json recipe from-virt-customize --edit /etc/x:y")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with(r#"{"event":"left_out","subject":"--edit /etc/x:y","message":"#),
        "{stderr}"
    );
}
