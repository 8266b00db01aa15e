//! `KEY=VALUE,KEY=VALUE` as the mapping that a recipe has there.

use super::FlagError;
use serde_json::{Map, Value};

/// How a value of a short form is written in a recipe.
#[derive(Clone, Copy)]
pub(in crate::steps) enum Form {
    Text,
    Number,
    Boolean,
    List,
}

/// `NAME[:KEY=VALUE,...]` as an entry of a recipe's list.
pub(in crate::steps) fn named_entry(text: &str, keys: &[(&str, Form)]) -> Result<Map<String, Value>, FlagError> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut entry = entry(rest, keys)?;
    entry.insert("name".to_owned(), name.into());
    Ok(entry)
}

/// `KEY=VALUE,...` as a mapping of a recipe. A key alone is true.
pub(in crate::steps) fn entry(text: &str, keys: &[(&str, Form)]) -> Result<Map<String, Value>, FlagError> {
    let mut entry = Map::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
        let Some((_, form)) = keys.iter().find(|(known, _)| *known == key) else {
            let known: Vec<&str> = keys.iter().map(|(known, _)| *known).collect();
            return Err(FlagError::with_hint(
                format!("there is no key `{key}`"),
                format!("the keys are {}", known.join(", ")),
            ));
        };
        let value = match form {
            Form::Text => Value::from(value),
            Form::List => value.split('+').filter(|word| !word.is_empty()).collect(),
            Form::Number => match value.parse::<u64>() {
                Ok(number) => number.into(),
                Err(_) => return Err(FlagError::new(format!("`{key}` is a number, not `{value}`"))),
            },
            Form::Boolean => match value {
                "true" | "yes" => true.into(),
                "false" | "no" => false.into(),
                _ => return Err(FlagError::new(format!("`{key}` is true or false, not `{value}`"))),
            },
        };
        entry.insert(key.to_owned(), value);
    }
    Ok(entry)
}
