//! Boot and kernel: command line, modules, parameters, initramfs configuration, mounts and swap.

pub(super) mod cmdline;
pub(super) mod fstab;
pub(super) mod initramfs;
pub(super) mod modules;
pub(super) mod swap;
pub(super) mod sysctl;

use super::flags::{FlagError, FlagSpec};

pub(super) const FLAGS: &[FlagSpec] = &[
    cmdline::ENSURE,
    cmdline::REMOVE,
    modules::FLAGS[0],
    modules::FLAGS[1],
    modules::FLAGS[2],
    initramfs::FLAG,
    sysctl::FLAG,
    fstab::FLAG,
    swap::FLAG,
];

/// The two parts around the first separator.
pub(super) fn parts<'t>(text: &'t str, separator: char, example: &str) -> Result<(&'t str, &'t str), FlagError> {
    text.split_once(separator).ok_or_else(|| {
        FlagError::with_hint(
            format!("there is no `{separator}` in `{text}`"),
            format!("write it like '{example}'"),
        )
    })
}

/// `name=value`, spaces around both left out.
fn assignment<'t>(text: &'t str, example: &str) -> Result<(&'t str, &'t str), FlagError> {
    let (name, value) = parts(text, '=', example)?;
    Ok((name.trim(), value.trim()))
}
