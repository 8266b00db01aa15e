//! What the engine process and the warden tell each other.

use serde::{Deserialize, Serialize};

/// Changes with every change of these messages: both ends are the same program, unless it was replaced meanwhile.
pub(crate) const VERSION: u32 = 1;

/// A frame may have this many bytes.
pub(crate) const MAX_FRAME_BYTES: usize = 64 << 20;

/// What the warden is to do.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Spec {
    pub(crate) script: Option<Vec<u8>>,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) folder: Vec<u8>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) timeout_millis: Option<u64>,
    pub(crate) has_host_network: bool,
    pub(crate) host_name: Vec<u8>,
    pub(crate) kernel_arguments: Vec<u8>,
    pub(crate) wants_changes: bool,
    /// The guest's files are sent, not served.
    pub(crate) is_extracted: bool,
    pub(crate) most_processes: u64,
    pub(crate) reserve_bytes: u64,
}

/// From the engine process to the warden.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum ToWarden {
    Start(Box<Spec>),
    /// The maps of user and group numbers are written.
    Mapped,
    /// Files of the guest, parents first.
    Files(Vec<Piece>),
    NoMoreFiles,
    /// Opens the file of this entry of the change set.
    Open(u64),
}

/// From the warden to the engine process.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum FromWarden {
    Hello(u32),
    /// The process of this number (as the engine process sees it) is in a new user namespace without maps.
    WantsMaps(i32),
    /// A descriptor comes along: that of the FUSE device, mounted.
    Serve,
    /// The guest's files are to be sent.
    WantsFiles,
    /// Something people should know.
    Warning(String),
    Ended(WireEnd),
    Entries(Vec<WireEntry>),
    NoMoreEntries,
    /// A descriptor comes along: that of the file.
    Content,
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum WireEnd {
    Exited(i32),
    Signalled(i32),
    /// The program could not be executed, by this errno.
    NotStarted(i32),
    TimedOut,
    NoSpace,
}

/// A part of the guest's files.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Piece {
    Node(PieceNode),
    /// The next bytes of the last node's content.
    Content(Vec<u8>),
    /// So many zeros of it.
    Hole(u64),
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct PieceNode {
    /// From the root, with a leading slash.
    pub(crate) path: Vec<u8>,
    /// `d`, `f`, `l`, `p`, `s`, or `b` for devices.
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
    pub(crate) target: Vec<u8>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The path of the same node that came before.
    pub(crate) same_as: Option<Vec<u8>>,
}

/// What the warden could not do.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Failure {
    /// As a verb: `make a user namespace`.
    pub(crate) action: String,
    pub(crate) errno: i32,
    /// Whether it was done already, and reading what was written failed.
    pub(crate) is_harvest: bool,
}

/// One path of the upper folder.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct WireEntry {
    /// From the root, with a leading slash.
    pub(crate) path: Vec<u8>,
    /// `None`: removed.
    pub(crate) node: Option<WireNode>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct WireNode {
    /// With the type's bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
    pub(crate) device: u64,
    pub(crate) target: Vec<u8>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) is_opaque: bool,
    /// Mount and node in the tree that it began as; empty where that is not known.
    pub(crate) origin: Vec<u8>,
    /// The same number for all names of one node with several names; 0 with one.
    pub(crate) link: u64,
}
