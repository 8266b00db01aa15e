//! A file of lines with colons (passwd(5), shadow(5), group(5), subuid(5)), edited so that every other byte stays.

/// One file of accounts. A line that is none of an account (a comment, a NIS line, damage) is kept as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ColonFile {
    lines: Vec<Vec<u8>>,
}

impl ColonFile {
    /// Takes in a file's text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Self::default();
        }
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        Self { lines: lines.collect() }
    }

    /// The file's text; the last line is ended, too.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ended = self.lines.iter().flat_map(|line| line.iter().chain(b"\n"));
        ended.copied().collect()
    }

    /// The fields of every line that begins with a name, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Vec<&[u8]>> {
        let lines = self.lines.iter().filter(|line| name_of(line).is_some());
        lines.map(|line| fields(line))
    }

    /// The fields of the first line with this name: the one that counts, as for getpwnam(3).
    #[must_use]
    pub fn entry(&self, name: &[u8]) -> Option<Vec<&[u8]>> {
        let line = self.lines.iter().find(|line| name_of(line) == Some(name))?;
        Some(fields(line))
    }

    /// A field of the first line with this name; what is beyond the line's end is empty.
    #[must_use]
    pub fn field(&self, name: &[u8], column: usize) -> Option<&[u8]> {
        let entry = self.entry(name)?;
        Some(entry.get(column).copied().unwrap_or_default())
    }

    /// Whether a line has this name.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.entry(name).is_some()
    }

    /// Changes a field of the first line with this name; a line that is too short gets the fields up to it.
    pub fn set_field(&mut self, name: &[u8], column: usize, value: &[u8]) {
        if let Some(line) = self.lines.iter_mut().find(|line| name_of(line) == Some(name)) {
            set(line, column, value);
        }
    }

    /// Puts a new line at the end, but before NIS lines: what comes after those may be hidden by them.
    pub fn push(&mut self, fields: &[&[u8]]) {
        let is_nis = |line: &Vec<u8>| line.starts_with(b"+") || line.starts_with(b"-");
        let at = self.lines.iter().position(is_nis).unwrap_or(self.lines.len());
        self.lines.insert(at, fields.join(&b':'));
    }

    /// Removes every line with this name.
    pub fn remove(&mut self, name: &[u8]) {
        self.lines.retain(|line| name_of(line) != Some(name));
    }

    /// Adds a word to the comma list in a field of the first line with this name, unless it is there.
    pub fn add_word(&mut self, name: &[u8], column: usize, word: &[u8]) {
        let Some(list) = self.field(name, column) else { return };
        if words(list).any(|present| present == word) {
            return;
        }
        let separator: &[u8] = if list.is_empty() { b"" } else { b"," };
        let list = [list, separator, word].concat();
        self.set_field(name, column, &list);
    }

    /// Removes a word from the comma list in this field of every line.
    pub fn remove_word(&mut self, column: usize, word: &[u8]) {
        for line in &mut self.lines {
            if name_of(line).is_none() {
                continue;
            }
            let fields = fields(line);
            let list = fields.get(column).copied().unwrap_or_default();
            if words(list).any(|present| present == word) {
                let rest: Vec<&[u8]> = words(list).filter(|present| *present != word).collect();
                let rest = rest.join(&b',');
                set(line, column, &rest);
            }
        }
    }
}

/// The words of a comma list.
fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').filter(|word| !word.is_empty())
}

fn name_of(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().position(|byte| *byte == b':')?;
    let name = line.get(..end)?;
    let is_other = matches!(name.first(), None | Some(b'#' | b'+' | b'-'));
    (!is_other).then_some(name)
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b':').collect()
}

fn set(line: &mut Vec<u8>, column: usize, value: &[u8]) {
    let mut parts = fields(line);
    while parts.len() <= column {
        parts.push(b"");
    }
    parts[column] = value;
    *line = parts.join(&b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"root:x:0:\n# note\nadm:x:4:a,b\ndamaged\n\n\xff\xfe:x\nadm:x:9:\n-nobody\n+:::";

    #[test]
    fn other_lines_stay_as_they_are() {
        let mut file = ColonFile::parse(TEXT);
        assert_eq!(file.encode(), [TEXT, b"\n"].concat());
        file.push(&[b"new", b"x", b"5", b""]);
        file.add_word(b"adm", 3, b"c");
        file.add_word(b"adm", 3, b"a");
        file.add_word(b"root", 3, b"c");
        file.set_field(b"\xff\xfe", 2, b"7");
        assert_eq!(
            file.encode(),
            b"root:x:0:c\n# note\nadm:x:4:a,b,c\ndamaged\n\n\xff\xfe:x:7\nadm:x:9:\nnew:x:5:\n-nobody\n+:::\n"
        );
        file.remove_word(3, b"c");
        file.remove(b"new");
        file.remove(b"adm");
        assert_eq!(
            file.encode(),
            b"root:x:0:\n# note\ndamaged\n\n\xff\xfe:x:7\n-nobody\n+:::\n"
        );
    }

    #[test]
    fn the_first_line_of_a_name_counts() {
        let file = ColonFile::parse(TEXT);
        assert_eq!(file.field(b"adm", 2), Some(&b"4"[..]));
        assert_eq!(file.field(b"adm", 9), Some(&b""[..]));
        assert_eq!(file.field(b"damaged", 0), None);
        assert!(!file.has(b"") && !file.has(b"+") && !file.has(b"# note"));
        assert_eq!(ColonFile::parse(b"").encode(), b"");
        assert_eq!(ColonFile::parse(b"\n").encode(), b"");
        assert_eq!(file.entries().count(), 4);
    }
}
