//! What the machine calls itself and how it speaks: time zone, language, keyboard.

pub(super) mod keyboard;
mod keymap;
pub(super) mod locale;
mod locale_archive;
pub(super) mod machine_id;
mod settings;
pub(super) mod timezone;

use super::flags::FlagSpec;
use super::{Outcome, fixed};
use crate::guest::{Guest, NewMetadata};
use imgctl_vfs::GuestPath;
pub(super) use settings::Settings;

pub(super) const FLAGS: &[FlagSpec] = &[timezone::FLAG, locale::FLAG, keyboard::FLAG, machine_id::FLAG];

/// Makes the file that `path` leads to hold this text, unless it does.
fn write(guest: &mut Guest, path: &'static str, text: &str) -> Outcome<()> {
    write_at(guest, &fixed(path), text)
}

fn write_at(guest: &mut Guest, path: &GuestPath, text: &str) -> Outcome<()> {
    if !guest.has_content(path, &mut text.as_bytes())? {
        if let Some(folder) = path.parent() {
            guest.create_directory_all(&folder, NewMetadata::root(0o755))?;
        }
        guest.write_file(path, &mut text.as_bytes(), NewMetadata::root(0o644))?;
    }
    Ok(())
}
