//! Mappings that are one of several tables: the checks of `verify`, the files of `outputs.emit`.

use super::{Checker, subject};
use crate::fields::Value;
use crate::finding::{Complaint, Place, quoted};
use crate::kinds::{listed, nearest};
use crate::node::{Node, NodeKind};
use crate::schema::{Key, Table, ToldBy, Union};

impl Checker<'_> {
    pub(super) fn union<'n>(
        &mut self,
        node: &'n Node,
        entries: &'n [(Node, Node)],
        union: &'static Union,
        place: &Place,
    ) -> Value<'n> {
        let table = match union.told_by {
            ToldBy::FirstKey => self.by_key(entries, union, place),
            ToldBy::FirstValue => self.by_value(entries, union, place),
        };
        match table {
            Some(table) => self.table(node, table, place),
            None => Value::Invalid,
        }
    }

    /// The table whose first key is there; `None` after a finding.
    fn by_key(&mut self, entries: &[(Node, Node)], union: &'static Union, place: &Place) -> Option<&'static Table> {
        let mut subjects: Vec<(&str, &Node, &'static Table)> = Vec::new();
        for (key, _) in entries {
            let name = scalar(key).unwrap_or_default();
            let known = subjects.iter().any(|(other, _, _)| *other == name);
            if let (Some(table), false) = (union.table(name), known) {
                subjects.push((name, key, table));
            }
        }
        // The subject of one table can be a plain key of another, like the `group` of a `file`.
        let owner = subjects.iter().find(|(name, _, table)| {
            let mut others = subjects.iter().filter(|(other, _, _)| other != name);
            others.all(|(other, _, _)| table.key(other).is_some())
        });
        if let Some((_, _, table)) = owner {
            return Some(table);
        }
        let mut subjects = subjects.into_iter();
        let Some((first, _, _)) = subjects.next() else {
            self.no_subject(entries, union, place);
            return None;
        };
        for (other, key, _) in subjects {
            let place = Place {
                span: key.span.clone(),
                key: super::join(&place.key, other),
            };
            let message = format!("`{other}` is a second subject, after `{first}`");
            let hint = "write an entry of its own for each";
            self.findings.push(&place, Complaint::error(message).hint(hint));
        }
        None
    }

    fn no_subject(&mut self, entries: &[(Node, Node)], union: &'static Union, place: &Place) {
        if self.findings.is_full() {
            self.findings.push(place, Complaint::error("no subject"));
            return;
        }
        let subjects = || union.tables.iter().filter_map(|table| table.keys.first());
        for (key, _) in entries {
            let name = scalar(key).unwrap_or_default();
            let synonym = subjects()
                .find(|key: &&Key| key.also.contains(&name))
                .map(|key| key.name);
            if let Some(meant) = synonym.or_else(|| nearest(name, union.names())) {
                let place = Place {
                    span: key.span.clone(),
                    key: super::join(&place.key, name),
                };
                let message = format!("{} is not the subject of a check", quoted(name));
                let complaint = Complaint::error(message).hint(format!("did you mean `{meant}`?"));
                self.findings.push(&place, complaint);
                return;
            }
        }
        let complaint = Complaint::error("the entry does not say what it is about");
        let hint = format!("name one of {}", listed(union.names()));
        self.findings.push(place, complaint.hint(hint));
    }

    /// The table that the value of the first key names; `None` after a finding.
    fn by_value(&mut self, entries: &[(Node, Node)], union: &'static Union, place: &Place) -> Option<&'static Table> {
        let first = union.tables.first()?.keys.first()?;
        let given = entries.iter().find(|(key, _)| scalar(key) == Some(first.name));
        let Some((key, value)) = given else {
            let also = entries.iter().find(|(key, _)| {
                let name = scalar(key).unwrap_or_default();
                first.also.contains(&name) || nearest(name, [first.name]).is_some()
            });
            let (place, message, hint) = match also {
                Some((key, _)) => {
                    let name = scalar(key).unwrap_or_default();
                    let place = Place {
                        span: key.span.clone(),
                        key: super::join(&place.key, name),
                    };
                    let message = format!("unknown key {} in `{}`", quoted(name), union.path);
                    (place, message, format!("did you mean `{}`?", first.name))
                }
                None => {
                    let message = format!("`{}` has no `{}`", place.key, first.name);
                    let hint = format!("add `{}: …` with one of {}", first.name, listed(union.names()));
                    (place.clone(), message, hint)
                }
            };
            self.findings.push(&place, Complaint::error(message).hint(hint));
            return None;
        };
        let name = scalar(value);
        if let Some(table) = name.and_then(|name| union.table(name)) {
            return Some(table);
        }
        let place = Place {
            span: if value.span.is_empty() {
                key.span.clone()
            } else {
                value.span.clone()
            },
            key: super::join(&place.key, first.name),
        };
        let found = name.map_or_else(|| value.describe().to_owned(), quoted);
        let names = listed(union.names());
        let message = format!("{} must be one of {names}, but is {found}", subject(&place.key));
        let complaint = Complaint::error(message);
        let near = name.and_then(|name| {
            let part = union.names().find(|known| name.len() >= 3 && known.contains(name));
            nearest(name, union.names()).or(part)
        });
        self.findings.push(
            &place,
            match near {
                Some(near) => complaint.hint(format!("did you mean `{near}`?")),
                None => complaint,
            },
        );
        None
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
