//! What `reset: { profile: golden }` must leave.

use crate::expected::Expected;

/// The tree after a golden reset with an empty machine-id.
pub(crate) fn golden(tree: &mut Expected) {
    tree.file("/etc/machine-id", b"");
    tree.remove_where(|path| path.starts_with("/etc/ssh/ssh_host_"));
    tree.empty("/var/lib/cloud");
    tree.remove("/var/log/cloud-init.log");
    tree.remove("/var/log/cloud-init-output.log");
    tree.empty("/tmp");
    tree.empty("/var/tmp");
}
