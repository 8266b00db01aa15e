//! `vars`: typed variables, their defaults, and what the caller sets them to.

use std::collections::BTreeMap;
use std::path::Path;

use regex::bytes::Regex;

use crate::finding::{Complaint, Findings, Place, quoted};
use crate::host::Host;
use crate::kinds::{self, compile, listed};
use crate::node::{Node, NodeKind, Resolved, Scalar};
use crate::scope::{Scope, Type, Variable, VariableValue, among};
use crate::{MAX_RECIPE_BYTES, Settings, reader};

/// The most patterns: compiling an expression can take milliseconds.
const MAX_PATTERNS: usize = 64;

impl Type {
    /// The names in recipes.
    pub(crate) const NAMES: [&str; 7] = ["string", "integer", "boolean", "list", "url", "sha256", "sha512"];

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::String,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "list" => Self::List,
            "url" => Self::Url,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// What a value is, after "must be".
    fn what(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number",
            Self::Boolean => "`true` or `false`",
            Self::List => "a list of strings",
            Self::Url => kinds::URL.what,
            Self::Sha256 => kinds::SHA256.what,
            Self::Sha512 => kinds::SHA512.what,
        }
    }
}

/// A variable as the recipe declares it.
#[derive(Debug)]
struct Declared {
    kind: Type,
    pattern: Option<Regex>,
    /// Where its name stands.
    place: Place,
    value: Option<VariableValue>,
    required: bool,
}

/// Takes in the recipe's variables and the caller's settings. Every name is known afterwards; those without a right
/// value have a finding.
pub(crate) fn declare(root: &Node, settings: &Settings, host: &dyn Host, findings: &mut Findings, scope: &mut Scope) {
    let mut declared = declarations(root, findings);
    set_by_files(&mut declared, settings, host, findings);
    set_by_caller(&mut declared, settings, findings);
    report_missing(&declared, findings);
    let variables = declared.into_iter().map(|(name, variable)| {
        let value = variable.value.unwrap_or(VariableValue::Invalid);
        let kind = variable.kind;
        (name, Variable { kind, value })
    });
    scope.variables = variables.collect();
}

fn declarations(root: &Node, findings: &mut Findings) -> BTreeMap<String, Declared> {
    let mut declared = BTreeMap::new();
    let Some(NodeKind::Mapping(entries)) = root.get("vars").map(|vars| &vars.kind) else {
        return declared;
    };
    let mut patterns = 0_usize;
    for (key, node) in entries {
        let Some(name) = key.as_text().filter(|name| !name.is_empty()) else {
            continue;
        };
        let mut variable = Declared {
            kind: Type::String,
            pattern: None,
            place: Place {
                span: key.span.clone(),
                key: format!("vars.{}", name.chars().take(64).collect::<String>()),
            },
            value: None,
            required: false,
        };
        match &node.kind {
            // The check of its shape speaks of everything else.
            NodeKind::Mapping(_) => {
                patterns += usize::from(node.get("pattern").is_some());
                from_table(&mut variable, node, patterns, findings);
            }
            NodeKind::Scalar(scalar) => {
                // A string without type: what YAML takes for something else is found by the check of its shape.
                let right = scalar.resolve() == Resolved::Text;
                variable.value = Some(match right {
                    true => VariableValue::Scalar(string(scalar)),
                    false => VariableValue::Invalid,
                });
            }
            _ => variable.value = Some(VariableValue::Invalid),
        }
        declared.entry(name.to_owned()).or_insert(variable);
    }
    declared
}

fn from_table(variable: &mut Declared, node: &Node, patterns: usize, findings: &mut Findings) {
    let text = |key: &str| node.get(key).and_then(Node::as_text);
    variable.required = text("required") == Some("true");
    match text("type").map(Type::named) {
        Some(Some(kind)) => variable.kind = kind,
        Some(None) => {
            variable.value = Some(VariableValue::Invalid);
            return;
        }
        None => {}
    }
    if let Some(pattern) = node.get("pattern") {
        let place = Place {
            span: pattern.span.clone(),
            key: format!("{}.pattern", variable.place.key),
        };
        let compiled = pattern.as_text().map(|text| match patterns {
            0..=MAX_PATTERNS => compile(text),
            _ => Err(Complaint::error(format!("there are more than {MAX_PATTERNS} patterns"))),
        });
        match compiled {
            Some(Ok(regex)) => variable.pattern = Some(regex),
            Some(Err(complaint)) => findings.push(&place, complaint),
            None => {}
        }
    }
    let Some(default) = node.get("default") else {
        return;
    };
    if variable.required {
        let place = Place {
            span: default.span.clone(),
            key: format!("{}.default", variable.place.key),
        };
        let complaint = Complaint::error("a variable with a default is never missing");
        findings.push(&place, complaint.hint("remove `required` or `default`"));
    }
    assign(variable, default, "default", findings);
}

/// Gives a variable the value of a node, or finds out why not.
fn assign(variable: &mut Declared, node: &Node, key: &str, findings: &mut Findings) {
    let place = Place {
        span: match node.span.is_empty() {
            true => variable.place.span.clone(),
            false => node.span.clone(),
        },
        key: format!("{}.{key}", variable.place.key),
    };
    let value = match (&node.kind, variable.kind) {
        (NodeKind::Refused, _) => return variable.value = Some(VariableValue::Invalid),
        (NodeKind::Sequence(items), Type::List) => list(items, &variable.place.key, findings),
        (NodeKind::Scalar(scalar), kind) if kind != Type::List => typed(scalar, kind, variable, &place, findings),
        (_, kind) => {
            let found = node.describe();
            let complaint = Complaint::error(format!(
                "`{}` must be {}, but is {found}",
                variable.place.key,
                kind.what()
            ));
            let complaint = match (&node.kind, kind) {
                (NodeKind::Sequence(_), _) => complaint.hint("write `type: list`"),
                (NodeKind::Scalar(scalar), Type::List) => {
                    complaint.hint(format!("write `[{}]`", quoted(&scalar.text).trim_matches('`')))
                }
                _ => complaint,
            };
            findings.push(&place, complaint);
            None
        }
    };
    variable.value = Some(value.unwrap_or(VariableValue::Invalid));
}

fn list(nodes: &[Node], key: &str, findings: &mut Findings) -> Option<VariableValue> {
    let mut items = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let scalar = match &node.kind {
            NodeKind::Scalar(scalar) if scalar.resolve() == Resolved::Text => scalar,
            NodeKind::Refused => return None,
            _ => {
                let place = Place {
                    span: node.span.clone(),
                    key: format!("{key}[{index}]"),
                };
                let found = node.describe();
                let complaint = Complaint::error(format!("an entry of `{key}` must be a string, but is {found}"));
                let hint = match &node.kind {
                    NodeKind::Scalar(scalar) => format!("write `\"{}\"`", quoted(&scalar.text).trim_matches('`')),
                    _ => "variables have lists of strings alone".to_owned(),
                };
                findings.push(&place, complaint.hint(hint));
                return None;
            }
        };
        items.push(string(scalar));
    }
    Some(VariableValue::List(items))
}

/// A scalar as a value of its type.
fn typed(
    scalar: &Scalar,
    kind: Type,
    variable: &Declared,
    place: &Place,
    findings: &mut Findings,
) -> Option<VariableValue> {
    let resolved = scalar.resolve();
    let name = &variable.place.key;
    let text = quoted(&scalar.text);
    let shown = match scalar.plain {
        true => text.clone(),
        false => format!("the string {text}"),
    };
    let refuse = |found: String| Complaint::error(format!("`{name}` must be {}, but is {found}", kind.what()));
    let complaint = match (kind, resolved) {
        (Type::Integer, Resolved::Integer) if decimal(&scalar.text) => return Some(plain(&scalar.text)),
        (Type::Integer, _) => Some(refuse(shown).hint("a number is written in decimal, without quotes")),
        (Type::Boolean, Resolved::Boolean(value)) => return Some(plain(if value { "true" } else { "false" })),
        (Type::Boolean, _) => Some(refuse(shown)),
        (_, Resolved::Null) => Some(
            refuse("empty".into()).hint("write `\"\"` for an empty text; without `default` the variable has no value"),
        ),
        (_, Resolved::Text) => None,
        _ => {
            let found = resolved.describe();
            let complaint = refuse(format!("{text}, which is {found} without quotes"));
            Some(complaint.hint(format!("write `\"{}\"`", text.trim_matches('`'))))
        }
    };
    let complaint = complaint.or_else(|| check_text(&scalar.text, kind, variable));
    match complaint {
        None => Some(VariableValue::Scalar(string(scalar))),
        Some(complaint) => {
            findings.push(place, complaint);
            None
        }
    }
}

/// What is wrong with a text as a value of this variable.
fn check_text(text: &str, kind: Type, variable: &Declared) -> Option<Complaint> {
    let kind = match kind {
        Type::Url => Some(&kinds::URL),
        Type::Sha256 => Some(&kinds::SHA256),
        Type::Sha512 => Some(&kinds::SHA512),
        _ => None,
    };
    if let Some(Err(complaint)) = kind.map(|kind| (kind.check)(text)) {
        return Some(complaint);
    }
    let pattern = variable.pattern.as_ref()?;
    if pattern.is_match(text.as_bytes()) {
        return None;
    }
    let message = format!(
        "{} does not match the pattern of `{}`",
        quoted(text),
        variable.place.key
    );
    let hint = format!("the pattern is {}", quoted(pattern.as_str()));
    Some(Complaint::error(message).hint(hint))
}

fn set_by_files(
    declared: &mut BTreeMap<String, Declared>,
    settings: &Settings,
    host: &dyn Host,
    findings: &mut Findings,
) {
    let mut nodes = 0;
    for path in &settings.files {
        let bytes = host
            .read_file(path, MAX_RECIPE_BYTES)
            .map_err(|error| error.to_string());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
        let file = findings.source.add(path, text.clone().unwrap_or_default());
        let place = Place {
            span: file.start..file.start,
            key: String::new(),
        };
        if let Err(error) = text {
            let message = format!("cannot read the variables in {}: {error}", path.display());
            findings.push(&place, Complaint::error(message));
            continue;
        }
        if file.text.trim().is_empty() {
            continue;
        }
        let Some(root) = reader::read(&file, findings, &mut nodes) else {
            continue;
        };
        let NodeKind::Mapping(entries) = &root.kind else {
            let complaint = Complaint::error(format!("variables must be a mapping, but are {}", root.describe()));
            findings.push(&place, complaint.hint("write `name: value` lines"));
            continue;
        };
        set_by_mapping(declared, entries, findings);
    }
}

fn set_by_mapping(declared: &mut BTreeMap<String, Declared>, entries: &[(Node, Node)], findings: &mut Findings) {
    let mut seen = std::collections::BTreeSet::new();
    for (key, value) in entries {
        let name = key.as_text().unwrap_or_default();
        let place = Place {
            span: key.span.clone(),
            key: name.chars().take(64).collect(),
        };
        if !seen.insert(name) {
            findings.push(&place, Complaint::error(format!("{} is given twice", quoted(name))));
        } else if let Some(variable) = declared.get_mut(name) {
            assign(variable, value, "value", findings);
        } else {
            findings.push(&place, unknown(name, declared));
        }
    }
}

/// `--set`: the arguments are lines of a text of their own, so that findings have a place.
fn set_by_caller(declared: &mut BTreeMap<String, Declared>, settings: &Settings, findings: &mut Findings) {
    if settings.set.is_empty() {
        return;
    }
    let file = findings.source.add(Path::new("--set"), settings.set.join("\n"));
    let mut at = file.start;
    for argument in &settings.set {
        let place = |range: std::ops::Range<usize>| Place {
            span: at + range.start..at + range.end,
            key: String::new(),
        };
        match argument.split_once('=') {
            None => {
                let complaint = Complaint::error(format!("{} sets nothing", quoted(argument)));
                findings.push(&place(0..argument.len()), complaint.hint("write `--set name=value`"));
            }
            Some((name, text)) => match declared.get_mut(name) {
                None => findings.push(&place(0..name.len()), unknown(name, declared)),
                Some(variable) => {
                    let value = from_argument(text, variable, &place(name.len() + 1..argument.len()), findings);
                    variable.value = Some(value.unwrap_or(VariableValue::Invalid));
                }
            },
        }
        at += argument.len() + 1;
    }
}

/// A text of the command line as a value: lists are separated by commas.
fn from_argument(text: &str, variable: &Declared, place: &Place, findings: &mut Findings) -> Option<VariableValue> {
    let scalar = |text: &str| Scalar {
        text: text.to_owned(),
        ..Scalar::default()
    };
    match variable.kind {
        Type::List if text.is_empty() => Some(VariableValue::List(Vec::new())),
        Type::List => Some(VariableValue::List(
            text.split(',').map(|item| scalar(item.trim())).collect(),
        )),
        kind => {
            let plain = matches!(kind, Type::Integer | Type::Boolean);
            let scalar = Scalar { plain, ..scalar(text) };
            typed(&scalar, kind, variable, place, findings)
        }
    }
}

fn unknown(name: &str, declared: &BTreeMap<String, Declared>) -> Complaint {
    let complaint = Complaint::error(format!("the recipe has no variable {}", quoted(name)));
    complaint.hint(among(name, "vars", declared.keys()))
}

/// One finding for all that lack a value.
fn report_missing(declared: &BTreeMap<String, Declared>, findings: &mut Findings) {
    const SHOWN: usize = 10;
    let mut missing: Vec<(&String, &Declared)> = declared
        .iter()
        .filter(|(_, variable)| variable.value.is_none())
        .collect();
    missing.sort_by_key(|(_, variable)| variable.place.span.start);
    let Some((_, first)) = missing.first() else {
        return;
    };
    let names = listed(missing.iter().take(SHOWN).map(|(name, _)| name.as_str()));
    let verb = if missing.len() == 1 { "has" } else { "have" };
    let noun = if missing.len() == 1 {
        "the variable"
    } else {
        "the variables"
    };
    let more = missing.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let options: Vec<String> = missing
        .iter()
        .take(SHOWN)
        .map(|(name, _)| format!("--set {name}=…"))
        .collect();
    let complaint = Complaint::error(format!("{noun} {names}{more} {verb} no value"));
    findings.push(
        &first.place,
        complaint.hint(format!("set by `{}`, or in a file of `--vars FILE`", options.join(" "))),
    );
}

fn string(scalar: &Scalar) -> Scalar {
    Scalar {
        text: scalar.text.clone(),
        ..Scalar::default()
    }
}

fn plain(text: &str) -> VariableValue {
    VariableValue::Scalar(Scalar {
        text: text.to_owned(),
        plain: true,
        ..Scalar::default()
    })
}

/// A number that every reader takes for the same.
fn decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit())
}
