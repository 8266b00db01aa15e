//! What the warden could not do, in words that the caller passes on.

use crate::wire::Failure;
use nix::libc;
use std::io;

pub(super) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(action: impl Into<String>, errno: i32) -> Self {
        Self {
            action: action.into(),
            errno,
            is_harvest: false,
        }
    }
}

/// Names what was attempted.
pub(super) trait Attempt<T> {
    fn or_failed(self, action: &str) -> Outcome<T>;
}

impl<T> Attempt<T> for nix::Result<T> {
    fn or_failed(self, action: &str) -> Outcome<T> {
        self.map_err(|errno| Failure::new(action, errno as i32))
    }
}

impl<T> Attempt<T> for io::Result<T> {
    fn or_failed(self, action: &str) -> Outcome<T> {
        self.map_err(|error| Failure::new(action, error.raw_os_error().unwrap_or(libc::EIO)))
    }
}

pub(super) const USER_NAMESPACE: &str = "make a user namespace";
pub(super) const FUSE_DEVICE: &str = "open /dev/fuse";
pub(super) const FUSE_MOUNT: &str = "mount the guest's files";
pub(super) const OVERLAY: &str = "mount an overlay on the guest's files";
pub(super) const PROC: &str = "mount /proc";

/// Whether the guest's files could not be served, and no more.
pub(crate) fn is_about_fuse(action: &str) -> bool {
    [FUSE_DEVICE, FUSE_MOUNT].contains(&action)
}

/// What the user can do about it.
pub(crate) fn hint_for(action: &str) -> Option<&'static str> {
    Some(match action {
        USER_NAMESPACE => {
            "user namespaces are disabled here: allow them (sysctl user.max_user_namespaces, \
             kernel.unprivileged_userns_clone; on Ubuntu 24.04 kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor \
             profile), or in a container a seccomp profile that allows unshare and mount"
        }
        FUSE_DEVICE => {
            "load the module fuse and give your user access to the device (mode 0666); in a container, pass it in \
             (--device /dev/fuse)"
        }
        FUSE_MOUNT | OVERLAY => {
            "mounts in a user namespace need Linux 5.11 or later and, on Ubuntu 24.04, \
             kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile; in a container, a seccomp profile that \
             allows mount"
        }
        PROC => "in a container, /proc must not be masked (--security-opt unmask=ALL, or systempaths=unconfined)",
        _ => return None,
    })
}
