//! `run`: programs of the guest.

use super::{Content, Principal};
use std::time::Duration;

/// One entry of `run`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunEntry {
    /// What messages call it.
    pub name: Option<String>,
    /// When it runs.
    pub at: RunAt,
    /// What runs.
    pub deed: RunDeed,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// The folder it begins in; `None`: the root.
    pub folder: Option<String>,
    /// Who runs it; `None`: root.
    pub user: Option<Principal>,
    /// Whether it reaches the network.
    pub network: bool,
    /// How long it may take; `None`: as long as it likes.
    pub timeout: Option<Duration>,
}

/// When programs run, in the order of application.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RunAt {
    /// Before packages are touched.
    BeforePackages,
    /// After they are.
    AfterPackages,
    /// After files and settings.
    AfterFiles,
    /// After everything but `reset`.
    BeforeReset,
}

/// What runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RunDeed {
    /// A script with its `#!` line (`/bin/sh -e` runs a text without one), and its arguments.
    Script(Content, Vec<String>),
    /// One line for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments.
    Command(Vec<String>),
}
