//! Scripts at work, line by line.

use crate::ast::{Binary, Block, Expression, Leave, Logic, Slot, Statement, Substitution};
use crate::error::{Error, Result};
use crate::pattern::{Compiled, Groups, Pattern};
use crate::quoted::Transliteration;
use crate::scalar::Scalar;
use crate::translate::Flags;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Steps that one run may take.
const MAX_STEPS: u64 = 1 << 26;

/// The longest value, and the longest result, in bytes.
pub(crate) const MAX_BYTES: usize = 256 << 20;

/// Patterns with variables that are kept compiled.
const MAX_CACHED: usize = 256;

/// Why the evaluation of a line ends early.
pub(crate) enum Stop {
    Leave(Leave),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

pub(crate) type Outcome<T> = std::result::Result<T, Stop>;

/// The last match that succeeded.
#[derive(Clone, Debug)]
struct Found {
    text: Arc<Vec<u8>>,
    groups: Groups,
    pattern: Arc<Compiled>,
}

impl Found {
    fn group(&self, number: usize) -> Scalar {
        let range = self.groups.get(number).cloned().flatten();
        let text = range.and_then(|range| self.text.get(range));
        text.map_or(Scalar::Undefined, Scalar::text)
    }
}

pub(crate) struct Machine {
    variables: Vec<Scalar>,
    found: Option<Found>,
    output: Vec<u8>,
    line: i64,
    is_last_line: bool,
    steps: u64,
    cache: BTreeMap<(Vec<u8>, Flags), Arc<Compiled>>,
}

impl Machine {
    pub(crate) fn new(variables: usize) -> Self {
        Self {
            variables: vec![Scalar::Undefined; variables],
            found: None,
            output: Vec::new(),
            line: 0,
            is_last_line: false,
            steps: 0,
            cache: BTreeMap::new(),
        }
    }

    pub(crate) fn run(mut self, block: &Block, text: &[u8]) -> Result<Vec<u8>> {
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            self.is_last_line = lines.peek().is_none();
            self.line += 1;
            self.set(Slot::TOPIC, Scalar::text(line));
            let count = self.get(Slot::LINE_NUMBER).integer().saturating_add(1);
            self.set(Slot::LINE_NUMBER, Scalar::Integer(count));
            // Groups are forgotten at the end of what perl evaluates.
            self.found = None;
            match self.block(block) {
                Ok(()) | Err(Stop::Leave(Leave::Return)) => {
                    let line = self.get(Slot::TOPIC).bytes().into_owned();
                    self.write(&line)?;
                }
                Err(Stop::Leave(Leave::Next)) => {}
                Err(Stop::Leave(Leave::Last)) => break,
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(self.output)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        check_length(self.output.len().saturating_add(bytes.len()))?;
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    fn get(&self, slot: Slot) -> &Scalar {
        self.variables.get(slot.0).unwrap_or(&Scalar::Undefined)
    }

    pub(crate) fn set(&mut self, slot: Slot, value: Scalar) {
        if let Some(variable) = self.variables.get_mut(slot.0) {
            *variable = value;
        }
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        match self.steps > MAX_STEPS {
            true => Err(Error::new("the script does not end")),
            false => Ok(()),
        }
    }

    fn block(&mut self, block: &Block) -> Outcome<()> {
        for statement in block {
            self.statement(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Outcome<()> {
        match statement {
            Statement::Do(expression) => self.evaluate(expression).map(drop),
            Statement::If { branches, is_block } => {
                for (condition, block) in branches {
                    let holds = match condition {
                        Some(condition) => self.evaluate(condition)?.is_true(),
                        None => true,
                    };
                    if holds {
                        return self.scoped(block, *is_block);
                    }
                }
                Ok(())
            }
            Statement::While {
                condition,
                body,
                is_loop,
            } => {
                while self.evaluate(condition)?.is_true() {
                    match self.scoped(body, *is_loop) {
                        Err(Stop::Leave(Leave::Next)) if *is_loop => {}
                        Err(Stop::Leave(Leave::Last)) if *is_loop => break,
                        other => other?,
                    }
                }
                Ok(())
            }
        }
    }

    /// Groups that are found in braces are forgotten after them.
    fn scoped(&mut self, block: &Block, is_block: bool) -> Outcome<()> {
        if !is_block {
            return self.block(block);
        }
        let before = self.found.clone();
        let outcome = self.block(block);
        self.found = before;
        outcome
    }

    pub(crate) fn evaluate(&mut self, expression: &Expression) -> Outcome<Scalar> {
        self.step()?;
        Ok(match expression {
            Expression::Constant(constant) => constant.clone(),
            Expression::Joined(parts) => {
                let mut text = Vec::new();
                for part in parts {
                    text.extend_from_slice(&self.evaluate(part)?.bytes());
                    check_length(text.len())?;
                }
                Scalar::Text(text)
            }
            Expression::Cased(case, inner) => Scalar::Text(case.apply(self.evaluate(inner)?.into_bytes())),
            Expression::Variable(slot) => self.get(*slot).clone(),
            Expression::Fresh(_) | Expression::Assign(..) | Expression::Update(..) | Expression::UpdateIf(..) => {
                let slot = self.assign(expression)?;
                self.get(slot).clone()
            }
            Expression::Group(number) => self
                .found
                .as_ref()
                .map_or(Scalar::Undefined, |found| found.group(*number)),
            Expression::NamedGroup(name) => self.named_group(name),
            Expression::Prematch => self.around(|whole, _| 0..whole.start),
            Expression::Postmatch => self.around(|whole, length| whole.end..length),
            Expression::InputLine => Scalar::Integer(self.line),
            Expression::EndOfFile => Scalar::truth(self.is_last_line),
            Expression::Step { slot, by, is_prefix } => self.count(slot, *by, *is_prefix)?,
            Expression::Binary(operator, left, right) => {
                let left = self.evaluate(left)?;
                let right = self.evaluate(right)?;
                binary(*operator, &left, &right)?
            }
            Expression::Logic(logic, left, right) => self.logic(*logic, left, right)?,
            Expression::Not(inner) => Scalar::truth(!self.evaluate(inner)?.is_true()),
            Expression::Negate(inner) => negative(&self.evaluate(inner)?)?,
            Expression::Choose(condition, yes, no) => match self.evaluate(condition)?.is_true() {
                true => self.evaluate(yes)?,
                false => self.evaluate(no)?,
            },
            Expression::Match { on, pattern } => {
                let text = self.evaluate(on)?.into_bytes();
                let pattern = self.compiled(pattern)?;
                let found = pattern.find(&text, 0)?;
                let is_found = found.is_some();
                self.remember(text, found, &pattern);
                Scalar::truth(is_found)
            }
            Expression::Substitute(substitution) => self.substitute(substitution)?,
            Expression::Transliterate { on, table } => self.transliterate(on, table)?,
            Expression::Call(function, arguments) => self.call(*function, arguments)?,
            Expression::Print(list) => {
                for part in list {
                    let text = self.evaluate(part)?;
                    self.write(&text.bytes())?;
                }
                Scalar::Integer(1)
            }
            Expression::Leave(leave) => return Err(Stop::Leave(*leave)),
            Expression::Die(list) => return Err(Stop::Failed(self.death(list)?)),
        })
    }

    fn transliterate(&mut self, on: &Expression, table: &Transliteration) -> Outcome<Scalar> {
        let text = self.evaluate(on)?.into_bytes();
        let (new, count) = table.apply(&text);
        if table.is_pure {
            return Ok(Scalar::Text(new));
        }
        if !table.is_identity {
            let slot = self.target(on)?;
            self.set(slot, Scalar::Text(new));
        }
        Ok(Scalar::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    fn death(&mut self, list: &[Expression]) -> Outcome<Error> {
        let mut text = Vec::new();
        for part in list {
            text.extend_from_slice(&self.evaluate(part)?.bytes());
        }
        let text = String::from_utf8_lossy(&text).trim_end().escape_debug().to_string();
        let message = if text.is_empty() { "died".to_owned() } else { text };
        Ok(Error::new(format!("the script ended at line {}: {message}", self.line)))
    }

    fn named_group(&self, name: &str) -> Scalar {
        let Some(found) = &self.found else {
            return Scalar::Undefined;
        };
        found
            .pattern
            .group(name)
            .map_or(Scalar::Undefined, |number| found.group(number))
    }

    fn around(&self, range: impl FnOnce(std::ops::Range<usize>, usize) -> std::ops::Range<usize>) -> Scalar {
        let part = self.found.as_ref().and_then(|found| {
            let whole = found.groups.first().cloned().flatten()?;
            found.text.get(range(whole, found.text.len()))
        });
        part.map_or(Scalar::Undefined, Scalar::text)
    }

    /// Carries out an assignment, and says to what.
    fn assign(&mut self, expression: &Expression) -> Outcome<Slot> {
        match expression {
            Expression::Variable(slot) => Ok(*slot),
            Expression::Fresh(slot) => {
                self.set(*slot, Scalar::Undefined);
                Ok(*slot)
            }
            Expression::Assign(target, value) => {
                let value = self.evaluate(value)?;
                let slot = self.assign(target)?;
                self.set(slot, value);
                Ok(slot)
            }
            Expression::Update(operator, target, value) => {
                let value = self.evaluate(value)?;
                let slot = self.assign(target)?;
                let new = binary(*operator, self.get(slot), &value)?;
                self.set(slot, new);
                Ok(slot)
            }
            Expression::UpdateIf(logic, target, value) => {
                let slot = self.assign(target)?;
                let now = self.get(slot);
                let keeps = match logic {
                    Logic::And => !now.is_true(),
                    Logic::DefinedOr => now.is_defined(),
                    Logic::Or | Logic::Xor => now.is_true(),
                };
                if !keeps {
                    let value = self.evaluate(value)?;
                    self.set(slot, value);
                }
                Ok(slot)
            }
            _ => Err(Error::new("only variables can be changed").into()),
        }
    }

    /// The variable that an expression, which was evaluated already, assigned to.
    pub(crate) fn target(&self, expression: &Expression) -> Result<Slot> {
        match expression {
            Expression::Variable(slot) | Expression::Fresh(slot) => Ok(*slot),
            Expression::Assign(target, _) | Expression::Update(_, target, _) | Expression::UpdateIf(_, target, _) => {
                self.target(target)
            }
            _ => Err(Error::new("only variables can be changed")),
        }
    }

    fn count(&mut self, target: &Expression, by: i64, is_prefix: bool) -> Outcome<Scalar> {
        let slot = self.assign(target)?;
        let old = self.get(slot).clone();
        if let Scalar::Text(text) = &old
            && !text.is_empty()
            && !text
                .first()
                .is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b' '))
        {
            return Err(Error::real_perl("counting with a text").into());
        }
        let new = binary(Binary::Add, &old, &Scalar::Integer(by))?;
        self.set(slot, new.clone());
        Ok(match (is_prefix, old) {
            (true, _) => new,
            (false, Scalar::Undefined) => Scalar::Integer(0),
            (false, old) => old,
        })
    }

    fn logic(&mut self, logic: Logic, left: &Expression, right: &Expression) -> Outcome<Scalar> {
        let value = self.evaluate(left)?;
        match logic {
            Logic::And if value.is_true() => self.evaluate(right),
            Logic::Or if !value.is_true() => self.evaluate(right),
            Logic::DefinedOr if !value.is_defined() => self.evaluate(right),
            Logic::Xor => {
                let right = self.evaluate(right)?;
                Ok(Scalar::truth(value.is_true() != right.is_true()))
            }
            Logic::And | Logic::Or | Logic::DefinedOr => Ok(value),
        }
    }

    fn compiled(&mut self, pattern: &Pattern) -> Outcome<Arc<Compiled>> {
        let (source, flags) = match pattern {
            Pattern::Fixed(compiled) => return Ok(compiled.clone()),
            Pattern::Dynamic { source, flags } => (source.clone(), *flags),
        };
        let key = (self.evaluate(&source)?.into_bytes(), flags);
        if let Some(compiled) = self.cache.get(&key) {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(Compiled::new(&key.0, flags)?);
        if self.cache.len() >= MAX_CACHED {
            self.cache.clear();
        }
        self.cache.insert(key, compiled.clone());
        Ok(compiled)
    }

    fn remember(&mut self, text: Vec<u8>, groups: Option<Groups>, pattern: &Arc<Compiled>) {
        if let Some(groups) = groups {
            self.found = Some(Found {
                text: Arc::new(text),
                groups,
                pattern: pattern.clone(),
            });
        }
    }

    fn substitute(&mut self, substitution: &Substitution) -> Outcome<Scalar> {
        let text = Arc::new(self.evaluate(&substitution.on)?.into_bytes());
        let pattern = self.compiled(&substitution.pattern)?;
        let mut new = Vec::new();
        let mut count = 0_i64;
        // Where the rest of the text begins, and where to look next.
        let (mut rest, mut start) = (0, 0);
        let mut last_empty = None;
        while start <= text.len() {
            let Some(groups) = pattern.find(&text, start)? else {
                break;
            };
            let Some(whole) = groups.first().cloned().flatten() else {
                break;
            };
            if whole.is_empty() && last_empty == Some(whole.start) {
                start += 1;
                continue;
            }
            self.found = Some(Found {
                text: text.clone(),
                groups,
                pattern: pattern.clone(),
            });
            new.extend_from_slice(text.get(rest..whole.start).unwrap_or_default());
            new.extend_from_slice(&self.evaluate(&substitution.replacement)?.bytes());
            check_length(new.len())?;
            count += 1;
            last_empty = whole.is_empty().then_some(whole.end);
            (rest, start) = (whole.end, whole.end);
            if !substitution.is_global {
                break;
            }
        }
        new.extend_from_slice(text.get(rest..).unwrap_or_default());
        if substitution.is_pure {
            return Ok(Scalar::Text(new));
        }
        if count == 0 {
            return Ok(Scalar::truth(false));
        }
        let slot = self.target(&substitution.on)?;
        self.set(slot, Scalar::Text(new));
        Ok(Scalar::Integer(count))
    }
}

pub(crate) fn check_length(length: usize) -> Result<()> {
    match length > MAX_BYTES {
        true => Err(Error::new("the script makes too long a text")),
        false => Ok(()),
    }
}

fn negative(value: &Scalar) -> Result<Scalar> {
    if let Scalar::Text(text) = value
        && text
            .first()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'+'))
    {
        return Err(Error::real_perl("the negative of a text"));
    }
    binary(Binary::Subtract, &Scalar::Integer(0), value)
}

fn binary(operator: Binary, left: &Scalar, right: &Scalar) -> Result<Scalar> {
    Ok(match operator {
        Binary::Concatenate => {
            let (left, right) = (left.bytes(), right.bytes());
            check_length(left.len().saturating_add(right.len()))?;
            Scalar::Text([left, right].concat())
        }
        Binary::Repeat => {
            let count = usize::try_from(right.integer().max(0)).unwrap_or(usize::MAX);
            let text = left.bytes();
            check_length(text.len().saturating_mul(count))?;
            Scalar::Text(if text.is_empty() {
                Vec::new()
            } else {
                text.repeat(count)
            })
        }
        Binary::Add | Binary::Subtract | Binary::Multiply => sum(operator, &left.number(), &right.number()),
        Binary::Divide => match right.float() {
            0.0 => return Err(Error::new("the script divides by zero")),
            divisor => Scalar::from_float(left.float() / divisor),
        },
        Binary::Remainder => {
            let (left, right) = (left.integer(), right.integer());
            match left.checked_rem(right) {
                None => return Err(Error::new("the script divides by zero")),
                // The sign is that of the right side.
                Some(rest) if rest != 0 && (rest < 0) != (right < 0) => Scalar::Integer(rest + right),
                Some(rest) => Scalar::Integer(rest),
            }
        }
        Binary::Power => Scalar::from_float(left.float().powf(right.float())),
        Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::Greater
        | Binary::LessOrEqual
        | Binary::GreaterOrEqual
        | Binary::Compare => {
            let order = match (left.number(), right.number()) {
                (Scalar::Integer(left), Scalar::Integer(right)) => Some(left.cmp(&right)),
                (left, right) => left.float().partial_cmp(&right.float()),
            };
            ordered(operator, order)
        }
        _ => ordered(operator, Some(left.bytes().cmp(&right.bytes()))),
    })
}

fn sum(operator: Binary, left: &Scalar, right: &Scalar) -> Scalar {
    if let (Scalar::Integer(left), Scalar::Integer(right)) = (left, right) {
        let exact = match operator {
            Binary::Add => left.checked_add(*right),
            Binary::Subtract => left.checked_sub(*right),
            _ => left.checked_mul(*right),
        };
        if let Some(exact) = exact {
            return Scalar::Integer(exact);
        }
    }
    let (left, right) = (left.float(), right.float());
    Scalar::from_float(match operator {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        _ => left * right,
    })
}

fn ordered(operator: Binary, order: Option<std::cmp::Ordering>) -> Scalar {
    let Some(order) = order else {
        return Scalar::truth(operator == Binary::NotEqual);
    };
    Scalar::truth(match operator {
        Binary::Equal | Binary::TextEqual => order.is_eq(),
        Binary::NotEqual | Binary::TextNotEqual => order.is_ne(),
        Binary::Less | Binary::TextLess => order.is_lt(),
        Binary::Greater | Binary::TextGreater => order.is_gt(),
        Binary::LessOrEqual | Binary::TextLessOrEqual => order.is_le(),
        Binary::GreaterOrEqual | Binary::TextGreaterOrEqual => order.is_ge(),
        _ => return Scalar::Integer(order as i64),
    })
}
