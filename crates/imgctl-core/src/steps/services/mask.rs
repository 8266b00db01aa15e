//! `services.mask`: a link to /dev/null in the place of the unit, so that nothing can start it.

use super::search::{CONFIG, UnitFolders};
use super::{enable, parse};
use crate::guest::Guest;
use crate::steps::{Outcome, fixed};

/// Masks a unit. One that does not exist is masked too, with a warning; a file or another link in
/// /etc/systemd/system is refused, as by `systemctl mask`.
pub(super) fn mask(guest: &mut Guest, name: &str) -> Outcome<()> {
    let asked = parse(name)?;
    if UnitFolders::of(guest)?.find(guest, &asked)?.is_none() {
        guest.warn(format!("the unit {name} does not exist; it is masked all the same"));
    }
    let link = fixed(CONFIG).join(asked.as_str().as_bytes());
    enable::place(guest, &link, &fixed("/dev/null"), false)
}
