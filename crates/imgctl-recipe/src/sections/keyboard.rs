//! `keyboard`: names of xkb, which end up in files that a shell reads.

use super::Context;
use crate::fields::Fields;
use crate::finding::{Complaint, Place, quoted};
use crate::plan::{Keyboard, Sourced};

pub(super) fn keyboard(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<Sourced<Keyboard>> {
    let (section, place) = fields.table("keyboard")?;
    for key in ["layout", "model", "variant"] {
        if let Some((text, place)) = section.text(key) {
            check(text, place, context);
        }
    }
    for (text, place) in section.texts("options") {
        check(text, place, context);
    }
    let text = |key| section.text(key).map(|(text, _)| text.to_owned());
    let keyboard = Keyboard {
        layout: text("layout")?,
        model: text("model"),
        variant: text("variant"),
        options: section.texts("options").map(|(text, _)| text.to_owned()).collect(),
    };
    Some(context.sourced(keyboard, place))
}

/// No name of xkb has what a shell or the X server would take for something else.
fn check(text: &str, place: &Place, context: &mut Context<'_>) {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-+,:()".contains(c);
    if !text.chars().all(is_allowed) {
        let complaint = Complaint::error(format!("{} is no name of xkb", quoted(text)));
        context.report(
            place,
            complaint.hint("for example `de`, `pc105`, `nodeadkeys` or `compose:menu`"),
        );
    }
}
