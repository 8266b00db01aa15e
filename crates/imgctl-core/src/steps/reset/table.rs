//! The table of operations: for whom each is, what it takes away, and how it differs from virt-sysprep's.

use super::{RED_HAT, Removal, accounts, build, cloud_init, functions, ifcfg, logs, machine_id, operation};
use super::{shell_history, snap, ssh_hostkeys, ssh_userdir};
use crate::guest::OsFamily;
use crate::steps::StepSpec;
use crate::steps::flags::Peer::{self, Better, Ours, Same};
use Removal::{All, Contents, Files, FilesBelow, Run, Truncate};
use imgctl_recipe::ResetOperation;

/// A row: names and profiles are the recipe crate's.
#[derive(Clone, Copy, Debug)]
pub struct ResetRow {
    /// Its name.
    pub name: &'static str,
    /// The recipe crate's row of this name.
    pub operation: &'static ResetOperation,
    /// The families it is for; empty: all.
    pub families: &'static [OsFamily],
    /// How it compares with virt-sysprep's.
    pub peer: Peer,
    /// What it takes away.
    pub removes: &'static [Removal],
}

impl ResetRow {
    /// Whether it is for guests of this family.
    #[must_use]
    pub fn is_for(&self, family: OsFamily) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }
}

/// Makes the rows and their steps, so that neither can lack the other.
macro_rules! rows {
    ($($name:literal, $families:expr, $peer:expr, $removes:expr;)*) => {
        /// Every operation that can be done, in the order in which they run.
        pub static RESET_ROWS: &[ResetRow] = &[$(
            ResetRow {
                name: $name,
                operation: operation($name),
                families: $families,
                peer: $peer,
                removes: $removes,
            },
        )*];

        /// The steps of these operations.
        pub(in crate::steps) const SPECS: &[StepSpec] = &[$(
            StepSpec {
                name: $name,
                section: "reset",
                help: operation($name).about,
                build: |plan| build(plan, $name),
            },
        )*];
    };
}

const ALL: &[OsFamily] = &[];

#[rustfmt::skip]
rows! {
    "user-account", ALL,
        Better("gshadow, subuid, subgid, memberships and /var/mail too; users that the same run makes or gives keys to stay"),
        &[Run("users between UID_MIN and UID_MAX of /etc/login.defs, with their groups, homes and mail", accounts::run)];
    "ssh-userdir", ALL,
        Better("homes as /etc/passwd has them; keys that the same run authorizes stay; the lists of users say who is meant"),
        &[Run("`~/.ssh` of root and of every user, but for kept keys", ssh_userdir::run)];
    "firewall-rules", ALL,
        Better("ip6tables, nftables of Red Hat's service and Debian's iptables-persistent too; files of the same run stay"),
        &[Files(&["/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "/etc/firewalld/services/*", "/etc/firewalld/zones/*",
                  "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"])];
    "kerberos-data", ALL, Better("Debian's place too"),
        &[Run("`/var/kerberos/krb5kdc/*` and `/var/lib/krb5kdc/*`, but `kadm5.acl` and `kdc.conf`", functions::kerberos_data)];
    "ca-certificates", ALL,
        Better("the store needs no rebuilding: nothing in these folders is in it"),
        &[Run("certificates and keys in `/etc/pki/CA` and `/etc/pki/tls`, but the bundles", functions::ca_certificates)];
    "machine-id", ALL,
        Better("it stays empty, so that each clone gets its own: virt-sysprep fills it again with one for all"),
        &[Run("empties `/etc/machine-id`, or marks it `uninitialized`; removes `/var/lib/dbus/machine-id`, unless a link", machine_id::run)];
    "ssh-hostkeys", ALL,
        Better("what makes new keys is found, or a unit for it added: Debian 12 and Ubuntu without cloud-init have none"),
        &[Run("`/etc/ssh/*_host_*`", ssh_hostkeys::run)];
    "random-seed", ALL,
        Better("virt-sysprep writes one seed that all clones share"),
        &[Files(&["/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/boot/efi/loader/random-seed",
                  "/boot/loader/random-seed", "/efi/loader/random-seed", "/var/lib/random-seed", "/var/lib/urandom/random-seed",
                  "/var/lib/misc/random-seed", "/etc/random-seed", "/var/lib/seedrng/seed.credit", "/var/lib/seedrng/seed.no-credit"])];
    "cloud-init", ALL, Ours,
        &[Run("everything in `/var/lib/cloud`, and the logs that the configuration names", cloud_init::run)];
    "cloud-init-configs", ALL, Ours,
        &[Run("what `cloud-init clean --configs all` names, where cloud-init will make it anew", cloud_init::configs)];
    "abrt-data", ALL, Same, &[Contents(&["/var/spool/abrt"])];
    "backup-files", ALL, Same,
        &[Run("regular files `*.bak` and `*~` below `/etc`, `/root`, `/srv`, `/tmp`, `/var`", functions::backup_files)];
    "blkid-tab", ALL, Better("/run where /var/run is no link"),
        &[Files(&["/var/run/blkid.tab", "/var/run/blkid.tab.old", "/run/blkid/blkid.tab", "/run/blkid/blkid.tab.old",
                  "/etc/blkid/blkid.tab", "/etc/blkid/blkid.tab.old", "/etc/blkid.tab", "/etc/blkid.tab.old",
                  "/dev/.blkid.tab", "/dev/.blkid.tab.old"])];
    "crash-data", ALL, Better("those of Ubuntu's apport and systemd's pstore too"),
        &[All(&["/var/crash/*", "/var/log/dump/*", "/var/lib/apport/coredump/*"])];
    "cron-spool", ALL, Same,
        &[Run("files below `/var/spool/cron` and `/var/spool/at`, `/var/spool/atjobs/*`, `/var/spool/atspool/*`; counters begin anew",
              functions::cron_spool)];
    "dhcp-state", ALL,
        Better("leases of dhcpcd, NetworkManager and systemd-networkd too"),
        &[Contents(&["/var/lib/dhcp", "/var/lib/dhclient", "/var/lib/dhcpcd", "/var/lib/systemd/network"]),
          Files(&["/var/lib/NetworkManager/*.lease", "/var/lib/wicked/lease-*.xml"])];
    "dhcp-server-state", ALL, Better("Debian's Kea too"), &[Contents(&["/var/lib/dhcpd"]), Files(&["/var/lib/kea/*.csv*"])];
    "dovecot-data", ALL, Same, &[Files(&["/var/lib/dovecot/*"])];
    "flag-reconfiguration", ALL, Same, &[Run("makes an empty `/.unconfigured`", functions::flag_reconfiguration)];
    "ipa-client", ALL,
        Better("the store of certificates is made anew here where it can be, else at the first boot"),
        &[Files(&["/etc/ipa/ca.crt", "/etc/ipa/default.conf", "/var/lib/ipa-client/sysrestore/*", "/var/lib/ipa-client/pki/*"]),
          Run("the domain's certificates in the guest's store", functions::ipa_certificates)];
    "kerberos-hostkeytab", ALL, Same, &[Files(&["/etc/krb5.keytab"])];
    "logs", ALL,
        Better("every file below /var/log, containers' too, and folders stay for the services that write there; records of logins are emptied and keep their modes; logrotate's and \
                AccountsService's real paths"),
        &[Run("every file below `/var/log`, and traces of an installation elsewhere", logs::run)];
    "lvm-system-devices", ALL, Same, &[Files(&["/etc/lvm/devices/system.devices"])];
    "mail-spool", ALL, Same, &[All(&["/var/spool/mail/*", "/var/mail/*"])];
    "net-hostname", RED_HAT, Better("Rocky, AlmaLinux and every other relative of Red Hat too"),
        &[Run("lines `HOSTNAME=` and `DHCP_HOSTNAME=` of `/etc/sysconfig/network-scripts/ifcfg-*`", ifcfg::hostname)];
    "net-hwaddr", RED_HAT, Better("Rocky, AlmaLinux and every other relative of Red Hat too"),
        &[Run("lines `HWADDR=` of the same files", ifcfg::hwaddr)];
    "net-nmconn", RED_HAT, Better("Rocky, AlmaLinux too; connections that the same run makes stay"),
        &[All(&["/etc/NetworkManager/system-connections/*.nmconnection"])];
    "network-manager", ALL, Ours,
        &[Files(&["/var/lib/NetworkManager/secret_key", "/var/lib/NetworkManager/seen-bssids",
                  "/var/lib/NetworkManager/timestamps", "/var/lib/NetworkManager/*.lease"])];
    "systemd-state", ALL, Ours,
        &[Files(&["/var/lib/systemd/timers/stamp-*", "/var/lib/systemd/timesync/clock", "/var/lib/private/systemd/timesync/clock",
                  "/var/lib/systemd/coredump/*", "/var/lib/systemd/backlight/*", "/var/lib/systemd/rfkill/*"]),
          Contents(&["/var/lib/systemd/pstore"])];
    "pacct-log", ALL, Better("Rocky and AlmaLinux too; the file keeps its mode"),
        &[Truncate(&["/var/account/pacct", "/var/log/account/pacct"]),
          Files(&["/var/account/pacct?*", "/var/log/account/pacct?*"])];
    "package-cache", ALL, Better("of pacman, apk, dnf 5 and PackageKit too"),
        &[FilesBelow { folders: &["/var/cache/apt/archives", "/var/cache/pacman/pkg", "/var/cache/apk"], but: &["lock"] },
          Contents(&["/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5", "/var/cache/PackageKit"]),
          All(&["/var/cache/zypp*/*"]),
          Files(&["/var/cache/apt/*.bin"])];
    "apt-lists", ALL, Ours, &[FilesBelow { folders: &["/var/lib/apt/lists"], but: &["lock"] }];
    "pam-data", ALL, Same, &[Files(&["/var/run/console/*", "/var/run/faillock/*", "/var/run/sepermit/*"])];
    "passwd-backups", ALL, Same,
        &[Files(&["/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/etc/subuid-", "/etc/subgid-"])];
    "puppet-data-log", ALL, Same, &[Files(&["/var/log/puppet/*", "/var/lib/puppet/*/*", "/var/lib/puppet/*/*/*"])];
    "rh-subscription-manager", RED_HAT, Better("for all relatives of Red Hat: others have no such files"),
        &[All(&["/etc/pki/consumer/*", "/etc/pki/entitlement/*"])];
    "rhn-systemid", RED_HAT, Better("for all relatives of Red Hat: others have no such files"),
        &[All(&["/etc/sysconfig/rhn/systemid", "/etc/sysconfig/rhn/osad-auth.conf"])];
    "rpm-db", ALL, Better("/usr/lib/sysimage/rpm too"),
        &[Files(&["/usr/lib/sysimage/rpm/__db.*", "/var/lib/rpm/__db.*"])];
    "samba-db-log", ALL, Same,
        &[Files(&["/var/log/samba/old/*", "/var/log/samba/*", "/var/lib/samba/*/*", "/var/lib/samba/*"])];
    "shell-history", ALL, Better("of every shell and of databases' clients, in homes as /etc/passwd has them"),
        &[Run("histories in the homes of root and of every user", shell_history::run)];
    "smolt-uuid", ALL, Same, &[All(&["/etc/sysconfig/hw-uuid", "/etc/smolt/uuid", "/etc/smolt/hw-uuid"])];
    "sssd-db-log", ALL, Same, &[Files(&["/var/log/sssd/*", "/var/lib/sss/db/*"])];
    "tmp", ALL, Better("files that the same run puts there stay, and a warning says so"), &[Contents(&["/tmp", "/var/tmp"])];
    "udev-persistent-net", ALL, Same, &[All(&["/etc/udev/rules.d/70-persistent-net.rules"])];
    "utmp", ALL, Same, &[All(&["/var/run/utmp"])];
    "yum-uuid", ALL, Same, &[All(&["/var/lib/yum/uuid"])];
    "hostid", ALL, Ours, &[Files(&["/etc/hostid"])];
    "iscsi-initiator", ALL, Ours,
        &[Run("`/etc/iscsi/initiatorname.iscsi`, and sees to a new one at the first boot", functions::iscsi_initiator)];
    "nvme-host", ALL, Ours, &[Files(&["/etc/nvme/hostnqn", "/etc/nvme/hostid"])];
    "rancher-state", ALL, Ours,
        &[Contents(&["/etc/rancher/node", "/var/lib/rancher/rke2/server", "/var/lib/rancher/k3s/server"]),
          Run("everything in `/var/lib/rancher/{rke2,k3s}/agent` but `images`", functions::rancher_agents)];
    "kubernetes-state", ALL, Ours,
        &[Contents(&["/var/lib/kubelet/pki", "/var/lib/etcd", "/etc/kubernetes/pki"]),
          Files(&["/var/lib/kubelet/cpu_manager_state", "/var/lib/kubelet/memory_manager_state", "/var/lib/kubelet/kubeadm-flags.env",
                  "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf", "/etc/kubernetes/admin.conf",
                  "/etc/kubernetes/super-admin.conf", "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf"])];
    "cni-state", ALL, Ours,
        &[Contents(&["/var/lib/cni/networks", "/var/lib/cni/results", "/var/lib/cni/cache", "/run/flannel"]),
          Files(&["/var/lib/calico/nodename"])];
    "snap-state", ALL, Ours,
        &[Contents(&["/var/lib/snapd/cache", "/var/lib/snapd/device/private-keys-v1"]),
          Run("the serial number and key of the device in `/var/lib/snapd/state.json`", snap::run)];
    "qemu-guest-agent", ALL, Ours,
        &[Files(&["/var/run/qga.state*", "/run/qga.state*", "/var/lib/qemu-ga/*", "/var/lib/qga/*"])];
}
