//! The grammar of conditions: `or` binds less than `and`, that less than `not`, that less than a comparison.

use std::cmp::Ordering;
use std::ops::Range;

use super::Refusal;
use super::lexer::{Token, split};
use crate::finding::{Complaint, quoted};
use crate::kinds::nearest;

/// How deep parentheses and `not` can be nested.
const MAX_DEPTH: usize = 32;

/// How long a condition can be, in bytes.
const LONGEST: usize = 4096;

/// A condition.
#[derive(Debug)]
pub(super) enum Expression {
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// `exists("file")`
    Exists(String),
    Alone(Side),
    Compare(Side, Operator, Side),
    /// `os in ["debian", "ubuntu"]`
    In(Side, Vec<Side>),
    /// `arch in vars.machines`
    InList(Side, Side),
}

/// One side of a comparison, and its bytes.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) operand: Operand,
    pub(super) at: Range<usize>,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Operand {
    Os,
    OsLike,
    Version,
    Arch,
    Variable(String),
    Secret(String),
    Text(String),
    Boolean(bool),
}

impl Operand {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Os => "os".into(),
            Self::OsLike => "os_like".into(),
            Self::Version => "version".into(),
            Self::Arch => "arch".into(),
            Self::Variable(name) => format!("vars.{name}"),
            Self::Secret(name) => format!("secrets.{name}"),
            Self::Text(text) => text.chars().take(60).collect(),
            Self::Boolean(value) => value.to_string(),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    pub(super) fn holds(self, order: &Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Reads a whole condition.
pub(super) fn parse(text: &str) -> Result<Expression, Refusal> {
    if text.len() > LONGEST {
        let complaint = Complaint::error(format!("the condition is longer than {LONGEST} bytes"));
        return Err((0..0, complaint));
    }
    let mut parser = Parser {
        tokens: split(text)?,
        next: 0,
        end: text.len(),
    };
    if parser.tokens.is_empty() {
        return Err((0..0, Complaint::error("the condition is empty").hint("remove `when`")));
    }
    let expression = parser.or(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(Token::Name(name)) => {
            let complaint = Complaint::error(format!("{} is one word too many", quoted(name)));
            Err((parser.at(), complaint.hint("join conditions by `and` or `or`; texts stand in quotes")))
        }
        Some(_) => Err((parser.at(), Complaint::error("the condition should have ended here"))),
    }
}

struct Parser<'t> {
    tokens: Vec<(Token<'t>, Range<usize>)>,
    next: usize,
    end: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    /// The bytes of the next word.
    fn at(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.end..self.end, |(_, at)| at.clone())
    }

    /// Passes one of these words.
    fn take(&mut self, words: &[&str]) -> bool {
        let found = match self.peek() {
            Some(Token::Name(word)) => words.contains(word),
            Some(Token::Symbol(word)) => words.contains(word),
            _ => false,
        };
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), Refusal> {
        match self.take(&[symbol]) {
            true => Ok(()),
            false => Err((self.at(), Complaint::error(format!("the condition lacks a `{symbol}` here")))),
        }
    }

    fn or(&mut self, depth: usize) -> Result<Expression, Refusal> {
        let mut left = self.and(depth)?;
        while self.take(&["||", "or"]) {
            left = Expression::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Expression, Refusal> {
        let mut left = self.not(depth)?;
        while self.take(&["&&", "and"]) {
            left = Expression::And(Box::new(left), Box::new(self.not(depth)?));
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Expression, Refusal> {
        if depth > MAX_DEPTH {
            let complaint = Complaint::error(format!("the condition is nested more than {MAX_DEPTH} deep"));
            return Err((self.at(), complaint));
        }
        if self.take(&["!", "not"]) {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take(&["("]) {
            let inner = self.or(depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take(&["exists"]) {
            return self.exists();
        }
        self.comparison()
    }

    fn exists(&mut self) -> Result<Expression, Refusal> {
        self.expect("(")?;
        let at = self.at();
        let Some(Token::Text(path)) = self.peek() else {
            let complaint = Complaint::error("`exists` asks for a file by its name in quotes");
            return Err((at, complaint.hint("write `exists(\"files/motd\")`")));
        };
        if path.is_empty() {
            return Err((at, Complaint::error("`exists` asks for no file")));
        }
        let path = (*path).to_owned();
        self.next += 1;
        self.expect(")")?;
        Ok(Expression::Exists(path))
    }

    fn comparison(&mut self) -> Result<Expression, Refusal> {
        let left = self.side()?;
        if self.take(&["in"]) {
            return self.list(left);
        }
        if self.take(&["not"]) {
            return match self.take(&["in"]) {
                true => Ok(Expression::Not(Box::new(self.list(left)?))),
                false => Err((self.at(), Complaint::error("the condition lacks an `in` here"))),
            };
        }
        let operator = match self.peek() {
            Some(Token::Symbol(symbol)) => Operator::of(symbol),
            _ => None,
        };
        let Some(operator) = operator else {
            return Ok(Expression::Alone(left));
        };
        self.next += 1;
        let right = self.side()?;
        if let Some(Token::Symbol(symbol)) = self.peek()
            && Operator::of(symbol).is_some()
        {
            let complaint = Complaint::error("comparisons cannot follow each other");
            return Err((self.at(), complaint.hint("join two of them by `and`")));
        }
        Ok(Expression::Compare(left, operator, right))
    }

    fn list(&mut self, left: Side) -> Result<Expression, Refusal> {
        if !self.take(&["["]) {
            return Ok(Expression::InList(left, self.side()?));
        }
        let mut items = Vec::new();
        while !self.take(&["]"]) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.side()?);
        }
        Ok(Expression::In(left, items))
    }

    fn side(&mut self) -> Result<Side, Refusal> {
        let at = self.at();
        let operand = match self.peek() {
            Some(Token::Text(text)) => Operand::Text((*text).to_owned()),
            Some(Token::Name(name)) => operand(name).map_err(|complaint| (at.clone(), complaint))?,
            Some(Token::Symbol(symbol)) => {
                let complaint = Complaint::error(format!("a name or a text in quotes should stand before `{symbol}`"));
                return Err((at, complaint));
            }
            None => {
                let complaint = Complaint::error("the condition ends too early");
                return Err((at, complaint.hint("a name or a text in quotes should follow")));
            }
        };
        self.next += 1;
        Ok(Side { operand, at })
    }
}

fn operand(name: &str) -> Result<Operand, Complaint> {
    const NAMES: [&str; 6] = ["os", "os_like", "version", "arch", "exists", "secrets"];
    if let Some(variable) = name.strip_prefix("vars.") {
        return Ok(Operand::Variable(variable.to_owned()));
    }
    if let Some(secret) = name.strip_prefix("secrets.") {
        return Ok(Operand::Secret(secret.to_owned()));
    }
    Ok(match name {
        "os" => Operand::Os,
        "os_like" => Operand::OsLike,
        "version" => Operand::Version,
        "arch" => Operand::Arch,
        "true" => Operand::Boolean(true),
        "false" => Operand::Boolean(false),
        _ => {
            let complaint = Complaint::error(format!("{} is not a name that a condition knows", quoted(name)));
            let near = nearest(name, NAMES).filter(|near| near.len() > 2);
            return Err(match near {
                Some(near) => complaint.hint(format!("did you mean `{near}`? A text stands in quotes: `\"{name}\"`")),
                None => complaint.hint(format!(
                    "a text stands in quotes: `\"{name}\"`; names are `os`, `os_like`, `version`, `arch`, `vars.…`, `secrets.…`"
                )),
            });
        }
    })
}
