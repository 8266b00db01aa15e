//! What the tables of keys cannot say: how recipes build on each other, and how values are filled in.

/// A part of the language that is more than a key.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Its name for `imgctl recipe explain`.
    pub(crate) name: &'static str,
    /// Its heading.
    pub(crate) title: &'static str,
    /// What it is, as Markdown.
    pub(crate) text: &'static str,
    /// A fragment of a recipe that checks clean; `base.yaml` and other files exist.
    pub(crate) example: &'static str,
}

/// In the order of the reference.
pub(crate) static TOPICS: [Topic; 6] = [
    Topic {
        name: "extends",
        title: "Recipes that build on others",
        text: "\
`extends` names recipes, relative to the folder of the file that names them. They are merged in order, and the recipe
itself last: mappings key by key, lists one after the other, and of anything else the later value counts. Of `metadata`
that of the recipe itself counts, if it has one. A recipe that several others extend counts once. Each file is a recipe
of its own, with `apiVersion` and `kind`; the local files that it names are relative to its own folder. There can be 64
files, 16 deep.",
        example: "extends: [base.yaml]\nservices: { enable: [chrony] }\n",
    },
    Topic {
        name: "references",
        title: "Values from elsewhere",
        text: "\
`${{ NAME }}` in a value is replaced: `vars.NAME`, `secrets.NAME`, `metadata.name`, `metadata.version`, `source.url`, and in
`outputs` `build.key12`, which is known only when the image is written. Keys, `vars`, `secrets` and `extends` have none.
`$${{` stands for the characters `${{`. The result is checked like any other value: `no` and `1.10` need quotes around the
whole.

A value that is only a reference is what the variable is: without quotes a number or a boolean, and a list of it
replaces the value, or joins the list around it. Inside of `{ }` and `[ ]` a value with a reference needs quotes.",
        example: "\
vars: { release: \"1.34\", units: { type: list, default: [iscsid] } }
files: [{ path: /etc/release-of-agent, content: \"${{ vars.release }}\\n\" }]
services: { enable: [ssh, \"${{ vars.units }}\"] }
",
    },
    Topic {
        name: "vars",
        title: "Variables",
        text: "\
`vars` declares variables with a type and a default; `--set NAME=VALUE` and `--vars FILE` (a YAML mapping) set them, and
`--set` wins. A list is separated by commas there: `--set networks=10.0.0.0/8,192.168.0.0/16`. A variable without a
default must be set. A name that the recipe does not declare is refused.",
        example: "\
vars:
  mirror: https://mirror.example
  networks: { type: list, default: [10.0.0.0/8] }
",
    },
    Topic {
        name: "when",
        title: "Conditions",
        text: "\
`when` of an entry or section is an expression; where it is false, the entry counts as if it were not there. Both cases
are checked when the recipe is read, and the expression is judged once the guest is known; in `outputs`, where the guest
is not known yet, it can only ask for `vars`, `secrets` and `exists`.

- `os` (`ID` of os-release), `os_like` (that, or one of `ID_LIKE`), `version` (`VERSION_ID`), `arch` (as `uname -m` says it),
  `vars.NAME`, texts in quotes, numbers, `true`, `false`
- `==`, `!=`, `<`, `<=`, `>`, `>=`; `in` and `not in` with a list, `[\"a\", \"b\"]` or a variable
- `version` is compared as far as both sides go: 9.6 `== \"9\"`, and is neither before nor after 9. Other numbers are compared
  with all their parts: 1.9 `< 1.10`.
- `vars.NAME` alone for a boolean, `secrets.NAME` alone for a secret that has a value, `exists(\"FILE\")` for a local file
- `not` or `!`, `and` or `&&`, `or` or `||`, and parentheses. A condition that begins with `!` or a quote needs quotes around it.",
        example: "\
files:
  - { path: /etc/motd, content: \"Debian\\n\", when: os == \"debian\" and version >= \"12\" }
  - { path: /etc/motd, content: \"something else\\n\", when: not (os == \"debian\" and version >= \"12\") }
",
    },
    Topic {
        name: "secrets",
        title: "Secrets",
        text: "\
`secrets` names values in the environment or in files. They can be in `content`, `append` and `line` of `files`, in templates
and in passwords, nowhere else. No message, diff, receipt or log has them: `[secret NAME]` stands in their place, also
where they are escaped for JSON or in base64. Files with a secret, `/etc/shadow`, `/etc/gshadow` and private keys are
reported as changed, without content, size and digest. One with `optional: true` may be missing; `when: secrets.NAME` asks
for it.",
        example: "\
secrets: { token: { env: TOKEN, optional: true } }
files:
  - { path: /etc/agent/token, mode: \"0600\", content: \"${{ secrets.token }}\\n\", when: secrets.token }
",
    },
    Topic {
        name: "template",
        title: "Templates",
        text: "\
`template` of a file names a local text file of at most 512 KiB whose references are filled in; nothing else is rendered.
Files named by `source` are copied as they are. What is wrong in a template is reported with its own line and column.",
        example: "files: [{ path: /etc/chrony/chrony.conf, template: files/chrony.conf.tmpl }]\n",
    },
];

/// The topic of this name.
pub(crate) fn topic(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}
