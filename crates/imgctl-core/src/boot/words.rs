//! Words as GRUB's shell and the kernel take them, each with its place in the line.
//!
//! Facts: the GRUB manual ("Quoting"), lib/cmdline.c of Linux (double quotes keep spaces, nothing else is special).

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::str::{CharIndices, Chars};

/// As long as a line may become when variables are filled in.
const MAX_WORD_BYTES: usize = 1 << 16;

/// Names and values.
pub(crate) type Variables = BTreeMap<String, String>;

/// Who reads a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Syntax {
    /// GRUB: quotes of two kinds, backslashes, variables, comments.
    Grub,
    /// The kernel itself: double quotes.
    Kernel,
}

impl Syntax {
    /// Where the words of a line are, quotes and all; nothing of a comment.
    pub(crate) fn split(self, line: &str) -> Vec<Range<usize>> {
        match self {
            Self::Grub => split_grub(line),
            Self::Kernel => split_kernel(line),
        }
    }

    /// A word without its quotes, variables as they are written.
    pub(crate) fn plain(self, word: &str) -> String {
        match self {
            Self::Kernel => word.replace('"', ""),
            Self::Grub => {
                let mut plain = String::new();
                let mut quote = None;
                let mut characters = word.chars();
                while let Some(character) = characters.next() {
                    match (character, quote) {
                        ('\'' | '"', None) => quote = Some(character),
                        (character, Some(open)) if character == open => quote = None,
                        ('\\', None | Some('"')) => plain.extend(characters.next()),
                        _ => plain.push(character),
                    }
                }
                plain
            }
        }
    }

    /// A kernel's argument as a word. Quotes that it brings stay as they are written.
    pub(crate) fn quoted(self, argument: &str) -> String {
        let special = |character: char| "\\'$;&|<>{}`".contains(character);
        match self {
            Self::Grub if argument.contains(special) => format!("'{}'", argument.replace('\'', "'\\''")),
            Self::Grub | Self::Kernel => argument.to_owned(),
        }
    }
}

fn split_grub(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut characters = line.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('#', None) if start.is_none() => break,
            (' ' | '\t' | ';' | '{' | '}', None) => {
                words.extend(start.take().map(|start| start..at));
                continue;
            }
            ('\'' | '"', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => drop(characters.next()),
            ('$', None | Some('"')) => skip_variable(&mut characters),
            _ => {}
        }
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| start..line.len()));
    words
}

/// Goes behind the name after a dollar sign, with its braces, which separate no words.
fn skip_variable(characters: &mut Peekable<CharIndices<'_>>) {
    let in_braces = characters.next_if(|(_, next)| *next == '{').is_some();
    while characters.next_if(|(_, next)| is_name(*next)).is_some() {}
    if in_braces {
        characters.next_if(|(_, next)| *next == '}');
    }
}

fn split_kernel(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut in_quotes = false;
    for (at, character) in line.char_indices() {
        in_quotes ^= character == '"';
        if character.is_ascii_whitespace() && !in_quotes {
            words.extend(start.take().map(|start| start..at));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| start..line.len()));
    words
}

/// The words of a line of GRUB's, quotes taken away and variables filled in.
pub(crate) fn expanded(line: &str, variables: &Variables) -> Vec<String> {
    let mut words = Vec::new();
    let mut bytes = 0;
    for range in split_grub(line) {
        expand_word(line.get(range).unwrap_or_default(), variables, &mut words);
        bytes = words.iter().map(String::len).sum::<usize>().max(bytes);
        if bytes > MAX_WORD_BYTES {
            break;
        }
    }
    words
}

/// Adds what a word comes to: outside of quotes the value of a variable falls into words.
fn expand_word(word: &str, variables: &Variables, words: &mut Vec<String>) {
    let mut open: Option<String> = None;
    let mut quote = None;
    let mut characters = word.chars().peekable();
    while let Some(character) = characters.next() {
        if open.as_ref().is_some_and(|word| word.len() > MAX_WORD_BYTES) {
            break;
        }
        match (character, quote) {
            ('\'' | '"', None) => {
                quote = Some(character);
                open.get_or_insert_default();
            }
            (character, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => open.get_or_insert_default().extend(characters.next()),
            ('$', None | Some('"')) => {
                let value = variables.get(&variable(&mut characters)).map_or("", String::as_str);
                expand(value, quote.is_some(), &mut open, words);
            }
            (character, _) => open.get_or_insert_default().push(character),
        }
    }
    words.extend(open);
}

fn expand(value: &str, is_quoted: bool, word: &mut Option<String>, words: &mut Vec<String>) {
    if is_quoted {
        word.get_or_insert_default().push_str(value);
        return;
    }
    let mut pieces = value.split([' ', '\t']);
    if let Some(first) = pieces.next().filter(|first| !first.is_empty()) {
        word.get_or_insert_default().push_str(first);
    }
    for piece in pieces {
        words.extend(word.take());
        *word = Some(piece.to_owned()).filter(|piece| !piece.is_empty());
    }
}

/// The name behind a dollar sign, with or without braces.
fn variable(characters: &mut Peekable<Chars<'_>>) -> String {
    let in_braces = characters.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(character) = characters.next_if(|next| is_name(*next)) {
        name.push(character);
    }
    if in_braces {
        characters.next_if_eq(&'}');
    }
    name
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '?'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_grub_has_them() {
        let variables = Variables::from([
            ("a".to_owned(), "x y".to_owned()),
            ("root".to_owned(), "hd0".to_owned()),
        ]);
        let words = |line| expanded(line, &variables).join("|");
        assert_eq!(
            words("\tlinux /k root=UUID=1 ro $a$none quiet # c"),
            "linux|/k|root=UUID=1|ro|x|y|quiet"
        );
        assert_eq!(words("set b=\"${a} z\" 'it''s $a' \\$a"), "set|b=x y z|its $a|$a");
        assert_eq!(
            words("if [ x ]; then search ($root)/x; fi"),
            "if|[|x|]|then|search|(hd0)/x|fi"
        );
        assert_eq!(words("# all of it"), "");
        assert_eq!(words("\"open"), "open");
    }

    #[test]
    fn places_and_quotes_agree() {
        for (line, expected) in [
            ("linux /k a=\"b c\" 'd e' ${v}x # c", "linux|/k|a=b c|d e|${v}x"),
            ("a\\ b \"c\\\"d\" ;e{f}", "a b|c\"d|e|f"),
            ("", ""),
        ] {
            let words = Syntax::Grub.split(line).into_iter();
            let plain: Vec<String> = words.map(|range| Syntax::Grub.plain(&line[range])).collect();
            assert_eq!(plain.join("|"), expected);
        }
        let line = " root=/dev/a  x=\"b c\"\td$e";
        let words: Vec<&str> = Syntax::Kernel.split(line).into_iter().map(|at| &line[at]).collect();
        assert_eq!(words, ["root=/dev/a", "x=\"b c\"", "d$e"]);
        for argument in ["a=$b;c", "it's", "a=\"b c\"", "plain"] {
            let word = Syntax::Grub.quoted(argument);
            assert_eq!(Syntax::Grub.split(&word).len(), 1, "{word}");
            let unquoted = if argument.contains(['$', '\'']) {
                argument.to_owned()
            } else {
                argument.replace('"', "")
            };
            assert_eq!(Syntax::Grub.plain(&word), unquoted);
        }
    }
}
