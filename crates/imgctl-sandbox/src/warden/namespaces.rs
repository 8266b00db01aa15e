//! The namespaces, and who the warden is in them.

use super::failure::{Attempt as _, FUSE_DEVICE, Outcome, USER_NAMESPACE};
use crate::connection::Connection;
use crate::wire::{Failure, FromWarden, Spec, ToWarden};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, getpid, setgroups, setresgid, setresuid};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;

/// Goes into new namespaces as their root. Returns the FUSE device, opened there, if it is needed.
pub(super) fn enter(connection: &Connection, spec: &Spec) -> Outcome<Option<File>> {
    // A new user namespace takes over the limit: it then holds for all its users together.
    let (_, most) = getrlimit(Resource::RLIMIT_NPROC).or_failed("limit processes")?;
    let most = most.min(spec.most_processes);
    setrlimit(Resource::RLIMIT_NPROC, most, most).or_failed("limit processes")?;
    unshare(CloneFlags::CLONE_NEWUSER).or_failed(USER_NAMESPACE)?;
    // Before the user changes: it may be root alone who may open it. The mount must be of the same namespace.
    let device = match spec.is_extracted {
        true => None,
        false => {
            let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
            Some(device.or_failed(FUSE_DEVICE)?)
        }
    };
    let wants = FromWarden::WantsMaps(getpid().as_raw());
    connection.send(&wants).or_failed("answer")?;
    let Some((ToWarden::Mapped, _)) = connection.receive().or_failed("wait for user numbers")? else {
        return Err(Failure::new("wait for user numbers", libc::EPROTO));
    };
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(gid, gid, gid).or_failed("become the guest's root")?;
    setresuid(uid, uid, uid).or_failed("become the guest's root")?;
    setgroups(&[]).or_failed("leave the caller's groups")?;
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::CLONE_NEWPID;
    flags.set(CloneFlags::CLONE_NEWNET, !spec.has_host_network);
    unshare(flags).or_failed("make namespaces")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).or_failed("make mounts private")?;
    if !spec.has_host_network {
        // Programs that talk to themselves work without it being up, or fail as they would on a machine without a network.
        let _ = start_loopback();
    }
    Ok(device)
}

/// `ip link set lo up`.
#[expect(unsafe_code, reason = "no safe library at hand sets the flags of an interface")]
fn start_loopback() -> std::io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all zeros are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
    // SAFETY: the request lives as long as the call, and has the type that SIOCSIFFLAGS reads.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
