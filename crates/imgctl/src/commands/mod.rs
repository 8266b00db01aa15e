//! One file per command: its arguments, and the function that does it.

pub(crate) mod cat;
mod changes;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod customize;
pub(crate) mod doctor;
pub(crate) mod flags;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod install_links;
pub(crate) mod ls;
pub(crate) mod man_pages;
mod output;
pub(crate) mod plan;
pub(crate) mod programs;
pub(crate) mod recipe;
pub(crate) mod run;
pub(crate) mod steps;
mod summary;
pub(crate) mod sysprep;
pub(crate) mod verify;

use crate::command_error::{CommandError, CommandResult};
use crate::ui::{Ui, escaped_json, redacted_json};
use clap::{Args, ValueEnum};
use imgctl_core::{ImageFormat, InputOptions, OpenedGuest};
use imgctl_recipe::Settings;
use imgctl_vfs::GuestPath;
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// How an image is opened, the same for every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// The image's format, instead of detecting it by content
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<InputFormat>,
    /// Go on although another program has the image open for writing
    #[arg(long)]
    force_share: bool,
    /// Number of the partition that holds the guest's root, where several could
    #[arg(long, value_name = "PARTITION")]
    root: Option<u32>,
    #[command(flatten)]
    backing: BackingArgs,
}

/// Which other files an image may need.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
struct BackingArgs {
    /// Folder in and below which the image's backing and data files may be opened; may be repeated [default: none]
    #[arg(long, value_name = "DIR")]
    allow_backing: Vec<PathBuf>,
    /// Format of backing files, where the image above does not name it
    #[arg(long, value_name = "FORMAT", requires = "allow_backing")]
    backing_format: Option<InputFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum InputFormat {
    Raw,
    Qcow2,
}

impl From<InputFormat> for ImageFormat {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Raw => Self::Raw,
            InputFormat::Qcow2 => Self::Qcow2,
        }
    }
}

impl InputArgs {
    fn options(&self) -> InputOptions {
        self.backing.on(InputOptions {
            format: self.input_format.map(ImageFormat::from),
            force_share: self.force_share,
            root: self.root,
            ..InputOptions::default()
        })
    }
}

impl BackingArgs {
    /// The options with what these arguments allow.
    fn on(&self, options: InputOptions) -> InputOptions {
        InputOptions {
            allow_backing: self.allow_backing.clone(),
            backing_format: self.backing_format.map(ImageFormat::from),
            ..options
        }
    }
}

/// What the variables of a recipe are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct VariableArgs {
    /// Set a variable of the recipe; wins over --vars, and may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Variables")]
    set: Vec<String>,
    /// Set variables by a YAML mapping of names to values; may be repeated, a later file wins
    #[arg(long, value_name = "FILE", help_heading = "Variables")]
    vars: Vec<PathBuf>,
}

impl VariableArgs {
    fn settings(&self) -> Settings {
        Settings {
            set: self.set.clone(),
            files: self.vars.clone(),
        }
    }
}

/// Writes `value` to standard output as JSON.
fn print_json(ui: &Ui, value: &impl Serialize) -> CommandResult {
    let json = json(value)?;
    let mut out = ui.data();
    out.write_all(json.as_bytes())
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)
}

/// `value` as indented JSON that ends in a line break, harmless for a terminal.
fn json(value: &impl Serialize) -> CommandResult<String> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| CommandError::other(format!("cannot write as JSON: {error}")))?;
    Ok(redacted_json(&escaped_json(&json)).into_owned() + "\n")
}

/// A path on the command line that is meant inside the guest.
pub(crate) fn guest_path(path: &[u8]) -> CommandResult<GuestPath> {
    GuestPath::new(path).map_err(|error| {
        CommandError::usage(error.to_string()).hint("paths inside the guest begin with a slash: /etc/os-release")
    })
}

/// Tells what is odd about an image, where something in it was not found: that may be why.
fn explain(ui: &Ui, opened: &OpenedGuest, error: CommandError) -> CommandError {
    for warning in opened.warnings() {
        ui.warning(warning);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::is_harmful;

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let hostile = "a\u{1b}\u{7f}\u{9b}\u{202e}\n\\é";
        let text = json(&[hostile]).unwrap();
        assert!(
            !text
                .trim_end()
                .contains(|character| character != '\n' && is_harmful(character)),
            "{text}"
        );
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [hostile]);
    }
}
