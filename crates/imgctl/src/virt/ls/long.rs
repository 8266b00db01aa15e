//! `virt-ls -l`: what `ls -la` prints where no names of users are known, in UTC.

use super::cannot;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::ls::symbolic_mode;
use crate::ui::date_and_time;
use crate::virt::clock;
use imgctl_vfs::{FileKind, Found, GuestPath, Tree, TreeNode};
use std::io::{self, Write};

/// Times further in the past than half an average year have their year instead of the time of day.
const RECENT_SECONDS: i64 = 31_556_952 / 2;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// One line, as far as the widths of its columns are not known yet.
#[derive(Debug)]
struct Line {
    mode: String,
    /// `+` with an access control list, `.` with a security context alone.
    mark: Option<char>,
    links: String,
    uid: String,
    gid: String,
    size: Size,
    time: String,
    name: Vec<u8>,
    target: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Size {
    Bytes(String),
    Device(String, String),
}

/// Lists the folder, or the one file, at `path`.
pub(super) fn write(out: &mut impl Write, tree: &Tree, path: &[u8]) -> CommandResult {
    let cannot = |source| cannot(path, source);
    let found = GuestPath::new(path)
        .and_then(|whole| tree.resolve(&whole))
        .map_err(cannot)?;
    let metadata = tree.metadata(found.node).map_err(cannot)?;
    let now = clock::seconds();
    if metadata.kind != FileKind::Directory {
        // Theirs shows the guest's root as it is mounted in the appliance.
        let name = [b"/sysroot", found.path.as_bytes()].concat();
        let line = Line::new(tree, found.node, name, now).map_err(cannot)?;
        return write_lines(out, &[line]).map_err(CommandError::stdout);
    }
    let (lines, sectors) = lines(tree, &found, now).map_err(cannot)?;
    writeln!(out, "total {}", sectors.div_ceil(2))
        .and_then(|()| write_lines(out, &lines))
        .map_err(CommandError::stdout)
}

/// The lines of a folder, and the space all of it takes.
fn lines(tree: &Tree, folder: &Found, now: i64) -> imgctl_vfs::Result<(Vec<Line>, u64)> {
    let parent = match folder.path.parent() {
        Some(parent) => tree.resolve(&parent)?.node,
        None => folder.node,
    };
    let mut entries = tree.read_dir(folder.node)?;
    entries.push((b".".to_vec(), folder.node));
    entries.push((b"..".to_vec(), parent));
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let mut sectors = 0_u64;
    let mut lines = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        sectors = sectors.saturating_add(tree.fs(node).sectors(node.node)?);
        lines.push(Line::new(tree, node, name, now)?);
    }
    Ok((lines, sectors))
}

impl Line {
    fn new(tree: &Tree, node: TreeNode, name: Vec<u8>, now: i64) -> imgctl_vfs::Result<Self> {
        let metadata = tree.metadata(node)?;
        let fs = tree.fs(node);
        let (mark, target) = match metadata.kind {
            FileKind::Symlink => (None, Some(fs.read_link(node.node)?)),
            _ => {
                let xattrs = fs.xattrs(node.node)?;
                let has = |name: &[u8]| xattrs.contains_key(name);
                let has_acl = has(b"system.posix_acl_access") || has(b"system.posix_acl_default");
                let context = has(b"security.selinux").then_some('.');
                (if has_acl { Some('+') } else { context }, None)
            }
        };
        Ok(Self {
            mode: symbolic_mode(&metadata),
            mark,
            links: metadata.links.to_string(),
            uid: metadata.uid.to_string(),
            gid: metadata.gid.to_string(),
            size: match metadata.kind {
                FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) => {
                    Size::Device(major.to_string(), minor.to_string())
                }
                _ => Size::Bytes(metadata.size.to_string()),
            },
            time: time(metadata.modified.seconds, now),
            name,
            target,
        })
    }
}

fn write_lines(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    let width = |of: fn(&Line) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let links = width(|line| line.links.len());
    let uid = width(|line| line.uid.len());
    let gid = width(|line| line.gid.len());
    let part = |which: fn(&Size) -> usize| lines.iter().map(|line| which(&line.size)).max().unwrap_or(0);
    let bytes = part(|size| match size {
        Size::Bytes(bytes) => bytes.len(),
        Size::Device(..) => 0,
    });
    let major = part(|size| match size {
        Size::Bytes(_) => 0,
        Size::Device(major, _) => major.len(),
    });
    let minor = part(|size| match size {
        Size::Bytes(_) => 0,
        Size::Device(_, minor) => minor.len(),
    });
    let device = if minor > 0 { major + 2 + minor } else { 0 };
    let size_width = bytes.max(device);
    let major = major + (size_width - device);
    let marked = lines.iter().any(|line| line.mark.is_some());
    for line in lines {
        write!(out, "{}", line.mode)?;
        if marked {
            write!(out, "{}", line.mark.unwrap_or(' '))?;
        }
        write!(out, " {:>links$} {:<uid$} {:<gid$} ", line.links, line.uid, line.gid)?;
        match &line.size {
            Size::Bytes(bytes) => write!(out, "{bytes:>size_width$}")?,
            Size::Device(high, low) => write!(out, "{high:>major$}, {low:>minor$}")?,
        }
        write!(out, " {} ", line.time)?;
        out.write_all(&line.name)?;
        if let Some(target) = &line.target {
            out.write_all(b" -> ")?;
            out.write_all(target)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// `Nov 20 10:25`, or `Dec 31  2022` for what is old or in the future.
fn time(seconds: i64, now: i64) -> String {
    let text = date_and_time(seconds);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok();
    let month = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let (Some(month), Ok(day)) = (month, part(8..10).parse::<u8>()) else {
        return text;
    };
    let is_recent = seconds <= now && now - seconds < RECENT_SECONDS;
    match is_recent {
        true => format!("{month} {day:>2} {}", part(11..16)),
        false => format!("{month} {day:>2}  {}", part(0..4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_times_have_their_year() {
        let now = 1_795_000_000;
        assert_eq!(time(1_794_999_940, now), "Nov 18 11:05");
        assert_eq!(time(0, now), "Jan  1  1970");
        assert_eq!(time(now + 60, now), "Nov 18  2026");
        assert_eq!(time(i64::MAX, now), i64::MAX.to_string());
    }

    #[test]
    fn columns_are_as_wide_as_they_must() {
        let line = |size, mark, uid: &str, name: &str| Line {
            mode: "-rw-r--r--".into(),
            mark,
            links: "1".into(),
            uid: uid.into(),
            gid: "0".into(),
            size,
            time: "Jan  1  1970".into(),
            name: name.into(),
            target: None,
        };
        let mut out = Vec::new();
        let device = Size::Device("253".into(), "1".into());
        write_lines(
            &mut out,
            &[
                line(Size::Bytes("7".into()), Some('+'), "0", "a"),
                line(device, None, "1000", "b"),
            ],
        )
        .unwrap();
        let expected = "-rw-r--r--+ 1 0    0      7 Jan  1  1970 a\n-rw-r--r--  1 1000 0 253, 1 Jan  1  1970 b\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
