//! Boot and kernel: command line, modules, parameters, initramfs configuration, mounts and swap.

pub(super) mod cmdline;
