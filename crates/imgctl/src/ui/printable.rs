//! Text that may hold bytes from an image or a file name, made harmless for a terminal.

use std::fmt::{self, Write as _};

/// A message: control characters and what reorders text appear escaped, line breaks stay but are indented, so that no
/// name can pose as a line of its own.
///
/// Unlike the escape of names (`EscapedBytes`) it leaves backslashes alone, so that what is escaped already stays so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<T>(pub(crate) T);

/// The same for text that must stay in its line: a cell of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line_break = "\n  ";
        write!(Escaper { out: f, line_break }, "{}", self.0)
    }
}

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line_break = "\\n";
        write!(Escaper { out: f, line_break }, "{}", self.0)
    }
}

struct Escaper<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    line_break: &'static str,
}

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\n' => self.out.write_str(self.line_break)?,
                _ if is_harmful(character) => write!(self.out, "{}", character.escape_unicode())?,
                _ => self.out.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Control characters, line separators, bidirectional controls and invisible characters.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// JSON that shows nothing harmful and means the same; line breaks stay.
pub(crate) fn escaped_json(json: &str) -> String {
    // What serde_json left as it is (DEL, C1 controls, bidirectional marks) can only be inside of strings.
    let mut harmless = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        match character {
            _ if character != '\n' && is_harmful(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    harmless.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => harmless.push(character),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_moves_its_cursor() {
        let hostile = "a\u{1b}[31m\r\u{7f}\u{9b}";
        assert_eq!(Printable(hostile).to_string(), "a\\u{1b}[31m\\u{d}\\u{7f}\\u{9b}");
        assert_eq!(OneLine("\u{202e}x").to_string(), "\\u{202e}x");
    }

    #[test]
    fn escaped_names_stay_as_they_are_and_lines_cannot_pose() {
        assert_eq!(Printable("/a\\x1b é").to_string(), "/a\\x1b é");
        assert_eq!(Printable("a\nerror: b").to_string(), "a\n  error: b");
        assert_eq!(OneLine("a\nerror: b").to_string(), "a\\nerror: b");
    }
}
