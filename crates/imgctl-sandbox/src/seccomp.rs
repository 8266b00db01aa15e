//! What the program may not ask of the kernel, whoever it is: a filter of system calls.
//!
//! The namespaces keep it in; this keeps it from the parts of the kernel where most ways out were found.

use nix::errno::Errno;
use nix::libc::{self, sock_filter};

/// Answered with EPERM, as to somebody without the right to.
const DENIED: &[libc::c_long] = &[
    // Mounts.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys, tracing, programs in the kernel.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Files by handles, past the folders above them.
    libc::SYS_open_by_handle_at,
];

/// Answered with ENOSYS, so that programs do without.
const UNKNOWN: &[libc::c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Its flags cannot be seen by a filter; libraries go on with clone.
    libc::SYS_clone3,
];

const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Offsets in `struct seccomp_data` (linux/seccomp.h); arguments are of 64 bits, the lower half first on these machines.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENT_0: u32 = 16;
const ARGUMENT_1: u32 = 24;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const NATIVE: u32 = 0xc000_00f3;

/// Numbers from here on are those of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

fn error(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | (errno.cast_unsigned() & libc::SECCOMP_RET_DATA)
}

fn statement(code: u32, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = u16::try_from(code).unwrap_or(0);
    sock_filter { code, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn answer(value: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, value)
}

/// Skips `over` instructions unless what was loaded equals `k`.
fn unless_equal(k: u32, over: u8) -> sock_filter {
    jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k, 0, over)
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn filter() -> Vec<sock_filter> {
    let mut filter = vec![
        load(ARCHITECTURE),
        jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, NATIVE, 1, 0),
        // Programs of another width have other numbers.
        answer(error(libc::ENOSYS)),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    filter.extend([
        jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32, 0, 1),
        answer(error(libc::ENOSYS)),
    ]);
    for (calls, errno) in [(DENIED, libc::EPERM), (UNKNOWN, libc::ENOSYS)] {
        for call in calls {
            filter.extend([unless_equal(number(*call), 1), answer(error(errno))]);
        }
    }
    filter.extend([
        unless_equal(number(libc::SYS_clone), 4),
        load(ARGUMENT_0),
        jump(
            libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
            NAMESPACES.cast_unsigned(),
            0,
            1,
        ),
        answer(error(libc::EPERM)),
        answer(ALLOW),
        // Typing into a terminal.
        unless_equal(number(libc::SYS_ioctl), 5),
        load(ARGUMENT_1),
        unless_equal(u32::try_from(libc::TIOCSTI).unwrap_or(0), 1),
        answer(error(libc::EPERM)),
        unless_equal(u32::try_from(libc::TIOCLINUX).unwrap_or(0), 1),
        answer(error(libc::EPERM)),
        answer(ALLOW),
    ]);
    filter
}

/// Installs the filter for this process and all that come of it. It must be root in its user namespace.
#[expect(unsafe_code, reason = "no safe library at hand installs a filter")]
pub(crate) fn install() -> nix::Result<()> {
    let mut filter = filter();
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(0),
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its instructions live as long as the call; the kernel checks and copies them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers to a call, by a reading of its own.
    fn judge(architecture: u32, call: libc::c_long, arguments: [u32; 2]) -> u32 {
        let (mut at, mut loaded) = (0_usize, 0_u32);
        let filter = filter();
        loop {
            let step = &filter[at];
            let code = u32::from(step.code);
            at += 1;
            if code == libc::BPF_RET | libc::BPF_K {
                return step.k;
            } else if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                loaded = match step.k {
                    NUMBER => number(call),
                    ARCHITECTURE => architecture,
                    ARGUMENT_0 => arguments[0],
                    ARGUMENT_1 => arguments[1],
                    other => panic!("{other}"),
                };
                continue;
            }
            let holds = match code & 0xf0 {
                libc::BPF_JEQ => loaded == step.k,
                libc::BPF_JGE => loaded >= step.k,
                libc::BPF_JSET => loaded & step.k != 0,
                other => panic!("{other}"),
            };
            at += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[test]
    fn what_leads_out_is_answered_with_errors() {
        for call in DENIED {
            assert_eq!(judge(NATIVE, *call, [0, 0]), error(libc::EPERM));
        }
        assert_eq!(judge(NATIVE, libc::SYS_clone3, [0, 0]), error(libc::ENOSYS));
        assert_eq!(
            judge(NATIVE, libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0]),
            error(libc::EPERM)
        );
        assert_eq!(judge(NATIVE, libc::SYS_clone, [libc::CLONE_VM as u32, 0]), ALLOW);
        assert_eq!(
            judge(NATIVE, libc::SYS_ioctl, [0, libc::TIOCSTI as u32]),
            error(libc::EPERM)
        );
        assert_eq!(judge(NATIVE, libc::SYS_ioctl, [0, libc::TIOCGWINSZ as u32]), ALLOW);
        for call in [libc::SYS_openat, libc::SYS_execve, libc::SYS_chroot, libc::SYS_fchown] {
            assert_eq!(judge(NATIVE, call, [0, 0]), ALLOW);
        }
        assert_eq!(judge(1, libc::SYS_openat, [0, 0]), error(libc::ENOSYS));
    }
}
