//! What is to be run, and how.

use imgctl_vfs::GuestPath;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The program that becomes the warden: one whose `main` begins with [`warden`](crate::warden).
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// What comes before the warden's own arguments.
    pub arguments: Vec<OsString>,
}

impl Default for Launcher {
    /// The running program itself.
    fn default() -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            arguments: Vec::new(),
        }
    }
}

/// What runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// A program and its arguments, looked for along the `PATH` of the environment.
    Program(Vec<Vec<u8>>),
    /// A script, and its arguments. Without a `#!` line, `/bin/sh -e` runs it.
    Script {
        /// The script's bytes.
        text: Vec<u8>,
        /// Its arguments.
        arguments: Vec<Vec<u8>>,
    },
}

/// What can be reached over a network.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Network {
    /// Nothing but the program itself, by a loopback interface of its own.
    #[default]
    None,
    /// All that this machine reaches, itself included.
    Host,
}

/// How the guest's files come into the sandbox.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Files {
    /// Served where that works, else extracted, with a warning.
    #[default]
    Auto,
    /// Served through FUSE: nothing is read that the program does not read.
    Served,
    /// Written to the scratch folder first, all of them.
    Extracted,
}

/// A file that the program sees and that is no part of the guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InjectedFile {
    /// Where. Links on the way are followed, one in the last place is replaced. Left out where the folder does not exist.
    pub path: GuestPath,
    /// Permission bits.
    pub mode: u16,
    /// Its content.
    pub content: Vec<u8>,
}

/// Where new and changed files are left out of a change set by default: below a path that ends in a slash, or the very
/// path. What is removed there is removed.
pub const LEFT_OUT: &[&str] = &[
    // Lists and archives of package managers: they are fetched anew, and outdated the day after.
    "/var/lib/apt/lists/",
    "/var/cache/apt/",
    "/var/cache/dnf/",
    "/var/cache/libdnf5/",
    "/var/cache/yum/",
    "/var/cache/PackageKit/",
    "/var/cache/zypp/",
    "/var/cache/apk/",
    "/var/cache/pacman/pkg/",
    "/var/lib/pacman/sync/",
    // Inode numbers and times of this run.
    "/var/cache/ldconfig/aux-cache",
    // What package managers log with the time of day.
    "/var/log/apt/",
    "/var/log/dpkg.log",
    "/var/log/alternatives.log",
    "/var/log/dnf.log",
    "/var/log/dnf.rpm.log",
    "/var/log/dnf.librepo.log",
    "/var/log/dnf5.log",
    "/var/log/hawkey.log",
    "/var/log/yum.log",
    "/var/log/zypp/",
    "/var/log/zypper.log",
    "/var/log/apk.log",
    "/var/log/pacman.log",
];

/// One run of one program.
#[derive(Clone, Debug)]
pub struct Request {
    /// What runs.
    pub command: Command,
    /// Its whole environment.
    pub environment: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The folder it begins in.
    pub folder: GuestPath,
    /// Who runs it: user, group, and further groups.
    pub user: (u32, u32, Vec<u32>),
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// What it reaches.
    pub network: Network,
    /// How it gets the guest's files.
    pub files: Files,
    /// What it sees besides the guest's files.
    pub injected: Vec<InjectedFile>,
    /// The machine's name, as it sees it.
    pub host_name: Vec<u8>,
    /// `/proc/cmdline`, as it sees it: without a line break.
    pub kernel_arguments: Vec<u8>,
    /// The folder on this machine for what it writes; it should be on a disk.
    pub scratch: PathBuf,
    /// Whether what it changed is wanted, if it succeeds.
    pub wants_changes: bool,
    /// Where changes are left out, in the form of [`LEFT_OUT`].
    pub left_out: Vec<Vec<u8>>,
    /// How many processes and threads it may have.
    pub most_processes: u64,
    /// How many bytes must stay free in `scratch`.
    pub reserve_bytes: u64,
    /// The program that becomes the warden.
    pub launcher: Launcher,
}

impl Request {
    /// A run of `command` as root, with nothing in its environment, without a network.
    #[must_use]
    pub fn new(command: Command, scratch: PathBuf) -> Self {
        Self {
            command,
            environment: BTreeMap::new(),
            folder: GuestPath::root(),
            user: (0, 0, Vec::new()),
            timeout: None,
            network: Network::None,
            files: Files::Auto,
            injected: Vec::new(),
            host_name: b"localhost".to_vec(),
            kernel_arguments: Vec::new(),
            scratch,
            wants_changes: true,
            left_out: LEFT_OUT.iter().map(|path| path.as_bytes().to_vec()).collect(),
            most_processes: 8192,
            reserve_bytes: 64 << 20,
            launcher: Launcher::default(),
        }
    }
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// How the program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It took longer than it may, and was killed.
    TimedOut,
    /// It filled the folder for what it writes, and was killed.
    NoSpace,
}

impl End {
    /// Whether it did what it was asked to.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}
