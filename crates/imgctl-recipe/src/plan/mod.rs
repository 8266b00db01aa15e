//! What a recipe asks for, checked and typed: the only thing that leaves this crate besides findings.
//!
//! A plan says what should *exist*; how to make it so is the business of `imgctl-core`'s steps.

mod boot;
mod checks;
mod first_boot;
mod keyboard;
mod network;
mod secret;
mod users;

use std::path::PathBuf;

pub use boot::*;
pub use checks::*;
pub use first_boot::*;
pub use keyboard::*;
pub use network::*;
pub(crate) use secret::SHORTEST_SECRET;
pub use secret::{Redactor, Secret};
pub use users::*;

/// A whole recipe, without findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// `metadata.name`, where given.
    pub name: Option<String>,
    /// `expect`: what the base must be, checked before anything else.
    pub expect: Option<Sourced<Expect>>,
    /// `hostname`.
    pub hostname: Option<Sourced<String>>,
    /// `groups`, in the recipe's order.
    pub groups: Vec<Sourced<GroupEntry>>,
    /// `timezone`: a name of the tz database.
    pub timezone: Option<Sourced<String>>,
    /// `locale`: what `LANG` is set to.
    pub locale: Option<Sourced<String>>,
    /// `keyboard`.
    pub keyboard: Option<Sourced<Keyboard>>,
    /// `users`, in the recipe's order.
    pub users: Vec<Sourced<User>>,
    /// `files`, in the recipe's order.
    pub files: Vec<Sourced<FileEntry>>,
    /// `sshd`.
    pub sshd: Sshd,
    /// `kernel`.
    pub kernel: Kernel,
    /// `sysctl`, in the recipe's order.
    pub sysctl: Vec<Sourced<SysctlFile>>,
    /// `fstab`, in the recipe's order.
    pub fstab: Vec<Sourced<Mount>>,
    /// `swap`.
    pub swap: Option<Sourced<SwapFile>>,
    /// `network`.
    pub network: Option<Sourced<Network>>,
    /// `cloud_init`.
    pub cloud_init: Option<Sourced<CloudInit>>,
    /// `services`.
    pub services: Services,
    /// `services.user`: units of every user's session.
    pub user_services: Services,
    /// `services.default_target`.
    pub default_target: Option<Sourced<String>>,
    /// `first_boot`, in the recipe's order.
    pub first_boot: Vec<Sourced<FirstBoot>>,
    /// `reset`; `None` when the recipe has no such section.
    pub reset: Option<Sourced<Reset>>,
    /// `verify`, in the recipe's order.
    pub verify: Vec<Sourced<Check>>,
    /// `outputs`.
    pub outputs: Outputs,
    /// The secrets that have a value: none of them may be shown.
    pub secrets: Vec<Secret>,
    /// Keys of the language that the recipe uses and that cannot be carried out yet, like `packages`: such a plan is
    /// refused before an image is opened.
    pub unsupported: Vec<Sourced<String>>,
}

/// A value with the place in the recipe that asked for it, for messages of later stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub origin: Origin,
}

/// A place in a recipe file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The recipe file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The path inside the document, like `files[2].mode`.
    pub key: String,
}

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileEntry {
    /// The absolute guest path; with [`FileAction::Absent`] a glob.
    pub path: String,
    /// What should be there.
    pub action: FileAction,
    /// Permission bits; `None`: 0644 for a new file, 0755 for a new directory, unchanged for an existing one.
    pub mode: Option<u16>,
    /// Owner; `None`: root for a new file, unchanged for an existing one.
    pub owner: Option<Principal>,
    /// Group, likewise.
    pub group: Option<Principal>,
    /// Whether a secret is in it: the change is reported without difference and digest.
    pub sensitive: bool,
}

/// What should be at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum FileAction {
    /// A regular file with exactly this content.
    Content(Content),
    /// A directory (parents are made as needed).
    Directory,
    /// A symbolic link to this target.
    Symlink(String),
    /// Nothing: what the glob matches is removed, directories with all they hold.
    Absent,
    /// A regular file that ends in this text, unless it holds these lines already.
    Append(String),
    /// A regular file with this line (`line`, and optionally `match`).
    Line {
        /// The line, without its end.
        line: String,
        /// The last line that matches is replaced; without a match the line is added at the end.
        replaces: Option<LinePattern>,
    },
    /// What is there, with this entry's mode and owner.
    Metadata,
}

/// A regular expression that compiled when the recipe was read.
#[derive(Clone, Debug)]
pub struct LinePattern(pub regex::bytes::Regex);

impl PartialEq for LinePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// Where a file's bytes come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// From the recipe itself.
    Inline(String),
    /// From this host file, which was there when the recipe was read.
    Source(PathBuf),
}

/// A user or group, by name (looked up in the guest) or number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principal {
    /// By name.
    Name(String),
    /// By number.
    Id(u32),
}

/// The lists of the `services` section, or of its `user`: unit names, `.service` where the recipe gave no suffix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Services {
    /// Units that start at boot.
    pub enable: Vec<Sourced<String>>,
    /// Units that do not.
    pub disable: Vec<Sourced<String>>,
    /// Units that cannot be started at all.
    pub mask: Vec<Sourced<String>>,
    /// Units that can be started again.
    pub unmask: Vec<Sourced<String>>,
    /// Units that start or not as the guest's preset files say.
    pub preset: Vec<Sourced<String>>,
    /// Where it says that all units but the listed ones follow the preset files.
    pub preset_all: Option<Origin>,
}

/// The `reset` section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reset {
    /// Which operations run unless named below.
    pub profile: ResetProfile,
    /// What becomes of /etc/machine-id.
    pub machine_id: MachineId,
    /// Operations by name, switched on (`true`) or off; they win over the profile.
    pub operations: Vec<(ResetOperation, bool)>,
}

/// A named set of reset operations.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResetProfile {
    /// Everything that must not travel from one machine to its clones.
    #[default]
    Golden,
    /// Nothing but what is named.
    None,
}

/// The states that /etc/machine-id can be left in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MachineId {
    /// An empty file: a new id at first boot, `ConditionFirstBoot=` stays false.
    #[default]
    Empty,
    /// The word `uninitialized`: a new id, and units with `ConditionFirstBoot=yes` run.
    Uninitialized,
    /// As it is.
    Keep,
}

/// What a reset can remove. `ALL` is in the order in which they run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResetOperation {
    /// SSH host keys; something in the guest is made sure to create new ones.
    SshHostkeys,
    /// cloud-init's state, as `cloud-init clean --logs --seed`.
    CloudInit,
    /// Log files and the journal.
    Logs,
    /// Package manager caches.
    PackageCache,
    /// Shell histories.
    ShellHistory,
    /// Stored random seeds and the systemd credential secret.
    RandomSeed,
    /// What lies in /tmp and /var/tmp.
    Tmp,
    /// DHCP leases and other network identity.
    DhcpState,
}

impl ResetOperation {
    /// Every operation, in the order in which they run.
    pub const ALL: [Self; 8] = [
        Self::SshHostkeys,
        Self::CloudInit,
        Self::Logs,
        Self::PackageCache,
        Self::ShellHistory,
        Self::RandomSeed,
        Self::Tmp,
        Self::DhcpState,
    ];

    /// The recipe's key for it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::SshHostkeys => "ssh_hostkeys",
            Self::CloudInit => "cloud_init",
            Self::Logs => "logs",
            Self::PackageCache => "package_cache",
            Self::ShellHistory => "shell_history",
            Self::RandomSeed => "random_seed",
            Self::Tmp => "tmp",
            Self::DhcpState => "dhcp_state",
        }
    }
}

/// The `outputs` section. The command line wins over it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// The one image to write; several come later.
    pub image: Option<Sourced<OutputImage>>,
    /// What holds for an image that is named on the command line.
    pub defaults: OutputDefaults,
    /// Digests to write beside the image.
    pub checksums: Vec<ChecksumKind>,
}

/// `outputs.defaults`; an entry of `outputs.images` has them filled in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OutputDefaults {
    /// Format; `None`: qcow2.
    pub format: Option<OutputFormat>,
    /// Compression; `None`: zlib.
    pub compression: Option<Compression>,
    /// The size of qcow2 clusters in bytes, a power of two; `None`: 64 KiB.
    pub cluster_bytes: Option<u64>,
}

/// One entry of `outputs.images`, with `outputs.defaults` filled in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OutputImage {
    /// Where to write, relative to the folder the command runs in.
    pub path: PathBuf,
    /// Format; `None`: qcow2.
    pub format: Option<OutputFormat>,
    /// Compression; `None`: zlib.
    pub compression: Option<Compression>,
    /// The size of qcow2 clusters in bytes, a power of two; `None`: 64 KiB.
    pub cluster_bytes: Option<u64>,
}

/// What an output can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputFormat {
    /// qcow2, version 3.
    Qcow2,
    /// A sparse raw file.
    Raw,
}

/// How qcow2 clusters are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Compression {
    /// The codec.
    pub kind: CompressionKind,
    /// Its level; `None`: the codec's default.
    pub level: Option<u32>,
}

/// The codecs of qcow2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CompressionKind {
    /// Deflate; every reader knows it.
    Zlib,
    /// Zstandard; QEMU 5.1 and later.
    Zstd,
    /// Plain clusters.
    None,
}

/// Digests that can be written beside an output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChecksumKind {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}
