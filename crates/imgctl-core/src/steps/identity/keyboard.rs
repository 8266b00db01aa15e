//! `keyboard`: of the console, and of X where it is there.

use super::keymap::keymap;
use super::settings::Settings;
use super::{write, write_at};
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata, OsFamily, OsRelease};
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::services::{Scope, Verb, act};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec, fixed};
use imgctl_recipe::{Keyboard, Plan, Sourced};
use imgctl_vfs::GuestPath;
use serde_json::{Map, Value, json};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "keyboard",
    section: "keyboard",
    help: "set the keyboard of the console",
    build: |plan: &Plan| {
        let keyboard = plan.keyboard.clone()?;
        Some(Box::new(SetKeyboard { keyboard }))
    },
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "keyboard",
    value: "LAYOUT[:VARIANT]",
    group: FlagGroup::Identity,
    help: "Set the keyboard of the console, by xkb's names of layout and variant",
    example: "de:nodeadkeys",
    recipe: "keyboard",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let mut keyboard = Map::new();
        let (layout, variant) = match text.split_once(':') {
            Some((layout, variant)) => (layout, Some(variant)),
            None => (text, None),
        };
        keyboard.insert("layout".to_owned(), layout.into());
        keyboard.extend(variant.map(|variant| ("variant".to_owned(), Value::from(variant))));
        Ok(json!({ "keyboard": keyboard }))
    }),
};

const DEBIAN: &str = "/etc/default/keyboard";
const SYSTEMD: &str = "/etc/vconsole.conf";
const X11: &str = "/etc/X11/xorg.conf.d/00-keyboard.conf";

#[derive(Debug)]
struct SetKeyboard {
    keyboard: Sourced<Keyboard>,
}

impl Step for SetKeyboard {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        set(guest, &self.keyboard.value).map_err(|failure| failure.at(SPEC.name, Some(&self.keyboard.origin)))
    }
}

fn set(guest: &mut Guest, keyboard: &Keyboard) -> Outcome<()> {
    match OsRelease::read(guest.tree())?.unwrap_or_default().family {
        OsFamily::Debian => debian(guest, keyboard),
        OsFamily::Alpine => alpine(guest, keyboard),
        _ => {
            vconsole(guest, keyboard)?;
            x11(guest, keyboard)
        }
    }
}

/// The file that console-setup, X and Debian's systemd read. What console-setup made of the old one goes: it is made anew
/// at boot.
fn debian(guest: &mut Guest, keyboard: &Keyboard) -> Outcome<()> {
    let text = guest.read(&fixed(DEBIAN), MAX_TEXT_BYTES)?;
    let template = b"# KEYBOARD CONFIGURATION FILE\n\n# Consult the keyboard(5) manual page.\n\n";
    let mut settings = Settings::parse(text.as_deref().unwrap_or(template));
    let before = xkb(&settings);
    let model = keyboard.model.as_deref().or(settings.get("XKBMODEL"));
    let model = model.filter(|model| !model.is_empty()).unwrap_or("pc105").to_owned();
    settings.set("XKBMODEL", &model, "\"");
    settings.set("XKBLAYOUT", &keyboard.layout, "\"");
    settings.set("XKBVARIANT", keyboard.variant.as_deref().unwrap_or_default(), "\"");
    settings.set("XKBOPTIONS", &keyboard.options.join(","), "\"");
    if settings.get("BACKSPACE").is_none() {
        settings.set("BACKSPACE", "guess", "\"");
    }
    write(guest, DEBIAN, &settings.text())?;
    if before != xkb(&settings) {
        for made in guest.glob("/etc/console-setup/cached_*")? {
            let name = made.file_name().unwrap_or_default();
            let is_keyboard = name == b"cached_setup_keyboard.sh" || name.ends_with(b".kmap.gz");
            if is_keyboard {
                guest.remove(&made)?;
            }
        }
    }
    if !guest.exists(&fixed("/bin/setupcon"))? && !guest.exists(&fixed(SYSTEMD))? {
        guest.warn("nothing in the guest sets up the console's keyboard: the package is `console-setup`");
    }
    Ok(())
}

fn xkb(settings: &Settings) -> Vec<Option<String>> {
    let names = ["XKBMODEL", "XKBLAYOUT", "XKBVARIANT", "XKBOPTIONS"];
    names.iter().map(|name| settings.get(name).map(str::to_owned)).collect()
}

/// systemd's file for the console. Newer ones keep xkb's names there, too.
fn vconsole(guest: &mut Guest, keyboard: &Keyboard) -> Outcome<()> {
    let text = guest.read(&fixed(SYSTEMD), MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut settings = Settings::parse(&text);
    match keymap(guest, keyboard)? {
        Some(keymap) => settings.set("KEYMAP", &keymap, ""),
        None => {
            return Err(StepFailure::refused_with(
                format!(
                    "the guest has no keymap for the console that fits the layout {}",
                    keyboard.layout
                ),
                "its keymaps are in the package `kbd` (`kbd-misc`, `kbd-legacy`)",
            ));
        }
    }
    if settings.get("XKBLAYOUT").is_some() {
        settings.set("XKBLAYOUT", &keyboard.layout, "");
        let others = [
            ("XKBMODEL", keyboard.model.clone()),
            ("XKBVARIANT", keyboard.variant.clone()),
            ("XKBOPTIONS", Some(keyboard.options.join(","))),
        ];
        for (name, value) in others {
            match value.filter(|value| !value.is_empty()) {
                Some(value) => settings.set(name, &value, ""),
                None => settings.remove(name),
            }
        }
    }
    write(guest, SYSTEMD, &settings.text())
}

/// X's file, as localed writes it, in a guest that has X.
fn x11(guest: &mut Guest, keyboard: &Keyboard) -> Outcome<()> {
    let signs = [X11, "/usr/bin/Xorg", "/usr/libexec/Xorg", "/usr/share/X11/xorg.conf.d"];
    let mut has_x11 = false;
    for sign in signs {
        has_x11 |= guest.exists(&fixed(sign))?;
    }
    if !has_x11 {
        return Ok(());
    }
    let mut text = String::from(
        "# Written by systemd-localed(8), read by systemd-localed and Xorg. It's\n\
         # probably wise not to edit this file manually. Use localectl(1) to\n\
         # update this file.\n\
         Section \"InputClass\"\n        Identifier \"system-keyboard\"\n        MatchIsKeyboard \"on\"\n",
    );
    let options = keyboard.options.join(",");
    for (name, value) in [
        ("XkbLayout", Some(keyboard.layout.as_str())),
        ("XkbModel", keyboard.model.as_deref()),
        ("XkbVariant", keyboard.variant.as_deref()),
        ("XkbOptions", Some(options.as_str())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("        Option \"{name}\" \"{value}\"\n"));
        }
    }
    text.push_str("EndSection\n");
    write(guest, X11, &text)
}

/// Alpine's: a map of the guest's own, copied beside the file that names it, and the service that loads it.
fn alpine(guest: &mut Guest, keyboard: &Keyboard) -> Outcome<()> {
    let layout = keyboard.layout.as_str();
    let name = match keyboard.variant.as_deref() {
        Some(variant) => format!("{layout}-{variant}"),
        None => layout.to_owned(),
    };
    let source = GuestPath::new(format!("/usr/share/bkeymaps/{layout}/{name}.bmap.gz"))?;
    let Some(map) = guest.read(&source, MAX_TEXT_BYTES)? else {
        return Err(StepFailure::refused_with(
            format!("the guest has no keymap {source}"),
            "its keymaps are in the package `kbd-bkeymaps`; `ls /usr/share/bkeymaps` lists them",
        ));
    };
    let target = GuestPath::new(format!("/etc/keymap/{name}.bmap.gz"))?;
    if !guest.has_content(&target, &mut map.as_slice())? {
        guest.create_directory_all(&fixed("/etc/keymap"), NewMetadata::root(0o755))?;
        guest.write_file(&target, &mut map.as_slice(), NewMetadata::root(0o644))?;
    }
    let file = fixed("/etc/conf.d/loadkmap");
    let text = guest.read(&file, MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut settings = Settings::parse(&text);
    settings.set("KEYMAP", &target.to_string(), "");
    write_at(guest, &file, &settings.text())?;
    match guest.exists(&fixed("/etc/init.d/loadkmap"))? {
        true => act(guest, Verb::Enable, Scope::System, "loadkmap@boot.service"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changed_by, edited, guest, text};

    fn german() -> Keyboard {
        Keyboard {
            layout: "de".to_owned(),
            variant: Some("nodeadkeys".to_owned()),
            options: vec!["compose:menu".to_owned()],
            ..Keyboard::default()
        }
    }

    #[test]
    fn debian_keeps_what_is_not_said() {
        let mut guest = guest(&[
            "/etc/os-release|ID=debian\n",
            "/etc/default/keyboard|# c\nXKBMODEL=\"pc104\"\nXKBLAYOUT=\"us\"\nXKBVARIANT=\"\"\nXKBOPTIONS=\"\"\nBACKSPACE=\"bs\"\n",
            "/etc/console-setup/cached_setup_keyboard.sh|x",
            "/etc/console-setup/cached_UTF-8_del.kmap.gz|x",
            "/etc/console-setup/cached_setup_font.sh|x",
            "/bin/setupcon|x",
        ]);
        let changes = edited(&mut guest, |guest| set(guest, &german()).unwrap());
        assert_eq!(
            changes,
            [
                "~/etc/console-setup",
                "-/etc/console-setup/cached_UTF-8_del.kmap.gz",
                "-/etc/console-setup/cached_setup_keyboard.sh",
                "~/etc/default/keyboard"
            ]
        );
        assert_eq!(
            text(&guest, "/etc/default/keyboard"),
            "# c\nXKBMODEL=\"pc104\"\nXKBLAYOUT=\"de\"\nXKBVARIANT=\"nodeadkeys\"\nXKBOPTIONS=\"compose:menu\"\nBACKSPACE=\"bs\"\n"
        );
        assert!(changed_by(&mut guest, |guest| set(guest, &german()).unwrap()).is_empty());
        assert!(guest.warnings().is_empty());
    }

    #[test]
    fn red_hat_gets_a_keymap_and_x_its_own() {
        let mut server = guest(&[
            "/etc/os-release|ID=rocky\n",
            "/etc/vconsole.conf|KEYMAP=\"us\"\nFONT=\"eurlatgr\"\n",
            "/usr/lib/kbd/keymaps/xkb/de-nodeadkeys.map.gz|x",
        ]);
        let changes = edited(&mut server, |guest| set(guest, &german()).unwrap());
        assert_eq!(changes, ["~/etc/vconsole.conf"]);
        assert_eq!(
            text(&server, "/etc/vconsole.conf"),
            "KEYMAP=de-nodeadkeys\nFONT=\"eurlatgr\"\n"
        );
        assert!(changed_by(&mut server, |guest| set(guest, &german()).unwrap()).is_empty());
        let mut desktop = guest(&[
            "/etc/os-release|ID=fedora\n",
            "/usr/bin/Xorg|x",
            "/usr/lib/kbd/keymaps/xkb/de-nodeadkeys.map.gz|x",
        ]);
        set(&mut desktop, &german()).unwrap();
        let file = text(&desktop, "/etc/X11/xorg.conf.d/00-keyboard.conf");
        assert!(
            file.contains("        Option \"XkbVariant\" \"nodeadkeys\"\n"),
            "{file}"
        );
        let mut without = guest(&["/etc/os-release|ID=arch\n"]);
        let failure = set(&mut without, &german()).unwrap_err().to_string();
        assert_eq!(
            failure,
            "the guest has no keymap for the console that fits the layout de"
        );
    }

    #[test]
    fn alpine_copies_a_map_and_loads_it_at_boot() {
        let mut guest = guest(&[
            "/etc/os-release|ID=alpine\n",
            "/usr/share/bkeymaps/de/de-nodeadkeys.bmap.gz|map",
            "/etc/init.d/loadkmap|#!/sbin/openrc-run\n",
            "/etc/runlevels/boot/",
        ]);
        set(&mut guest, &german()).unwrap();
        assert_eq!(text(&guest, "/etc/keymap/de-nodeadkeys.bmap.gz"), "map");
        assert_eq!(
            text(&guest, "/etc/conf.d/loadkmap"),
            "KEYMAP=/etc/keymap/de-nodeadkeys.bmap.gz\n"
        );
        assert_eq!(guest.glob("/etc/runlevels/boot/loadkmap").unwrap().len(), 1);
        assert!(changed_by(&mut guest, |guest| set(guest, &german()).unwrap()).is_empty());
    }
}
