//! Thirteen file operations, as a recipe and as arguments of virt-customize.

use std::path::Path;

use anyhow::Result;

/// The recipe's name in the scratch folder.
pub(crate) const RECIPE: &str = "bench.yaml";

const TEXT: &str = r#"apiVersion: imgctl/v1
kind: Recipe
files:
  - { path: /etc/motd, content: "A golden image.\n" }
  - { path: /etc/sysctl.d/90-bench.conf, content: "net.ipv4.ip_forward = 1\n" }
  - { path: /etc/containerd/config.toml, source: small, mode: "0644", owner: root }
  - { path: /usr/local/bin/node-ready, source: small, mode: "0755", owner: root }
  - { path: /opt/agent/agent, source: large, mode: "0755", owner: root }
  - { path: /srv/app/data, type: directory, mode: "0750" }
  - { path: /srv/app/current, type: symlink, target: data }
  - { path: /etc/profile, append: "umask 027\n" }
  - { path: /etc/default/grub, line: "GRUB_TIMEOUT=1", match: "^GRUB_TIMEOUT=" }
  - { path: /etc/shadow, mode: "0600" }
  - { path: /etc/hostname, content: "bench\n" }
  - { path: /etc/issue.net, state: absent }
  - { path: "/var/lib/apt/lists/*", state: absent }
"#;

/// The same for virt-customize, one after another; `small` and `large` lie in the scratch folder.
pub(crate) const VIRT_CUSTOMIZE: &[[&str; 2]] = &[
    ["--write", "/etc/motd:A golden image.\n"],
    ["--write", "/etc/sysctl.d/90-bench.conf:net.ipv4.ip_forward = 1\n"],
    ["--mkdir", "/etc/containerd"],
    ["--upload", "small:/etc/containerd/config.toml"],
    ["--upload", "small:/usr/local/bin/node-ready"],
    ["--chmod", "0755:/usr/local/bin/node-ready"],
    ["--mkdir", "/opt/agent"],
    ["--upload", "large:/opt/agent/agent"],
    ["--chmod", "0755:/opt/agent/agent"],
    ["--mkdir", "/srv/app/data"],
    ["--chmod", "0750:/srv/app/data"],
    ["--link", "data:/srv/app/current"],
    ["--append-line", "/etc/profile:umask 027"],
    ["--edit", "/etc/default/grub:s/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=1/"],
    ["--chmod", "0600:/etc/shadow"],
    ["--write", "/etc/hostname:bench\n"],
    ["--delete", "/etc/issue.net"],
    ["--delete", "/var/lib/apt/lists/*"],
];

/// Writes the recipe and its files into `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    std::fs::write(folder.join(RECIPE), TEXT)?;
    std::fs::write(folder.join("small"), "version = 3\n")?;
    let large: Vec<u8> = (0..1_u32 << 18)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b1).to_le_bytes())
        .collect();
    std::fs::write(folder.join("large"), large)?;
    Ok(())
}
