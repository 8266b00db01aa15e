//! Process 1 of the program's pid namespace: makes its root, starts it, reaps, and ends whatever it leaves behind.

use super::failure::{Attempt as _, Outcome, PROC};
use super::layers::ROOT;
use super::{borrowed, fork_alone, leave, program, reap};
use crate::wire::{Failure, Spec, WireEnd};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, pivot_root, sethostname};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};

/// Where scripts are, on the program's own /run.
pub(super) const SCRIPT: &str = "/run/imgctl/script";

const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Files of /proc that are about this machine.
const MASKED: [&str; 6] = [
    "kcore",
    "keys",
    "key-users",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
];

/// The process, and where it reports to: an end as two numbers, and how many processes it had to end; or what failed.
pub(super) struct Init {
    process: Pid,
    report: PipeReader,
    /// Its end tells the process that the warden is gone.
    _alive: PipeWriter,
}

#[derive(serde::Deserialize, serde::Serialize)]
enum Report {
    Ended(WireEnd, u32),
    Failed(Failure),
}

impl Init {
    pub(super) fn start(spec: &Spec) -> Outcome<Self> {
        let action = "start the first process";
        let (report, reported) = pipe().or_failed(action)?;
        let (life, alive) = pipe().or_failed(action)?;
        match fork_alone().or_failed(action)? {
            ForkResult::Parent { child } => Ok(Self {
                process: child,
                report,
                _alive: alive,
            }),
            ForkResult::Child => {
                drop((report, alive));
                let report = match run(spec, &life) {
                    Ok((end, killed)) => Report::Ended(end, killed),
                    Err(failure) => Report::Failed(failure),
                };
                send(reported, &report);
                leave(0);
            }
        }
    }

    pub(super) fn report_fd(&self) -> BorrowedFd<'_> {
        borrowed(&self.report)
    }

    /// How the program ended and how many processes were left; `None` when the process was killed before it could say so.
    pub(super) fn report(&self) -> Outcome<Option<(WireEnd, u32)>> {
        let mut bytes = Vec::new();
        (&self.report)
            .read_to_end(&mut bytes)
            .or_failed("hear how the program ended")?;
        match postcard::from_bytes(&bytes) {
            Ok(Report::Ended(end, killed)) => Ok(Some((end, killed))),
            Ok(Report::Failed(failure)) => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// Ends it, and with it everything in its namespace.
    pub(super) fn kill(&self) {
        let _ = kill(self.process, Signal::SIGKILL);
    }

    pub(super) fn wait(&self) {
        reap(self.process);
    }
}

fn send(mut to: PipeWriter, report: &Report) {
    // A warden that is gone needs no report.
    let bytes = postcard::to_stdvec(report).unwrap_or_default();
    let _ = to.write_all(&bytes);
}

fn run(spec: &Spec, life: &PipeReader) -> Outcome<(WireEnd, u32)> {
    die_with_the_warden(life)?;
    unshare(CloneFlags::CLONE_NEWNS).or_failed("make a mount namespace")?;
    sethostname(std::ffi::OsStr::new(&*String::from_utf8_lossy(&spec.host_name))).or_failed("set the host name")?;
    mounts(spec)?;
    enter_root()?;
    if let Some(text) = &spec.script {
        write_script(text)?;
    }
    let (exec, executed) = pipe().or_failed("start the program")?;
    let child = match fork_alone().or_failed("start the program")? {
        ForkResult::Child => {
            drop(exec);
            let errno = program::execute(spec, &executed);
            let mut executed = executed;
            let _ = executed.write_all(&errno.to_le_bytes());
            leave(127);
        }
        ForkResult::Parent { child } => child,
    };
    drop(executed);
    let mut exec = exec;
    let mut errno = [0; 4];
    let is_started = exec.read_exact(&mut errno).is_err();
    let end = wait_for(child);
    let killed = end_the_rest();
    Ok(match is_started {
        true => (end, killed),
        false => (WireEnd::NotStarted(i32::from_le_bytes(errno)), killed),
    })
}

/// Sees to it that this process is killed when the warden ends.
fn die_with_the_warden(life: &PipeReader) -> Outcome<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).or_failed("follow the warden")?;
    // Nobody but the kernel may look into this process.
    nix::sys::prctl::set_dumpable(false).or_failed("hide from the program")?;
    let mut waited = [nix::poll::PollFd::new(life.as_fd(), nix::poll::PollFlags::POLLIN)];
    // It may have ended before it was asked to take this process along.
    match nix::poll::poll(&mut waited, nix::poll::PollTimeout::ZERO) {
        Ok(0) => Ok(()),
        _ => Err(Failure::new("follow the warden", libc::ESRCH)),
    }
}

/// Reaps until the program has ended.
fn wait_for(child: Pid) -> WireEnd {
    loop {
        match waitpid(None::<Pid>, None) {
            Ok(WaitStatus::Exited(process, status)) if process == child => return WireEnd::Exited(status),
            Ok(WaitStatus::Signaled(process, signal, _)) if process == child => {
                return WireEnd::Signalled(signal as i32);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return WireEnd::Signalled(libc::SIGKILL),
        }
    }
}

/// Ends every other process of the namespace; how many there were.
fn end_the_rest() -> u32 {
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    let mut killed = 0;
    loop {
        match waitpid(None::<Pid>, None) {
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => killed += 1,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return killed,
        }
    }
}

fn mounts(spec: &Spec) -> Outcome<()> {
    for name in ["dev", "proc", "sys", "run", "tmp"] {
        // A link would lead out of the guest here.
        let metadata = fs::symlink_metadata(format!("{ROOT}/{name}"));
        if !metadata.is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Failure::new(
                format!("find the folder /{name} in the guest"),
                libc::ENOTDIR,
            ));
        }
    }
    let tmpfs = |name: &str, flags, options: &str| {
        let target = format!("{ROOT}/{name}");
        let mounted = mount(Some(name), target.as_str(), Some("tmpfs"), flags, Some(options));
        mounted.or_failed("mount a tmpfs")
    };
    let (nosuid, nodev, noexec) = (MsFlags::MS_NOSUID, MsFlags::MS_NODEV, MsFlags::MS_NOEXEC);
    tmpfs("dev", nosuid, "mode=755,size=64m")?;
    tmpfs("sys", nosuid | nodev | noexec | MsFlags::MS_RDONLY, "mode=555,size=4k")?;
    tmpfs("run", nosuid | nodev, "mode=755")?;
    tmpfs("tmp", nosuid | nodev, "mode=1777")?;
    let proc = format!("{ROOT}/proc");
    mount(
        Some("proc"),
        proc.as_str(),
        Some("proc"),
        nosuid | nodev | noexec,
        None::<&str>,
    )
    .or_failed(PROC)?;
    hide_machine(spec).or_failed("hide this machine in /proc")?;
    devices()
}

fn bind(from: &str, to: &str, flags: MsFlags) -> nix::Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    match flags.is_empty() {
        true => Ok(()),
        false => mount(
            None::<&str>,
            to,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags,
            None::<&str>,
        ),
    }
}

/// Settings of the kernel cannot be written, its arguments are the guest's, and what is secret is empty.
fn hide_machine(spec: &Spec) -> nix::Result<()> {
    let proc = format!("{ROOT}/proc");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let sys = format!("{proc}/sys");
    bind(&sys, &sys, flags | MsFlags::MS_RDONLY)?;
    for name in MASKED {
        let path = format!("{proc}/{name}");
        if fs::symlink_metadata(&path).is_ok() {
            bind("/dev/null", &path, MsFlags::empty())?;
        }
    }
    // On the program's own tmpfs, where nothing is yet; it stays mounted after it has lost its name.
    let file = format!("{ROOT}/dev/.cmdline");
    let io = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let mut line = spec.kernel_arguments.clone();
    line.push(b'\n');
    fs::write(&file, line).map_err(io)?;
    bind(&file, &format!("{proc}/cmdline"), MsFlags::MS_RDONLY)?;
    fs::remove_file(&file).map_err(io)
}

fn devices() -> Outcome<()> {
    let action = "make /dev";
    let dev = format!("{ROOT}/dev");
    for name in DEVICES {
        let path = format!("{dev}/{name}");
        File::create(&path).or_failed(action)?;
        bind(&format!("/dev/{name}"), &path, MsFlags::empty()).or_failed(&format!("pass /dev/{name} in"))?;
    }
    for (name, mode) in [("pts", 0o755), ("shm", 0o1777)] {
        let path = format!("{dev}/{name}");
        DirBuilder::new().mode(0o755).create(&path).or_failed(action)?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).or_failed(action)?;
    }
    let pts = format!("{dev}/pts");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let with_group = |options: &str| mount(Some("devpts"), pts.as_str(), Some("devpts"), flags, Some(options));
    with_group("newinstance,ptmxmode=0666,mode=0620,gid=5")
        // The group may have no number here.
        .or_else(|_| with_group("newinstance,ptmxmode=0666,mode=0620"))
        .or_failed("mount /dev/pts")?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, format!("{dev}/{name}")).or_failed(action)?;
    }
    Ok(())
}

/// Makes the overlay the root, with nothing of this machine behind it.
fn enter_root() -> Outcome<()> {
    let action = "make the guest the root";
    chdir(ROOT).or_failed(action)?;
    pivot_root(".", ".").or_failed(action)?;
    umount2(".", MntFlags::MNT_DETACH).or_failed(action)?;
    chdir("/").or_failed(action)
}

fn write_script(text: &[u8]) -> Outcome<()> {
    let action = "write the script";
    DirBuilder::new().mode(0o755).create("/run/imgctl").or_failed(action)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(SCRIPT)
        .or_failed(action)?;
    file.write_all(text).or_failed(action)?;
    file.set_permissions(Permissions::from_mode(0o755)).or_failed(action)
}
