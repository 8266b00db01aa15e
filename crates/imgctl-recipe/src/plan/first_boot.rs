//! `first_boot`: what runs when a machine made from the image starts for the first time.

use super::Content;

/// One entry of `first_boot`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FirstBoot {
    /// What messages and the log call it; `None`: a name of what it does.
    pub name: Option<String>,
    /// What runs.
    pub deed: FirstBootDeed,
    /// Whether it waits for the network.
    pub network: bool,
    /// Whether it is tried again until it succeeds; those after it wait.
    pub retry: bool,
    /// Whether a secret is in it: the change is reported without difference and digest.
    pub sensitive: bool,
}

/// What runs at the first boot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FirstBootDeed {
    /// A script with its `#!` line; `/bin/sh -e` runs a text without one.
    Script(Content),
    /// One line for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments.
    Command(Vec<String>),
    /// Packages that the guest's package manager installs.
    Packages(Vec<String>),
}
