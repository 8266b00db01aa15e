//! `imgctl cat`: a file of the guest, byte by byte.

use super::InputArgs;
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::Args;
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath, Tree, TreeNode};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const CHUNK_BYTES: usize = 1 << 20;

/// Print files from inside an image
///
/// The bytes go to standard output as they are. Symbolic links are followed, never out of the guest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl cat base.qcow2 /etc/os-release
  imgctl cat base.qcow2 /var/log/installer/syslog | less")]
pub(crate) struct CatArgs {
    /// Image, qcow2 or raw
    image: PathBuf,
    /// Paths inside the guest
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,
    #[command(flatten)]
    input: InputArgs,
}

/// Files of the guest, one after another; nothing is printed when one of them is missing.
pub(crate) fn cat(ui: &Ui, args: &CatArgs) -> CommandResult {
    let image = &args.image;
    let paths: Vec<GuestPath> = args
        .paths
        .iter()
        .map(|path| super::guest_path(path.as_bytes()))
        .collect::<CommandResult<_>>()?;
    let opened = imgctl_core::open_guest(image, &args.input.options())?;
    let tree = opened.tree();
    let nodes: CommandResult<Vec<TreeNode>> = paths.iter().map(|path| regular_file(tree, path, image)).collect();
    let nodes = nodes.map_err(|error| super::explain(ui, &opened, error))?;
    let mut out = ui.data();
    for (path, node) in paths.iter().zip(nodes) {
        copy(&mut out, tree, node, path, image)?;
    }
    out.flush().map_err(CommandError::stdout)
}

/// The regular file that `path` leads to.
pub(crate) fn regular_file(tree: &Tree, path: &GuestPath, image: &Path) -> CommandResult<TreeNode> {
    let cannot = |source| cannot_read(path, image, source);
    let found = tree.resolve(path).map_err(cannot)?;
    match tree.metadata(found.node).map_err(cannot)?.kind {
        FileKind::File => Ok(found.node),
        kind => {
            let error = CommandError::other(format!(
                "{path} in {} is a {}, not a regular file",
                image.display(),
                kind.name()
            ));
            Err(match kind {
                FileKind::Directory => error.hint(format!("imgctl ls {} {path} lists it", image.display())),
                _ => error,
            })
        }
    }
}

/// Writes a file's content.
pub(crate) fn copy(out: &mut impl Write, tree: &Tree, node: TreeNode, path: &GuestPath, image: &Path) -> CommandResult {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = 0_u64;
    loop {
        let count = tree
            .fs(node)
            .read_at(node.node, offset, &mut buffer)
            .map_err(|source| cannot_read(path, image, source))?;
        let Some(chunk @ [_, ..]) = buffer.get(..count) else {
            return Ok(());
        };
        out.write_all(chunk).map_err(CommandError::stdout)?;
        offset = offset.saturating_add(count as u64);
    }
}

fn cannot_read(path: &GuestPath, image: &Path, source: imgctl_vfs::Error) -> CommandError {
    CommandError::guest(
        format!("cannot read {} in {}", EscapedBytes(path.as_bytes()), image.display()),
        source,
    )
}
