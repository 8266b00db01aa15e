//! Runs a guest's own programs without a VM, and tells exactly what they changed.
//!
//! Our process serves the guest's [`Tree`](imgctl_vfs::Tree) read-only through FUSE. A process of its own, the *warden*,
//! makes user, mount, pid, ipc, uts, cgroup and network namespaces, stacks an empty folder on the tree with overlayfs, and
//! runs the command there. What the command wrote is then read back as a [`ChangeSet`]; the tree itself is never touched.
//!
//! ```text
//!  engine process (any user)            warden (user namespace)           init (pid namespace)
//!  ┌───────────────────────┐  request   ┌─────────────────────────┐       ┌──────────────────┐
//!  │ run(): Tree ── FUSE ◄─┼────────────┤ lower ─┐                │ fork  │ /proc /dev /run  │
//!  │        lines ◄────────┼─ pipes ────┤        ├─ overlay root ─┼──────►│ pivot_root, exec │
//!  │        ChangeSet ◄────┼────────────┤ upper ─┘                │       │ reaps, kills all │
//!  └───────────────────────┘            └─────────────────────────┘       └──────────────────┘
//! ```
//!
//! The warden is the program itself, started anew: `main` must call [`warden`] before anything else.
//!
//! # Invariants
//! - A process with threads is never forked: the warden is started by exec.
//! - No path of the guest is opened by the engine process; file contents come as descriptors that the warden opened.
//! - Every `unsafe` block is a single call into the kernel, with the reason beside it.
//! - When the engine process ends, in whatever way, the warden kills the command and removes what was written.
//!
//! Deliberately absent: applying changes (the caller's engines do), recipes, output to a terminal.

mod changes;
mod connection;
pub mod doctor;
mod error;
mod identity;
mod launch;
mod lines;
mod request;
mod seccomp;
mod serve;
mod warden;
mod wire;

pub use changes::{Change, ChangeSet, Node};
pub use error::{Error, Result};
pub use launch::{Control, Finished, run};
pub use request::{Command, End, Files, InjectedFile, LEFT_OUT, Launcher, Network, Request, Stream};
pub use warden::warden;
