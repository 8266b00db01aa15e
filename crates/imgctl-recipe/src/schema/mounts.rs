//! `fstab` and `swap`: what is mounted, and where memory goes.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static FSTAB: Table = Table {
    path: "fstab[]",
    what: "a mapping like `{ path: /data, label: data, type: xfs }`",
    about: "One line of `/etc/fstab` for each mount point. A line that is there keeps what an entry does not name; other lines, \
comments and spaces stay as they are. Directories to mount on are made.",
    example: "\
fstab:
  - { path: /data, label: data, type: xfs, options: [noatime, nofail] }
  - { path: /, options: [defaults, noatime] }
  - { path: /mnt/old, state: absent }
",
    rules: &[Rule::OneAtMost(&["source", "uuid", "label"])],
    keys: &[
        Key::new(
            "path",
            Shape::Text(&kinds::MOUNT_POINT),
            "/data",
            "The mount point; `none` for swap, which is told by its source.",
        )
        .required()
        .also(&["mount_point", "mountpoint", "target", "file", "dest"]),
        Key::new(
            "source",
            Shape::Text(&kinds::MOUNT_SOURCE),
            "tmpfs",
            "What is mounted, as fstab has it.",
        )
        .default("that of the line that is there")
        .also(&["device", "src", "spec", "what"]),
        Key::new(
            "uuid",
            Shape::Text(&kinds::FILESYSTEM_NAME),
            "0f4ae2fc-6bd1-4a5c-8d4b-0d2a6a1c3b5e",
            "The identifier of the filesystem.",
        ),
        Key::new(
            "label",
            Shape::Text(&kinds::FILESYSTEM_NAME),
            "data",
            "The label of the filesystem.",
        ),
        Key::new("type", Shape::Text(&kinds::WORD), "xfs", "The type of the filesystem.")
            .default("that of the line that is there, else `auto`")
            .also(&["fstype", "fs_type", "vfstype"]),
        Key::new(
            "options",
            Shape::OneOrMore(&Shape::Text(&kinds::WORD)),
            "[noatime, nofail]",
            "How it is mounted.",
        )
        .default("those of the line that is there, else `defaults`")
        .also(&["opts", "mount_options"]),
        Key::new("dump", Shape::Integer(0, 1), "0", "Whether dump(8) saves it.")
            .default("that of the line that is there, else 0")
            .also(&["freq"]),
        Key::new(
            "pass",
            Shape::Integer(0, 2),
            "2",
            "When it is checked at boot: 1 for the root, 2 for others, 0 for never.",
        )
        .default("that of the line that is there, else 1 for `/`, 2 for ext and FAT, 0")
        .also(&["passno", "fsck"]),
        Key::new(
            "state",
            Shape::Choice(&["present", "absent"]),
            "absent",
            "Whether there is such a line.",
        )
        .default("`present`")
        .also(&["ensure"]),
        Key::when(),
    ],
};

pub(super) static SWAP: Table = Table {
    path: "swap",
    what: "a mapping like `{ size: 2GiB }`",
    about: "A file that the guest swaps to, without holes, with its line in `/etc/fstab`. It costs no space in a qcow2 or sparse raw \
image: it is all zeros but for its first page, and zeros are not stored.",
    example: "swap: { path: /swapfile, size: 2GiB }\n",
    rules: &[],
    keys: &[
        Key::new("path", Shape::Text(&kinds::GUEST_PATH), "/swapfile", "The file.")
            .default("`/swapfile`")
            .also(&["file", "filename"]),
        Key::new("size", Shape::Text(&kinds::SIZE), "2GiB", "Its size.")
            .required()
            .also(&["maxsize"]),
        Key::new(
            "priority",
            Shape::Integer(0, 32767),
            "10",
            "Which swap is filled first: the highest.",
        )
        .default("the kernel chooses"),
        Key::when(),
    ],
};
