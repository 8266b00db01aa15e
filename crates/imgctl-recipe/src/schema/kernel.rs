//! `kernel`: command line, modules, initramfs.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static KERNEL: Table = Table {
    path: "kernel",
    what: "a mapping like `{ cmdline: { ensure: [net.ifnames=0] } }`",
    about: "What the kernel is started with, and which modules it loads.",
    example: "\
kernel:
  cmdline: { ensure: [intel_iommu=on], remove: [quiet] }
  modules:
    load: [overlay, br_netfilter]
    blacklist: [xe]
    options: { i915: { enable_guc: 3, max_vfs: 7 } }
  initramfs: { hostonly: false, drivers: [virtio_blk, virtio_net] }
",
    rules: &[],
    keys: &[
        Key::new(
            "cmdline",
            Shape::Table(&CMDLINE),
            "{ ensure: [net.ifnames=0] }",
            "Arguments of every boot entry, also of kernels that are installed later.",
        )
        .default("unchanged")
        .also(&["command_line", "args", "parameters", "append"]),
        Key::new(
            "modules",
            Shape::Table(&MODULES),
            "{ load: [overlay] }",
            "Modules to load and not to load.",
        )
        .default("unchanged")
        .also(&["module"]),
        Key::new(
            "initramfs",
            Shape::Table(&INITRAMFS),
            "{ hostonly: false, drivers: [virtio_blk] }",
            "What an initramfs holds when the guest makes it the next time.",
        )
        .default("as the guest makes it")
        .also(&["initrd", "dracut"]),
        Key::new(
            "install",
            Shape::List(&Shape::Text(&kinds::PACKAGE)),
            "[linux-image-amd64]",
            "Kernel packages to install.",
        )
        .later(),
        Key::new(
            "remove",
            Shape::List(&Shape::Text(&kinds::PACKAGE)),
            "[linux-image-cloud-amd64]",
            "Kernel packages to remove; one kernel must stay.",
        )
        .later(),
        Key::new(
            "remove_old",
            Shape::Boolean,
            "true",
            "Whether all kernels but the newest go.",
        )
        .default("`false`")
        .also(&["purge_old", "cleanup"])
        .later_but("false"),
    ],
};

static CMDLINE: Table = Table {
    path: "kernel.cmdline",
    what: "a mapping like `{ ensure: [net.ifnames=0] }`",
    about: "Whole arguments, like `console=ttyS0`. What is asked holds for every boot entry (GRUB, Boot Loader Specification, \
extlinux) and for those of kernels that come later. An argument takes the place of one with another value, but for names that can \
be given many times, like `console`. `root=` is never touched.",
    example: "kernel: { cmdline: { ensure: [intel_iommu=on, console=ttyS0], remove: [quiet, splash] } }\n",
    rules: &[],
    keys: &[
        Key::new(
            "ensure",
            Shape::List(&Shape::Text(&kinds::KERNEL_ARGUMENT)),
            "[intel_iommu=on]",
            "Arguments that must be there.",
        )
        .also(&["add", "append", "present", "args"]),
        Key::new(
            "remove",
            Shape::List(&Shape::Text(&kinds::KERNEL_ARGUMENT)),
            "[quiet]",
            "Arguments that must not be there; a name alone stands for every value.",
        )
        .also(&["delete", "absent"]),
    ],
};

static MODULES: Table = Table {
    path: "kernel.modules",
    what: "a mapping like `{ load: [overlay] }`",
    about: "Names as `modprobe` takes them.",
    example: "kernel: { modules: { load: [overlay, i915], blacklist: [xe], options: { i915: { max_vfs: 7 } } } }\n",
    rules: &[],
    keys: &[
        Key::new(
            "load",
            Shape::List(&Shape::Text(&kinds::MODULE)),
            "[overlay, br_netfilter]",
            "Modules that are loaded at boot.",
        ),
        Key::new(
            "blacklist",
            Shape::List(&Shape::Text(&kinds::MODULE)),
            "[nouveau]",
            "Modules that are not loaded by themselves.",
        )
        .also(&["deny", "denylist", "disable"]),
        Key::new(
            "options",
            Shape::Map(&kinds::MODULE, &MODULE_OPTIONS),
            "{ i915: { enable_guc: 3 } }",
            "Each module's options.",
        )
        .also(&["parameters", "params"]),
    ],
};

static MODULE_OPTIONS: Shape = Shape::Map(&kinds::OPTION_NAME, &Shape::Text(&kinds::OPTION_VALUE));

static INITRAMFS: Table = Table {
    path: "kernel.initramfs",
    what: "a mapping like `{ hostonly: false, drivers: [virtio_blk] }`",
    about: "Configuration of the guest's own dracut, initramfs-tools, mkinitcpio or mkinitfs, which makes the initramfs.",
    example: "kernel: { initramfs: { hostonly: false, drivers: [virtio_blk, virtio_scsi], compression: zstd } }\n",
    rules: &[],
    keys: &[
        Key::new(
            "hostonly",
            Shape::Boolean,
            "false",
            "Whether only drivers of the machine that builds it are in it.",
        )
        .default("`false`")
        .also(&["host_only"]),
        Key::new(
            "drivers",
            Shape::List(&Shape::Text(&kinds::MODULE)),
            "[virtio_blk, virtio_net]",
            "Modules that must be in it.",
        )
        .also(&["modules", "add_drivers", "force_drivers"]),
        Key::new(
            "compression",
            Shape::Choice(&["gzip", "xz", "zstd", "lz4", "lzo", "bzip2", "none"]),
            "zstd",
            "How it is compressed.",
        )
        .default("as the guest does")
        .also(&["compress"]),
    ],
};
