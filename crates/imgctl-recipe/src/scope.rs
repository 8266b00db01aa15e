//! What `${{ … }}` and conditions can name, and what it is.

use std::collections::BTreeMap;

use crate::finding::{Complaint, Place, quoted};
use crate::kinds::{listed, nearest};
use crate::node::{Node, NodeKind, Scalar};
use crate::plan::Secret;

/// Every value that has a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) secrets: BTreeMap<String, SecretState>,
    /// `metadata.name`, `metadata.version` and `source.url`; `None` for one that is not right.
    others: BTreeMap<&'static str, Option<Scalar>>,
    /// Where a value stands that is known only at the end of a run.
    pub(crate) pending: Vec<Place>,
}

/// What a variable can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Type {
    String,
    Integer,
    Boolean,
    List,
    Url,
    Sha256,
    Sha512,
}

/// A variable's type and value.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) kind: Type,
    pub(crate) value: VariableValue,
}

#[derive(Clone, Debug)]
pub(crate) enum VariableValue {
    Scalar(Scalar),
    List(Vec<Scalar>),
    /// A finding was made.
    Invalid,
}

/// What is known of a secret.
#[derive(Clone, Debug)]
pub(crate) enum SecretState {
    Known(Secret),
    /// It is optional, and not there.
    Absent,
    /// A finding was made.
    Invalid,
}

/// Where a reference stands; some values have no meaning everywhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Within {
    Metadata,
    Source,
    Outputs,
    Template,
    Other,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Found<'s> {
    Scalar(&'s Scalar),
    List(&'s [Scalar]),
    Secret(&'s str),
    AbsentSecret,
    /// Known only when the image is written.
    Pending,
    /// A finding was made where it is said.
    Invalid,
}

const OTHERS: [&str; 3] = ["metadata.name", "metadata.version", "source.url"];
const PENDING: &str = "build.key12";

impl Scope {
    /// Takes in what a section defines for the others.
    pub(crate) fn learn(&mut self, section: &str, node: Option<&Node>) {
        for name in OTHERS {
            let Some(key) = name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            if let Some(value) = node.and_then(|node| node.get(key)) {
                let scalar = match &value.kind {
                    NodeKind::Scalar(scalar) => Some(scalar.clone()),
                    _ => None,
                };
                self.others.insert(name, scalar);
            }
        }
    }

    /// What a name stands for in a place.
    pub(crate) fn find(&self, name: &str, within: Within) -> Result<Found<'_>, Complaint> {
        let Some((group, key)) = name.split_once('.') else {
            return Err(self.unknown(name));
        };
        match group {
            "vars" => self.variable(key).map(|variable| match &variable.value {
                VariableValue::Scalar(scalar) => Found::Scalar(scalar),
                VariableValue::List(items) => Found::List(items),
                VariableValue::Invalid => Found::Invalid,
            }),
            "secrets" => match self.secret(key)? {
                SecretState::Known(secret) => match std::str::from_utf8(&secret.value) {
                    Ok(text) => Ok(Found::Secret(text)),
                    Err(_) => Err(Complaint::error(format!("{} is not text", quoted(name)))
                        .hint("what is not UTF-8 cannot be part of a text")),
                },
                SecretState::Absent => Ok(Found::AbsentSecret),
                SecretState::Invalid => Ok(Found::Invalid),
            },
            _ if name == PENDING => match within {
                Within::Outputs => Ok(Found::Pending),
                _ => Err(Complaint::error(format!("`{PENDING}` is known only when the image is written"))
                    .hint("use it in paths of `outputs`")),
            },
            _ => self.other(name, within),
        }
    }

    pub(crate) fn variable(&self, name: &str) -> Result<&Variable, Complaint> {
        self.variables.get(name).ok_or_else(|| {
            let complaint = Complaint::error(format!("there is no variable {}", quoted(name)));
            complaint.hint(among(name, "vars", self.variables.keys()))
        })
    }

    pub(crate) fn secret(&self, name: &str) -> Result<&SecretState, Complaint> {
        self.secrets.get(name).ok_or_else(|| {
            let complaint = Complaint::error(format!("there is no secret {}", quoted(name)));
            complaint.hint(among(name, "secrets", self.secrets.keys()))
        })
    }

    fn other(&self, name: &str, within: Within) -> Result<Found<'_>, Complaint> {
        let Some(known) = OTHERS.iter().find(|known| **known == name) else {
            return Err(self.unknown(name));
        };
        let itself = match within {
            Within::Metadata => true,
            Within::Source => name.starts_with("source."),
            _ => false,
        };
        match self.others.get(known) {
            Some(Some(scalar)) => Ok(Found::Scalar(scalar)),
            Some(None) => Ok(Found::Invalid),
            None if itself => Err(Complaint::error(format!("`{known}` is not known here yet"))
                .hint("it can be used in the sections after this one")),
            None => {
                let (section, key) = known.split_once('.').unwrap_or_default();
                Err(Complaint::error(format!("the recipe has no `{known}`"))
                    .hint(format!("add `{section}: {{ {key}: … }}`")))
            }
        }
    }

    fn unknown(&self, name: &str) -> Complaint {
        let complaint = Complaint::error(match name {
            "" => "there is no name in `${{ }}`".to_owned(),
            _ => format!("{} is not a name that has a value", quoted(name)),
        });
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !name.chars().all(is_name) {
            return complaint.hint("only a name can stand in `${{ … }}`, like `vars.release`");
        }
        let candidates = self.names();
        let last = name.rsplit('.').next().unwrap_or_default();
        let bare = |known: &&String| known.ends_with(&format!(".{last}")) && !last.is_empty();
        let near = candidates
            .iter()
            .find(bare)
            .map(String::as_str)
            .or_else(|| nearest(name, candidates.iter().map(String::as_str)));
        match near {
            Some(near) => complaint.hint(format!("did you mean `{near}`?")),
            None => complaint.hint("names begin with `vars.`, `secrets.`, `metadata.`, `source.` or `build.`"),
        }
    }

    /// Every name that has a value.
    pub(crate) fn names(&self) -> Vec<String> {
        let variables = self.variables.keys().map(|name| format!("vars.{name}"));
        let secrets = self.secrets.keys().map(|name| format!("secrets.{name}"));
        let others = OTHERS.iter().chain([&PENDING]).map(|name| (*name).to_owned());
        variables.chain(secrets).chain(others).collect()
    }
}

/// A hint about a name that is not among those that are known.
pub(crate) fn among<'n>(name: &str, section: &str, known: impl Iterator<Item = &'n String> + Clone) -> String {
    const SHOWN: usize = 10;
    if let Some(near) = nearest(name, known.clone().map(String::as_str)) {
        return format!("did you mean `{near}`?");
    }
    let names: Vec<&str> = known.map(String::as_str).take(SHOWN + 1).collect();
    match names.as_slice() {
        [] => format!("declare it in `{section}`"),
        names if names.len() > SHOWN => format!("declare it in `{section}`"),
        names => format!("declare it in `{section}`, which has {}", listed(names.iter().copied())),
    }
}
