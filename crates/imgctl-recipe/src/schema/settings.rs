//! Small settings: kernel parameters and the keyboard.

use super::{Key, Shape, Table};
use crate::kinds;

/// A file of sysctl.d: parameters and values.
pub(super) static SYSCTL: Shape = Shape::Map(&kinds::SYSCTL_NAME, &Shape::Text(&kinds::SYSCTL_VALUE));

pub(super) static KEYBOARD: Table = Table {
    path: "keyboard",
    what: "a mapping like `{ layout: de }`",
    about: "\
Names of xkb, as in `/etc/default/keyboard` of Debian's relatives. Elsewhere the console gets the keymap that the guest's own tables have for
them, in `/etc/vconsole.conf`, and X its own file where it is installed; in Alpine a map of the package `kbd-bkeymaps`.",
    example: "keyboard: { layout: de, variant: nodeadkeys }\n",
    rules: &[],
    keys: &[
        Key::new("layout", Shape::Text(&kinds::XKB_NAME), "de", "The layout.")
            .required()
            .also(&["keymap"]),
        Key::new("model", Shape::Text(&kinds::XKB_NAME), "pc105", "The model.").default("as it is, else `pc105`"),
        Key::new(
            "variant",
            Shape::Text(&kinds::XKB_NAME),
            "nodeadkeys",
            "The variant of the layout.",
        ),
        Key::new(
            "options",
            Shape::List(&Shape::Text(&kinds::XKB_NAME)),
            "[\"compose:menu\"]",
            "Options of xkb.",
        ),
    ],
};
