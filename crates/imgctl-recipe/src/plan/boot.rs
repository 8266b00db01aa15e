//! `kernel`, `sysctl`, `fstab` and `swap`.

use super::Sourced;

/// The `kernel` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kernel {
    /// `cmdline`.
    pub cmdline: Option<Sourced<KernelCommandLine>>,
    /// `modules`.
    pub modules: Option<Sourced<KernelModules>>,
    /// `initramfs`.
    pub initramfs: Option<Sourced<Initramfs>>,
}

/// `kernel.cmdline`: arguments of every boot entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KernelCommandLine {
    /// Arguments that must be there: `name`, `name=value`, `name="value with spaces"`.
    pub ensure: Vec<String>,
    /// Arguments that must not; a name alone stands for every value.
    pub remove: Vec<String>,
}

/// `kernel.modules`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KernelModules {
    /// Modules that are loaded at boot.
    pub load: Vec<String>,
    /// Modules that are not loaded by themselves.
    pub blacklist: Vec<String>,
    /// Each module's options with their values.
    pub options: Vec<(String, Vec<(String, String)>)>,
}

/// `kernel.initramfs`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Initramfs {
    /// Whether only drivers of the machine that builds it are in it.
    pub hostonly: bool,
    /// Modules that must be in it.
    pub drivers: Vec<String>,
    /// `gzip`, `xz`, `zstd`, `lz4`, `lzo`, `bzip2` or `none`.
    pub compression: Option<String>,
}

/// One entry of `sysctl`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SysctlFile {
    /// The file's name in /etc/sysctl.d, without its ending.
    pub name: String,
    /// Parameters and values, in the recipe's order.
    pub settings: Vec<(String, String)>,
}

/// One entry of `fstab`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    /// The mount point; `none` for swap.
    pub path: String,
    /// The first field, without escapes: `UUID=…`, `tmpfs`.
    pub source: Option<String>,
    /// The type.
    pub fs_type: Option<String>,
    /// The options.
    pub options: Option<Vec<String>>,
    /// The fifth field.
    pub dump: Option<u8>,
    /// The sixth field.
    pub pass: Option<u8>,
    /// Whether no line may be there.
    pub is_absent: bool,
}

/// The `swap` section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SwapFile {
    /// The absolute guest path.
    pub path: String,
    /// A multiple of 4096, at least 40 KiB.
    pub size_bytes: u64,
    /// Its priority, if any is asked for.
    pub priority: Option<u16>,
}
