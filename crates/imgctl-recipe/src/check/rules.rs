//! What the keys of one mapping must be together.

use super::Checker;
use crate::fields::Fields;
use crate::finding::{Complaint, Place};
use crate::schema::{Rule, Table};

impl Checker<'_> {
    /// Holds the keys that are there against the table's rules.
    pub(super) fn rules(&mut self, table: &Table, fields: &Fields<'_>, place: &Place) {
        for rule in table.rules {
            match rule {
                Rule::One(keys) => {
                    self.contradicting(keys, fields);
                    self.none_of(table, keys, fields, place);
                }
                Rule::OneAtMost(keys) => self.contradicting(keys, fields),
                Rule::Needs(key, others) => self.needs(table, key, others, fields),
            }
        }
    }

    fn contradicting(&mut self, keys: &[&str], fields: &Fields<'_>) {
        let mut given: Vec<(&str, &Place)> = keys
            .iter()
            .filter_map(|key| Some((*key, fields.key_place(key)?)))
            .collect();
        given.sort_by_key(|(_, place)| place.span.start);
        let mut given = given.into_iter();
        let Some((first, first_place)) = given.next() else {
            return;
        };
        for (other, place) in given {
            let line = self.findings.source.line(first_place.span.start);
            let complaint = Complaint::error(format!("`{other}` contradicts `{first}` in line {line}"));
            self.findings.push(place, complaint.hint("keep one of them"));
        }
    }

    fn none_of(&mut self, table: &Table, keys: &[&str], fields: &Fields<'_>, place: &Place) {
        if fields.is_incomplete() || keys.iter().any(|key| fields.has(key)) {
            return;
        }
        let complaint = Complaint::error(format!("`{}` needs {}", place.key, or(keys)));
        self.findings.push(place, complaint.hint(add(table, keys)));
    }

    fn needs(&mut self, table: &Table, key: &str, others: &[&str], fields: &Fields<'_>) {
        let Some(place) = fields.key_place(key) else {
            return;
        };
        if fields.is_incomplete() || others.iter().any(|other| fields.has(other)) {
            return;
        }
        let complaint = Complaint::error(format!("`{key}` needs {}", or(others)));
        self.findings.push(place, complaint.hint(add(table, others)));
    }
}

fn add(table: &Table, keys: &[&str]) -> String {
    let first = keys.first().and_then(|key| table.key(key));
    first.map_or_else(String::new, |key| {
        format!("for example, add `{}: {}`", key.name, key.example)
    })
}

/// `a`, `b` or `c`.
fn or(keys: &[&str]) -> String {
    match keys {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|key| format!("`{key}`")).collect();
            format!("{} or `{last}`", most.join(", "))
        }
    }
}
