//! The texts of a recipe and of every file it is made of, in one space of byte offsets.
//!
//! Each file has a range of offsets of its own, so that a span tells its file. Only what leaves the crate counts from
//! the file's own beginning.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::finding::Place;
use crate::plan::Origin;

/// A byte offset is kept for every so many characters.
const STRIDE: usize = 1024;

/// Every file that was read, the recipe itself first.
#[derive(Clone, Debug)]
pub(crate) struct SourceMap {
    recipe: Arc<SourceFile>,
    others: Vec<Arc<SourceFile>>,
}

impl SourceMap {
    /// Of a recipe that is not made of other files yet.
    pub(crate) fn new(name: &Path, text: String) -> Self {
        Self {
            recipe: Arc::new(SourceFile::new(name, text, 0)),
            others: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &Path, text: String) -> Arc<SourceFile> {
        // One more, so that the end of one file is not the beginning of the next.
        let start = self.last().end().saturating_add(1);
        let file = Arc::new(SourceFile::new(name, text, start));
        self.others.push(Arc::clone(&file));
        file
    }

    pub(crate) fn recipe(&self) -> &Arc<SourceFile> {
        &self.recipe
    }

    /// The file of this name.
    pub(crate) fn named(&self, name: &Path) -> Option<&SourceFile> {
        let mut files = std::iter::once(&self.recipe).chain(&self.others);
        files.find(|file| file.name == name).map(|file| &**file)
    }

    /// The file that an offset belongs to.
    pub(crate) fn file_at(&self, byte: usize) -> &SourceFile {
        let before = self.others.partition_point(|file| file.start <= byte);
        let file = before.checked_sub(1).and_then(|index| self.others.get(index));
        file.unwrap_or(&self.recipe)
    }

    /// Line and column (in characters) in the offset's file, each from 1.
    pub(crate) fn line_column(&self, byte: usize) -> (usize, usize) {
        let file = self.file_at(byte);
        file.line_column(byte.saturating_sub(file.start))
    }

    /// The part of a span that is in its first line, without spaces at its end, in bytes of its file.
    pub(crate) fn clip(&self, span: &Range<usize>) -> Range<usize> {
        let file = self.file_at(span.start);
        let local = |byte: usize| byte.saturating_sub(file.start);
        file.clip(&(local(span.start)..local(span.end)))
    }

    pub(crate) fn origin(&self, place: &Place) -> Origin {
        let (line, column) = self.line_column(place.span.start);
        Origin {
            file: self.file_at(place.span.start).name.clone(),
            line,
            column,
            key: place.key.clone(),
        }
    }

    /// A line as other findings call it, after "line": `12`, or `12 of base.yaml`.
    pub(crate) fn line(&self, byte: usize) -> LineName {
        let file = self.file_at(byte);
        LineName {
            line: self.line_column(byte).0,
            file: (file.start > 0).then(|| file.name.clone()),
        }
    }

    fn last(&self) -> &SourceFile {
        self.others.last().unwrap_or(&self.recipe)
    }
}

/// The number of a line, with the file's name where it is not the recipe itself.
#[derive(Clone, Debug)]
pub(crate) struct LineName {
    line: usize,
    file: Option<PathBuf>,
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} of {}", self.line, file.display()),
            None => write!(f, "{}", self.line),
        }
    }
}

/// One file's text with its name and an index of positions.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) name: PathBuf,
    pub(crate) text: String,
    /// The offset of its first byte.
    pub(crate) start: usize,
    /// Byte offset of every `STRIDE`th character.
    strides: Vec<usize>,
    /// Byte offset of every line's first character.
    lines: Vec<usize>,
}

impl SourceFile {
    fn new(name: &Path, text: String, start: usize) -> Self {
        let strides = text.char_indices().step_by(STRIDE).map(|(byte, _)| byte).collect();
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self {
            name: name.to_path_buf(),
            text,
            start,
            strides,
            lines,
        }
    }

    /// A path as this file means it: relative to its folder.
    pub(crate) fn beside(&self, path: &Path) -> PathBuf {
        match self.name.parent() {
            Some(folder) if !matches!(folder.to_str(), Some("" | ".")) => folder.join(path),
            _ => path.to_path_buf(),
        }
    }

    fn end(&self) -> usize {
        self.start.saturating_add(self.text.len())
    }

    /// The byte of the text where a character begins, counted from 0; the text's length for any beyond.
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

    fn clip(&self, span: &Range<usize>) -> Range<usize> {
        let Some(text) = self.text.get(span.clone()) else {
            return span.start.min(self.text.len())..span.start.min(self.text.len());
        };
        let line = text.lines().next().unwrap_or_default();
        span.start..span.start + line.trim_end().len()
    }

    fn line_column(&self, byte: usize) -> (usize, usize) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes_and_lines() {
        let text = format!("ä: {}\r\nb: ß c", "é".repeat(3000));
        let map = SourceMap::new(Path::new("r.yaml"), text.clone());
        for (index, (byte, _)) in text.char_indices().enumerate() {
            assert_eq!(map.recipe().byte_of(index), byte);
        }
        assert_eq!(map.recipe().byte_of(1 << 40), text.len());
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
        let map = SourceMap::new(Path::new("r.yaml"), String::new());
        assert_eq!(map.line_column(0), (1, 1));
        assert_eq!(map.line_column(99), (1, 1));
        assert_eq!(map.clip(&(5..9)), 0..0);
    }

    #[test]
    fn an_offset_tells_its_file() {
        let mut map = SourceMap::new(Path::new("r.yaml"), "a: 1\n".into());
        let base = map.add(Path::new("lib/base.yaml"), "# base\nb: 2\n".into());
        let empty = map.add(Path::new("empty.yaml"), String::new());
        let last = map.add(Path::new("last.yaml"), "c: 3\n".into());
        let place = |span| Place { span, key: "k".into() };
        for (at, file, line, column) in [
            (0, "r.yaml", 1, 1),
            (5, "r.yaml", 2, 1),
            (base.start, "lib/base.yaml", 1, 1),
            (base.start + 10, "lib/base.yaml", 2, 4),
            (base.start + 12, "lib/base.yaml", 3, 1),
            (empty.start, "empty.yaml", 1, 1),
            (last.start + 3, "last.yaml", 1, 4),
        ] {
            let origin = map.origin(&place(at..at));
            assert_eq!(
                (origin.file.as_path(), origin.line, origin.column),
                (Path::new(file), line, column)
            );
        }
        assert_eq!(map.clip(&(base.start + 7..base.start + 11)), 7..11);
        assert_eq!(map.line(3).to_string(), "1");
        assert_eq!(map.line(base.start + 8).to_string(), "2 of lib/base.yaml");
        assert_eq!(base.beside(Path::new("x")), Path::new("lib/x"));
        assert_eq!(last.beside(Path::new("x")), Path::new("x"));
    }
}
