//! Small settings: kernel parameters and the keyboard.

use super::{Key, Shape, Table};
use crate::kinds;

/// A file of sysctl.d: parameters and values.
pub(super) static SYSCTL: Shape = Shape::Map(&kinds::SYSCTL_NAME, &Shape::Text(&kinds::SYSCTL_VALUE));

pub(super) static KEYBOARD: Table = Table {
    path: "keyboard",
    what: "a mapping like `{ layout: de }`",
    about: "Names of xkb, as in `/etc/default/keyboard`.",
    example: "keyboard: { layout: de, variant: nodeadkeys }\n",
    rules: &[],
    keys: &[
        Key::new("layout", Shape::Text(&kinds::WORD), "de", "The layout.")
            .required()
            .also(&["keymap"]),
        Key::new("model", Shape::Text(&kinds::WORD), "pc105", "The model.").default("`pc105`"),
        Key::new(
            "variant",
            Shape::Text(&kinds::WORD),
            "nodeadkeys",
            "The variant of the layout.",
        ),
        Key::new(
            "options",
            Shape::List(&Shape::Text(&kinds::WORD)),
            "[\"compose:menu\"]",
            "Options of xkb.",
        ),
    ],
};
