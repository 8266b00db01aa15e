//! What a script is once it was read.

use crate::pattern::Pattern;
use crate::quoted::Transliteration;
use crate::scalar::Scalar;
use std::sync::Arc;

/// Statements, one after the other.
pub(crate) type Block = Vec<Statement>;

#[derive(Debug)]
pub(crate) enum Statement {
    /// An expression evaluated for its effect.
    Do(Expression),
    /// The first branch whose condition is true; the last may have none.
    If {
        branches: Vec<(Option<Expression>, Block)>,
        /// Whether it is written with braces.
        is_block: bool,
    },
    /// A statement that is repeated while its condition is true.
    While {
        condition: Expression,
        body: Block,
        is_loop: bool,
    },
}

/// A scalar that can be assigned: `$_` is 0, `$lineno` is 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slot(pub(crate) usize);

impl Slot {
    pub(crate) const TOPIC: Self = Self(0);
    pub(crate) const LINE_NUMBER: Self = Self(1);
}

#[derive(Debug)]
pub(crate) enum Expression {
    Constant(Scalar),
    /// The parts of a string, joined.
    Joined(Vec<Self>),
    /// `\U…\E` and the like.
    Cased(Case, Box<Self>),
    Variable(Slot),
    /// `my $x`.
    Fresh(Slot),
    /// `$1`, `$&` (0).
    Group(usize),
    /// `$+{name}`.
    NamedGroup(String),
    /// What is before and after the match.
    Prematch,
    Postmatch,
    /// `$.`
    InputLine,
    EndOfFile,
    Assign(Box<Self>, Box<Self>),
    Update(Binary, Box<Self>, Box<Self>),
    /// `&&=`, `||=`, `//=`.
    UpdateIf(Logic, Box<Self>, Box<Self>),
    Step {
        slot: Box<Self>,
        by: i64,
        is_prefix: bool,
    },
    Binary(Binary, Box<Self>, Box<Self>),
    Logic(Logic, Box<Self>, Box<Self>),
    Not(Box<Self>),
    Negate(Box<Self>),
    Choose(Box<Self>, Box<Self>, Box<Self>),
    Match {
        on: Box<Self>,
        pattern: Pattern,
    },
    Substitute(Box<Substitution>),
    Transliterate {
        on: Box<Self>,
        table: Arc<Transliteration>,
    },
    Call(Function, Vec<Self>),
    Print(Vec<Self>),
    Leave(Leave),
    Die(Vec<Self>),
}

#[derive(Debug)]
pub(crate) struct Substitution {
    pub(crate) on: Expression,
    pub(crate) pattern: Pattern,
    pub(crate) replacement: Expression,
    pub(crate) is_global: bool,
    /// `/r`: the result is the value, and nothing changes.
    pub(crate) is_pure: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Case {
    Upper,
    Lower,
    UpperFirst,
    LowerFirst,
    Quote,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Logic {
    And,
    Or,
    DefinedOr,
    Xor,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Concatenate,
    Repeat,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Compare,
    TextEqual,
    TextNotEqual,
    TextLess,
    TextGreater,
    TextLessOrEqual,
    TextGreaterOrEqual,
    TextCompare,
}

/// How a line can be left before the script's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leave {
    /// `next`: the line is not written.
    Next,
    /// `last`, `exit`: neither this line nor those after it are written.
    Last,
    /// `return`: the line is written.
    Return,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Function {
    Absolute,
    Character,
    Chomp,
    Chop,
    Defined,
    Index,
    Integer,
    Length,
    Lower,
    LowerFirst,
    Ordinal,
    Quote,
    Reverse,
    RightIndex,
    Sprintf,
    Substring,
    Undefine,
    Upper,
    UpperFirst,
}
