//! From the first process to the guest's program: limits, capabilities, users, exec.

use super::init::SCRIPT;
use crate::seccomp;
use crate::wire::Spec;
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, dup2_stdin, execve, setgroups, setresgid, setresuid, setsid};
use std::ffi::CString;
use std::fs::File;
use std::io::PipeWriter;
use std::os::fd::AsRawFd as _;

/// What the guest's root may do, in numbers of capabilities(7): files and their owners (0 to 5), users (6, 7), its own
/// capabilities (8), low ports (10), chroot (18), audit messages (29), capabilities of files (31).
const KEPT_CAPABILITIES: u64 = 0x1ff | 1 << 10 | 1 << 18 | 1 << 29 | 1 << 31;

/// Capabilities that a kernel may know.
const CAPABILITIES: u32 = 64;

/// Becomes the program. Returns only when that fails.
pub(super) fn execute(spec: &Spec, keep: &PipeWriter) -> i32 {
    match prepare(spec, keep) {
        Ok((words, environment)) => start(&words, &environment) as i32,
        Err(errno) => errno as i32,
    }
}

type Words = Vec<CString>;

fn prepare(spec: &Spec, keep: &PipeWriter) -> nix::Result<(Words, Words)> {
    let io = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    setsid()?;
    dup2_stdin(File::open("/dev/null").map_err(io)?)?;
    umask(Mode::from_bits_truncate(0o022));
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    close_all_but(keep)?;
    let words = c_words(words(spec))?;
    let pair = |(name, value): &(Vec<u8>, Vec<u8>)| [name, &b"="[..], value].concat();
    let environment = c_words(spec.environment.iter().map(pair).collect())?;
    seccomp::install()?;
    drop_capabilities()?;
    // In the order in which the right to do the next is not lost.
    let groups: Vec<Gid> = spec.groups.iter().map(|group| Gid::from_raw(*group)).collect();
    setgroups(&groups)?;
    let (uid, gid) = (Uid::from_raw(spec.uid), Gid::from_raw(spec.gid));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    chdir(c_word(spec.folder.clone())?.as_c_str())?;
    nix::sys::prctl::set_dumpable(true)?;
    Ok((words, environment))
}

fn words(spec: &Spec) -> Vec<Vec<u8>> {
    let mut words = match &spec.script {
        None => Vec::new(),
        Some(text) if text.starts_with(b"#!") => vec![SCRIPT.as_bytes().to_vec()],
        Some(_) => vec![b"/bin/sh".to_vec(), b"-e".to_vec(), SCRIPT.as_bytes().to_vec()],
    };
    words.extend(spec.arguments.iter().cloned());
    words
}

fn c_word(word: Vec<u8>) -> nix::Result<CString> {
    CString::new(word).map_err(|_| Errno::EINVAL)
}

fn c_words(words: Vec<Vec<u8>>) -> nix::Result<Words> {
    words.into_iter().map(c_word).collect()
}

/// Executes the program, looked for along the `PATH` of its own environment.
fn start(words: &[CString], environment: &[CString]) -> Errno {
    let Some(program) = words.first() else {
        return Errno::ENOENT;
    };
    if program.as_bytes().contains(&b'/') {
        return failed(execve(program, words, environment));
    }
    let path = environment
        .iter()
        .find_map(|word| word.as_bytes().strip_prefix(b"PATH="));
    let mut last = Errno::ENOENT;
    for folder in path.unwrap_or(b"/usr/bin:/bin").split(|byte| *byte == b':') {
        let Ok(candidate) = c_word([folder, b"/", program.as_bytes()].concat()) else {
            continue;
        };
        match failed(execve(&candidate, words, environment)) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            errno => last = errno,
        }
    }
    last
}

fn failed(executed: nix::Result<std::convert::Infallible>) -> Errno {
    match executed {
        Ok(never) => match never {},
        Err(errno) => errno,
    }
}

/// Of this process, the program inherits its three streams and nothing else.
#[expect(unsafe_code, reason = "no safe library closes descriptors that it does not own")]
fn close_all_but(keep: &PipeWriter) -> nix::Result<()> {
    let keep = libc::c_uint::try_from(keep.as_raw_fd()).unwrap_or(0);
    for (first, last) in [(3, keep.wrapping_sub(1)), (keep.wrapping_add(1), libc::c_uint::MAX)] {
        if first <= last {
            // SAFETY: what owns these descriptors is not used in this process any more: it executes, or ends.
            let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            Errno::result(result)?;
        }
    }
    Ok(())
}

/// Whoever is root in the guest has only these from here on, whatever is executed.
#[expect(unsafe_code, reason = "no safe library at hand sets capabilities")]
fn drop_capabilities() -> nix::Result<()> {
    for capability in (0..CAPABILITIES).filter(|capability| KEPT_CAPABILITIES & (1 << capability) == 0) {
        // SAFETY: it takes numbers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
        match Errno::result(result) {
            // The kernel knows no such capability.
            Ok(_) | Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    let header: [u32; 2] = [0x2008_0522, 0];
    let low = u32::try_from(KEPT_CAPABILITIES & u64::from(u32::MAX)).unwrap_or(0);
    let high = u32::try_from(KEPT_CAPABILITIES >> 32).unwrap_or(0);
    // Effective, permitted, inheritable: of the lower half, then of the upper one.
    let data: [u32; 6] = [low, low, 0, high, high, 0];
    // SAFETY: version 3 of the call (linux/capability.h) reads a header of two words and data of six.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    Errno::result(result).map(drop)
}
