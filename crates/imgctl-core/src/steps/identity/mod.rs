//! What the machine calls itself and how it speaks: time zone, language, keyboard.

pub(super) mod keyboard;
mod keymap;
pub(super) mod locale;
mod locale_archive;
pub(super) mod machine_id;
mod settings;
pub(super) mod timezone;

use super::flags::FlagSpec;
use super::{Outcome, fixed, text};
use crate::guest::Guest;
use imgctl_vfs::GuestPath;
pub(super) use settings::Settings;

pub(super) const FLAGS: &[FlagSpec] = &[timezone::FLAG, locale::FLAG, keyboard::FLAG, machine_id::FLAG];

/// Makes the file that `path` leads to hold this text, unless it does.
fn write(guest: &mut Guest, path: &'static str, text: &str) -> Outcome<()> {
    write_at(guest, &fixed(path), text)
}

fn write_at(guest: &mut Guest, path: &GuestPath, text: &str) -> Outcome<()> {
    text::write(guest, path, text.as_bytes(), 0o644).map(drop)
}
