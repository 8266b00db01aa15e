//! `shell_history`: what people typed.

use super::sweep;
use crate::guest::Guest;
use crate::steps::Outcome;
use imgctl_recipe::Reset;
use imgctl_vfs::GuestPath;

/// Files in a home directory.
const HISTORIES: [&str; 15] = [
    ".ash_history",
    ".bash_history",
    ".history",
    ".ksh_history",
    ".lesshst",
    ".local/share/fish/fish_history",
    ".local/state/python_history",
    ".mysql_history",
    ".node_repl_history",
    ".psql_history",
    ".python_history",
    ".sh_history",
    ".sqlite_history",
    ".viminfo",
    ".zsh_history",
];

/// A history that is a link (to /dev/null, say) is somebody's choice and stays.
pub(super) fn run(guest: &mut Guest, _: &Reset) -> Outcome<()> {
    for home in sweep::homes(guest)? {
        for name in HISTORIES {
            let path = GuestPath::new([home.as_bytes(), b"/", name.as_bytes()].concat())?;
            sweep::remove_file(guest, &path)?;
        }
    }
    Ok(())
}
