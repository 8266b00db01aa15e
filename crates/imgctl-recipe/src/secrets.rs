//! `secrets`: values from the environment or files. Nothing that is said about them repeats them.

use std::path::{Path, PathBuf};

use crate::finding::{Complaint, Findings, Place, quoted};
use crate::host::{Host, HostFileError};
use crate::kinds::{self, TextKind};
use crate::node::{Node, NodeKind, Resolved};
use crate::plan::{Redactor, SHORTEST_SECRET, Secret};
use crate::scope::{Scope, SecretState};

/// The most bytes of one secret.
const MAX_SECRET_BYTES: usize = 64 << 10;

/// The most secrets of one recipe.
const MAX_SECRETS: usize = 64;

/// Takes in the recipe's secrets. Every name is known afterwards; those that are neither there nor optional have a
/// finding.
pub(crate) fn declare(root: &Node, host: &dyn Host, findings: &mut Findings, scope: &mut Scope) {
    let Some(NodeKind::Mapping(entries)) = root.get("secrets").map(|secrets| &secrets.kind) else {
        return;
    };
    for (key, node) in entries {
        let Some(name) = key.as_text().filter(|name| !name.is_empty()) else {
            continue;
        };
        let place = Place {
            span: key.span.clone(),
            key: format!("secrets.{}", name.chars().take(64).collect::<String>()),
        };
        if scope.secrets.len() >= MAX_SECRETS {
            let complaint = Complaint::error(format!("the recipe has more than {MAX_SECRETS} secrets"));
            findings.push(&place, complaint);
            break;
        }
        let state = state(name, node, &place, host, findings);
        scope.secrets.entry(name.to_owned()).or_insert(state);
    }
    findings.redactor = Redactor::new(&scope.known_secrets());
}

fn state(name: &str, node: &Node, place: &Place, host: &dyn Host, findings: &mut Findings) -> SecretState {
    let given = ["env", "file", "file_from_env"].map(|source| (source, node.get(source)));
    let mut given = given.into_iter().filter_map(|(source, node)| Some((source, node?)));
    // The check of its shape speaks of none and of several.
    let (Some((source, value)), None) = (given.next(), given.next()) else {
        return SecretState::Invalid;
    };
    let (NodeKind::Scalar(scalar), kind) = (&value.kind, kind_of(source)) else {
        return SecretState::Invalid;
    };
    let text = scalar.text.as_str();
    let right = scalar.resolve() == Resolved::Text && (kind.check)(text).is_ok();
    if !right || text.contains("${{") {
        return SecretState::Invalid;
    }
    let optional = node.get("optional").and_then(Node::as_text) == Some("true");
    let place = Place {
        span: value.span.clone(),
        key: format!("{}.{source}", place.key),
    };
    let found = match source {
        "env" => from_environment(text, host),
        "file" => {
            let path = findings.source.file_at(value.span.start).beside(Path::new(text));
            read(&path, &format!("cannot read {}", quoted(text)), host)
        }
        _ => from_named_file(text, host),
    };
    match found {
        Ok(bytes) if bytes.len() < SHORTEST_SECRET => {
            let complaint = Complaint::error(format!(
                "the secret has less than {SHORTEST_SECRET} bytes: it could not be told from other text"
            ));
            findings.push(
                &place,
                complaint.hint("use a longer one, or a variable if it is no secret"),
            );
            SecretState::Invalid
        }
        Ok(value) => SecretState::Known(Secret {
            name: name.to_owned(),
            value,
        }),
        Err(Missing::NotThere(_)) if optional => SecretState::Absent,
        Err(Missing::NotThere(complaint)) => {
            let complaint = complaint.hint("set it, or write `optional: true` and ask for it by `when`");
            findings.push(&place, complaint);
            SecretState::Invalid
        }
        Err(Missing::Refused(complaint)) => {
            findings.push(&place, complaint);
            SecretState::Invalid
        }
    }
}

fn kind_of(source: &str) -> &'static TextKind {
    match source {
        "file" => &kinds::HOST_PATH,
        _ => &kinds::ENVIRONMENT_NAME,
    }
}

/// Why a secret has no value.
enum Missing {
    NotThere(Complaint),
    Refused(Complaint),
}

fn from_environment(variable: &str, host: &dyn Host) -> Result<Vec<u8>, Missing> {
    match host.variable(variable) {
        Some(value) if value.len() > MAX_SECRET_BYTES => Err(Missing::Refused(too_large())),
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) => Err(Missing::NotThere(Complaint::error(format!(
            "{} is empty",
            variable_name(variable)
        )))),
        None => Err(Missing::NotThere(Complaint::error(format!(
            "{} is not set",
            variable_name(variable)
        )))),
    }
}

/// The path may be a secret that was put into the wrong variable: it is not repeated.
fn from_named_file(variable: &str, host: &dyn Host) -> Result<Vec<u8>, Missing> {
    let path = from_environment(variable, host)?;
    let Ok(path) = String::from_utf8(path) else {
        let complaint = Complaint::error(format!("{} does not hold a path", variable_name(variable)));
        return Err(Missing::Refused(complaint));
    };
    let what = format!("cannot read the file that {} names", variable_name(variable));
    read(&PathBuf::from(path), &what, host).map_err(|missing| match missing {
        // Whoever sets the variable wants the file.
        Missing::NotThere(complaint) | Missing::Refused(complaint) => Missing::Refused(complaint),
    })
}

fn read(path: &Path, what: &str, host: &dyn Host) -> Result<Vec<u8>, Missing> {
    match host.read_file(path, MAX_SECRET_BYTES) {
        Ok(bytes) => Ok(without_line_break(bytes)),
        Err(HostFileError::TooLarge(_)) => Err(Missing::Refused(too_large())),
        Err(HostFileError::NotFound) => {
            let complaint = Complaint::error(format!("{what}: {}", HostFileError::NotFound));
            Err(Missing::NotThere(complaint))
        }
        Err(error) => Err(Missing::Refused(Complaint::error(format!("{what}: {error}")))),
    }
}

/// Editors end files with a line break that is no part of a password.
fn without_line_break(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn variable_name(variable: &str) -> String {
    format!("the environment variable {}", quoted(variable))
}

fn too_large() -> Complaint {
    Complaint::error(format!(
        "a secret of more than {MAX_SECRET_BYTES} bytes is not supported"
    ))
}
