//! A rough scanner of Rust: the code without its comments and literals.

/// `text` with every comment, string and character literal blanked; lines and columns stay where they are.
pub(super) fn code_only(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut index = 0;
    while let Some(letter) = letters.get(index) {
        let end = literal_end(&letters, index);
        if end > index {
            for blanked in letters.get(index..end).unwrap_or_default() {
                code.push(if *blanked == '\n' { '\n' } else { ' ' });
            }
            index = end;
        } else {
            code.push(*letter);
            index += 1;
        }
    }
    code
}

/// Where the comment or literal that starts at `start` ends; `start` when there is none.
fn literal_end(letters: &[char], start: usize) -> usize {
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    match (at(start), at(start + 1)) {
        ('/', '/') => (start..)
            .find(|index| matches!(at(*index), '\n' | '\0'))
            .unwrap_or(start),
        ('/', '*') => block_comment_end(letters, start),
        ('"', _) => string_end(letters, start + 1),
        ('\'', '\\') => (start + 3..)
            .find(|index| matches!(at(*index), '\'' | '\0'))
            .map_or(start, |index| index + 1),
        // A lifetime has no quote two letters on.
        ('\'', _) if at(start + 2) == '\'' => start + 3,
        ('r', '"' | '#') if !follows_word(letters, start) || follows_byte_prefix(letters, start) => {
            raw_string_end(letters, start)
        }
        _ => start,
    }
}

fn follows_word(letters: &[char], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|index| letters.get(index));
    before.is_some_and(|letter| letter.is_alphanumeric() || *letter == '_')
}

fn follows_byte_prefix(letters: &[char], start: usize) -> bool {
    let before = |back: usize| {
        start
            .checked_sub(back)
            .and_then(|index| letters.get(index))
            .copied()
            .unwrap_or(' ')
    };
    before(1) == 'b' && !before(2).is_alphanumeric() && before(2) != '_'
}

fn block_comment_end(letters: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut index = start;
    while index < letters.len() {
        match letters.get(index..index + 2) {
            Some(['/', '*']) => (depth, index) = (depth + 1, index + 2),
            Some(['*', '/']) if depth <= 1 => return index + 2,
            Some(['*', '/']) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
    }
    letters.len()
}

fn string_end(letters: &[char], start: usize) -> usize {
    let mut index = start;
    while let Some(letter) = letters.get(index) {
        match letter {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    letters.len()
}

fn raw_string_end(letters: &[char], start: usize) -> usize {
    let hashes = letters
        .iter()
        .skip(start + 1)
        .take_while(|letter| **letter == '#')
        .count();
    let body = start + 1 + hashes;
    if letters.get(body) != Some(&'"') {
        return start; // a raw identifier
    }
    let closes = |index: usize| {
        letters.get(index) == Some(&'"')
            && letters
                .iter()
                .skip(index + 1)
                .take_while(|letter| **letter == '#')
                .count()
                >= hashes
    };
    (body + 1..letters.len())
        .find(|index| closes(*index))
        .map_or(letters.len(), |index| index + 1 + hashes)
}

/// The words (identifiers, keywords) of blanked code with their line, from 1.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.lines().enumerate().flat_map(move |(index, line)| {
        line.split(move |letter| !is_part(letter))
            .filter(|word| !word.is_empty())
            .map(move |word| (index + 1, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_literals_but_keeps_lines() {
        let text = "let a = \"x { \\\" }\"; // {\n/* { /* } */ */ let b = '{';\nlet c: &'a str = r#\"{\"#;\nlet d = br\"{\";\nlet e = b'\\'';\n";
        let code = code_only(text);
        assert!(!code.contains(['{', '}']), "{code}");
        assert!(code.contains("&'a str") && code.contains("let b =") && code.contains("let e = b"));
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn strings_over_several_lines_and_raw_identifiers() {
        let code = code_only("let s = \"one\n{two\n\"; let r#type = 1;\n");
        assert_eq!(code.lines().count(), 3);
        assert!(!code.contains('{') && code.contains("r#type"));
    }

    #[test]
    fn words_have_their_line() {
        let found: Vec<_> = words("fn a() {\n  b_c\n}").collect();
        assert_eq!(found, [(1, "fn"), (1, "a"), (2, "b_c")]);
    }
}
