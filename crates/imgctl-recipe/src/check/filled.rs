//! Values that variables and secrets were filled in.

use super::{Checker, subject};
use crate::fields::{Checked, Value};
use crate::finding::{Complaint, Place};
use crate::kinds::{self, TextKind, listed};
use crate::node::{Node, Scalar};
use crate::schema::Shape;

/// The kinds of text that a secret can be in: nothing shows them.
static MAY_HOLD_SECRETS: [&TextKind; 6] = [
    &kinds::CONTENT,
    &kinds::LINE,
    &kinds::PASSWORD,
    &kinds::PASSWORD_HASH,
    &kinds::CERTIFICATE,
    &kinds::ENVIRONMENT_VALUE,
];

impl Checker<'_> {
    /// Checks the value as any other; what is found says where the value is from.
    pub(super) fn filled_in<'n>(
        &mut self,
        scalar: &'n Scalar,
        node: &'n Node,
        shape: &'static Shape,
        place: Place,
        example: &str,
    ) -> Checked<'n> {
        // What is anything is hidden where it holds a secret.
        if scalar.sensitive && !matches!(shape, Shape::Any) {
            let value = self.secret(scalar, shape, &place);
            return Checked { place, value };
        }
        let mark = self.findings.mark();
        let checked = self.literal(node, shape, place, example);
        let names = listed(scalar.from.iter().map(String::as_str));
        self.findings.say_since(mark, &format!(" (from {names})"));
        checked
    }

    /// Nothing that is said of a secret repeats its value.
    fn secret<'n>(&mut self, scalar: &'n Scalar, shape: &'static Shape, place: &Place) -> Value<'n> {
        let kind = match shape {
            Shape::OneOrMore(item) | Shape::Either(item, _) => return self.secret(scalar, item, place),
            Shape::Text(kind) => {
                Some(*kind).filter(|kind| MAY_HOLD_SECRETS.iter().any(|known| std::ptr::eq(*known, *kind)))
            }
            _ => None,
        };
        let names: Vec<&str> = scalar.from.iter().map(String::as_str).collect();
        let names = listed(names.into_iter().filter(|name| name.starts_with("secrets.")));
        let Some(kind) = kind else {
            let complaint = Complaint::error(format!(
                "{} cannot hold a secret ({names}): it is shown",
                subject(&place.key)
            ))
            .hint("secrets can be in `content`, `append`, `line` and templates of `files`, and in passwords");
            self.findings.push(place, complaint);
            return Value::Invalid;
        };
        if let Some(absent) = &scalar.absent {
            // Where a condition asks for it, it is never missed.
            if self.reading.is_of_every() {
                return Value::Secret("absent");
            }
            self.findings.push(place, absent_secret(absent));
            return Value::Invalid;
        }
        match (kind.check)(&scalar.text) {
            Ok(()) => Value::Secret(&scalar.text),
            Err(_) => {
                let message = format!(
                    "{} must be {}, but the value from {names} is not",
                    subject(&place.key),
                    kind.what
                );
                self.findings.push(place, Complaint::error(message));
                Value::Invalid
            }
        }
    }
}

/// An optional secret that is used where nothing asks whether it is there.
pub(crate) fn absent_secret(name: &str) -> Complaint {
    Complaint::error(format!("`{name}` is optional, and has no value"))
        .hint(format!("give it a value, or use it only with `when: {name}`"))
}
