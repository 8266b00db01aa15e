//! Names and small settings, and why other sections have no place in a recipe.

use super::super::yaml::{Child, Value};
use super::Importer;
use super::document::{Document, flag, items, text, texts};
use crate::node::{Node, NodeKind};

/// Sections that are left out, with the reason.
pub(super) const REASONS: &[(&[&str], &str)] = &[
    (
        &[
            "power_state",
            "final_message",
            "phone_home",
            "output",
            "package_reboot_if_required",
        ],
        "it is about a machine that boots, not about the image",
    ),
    (
        &["apt_sources", "apt_mirror", "zypper"],
        "repositories are written as `packages.repos`; a proxy as a file",
    ),
    (
        &["ntp"],
        "install a time service by `packages`, write its configuration by `files`, enable it by `services`",
    ),
    (
        &[
            "disk_setup",
            "fs_setup",
            "mounts",
            "swap",
            "growpart",
            "resize_rootfs",
            "bootsync",
            "device_aliases",
        ],
        "`disk` gives the image's disk another size; other disks, mounts and swap are left to the machine",
    ),
    (
        &["chpasswd", "password"],
        "a password does not belong in a recipe: name a secret, `password: \"${{ secrets.NAME }}\"`, or give \
         `password_hash`",
    ),
    (
        &["disable_root", "disable_root_opts"],
        "whether root logs in is written as `sshd: { permit_root_login: \"no\" }`",
    ),
    (
        &[
            "ssh_keys",
            "ssh_deletekeys",
            "ssh_genkeytypes",
            "ssh_publish_hostkeys",
            "ssh_quiet_keygen",
        ],
        "an image for many machines has no host keys: `reset: { ssh_hostkeys: true }`",
    ),
    (
        &["ssh_import_id"],
        "it fetches keys from a service: write them into `ssh_authorized_keys`",
    ),
    (
        &[
            "manage_etc_hosts",
            "manage_resolv_conf",
            "resolv_conf",
            "preserve_hostname",
            "create_hostname_file",
        ],
        "`hostname` also sets the name in /etc/hosts of Debian's relatives; other names are written by `files`",
    ),
    (
        &[
            "datasource",
            "datasource_list",
            "system_info",
            "cloud_init_modules",
            "cloud_config_modules",
            "cloud_final_modules",
        ],
        "it configures cloud-init itself: write it by `files` below /etc/cloud/cloud.cfg.d",
    ),
    (
        &["network"],
        "write the configuration of the guest's network program by `files`",
    ),
    (
        &[
            "snap",
            "ubuntu_pro",
            "ubuntu_advantage",
            "rh_subscription",
            "spacewalk",
            "landscape",
            "lxd",
            "ansible",
            "puppet",
            "chef",
            "salt_minion",
            "mcollective",
            "wireguard",
            "fan",
        ],
        "that program's own configuration is written by `files`, and what must run by `run`",
    ),
    (&["random_seed"], "an image for many machines has no seed"),
    (
        &["merge_how", "merge_type"],
        "several cloud-configs are merged by cloud-init only",
    ),
];

/// The most characters of a section's name that notes show.
const MAX_NAME_CHARS: usize = 64;

pub(super) fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

impl Importer<'_> {
    /// `hostname` and `fqdn`, of which /etc/hostname has one.
    pub(super) fn host_name(&mut self, document: &Document<'_>) {
        let mut word = |name: &str| document.get(name).and_then(|node| self.word(name, node));
        let names = (word("hostname"), word("fqdn"));
        let prefers_fqdn = document.flag("prefer_fqdn_over_hostname") == Some(true);
        let (first, second) = match names {
            (Some(short), Some(long)) if prefers_fqdn => (Some(long), Some(short)),
            (Some(short), Some(long)) => (Some(short), Some(long)),
            (short, long) => (short.or(long), None),
        };
        self.draft.hostname = first;
        if let Some((text, name)) = second {
            self.draft
                .left_out(format!("{name} {}", shown(&text)), "a recipe has one `hostname`");
        }
    }

    pub(super) fn keyboard(&mut self, node: &Node) {
        let Some(section) = self.section("keyboard", node) else {
            return;
        };
        let mut keys = Vec::new();
        for key in ["layout", "model", "variant"] {
            if let Some(text) = section.text(key) {
                keys.push((key, Child::part(Value::text(text))));
            }
        }
        if let Some(options) = section.get("options").and_then(texts) {
            let options = options.iter().flat_map(|options| options.split(','));
            let options = options.map(|option| Child::part(Value::text(option.trim()))).collect();
            keys.push(("options", Child::part(Value::List(options))));
        }
        self.draft.keyboard = Some(Child::of("keyboard", Value::Map(keys)));
    }

    /// `ssh_pwauth`: whether passwords log in.
    pub(super) fn password_logins(&mut self, node: &Node) {
        match (flag(node), text(node)) {
            (Some(allowed), _) => {
                let value = Value::Plain(allowed.to_string());
                self.draft
                    .sshd
                    .push(("password_authentication", Child::of("ssh_pwauth", value)));
            }
            (None, Some("unchanged")) => {}
            _ => self.draft.left_out("ssh_pwauth", "it is neither true nor false"),
        }
    }

    /// `groups`: names, or names with their members.
    pub(super) fn groups(&mut self, node: &Node) {
        let entries: Vec<&Node> = match (&node.kind, items(node)) {
            (NodeKind::Mapping(_), _) => vec![node],
            (_, Some(items)) => items.iter().collect(),
            _ => {
                self.draft.left_out("groups", "it is not a list");
                return;
            }
        };
        for (index, entry) in entries.into_iter().enumerate() {
            let from = format!("groups[{index}]");
            let NodeKind::Mapping(_) = entry.kind else {
                match text(entry) {
                    Some(name) => self.group(&from, name, &[]),
                    None => self.draft.left_out(from, "it is no name"),
                }
                continue;
            };
            for (name, members) in Document::new(entry).entries() {
                match texts(members) {
                    Some(members) => self.group(&from, name, &members),
                    None => self
                        .draft
                        .left_out(format!("{from} {}", shown(name)), "its members are no names"),
                }
            }
        }
    }

    fn group(&mut self, from: &str, name: &str, members: &[&str]) {
        let from = format!("{from} {}", shown(name));
        let members = members.iter().map(|member| Child::part(Value::text(*member)));
        let entry = vec![
            ("name", Child::part(Value::text(name))),
            ("members", Child::part(Value::List(members.collect()))),
        ];
        self.draft.groups.push(Child::of(from, Value::Map(entry)));
    }
}
