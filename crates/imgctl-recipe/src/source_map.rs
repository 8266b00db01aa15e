//! Characters, bytes, lines and columns of one recipe's text.

use std::ops::Range;
use std::path::Path;

use crate::finding::Place;
use crate::plan::Origin;

/// A byte offset is kept for every so many characters.
const STRIDE: usize = 1024;

/// A recipe's text with its name and an index of positions.
#[derive(Debug)]
pub(crate) struct SourceMap<'s> {
    name: &'s Path,
    pub(crate) text: &'s str,
    /// Byte offset of every `STRIDE`th character.
    strides: Vec<usize>,
    /// Byte offset of every line's first character.
    lines: Vec<usize>,
}

impl<'s> SourceMap<'s> {
    pub(crate) fn new(name: &'s Path, text: &'s str) -> Self {
        let strides = text.char_indices().step_by(STRIDE).map(|(byte, _)| byte);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            name,
            text,
            strides: strides.collect(),
            lines: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect(),
        }
    }

    /// The byte offset of a character, counted from 0; the text's length for any beyond.
    pub(crate) fn byte_of(&self, character: usize) -> usize {
        let Some(start) = self.strides.get(character / STRIDE) else {
            return self.text.len();
        };
        let rest = self.text.get(*start..).unwrap_or_default();
        rest.char_indices()
            .nth(character % STRIDE)
            .map_or(self.text.len(), |(byte, _)| start + byte)
    }

    /// How many characters begin before a byte.
    fn character_of(&self, byte: usize) -> usize {
        let stride = self.strides.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.strides.get(stride).copied().unwrap_or_default();
        let rest = self.text.get(start..byte).unwrap_or_default();
        stride * STRIDE + rest.chars().count()
    }

    /// The part of a span that is in its first line, without spaces at its end.
    pub(crate) fn clip(&self, span: &Range<usize>) -> Range<usize> {
        let Some(text) = self.text.get(span.clone()) else {
            return span.start.min(self.text.len())..span.start.min(self.text.len());
        };
        let line = text.lines().next().unwrap_or_default();
        span.start..span.start + line.trim_end().len()
    }

    /// Line and column (in characters), each from 1.
    pub(crate) fn line_column(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let mut column = self.character_of(byte).saturating_sub(self.character_of(start));
        // A byte order mark takes no column.
        if line == 1 && byte > 0 && self.text.starts_with('\u{feff}') {
            column = column.saturating_sub(1);
        }
        let column = column + 1;
        (line, column)
    }

    pub(crate) fn origin(&self, place: &Place) -> Origin {
        let (line, column) = self.line_column(place.span.start);
        Origin {
            file: self.name.to_path_buf(),
            line,
            column,
            key: place.key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes_and_lines() {
        let text = format!("ä: {}\r\nb: ß c", "é".repeat(3000));
        let map = SourceMap::new(Path::new("r.yaml"), &text);
        for (index, (byte, _)) in text.char_indices().enumerate() {
            assert_eq!(map.byte_of(index), byte);
        }
        assert_eq!(map.byte_of(1 << 40), text.len());
        assert_eq!(map.line_column(0), (1, 1));
        assert_eq!(map.line_column(2), (1, 2));
        assert_eq!(map.line_column(text.find('\r').unwrap()), (1, 3004));
        let c = text.rfind('c').unwrap();
        assert_eq!(map.line_column(c), (2, 6));
        assert_eq!(map.line_column(text.len()), (2, 7));
        assert_eq!(map.clip(&(0..text.len())).end, text.find('\r').unwrap());
    }

    #[test]
    fn positions_outside_the_text() {
        let map = SourceMap::new(Path::new("r.yaml"), "");
        assert_eq!(map.line_column(0), (1, 1));
        assert_eq!(map.line_column(99), (1, 1));
        assert_eq!(map.clip(&(5..9)), 0..0);
    }
}
