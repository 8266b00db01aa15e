//! Resets beside the shell: what `rm -rf` of virt-sysprep's globs removes, ours removes; and beside `cloud-init clean`.

use crate::chroot::{Chroot, Lower};
use crate::scene::{guest_listing, guest_of, run_twice};
use imgctl_testkit::{oracle, root_or_skip};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// virt-sysprep's operations with their globs, from its sources (1.57); `f:` before one: files only, `c:`: below the folder.
const GLOBS: &[(&str, &str)] = &[
    ("abrt-data", "/var/spool/abrt/*"),
    ("bash-history", "/home/*/.bash_history /root/.bash_history"),
    (
        "blkid-tab",
        "f:/etc/blkid/blkid.tab f:/etc/blkid/blkid.tab.old f:/etc/blkid.tab f:/etc/blkid.tab.old",
    ),
    ("crash-data", "/var/crash/* /var/log/dump/*"),
    ("cron-spool", "/var/spool/atjobs/* /var/spool/atspool/*"),
    ("dhcp-client-state", "/var/lib/dhclient/* /var/lib/dhcp/*"),
    ("dhcp-server-state", "/var/lib/dhcpd/*"),
    ("dovecot-data", "f:/var/lib/dovecot/*"),
    (
        "firewall-rules",
        "f:/etc/sysconfig/iptables f:/etc/firewalld/services/* f:/etc/firewalld/zones/*",
    ),
    (
        "ipa-client",
        "f:/etc/ipa/ca.crt f:/etc/ipa/default.conf f:/var/lib/ipa-client/sysrestore/* f:/var/lib/ipa-client/pki/*",
    ),
    ("kerberos-hostkeytab", "f:/etc/krb5.keytab"),
    (
        "logfiles",
        "/var/log/*.log* /var/log/audit/* /var/log/cron* /var/log/dmesg* /var/log/maillog* /var/log/mail/* /var/log/messages* \
         /var/log/secure* /var/log/spooler* /var/log/ntp /var/log/debug* /var/log/syslog* /var/log/firewalld* /var/log/grubby* \
         /var/log/xferlog* /var/log/journal/* /var/log/sa/* /var/log/gdm/* /var/log/lightdm/* /var/log/ntpstats/* /var/log/rhsm/* \
         /var/log/exim4/* /var/log/ConsoleKit/* /var/log/installer/* /var/log/aptitude* /var/log/apt/* /var/log/anaconda.syslog \
         /var/log/anaconda/* /var/log/apache2/*_log /var/log/apache2/*_log-* /var/log/tuned/tuned.log /var/log/BackupPC/LOG \
         /var/log/ceph/*.log /var/log/chrony/*.log /var/log/cups/*_log* /var/log/glusterfs/*glusterd.vol.log \
         /var/log/glusterfs/glusterfs.log /var/log/httpd/*log /var/log/jetty/jetty-console.log /var/log/libvirt/libxl/*.log \
         /var/log/libvirt/libvirtd.log /var/log/libvirt/lxc/*.log /var/log/libvirt/qemu/*.log /var/log/libvirt/uml/*.log \
         /var/log/ppp/connect-errors /var/log/setroubleshoot/*.log /var/log/squid/*.log /var/named/data/named.run \
         /var/lib/logrotate.status /root/install.log /root/install.log.syslog /root/anaconda-ks.cfg /root/anaconda-post.log \
         /root/initial-setup-ks.cfg /root/original-ks.cfg /var/cache/gdm/* /var/lib/fprint/* /var/cache/fontconfig/* \
         /var/cache/man/* /etc/Pegasus/*.cnf /etc/Pegasus/*.crt /etc/Pegasus/*.csr /etc/Pegasus/*.pem /etc/Pegasus/*.srl",
    ),
    ("lvm-system-devices", "/etc/lvm/devices/system.devices"),
    ("mail-spool", "/var/spool/mail/* /var/mail/*"),
    ("net-nmconn", "/etc/NetworkManager/system-connections/*.nmconnection"),
    ("package-manager-cache", "c:/var/cache/dnf c:/var/cache/yum"),
    (
        "passwd-backups",
        "/etc/group- /etc/gshadow- /etc/passwd- /etc/shadow- /etc/subuid- /etc/subgid-",
    ),
    (
        "puppet-data-log",
        "f:/var/log/puppet/* f:/var/lib/puppet/*/* f:/var/lib/puppet/*/*/*",
    ),
    ("rh-subscription-manager", "/etc/pki/consumer/* /etc/pki/entitlement/*"),
    (
        "rhn-systemid",
        "/etc/sysconfig/rhn/systemid /etc/sysconfig/rhn/osad-auth.conf",
    ),
    ("rpm-db", "f:/var/lib/rpm/__db.*"),
    (
        "samba-db-log",
        "f:/var/log/samba/old/* f:/var/log/samba/* f:/var/lib/samba/*/* f:/var/lib/samba/*",
    ),
    (
        "smolt-uuid",
        "/etc/sysconfig/hw-uuid /etc/smolt/uuid /etc/smolt/hw-uuid",
    ),
    ("ssh-hostkeys", "/etc/ssh/*_host_*"),
    ("ssh-userdir", "/home/*/.ssh /root/.ssh"),
    ("sssd-db-log", "f:/var/log/sssd/* f:/var/lib/sss/db/*"),
    ("tmp-files", "/tmp/* /tmp/.[!.]* /var/tmp/* /var/tmp/.[!.]*"),
    ("udev-persistent-net", "/etc/udev/rules.d/70-persistent-net.rules"),
    ("utmp", "/var/run/utmp"),
    ("yum-uuid", "/var/lib/yum/uuid"),
    ("zsh-history", "/home/*/.zsh_history /root/.zsh_history"),
    (
        "ca-certificates",
        "f:/etc/pki/CA/certs/*.crt f:/etc/pki/CA/crl/*.crt f:/etc/pki/CA/newcerts/*.crt f:/etc/pki/CA/private/*.key \
         f:/etc/pki/tls/private/*.key",
    ),
];

/// What a shell's `rm -rf` may leave out here, and ours remove: dot files in emptied folders, and more of the same kind.
const OURS_MAY_GO_FURTHER: &[&str] = &[
    "abrt-data",
    "dhcp-client-state",
    "dhcp-server-state",
    "logfiles",
    "ssh-hostkeys",
];

/// Makes what a glob finds, a folder with a file that it finds too, and neighbours that it does not find.
fn populate(root: &Path, glob: &str) {
    let glob = glob.trim_start_matches("f:").trim_start_matches("c:");
    let (folders, last) = glob.rsplit_once('/').unwrap();
    let glob = format!("{}/{}", folders.replace('*', "dd"), last.replace("[!.]", "h"));
    let name = glob.replace('*', "mm");
    let path = root.join(&name[1..]);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if !path.exists() {
        fs::write(&path, "content").unwrap();
    }
    if last.contains('*') {
        let folder = root.join(&glob.replace('*', "dir")[1..]);
        if !folder.exists() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("inside"), "content").unwrap();
        }
    }
    fs::write(
        root.join(format!("{}.neighbour", &name[1..]))
            .with_file_name("zz-other"),
        "stays",
    )
    .unwrap();
}

#[test]
fn what_the_shell_removes_by_virt_syspreps_globs_ours_removes() {
    oracle::require("sh").unwrap();
    for (operation, globs) in GLOBS {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/os-release"), "ID=rocky\n").unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        let globs: Vec<&str> = globs
            .split_whitespace()
            .filter(|glob| !glob.starts_with("c:"))
            .collect();
        for glob in &globs {
            populate(root, glob);
        }
        let guest = guest_of(root, &["etc", "var", "root", "home", "tmp", "run"]);
        let before = guest_listing(&guest, &[""]);
        let after = run_twice(guest, &format!("reset: {{ profile: none, operations: [{operation}] }}"));
        let listing = guest_listing(&after, &[""]);
        let ours: BTreeSet<String> = listing.keys().cloned().collect();
        let mut line = String::new();
        for glob in &globs {
            let root = root.to_str().unwrap();
            line.push_str(&match glob.strip_prefix("f:") {
                Some(glob) => {
                    format!("for f in {root}{glob}; do [ -f \"$f\" ] && [ ! -L \"$f\" ] && rm -f \"$f\"; done; ")
                }
                None => format!("rm -rf {root}{glob}; "),
            });
        }
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("{line} true")])
            .status()
            .unwrap();
        assert!(status.success());
        let theirs: BTreeSet<String> = crate::scene::host_listing(root, &[""]).into_keys().collect();
        let mut left: Vec<&String> = ours.difference(&theirs).collect();
        // Folders of logs stay for the services that write there.
        left.retain(|name| *operation != "logfiles" || !after_is_folder(&listing, name));
        assert!(left.is_empty(), "{operation}: ours leaves {left:?}");
        let further: Vec<&String> = theirs.difference(&ours).collect();
        let may = OURS_MAY_GO_FURTHER.contains(operation);
        let added = |name: &&&String| !name.ends_with("machine-id");
        assert!(
            may || further.iter().filter(added).count() == 0,
            "{operation}: ours removes {further:?} as well"
        );
        assert!(
            before.len() > ours.len() || globs.is_empty(),
            "{operation} removes nothing"
        );
    }
}

fn after_is_folder(listing: &BTreeMap<String, String>, name: &str) -> bool {
    listing.get(name).is_some_and(|entry| entry.ends_with(" folder"))
}

#[test]
fn cloud_init_is_as_its_own_clean_leaves_it() {
    if !root_or_skip("reset") {
        return;
    }
    for fixture in ["debian12", "debian13"] {
        let lower = Lower::of(fixture);
        let chroot = Chroot::new(&lower);
        let prepared = chroot.run(
            "mkdir -p /var/lib/cloud/instances/i-1/sem /var/lib/cloud/seed/nocloud /etc/netplan && cd /var/lib/cloud && \
             ln -s instances/i-1 instance && echo x >instances/i-1/user-data.txt && echo x >seed/nocloud/meta-data && \
             echo x >/var/log/cloud-init.log && echo x >/var/log/cloud-init-output.log && mkdir -p /dev && \
             { [ -e /dev/null ] || mknod -m 666 /dev/null c 1 3; }",
            0,
        );
        assert!(prepared.status.success(), "{prepared:?}");
        let tops = [
            "var/lib/cloud",
            "var/log",
            "etc/cloud",
            "etc/os-release",
            "usr/lib/os-release",
            "usr/bin/cloud-init",
        ];
        let guest = run_twice(
            guest_of(&chroot.root(), &tops),
            "reset: { profile: none, cloud_init: true }",
        );
        let clean = chroot.run("cloud-init clean --logs --seed", 0);
        assert!(clean.status.success(), "{fixture}: {clean:?}");
        let compared = [
            "var/lib/cloud",
            "var/log/cloud-init.log",
            "var/log/cloud-init-output.log",
        ];
        let theirs = crate::scene::host_listing(&chroot.root(), &compared);
        let ours = guest_listing(&guest, &compared);
        crate::scene::assert_same(fixture, &theirs, &ours);
    }
}
