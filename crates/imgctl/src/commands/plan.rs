//! `imgctl plan`: what a recipe would change, step by step; the same as `imgctl customize --dry-run`.

use super::InputArgs;
use super::customize::{RunArgs, dry_run};
use crate::command_error::CommandResult;
use crate::ui::Ui;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  imgctl plan base.qcow2 --recipe golden.yaml
  imgctl plan base.qcow2 --recipe golden.yaml --color always | less -R
  imgctl plan base.qcow2 --recipe golden.yaml --json | jq -r '.changes[].path'

Standard output has the steps in their order, and below each the paths that it changes: A added, M modified, D deleted. \
Texts are shown as a unified diff, other contents by size and digest, secrets not at all. Everything is done as \
`imgctl customize` does it, the reading back included, but nothing is written.";

/// Show what a recipe would change in an image
///
/// The same as `imgctl customize --dry-run`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn plan(ui: &Ui, args: &PlanArgs) -> CommandResult {
    dry_run(ui, &args.run, &args.input)
}
