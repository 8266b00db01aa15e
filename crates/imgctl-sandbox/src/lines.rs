//! The program's output, line by line.

use std::io::{self, Read};

/// A line is cut here: a program that never ends one must not fill the memory.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Tells every line, without its line break; one that is too long in several parts.
pub(crate) fn each_line(mut from: impl Read, tell: &mut dyn FnMut(&[u8])) {
    let mut line = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for piece in read.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") || line.len() >= MAX_LINE_BYTES {
                tell(&line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        tell(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_once_and_long_ones_are_cut() {
        let mut text = b"a\n\nb".to_vec();
        text.extend(vec![b'x'; 3 * MAX_LINE_BYTES]);
        let mut lines = Vec::new();
        each_line(text.as_slice(), &mut |line| lines.push(line.to_vec()));
        assert_eq!(&lines[..2], [b"a".to_vec(), Vec::new()]);
        assert_eq!(lines[2..].concat().len(), 3 * MAX_LINE_BYTES + 1);
        assert!(lines.iter().all(|line| line.len() <= MAX_LINE_BYTES + 8192));
    }
}
