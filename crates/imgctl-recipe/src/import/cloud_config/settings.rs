//! Names and small settings, and why other sections have no place in a recipe.

use super::super::yaml::{Child, Value};
use super::Importer;
use super::document::{Document, flag, text, texts};
use crate::node::Node;

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
        &["apt", "apt_sources", "apt_mirror", "zypper"],
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
        "write it by `files` as /etc/ssh/sshd_config.d/10-root.conf: PermitRootLogin no",
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
    (&["groups"], "groups are only written as those of `users`"),
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

    /// `ssh_pwauth`, in the file where cloud-init keeps it.
    pub(super) fn password_logins(&mut self, node: &Node) {
        let word = match (flag(node), text(node)) {
            (Some(true), _) => "yes",
            (Some(false), _) => "no",
            (None, Some("unchanged")) => return,
            _ => {
                self.draft.left_out("ssh_pwauth", "it is neither true nor false");
                return;
            }
        };
        let keys = vec![
            ("mode", Child::part(Value::text("0600"))),
            (
                "content",
                Child::part(Value::Text(format!("PasswordAuthentication {word}\n"))),
            ),
        ];
        self.draft
            .file("ssh_pwauth", "/etc/ssh/sshd_config.d/50-cloud-init.conf", keys);
        self.draft
            .remark("ssh_pwauth", "needs an sshd that reads /etc/ssh/sshd_config.d");
    }
}
