//! `when`: small expressions about the guest, the variables, local files and secrets.

mod lexer;
mod parser;

use std::ops::Range;
use std::path::Path;

use crate::files::LocalFiles;
use crate::finding::{Complaint, quoted};
use crate::kinds::listed;
use crate::recipe::GuestFacts;
use crate::scope::{Scope, SecretState, Type, VariableValue};
use parser::{Expression, Operand, Operator, Side};

/// What is wrong in a condition, with the bytes of its text.
pub(crate) type Refusal = (Range<usize>, Complaint);

/// What conditions are judged by.
pub(crate) struct Judge<'j, 'f> {
    pub(crate) scope: &'j Scope,
    pub(crate) files: &'j mut LocalFiles<'f>,
    /// `None` while the guest is not known.
    pub(crate) guest: Option<&'j GuestFacts>,
    /// Makes a path of the condition one that files are found by.
    pub(crate) beside: &'j dyn Fn(&Path) -> std::path::PathBuf,
}

/// Whether a condition holds; `None` where that depends on a guest that is not known.
pub(crate) fn judge(text: &str, judge: &mut Judge<'_, '_>) -> Result<Option<bool>, Refusal> {
    let expression = parser::parse(text)?;
    judge.truth(&expression)
}

impl Judge<'_, '_> {
    fn truth(&mut self, expression: &Expression) -> Result<Option<bool>, Refusal> {
        Ok(match expression {
            Expression::Not(inner) => self.truth(inner)?.map(|value| !value),
            // Both sides are looked at, so that both are checked.
            Expression::And(left, right) => match (self.truth(left)?, self.truth(right)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expression::Or(left, right) => match (self.truth(left)?, self.truth(right)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Expression::Exists(path) => {
                let path = (self.beside)(Path::new(path));
                Some(self.files.check(&path).is_ok())
            }
            Expression::Alone(side) => self.alone(side)?,
            Expression::Compare(left, operator, right) => self.compare(left, *operator, right)?,
            Expression::In(left, list) => {
                let mut all = Vec::new();
                for item in list {
                    all.push(self.compare(left, Operator::Equal, item)?);
                }
                match all.contains(&Some(true)) {
                    true => Some(true),
                    false if all.contains(&None) => None,
                    false => Some(false),
                }
            }
            Expression::InList(left, list) => self.in_list(left, list)?,
        })
    }

    /// A name that is no part of a comparison.
    fn alone(&self, side: &Side) -> Result<Option<bool>, Refusal> {
        let refuse = |message: String, hint: &str| Err((side.at.clone(), Complaint::error(message).hint(hint)));
        match &side.operand {
            Operand::Boolean(value) => Ok(Some(*value)),
            Operand::Secret(name) => match self.scope.secret(name).map_err(|refusal| (side.at.clone(), refusal))? {
                SecretState::Known(_) => Ok(Some(true)),
                SecretState::Absent => Ok(Some(false)),
                SecretState::Invalid => Ok(None),
            },
            Operand::Variable(name) => {
                let variable = self.scope.variable(name).map_err(|refusal| (side.at.clone(), refusal))?;
                match (&variable.value, variable.kind) {
                    (VariableValue::Invalid, _) => Ok(None),
                    (VariableValue::Scalar(scalar), Type::Boolean) => Ok(Some(scalar.text == "true")),
                    _ => refuse(
                        format!("`vars.{name}` is not true or false"),
                        "compare it, as in `vars.release != \"\"`, or give it `type: boolean`",
                    ),
                }
            }
            Operand::Text(_) => refuse(
                "a text is not true or false".into(),
                "compare it with something, as in `os == \"debian\"`",
            ),
            Operand::Os | Operand::OsLike | Operand::Version | Operand::Arch => refuse(
                format!("`{}` is not true or false", side.operand.name()),
                "compare it, as in `os == \"debian\"`",
            ),
        }
    }

    fn compare(&self, left: &Side, operator: Operator, right: &Side) -> Result<Option<bool>, Refusal> {
        check_literals(left, right)?;
        check_literals(right, left)?;
        if operator.is_order() {
            self.check_order(left)?;
            self.check_order(right)?;
        }
        let (Some(ours), Some(theirs)) = (self.values(left)?, self.values(right)?) else {
            return Ok(None);
        };
        let by_version = [&left.operand, &right.operand].contains(&&Operand::Version);
        // The literal says how much of a version is compared.
        let holds = |one: &str, other: &str| match (operator, by_version) {
            (Operator::Equal | Operator::NotEqual, true) => match right.operand {
                Operand::Version => is_version(other, one),
                _ => is_version(one, other),
            },
            (Operator::Equal | Operator::NotEqual, false) => one == other,
            _ => match (numbers(one), numbers(other)) {
                (Some(one), Some(other)) => operator.holds(&order(&one, &other, by_version)),
                _ => false,
            },
        };
        let any = ours.iter().any(|one| theirs.iter().any(|other| holds(one, other)));
        Ok(Some(any != (operator == Operator::NotEqual)))
    }

    fn in_list(&self, left: &Side, list: &Side) -> Result<Option<bool>, Refusal> {
        let Operand::Variable(name) = &list.operand else {
            let complaint = Complaint::error(format!("`{}` is not a list", list.operand.name()));
            return Err((list.at.clone(), complaint.hint("write `in [\"a\", \"b\"]`, or name a variable of `type: list`")));
        };
        let variable = self.scope.variable(name).map_err(|refusal| (list.at.clone(), refusal))?;
        let items = match &variable.value {
            VariableValue::List(items) => items,
            VariableValue::Invalid => return Ok(None),
            VariableValue::Scalar(_) => {
                let complaint = Complaint::error(format!("`vars.{name}` is not a list"));
                return Err((list.at.clone(), complaint.hint("give it `type: list`")));
            }
        };
        let Some(values) = self.values(left)? else {
            return Ok(None);
        };
        let is_version = left.operand == Operand::Version;
        let same = |value: &str, item: &str| match is_version {
            true => self::is_version(value, item),
            false => value == item,
        };
        Ok(Some(values.iter().any(|value| items.iter().any(|item| same(value, &item.text)))))
    }

    /// What a side is; one value but for `os_like`. `None` where the guest is not known.
    fn values(&self, side: &Side) -> Result<Option<Vec<String>>, Refusal> {
        let guest = |of: fn(&GuestFacts) -> Vec<String>| self.guest.map(of);
        Ok(match &side.operand {
            Operand::Os => guest(|guest| vec![guest.os.clone()]),
            Operand::OsLike => guest(|guest| std::iter::once(&guest.os).chain(&guest.os_like).cloned().collect()),
            Operand::Version => guest(|guest| vec![guest.version.clone()]),
            Operand::Arch => guest(|guest| vec![guest.arch.clone()]),
            Operand::Text(text) => Some(vec![text.clone()]),
            Operand::Boolean(value) => Some(vec![value.to_string()]),
            Operand::Variable(name) => {
                let variable = self.scope.variable(name).map_err(|refusal| (side.at.clone(), refusal))?;
                match &variable.value {
                    VariableValue::Scalar(scalar) => Some(vec![scalar.text.clone()]),
                    VariableValue::Invalid => None,
                    VariableValue::List(_) => {
                        let complaint = Complaint::error(format!("`vars.{name}` is a list"));
                        return Err((side.at.clone(), complaint.hint(format!("write `\"…\" in vars.{name}`"))));
                    }
                }
            }
            Operand::Secret(name) => {
                let complaint = Complaint::error("a secret cannot be compared");
                let hint = format!("`secrets.{name}` alone asks whether it is there");
                return Err((side.at.clone(), complaint.hint(hint)));
            }
        })
    }

    /// Only numbers with dots have an order.
    fn check_order(&self, side: &Side) -> Result<(), Refusal> {
        let text = match &side.operand {
            Operand::Version => return Ok(()),
            Operand::Text(text) => text.clone(),
            Operand::Variable(_) => match self.values(side)? {
                Some(values) => values.concat(),
                None => return Ok(()),
            },
            operand => {
                let complaint = Complaint::error(format!("`{}` has no order", operand.name()));
                return Err((side.at.clone(), complaint.hint("compare it by `==`, `!=` or `in`")));
            }
        };
        match numbers(&text) {
            Some(_) => Ok(()),
            None => {
                let complaint = Complaint::error(format!("{} has no order", quoted(&text)));
                Err((side.at.clone(), complaint.hint("only numbers with dots do, like `9` and `24.04`")))
            }
        }
    }
}

/// Words that the guest's facts never are.
fn check_literals(side: &Side, other: &Side) -> Result<(), Refusal> {
    const MACHINES: [&str; 9] = [
        "x86_64", "aarch64", "armv7l", "i686", "loongarch64", "ppc64", "ppc64le", "riscv64", "s390x",
    ];
    let Operand::Text(text) = &other.operand else {
        return Ok(());
    };
    let (message, hint) = match &side.operand {
        Operand::Arch if !MACHINES.contains(&text.as_str()) => {
            let meant = match text.as_str() {
                "amd64" | "x64" | "x86-64" => Some("x86_64"),
                "arm64" => Some("aarch64"),
                "i386" | "x86" => Some("i686"),
                "armhf" => Some("armv7l"),
                "ppc64el" => Some("ppc64le"),
                _ => crate::kinds::nearest(text, MACHINES),
            };
            let hint = meant.map_or_else(|| format!("known ones: {}", listed(MACHINES)), |meant| format!("did you mean `{meant}`?"));
            (format!("{} is not an architecture as `uname -m` says it", quoted(text)), hint)
        }
        Operand::Os | Operand::OsLike if text.chars().any(|c| c.is_ascii_uppercase() || c.is_whitespace()) => {
            let hint = format!("an `ID` of os-release is one word in lower case, like {}", quoted(&text.to_ascii_lowercase().replace(' ', "-")));
            (format!("{} is not the `ID` of a system", quoted(text)), hint)
        }
        Operand::Version if text.is_empty() => return Ok(()),
        Operand::Version if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~')) => {
            ("this is not a version".to_owned(), "`version` is the `VERSION_ID` of os-release, like `24.04`".to_owned())
        }
        _ => return Ok(()),
    };
    Err((other.at.clone(), Complaint::error(message).hint(hint)))
}

/// Whether a guest's version is `wanted`, or begins with it up to a dot: 9.6 is 9, too.
fn is_version(version: &str, wanted: &str) -> bool {
    match version.strip_prefix(wanted) {
        Some(rest) => rest.is_empty() || rest.starts_with('.') && !wanted.is_empty(),
        None => false,
    }
}

/// The numbers between the dots; `None` for any other text. Leading zeros mean nothing.
fn numbers(text: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts
        .iter()
        .all(digits)
        .then(|| parts.iter().map(|part| part.trim_start_matches('0')).collect())
}

/// Number by number. Of versions only as many are compared as both have: 9.6 is neither before nor after 9.
fn order(one: &[&str], other: &[&str], shortest: bool) -> std::cmp::Ordering {
    let length = match shortest {
        true => one.len().min(other.len()),
        false => one.len().max(other.len()),
    };
    let number = |parts: &[&str], index: usize| parts.get(index).copied().unwrap_or_default().to_owned();
    let key = |number: String| (number.len(), number);
    let pairs = (0..length).map(|index| key(number(one, index)).cmp(&key(number(other, index))));
    pairs.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}

#[cfg(test)]
mod tests;
