//! `imgctl man-pages`: writes the manual pages, for `cargo xtask man` and packagers.

use crate::command_error::{CommandError, CommandResult};
use clap::Args;
use std::fs;
use std::path::PathBuf;

/// Write the manual pages, one for each command
#[derive(Args, Debug)]
pub(crate) struct ManPagesArgs {
    /// Folder to write them to, made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// `imgctl.1`, `imgctl-recipe.1`, `imgctl-recipe-check.1`.
pub(crate) fn man_pages(args: &ManPagesArgs) -> CommandResult {
    let write = || {
        fs::create_dir_all(&args.folder)?;
        clap_mangen::generate_to(crate::cli::command(), &args.folder)
    };
    write().map_err(|source| CommandError::file("write manual pages to", &args.folder, source))
}
