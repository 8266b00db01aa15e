//! What `diff -u` prints of two contents, without the lines that name the files.

use crate::diff::{groups, position};
use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};
use std::ops::Range;

/// GNU diff takes a content for binary by its first block.
const FIRST_BLOCK: usize = 4096;

/// Equal lines around a difference.
const CONTEXT: u32 = 3;

/// The hunks of a unified diff, byte for byte as GNU diff gives them for all but contrived contents; empty for equal contents, and
/// `None` where either is binary.
#[must_use]
pub fn unified_diff(before: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    let is_binary = |content: &[u8]| content.iter().take(FIRST_BLOCK).any(|byte| *byte == 0);
    if is_binary(before) || is_binary(after) {
        return None;
    }
    let input = InternedInput::new(byte_lines(before), byte_lines(after));
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_no_heuristic(&input);
    let old_length = u32::try_from(input.before.len()).unwrap_or(u32::MAX);
    let mut out = Vec::new();
    for group in groups(diff.hunks().collect()) {
        hunk(&group, &input, old_length, &mut out);
    }
    Some(out)
}

fn hunk(group: &[Hunk], input: &InternedInput<&[u8]>, old_length: u32, out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return;
    };
    let lead = CONTEXT.min(first.before.start);
    let trail = CONTEXT.min(old_length.saturating_sub(last.before.end));
    let old = first.before.start - lead..last.before.end + trail;
    let new = first.after.start - lead..last.after.end + trail;
    out.extend_from_slice(format!("@@ -{} +{} @@\n", position(&old), position(&new)).as_bytes());
    let mut push = |sign: u8, side: &[Token], range: Range<u32>| {
        for index in range {
            let token = usize::try_from(index).ok().and_then(|index| side.get(index));
            let line: &[u8] = token.map_or(b"", |token| input.interner[*token]);
            out.push(sign);
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    };
    let mut at = old.start;
    for change in group {
        push(b' ', &input.before, at..change.before.start);
        push(b'-', &input.before, change.before.clone());
        push(b'+', &input.after, change.after.clone());
        at = change.before.end;
    }
    push(b' ', &input.before, at..old.end);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What GNU diff says.
    fn by_diff(before: &[u8], after: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), before).unwrap();
        std::fs::write(folder.path().join("b"), after).unwrap();
        let output = std::process::Command::new("diff")
            .args(["-u", "a", "b"])
            .current_dir(folder.path())
            .output()
            .expect("diff is missing: apt-get install diffutils");
        let lines = output.stdout.split_inclusive(|byte| *byte == b'\n').skip(2);
        lines.flatten().copied().collect()
    }

    #[test]
    fn edits_of_texts_look_as_diff_shows_them() {
        let mut seed = 1_u64;
        let mut draw = |limit: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((seed >> 33) % limit).unwrap()
        };
        for round in 0..150 {
            let length = draw(60);
            let before: Vec<String> = (0..length)
                .map(|line| format!("{}\n", [line % 7, line, draw(9)][round % 3]))
                .collect();
            let mut after = before.clone();
            for _ in 0..=draw(5) {
                let place = draw(after.len() as u64 + 1);
                match draw(3) {
                    0 => after.insert(place, format!("{}\n", draw(12))),
                    1 if place < after.len() => drop(after.remove(place)),
                    _ if place < after.len() => after[place] = "changed\n".to_owned(),
                    _ => {}
                }
            }
            let (before, mut after) = (before.concat(), after.concat());
            if round % 5 == 0 {
                after.pop();
            }
            let ours = unified_diff(before.as_bytes(), after.as_bytes()).unwrap();
            let theirs = by_diff(before.as_bytes(), after.as_bytes());
            assert_eq!(
                String::from_utf8(ours).unwrap(),
                String::from_utf8(theirs).unwrap(),
                "{round}: {before:?} {after:?}"
            );
        }
    }

    #[test]
    fn what_is_binary_has_no_lines() {
        assert_eq!(unified_diff(b"a\0", b"b"), None);
        assert_eq!(
            unified_diff(b"\xff\n", b"\xfe\n").unwrap(),
            by_diff(b"\xff\n", b"\xfe\n")
        );
        assert_eq!(unified_diff(b"same\n", b"same\n"), Some(Vec::new()));
    }
}
