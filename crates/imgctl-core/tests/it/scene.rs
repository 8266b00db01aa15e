//! Parts of a host's tree in memory, and both as lists to compare.

use crate::recipe::plan;
use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_vfs::{FileKind, GuestPath, ModelFs, NewNode, NodeId, ReadFs as _, Timestamp, Tree, WriteFs as _};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Runs the sections of a recipe in a guest, and then once more, when nothing may change.
pub(crate) fn run_twice(guest: Guest, sections: &str) -> Guest {
    let plan = plan(sections);
    let mut guest = guest;
    execute(&plan, &mut guest, &mut |_| true).unwrap();
    let now = guest.now();
    let mut again = Guest::new(guest.into_parts().0, now);
    execute(&plan, &mut again, &mut |_| true).unwrap();
    let changes = again.log().finish(again.tree()).unwrap();
    let paths: Vec<String> = changes.iter().map(|change| change.path.to_string()).collect();
    assert_eq!(paths, [""; 0], "a second run changes something");
    again
}

/// These parts of a host's tree, with the folders above them.
pub(crate) fn guest_of(root: &Path, tops: &[&str]) -> Guest {
    let now = Timestamp::from_seconds(1_800_000_000);
    let mut model = ModelFs::new(now);
    for top in tops {
        let mut parent = model.root();
        let mut here = root.to_path_buf();
        let names: Vec<&str> = top.split('/').collect();
        for (index, name) in names.iter().enumerate() {
            here.push(name);
            if fs::symlink_metadata(&here).is_err() {
                break;
            }
            let is_last = index + 1 == names.len();
            parent = match model.lookup(parent, name.as_bytes()).unwrap() {
                Some(node) => node,
                None if is_last => add(&mut model, parent, &here),
                None => create(&mut model, parent, &here),
            };
        }
    }
    Guest::new(Tree::new("model", Box::new(model)), now)
}

fn create(model: &mut ModelFs, parent: NodeId, path: &Path) -> NodeId {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::Symlink,
        _ => FileKind::File,
    };
    let target = match kind {
        FileKind::Symlink => fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let new = NewNode {
        kind,
        mode: u16::try_from(metadata.mode() & 0o7777).unwrap(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        target,
    };
    let node = model
        .create(parent, path.file_name().unwrap().as_bytes(), &new)
        .unwrap();
    if kind == FileKind::File {
        model.write_at(node, 0, &fs::read(path).unwrap()).unwrap();
    }
    node
}

fn add(model: &mut ModelFs, parent: NodeId, path: &Path) -> NodeId {
    let node = create(model, parent, path);
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            add(model, node, &entry.unwrap().path());
        }
    }
    node
}

/// What is at each path of these parts of a host's tree: mode, owners, and content or target.
pub(crate) fn host_listing(root: &Path, tops: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for top in tops {
        collect(root, &root.join(top), &mut found);
    }
    found
}

fn collect(root: &Path, here: &Path, found: &mut BTreeMap<String, String>) {
    let Ok(metadata) = fs::symlink_metadata(here) else {
        return;
    };
    let kind = metadata.file_type();
    let mode = metadata.mode() & 0o7777;
    let what = if kind.is_symlink() {
        format!("-> {}", fs::read_link(here).unwrap().display())
    } else if kind.is_dir() {
        for entry in fs::read_dir(here).unwrap() {
            collect(root, &entry.unwrap().path(), found);
        }
        format!("{mode:04o} folder")
    } else {
        format!("{mode:04o} {}", String::from_utf8_lossy(&fs::read(here).unwrap()))
    };
    let name = here.strip_prefix(root).unwrap().to_string_lossy().into_owned();
    found.insert(name, format!("{}:{} {what}", metadata.uid(), metadata.gid()));
}

/// The same of a guest.
pub(crate) fn guest_listing(guest: &Guest, tops: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for top in tops {
        let path = GuestPath::new(format!("/{top}")).unwrap();
        let Some(start) = guest.find_link(&path).unwrap() else {
            continue;
        };
        for entry in guest.tree().walk(&start) {
            let entry = entry.unwrap();
            let metadata = &entry.metadata;
            let what = match metadata.kind {
                FileKind::Symlink => {
                    let target = guest.read_link(&entry.path).unwrap().unwrap();
                    format!("-> {}", String::from_utf8_lossy(&target))
                }
                FileKind::Directory => format!("{:04o} folder", metadata.mode),
                _ => {
                    let content = guest.tree().read_file(entry.node, 1 << 26).unwrap();
                    format!("{:04o} {}", metadata.mode, String::from_utf8_lossy(&content))
                }
            };
            let name = String::from_utf8_lossy(&entry.path.as_bytes()[1..]).into_owned();
            found.insert(name, format!("{}:{} {what}", metadata.uid, metadata.gid));
        }
    }
    found
}

/// Fails with what differs.
pub(crate) fn assert_same(case: &str, theirs: &BTreeMap<String, String>, ours: &BTreeMap<String, String>) {
    let short = |text: Option<&String>| {
        text.map_or("nothing".to_owned(), |text| {
            let head: String = text.chars().take(200).collect();
            format!("{head} [{} bytes]", text.len())
        })
    };
    let names: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differences: Vec<String> = names
        .into_iter()
        .filter(|name| theirs.get(*name) != ours.get(*name))
        .map(|name| {
            format!(
                "{name}\n  theirs: {}\n  ours:   {}",
                short(theirs.get(name)),
                short(ours.get(name))
            )
        })
        .collect();
    assert!(differences.is_empty(), "{case}:\n{}", differences.join("\n"));
    assert!(!theirs.is_empty(), "{case}: nothing was compared");
}

/// Writes what a guest has in these parts into a host's folder, so that programs can judge it.
pub(crate) fn write_back(guest: &Guest, root: &Path, tops: &[&str]) {
    for top in tops {
        let path = GuestPath::new(format!("/{top}")).unwrap();
        let Some(start) = guest.find_link(&path).unwrap() else {
            continue;
        };
        for entry in guest.tree().walk(&start) {
            let entry = entry.unwrap();
            let here = root.join(std::str::from_utf8(&entry.path.as_bytes()[1..]).unwrap());
            fs::create_dir_all(here.parent().unwrap()).unwrap();
            match entry.metadata.kind {
                FileKind::Directory => fs::create_dir_all(&here).unwrap(),
                FileKind::File => fs::write(&here, guest.tree().read_file(entry.node, 1 << 26).unwrap()).unwrap(),
                _ => {}
            }
        }
    }
}
