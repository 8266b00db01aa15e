//! What must be true: of the base before a run (`expect`), and of the result after it (`verify`).

use super::{LinePattern, Principal};

/// The `expect` section: every field that is given must hold for the base image.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expect {
    /// `ID` of os-release.
    pub os: Option<String>,
    /// `VERSION_ID` of os-release, or its beginning up to a dot: `9` stands for 9.6, too.
    pub version: Option<String>,
    /// The architecture of the guest's programs, as `uname -m` would say.
    pub arch: Option<String>,
    /// Types that the root filesystem may have, like `ext4` and `xfs`; empty: any.
    pub root_fs: Vec<String>,
    /// The partition table: `gpt`, `mbr` or `none`.
    pub partition_table: Option<String>,
    /// Mount points that must be filesystems of their own, like `/boot`.
    pub mounts: Vec<String>,
}

/// One entry of `verify`.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// `{ file: /etc/motd, … }`
    File(FileCheck),
    /// `{ glob: "/etc/ssh/ssh_host_*", count: 0 }`
    Glob(GlobCheck),
    /// `{ package: chrony, state: installed, version: ">= 4.2" }`
    Package(PackageCheck),
    /// `{ service: chrony, state: enabled }`; the unit's whole name.
    Service {
        /// Like `chrony.service`.
        unit: String,
        /// What it must be.
        state: ServiceState,
    },
    /// `{ user: debian, … }`
    User(UserCheck),
    /// `{ group: docker, … }`
    Group(GroupCheck),
    /// `{ kernel_cmdline: contains, args: [quiet] }`: of every boot entry.
    KernelCmdline {
        /// Whether each argument must be there (`contains`) or missing (`lacks`).
        present: bool,
        /// Whole arguments, like `console=ttyS0`.
        args: Vec<String>,
    },
    /// `{ sysctl: net.ipv4.ip_forward, value: "1" }`: what the guest's sysctl.d files come to.
    Sysctl {
        /// The parameter, with dots.
        key: String,
        /// Its value.
        value: String,
    },
    /// `{ fstab: mounts_resolve }`: every source in /etc/fstab is on the disk, every mount point in the tree.
    FstabMountsResolve,
    /// `{ bootloader: root_uuid_matches }`: every `root=` of the boot loader names the root filesystem.
    BootloaderRootMatches,
    /// `{ initramfs: contains, modules: [virtio_blk] }`: of the initramfs of every installed kernel.
    InitramfsContains {
        /// Module names; `-` and `_` are the same. A module that is built into the kernel counts.
        modules: Vec<String>,
    },
    /// `{ ssh_host_keys: absent }`
    SshHostKeysAbsent,
    /// `{ machine_id: empty }`
    MachineId(MachineIdCheck),
    /// `{ secrets: absent }`: no value of the recipe's secrets is in a file of the guest, but where the recipe put it.
    SecretsAbsent,
}

/// What must be true of one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileCheck {
    /// An absolute guest path. Of a symbolic link the link itself is looked at for `type: symlink`, else its target.
    pub path: String,
    /// Whether it must be there (the default) or not; nothing else is looked at then.
    pub absent: bool,
    /// Its type.
    pub kind: Option<FileType>,
    /// Its permission bits.
    pub mode: Option<u16>,
    /// Its owner.
    pub owner: Option<Principal>,
    /// Its group.
    pub group: Option<Principal>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Text that it holds.
    pub contains: Option<String>,
    /// An expression that some line of it matches.
    pub matches: Option<LinePattern>,
}

/// What a path can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// How many paths match a pattern.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GlobCheck {
    /// An absolute guest path with `*`, `?` and `[…]`.
    pub pattern: String,
    /// The fewest; without any bound: 1.
    pub min: Option<u64>,
    /// The most.
    pub max: Option<u64>,
}

/// What must be true of a package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PackageCheck {
    /// Its name in the guest's package manager.
    pub name: String,
    /// Whether it must be missing.
    pub absent: bool,
    /// What its version must be; several hold together.
    pub version: Vec<VersionRequirement>,
}

/// One comparison of a version, by the rules of the guest's package manager.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VersionRequirement {
    /// How to compare.
    pub comparison: Comparison,
    /// The version to compare with.
    pub version: String,
}

/// `=`, `!=`, `<`, `<=`, `>`, `>=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// `=`, and a version alone.
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What a unit can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceState {
    /// Something starts it at boot.
    Enabled,
    /// It is there, and nothing starts it at boot; a unit that is not there is disabled, too.
    Disabled,
    /// It cannot be started.
    Masked,
}

/// What must be true of a user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserCheck {
    /// The login name.
    pub name: String,
    /// Whether the user must be missing; nothing else is looked at then.
    pub absent: bool,
    /// The number.
    pub uid: Option<u32>,
    /// The home directory.
    pub home: Option<String>,
    /// The login shell.
    pub shell: Option<String>,
    /// Groups that the user must be in.
    pub groups: Vec<String>,
    /// Whether the password is locked (no password logs in) or not.
    pub locked: Option<bool>,
}

/// What must be true of a group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupCheck {
    /// Its name.
    pub name: String,
    /// Whether it must be missing; nothing else is looked at then.
    pub absent: bool,
    /// Its number.
    pub gid: Option<u32>,
}

/// What /etc/machine-id can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MachineIdCheck {
    /// An empty file.
    Empty,
    /// The word `uninitialized`.
    Uninitialized,
    /// An id.
    Set,
}
