//! `--edit` and `edit`: Perl for every line.

use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_edit::Script;
use imgctl_vfs::GuestPath;

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "edit",
    value: "FILE:EXPR",
    group: FlagGroup::Files,
    help: "Edit a file line by line with a Perl expression like s/old/new/; /pattern/d deletes lines",
    example: "/etc/ssh/sshd_config:s/^#?(PermitRootLogin).*/$1 no/",
    recipe: "files[].edit",
    peer: Peer::Better(
        "no Perl is needed, so what needs Perl itself is refused by name; hard links stay; a file that does not change is \
         not written",
    ),
    deed: FlagDeed::Step(|argument| {
        let (path, script) = argument.split()?;
        let script = Script::parse(script).map_err(|error| match error.remedy() {
            Some(remedy) => FlagError::with_hint(error.to_string(), remedy),
            None => FlagError::new(error.to_string()),
        })?;
        let value = (argument.guest_path(path)?, script);
        Ok(argument.step(value, |(path, script), guest| edit(guest, path, script, false)))
    }),
};

/// Runs a script on an existing file; `is_final`: on what comes of it, it must change nothing.
pub(super) fn edit(guest: &mut Guest, path: &GuestPath, script: &Script, is_final: bool) -> Outcome<()> {
    let Some(old) = guest.read(path, MAX_TEXT_BYTES)? else {
        return Err(StepFailure::refused_with(
            format!("{path} does not exist"),
            "only what is there can be edited; give the whole file by `content` or `--write`",
        ));
    };
    let run = |text: &[u8]| {
        script
            .run(text)
            .map_err(|error| StepFailure::refused(error.to_string()))
    };
    let new = run(&old)?;
    if new == old {
        return Ok(());
    }
    if is_final && run(&new)? != new {
        return Err(StepFailure::refused_with(
            format!("the edit would change {path} again each time"),
            "a recipe says what should be so: let the pattern not match its own result, as in \
             `s/^#?Port .*/Port 22/`, or add `unless /…/`; the option --edit edits once",
        ));
    }
    guest.write_file(path, &mut new.as_slice(), NewMetadata::root(0o644))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, guest, mode, path, text};

    #[test]
    fn a_file_keeps_all_but_its_text() {
        let mut guest = guest(&["/etc/f 0640 3 4|a=1\nb=2\n", "/other => /etc/f", "/l -> /etc/f"]);
        let script = Script::parse("s/^a=.*/a=3/").unwrap();
        edit(&mut guest, &path("/l"), &script, true).unwrap();
        assert_eq!(text(&guest, "/other"), "a=3\nb=2\n");
        assert_eq!(mode(&guest, "/etc/f"), "0640 3:4");
        assert_eq!(changes(&guest), ["~/etc/f", "~/other"]);
        let error = edit(&mut guest, &path("/no"), &script, true).unwrap_err();
        assert_eq!(error.to_string(), "/no does not exist");
        let again = Script::parse("s/^/x/").unwrap();
        let error = edit(&mut guest, &path("/l"), &again, true).unwrap_err();
        assert!(error.to_string().contains("again each time"), "{error}");
        edit(&mut guest, &path("/l"), &again, false).unwrap();
        assert_eq!(text(&guest, "/l"), "xa=3\nxb=2\n");
    }
}
