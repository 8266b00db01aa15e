//! `imgctl ls`: what is in a folder of the guest.

use super::InputArgs;
use crate::command_error::{CommandError, CommandResult};
use crate::ui::{Ui, columns, date_and_time};
use clap::Args;
use imgctl_vfs::{EscapedBytes, FileKind, Found, GuestPath, Metadata, Tree, TreeNode};
use serde::Serialize;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// List files inside an image
///
/// Sorted by name. Control bytes and bytes that are not UTF-8 appear as \xNN, a backslash as \\. Owners are numbers,
/// times are UTC.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl ls base.qcow2 /boot
  imgctl ls -l base.qcow2 /etc/ssh
  imgctl ls -R --json base.qcow2 | jq -r '.[] | select(.type == \"file\") | .path'")]
pub(crate) struct LsArgs {
    /// Image, qcow2 or raw
    image: PathBuf,
    /// Path inside the guest
    #[arg(default_value = "/")]
    path: OsString,
    /// Show type, mode, links, owner, group, size, time of change and where links lead
    #[arg(short)]
    long: bool,
    /// Go into folders; paths are whole then
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Write everything that -l shows as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// One line of a listing.
#[derive(Debug)]
struct Entry {
    path: GuestPath,
    metadata: Metadata,
    target: Option<Vec<u8>>,
}

pub(crate) fn ls(ui: &Ui, args: &LsArgs) -> CommandResult {
    let path = super::guest_path(args.path.as_bytes())?;
    let opened = imgctl_core::open_guest(&args.image, &args.input.options())?;
    let entries = entries(opened.tree(), &path, args.recursive)
        .map_err(|source| super::explain(ui, &opened, cannot(&path, args, source)))?;
    if args.json {
        let records: Vec<Record> = entries.iter().map(Record::new).collect();
        return super::print_json(ui, &records);
    }
    let name = |entry: &Entry| match entry.path.file_name().filter(|_| !args.recursive) {
        Some(name) => EscapedBytes(name).to_string(),
        None => entry.path.to_string(),
    };
    let text = match args.long {
        true => long(&entries, name),
        false => entries.iter().map(|entry| name(entry) + "\n").collect(),
    };
    let mut out = ui.data();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)
}

fn entries(tree: &Tree, path: &GuestPath, recursive: bool) -> imgctl_vfs::Result<Vec<Entry>> {
    // A link that leads nowhere is listed itself.
    let start = match tree.find(path)? {
        Some(found) => found,
        None => tree.resolve_link(path)?,
    };
    if tree.metadata(start.node)?.kind != FileKind::Directory {
        let Found { node, .. } = start;
        return Ok(vec![Entry::new(tree, path.clone(), node)?]);
    }
    if recursive {
        let below = tree.walk(&start).skip(1);
        return below
            .map(|entry| entry.and_then(|entry| Entry::new(tree, entry.path, entry.node)))
            .collect();
    }
    let names = tree.read_dir(start.node)?;
    names
        .into_iter()
        .map(|(name, node)| Entry::new(tree, start.path.join(&name), node))
        .collect()
}

impl Entry {
    fn new(tree: &Tree, path: GuestPath, node: TreeNode) -> imgctl_vfs::Result<Self> {
        let metadata = tree.metadata(node)?;
        let target = match metadata.kind {
            FileKind::Symlink => Some(tree.fs(node).read_link(node.node)?),
            _ => None,
        };
        Ok(Self { path, metadata, target })
    }
}

fn long(entries: &[Entry], name: impl Fn(&Entry) -> String) -> String {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let metadata = &entry.metadata;
            let size = match metadata.kind {
                FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) => format!("{major},{minor}"),
                _ => metadata.size.to_string(),
            };
            let target = entry
                .target
                .as_deref()
                .map(|target| format!(" -> {}", EscapedBytes(target)));
            vec![
                symbolic_mode(metadata),
                metadata.links.to_string(),
                metadata.uid.to_string(),
                metadata.gid.to_string(),
                size,
                date_and_time(metadata.modified.seconds),
                name(entry) + &target.unwrap_or_default(),
            ]
        })
        .collect();
    columns("", &[false, true, true, true, true], &rows)
}

/// `drwxr-xr-x`, as ls(1) has it.
pub(crate) fn symbolic_mode(metadata: &Metadata) -> String {
    let mut text = String::with_capacity(10);
    text.push(match metadata.kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::CharDevice(..) => 'c',
        FileKind::BlockDevice(..) => 'b',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
    });
    let mode = metadata.mode;
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// One entry of `ls --json`.
#[derive(Debug, Serialize)]
struct Record {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    mode: String,
    links: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl Record {
    fn new(entry: &Entry) -> Self {
        let metadata = &entry.metadata;
        Self {
            path: entry.path.to_string(),
            kind: metadata.kind.name(),
            mode: format!("{:04o}", metadata.mode),
            links: metadata.links,
            uid: metadata.uid,
            gid: metadata.gid,
            size: metadata.size,
            mtime: format!("{}.{:09}", metadata.modified.seconds, metadata.modified.nanoseconds),
            device: match metadata.kind {
                FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) => Some([major, minor]),
                _ => None,
            },
            target: entry.target.as_deref().map(|target| EscapedBytes(target).to_string()),
        }
    }
}

fn cannot(path: &GuestPath, args: &LsArgs, source: imgctl_vfs::Error) -> CommandError {
    let image: &Path = &args.image;
    CommandError::guest(format!("cannot list {path} in {}", image.display()), source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgctl_vfs::{ModelFs, NewNode, ReadFs as _, Timestamp, WriteFs as _};

    fn tree() -> Tree {
        let mut fs = ModelFs::new(Timestamp::from_seconds(0));
        let root = fs.root();
        let node = |kind, mode| NewNode {
            kind,
            mode,
            uid: 0,
            gid: 42,
            target: Vec::new(),
        };
        let etc = fs.create(root, b"etc", &node(FileKind::Directory, 0o1777)).unwrap();
        let file = fs.create(etc, b"evil\x1b[2J", &node(FileKind::File, 0o4640)).unwrap();
        fs.write_at(file, 0, b"hello").unwrap();
        fs.create(etc, b"null", &node(FileKind::CharDevice(1, 3), 0o666))
            .unwrap();
        let link = NewNode {
            target: b"../nowhere\n".to_vec(),
            ..node(FileKind::Symlink, 0o777)
        };
        fs.create(root, b"link", &link).unwrap();
        Tree::new("test", Box::new(fs))
    }

    fn listing(path: &str, recursive: bool) -> String {
        let entries = entries(&tree(), &GuestPath::new(path).unwrap(), recursive).unwrap();
        long(&entries, |entry| entry.path.to_string())
    }

    #[test]
    fn a_folder_is_listed_like_ls_does() {
        snapbox::assert_data_eq!(
            listing("/etc", false),
            snapbox::str![[r#"
-rwSr-----  1  0  42    5  1970-01-01 00:00:00  /etc/evil/x1b[2J
crw-rw-rw-  1  0  42  1,3  1970-01-01 00:00:00  /etc/null

"#]]
        );
    }

    #[test]
    fn recursion_shows_parents_before_their_children() {
        let lines = listing("/", true);
        let names: Vec<&str> = lines
            .lines()
            .filter_map(|line| line.split("00:00:00  ").nth(1))
            .collect();
        assert_eq!(
            names,
            ["/etc", "/etc/evil\\x1b[2J", "/etc/null", "/link -> ../nowhere\\x0a"]
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_listed_itself() {
        assert!(listing("/link", false).starts_with("lrwxrwxrwx"));
        assert!(entries(&tree(), &GuestPath::new("/missing").unwrap(), false).is_err());
    }
}
