//! `imgctl install-links`: the names by which scripts call the drop-in tools.

use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use crate::virt::TOOLS;
use clap::Args;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Make links by which the drop-in tools are called: virt-customize, virt-cat and the others
///
/// Each is a symbolic link to this program, which does what its name says; `imgctl virt-cat` does the same without.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl install-links /usr/local/bin
  imgctl install-links ~/virt && PATH=~/virt:$PATH ./bake.sh

docs/virt-tools.md compares each tool with the one of guestfs-tools.")]
pub(crate) struct InstallLinksArgs {
    /// Folder to make them in
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Replace what has such a name already
    #[arg(long)]
    force: bool,
}

pub(crate) fn install_links(ui: &Ui, args: &InstallLinksArgs) -> CommandResult {
    let program = env::current_exe().map_err(|source| CommandError::file("find", Path::new("imgctl"), source))?;
    let links: Vec<PathBuf> = TOOLS.iter().map(|tool| args.folder.join(tool.name)).collect();
    let is_there = |link: &&PathBuf| fs::read_link(link).is_ok_and(|target| target == program);
    if !args.force
        && let Some(taken) = links
            .iter()
            .find(|link| link.symlink_metadata().is_ok() && !is_there(link))
    {
        return Err(CommandError::usage(format!("{} exists", taken.display()))
            .hint("--force replaces it, if it is a file or a link"));
    }
    for link in links.iter().filter(|link| !is_there(link)) {
        make(&program, link).map_err(|source| CommandError::file("make the link", link, source))?;
    }
    ui.status(format_args!(
        "{} links to {} in {}",
        links.len(),
        program.display(),
        args.folder.display()
    ));
    Ok(())
}

fn make(program: &Path, link: &Path) -> io::Result<()> {
    if link.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        fs::remove_file(link)?;
    }
    symlink(program, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_once_and_nothing_else_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let install = |force| {
            let args = InstallLinksArgs {
                folder: folder.path().to_owned(),
                force,
            };
            install_links(&Ui::default(), &args)
        };
        install(false).unwrap();
        install(false).unwrap();
        let link = folder.path().join("virt-cat");
        assert_eq!(fs::read_link(&link).unwrap(), env::current_exe().unwrap());

        fs::remove_file(&link).unwrap();
        fs::write(&link, "another").unwrap();
        assert!(install(false).is_err());
        assert_eq!(fs::read(&link).unwrap(), b"another");
        install(true).unwrap();
        assert!(fs::read_link(&link).is_ok());
    }
}
