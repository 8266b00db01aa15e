//! Which ways of running guest programs work on this machine, and why the others do not.

use crate::launch::{Control, run};
use crate::request::{Command, Files, Launcher, Request};
use crate::{Error, Stream};
use imgctl_vfs::{FileKind, ModelFs, NewNode, ReadFs as _, Timestamp, Tree, WriteFs as _};
use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A way of running programs, tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rung {
    /// Its name, as `--sandbox` takes it.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// What does not work; `None`: it works.
    pub problem: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// It works, but people should know this.
    pub notes: Vec<String>,
}

/// A fact about this machine that decides what works.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fact {
    /// What: `kernel`, `/dev/fuse`.
    pub name: &'static str,
    /// How it is here.
    pub value: String,
}

/// Settings of the kernel that decide whether user namespaces can be made.
const SETTINGS: [(&str, &str); 3] = [
    ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces"),
    (
        "kernel.unprivileged_userns_clone",
        "/proc/sys/kernel/unprivileged_userns_clone",
    ),
    (
        "kernel.apparmor_restrict_unprivileged_userns",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    ),
];

/// Tries every way, with `scratch` for what programs would write.
#[must_use]
pub fn rungs(scratch: &Path, launcher: &Launcher) -> Vec<Rung> {
    let tried = |name, about, files| {
        let (problem, hint, notes) = match try_with(files, scratch, launcher) {
            Ok(notes) => (None, None, notes),
            Err(error) => {
                let problem = match error.source() {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                (Some(problem), error.hint().map(str::to_owned), Vec::new())
            }
        };
        Rung {
            name,
            about,
            problem,
            hint,
            notes,
        }
    };
    let later = |name, about| Rung {
        name,
        about,
        problem: Some("this version of imgctl does not have it".to_owned()),
        hint: None,
        notes: Vec::new(),
    };
    vec![
        tried(
            "userns",
            "namespaces, the guest's files served through FUSE, an overlay above",
            Files::Served,
        ),
        tried(
            "extract",
            "the same without FUSE: the guest's files are extracted first",
            Files::Extracted,
        ),
        later("single-uid", "namespaces with one user number: no subordinate ones"),
        later("chroot", "extracted files and chroot, for root of a container"),
    ]
}

/// What is known of this machine.
#[must_use]
pub fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name, value: String| facts.push(Fact { name, value });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    add("kernel", kernel.trim().to_owned());
    let user = nix::unistd::geteuid();
    add(
        "user",
        if user.is_root() {
            "root".to_owned()
        } else {
            user.to_string()
        },
    );
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    add(
        "/dev/fuse",
        match device {
            Ok(_) => "can be opened".to_owned(),
            Err(error) => error.to_string(),
        },
    );
    add(
        "user numbers",
        match crate::identity::Maps::of_caller() {
            Ok(maps) => maps.describe(),
            Err(error) => error.to_string(),
        },
    );
    for (name, file) in SETTINGS {
        if let Ok(value) = fs::read_to_string(file) {
            add(name, value.trim().to_owned());
        }
    }
    facts
}

/// Runs a program that is not there: when just that is what fails, everything before it works.
fn try_with(files: Files, scratch: &Path, launcher: &Launcher) -> Result<Vec<String>, Error> {
    let mut fs = ModelFs::new(Timestamp::default());
    let root = fs.root();
    let folder = NewNode {
        kind: FileKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        target: Vec::new(),
    };
    fs.create(root, b"bin", &folder)
        .map_err(|error| Error::Guest(error.to_string()))?;
    let tree = Arc::new(Tree::new("probe", Box::new(fs)));
    let mut request = Request::new(Command::Program(vec![b"/bin/probe".to_vec()]), scratch.to_owned());
    request.launcher = launcher.clone();
    request.files = files;
    let control = Control {
        cancel: &AtomicBool::new(false),
        on_line: &|_: Stream, _: &[u8]| {},
    };
    match run(tree, &request, &control) {
        Ok(finished) => Ok(finished.warnings),
        Err(Error::Start { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
