//! Assignments of a file that a shell sources, like /etc/default/grub: read and written with their quotes.
//!
//! A value is kept in one string, as the shell would have it, but for references: `$NAME` and `${NAME}` stand in it between
//! two characters of the private use area, as they are written. Command substitutions are references too: nobody knows
//! what they come to.
//!
//! Facts: POSIX, "Shell Command Language" 2.2 (quoting), 2.9.1 (simple commands).

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// How a value is quoted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quotes {
    /// Not at all.
    None,
    /// All of it in single quotes.
    Single,
    /// In double quotes, or several ways.
    Double,
}

/// `NAME=value` or `NAME+=value`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    /// Whether the value is added to what the variable has.
    pub(crate) appends: bool,
    /// The value with its references.
    pub(crate) value: String,
    pub(crate) quotes: Quotes,
    /// Where the value stands in the text.
    pub(crate) place: Range<usize>,
    /// Whether it may be passed over: inside of `if`, `case`, a loop or a function.
    pub(crate) is_conditional: bool,
}

/// Every assignment of a text, in order. A text that holds the marks of references has none.
pub(crate) fn assignments(text: &str) -> Vec<Assignment> {
    let mut found = Vec::new();
    if text.contains([OPEN, CLOSE]) {
        return found;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start_matches([' ', '\t', ';', '\n', '\r']).len();
        let rest = text.get(at..).unwrap_or_default();
        let statement = rest.strip_prefix("export ").map_or(rest, str::trim_start);
        let start = text.len() - statement.len();
        if let Some((name, appends, length)) = assigned_name(statement) {
            let from = start + length;
            let (value, quotes, end) = value(text, from);
            found.push(Assignment {
                appends,
                name: name.to_owned(),
                value,
                quotes,
                place: from..end,
                is_conditional: depth > 0,
            });
            at = end;
        } else {
            let line = rest.lines().next().unwrap_or_default();
            let word = line.split([' ', '\t', ';']).next().unwrap_or_default();
            match word {
                "if" | "case" | "for" | "while" | "until" | "{" => depth += 1,
                "fi" | "esac" | "done" | "}" => depth = depth.saturating_sub(1),
                _ if !line.starts_with('#') && line.trim_end().ends_with('{') => depth += 1,
                _ => {}
            }
            // What follows `then` on the same line is looked at, too.
            at += match word {
                "then" | "else" | "do" => word.len(),
                _ => command_end(rest),
            };
        }
    }
    found
}

/// The name, whether it is `+=`, and how long all before the value is.
fn assigned_name(statement: &str) -> Option<(&str, bool, usize)> {
    let (left, _) = statement.split_once('=')?;
    let name = left.strip_suffix('+').unwrap_or(left);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, left.len() != name.len(), left.len() + 1))
}

/// Behind a command: at the end of its line or at a semicolon, quotes heeded.
fn command_end(rest: &str) -> usize {
    if rest.starts_with('#') {
        return rest.find('\n').map_or(rest.len(), |at| at + 1);
    }
    let mut quote = None;
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('\n' | ';', None) => return at + 1,
            ('\'' | '"', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => drop(characters.next()),
            _ => {}
        }
    }
    rest.len()
}

/// The value that begins at `from`, its quotes, and where it ends.
fn value(text: &str, from: usize) -> (String, Quotes, usize) {
    let rest = text.get(from..).unwrap_or_default();
    let mut value = String::new();
    let mut quote = None;
    let mut characters = rest.char_indices().peekable();
    let mut end = rest.len();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            (' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')' | '<' | '>', None) => {
                end = at;
                break;
            }
            ('\'' | '"', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            ('\\', None) => value.extend(characters.next().map(|(_, next)| next).filter(|next| *next != '\n')),
            ('\\', Some('"')) => match characters.next() {
                Some((_, next)) if "$`\"\\".contains(next) => value.push(next),
                Some((_, '\n')) => {}
                other => {
                    value.push('\\');
                    value.extend(other.map(|(_, next)| next));
                }
            },
            ('$' | '`', None | Some('"')) => {
                let to = reference_end(rest, at, &mut characters);
                let reference = rest.get(at..to).unwrap_or_default();
                match reference {
                    "$" => value.push('$'),
                    _ => value.extend([OPEN.to_string(), reference.to_owned(), CLOSE.to_string()]),
                }
            }
            (character, _) => value.push(character),
        }
    }
    let raw = rest.get(..end).unwrap_or_default();
    let inner = |quote: char| raw.strip_prefix(quote).and_then(|raw| raw.strip_suffix(quote));
    let quotes = match inner('\'') {
        Some(inner) if !inner.contains('\'') => Quotes::Single,
        _ if raw.contains(['\'', '"', '\\']) || raw.is_empty() => Quotes::Double,
        _ => Quotes::None,
    };
    (value, quotes, from + end)
}

/// Behind a reference that begins at `start`: `$NAME`, `${…}`, `$(…)` or backticks.
fn reference_end(text: &str, start: usize, characters: &mut Peekable<CharIndices<'_>>) -> usize {
    let first = text.get(start..).and_then(|rest| rest.chars().next());
    let (open, close) = match (first, characters.peek().map(|(_, next)| *next)) {
        (Some('`'), _) => ('`', '`'),
        (_, Some('{')) => ('{', '}'),
        (_, Some('(')) => ('(', ')'),
        _ => {
            let mut end = start + 1;
            while let Some((at, next)) = characters.next_if(|(_, next)| next.is_ascii_alphanumeric() || *next == '_') {
                end = at + next.len_utf8();
            }
            return end;
        }
    };
    let mut depth = usize::from(open == '`');
    for (at, character) in characters.by_ref() {
        if character == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + character.len_utf8();
            }
        } else if character == open {
            depth += 1;
        }
    }
    text.len()
}

/// A value with the references that are known filled in; the others come to nothing.
pub(crate) fn evaluated(value: &str, variables: &BTreeMap<String, String>) -> String {
    let mut plain = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once(OPEN) {
        plain.push_str(before);
        let (reference, after) = after.split_once(CLOSE).unwrap_or((after, ""));
        let name = reference.trim_start_matches('$').trim_matches(['{', '}']);
        plain.push_str(variables.get(name).map_or("", String::as_str));
        rest = after;
    }
    plain + rest
}

/// A value as it is written in a shell's file, in quotes like those it had.
pub(crate) fn encoded(value: &str, quotes: Quotes) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "_-.,/:=@%+".contains(character);
    match quotes {
        Quotes::None if value.chars().all(is_bare) => return value.to_owned(),
        Quotes::Single if !value.contains([OPEN, '\'']) => return format!("'{value}'"),
        _ => {}
    }
    let mut text = String::from("\"");
    let mut in_reference = false;
    for character in value.chars() {
        match character {
            OPEN => in_reference = true,
            CLOSE => in_reference = false,
            '"' | '\\' | '$' | '`' if !in_reference => text.extend(['\\', character]),
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

/// A reference to a variable, as part of a value.
pub(crate) fn reference(name: &str) -> String {
    format!("{OPEN}${name}{CLOSE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let told = assignments(text).into_iter().map(|assignment| {
            let value = assignment.value.replace(OPEN, "<").replace(CLOSE, ">");
            let mark = |is_so, mark| if is_so { mark } else { "" };
            let marks = [mark(assignment.appends, "+"), mark(assignment.is_conditional, "?")].concat();
            format!("{}{marks}={value} {:?}", assignment.name, assignment.quotes)
        });
        told.collect()
    }

    #[test]
    fn assignments_in_every_form() {
        let text = "# A=1\nA=bare # c\nB=\"two words\"\n  export C='a \"b\" $c'\nD=\"$D ${E} \\\"q\\\" \\$x\"\nF+=more;G=`cmd x`\n\
                    if [ x = y ]; then\n  H=1\nfi\nI=$(a \"b\")' c'\nJ=\nK=\"a \\\nb\"\ncmd L=1\nfunction() {\n M=1\n}\nN='it'\\''s'\n";
        assert_eq!(
            told(text),
            [
                "A=bare None",
                "B=two words Double",
                "C=a \"b\" $c Single",
                "D=<$D> <${E}> \"q\" $x Double",
                "F+=more None",
                "G=<`cmd x`> None",
                "H?=1 None",
                "I=<$(a \"b\")> c Double",
                "J= Double",
                "K=a b Double",
                "M?=1 None",
                "N=it's Double",
            ]
        );
    }

    #[test]
    fn values_come_back() {
        for raw in ["bare", "'a \"b\" $c'", "\"$D ${E} \\\"q\\\" \\$x\\\\\"", "\"\""] {
            let text = format!("A={raw}\n");
            let assignment = assignments(&text).remove(0);
            assert_eq!(encoded(&assignment.value, assignment.quotes), raw);
            assert_eq!(&text[assignment.place], raw);
        }
        assert_eq!(encoded("a b", Quotes::None), "\"a b\"");
        assert_eq!(encoded("it's", Quotes::Single), "\"it's\"");
    }

    #[test]
    fn references_are_filled_in() {
        let known = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        let value = &assignments("B=\"$A ${A} $C y\"")[0].value;
        assert_eq!(evaluated(value, &known), "x x  y");
    }
}
