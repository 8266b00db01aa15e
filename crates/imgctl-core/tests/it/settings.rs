//! Configuration that steps write, as the programs read it that it is for.

use crate::made_guest::{guest, judge, run, text, unpack};
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn kernel_settings_are_read_back() {
    let mut guest = guest(&[("/etc/os-release", "ID=debian\n"), ("/usr/sbin/mkinitramfs", "")]);
    run(
        &mut guest,
        "\
sysctl: { 90-k8s: { net.ipv4.ip_forward: 1, net.ipv4.tcp_rmem: 4096 131072 6291456, net/ipv4/conf/all/rp_filter: 0 } }
kernel:
  modules: { load: [overlay], blacklist: [xe], options: { i915: { enable_guc: 3, max_vfs: 7 } } }
  initramfs: { drivers: [virtio_blk], compression: zstd }
",
    );
    let root = tempfile::tempdir().unwrap();
    unpack(&guest, root.path());
    let file = root.path().join("etc/sysctl.d/90-k8s.conf");
    let said = judge(Command::new("sysctl").arg("--dry-run").arg("-p").arg(file), "procps");
    assert_eq!(
        said,
        "net.ipv4.ip_forward = 1\nnet.ipv4.tcp_rmem = 4096 131072 6291456\nnet.ipv4.conf.all.rp_filter = 0\n"
    );
    let folder = root.path().join("etc/modprobe.d");
    let said = judge(Command::new("modprobe").arg("-C").arg(folder).arg("-c"), "kmod");
    let mut lines = said
        .lines()
        .filter(|line| line.contains("xe") || line.contains("i915 "));
    assert_eq!(lines.next(), Some("blacklist xe"));
    assert_eq!(lines.next(), Some("options i915 enable_guc=3 max_vfs=7"));
    let conf = root.path().join("etc/initramfs-tools/conf.d/imgctl");
    let script = format!(". {}; echo $MODULES $COMPRESS", conf.display());
    assert_eq!(judge(Command::new("sh").args(["-ec", &script]), "dash"), "most zstd\n");
}

#[test]
fn bash_reads_what_other_makers_of_initramfs_read() {
    let mut guest = guest(&[("/usr/bin/dracut", ""), ("/usr/bin/mkinitcpio", "")]);
    run(
        &mut guest,
        "kernel: { initramfs: { drivers: [virtio_blk, virtio_net], compression: xz } }\n",
    );
    let root = tempfile::tempdir().unwrap();
    unpack(&guest, root.path());
    let script = "add_drivers=' x '; . etc/dracut.conf.d/90-imgctl.conf; echo $hostonly $compress $add_drivers
        MODULES=(a); HOOKS=(base udev autodetect modconf); . etc/mkinitcpio.conf.d/90-imgctl.conf
        echo ${MODULES[@]} $COMPRESSION ${HOOKS[@]}";
    let mut bash = Command::new("bash");
    let said = judge(bash.args(["-euc", script]).current_dir(root.path()), "bash");
    assert_eq!(
        said,
        "no xz x virtio_blk virtio_net\na virtio_blk virtio_net xz base udev modconf\n"
    );
}

#[test]
fn findmnt_reads_fstab() {
    let mut guest = guest(&[("/etc/fstab", "# c\nUUID=1 / ext4 errors=remount-ro 0 1\n")]);
    run(
        &mut guest,
        "\
fstab:
  - { path: /, options: [defaults, noatime] }
  - { path: /my data, label: my data, type: xfs, options: nofail }
  - { path: /tmp, source: tmpfs, type: tmpfs }
swap: { path: /swap file, size: 1MiB }
",
    );
    let root = tempfile::tempdir().unwrap();
    unpack(&guest, root.path());
    let table = root.path().join("etc/fstab");
    let mut findmnt = Command::new("findmnt");
    findmnt.args([
        "--raw",
        "--noheadings",
        "-o",
        "SOURCE,TARGET,FSTYPE,OPTIONS,PASSNO",
        "--tab-file",
    ]);
    let said = judge(findmnt.arg(&table), "util-linux");
    assert_eq!(
        said,
        "UUID=1 / ext4 defaults,noatime 1\nLABEL=my\\x20data /my\\x20data xfs nofail 0\ntmpfs /tmp tmpfs defaults 0\n\
         /swap\\x20file none swap defaults 0\n"
    );
}

const INTERFACES: &str = "\
network:
  renderer: RENDERER
  interfaces:
    - { match: \"en*\", dhcp4: true, optional: true }
    - { name: eth1, addresses: [192.0.2.10/24, \"2001:db8::10/64\"], gateways: [192.0.2.1, \"2001:db8::1\"],
        nameservers: [192.0.2.53, \"2001:db8::53\"], search: [lan.example], mtu: 9000 }
    - { mac: \"52:54:00:AB:CD:EF\", dhcp4: true, dhcp6: true }
";

#[test]
fn netplan_makes_of_it_what_networkd_gets_from_us() {
    let mut by_netplan = guest(&[]);
    run(&mut by_netplan, &INTERFACES.replace("RENDERER", "netplan"));
    let mut by_us = guest(&[]);
    run(&mut by_us, &INTERFACES.replace("RENDERER", "networkd"));
    let root = tempfile::tempdir().unwrap();
    unpack(&by_netplan, root.path());
    judge(
        Command::new("netplan")
            .args(["generate", "--root-dir"])
            .arg(root.path()),
        "netplan.io",
    );
    for (ours, theirs) in [
        ("enany", "imgctl-enany"),
        ("eth1", "eth1"),
        ("525400abcdef", "imgctl-525400abcdef"),
    ] {
        let path = root
            .path()
            .join(format!("run/systemd/network/10-netplan-{theirs}.network"));
        let theirs = lines(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        let ours = lines(&text(&by_us, &format!("/etc/systemd/network/10-imgctl-{ours}.network")));
        assert_eq!(ours, theirs);
    }
}

/// The settings of a .network file that both write, sorted.
fn lines(text: &str) -> Vec<String> {
    let said = |line: &&str| {
        // netplan's own: what it adds to every file, and `no` in the form of nothing.
        ![
            "LinkLocalAddressing=",
            "RouteMetric=",
            "UseMTU=",
            "PermanentMACAddress=",
            "MACAddress=",
            "ConfigureWithoutCarrier",
        ]
        .iter()
        .any(|prefix| line.starts_with(prefix))
            && !line.starts_with('[')
            && !line.is_empty()
            && *line != "DHCP=no"
    };
    let mut lines: Vec<String> = text.lines().filter(said).map(str::to_owned).collect();
    // netplan writes gateways as routes.
    let mut destinations = lines.iter().filter(|line| line.starts_with("Destination=")).count();
    lines.retain(|line| !line.starts_with("Destination="));
    lines.sort();
    for line in &lines {
        if destinations > 0 && line.starts_with("Gateway=") {
            destinations -= 1;
        }
    }
    assert_eq!(destinations, 0, "every route has its gateway");
    lines
}

#[test]
fn network_manager_reads_keyfiles() {
    let mut guest = guest(&[]);
    run(&mut guest, &INTERFACES.replace("RENDERER", "networkmanager"));
    for (name, expected) in [
        (
            "enany",
            &[
                "id=imgctl-enany",
                "multi-connect=3",
                "interface-name=en*;",
                "method=auto",
            ][..],
        ),
        (
            "eth1",
            &[
                "interface-name=eth1",
                "mtu=9000",
                "address1=192.0.2.10/24,192.0.2.1",
                "address1=2001:db8::10/64,2001:db8::1",
                "dns=192.0.2.53;",
                "dns=2001:db8::53;",
                "dns-search=lan.example;",
                "method=manual",
            ],
        ),
        ("525400abcdef", &["mac-address=52:54:00:AB:CD:EF"]),
    ] {
        let keyfile = text(
            &guest,
            &format!("/etc/NetworkManager/system-connections/imgctl-{name}.nmconnection"),
        );
        // It reads a keyfile, and writes what it understood.
        let mut nmcli = Command::new("nmcli");
        nmcli.args(["--offline", "connection", "modify", "connection.autoconnect", "yes"]);
        nmcli
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = nmcli.spawn().expect("apt-get install network-manager");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), keyfile.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in expected {
            assert!(said.lines().any(|known| known == *line), "{name} has no {line}: {said}");
        }
    }
}

#[test]
fn cloud_init_takes_the_seed() {
    let mut guest = guest(&[("/usr/bin/cloud-init", "")]);
    run(
        &mut guest,
        "\
cloud_init:
  datasources: [NoCloud, None]
  settings: { preserve_hostname: true, disable_root: \"1\" }
  seed:
    user_data:
      ssh_pwauth: false
      write_files: [{ path: /etc/x, content: \"a: b\\nc\\n\", permissions: \"0644\" }]
      runcmd: [[echo, \"yes\"], \"echo ${HOME}\"]
    meta_data: { local-hostname: node }
reset: { profile: golden }
",
    );
    let root = tempfile::tempdir().unwrap();
    unpack(&guest, root.path());
    let seed = root.path().join("var/lib/cloud/seed/nocloud");
    judge(
        Command::new("cloud-init")
            .args(["schema", "-c"])
            .arg(seed.join("user-data")),
        "cloud-init",
    );
    let script = "import sys, yaml; print(*[yaml.safe_load(open(name)) for name in sys.argv[1:]], sep='\\n')";
    let files = [
        seed.join("user-data"),
        seed.join("meta-data"),
        root.path().join("etc/cloud/cloud.cfg.d/99-imgctl.cfg"),
        root.path().join("etc/cloud/cloud.cfg.d/99-imgctl-datasource.cfg"),
    ];
    let said = judge(Command::new("python3").args(["-c", script]).args(files), "python3-yaml");
    assert_eq!(
        said,
        "{'ssh_pwauth': False, 'write_files': [{'path': '/etc/x', 'content': 'a: b\\nc\\n', 'permissions': '0644'}], \
         'runcmd': [['echo', 'yes'], 'echo ${HOME}']}\n{'local-hostname': 'node'}\n\
         {'preserve_hostname': True, 'disable_root': '1'}\n{'datasource_list': ['NoCloud', 'None']}\n"
    );
}
