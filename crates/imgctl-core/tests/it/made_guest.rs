//! A guest in memory, a recipe that is carried out on it, and the result as a folder for judges to look at.

use crate::recipe::plan;
use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_vfs::{FileKind, GuestPath, ModelFs, NewNode, ReadFs, Timestamp, Tree, WriteFs};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A guest with these files.
pub(crate) fn guest(files: &[(&str, &str)]) -> Guest {
    let mut model = ModelFs::new(Timestamp::default());
    for (path, text) in files {
        let mut directory = model.root();
        let names: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let new = |kind, mode| NewNode {
            kind,
            mode,
            uid: 0,
            gid: 0,
            target: Vec::new(),
        };
        let (last, parents) = names.split_last().unwrap();
        for name in parents {
            directory = match model.lookup(directory, name.as_bytes()).unwrap() {
                Some(known) => known,
                None => model
                    .create(directory, name.as_bytes(), &new(FileKind::Directory, 0o755))
                    .unwrap(),
            };
        }
        let node = model
            .create(directory, last.as_bytes(), &new(FileKind::File, 0o644))
            .unwrap();
        model.write_at(node, 0, text.as_bytes()).unwrap();
    }
    Guest::new(Tree::new("model", Box::new(model)), Timestamp::default())
}

/// Carries the recipe's sections out.
pub(crate) fn run(guest: &mut Guest, sections: &str) {
    assert!(execute(&plan(sections), guest, &mut |_| true).unwrap());
}

/// The text of a file.
pub(crate) fn text(guest: &Guest, path: &str) -> String {
    let content = guest.read(&GuestPath::new(path).unwrap(), 1 << 20).unwrap();
    String::from_utf8(content.unwrap_or_else(|| panic!("{path} is not there"))).unwrap()
}

/// All files of a guest below a folder of this machine.
pub(crate) fn unpack(guest: &Guest, root: &Path) {
    for entry in guest.tree().walk(&guest.tree().root()) {
        let entry = entry.unwrap();
        let path = root.join(String::from_utf8(entry.path.as_bytes()[1..].to_vec()).unwrap());
        match entry.metadata.kind {
            FileKind::Directory => fs::create_dir_all(path).unwrap(),
            FileKind::File => {
                fs::write(&path, guest.tree().read_file(entry.node, 1 << 20).unwrap()).unwrap();
                use std::os::unix::fs::PermissionsExt as _;
                let mode = fs::Permissions::from_mode(u32::from(entry.metadata.mode));
                fs::set_permissions(&path, mode).unwrap();
            }
            _ => {}
        }
    }
}

/// Asks a judge, who must be content; gives what it said.
pub(crate) fn judge(command: &mut Command, package: &str) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {command:?} ({error}): apt-get install {package}"));
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{command:?}: {}{}", said[0], said[1]);
    said.concat()
}
