//! `imgctl completions`: what shells need to complete the command line.

use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::Args;
use clap_complete::Shell;
use std::io::Write as _;

/// Print the completions of a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl completions bash > ~/.local/share/bash-completion/completions/imgctl
  imgctl completions zsh > ~/.zfunc/_imgctl        # a folder of $fpath
  imgctl completions fish > ~/.config/fish/completions/imgctl.fish
  imgctl completions elvish > ~/.config/elvish/lib/imgctl.elv
  imgctl completions powershell >> $PROFILE")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn completions(ui: &Ui, args: &CompletionsArgs) -> CommandResult {
    // The generator wants a writer that cannot fail.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "imgctl", &mut script);
    let mut out = ui.data();
    out.write_all(&script)
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)
}
