//! `disk`: its size.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static DISK: Table = Table {
    path: "disk",
    what: "a mapping like `{ size: 16GiB, grow: root }`",
    about: "The disk as the guest sees it. It never gets smaller.",
    example: "disk: { size: 16GiB, grow: root }\n",
    rules: &[],
    keys: &[
        Key::new(
            "size",
            Shape::Text(&kinds::SIZE),
            "16GiB",
            "The size of the whole disk.",
        )
        .default("unchanged")
        .also(&["virtual_size", "disk_size"])
        .later(),
        Key::new(
            "grow",
            Shape::Text(&kinds::GROWN),
            "root",
            "What gets the new space: `root`, or the mount point of another filesystem.",
        )
        .default("nothing: the space stays free")
        .also(&["expand", "growpart", "resize"])
        .later(),
    ],
};
