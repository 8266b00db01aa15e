//! A small guest in memory, and runs in it.

use imgctl_sandbox::{Change, Command, Control, End, Error, Files, Launcher, Request, Stream, run};
use imgctl_vfs::{FileKind, GuestPath, ModelFs, NewNode, NodeId, Timestamp, Tree, WriteFs};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The time of everything that is there before.
pub(crate) const THEN: Timestamp = Timestamp {
    seconds: 1_000_000_000,
    nanoseconds: 0,
};

pub(crate) fn path(text: &str) -> GuestPath {
    GuestPath::new(text).unwrap()
}

fn node(kind: FileKind, mode: u16, target: &str) -> NewNode {
    let target = target.as_bytes().to_vec();
    NewNode {
        kind,
        mode,
        uid: 0,
        gid: 0,
        target,
    }
}

fn folder(fs: &mut ModelFs, parent: NodeId, name: &str, mode: u16) -> NodeId {
    fs.create(parent, name.as_bytes(), &node(FileKind::Directory, mode, ""))
        .unwrap()
}

fn file(fs: &mut ModelFs, parent: NodeId, name: &str, mode: u16, content: &[u8]) -> NodeId {
    let file = fs
        .create(parent, name.as_bytes(), &node(FileKind::File, mode, ""))
        .unwrap();
    fs.write_at(file, 0, content).unwrap();
    file
}

/// Busybox and its names, users, and some files to work on.
pub(crate) fn tree() -> Arc<Tree> {
    use imgctl_vfs::ReadFs as _;
    let busybox = imgctl_testkit::oracle::require("busybox").unwrap();
    let mut fs = ModelFs::new(THEN);
    let root = fs.root();
    let bin = folder(&mut fs, root, "bin", 0o755);
    file(&mut fs, bin, "busybox", 0o755, &std::fs::read(busybox).unwrap());
    for applet in [
        "sh", "cat", "chmod", "chown", "cp", "dd", "df", "echo", "env", "false", "find", "getfattr", "grep", "head",
        "hostname", "id", "ip", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "nc", "ps", "pwd",
        "readlink", "rm", "rmdir", "sed", "seq", "setfattr", "sleep", "sort", "stat", "su", "sync", "tar", "touch",
        "true", "umount", "unshare", "wc", "chroot", "sysctl", "yes", "nslookup", "setsid", "dmesg", "reboot", "date",
        "uname", "xargs",
    ] {
        fs.create(bin, applet.as_bytes(), &node(FileKind::Symlink, 0o777, "busybox"))
            .unwrap();
    }
    // /tmp, /run and /dev are missing on purpose.
    for name in ["proc", "sys"] {
        folder(&mut fs, root, name, 0o755);
    }
    let etc = folder(&mut fs, root, "etc", 0o755);
    file(
        &mut fs,
        etc,
        "passwd",
        0o644,
        b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n",
    );
    file(&mut fs, etc, "group", 0o644, b"root:x:0:\nuser:x:1000:\n");
    let srv = folder(&mut fs, root, "srv", 0o755);
    let data = file(&mut fs, srv, "data", 0o644, b"data\n");
    fs.link(data, srv, b"other-name").unwrap();
    fs.set_xattr(data, b"user.note", b"1").unwrap();
    fs.set_xattr(data, b"security.selinux", b"label\0").unwrap();
    let deep = folder(&mut fs, srv, "deep", 0o750);
    file(&mut fs, deep, "a", 0o644, b"a");
    file(&mut fs, deep, "b", 0o644, b"b");
    let inner = folder(&mut fs, deep, "inner", 0o755);
    file(&mut fs, inner, "x", 0o644, b"x");
    fs.create(srv, b"device", &node(FileKind::CharDevice(1, 3), 0o666, ""))
        .unwrap();
    Arc::new(Tree::new("test", Box::new(fs)))
}

pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) contents: BTreeMap<String, Vec<u8>>,
    pub(crate) warnings: Vec<String>,
}

impl Outcome {
    pub(crate) fn change(&self, path: &str) -> &Change {
        let found = self.changes.iter().find(|change| change.path.to_string() == path);
        found.unwrap_or_else(|| panic!("{path} is not among {:?}", self.paths()))
    }

    pub(crate) fn node(&self, path: &str) -> &imgctl_sandbox::Node {
        self.change(path).node.as_ref().unwrap()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        let name = |change: &Change| match &change.node {
            Some(_) => change.path.to_string(),
            None => format!("-{}", change.path),
        };
        self.changes.iter().map(name).collect()
    }
}

/// On the disk that temporary files are on.
pub(crate) fn scratch() -> PathBuf {
    std::env::temp_dir()
}

pub(crate) fn request(line: &str) -> Request {
    let words = ["/bin/sh", "-c", line].map(|word| word.as_bytes().to_vec());
    let mut request = Request::new(Command::Program(words.to_vec()), scratch());
    request.environment.insert(b"PATH".to_vec(), b"/bin".to_vec());
    request.timeout = Some(Duration::from_secs(50));
    request.launcher = Launcher {
        program: env!("CARGO_BIN_EXE_imgctl-sandbox-warden").into(),
        arguments: Vec::new(),
    };
    request
}

pub(crate) fn try_run(tree: Arc<Tree>, request: &Request) -> Result<Outcome, Error> {
    let lines = Mutex::new((String::new(), String::new()));
    let tell = |stream: Stream, line: &[u8]| {
        let mut lines = lines.lock().unwrap();
        let to = match stream {
            Stream::Output => &mut lines.0,
            Stream::Error => &mut lines.1,
        };
        to.push_str(&String::from_utf8_lossy(line));
        to.push('\n');
    };
    let cancel = AtomicBool::new(false);
    let held = Arc::clone(&tree);
    let control = Control {
        cancel: &cancel,
        on_line: &tell,
    };
    let finished = run(tree, request, &control)?;
    assert_eq!(Arc::strong_count(&held), 2, "the tree is still held");
    let (mut changes, mut contents) = (Vec::new(), BTreeMap::new());
    if let Some(set) = finished.changes {
        for (index, change) in set.changes().iter().enumerate() {
            if change.node.as_ref().is_some_and(|node| node.kind == FileKind::File) {
                let mut content = Vec::new();
                set.open(index)
                    .unwrap()
                    .take(1 << 20)
                    .read_to_end(&mut content)
                    .unwrap();
                contents.insert(change.path.to_string(), content);
            }
        }
        changes = set.changes().to_vec();
    }
    let (output, errors) = lines.into_inner().unwrap();
    Ok(Outcome {
        end: finished.end,
        output,
        errors,
        changes,
        contents,
        warnings: finished.warnings,
    })
}

/// Runs a line of shell that must succeed, with the files served and with them extracted: both do the same.
pub(crate) fn shell(line: &str) -> Outcome {
    let tree = tree();
    let run = |files| {
        let mut request = request(line);
        request.files = files;
        let outcome = try_run(Arc::clone(&tree), &request);
        let outcome = outcome.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        let Outcome {
            end, output, errors, ..
        } = &outcome;
        assert!(end.is_success(), "{files:?} {end:?}\n{output}{errors}");
        outcome
    };
    let (served, extracted) = (run(Files::Served), run(Files::Extracted));
    assert_eq!(served.paths(), extracted.paths());
    assert_eq!(served.contents, extracted.contents);
    for (one, other) in served.changes.iter().zip(&extracted.changes) {
        let facts = |change: &Change| {
            let node = change.node.as_ref()?;
            Some((
                node.kind,
                node.mode,
                node.uid,
                node.gid,
                node.xattrs.clone(),
                node.is_opaque,
                node.origin,
            ))
        };
        assert_eq!(facts(one), facts(other), "{}", one.path);
    }
    served
}
