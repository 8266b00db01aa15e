//! Virtual machines (software emulation, minutes): what a customized image shows when it boots.

mod customized;
mod debian_kernel;
