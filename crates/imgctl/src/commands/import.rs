//! `imgctl recipe from-cloud-config` and `from-virt-customize`: other tools' instructions as a recipe.

use crate::command_error::{CommandError, CommandResult};
use crate::commands::recipe::plural;
use crate::host_files::{self, LocalHost};
use crate::ui::Ui;
use clap::Args;
use imgctl_recipe::{CloudConfigOptions, Import, ImportError, ImportNoteKind, from_cloud_config, from_virt_customize};
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// Where a new recipe goes.
#[derive(Args, Debug)]
struct TargetArgs {
    /// File to write the recipe to [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Exit with 2 if something could not be carried over
    #[arg(long)]
    strict: bool,
}

/// Write a recipe that does what a cloud-config says
///
/// What could not be carried over is told on standard error and in comments at the recipe's end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl recipe from-cloud-config user-data.yaml -o golden.yaml
  imgctl recipe from-cloud-config user-data.yaml --default-user debian --strict")]
pub(crate) struct FromCloudConfigArgs {
    /// The cloud-config; - for standard input
    file: PathBuf,
    /// The image's default user, who gets the keys that are for nobody else
    #[arg(long, value_name = "NAME")]
    default_user: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Write a recipe that does what a virt-customize command line says
///
/// Options of imgctl come first; from the first option of virt-customize on, all are virt-customize's. What could not be
/// carried over is told on standard error and in comments at the recipe's end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl recipe from-virt-customize --hostname node --install chrony --run-command 'systemctl enable chrony'
  imgctl recipe from-virt-customize -o golden.yaml --commands-from-file commands.txt
  imgctl recipe from-virt-customize --strict -- -a base.qcow2 --timezone Europe/Berlin")]
pub(crate) struct FromVirtCustomizeArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Arguments of virt-customize, such as --commands-from-file FILE
    #[arg(
        required = true,
        value_name = "ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<String>,
}

/// A note as an event.
#[derive(Serialize)]
struct NoteRecord<'n> {
    subject: &'n str,
    message: &'n str,
}

#[derive(Serialize)]
struct Done {
    output: Option<String>,
    left_out: usize,
}

pub(crate) fn cloud_config(ui: &Ui, args: &FromCloudConfigArgs) -> CommandResult {
    args.target.check()?;
    let bytes = host_files::read_import(&args.file)?;
    let options = CloudConfigOptions {
        default_user: args.default_user.clone(),
    };
    finish(ui, from_cloud_config(&bytes, &options), &args.target)
}

pub(crate) fn virt_customize(ui: &Ui, args: &FromVirtCustomizeArgs) -> CommandResult {
    args.target.check()?;
    let arguments = match args.arguments.as_slice() {
        // A whole command line, as it stands in a script.
        [program, rest @ ..] if program == "virt-customize" => rest,
        all => all,
    };
    finish(ui, from_virt_customize(arguments, &LocalHost), &args.target)
}

fn finish(ui: &Ui, import: Result<Import, ImportError>, target: &TargetArgs) -> CommandResult {
    let import = import.map_err(|error| CommandError::usage(error.to_string()))?;
    match &target.output {
        Some(path) => host_files::write_whole("recipe", path, import.recipe.as_bytes())?,
        None => {
            let mut out = ui.data();
            out.write_all(import.recipe.as_bytes())
                .and_then(|()| out.flush())
                .map_err(CommandError::stdout)?;
        }
    }
    let mut left_out = 0;
    for note in &import.notes {
        let record = NoteRecord {
            subject: &note.subject,
            message: &note.reason,
        };
        let is_left_out = note.kind == ImportNoteKind::LeftOut;
        left_out += usize::from(is_left_out);
        match (ui.is_json(), is_left_out) {
            (true, true) => ui.event("left_out", record),
            (true, false) => ui.event("remark", record),
            (false, true) => ui.warning(format_args!("not carried over: {note}")),
            (false, false) => ui.note(note),
        }
    }
    ui.event(
        "done",
        Done {
            output: target.output.as_ref().map(|path| path.display().to_string()),
            left_out,
        },
    );
    match left_out > 0 && target.strict {
        true => Err(CommandError::usage(format!(
            "{} not carried over",
            match left_out {
                1 => "1 instruction was".to_owned(),
                count => format!("{} were", plural(count, "instruction")),
            }
        ))),
        false => Ok(()),
    }
}

impl TargetArgs {
    fn check(&self) -> CommandResult {
        let Some(path) = &self.output else {
            return Ok(());
        };
        if path.exists() && !self.force {
            let message = format!("the recipe {} exists already", path.display());
            return Err(CommandError::usage(message).hint("name another file, or add --force to replace it"));
        }
        host_files::check_writable("recipe", path)
    }
}
