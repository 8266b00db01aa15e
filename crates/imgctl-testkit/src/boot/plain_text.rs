//! Terminal output as plain text: without colours, cursor movements, carriage returns.

/// Takes escape sequences and control characters out of a stream that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct PlainText {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Text,
    Escape,
    /// `ESC [` up to its final byte (ECMA-48, 5.4).
    ControlSequence,
    /// `ESC ]`, `ESC P` and the like, up to BEL or `ESC \`.
    ControlString,
    /// `ESC (` and the like: one more byte.
    OneMore,
}

impl PlainText {
    /// The text of the next piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        piece.iter().copied().filter(|byte| self.is_text(*byte)).collect()
    }

    fn is_text(&mut self, byte: u8) -> bool {
        const ESCAPE: u8 = 0x1b;
        const BELL: u8 = 0x07;
        self.state = match (self.state, byte) {
            (State::Text, ESCAPE) => State::Escape,
            (State::Text, b'\n' | b'\t' | b' '..=b'~' | 0x80..) => return true,
            (State::Escape, b'[') => State::ControlSequence,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::ControlString,
            (State::Escape, b' '..=b'/') => State::OneMore,
            (State::ControlSequence, b' '..=b'?') => State::ControlSequence,
            (State::ControlString, ESCAPE) => State::Escape,
            (State::ControlString, byte) if byte != BELL => State::ControlString,
            _ => State::Text,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_vanish_even_when_they_arrive_in_pieces() {
        let stream = b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b]0;title\x07x\x1b(By\x1bP+q\x1b\\z\r\n\x1b[?25h";
        let mut whole = PlainText::default();
        assert_eq!(whole.feed(stream), b"[  OK  ] Started xyz\n");
        let mut pieces = PlainText::default();
        let text: Vec<u8> = stream.chunks(1).flat_map(|piece| pieces.feed(piece)).collect();
        assert_eq!(text, b"[  OK  ] Started xyz\n");
    }
}
