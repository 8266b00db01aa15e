//! What changed inside of files, as people read it: the base, which nobody writes, against the result.

use crate::guest::{Change, Snapshot, holds_private_key};
use crate::{Error, ErrorKind, Result};
use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};
use imgctl_vfs::{FileKind, GuestPath, Tree};
use serde::Serialize;
use std::fmt::Write as _;
use std::ops::Range;

/// Longer files are told by their sizes and digests.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Lines of both contents together between their common beginning and end, up to which the shortest difference is
/// looked for: that takes quadratic time for contents made for it. Of longer ones all of that part counts as replaced.
const MAX_COMPARED_LINES: usize = 40_000;

/// Lines of one file's diff.
const MAX_LINES: usize = 400;

/// Characters of one line.
const MAX_LINE_CHARS: usize = 500;

/// Bytes of all diffs of a run together.
const MAX_TOTAL_BYTES: usize = 16 << 20;

/// Equal lines around a difference.
const CONTEXT: u32 = 3;

/// How the content of a regular file differs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum ContentDiff {
    /// Line by line.
    Text(TextDiff),
    /// One of the contents is no UTF-8 text: sizes and digests tell the difference.
    Binary,
    /// One of the contents is too long for a diff, or there were too many diffs before: sizes and digests tell.
    Large,
    /// The content is a secret.
    Secret,
}

/// A unified diff without the lines that name the files.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TextDiff {
    /// The hunks, each beginning with `@@`.
    pub unified: String,
    /// Lines at the end that were left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub lines_left_out: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Adds how contents differ to every change after which there is a regular file with another content than before.
pub(crate) fn add_diffs(changes: &mut [Change], before: &Tree, after: &Tree) -> Result<()> {
    let mut budget = MAX_TOTAL_BYTES;
    for change in changes {
        let Some(now) = regular(change.after.as_ref()) else {
            continue;
        };
        let was = regular(change.before.as_ref());
        if was.is_some_and(|was| was.has_same_content(now)) {
            continue;
        }
        let diff = if now.secret || was.is_some_and(|was| was.secret) {
            ContentDiff::Secret
        } else if budget == 0 || now.size.max(was.map_or(0, |was| was.size)) > MAX_FILE_BYTES {
            ContentDiff::Large
        } else {
            let old = match was {
                Some(_) => read(before, &change.path)?,
                None => Vec::new(),
            };
            compare(&old, &read(after, &change.path)?)
        };
        if let ContentDiff::Text(text) = &diff {
            budget = budget.saturating_sub(text.unified.len());
        }
        change.diff = Some(diff);
    }
    Ok(())
}

fn regular(state: Option<&Snapshot>) -> Option<&Snapshot> {
    state.filter(|state| state.kind == FileKind::File)
}

fn read(tree: &Tree, path: &GuestPath) -> Result<Vec<u8>> {
    let found = tree.find_link(path);
    let content = found.and_then(|found| match found {
        Some(found) => tree.read_file(found.node, MAX_FILE_BYTES),
        None => Ok(Vec::new()),
    });
    content.map_err(|source| {
        Error::new(ErrorKind::Verify, format!("cannot read {path} to show what changes")).with_source(source)
    })
}

fn compare(before: &[u8], after: &[u8]) -> ContentDiff {
    if holds_private_key(before) || holds_private_key(after) {
        return ContentDiff::Secret;
    }
    match (text(before), text(after)) {
        (Some(before), Some(after)) => ContentDiff::Text(unified(before, after)),
        _ => ContentDiff::Binary,
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn unified(before: &str, after: &str) -> TextDiff {
    let input = InternedInput::new(before, after);
    let mut out = Lines::default();
    let length = |side: &[Token]| u32::try_from(side.len()).unwrap_or(u32::MAX);
    let old_length = length(&input.before);
    for group in groups(hunks(&input)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let lead = CONTEXT.min(first.before.start);
        let trail = CONTEXT.min(old_length.saturating_sub(last.before.end));
        let old = first.before.start - lead..last.before.end + trail;
        let new = first.after.start - lead..last.after.end + trail;
        out.header(&old, &new);
        let mut push = |sign: char, side: &[Token], range: Range<u32>| {
            for index in range {
                let token = usize::try_from(index).ok().and_then(|index| side.get(index));
                out.push(sign, token.map_or("", |token| input.interner[*token]));
            }
        };
        let mut at = old.start;
        for hunk in &group {
            push(' ', &input.before, at..hunk.before.start);
            push('-', &input.before, hunk.before.clone());
            push('+', &input.after, hunk.after.clone());
            at = hunk.before.end;
        }
        push(' ', &input.before, at..old.end);
    }
    out.diff
}

fn hunks(input: &InternedInput<&str>) -> Vec<Hunk> {
    let (before, after) = (&input.before, &input.after);
    let same = |pair: &(&Token, &Token)| pair.0 == pair.1;
    let head = before.iter().zip(after).take_while(same).count();
    let rest = [before, after].map(|side| side.get(head..).unwrap_or_default());
    let tail = rest[0].iter().rev().zip(rest[1].iter().rev()).take_while(same).count();
    let changed = rest.map(|side| side.len() - tail);
    if changed[0] + changed[1] <= MAX_COMPARED_LINES {
        let mut diff = Diff::compute(Algorithm::Histogram, input);
        diff.postprocess_lines(input);
        return diff.hunks().collect();
    }
    let range = |length: usize| {
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        number(head)..number(head + length)
    };
    vec![Hunk {
        before: range(changed[0]),
        after: range(changed[1]),
    }]
}

/// Hunks whose context would touch stand together.
pub(crate) fn groups(hunks: Vec<Hunk>) -> Vec<Vec<Hunk>> {
    let mut groups: Vec<Vec<Hunk>> = Vec::new();
    for hunk in hunks {
        let near = |last: &Hunk| hunk.before.start.saturating_sub(last.before.end) <= 2 * CONTEXT;
        match groups.last_mut().filter(|group| group.last().is_some_and(near)) {
            Some(group) => group.push(hunk),
            None => groups.push(vec![hunk]),
        }
    }
    groups
}

/// The lines of a diff, as many as fit.
#[derive(Debug, Default)]
struct Lines {
    diff: TextDiff,
    count: usize,
}

impl Lines {
    fn header(&mut self, old: &Range<u32>, new: &Range<u32>) {
        if self.count < MAX_LINES {
            // Writing to a string cannot fail.
            let _ = writeln!(self.diff.unified, "@@ -{} +{} @@", position(old), position(new));
        }
    }

    fn push(&mut self, sign: char, line: &str) {
        if self.count >= MAX_LINES {
            self.diff.lines_left_out += 1;
            return;
        }
        self.count += 1;
        let text = line.strip_suffix('\n');
        let out = &mut self.diff.unified;
        out.push(sign);
        let whole = text.unwrap_or(line);
        match whole.char_indices().nth(MAX_LINE_CHARS) {
            None => out.push_str(whole),
            Some((end, _)) => {
                let rest = whole[end..].chars().count();
                let _ = write!(out, "{}… ({rest} more characters)", &whole[..end]);
            }
        }
        out.push('\n');
        if text.is_none() {
            out.push_str("\\ No newline at end of file\n");
        }
    }
}

/// As `diff -u` counts: from 1, a length of 1 left out, and the line before an empty range.
pub(crate) fn position(range: &Range<u32>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start.saturating_add(1)),
        length => format!("{},{length}", range.start.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::NewMetadata;
    use crate::testing::{guest, path};

    fn shown(before: &str, after: &str) -> String {
        match compare(before.as_bytes(), after.as_bytes()) {
            ContentDiff::Text(text) => text.unified,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn differences_look_like_those_of_diff() {
        for (before, after) in [
            ("", "hello\n"),
            ("hello\n", ""),
            ("a\nb\nc\n", "a\nB\nc\n"),
            ("a\nb", "a\nb\n"),
            ("a\nb\n", "a\nb"),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
                "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\nend\n",
            ),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n",
                "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n14\n",
            ),
            ("one", "two"),
            ("\n\n\n", "\n"),
        ] {
            assert_eq!(shown(before, after), by_diff(before, after), "{before:?} {after:?}");
        }
    }

    /// What GNU diff says, a judge of its own.
    fn by_diff(before: &str, after: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), before).unwrap();
        std::fs::write(folder.path().join("b"), after).unwrap();
        let output = std::process::Command::new("diff")
            .args(["-u", "a", "b"])
            .current_dir(folder.path())
            .output()
            .expect("diff is missing: apt-get install diffutils");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_inclusive('\n').skip(2).collect()
    }

    #[test]
    fn what_is_no_text_has_no_lines() {
        assert_eq!(compare(b"a\n", b"\xff\n"), ContentDiff::Binary);
        assert_eq!(compare(b"a\0\n", b"a\n"), ContentDiff::Binary);
        let key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n";
        assert_eq!(compare(b"", key), ContentDiff::Secret);
        assert_eq!(compare(key, b""), ContentDiff::Secret);
    }

    #[test]
    fn long_diffs_end_and_say_so() {
        let long: String = (0..MAX_LINES + 7).map(|line| format!("{line}\n")).collect();
        let ContentDiff::Text(diff) = compare(b"", long.as_bytes()) else {
            panic!("no text");
        };
        assert_eq!(diff.unified.lines().count(), MAX_LINES + 1);
        assert_eq!(diff.lines_left_out, 7);
        let wide = shown("", &"é".repeat(MAX_LINE_CHARS + 3));
        assert!(wide.contains("é… (3 more characters)\n\\ No newline"), "{wide}");
    }

    #[test]
    fn beyond_the_limit_all_between_the_common_ends_is_replaced() {
        let middle = |word: &str| format!("{word}\n").repeat(MAX_COMPARED_LINES);
        let shown = shown(&format!("a\n{}z\n", middle("x")), &format!("a\ny\n{}z\n", middle("x")));
        // The common end takes all of it.
        assert_eq!(shown, "@@ -1,4 +1,5 @@\n a\n+y\n x\n x\n x\n");
        let ContentDiff::Text(diff) = compare(
            format!("a\n{}z\n", middle("x")).as_bytes(),
            format!("a\n{}z\n", middle("y")).as_bytes(),
        ) else {
            panic!("no text");
        };
        assert!(
            diff.unified.starts_with("@@ -1,40002 +1,40002 @@\n a\n-x\n"),
            "{}",
            &diff.unified[..60]
        );
        assert_eq!(diff.lines_left_out, 2 * MAX_COMPARED_LINES + 2 - MAX_LINES);
    }

    #[test]
    fn hostile_contents_cost_little() {
        let began = std::time::Instant::now();
        let size = usize::try_from(MAX_FILE_BYTES).unwrap();
        let lines = |step: usize, modulus: usize| -> String {
            (0..size / 4)
                .map(|line| format!("{:03}\n", line * step % modulus))
                .collect()
        };
        let cut = |text: String| -> String { text.split_inclusive('\n').take(MAX_COMPARED_LINES / 2).collect() };
        for (before, after) in [
            ("\n".repeat(size), "a\n".repeat(size / 2)),
            (lines(7, 64), lines(11, 64)),
            (cut(lines(7, 64)), cut(lines(11, 64))),
            (cut(lines(7, 997)), cut(lines(11, 991))),
            (cut(lines(1, 2)), cut(lines(1, 3))),
        ] {
            shown(&before, &after);
        }
        // A debug build on a busy machine.
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    #[test]
    fn changes_tell_contents_but_not_secrets() {
        let before = guest(&[
            "/etc/a|one\n",
            "/etc/shadow|x\n",
            "/etc/big|1",
            "/etc/same|s",
            "/etc/link -> a",
        ]);
        let mut after = guest(&[
            "/etc/a|one\n",
            "/etc/shadow|x\n",
            "/etc/big|1",
            "/etc/same|s",
            "/etc/link -> a",
        ]);
        let write = |guest: &mut crate::guest::Guest, name: &str, content: &[u8]| {
            let new = NewMetadata::root(0o644);
            guest.write_file(&path(name), &mut &*content, new).unwrap();
        };
        after.begin_step("files");
        write(&mut after, "/etc/a", b"two\n");
        write(&mut after, "/etc/shadow", b"y\n");
        write(&mut after, "/etc/big", &vec![b'x'; (1 << 20) + 1]);
        write(&mut after, "/etc/new", b"n\n");
        after.set_mode(&path("/etc/same"), 0o600).unwrap();
        after.begin_step("hostname");
        write(&mut after, "/etc/a", b"three\n");
        let mut changes = after.log().finish(after.tree()).unwrap();
        add_diffs(&mut changes, before.tree(), after.tree()).unwrap();
        let of = |name: &str| changes.iter().find(|change| change.path == path(name)).unwrap();
        let text = |unified: &str| {
            Some(ContentDiff::Text(TextDiff {
                unified: unified.to_owned(),
                lines_left_out: 0,
            }))
        };
        assert_eq!(of("/etc/a").diff, text("@@ -1 +1 @@\n-one\n+three\n"));
        assert_eq!(of("/etc/a").steps, ["files", "hostname"]);
        assert_eq!(of("/etc/new").diff, text("@@ -0,0 +1 @@\n+n\n"));
        assert_eq!(of("/etc/new").steps, ["files"]);
        assert_eq!(of("/etc/shadow").diff, Some(ContentDiff::Secret));
        assert_eq!(of("/etc/big").diff, Some(ContentDiff::Large));
        assert_eq!(of("/etc/same").diff, None);
    }
}
