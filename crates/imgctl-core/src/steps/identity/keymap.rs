//! From xkb's names to a keymap of the console, as localectl(1) does it with the guest's own tables.

use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Keyboard;
use imgctl_vfs::GuestPath;

/// Where keymaps are that were made from those of xkb, by layout and variant.
const CONVERTED: [&str; 3] = [
    "/usr/share/kbd/keymaps/xkb",
    "/usr/lib/kbd/keymaps/xkb",
    "/usr/share/keymaps/xkb",
];

/// systemd's table: keymap, and of xkb layout, model, variant and options.
const MODEL_MAP: &str = "/usr/share/systemd/kbd-model-map";

/// The keymap that comes nearest; `None` when the guest's tables have none for the layout.
pub(super) fn keymap(guest: &Guest, keyboard: &Keyboard) -> Outcome<Option<String>> {
    match converted(guest, keyboard)? {
        Some(keymap) => Ok(Some(keymap)),
        None => legacy(guest, keyboard),
    }
}

fn converted(guest: &Guest, keyboard: &Keyboard) -> Outcome<Option<String>> {
    let layout = keyboard.layout.as_str();
    let name = match keyboard.variant.as_deref().unwrap_or_default() {
        "" => layout.to_owned(),
        variant => format!("{layout}-{variant}"),
    };
    for folder in CONVERTED {
        for ending in ["map.gz", "map"] {
            let path = GuestPath::new(format!("{folder}/{name}.{ending}"))?;
            if guest.exists(&path)? {
                return Ok(Some(name));
            }
        }
    }
    Ok(None)
}

/// The first line of the table that fits best: by layout, then variant, model and options.
fn legacy(guest: &Guest, keyboard: &Keyboard) -> Outcome<Option<String>> {
    let text = guest.read(&fixed(MODEL_MAP), MAX_TEXT_BYTES)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let first = |layout: &str| layout.split(',').next().unwrap_or_default().to_owned();
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let (variant, model) = (given(&keyboard.variant), given(&keyboard.model));
    let options = keyboard.options.join(",");
    let mut best: Option<(u32, String)> = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [keymap, layout, its_model, its_variant, its_options] = words[..] else {
            continue;
        };
        let plain = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
        let mut fit = match () {
            () if layout == keyboard.layout => 10,
            () if first(layout) == keyboard.layout => 5,
            () if layout == first(&keyboard.layout) => 5,
            () => continue,
        };
        if model.is_empty() || model == plain(its_model) {
            fit += 1;
            if variant == plain(its_variant) {
                fit += 1;
                if options == plain(its_options) {
                    fit += 1;
                }
            }
        }
        if best.as_ref().is_none_or(|(other, _)| fit > *other) {
            best = Some((fit, keymap.to_owned()));
        }
    }
    Ok(best.map(|(_, keymap)| keymap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn tables_are_asked_in_turn() {
        let table = "/usr/share/systemd/kbd-model-map|# c\nsg ch pc105 de_nodeadkeys terminate:x\nmk mk,us pc105 - -\nfr_CH ch pc105 fr terminate:x\nde de pc105 - terminate:x\nde-latin1 de pc105 - terminate:x\nde-latin1-nodeadkeys de pc105 nodeadkeys terminate:x\n";
        let guest = guest(&[table, "/usr/lib/kbd/keymaps/xkb/de-neo.map.gz|x"]);
        for (layout, variant, expected) in [
            ("de", None, Some("de")),
            ("de", Some("nodeadkeys"), Some("de-latin1-nodeadkeys")),
            ("de", Some("neo"), Some("de-neo")),
            ("ch", Some("fr"), Some("fr_CH")),
            ("mk", None, Some("mk")),
            ("de,us", None, Some("de")),
            ("xx", None, None),
        ] {
            let keyboard = Keyboard {
                layout: layout.to_owned(),
                variant: variant.map(str::to_owned),
                ..Keyboard::default()
            };
            assert_eq!(
                keymap(&guest, &keyboard).unwrap().as_deref(),
                expected,
                "{layout} {variant:?}"
            );
        }
    }
}
