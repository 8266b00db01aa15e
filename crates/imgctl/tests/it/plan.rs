//! `plan`, and `customize --dry-run`, which is the same.

use crate::environment::TestEnvironment;
use serde_json::Value;
use snapbox::str;
use std::fs;

const RECIPE: &str = "\
apiVersion: imgctl/v1
kind: Recipe
hostname: node1
files:
  - { path: /etc/motd, content: \"hello\\n\" }
  - { path: /etc/passwd, line: \"new:x:1234:1234::/:/bin/sh\" }
  - { path: /etc/hosts, append: \"10.0.0.1 registry\\n\" }
  - { path: /etc/imgctl/long, source: long.txt }
  - { path: /etc/imgctl/binary, source: binary }
  - { path: /etc/imgctl/key.pem, source: key.pem }
  - { path: /etc/imgctl/link, type: symlink, target: long }
  - { path: /etc/shadow, append: \"new:!:1::::::\\n\", mode: \"0600\" }
  - { path: /usr/share, mode: \"0711\" }
  - { path: /var/log, state: absent }
reset: { profile: golden }
";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    environment.write("golden.yaml", RECIPE);
    let long: String = (0..500).map(|line| format!("line {line}\n")).collect();
    environment.write("long.txt", long);
    environment.write("binary", b"\x7fELF\x00\x01");
    environment.write(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\ngeheim\n-----END PRIVATE KEY-----\n",
    );
    environment
}

const PLAN: &str = "plan base.qcow2 --recipe golden.yaml";

#[test]
fn every_step_shows_its_changes() {
    let environment = environment();
    let output = environment.imgctl(&format!("{PLAN} --quiet")).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    // What is in the middle of the long file says nothing new.
    let (head, rest) = text.split_once("  +line 3\n").unwrap();
    let (_, tail) = rest.split_once("  +line 397\n").unwrap();
    let text = format!("{head}...\n{tail}");
    snapbox::assert_data_eq!(
        text,
        str![[r#"
1. files: put files, directories, links and lines in place, and remove what should not be there
M /etc/hosts content 90 B → 96 B (also by hostname)
  @@ -1,4 +1,5 @@
   127.0.0.1	localhost
  -127.0.1.1	mini.example mini
  +127.0.1.1	node1
   
   ::1	localhost ip6-localhost ip6-loopback
  +10.0.0.1 registry
A /etc/imgctl/ 0755 0:0
A /etc/imgctl/binary 0644 0:0 6 B
  sha256 7ab58c495f91ca5dc2d23ab025598caa2dab044538c8a05bd3ec27e4d41b95e6
A /etc/imgctl/key.pem 0644 0:0, secret content
A /etc/imgctl/link -> long
A /etc/imgctl/long 0644 0:0 4.29 KiB
  @@ -0,0 +1,500 @@
  +line 0
  +line 1
  +line 2
...
  +line 398
  +line 399
  … 100 lines more
A /etc/motd 0644 0:0 6 B
  @@ -0,0 +1 @@
  +hello
M /etc/passwd content 399 B → 426 B
  @@ -6,3 +6,4 @@
   sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
   debian:x:1000:1000:Debian:/home/debian:/bin/bash
   app:x:1001:1001:Application,,,:/srv/app:/bin/sh
  +new:x:1234:1234::/:/bin/sh
M /etc/shadow content (secret), mode 0640 → 0600
M /usr/share/ mode 0755 → 0711
D /var/log/ with 11 files, 3 directories, 98.10 KiB

2. hostname: set the name of the machine
M /etc/hostname content 5 B → 6 B
  @@ -1 +1 @@
  -mini
  +node1
M /etc/hosts as shown with step 1

3. machine-id: `/etc/machine-id` and D-Bus's copy
M /etc/machine-id content 33 B → 0 B
  @@ -1 +0,0 @@
  -5eed1000c0ffee001dea5eed1000c0de

4. ssh-hostkeys: SSH host keys; the guest makes new ones at its first boot
D /etc/ssh/ssh_host_ecdsa_key
D /etc/ssh/ssh_host_ecdsa_key.pub
D /etc/ssh/ssh_host_ed25519_key
D /etc/ssh/ssh_host_ed25519_key.pub
D /etc/ssh/ssh_host_rsa_key
D /etc/ssh/ssh_host_rsa_key.pub
A /etc/systemd/system/imgctl-ssh-hostkeys.service 0644 0:0 373 B
  @@ -0,0 +1,15 @@
  +[Unit]
  +Description=Make SSH host keys where there are none
  +Documentation=man:ssh-keygen(1)
  +ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
  +ConditionPathIsReadWrite=/etc/ssh
  +After=cloud-init.service cloud-init-network.service
  +Before=ssh.service sshd.service
  +
  +[Service]
  +Type=oneshot
  +RemainAfterExit=yes
  +ExecStart=/usr/bin/ssh-keygen -A
  +
  +[Install]
  +WantedBy=multi-user.target
A /etc/systemd/system/multi-user.target.wants/imgctl-ssh-hostkeys.service -> /etc/systemd/system/imgctl-ssh-hostkeys.service

5. random-seed: Stored random seeds and systemd's credential secret
D /var/lib/systemd/credential.secret
D /var/lib/systemd/random-seed

6. cloud-init: cloud-init's state, as `cloud-init clean --logs --seed`
D /var/lib/cloud/data/ with 2 files, 65 B
D /var/lib/cloud/handlers/
D /var/lib/cloud/instance
D /var/lib/cloud/instances/ with 5 files, 2 directories, 18.55 KiB
D /var/lib/cloud/scripts/ with 2 directories
D /var/lib/cloud/seed/ with 1 file, 1 directory, 20 B
D /var/lib/cloud/sem/

7. cloud-init-configs: Network and SSH settings that cloud-init wrote for one machine, as `cloud-init clean --configs all`
D /etc/netplan/50-cloud-init.yaml
D /etc/ssh/sshd_config.d/50-cloud-init.conf

8. dhcp-state: Leases of DHCP clients
D /var/lib/dhcp/dhclient.eth0.leases

9. package-cache: What package managers have downloaded
D /var/cache/apt/archives/fixture_1.0_all.deb
D /var/cache/apt/pkgcache.bin

10. apt-lists: apt's lists of packages, which `apt-get update` fetches anew
D /var/lib/apt/lists/mirror.example_debian_dists_trixie_InRelease

11. shell-history: Histories of shells
D /home/debian/.bash_history
D /root/.bash_history

12. tmp: What lies in `/tmp` and `/var/tmp`
D /tmp/planted-file
D /tmp/systemd-private-mini/
D /var/tmp/planted-file

13. udev-persistent-net: udev's fixed names of network cards
D /etc/udev/rules.d/70-persistent-net.rules

nothing to reset for abrt-data, blkid-tab, crash-data, dhcp-server-state, dovecot-data, ipa-client, kerberos-hostkeytab, logs, lvm-system-devices, mail-spool, net-hostname, net-hwaddr, network-manager, systemd-state, pacct-log, pam-data, passwd-backups, puppet-data-log, rh-subscription-manager, rhn-systemid, rpm-db, samba-db-log, smolt-uuid, sssd-db-log, utmp, yum-uuid, hostid, iscsi-initiator, nvme-host, rancher-state, kubernetes-state, cni-state, snap-state, qemu-guest-agent

"#]]
    );
    assert_eq!(
        environment.names(),
        ["base.qcow2", "binary", "golden.yaml", "key.pem", "long.txt"]
    );
}

#[test]
fn a_dry_run_is_a_plan() {
    let environment = environment();
    let output = |command: &str| {
        let output = environment.imgctl(command).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    let dry_run = "customize base.qcow2 --recipe golden.yaml --dry-run";
    assert_eq!(output(PLAN), output(dry_run));
    let json = |command: &str| -> Value {
        let mut value: Value = serde_json::from_slice(&output(&format!("{command} --json"))).unwrap();
        // The only thing in it that a clock says.
        value["stages"] = Value::Null;
        value
    };
    assert_eq!(json(PLAN), json(dry_run));
}

#[test]
fn machines_get_the_same_and_no_secret() {
    let environment = environment();
    let output = environment.imgctl(&format!("{PLAN} --json --quiet")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("geheim") && !text.contains("new:!:"), "{text}");
    let plan: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(plan["output"], Value::Null);
    let steps: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(steps[..2], ["files", "hostname"]);
    let changes = plan["changes"].as_array().unwrap();
    let change = |path: &str| changes.iter().find(|change| change["path"] == path).unwrap();
    assert_eq!(change("/etc/motd")["diff"]["unified"], "@@ -0,0 +1 @@\n+hello\n");
    assert_eq!(change("/etc/hosts")["steps"], serde_json::json!(["files", "hostname"]));
    assert_eq!(change("/etc/imgctl/long")["diff"]["lines_left_out"], 100);
    assert_eq!(change("/etc/imgctl/binary")["diff"]["kind"], "binary");
    for path in ["/etc/shadow", "/etc/imgctl/key.pem"] {
        assert_eq!(change(path)["diff"], serde_json::json!({ "kind": "secret" }), "{path}");
        assert_eq!(change(path)["after"]["sha256"], Value::Null, "{path}");
    }
}

#[test]
fn a_real_run_looks_at_no_contents() {
    let environment = environment();
    let command = "customize base.qcow2 --recipe golden.yaml -o golden.qcow2 --receipt receipt.json --quiet";
    environment
        .imgctl(command)
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq("");
    let receipt: Value = serde_json::from_slice(&fs::read(environment.path("receipt.json")).unwrap()).unwrap();
    let changes = receipt["changes"].as_array().unwrap();
    assert!(
        changes
            .iter()
            .all(|change| change["diff"] == Value::Null && change["steps"] != Value::Null)
    );
}

#[test]
fn a_recipe_that_asks_for_nothing() {
    let environment = TestEnvironment::with_base();
    environment.write("empty.yaml", "apiVersion: imgctl/v1\nkind: Recipe\n");
    environment
        .imgctl("plan base.qcow2 -r empty.yaml -q")
        .assert()
        .success()
        .stdout_eq("the recipe asks for nothing\n");
    environment.write(
        "same.yaml",
        "apiVersion: imgctl/v1\nkind: Recipe\nfiles: [{ path: /etc, type: directory }]\n",
    );
    environment
        .imgctl("plan base.qcow2 -r same.yaml -q")
        .assert()
        .success()
        .stdout_eq(str![[r#"
1. files: put files, directories, links and lines in place, and remove what should not be there
nothing to change

"#]]);
}
