//! Permission bits as chmod(1) takes them: octal, or symbolic like `u+x,go-w`.

use std::fmt;

const SET_ID: u16 = 0o6000;
const STICKY: u16 = 0o1000;
const EXECUTE: u16 = 0o111;

/// What a new file or directory would not get without being asked.
const UMASK: u16 = 0o022;

/// How permission bits are to become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ModeChange {
    /// Exactly these 12 bits.
    Bits(u16),
    /// What these clauses make of the bits that are there.
    Symbolic(Vec<ModeClause>),
}

/// One operation of a symbolic mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModeClause {
    /// The bits of those who are meant; 0: all, but not what a umask of 022 keeps back.
    affected: u16,
    operator: Operator,
    value: Value,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value {
    /// These bits, and with `X` to execute where that makes sense.
    Bits { bits: u16, with_conditional_execute: bool },
    /// The bits that owner, group or others have.
    CopyOf(u16),
}

impl ModeChange {
    /// Reads a mode: three or four octal digits, or clauses like `u=rwX,go-w`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(bits) = octal(text) {
            return Some(Self::Bits(bits));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            clauses_of(part, &mut clauses)?;
        }
        Some(Self::Symbolic(clauses))
    }

    /// The bits that `mode` becomes, as chmod(1) of GNU would make them.
    #[must_use]
    pub fn apply(&self, mode: u16, is_directory: bool) -> u16 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Symbolic(clauses) => clauses
                .iter()
                .fold(mode, |mode, clause| clause.apply(mode, is_directory)),
        }
    }
}

impl fmt::Display for ModeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits(bits) => write!(f, "{bits:04o}"),
            Self::Symbolic(_) => f.write_str("a symbolic mode"),
        }
    }
}

/// The permission bits that octal digits mean.
fn octal(text: &str) -> Option<u16> {
    let long_enough = (1..=5).contains(&text.len()) && (text.len() < 5 || text.starts_with('0'));
    let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    if !(long_enough && is_octal) {
        return None;
    }
    u16::from_str_radix(text, 8).ok()
}

/// The clauses of one part, like `ug+w-x`.
fn clauses_of(part: &str, clauses: &mut Vec<ModeClause>) -> Option<()> {
    let who_length = part.find(['+', '-', '='])?;
    let (who, mut rest) = part.split_at_checked(who_length)?;
    let mut affected = 0;
    for letter in who.chars() {
        affected |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    while let Some(letter) = rest.chars().next() {
        let operator = match letter {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        rest = rest.get(1..)?;
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (letters, after) = rest.split_at_checked(end)?;
        rest = after;
        clauses.push(ModeClause {
            affected,
            operator,
            value: value(letters)?,
        });
    }
    Some(())
}

fn value(letters: &str) -> Option<Value> {
    match letters {
        "u" => return Some(Value::CopyOf(0o700)),
        "g" => return Some(Value::CopyOf(0o070)),
        "o" => return Some(Value::CopyOf(0o007)),
        _ => {}
    }
    let mut bits = 0;
    let mut with_conditional_execute = false;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => EXECUTE,
            's' => SET_ID,
            't' => STICKY,
            'X' => {
                with_conditional_execute = true;
                0
            }
            _ => return None,
        };
    }
    Some(Value::Bits {
        bits,
        with_conditional_execute,
    })
}

impl ModeClause {
    fn apply(self, mode: u16, is_directory: bool) -> u16 {
        let (mut value, mentioned) = match self.value {
            Value::Bits {
                bits,
                with_conditional_execute,
            } => {
                let executes = with_conditional_execute && (is_directory || mode & EXECUTE != 0);
                (bits | if executes { EXECUTE } else { 0 }, bits)
            }
            Value::CopyOf(of) => {
                let copied = mode & of;
                let spread = |bit: u16| if copied & bit != 0 { bit } else { 0 };
                (spread(0o444) | spread(0o222) | spread(EXECUTE), 0)
            }
        };
        let mentioned = if self.affected == 0 {
            mentioned
        } else {
            mentioned & self.affected
        };
        // Of directories, these bits stay as they are unless they are named.
        let omitted = if is_directory { SET_ID & !mentioned } else { 0 };
        value &= if self.affected == 0 { !UMASK } else { self.affected } & !omitted;
        match self.operator {
            Operator::Add => mode | value,
            Operator::Remove => mode & !value,
            Operator::Set => {
                let kept = if self.affected == 0 { 0 } else { !self.affected & 0o7777 } | omitted;
                (mode & kept) | value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read() {
        for (text, from, to) in [
            ("755", 0, 0o755),
            ("0755", 0, 0o755),
            ("4755", 0, 0o4755),
            ("01777", 0, 0o1777),
            ("u+x", 0o644, 0o744),
            ("u+x,go-w", 0o666, 0o744),
            ("a=rX", 0o640, 0o444),
            ("a=rX", 0o740, 0o555),
            ("+w", 0o444, 0o644),
            ("g=u", 0o750, 0o770),
            ("u+s", 0o755, 0o4755),
            ("o+t", 0o777, 0o1777),
            ("u=rwx,g=,o=", 0o644, 0o700),
        ] {
            assert_eq!(ModeChange::parse(text).unwrap().apply(from, false), to, "{text}");
        }
        for text in [
            "", "8", "0888", "17777", "x", "u", "u+q", "u+x,", "z+x", "0o644", "-644", "rwx",
        ] {
            assert_eq!(ModeChange::parse(text), None, "{text}");
        }
    }
}
