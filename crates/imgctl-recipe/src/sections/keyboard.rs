//! `keyboard`: names of xkb.

use super::Context;
use crate::fields::Fields;
use crate::plan::{Keyboard, Sourced};

pub(super) fn keyboard(fields: &Fields<'_>, context: &Context<'_>) -> Option<Sourced<Keyboard>> {
    let (section, place) = fields.table("keyboard")?;
    let text = |key| section.text(key).map(|(text, _)| text.to_owned());
    let keyboard = Keyboard {
        layout: text("layout")?,
        model: text("model"),
        variant: text("variant"),
        options: section.texts("options").map(|(text, _)| text.to_owned()).collect(),
    };
    Some(context.sourced(keyboard, place))
}
