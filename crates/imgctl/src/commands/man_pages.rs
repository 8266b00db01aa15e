//! `imgctl man-pages`: writes the manual pages, for `cargo xtask man` and packagers.

use crate::command_error::{CommandError, CommandResult};
use crate::virt::TOOLS;
use clap::{Args, Command};
use clap_mangen::Man;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Write the manual pages, one for each command
#[derive(Args, Debug)]
pub(crate) struct ManPagesArgs {
    /// Folder to write them to, made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The date that they show: nothing else in them depends on when they are made
    #[arg(value_name = "YYYY-MM-DD")]
    date: String,
}

/// `imgctl.1`, `imgctl-recipe.1`, `imgctl-recipe-check.1`, and `imgctl-virt-cat.1`: names without the prefix are the peers'.
pub(crate) fn man_pages(args: &ManPagesArgs) -> CommandResult {
    let mut root = crate::cli::command().disable_help_subcommand(true);
    root.build();
    let write = || {
        fs::create_dir_all(&args.folder)?;
        write_pages(&args.folder, root, &args.date)?;
        TOOLS.iter().try_for_each(|tool| {
            let mut command = tool.command().display_name(format!("imgctl-{}", tool.name));
            command.build();
            write_pages(&args.folder, command, &args.date)
        })
    };
    write().map_err(|source| CommandError::file("write manual pages to", &args.folder, source))
}

fn write_pages(folder: &Path, command: Command, date: &str) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_pages(folder, inner.clone(), date)?;
    }
    let page = Man::new(command)
        .date(date)
        .source(concat!("imgctl ", env!("CARGO_PKG_VERSION")))
        .manual("imgctl");
    page.generate_to(folder).map(drop)
}
