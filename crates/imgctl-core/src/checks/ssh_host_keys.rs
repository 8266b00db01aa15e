//! `ssh_host_keys`: no machine's keys in the image.

use super::{Found, Scene, Verdict};

pub(super) fn judge(scene: &Scene<'_>) -> Verdict {
    Verdict::new("SSH host keys", "absent", found(scene))
}

fn found(scene: &Scene<'_>) -> Found {
    let paths = scene.guest.glob("/etc/ssh/ssh_host_*_key*")?;
    Ok(paths.iter().map(ToString::to_string).collect())
}
