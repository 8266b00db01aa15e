//! `imgctl sysprep`: takes identity and traces of a machine out of an image, in virt-sysprep's words.

use super::customize::{WholeRunArgs, run_whole};
use super::flags::refusal;
use crate::command_error::{CommandError, CommandResult};
use crate::host_files::LocalHost;
use crate::ui::Ui;
use clap::Args;
use imgctl_core::steps::flags::{Flag, of_sections};
use imgctl_recipe::{RESET_OPERATIONS, ResetOperation, ResetProfile};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write as _;

const EXAMPLES: &str = "\
Examples:
  imgctl sysprep base.qcow2 -o template.qcow2
  imgctl sysprep base.qcow2 -o template.qcow2 --profile golden --hostname template
  imgctl sysprep base.qcow2 -o template.qcow2 --operations defaults,-ssh-userdir,cloud-init
  imgctl sysprep base.qcow2 -o template.qcow2 --enable user-account --keep-user-accounts debian
  imgctl sysprep base.qcow2 --dry-run

Options that change the guest are those of `imgctl customize`; they come before the operations, which leave what they have \
put there. docs/operations.md says what each operation takes away, and compares it with virt-sysprep's.";

/// Take out of an image what must not travel from one machine to its clones
///
/// As virt-sysprep does by default; the base is only read. The machine-id stays empty, so that each clone gets its own.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SysprepArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    whole: WholeRunArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Operations")]
pub(crate) struct ChoiceArgs {
    /// Operations of a profile: golden, sysprep or none [default: sysprep]
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["operations", "enable"])]
    profile: Option<String>,
    /// Operations to add, and with a minus to leave out, from left to right: names, `defaults`, `all`
    #[arg(
        long,
        visible_alias = "operation",
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    operations: Vec<String>,
    /// Do these operations and no others
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "operations")]
    enable: Vec<String>,
    /// List the operations; those with a star are done by default
    #[arg(long)]
    list_operations: bool,
    /// Users that `user-account` leaves
    #[arg(long, value_name = "USERS", value_delimiter = ',')]
    keep_user_accounts: Vec<String>,
    /// Users that `user-account` removes [default: all ordinary users]
    #[arg(long, value_name = "USERS", value_delimiter = ',')]
    remove_user_accounts: Vec<String>,
}

/// Stands for the options of the command line in virt-sysprep's lists.
const CUSTOMIZE: &str = "customize";

/// What was chosen.
#[derive(Debug, Default, Eq, PartialEq)]
struct Choice {
    names: BTreeSet<&'static str>,
    customize: bool,
}

impl Choice {
    fn of_profile(profile: ResetProfile) -> Self {
        let chosen = RESET_OPERATIONS.iter().filter(|operation| profile.has(operation));
        Self {
            names: chosen.map(|operation| operation.name).collect(),
            customize: true,
        }
    }

    /// Adds or leaves out what a word of a list names.
    fn set(&mut self, word: &str, is_on: bool) -> CommandResult {
        let other = match word {
            "all" => Self {
                names: possible().map(|operation| operation.name).collect(),
                customize: true,
            },
            "defaults" => Self::of_profile(ResetProfile::Sysprep),
            CUSTOMIZE => Self {
                names: BTreeSet::new(),
                customize: true,
            },
            name if has_nothing_to_do(name) => Self::default(),
            name => Self {
                names: BTreeSet::from([find(name, is_on)?]),
                customize: false,
            },
        };
        if is_on {
            self.names.extend(other.names);
            self.customize |= other.customize;
        } else {
            self.names.retain(|name| !other.names.contains(name));
            self.customize &= !other.customize;
        }
        Ok(())
    }
}

/// Operations that theirs does by default, and scripts therefore name: `script` runs what --script names, which is refused
/// where it is given; and a guest on LVM is not opened at all.
fn has_nothing_to_do(name: &str) -> bool {
    let is_missing = |operation: &ResetOperation| !operation.refused.is_empty();
    matches!(name, "script" | "lvm-uuids") && ResetOperation::find(name).is_some_and(is_missing)
}

fn possible() -> impl Iterator<Item = &'static ResetOperation> {
    RESET_OPERATIONS.iter().filter(|operation| operation.refused.is_empty())
}

fn find(name: &str, is_wanted: bool) -> CommandResult<&'static str> {
    match ResetOperation::find(name) {
        Some(operation) if is_wanted && !operation.refused.is_empty() => {
            Err(CommandError::usage(format!("the operation {name} is not done by imgctl")).hint(operation.refused))
        }
        Some(operation) => Ok(operation.name),
        None => Err(CommandError::usage(format!("there is no operation {name}"))
            .hint("`imgctl sysprep --list-operations` shows all")),
    }
}

impl ChoiceArgs {
    /// Whether the operations are only to be listed.
    pub(crate) fn is_list(&self) -> bool {
        self.list_operations
    }

    /// What was chosen, as an option to be done last. `has_flags`: there are others, which need `customize`.
    pub(crate) fn reset(&self, has_flags: bool) -> CommandResult<Flag> {
        let choice = self.choice()?;
        if !choice.customize && has_flags {
            return Err(CommandError::usage(
                "options that change the guest are given, but the operation customize is left out",
            )
            .hint("add `customize` to the list of operations"));
        }
        let operations: Vec<&str> = choice.names.into_iter().collect();
        let mut reset = json!({ "profile": "none", "operations": operations });
        for (key, users) in [
            ("keep_users", &self.keep_user_accounts),
            ("remove_users", &self.remove_user_accounts),
        ] {
            if let (false, Some(reset)) = (users.is_empty(), reset.as_object_mut()) {
                reset.insert(key.to_owned(), json!(users));
            }
        }
        of_sections("reset", json!({ "reset": reset }), &LocalHost).map_err(|error| refusal(&error))
    }

    fn choice(&self) -> CommandResult<Choice> {
        let mut choice = Choice::default();
        if !self.enable.is_empty() {
            for word in &self.enable {
                choice.set(word.trim(), true)?;
            }
        } else if !self.operations.is_empty() {
            for word in &self.operations {
                let word = word.trim();
                match word.strip_prefix('-') {
                    Some(word) => choice.set(word, false)?,
                    None => choice.set(word.strip_prefix('+').unwrap_or(word), true)?,
                }
            }
        } else {
            let name = self.profile.as_deref().unwrap_or("sysprep");
            let profile = ResetProfile::find(name).ok_or_else(|| {
                CommandError::usage(format!("there is no profile {name}")).hint("there are golden, sysprep and none")
            })?;
            choice = Choice::of_profile(profile);
        }
        let users = [
            ("--keep-user-accounts", &self.keep_user_accounts),
            ("--remove-user-accounts", &self.remove_user_accounts),
        ];
        for (option, list) in users {
            if !list.is_empty() && !choice.names.contains("user-account") {
                return Err(
                    CommandError::usage(format!("{option} needs the operation user-account"))
                        .hint("add --operations defaults,user-account"),
                );
            }
        }
        Ok(choice)
    }
}

pub(crate) fn sysprep(ui: &Ui, args: &SysprepArgs) -> CommandResult {
    if args.choice.list_operations {
        return list(ui, args.whole.run.json);
    }
    let reset = args.choice.reset(!args.whole.run.flags.is_empty())?;
    run_whole(ui, &args.whole, Some(reset))
}

/// An operation, as `--list-operations --json` has it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    virt_sysprep: &'static [&'static str],
    default: bool,
    golden: bool,
    about: &'static str,
    supported: bool,
}

fn list(ui: &Ui, as_json: bool) -> CommandResult {
    let rows = RESET_OPERATIONS.iter().map(|operation| Row {
        name: operation.name,
        virt_sysprep: operation.peer,
        default: operation.sysprep,
        golden: operation.golden,
        about: operation.about,
        supported: operation.refused.is_empty(),
    });
    if as_json {
        return super::print_json(ui, &rows.collect::<Vec<_>>());
    }
    let mut out = ui.styled_data();
    let write = || {
        for row in rows.filter(|row| row.supported) {
            let star = if row.default { '*' } else { ' ' };
            let others: Vec<&str> = row
                .virt_sysprep
                .iter()
                .copied()
                .filter(|name| *name != row.name)
                .collect();
            let others = match others.is_empty() {
                true => String::new(),
                false => format!(" (virt-sysprep: {})", others.join(", ")),
            };
            writeln!(out, "{:<24} {star} {}{others}", row.name, row.about)?;
        }
        out.flush()
    };
    write().map_err(CommandError::stdout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches as _};

    fn choice(arguments: &[&str]) -> Result<Choice, String> {
        let command = ChoiceArgs::augment_args(Command::new("x").no_binary_name(true));
        let matches = command
            .try_get_matches_from(arguments)
            .map_err(|error| error.to_string())?;
        let args = ChoiceArgs::from_arg_matches(&matches).unwrap();
        args.choice().map_err(|error| error.error.to_string())
    }

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        choice(arguments).unwrap().names.into_iter().collect()
    }

    #[test]
    fn lists_are_read_from_left_to_right() {
        let default = choice(&[]).unwrap();
        assert!(default.customize && default.names.contains("ssh-userdir") && !default.names.contains("cloud-init"));
        assert_eq!(
            choice(&["--operations", "defaults"]),
            Ok(Choice::of_profile(ResetProfile::Sysprep))
        );
        assert_eq!(
            names(&["--operations", "logfiles,hostid", "--operation", "-logs"]),
            ["hostid"]
        );
        assert_eq!(names(&["--operations", "-all,tmp-files"]), ["tmp"]);
        assert_eq!(
            names(&["--enable", "bash-history, machine-id"]),
            ["machine-id", "shell-history"]
        );
        assert!(!choice(&["--enable", "machine-id"]).unwrap().customize);
        assert!(!choice(&["--operations", "all,-customize"]).unwrap().customize);
        assert!(names(&["--profile", "golden"]).contains(&"cloud-init"));
        assert!(names(&["--operations", "all,-fs-uuids"]).len() > 50);
        assert_eq!(names(&["--enable", "script,lvm-uuids,tmp-files"]), ["tmp"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            &["--enable", "nothing"][..],
            &["--enable", "fs-uuids"],
            &["--enable", "a", "--operations", "b"],
            &["--profile", "gold"],
            &["--keep-user-accounts", "a"],
        ] {
            assert!(choice(arguments).is_err(), "{arguments:?}");
        }
        assert!(choice(&["--operations", "user-account", "--keep-user-accounts", "a,b"]).is_ok());
    }
}
