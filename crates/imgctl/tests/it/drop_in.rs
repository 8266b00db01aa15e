//! The drop-in tools as scripts call them: names, options and exit codes.

use crate::environment::TestEnvironment;
use snapbox::cmd::Command;
use snapbox::str;

#[test]
fn a_tool_is_called_by_a_link_of_its_name() {
    let environment = TestEnvironment::with_base();
    std::fs::create_dir(environment.path("bin")).unwrap();
    environment.imgctl("install-links bin").assert().success();
    Command::new(environment.path("bin/virt-cat"))
        .current_dir(environment.path("."))
        .args(["-a", "base.qcow2", "/etc/hostname"])
        .assert()
        .success()
        .stdout_eq(str![[r#"
mini

"#]])
        .stderr_eq("");
}

#[test]
fn options_are_read_as_getopt_does() {
    let environment = TestEnvironment::with_base();
    let uri = format!("file://{}", environment.path("base.qcow2").display());
    for arguments in [
        "virt-cat --add=base.qcow2 /etc/hostname",
        "virt-cat /etc/hostname --ad base.qcow2",
        "virt-cat --format=qcow2 -abase.qcow2 /etc/hostname",
        "virt-cat --format -a base.qcow2 -v -x --echo-keys --key x:y -- /etc/hostname",
        "virt-cat base.qcow2 /etc/hostname",
        &format!("virt-cat -a {uri} /etc/hostname"),
    ] {
        environment
            .imgctl(arguments)
            .assert()
            .success()
            .stdout_eq("mini\n")
            .stderr_eq("");
    }
}

#[test]
fn every_failure_is_told_by_the_tool_and_is_1() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-cat -a base.qcow2 /etc/nothing")
        .assert()
        .code(1)
        .stderr_eq(str![[r#"
virt-cat: error: cannot read /etc/nothing in base.qcow2
virt-cat: caused by: /etc/nothing does not exist

"#]]);
    environment
        .imgctl("virt-cat -d guest /etc/hostname")
        .assert()
        .code(1)
        .stderr_eq(str![[r#"
virt-cat: error: guest: domains of libvirt are not supported
virt-cat: hint: name the domain's disk instead: -a /var/lib/libvirt/images/disk.qcow2 (virsh domblklist shows it)

"#]]);
    environment
        .imgctl("virt-cat --nothing -a base.qcow2 /etc/hostname")
        .assert()
        .code(1)
        .stderr_eq(str![[r#"
virt-cat: error: unexpected argument '--nothing' found
...
"#]]);
    environment
        .imgctl("virt-cat --version")
        .assert()
        .success()
        .stdout_eq(str![[r#"
virt-cat 1.56.0 (imgctl [..])

"#]]);
}
