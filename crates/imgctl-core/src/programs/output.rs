//! What a program writes: told as text, and the last of it kept for the error.

use std::collections::VecDeque;

/// As many lines as an error shows.
const LINES: usize = 12;

/// A line as text for people: what is not UTF-8 is replaced, and of what overwrites itself the last is kept.
pub(super) fn text_of(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let shown = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    shown.to_owned()
}

/// The last lines of an output.
#[derive(Debug, Default)]
pub(super) struct LastLines(VecDeque<String>);

impl LastLines {
    pub(super) fn push(&mut self, line: String) {
        if line.trim().is_empty() {
            return;
        }
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// All of them, indented, each after a line break.
    pub(super) fn into_text(self) -> String {
        self.0.into_iter().map(|line| format!("\n  | {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut last = LastLines::default();
        (0..20).for_each(|number| last.push(number.to_string()));
        last.push(" ".to_owned());
        let text = last.into_text();
        assert!(text.starts_with("\n  | 8\n") && text.ends_with("\n  | 19"), "{text}");
        assert_eq!(text_of(b"10%\r20%\r30%\r"), "30%");
        assert_eq!(text_of(b"caf\xc3\xa9 \xff"), "caf\u{e9} \u{fffd}");
    }
}
