//! virt-customize's command line as a recipe (options of virt-customize 1.48 to 1.57, virt-customize(1)).

mod accounts;
mod command_lines;
mod files;
mod options;
mod order;

use std::path::{Path, PathBuf};

pub use command_lines::{CommandLine, command_lines};
use options::{ARGUMENT_FREE, GENERAL, WITH_VALUE};

use super::commands::{self, Taken};
use super::draft::Draft;
use super::yaml::{Child, Value};
use super::{Import, ImportError, ImportHost, MAX_IMPORT_BYTES};
use crate::HostFileError;

/// Operations of one command line, those of files included.
const MAX_OPERATIONS: usize = 10_000;

/// The longest part of an operation that notes show.
const MAX_SUBJECT_CHARS: usize = 80;

/// One option with its value.
#[derive(Clone, Debug)]
struct Operation {
    name: String,
    value: String,
}

impl Operation {
    /// As it is told in notes.
    fn subject(&self) -> String {
        let shown: String = self.value.chars().take(MAX_SUBJECT_CHARS).collect();
        let more = if shown.len() < self.value.len() { "…" } else { "" };
        // What follows the first colon of these is secret.
        let shown = match self.name.as_str() {
            "password" | "root-password" => match shown.split(':').next() {
                Some(first) if first.len() < shown.len() => format!("{first}:…"),
                _ => shown,
            },
            "key" | "sm-credentials" => "…".to_owned(),
            _ => shown + more,
        };
        format!("--{} {shown}", self.name).trim_end().to_owned()
    }
}

/// Makes a recipe of virt-customize's arguments, without the program's name. Files that they name are asked for through
/// `host`: lists of commands, public keys, and what uploaded files are like.
///
/// # Errors
/// Arguments that virt-customize would not take, and files of commands that cannot be read.
pub fn from_virt_customize(arguments: &[String], host: &dyn ImportHost) -> Result<Import, ImportError> {
    if arguments.iter().map(String::len).sum::<usize>() > MAX_IMPORT_BYTES {
        return Err(ImportError::TooLarge);
    }
    let mut draft = Draft::default();
    let operations = parse(arguments, host, &mut draft)?;
    let has_network = !operations.iter().any(|operation| operation.name == "no-network");
    for (index, operation) in operations.iter().enumerate() {
        let mut importer = Importer {
            draft: &mut draft,
            host,
            operation,
            has_network,
            at: order::place(&operations, index),
            is_too_early: order::is_too_early(&operations, index),
        };
        importer.import();
    }
    draft.finish("virt-customize")
}

/// The operations of a command line, in order.
fn parse(arguments: &[String], host: &dyn ImportHost, draft: &mut Draft) -> Result<Vec<Operation>, ImportError> {
    let mut operations = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(option) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            return Err(ImportError::Usage(format!(
                "virt-customize takes no argument like {argument}"
            )));
        };
        let (name, joined) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let name = options::long_name(name).ok_or_else(|| unknown(argument))?;
        let takes_value =
            WITH_VALUE.contains(&name) || GENERAL.iter().any(|(known, value, _)| *known == name && *value);
        let value = match (takes_value, joined) {
            (true, Some(value)) => value.to_owned(),
            (true, None) => rest
                .next()
                .ok_or_else(|| ImportError::Usage(format!("--{name} needs a value")))?
                .clone(),
            (false, None) => String::new(),
            (false, Some(_)) => return Err(ImportError::Usage(format!("--{name} takes no value"))),
        };
        let name = name.to_owned();
        let operation = Operation { name, value };
        match operation.name.as_str() {
            "commands-from-file" => read_commands(&operation.value, host, &mut operations)?,
            "no-network" => operations.push(operation),
            name => match GENERAL.iter().find(|(known, ..)| *known == name) {
                Some((_, _, "")) => {}
                Some((_, _, reason)) => draft.remark(operation.subject(), *reason),
                None => operations.push(operation),
            },
        }
        if operations.len() > MAX_OPERATIONS {
            return Err(ImportError::TooLarge);
        }
    }
    Ok(operations)
}

fn unknown(argument: &str) -> ImportError {
    ImportError::Usage(format!("virt-customize has no option {argument}"))
}

/// The operations of a file of commands.
fn read_commands(name: &str, host: &dyn ImportHost, operations: &mut Vec<Operation>) -> Result<(), ImportError> {
    let path = PathBuf::from(name);
    let failed = |reason| ImportError::File {
        path: path.clone(),
        reason,
    };
    let bytes = host.read_file(&path, MAX_IMPORT_BYTES).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| failed(HostFileError::Other("it is not UTF-8 text".to_owned())))?;
    for CommandLine { name, value, .. } in command_lines(&text) {
        let is_known = WITH_VALUE.contains(&name.as_str()) || ARGUMENT_FREE.contains(&name.as_str());
        if !is_known || name == "commands-from-file" {
            return Err(ImportError::Usage(format!(
                "{} has a line that is no command: {name}",
                path.display()
            )));
        }
        operations.push(Operation { name, value });
        if operations.len() > MAX_OPERATIONS {
            return Err(ImportError::TooLarge);
        }
    }
    Ok(())
}

/// One operation on its way into the draft.
struct Importer<'i> {
    draft: &'i mut Draft,
    host: &'i dyn ImportHost,
    operation: &'i Operation,
    has_network: bool,
    /// Where in a recipe's order a program runs.
    at: &'static str,
    /// Whether that is before files which its command line puts in place first.
    is_too_early: bool,
}

impl Importer<'_> {
    fn import(&mut self) {
        let from = self.operation.subject();
        let value = self.operation.value.as_str();
        let word = || (value.to_owned(), from.clone());
        match self.operation.name.as_str() {
            "hostname" => self.draft.hostname = Some(word()),
            "timezone" => self.draft.timezone = Some(word()),
            "update" => self.draft.update = Some(("all".to_owned(), from)),
            "install" => self.draft.install.extend(list(value, &from)),
            "uninstall" => self.draft.remove.extend(list(value, &from)),
            "selinux-relabel" => self.draft.relabel = Some(("full".to_owned(), from)),
            "no-selinux-relabel" => self.draft.relabel = Some(("none".to_owned(), from)),
            "run-command" => {
                if commands::take(self.draft, value, &from) == Taken::No {
                    self.run_shell(value);
                }
            }
            "run" => self.run("source", Value::text(value)),
            "firstboot" => self.first_boot("source", Value::text(value)),
            "firstboot-command" => self.first_boot("command", Value::text(value)),
            "firstboot-install" => {
                let names = list(value, &from).into_iter();
                let names = names.map(|(name, from)| Child::of(from, Value::Text(name))).collect();
                self.first_boot("packages", Value::List(names));
            }
            "ssh-inject" => self.ssh_inject(),
            "password" | "root-password" => self.password(),
            // There is no log in the image, and no network unless it is asked for.
            "no-logfile" | "no-network" => {}
            name => match options::REFUSED.iter().find(|(refused, _)| *refused == name) {
                Some((_, reason)) => self.draft.left_out(from, *reason),
                None => self.file(),
            },
        }
    }

    /// A line of shell; of several lines only the last one's exit status counts.
    fn run_shell(&mut self, command: &str) {
        match command.contains('\n') {
            true => self.run(
                "script",
                Value::Text(format!("#!/bin/sh\n{}\n", command.trim_end_matches('\n'))),
            ),
            false => self.run("command", Value::text(command)),
        }
    }

    fn run(&mut self, key: &'static str, value: Value) {
        let mut entry = vec![("at", Child::part(Value::text(self.at)))];
        if self.has_network && matches!(self.operation.name.as_str(), "run" | "run-command") {
            entry.push(("network", Child::part(Value::Plain("true".to_owned()))));
        }
        entry.push((key, Child::part(value)));
        self.draft
            .run
            .push(Child::of(self.operation.subject(), Value::Map(entry)));
        if self.is_too_early {
            self.draft.remark(
                self.operation.subject(),
                "a recipe puts files in place after packages: this runs before the files that came before it here",
            );
        }
        if self.operation.name == "run" {
            self.draft.remark(
                self.operation.subject(),
                "a recipe runs it by the interpreter of its `#!` line, virt-customize by /bin/sh",
            );
        }
    }

    fn first_boot(&mut self, key: &'static str, value: Value) {
        let entry = vec![(key, Child::part(value))];
        self.draft
            .first_boot
            .push(Child::of(self.operation.subject(), Value::Map(entry)));
    }

    fn no_colon(&mut self) {
        let reason = "there is no colon in it, so virt-customize would refuse it";
        self.draft.left_out(self.operation.subject(), reason);
    }

    /// The two parts around the first colon.
    fn pair(&mut self) -> Option<(String, String)> {
        let pair = self.operation.value.split_once(':');
        if pair.is_none() {
            self.no_colon();
        }
        pair.map(|(one, other)| (one.to_owned(), other.to_owned()))
    }

    fn read_line(&mut self, path: &str) -> Option<String> {
        let read = self.host.read_file(Path::new(path), MAX_IMPORT_BYTES);
        let text = read.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let line = text.as_deref().and_then(|text| text.lines().next()).map(str::to_owned);
        if line.is_none() {
            self.draft
                .left_out(self.operation.subject(), format!("the file {path} cannot be read"));
        }
        line
    }
}

/// `a,b` as words.
fn list(value: &str, from: &str) -> Vec<(String, String)> {
    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| (name.to_owned(), from.to_owned())).collect()
}
