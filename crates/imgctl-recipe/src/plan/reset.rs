//! `reset`: the operations by name, and which of them a recipe asks for.
//!
//! Names and profiles are said here alone: the recipe's keys, the steps, the command line and the documentation come from
//! this table. What an operation removes is the business of `imgctl-core`.

/// The `reset` section, profiles and lists resolved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reset {
    /// The set of operations that it began with.
    pub profile: ResetProfile,
    /// What becomes of /etc/machine-id.
    pub machine_id: MachineId,
    /// The operations that run, in the order of [`RESET_OPERATIONS`].
    pub operations: Vec<&'static ResetOperation>,
    /// Users whose authorized keys go; empty: those of everyone, where the operation runs.
    pub ssh_authorized_keys: Vec<String>,
    /// Users whose authorized keys stay.
    pub keep_authorized_keys: Vec<String>,
    /// Users that `user-account` removes; empty: all in the range of ordinary users.
    pub remove_users: Vec<String>,
    /// Users that `user-account` leaves.
    pub keep_users: Vec<String>,
}

impl Reset {
    /// Whether the operation of this name runs.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.operations.iter().any(|operation| operation.name == name)
    }
}

/// A named set of reset operations.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResetProfile {
    /// Everything that must not travel from one machine to its clones.
    #[default]
    Golden,
    /// What virt-sysprep does by default.
    Sysprep,
    /// Nothing but what is named.
    None,
}

impl ResetProfile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Golden, Self::Sysprep, Self::None];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Golden => "golden",
            Self::Sysprep => "sysprep",
            Self::None => "none",
        }
    }

    /// The profile of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Whether an operation is in it.
    #[must_use]
    pub fn has(self, operation: &ResetOperation) -> bool {
        match self {
            Self::Golden => operation.golden,
            Self::Sysprep => operation.sysprep,
            Self::None => false,
        }
    }
}

/// The states that /etc/machine-id can be left in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MachineId {
    /// An empty file: a new id at first boot, `ConditionFirstBoot=` stays false.
    #[default]
    Empty,
    /// The word `uninitialized`: a new id, and units with `ConditionFirstBoot=yes` run.
    Uninitialized,
    /// As it is.
    Keep,
}

/// What a reset can do.
#[derive(Debug, Eq, PartialEq)]
pub struct ResetOperation {
    /// Its name, also that of the step.
    pub name: &'static str,
    /// The recipe's key for it.
    pub key: &'static str,
    /// What it does, as one line of Markdown.
    pub about: &'static str,
    /// Whether `golden` has it.
    pub golden: bool,
    /// Whether `sysprep` has it: virt-sysprep runs it by default.
    pub sysprep: bool,
    /// What virt-sysprep calls it; empty where it has nothing like it.
    pub peer: &'static [&'static str],
    /// Other names that people try as keys.
    pub also: &'static [&'static str],
    /// Why it cannot be done, and what to do instead; empty where it can.
    pub refused: &'static str,
}

impl ResetOperation {
    const fn new(name: &'static str, key: &'static str, profiles: Profiles, about: &'static str) -> Self {
        Self {
            name,
            key,
            about,
            golden: matches!(profiles, Profiles::Both | Profiles::Golden),
            sysprep: matches!(profiles, Profiles::Both | Profiles::Sysprep),
            peer: &[],
            also: &[],
            refused: "",
        }
    }

    const fn peer(self, peer: &'static [&'static str]) -> Self {
        Self { peer, ..self }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    const fn refused(self, refused: &'static str) -> Self {
        Self { refused, ..self }
    }

    /// The operation of this name, of ours or of virt-sysprep's.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let is_named = |operation: &&'static Self| {
            operation.name == name || operation.key == name || operation.peer.contains(&name)
        };
        RESET_OPERATIONS.iter().find(is_named)
    }

    /// Every name that [`find`](Self::find) knows, without the keys.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RESET_OPERATIONS
            .iter()
            .flat_map(|operation| std::iter::once(operation.name).chain(operation.peer.iter().copied()))
    }
}

/// Which profiles have an operation.
enum Profiles {
    Both,
    Golden,
    Sysprep,
    Neither,
}

use Profiles::{Both, Golden, Neither, Sysprep};

const fn row(name: &'static str, key: &'static str, profiles: Profiles, about: &'static str) -> ResetOperation {
    ResetOperation::new(name, key, profiles, about)
}

/// Every operation, in the order in which they run: users before what they own, the machine's identity before what depends
/// on it.
#[rustfmt::skip]
pub static RESET_OPERATIONS: &[ResetOperation] = &[
    row("user-account", "user_account", Neither, "Ordinary users, with their groups, homes and mail.")
        .peer(&["user-account"]).also(&["user_accounts"]),
    row("ssh-userdir", "ssh_userdir", Sysprep, "`~/.ssh` of every user; keys that `users` authorizes in the same recipe stay.")
        .peer(&["ssh-userdir"]),
    row("firewall-rules", "firewall_rules", Neither, "Rules of iptables, nftables and firewalld.")
        .peer(&["firewall-rules"]),
    row("kerberos-data", "kerberos_data", Neither, "The database of a Kerberos server.")
        .peer(&["kerberos-data"]),
    row("ca-certificates", "ca_certificates", Neither, "Certificates and keys in `/etc/pki/CA` and `/etc/pki/tls`.")
        .peer(&["ca-certificates"]),
    row("machine-id", "machine_id", Both, "`/etc/machine-id` and D-Bus's copy.")
        .peer(&["machine-id"]),
    row("ssh-hostkeys", "ssh_hostkeys", Both, "SSH host keys; the guest makes new ones at its first boot.")
        .peer(&["ssh-hostkeys"]).also(&["ssh_host_keys", "hostkeys"]),
    row("random-seed", "random_seed", Both, "Stored random seeds and systemd's credential secret.")
        .also(&["seed"]),
    row("cloud-init", "cloud_init", Golden, "cloud-init's state, as `cloud-init clean --logs --seed`."),
    row("cloud-init-configs", "cloud_init_configs", Golden, "Network and SSH settings that cloud-init wrote for one machine, as `cloud-init clean --configs all`."),
    row("abrt-data", "abrt_data", Both, "Crash reports of ABRT.").peer(&["abrt-data"]),
    row("backup-files", "backup_files", Sysprep, "Files named `*.bak` and `*~` below `/etc`, `/root`, `/srv`, `/tmp` and `/var`.")
        .peer(&["backup-files"]),
    row("blkid-tab", "blkid_tab", Both, "blkid's cache of block devices.").peer(&["blkid-tab"]),
    row("crash-data", "crash_data", Both, "Crash dumps.").peer(&["crash-data"]),
    row("cron-spool", "cron_spool", Sysprep, "Users' crontabs and the jobs of `at`.").peer(&["cron-spool"]),
    row("dhcp-state", "dhcp_state", Both, "Leases of DHCP clients.")
        .peer(&["dhcp-client-state"]).also(&["dhcp_client_state", "dhcp", "leases"]),
    row("dhcp-server-state", "dhcp_server_state", Both, "Leases of a DHCP server.").peer(&["dhcp-server-state"]),
    row("dovecot-data", "dovecot_data", Both, "State of the mail server Dovecot.").peer(&["dovecot-data"]),
    row("flag-reconfiguration", "flag_reconfiguration", Neither, "Makes `/.unconfigured`, which has the first boot ask for settings.")
        .peer(&["flag-reconfiguration"]),
    row("ipa-client", "ipa_client", Both, "The membership in an IPA domain.").peer(&["ipa-client"]),
    row("kerberos-hostkeytab", "kerberos_hostkeytab", Both, "The machine's Kerberos keys.").peer(&["kerberos-hostkeytab"]),
    row("logs", "logs", Both, "Log files and the journal.")
        .peer(&["logfiles"]).also(&["logfiles", "journal"]),
    row("lvm-system-devices", "lvm_system_devices", Both, "LVM's list of this machine's devices.").peer(&["lvm-system-devices"]),
    row("mail-spool", "mail_spool", Both, "Users' mail.").peer(&["mail-spool"]),
    row("net-hostname", "net_hostname", Both, "Host names in ifcfg files.").peer(&["net-hostname"]),
    row("net-hwaddr", "net_hwaddr", Both, "Hardware addresses in ifcfg files.").peer(&["net-hwaddr"]),
    row("net-nmconn", "net_nmconn", Sysprep, "NetworkManager's connections of families that keep ifcfg files.").peer(&["net-nmconn"]),
    row("network-manager", "network_manager", Golden, "NetworkManager's secret key and what it remembers of networks."),
    row("systemd-state", "systemd_state", Golden, "What systemd remembers of a machine: timers' stamps, core dumps, the clock, rfkill, backlight."),
    row("pacct-log", "pacct_log", Both, "Records of process accounting.").peer(&["pacct-log"]),
    row("package-cache", "package_cache", Both, "What package managers have downloaded.")
        .peer(&["package-manager-cache"]).also(&["pkg_cache", "cache", "caches"]),
    row("apt-lists", "apt_lists", Golden, "apt's lists of packages, which `apt-get update` fetches anew."),
    row("pam-data", "pam_data", Both, "Failed logins and other state of PAM modules.").peer(&["pam-data"]),
    row("passwd-backups", "passwd_backups", Both, "The former versions of `/etc/passwd` and its like.").peer(&["passwd-backups"]),
    row("puppet-data-log", "puppet_data_log", Both, "Logs and state of Puppet.").peer(&["puppet-data-log"]),
    row("rh-subscription-manager", "rh_subscription_manager", Both, "The certificates of a registered RHEL system.")
        .peer(&["rh-subscription-manager"]),
    row("rhn-systemid", "rhn_systemid", Both, "The identity of a system that is registered with RHN.").peer(&["rhn-systemid"]),
    row("rpm-db", "rpm_db", Both, "Temporary files of rpm's database.").peer(&["rpm-db"]),
    row("samba-db-log", "samba_db_log", Both, "Logs and databases of Samba.").peer(&["samba-db-log"]),
    row("shell-history", "shell_history", Both, "Histories of shells.")
        .peer(&["bash-history", "zsh-history"]).also(&["bash_history", "history"]),
    row("smolt-uuid", "smolt_uuid", Both, "The identity of a machine for Smolt.").peer(&["smolt-uuid"]),
    row("sssd-db-log", "sssd_db_log", Both, "Logs and caches of SSSD.").peer(&["sssd-db-log"]),
    row("tmp", "tmp", Both, "What lies in `/tmp` and `/var/tmp`.")
        .peer(&["tmp-files"]).also(&["tmp_files", "temp"]),
    row("udev-persistent-net", "udev_persistent_net", Both, "udev's fixed names of network cards.").peer(&["udev-persistent-net"]),
    row("utmp", "utmp", Both, "The record of who is logged in.").peer(&["utmp"]),
    row("yum-uuid", "yum_uuid", Both, "The identity of a machine for yum.").peer(&["yum-uuid"]),
    row("hostid", "hostid", Golden, "`/etc/hostid`."),
    row("iscsi-initiator", "iscsi_initiator", Golden, "The name of the iSCSI initiator; the first boot makes a new one."),
    row("nvme-host", "nvme_host", Golden, "The machine's NVMe names, `/etc/nvme/hostnqn` and `hostid`."),
    row("rancher-state", "rancher_state", Golden, "What makes a machine a node of a cluster of RKE2 or K3s; staged images stay."),
    row("kubernetes-state", "kubernetes_state", Golden, "Keys, certificates and state of kubelet, kubeadm and etcd."),
    row("cni-state", "cni_state", Golden, "Addresses that network plugins of containers have given out."),
    row("snap-state", "snap_state", Golden, "snapd's cache and the identity of the device."),
    row("qemu-guest-agent", "qemu_guest_agent", Golden, "State of the QEMU guest agent."),
    row("fs-uuids", "fs_uuids", Neither, "New UUIDs of filesystems.").peer(&["fs-uuids"])
        .refused("a new UUID must also go into fstab, the boot loader and the initramfs, which only guest programs can make anew; \
                  clones with equal UUIDs work unless two of their disks are in one machine: use `tune2fs -U random` there"),
    row("lvm-uuids", "lvm_uuids", Neither, "New UUIDs of LVM's volumes.").peer(&["lvm-uuids"])
        .refused("LVM is not supported yet"),
    row("script", "script", Neither, "A program of the host with the guest as its working directory.").peer(&["script"])
        .refused("no guest is mounted on the host; use `files` or the flags, or `run` inside the guest"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_means_one_operation() {
        let mut seen = BTreeSet::new();
        for operation in RESET_OPERATIONS {
            assert_eq!(operation.key, operation.name.replace('-', "_"), "{}", operation.name);
            let names = std::iter::once(operation.name).chain(operation.peer.iter().copied());
            for name in names.collect::<BTreeSet<_>>() {
                assert!(seen.insert(name), "{name} is there twice");
                assert_eq!(ResetOperation::find(name).map(|found| found.name), Some(operation.name));
            }
            assert!(operation.about.ends_with('.'), "{}", operation.name);
            assert!(operation.refused.is_empty() || !operation.golden && !operation.sysprep);
        }
    }

    #[test]
    fn sysprep_is_what_virt_sysprep_does_by_default() {
        // virt-sysprep(1) of 1.57, without those that are no resets: customize and script.
        let default = "abrt-data backup-files bash-history blkid-tab crash-data cron-spool dhcp-client-state \
            dhcp-server-state dovecot-data ipa-client kerberos-hostkeytab logfiles lvm-system-devices machine-id mail-spool \
            net-hostname net-hwaddr net-nmconn pacct-log package-manager-cache pam-data passwd-backups puppet-data-log \
            rh-subscription-manager rhn-systemid rpm-db samba-db-log smolt-uuid ssh-hostkeys ssh-userdir sssd-db-log \
            tmp-files udev-persistent-net utmp yum-uuid zsh-history";
        let default: BTreeSet<&str> = default.split_whitespace().collect();
        let ours = RESET_OPERATIONS.iter().filter(|operation| operation.sysprep);
        let ours: BTreeSet<&str> = ours.flat_map(|operation| operation.peer.iter().copied()).collect();
        assert_eq!(ours, default);
        for off in "ca-certificates firewall-rules flag-reconfiguration fs-uuids kerberos-data user-account lvm-uuids"
            .split(' ')
        {
            assert!(ResetOperation::find(off).is_some_and(|found| !found.sysprep), "{off}");
        }
    }
}
