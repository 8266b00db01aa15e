//! `--append-line`: a line at the end, in the file's own style of line breaks.

use crate::guest::{Guest, NewMetadata};
use crate::steps::Outcome;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use imgctl_vfs::GuestPath;

/// How much of a file tells its style.
const SAMPLE_BYTES: usize = 8192;

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "append-line",
    value: "FILE:LINE",
    group: FlagGroup::Files,
    help: "Add a line to the end of a file, which is made if it is not there; twice adds it twice",
    example: "/etc/hosts:192.0.2.1 registry",
    recipe: "files[].append",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let (path, line) = argument.split()?;
        if line.contains('\n') {
            return Err(FlagError::with_hint(
                "a line cannot contain a line break",
                "write one option for each line",
            ));
        }
        let value = (argument.guest_path(path)?, line.to_owned());
        Ok(argument.step(value, |(path, line), guest| append_line(guest, path, line.as_bytes())))
    }),
};

fn append_line(guest: &mut Guest, path: &GuestPath, line: &[u8]) -> Outcome<()> {
    let Some(found) = guest.find(path)? else {
        guest.write_file(path, &mut [line, b"\n"].concat().as_slice(), NewMetadata::root(0o644))?;
        return Ok(());
    };
    let mut first = vec![0; SAMPLE_BYTES];
    let mut last = vec![0; 2];
    guest.ends_of(&found, &mut first, &mut last)?;
    let end = line_end(&first);
    let missing = if first.is_empty() || last.ends_with(end) {
        &b""[..]
    } else {
        end
    };
    Ok(guest.append(&found, &[missing, line, end].concat())?)
}

/// How lines end in a text that begins so.
pub(super) fn line_end(text: &[u8]) -> &'static [u8] {
    if text.windows(2).any(|pair| pair == b"\r\n") {
        b"\r\n"
    } else if text.contains(&b'\r') && !text.contains(&b'\n') {
        b"\r"
    } else {
        b"\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, mode, path, text};

    #[test]
    fn lines_end_as_the_others_do() {
        for (old, new) in [
            ("a\nb\n", "a\nb\nX\n"),
            ("a\nb", "a\nb\nX\n"),
            ("a\r\nb\r\n", "a\r\nb\r\nX\r\n"),
            ("a\r\nb", "a\r\nb\r\nX\r\n"),
            ("a\rb", "a\rb\rX\r"),
            ("", "X\n"),
            ("a", "a\nX\n"),
        ] {
            let mut guest = guest(&[&format!("/f 0600 1 2|{old}")]);
            append_line(&mut guest, &path("/f"), b"X").unwrap();
            assert_eq!(text(&guest, "/f"), new, "{old:?}");
            assert_eq!(mode(&guest, "/f"), "0600 1:2");
        }
        let mut guest = guest(&["/d/", "/l -> /d/new"]);
        append_line(&mut guest, &path("/l"), b"X").unwrap();
        append_line(&mut guest, &path("/l"), b"").unwrap();
        assert_eq!(
            (text(&guest, "/d/new"), mode(&guest, "/d/new")),
            ("X\n\n".into(), "0644 0:0".into())
        );
        append_line(&mut guest, &path("/d"), b"X").unwrap_err();
        append_line(&mut guest, &path("/no/f"), b"X").unwrap_err();
    }
}
