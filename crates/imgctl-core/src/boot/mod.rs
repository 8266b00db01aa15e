//! How the guest boots: its boot entries, read by checks and steps alike, and the arguments that they give the kernel.

pub(crate) mod arguments;
pub(crate) mod entries;
pub(crate) mod environment;
pub(crate) mod shell;
pub(crate) mod words;
