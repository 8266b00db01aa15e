//! What a recipe asks for, checked and typed: the only thing that leaves this crate besides findings.
//!
//! A plan says what should *exist*; how to make it so is the business of `imgctl-core`'s steps.

mod acl;
mod boot;
mod capabilities;
mod checks;
mod files;
mod first_boot;
mod keyboard;
mod mode;
mod network;
mod reset;
mod run;
mod secret;
mod trust;
mod users;

use std::path::PathBuf;

pub use acl::{AclEntry, AclTag};
pub use boot::*;
pub use capabilities::FileCapabilities;
pub use checks::*;
pub use files::*;
pub use first_boot::*;
pub use keyboard::*;
pub use mode::{ModeChange, ModeClause};
pub use network::*;
pub use reset::{MachineId, RESET_OPERATIONS, Reset, ResetOperation, ResetProfile};
pub use run::{RunAt, RunDeed, RunEntry};
pub(crate) use secret::SHORTEST_SECRET;
pub use secret::{Redactor, Secret};
pub use trust::{AptArchive, Authority, Repository, RepositoryKey, RepositoryPlace};
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
    /// `trust.ca`, in the recipe's order.
    pub authorities: Vec<Sourced<Authority>>,
    /// `packages.repos`, in the recipe's order.
    pub repositories: Vec<Sourced<Repository>>,
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
    /// `run`, in the recipe's order.
    pub run: Vec<Sourced<RunEntry>>,
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

/// A regular expression that compiled when the recipe was read.
#[derive(Clone, Debug)]
pub struct LinePattern(pub regex::bytes::Regex);

impl PartialEq for LinePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// A user or group, by name (looked up in the guest) or number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principal {
    /// By name.
    Name(String),
    /// By number.
    Id(u32),
}

impl Principal {
    /// Reads a name or a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        crate::kinds::principal(text)
    }
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
