//! `vars` and `secrets`: names with values from elsewhere.

use super::{Key, Rule, Shape, Table};
use crate::kinds;
use crate::scope::Type;

/// Names to what they are, or to the default of a string.
pub(super) const VARIABLES: Shape = Shape::Map(
    &kinds::VARIABLE_NAME,
    &Shape::Either(&Shape::Text(&kinds::VARIABLE_VALUE), &Shape::Table(&VARIABLE)),
);

pub(super) const SECRETS: Shape = Shape::Map(&kinds::VARIABLE_NAME, &Shape::Table(&SECRET));

static VARIABLE: Table = Table {
    path: "vars.NAME",
    what: "a string, or a mapping like `{ type: string, default: \"1.34\" }`",
    about: "\
A variable's type and default. A string alone is the default of a string: `release: \"1.34\"`. In a recipe that extends
the one with the declaration it sets another default.",
    example: "\
vars:
  mirror: https://mirror.example
  release: { type: string, default: \"1.34\", pattern: '^\\d+\\.\\d+$', description: The release to install }
  networks: { type: list, default: [10.0.0.0/8, \"fc00::/7\"] }
  workers: { type: integer, default: 4 }
",
    rules: &[],
    keys: &[
        Key::new(
            "type",
            Shape::Choice(&Type::NAMES),
            "string",
            "What its values are; `list` is a list of strings.",
        )
        .default("`string`")
        .also(&["kind"]),
        Key::new("default", Shape::Any, "\"1.34\"", "Its value where nothing sets it.")
            .default("it has no value, and the recipe is refused until it is set")
            .also(&["value"]),
        Key::new(
            "required",
            Shape::Boolean,
            "true",
            "Says that it must be set: it has no default.",
        )
        .default("`true` without `default`"),
        Key::new(
            "pattern",
            Shape::Text(&kinds::REGEX),
            "'^\\d+\\.\\d+$'",
            "A regular expression that its value must match.",
        )
        .also(&["regex", "match", "matches"]),
        Key::new(
            "description",
            Shape::Text(&kinds::TITLE),
            "The release to install",
            "What it is for, in one line.",
        )
        .also(&["about", "help", "desc"]),
    ],
};

static SECRET: Table = Table {
    path: "secrets.NAME",
    what: "a mapping like `{ env: TOKEN }`",
    about: "\
Where a secret's value comes from. A line break at the end of a file is left out. A value has at least 4 bytes; every
output shows `[secret NAME]` in its place, also where it is escaped for JSON or in base64.",
    example: "\
secrets:
  token: { env: TOKEN, optional: true }
  private_ca: { file_from_env: PRIVATE_CA_FILE, optional: true }
files:
  - { path: /etc/agent/token, mode: \"0600\", content: \"${{ secrets.token }}\\n\", when: secrets.token }
",
    rules: &[Rule::One(&["env", "file", "file_from_env"])],
    keys: &[
        Key::new(
            "env",
            Shape::Text(&kinds::ENVIRONMENT_NAME),
            "TOKEN",
            "The environment variable that holds it.",
        )
        .also(&["environment", "from_env", "variable"]),
        Key::new(
            "file",
            Shape::Text(&kinds::HOST_PATH),
            "secrets/token",
            "The local file that holds it, relative to the recipe's folder.",
        )
        .also(&["path", "source", "from_file"]),
        Key::new(
            "file_from_env",
            Shape::Text(&kinds::ENVIRONMENT_NAME),
            "TOKEN_FILE",
            "The environment variable that names the local file that holds it.",
        )
        .also(&["env_file", "file_env"]),
        Key::new(
            "optional",
            Shape::Boolean,
            "true",
            "Whether it may be missing; `when: secrets.NAME` asks for it.",
        )
        .default("`false`"),
    ],
};
