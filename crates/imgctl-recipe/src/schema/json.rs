//! The tables as a JSON schema (draft 2020-12), for editors and validators.
//!
//! It says less than the check: what two entries mean together, which files are there, what a guest can do.

use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};

use super::{Key, RECIPE, Rule, Shape, State, Table, ToldBy, Union};
use crate::finding::Findings;
use crate::kinds::{Numbers, TextKind};
use crate::node::{Node, NodeKind, Resolved};
use crate::reader;
use crate::source_map::SourceMap;

/// JSON with the keys in the order they were put in.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Signed(i64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

fn text(text: impl Into<String>) -> Json {
    Json::Text(text.into())
}

fn texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Json {
    Json::List(texts.into_iter().map(text).collect())
}

fn object<const N: usize>(entries: [(&str, Json); N]) -> Json {
    Json::Object(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn reference(name: &str) -> Json {
    object([("$ref", text(format!("#/$defs/{name}")))])
}

/// The JSON schema of recipes, as text that ends in a line break.
#[must_use]
pub fn schema() -> String {
    let mut definitions = Definitions::default();
    let Json::Object(recipe) = table(&RECIPE, &mut definitions) else {
        return String::new();
    };
    let mut entries = vec![
        (
            "$schema".to_owned(),
            text("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("$id".to_owned(), text("https://imgctl.dev/schema/v1/recipe.json")),
        ("title".to_owned(), text("imgctl recipe")),
    ];
    entries.extend(recipe);
    let mut list = definitions.list;
    list.push((
        "expression".into(),
        object([
            (
                "description",
                text("A value that is filled in when the recipe is read."),
            ),
            ("type", text("string")),
            ("pattern", text(r"\$\{\{.+\}\}")),
        ]),
    ));
    list.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.push(("$defs".to_owned(), Json::Object(list)));
    let mut out = serde_json::to_string_pretty(&Json::Object(entries)).unwrap_or_default();
    out.push('\n');
    out
}

/// Every table once, under its path.
#[derive(Debug, Default)]
struct Definitions {
    list: Vec<(String, Json)>,
    begun: Vec<&'static str>,
}

impl Definitions {
    fn table(&mut self, inner: &'static Table) -> Json {
        let name = name(inner.path);
        if !self.begun.contains(&inner.path) {
            self.begun.push(inner.path);
            let schema = table(inner, self);
            self.list.push((name.clone(), schema));
        }
        reference(&name)
    }

    fn union(&mut self, inner: &'static Union) -> Json {
        let name = name(inner.path);
        if !self.begun.contains(&inner.path) {
            self.begun.push(inner.path);
            let schema = union(inner, self);
            self.list.push((name.clone(), schema));
        }
        reference(&name)
    }
}

/// `files[]` as `files`.
fn name(path: &str) -> String {
    path.replace("[]", "")
}

fn table(table: &'static Table, definitions: &mut Definitions) -> Json {
    let properties: Vec<(String, Json)> = table
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key, definitions)))
        .collect();
    let required = table.keys.iter().filter(|key| key.required).map(|key| key.name);
    let mut entries = vec![
        ("description".to_owned(), text(plain(table.about))),
        ("type".to_owned(), text("object")),
        ("properties".to_owned(), Json::Object(properties)),
        ("required".to_owned(), texts(required)),
        ("additionalProperties".to_owned(), Json::Bool(false)),
    ];
    let rules: Vec<Json> = table.rules.iter().map(rule).collect();
    if !rules.is_empty() {
        entries.push(("allOf".to_owned(), Json::List(rules)));
    }
    Json::Object(entries)
}

fn rule(rule: &Rule) -> Json {
    let required = |key: &&str| object([("required", texts([*key]))]);
    let either = |keys: &[&str]| Json::List(keys.iter().map(required).collect());
    match rule {
        Rule::One(keys) => object([("oneOf", either(keys))]),
        Rule::OneAtMost(keys) => {
            let none = object([("not", object([("anyOf", either(keys))]))]);
            let Json::List(mut ways) = either(keys) else {
                return Json::Bool(true);
            };
            ways.push(none);
            object([("oneOf", Json::List(ways))])
        }
        Rule::Needs(key, others) => object([("if", required(key)), ("then", object([("anyOf", either(others))]))]),
    }
}

fn property(key: &'static Key, definitions: &mut Definitions) -> Json {
    let mut description = plain(key.about);
    let default = key.default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let default = default.filter(|value| !value.contains('`'));
    if default.is_none() && !key.required {
        description += &format!(" Default: {}.", plain(key.default));
    }
    if key.state != State::Supported {
        description += " Not carried out yet.";
    }
    let mut entries = vec![("description".to_owned(), text(description))];
    match shape(&key.shape, definitions) {
        Json::Object(own) => entries.extend(own),
        _ => return Json::Bool(true),
    }
    // An ellipsis stands for something that nobody should copy.
    if let (Some(example), false) = (value(key.example), key.example.contains('…')) {
        entries.push(("examples".to_owned(), Json::List(vec![example])));
    }
    if let Some(default) = default.and_then(value) {
        entries.push(("default".to_owned(), default));
    }
    Json::Object(entries)
}

fn shape(shape_: &'static Shape, definitions: &mut Definitions) -> Json {
    match shape_ {
        Shape::Text(kind) => string(kind),
        Shape::Choice([only]) if matches!(*only, "imgctl/v1" | "Recipe") => object([("const", text(*only))]),
        Shape::Choice(values) => or_expression(object([("enum", texts(values.iter().copied()))])),
        Shape::Boolean => or_expression(object([("type", text("boolean"))])),
        Shape::Always(value, _) => or_expression(object([("const", Json::Bool(*value))])),
        Shape::Integer(low, high) => {
            let mut range = vec![
                ("type".to_owned(), text("integer")),
                ("minimum".to_owned(), Json::Number(*low)),
            ];
            if *high < u64::MAX {
                range.push(("maximum".to_owned(), Json::Number(*high)));
            }
            or_expression(Json::Object(range))
        }
        Shape::Table(table) => definitions.table(table),
        Shape::Union(union) => definitions.union(union),
        Shape::List(item) => object([("type", text("array")), ("items", shape(item, definitions))]),
        Shape::OneOrMore(item) => {
            let list = object([("type", text("array")), ("items", shape(item, definitions))]);
            object([("anyOf", Json::List(vec![shape(item, definitions), list]))])
        }
        Shape::Either(first, second) => {
            let ways = vec![shape(first, definitions), shape(second, definitions)];
            object([("anyOf", Json::List(ways))])
        }
        Shape::Map(names, values) => object([
            ("type", text("object")),
            ("propertyNames", object([("pattern", text(names.pattern))])),
            ("additionalProperties", shape(values, definitions)),
        ]),
        Shape::Any => object([]),
    }
}

fn string(kind: &TextKind) -> Json {
    let types = match kind.numbers {
        Numbers::Quote | Numbers::Octal => text("string"),
        Numbers::Accept | Numbers::Whole => texts(["string", "integer"]),
        Numbers::Check => texts(["string", "number"]),
    };
    if kind.pattern.is_empty() {
        return object([("type", types)]);
    }
    or_expression(object([("type", types), ("pattern", text(kind.pattern))]))
}

/// Wherever a value is more than any string, `${{ … }}` can stand for it.
fn or_expression(schema: Json) -> Json {
    object([("anyOf", Json::List(vec![schema, reference("expression")]))])
}

fn union(union: &'static Union, definitions: &mut Definitions) -> Json {
    let ways: Vec<Json> = union.tables.iter().map(|table| definitions.table(table)).collect();
    let mut entries = vec![
        ("description".to_owned(), text(plain(union.about))),
        ("type".to_owned(), text("object")),
    ];
    // With one condition for each table, an editor's message is about the table that was meant.
    let mut conditions: Vec<Json> = Vec::new();
    let mut names: Vec<Json> = Vec::new();
    for (table, way) in union.tables.iter().zip(ways) {
        let name = union.name_of(table);
        let is_it = match union.told_by {
            ToldBy::FirstKey => by_key(union, table, name),
            ToldBy::FirstValue => {
                let first = table.keys.first().map_or("", |key| key.name);
                let properties = object([(first, object([("const", text(name))]))]);
                object([("properties", properties), ("required", texts([first]))])
            }
        };
        names.push(is_it.clone());
        conditions.push(object([("if", is_it), ("then", way)]));
    }
    entries.push(("oneOf".to_owned(), Json::List(names)));
    entries.push(("allOf".to_owned(), Json::List(conditions)));
    Json::Object(entries)
}

/// The table's first key is there, and that of no other table but one that it has itself.
fn by_key(union: &Union, table: &Table, name: &str) -> Json {
    let others = union
        .names()
        .filter(|other| *other != name && table.key(other).is_none());
    // A subject that is a plain key of another table is the subject only where the other one's is missing.
    let absent = others.map(|other| object([("required", texts([other]))])).collect();
    object([
        ("required", texts([name])),
        ("not", object([("anyOf", Json::List(absent))])),
    ])
}

/// Markdown in one line.
fn plain(markdown: &str) -> String {
    markdown.replace('\n', " ").trim().to_owned()
}

/// A value in YAML as JSON; `None` where it is none.
fn value(yaml: &str) -> Option<Json> {
    let mut findings = Findings::new(SourceMap::new(std::path::Path::new("example"), format!("x: {yaml}\n")));
    let file = findings.source.recipe().clone();
    let root = reader::read(&file, &mut findings)?;
    match &root.kind {
        NodeKind::Mapping(entries) => entries.first().map(|(_, value)| of_node(value)),
        _ => None,
    }
}

fn of_node(node: &Node) -> Json {
    match &node.kind {
        NodeKind::Refused => Json::Null,
        NodeKind::Sequence(items) => Json::List(items.iter().map(of_node).collect()),
        NodeKind::Mapping(entries) => {
            let entries = entries.iter().filter_map(|(key, value)| match &key.kind {
                NodeKind::Scalar(scalar) => Some((scalar.text.clone(), of_node(value))),
                _ => None,
            });
            Json::Object(entries.collect())
        }
        NodeKind::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Json::Null,
            Resolved::Boolean(value) => Json::Bool(value),
            Resolved::Integer => match (scalar.text.parse(), scalar.text.parse()) {
                (Ok(value), _) => Json::Number(value),
                (_, Ok(value)) => Json::Signed(value),
                _ => text(scalar.text.clone()),
            },
            _ => text(scalar.text.clone()),
        },
    }
}
