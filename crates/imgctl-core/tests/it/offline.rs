//! Trees that programs of systemd change, and the same trees changed by the steps.

use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_recipe::{Origin, Plan, Services, Sourced};
use imgctl_vfs::{FileKind, GuestPath, ModelFs, NewNode, NodeId, ReadFs as _, Timestamp, Tree, WriteFs};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What a row of commands came to: whether all succeeded, and every link with its target.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) links: BTreeMap<String, String>,
}

/// A verb of systemctl and its argument; `--global VERB` for units of sessions.
pub(crate) type Command<'c> = (&'c str, &'c str);

/// What the steps make of the tree: the links below these folders.
pub(crate) fn ours(model: &ModelFs, commands: &[Command<'_>], folders: &[&str]) -> Outcome {
    let tree = Tree::new("model", Box::new(model.clone()));
    let mut guest = Guest::new(tree, Timestamp::default());
    let done = |(verb, unit): &Command<'_>| execute(&plan(verb, unit), &mut guest, &mut |_| true).is_ok();
    let succeeded = commands.iter().all(done);
    let mut links = BTreeMap::new();
    for folder in folders {
        let Some(root) = guest.find(&GuestPath::new(format!("/{folder}")).unwrap()).unwrap() else {
            continue;
        };
        for entry in guest.tree().walk(&root).skip(1) {
            let entry = entry.unwrap();
            let target = match entry.metadata.kind {
                FileKind::Symlink => guest.read_link(&entry.path).unwrap().unwrap(),
                FileKind::Directory => b"(folder)".to_vec(),
                _ => b"(file)".to_vec(),
            };
            let name = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
            links.insert(name, String::from_utf8(target).unwrap());
        }
    }
    Outcome { succeeded, links }
}

fn plan(verb: &str, unit: &str) -> Plan {
    let sourced = || Sourced {
        value: unit.to_owned(),
        origin: Origin {
            file: "test".into(),
            line: 1,
            column: 1,
            key: "services".to_owned(),
        },
    };
    let mut services = Services::default();
    let (verb, is_global) = match verb.strip_prefix("--global ") {
        Some(verb) => (verb, true),
        None => (verb, false),
    };
    let mut plan = Plan::default();
    match verb {
        "enable" => services.enable.push(sourced()),
        "disable" => services.disable.push(sourced()),
        "mask" => services.mask.push(sourced()),
        "unmask" => services.unmask.push(sourced()),
        "preset" => services.preset.push(sourced()),
        "preset-all" => services.preset_all = Some(sourced().origin),
        "set-default" => plan.default_target = Some(sourced()),
        other => panic!("no step is like {other}"),
    }
    match is_global {
        true => plan.user_services = services,
        false => plan.services = services,
    }
    plan
}

/// The links below these folders of a tree on the host.
pub(crate) fn links(root: &Path, folders: &[&str]) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for folder in folders {
        let path = root.join(folder);
        if path.is_dir() {
            collect(&path, &format!("/{folder}"), &mut links);
        }
    }
    links
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

pub(crate) fn load(fs: &mut ModelFs, from: &Path, to: NodeId) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().as_encoded_bytes();
        let metadata = fs::symlink_metadata(&path).unwrap().file_type();
        let (kind, target) = if metadata.is_symlink() {
            (FileKind::Symlink, fs::read_link(&path).unwrap())
        } else if metadata.is_dir() {
            (FileKind::Directory, PathBuf::new())
        } else {
            (FileKind::File, PathBuf::new())
        };
        let target = target.as_os_str().as_encoded_bytes().to_vec();
        let new = NewNode {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            target,
        };
        let node = fs.create(to, name, &new).unwrap();
        match kind {
            FileKind::Directory => load(fs, &path, node),
            FileKind::File => fs.write_at(node, 0, &fs::read(&path).unwrap()).unwrap(),
            _ => {}
        }
    }
}

fn collect(folder: &Path, prefix: &str, links: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            links.insert(name, fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned());
        } else if kind.is_dir() {
            links.insert(name.clone(), "(folder)".to_owned());
            collect(&entry.path(), &name, links);
        } else {
            links.insert(name, "(file)".to_owned());
        }
    }
}

/// These files and folders of a tree on the host, and nothing else.
pub(crate) fn model(root: &Path, paths: &[&str]) -> ModelFs {
    let mut model = ModelFs::new(Timestamp::default());
    for path in paths {
        let from = root.join(path);
        let Ok(metadata) = fs::symlink_metadata(&from) else {
            continue;
        };
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = model.root();
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            parent = child(&mut model, parent, folder, FileKind::Directory, b"");
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&from).unwrap();
            let target = target.as_os_str().as_encoded_bytes();
            child(&mut model, parent, name, FileKind::Symlink, target);
        } else if metadata.is_dir() {
            let folder = child(&mut model, parent, name, FileKind::Directory, b"");
            load(&mut model, &from, folder);
        } else {
            let file = child(&mut model, parent, name, FileKind::File, b"");
            model.write_at(file, 0, &fs::read(&from).unwrap()).unwrap();
        }
    }
    model
}

/// The node of this name, made where it is missing.
fn child(model: &mut ModelFs, parent: NodeId, name: &str, kind: FileKind, target: &[u8]) -> NodeId {
    if let Some(node) = model.lookup(parent, name.as_bytes()).unwrap() {
        return node;
    }
    let new = NewNode {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        target: target.to_vec(),
    };
    model.create(parent, name.as_bytes(), &new).unwrap()
}
