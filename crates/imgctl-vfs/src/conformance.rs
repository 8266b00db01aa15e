//! What every filesystem engine must do alike, checked on an empty filesystem.

use crate::{ErrorKind, FileKind, MetadataChange, NewNode, NodeId, Result, Timestamp, WriteFs};
use std::fmt::Debug;

/// Goes through the contract of [`ReadFs`](crate::ReadFs) and [`WriteFs`] on `fs`, whose root must be writable, and says
/// what first breaks it. Leaves files behind, all below `/conformance`.
pub fn check_conformance(fs: &mut dyn WriteFs) -> std::result::Result<(), String> {
    let root = fs.root();
    let top = succeeds("create /conformance", fs.create(root, b"conformance", &directory()))?;
    names(fs, top)?;
    content(fs, top)?;
    renames(fs, top)?;
    removal(fs, top)?;
    if fs.capabilities().owners {
        metadata(fs, top)?;
    }
    if fs.capabilities().hard_links {
        hard_links(fs, top)?;
    }
    if fs.capabilities().special_files {
        special_files(fs, top)?;
    }
    if fs.capabilities().xattrs {
        xattrs(fs, top)?;
    }
    Ok(())
}

fn names(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create names", fs.create(top, b"names", &directory()))?;
    for name in [&b"b"[..], b"a", b"long name with spaces"] {
        succeeds("create a file", fs.create(node, name, &file()))?;
    }
    let listed = succeeds("list", fs.read_dir(node))?;
    let listed: Vec<_> = listed.into_iter().map(|entry| entry.name).collect();
    equal(
        "a listing is sorted",
        listed,
        vec![b"a".to_vec(), b"b".to_vec(), b"long name with spaces".to_vec()],
    )?;
    fails(
        "create a taken name",
        fs.create(node, b"a", &file()),
        ErrorKind::AlreadyExists,
    )?;
    for name in [&b""[..], b".", b"..", b"x/y", b"x\0y", &[b'n'; 256]] {
        fails(
            "create a reserved name",
            fs.create(node, name, &file()),
            ErrorKind::InvalidInput,
        )?;
    }
    fails("look up `..`", fs.lookup(node, b".."), ErrorKind::InvalidInput)?;
    equal(
        "look up nothing",
        succeeds("look up", fs.lookup(node, b"missing"))?,
        None,
    )?;
    let a = find(fs, node, b"a")?;
    fails("list a file", fs.read_dir(a), ErrorKind::NotADirectory)?;
    fails("look up in a file", fs.lookup(a, b"x"), ErrorKind::NotADirectory)?;
    fails(
        "create in a file",
        fs.create(a, b"x", &file()),
        ErrorKind::NotADirectory,
    )?;
    let longest = [b'n'; 255];
    let created = succeeds("create the longest name", fs.create(node, &longest, &file()))?;
    equal("find the longest name", find(fs, node, &longest)?, created)
}

fn content(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create content", fs.create(top, b"content", &file()))?;
    succeeds("write", fs.write_at(node, 0, b"hello world"))?;
    succeeds("overwrite", fs.write_at(node, 6, b"there"))?;
    equal("content", read(fs, node)?, b"hello there".to_vec())?;
    succeeds("write past a gap", fs.write_at(node, 10_000, b"end"))?;
    let mut expected = b"hello there".to_vec();
    expected.resize(10_000, 0);
    expected.extend_from_slice(b"end");
    equal("content with a gap", read(fs, node)?, expected)?;
    succeeds("cut", fs.set_len(node, 5))?;
    succeeds("grow", fs.set_len(node, 9))?;
    equal("what was cut is gone", read(fs, node)?, b"hello\0\0\0\0".to_vec())?;
    let mut buf = [1; 4];
    equal("read at the end", succeeds("read", fs.read_at(node, 9, &mut buf))?, 0)?;
    equal(
        "read far behind the end",
        succeeds("read", fs.read_at(node, u64::MAX, &mut buf))?,
        0,
    )?;
    equal(
        "read across the end",
        succeeds("read", fs.read_at(node, 7, &mut buf))?,
        2,
    )?;
    fails(
        "read a directory",
        fs.read_at(top, 0, &mut buf),
        ErrorKind::IsADirectory,
    )?;
    fails("write a directory", fs.write_at(top, 0, &buf), ErrorKind::IsADirectory)?;
    fails("cut a directory", fs.set_len(top, 0), ErrorKind::IsADirectory)?;
    fails("read a file as a link", fs.read_link(node), ErrorKind::InvalidInput)
}

fn renames(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create renames", fs.create(top, b"renames", &directory()))?;
    let one = succeeds("create one", fs.create(node, b"one", &file()))?;
    succeeds("write one", fs.write_at(one, 0, b"1"))?;
    let two = succeeds("create two", fs.create(node, b"two", &file()))?;
    succeeds("write two", fs.write_at(two, 0, b"22"))?;
    succeeds("rename over", fs.rename(node, b"one", node, b"two"))?;
    equal(
        "the old name is gone",
        succeeds("look up", fs.lookup(node, b"one"))?,
        None,
    )?;
    let two = find(fs, node, b"two")?;
    equal("the new name has the content", read(fs, two)?, b"1".to_vec())?;

    let full = succeeds("create full", fs.create(node, b"full", &directory()))?;
    succeeds("fill it", fs.create(full, b"x", &file()))?;
    succeeds("create empty", fs.create(node, b"empty", &directory()))?;
    fails(
        "rename over a full directory",
        fs.rename(node, b"empty", node, b"full"),
        ErrorKind::NotEmpty,
    )?;
    fails(
        "rename a file over a directory",
        fs.rename(node, b"two", node, b"empty"),
        ErrorKind::IsADirectory,
    )?;
    fails(
        "rename a directory over a file",
        fs.rename(node, b"full", node, b"two"),
        ErrorKind::NotADirectory,
    )?;
    fails(
        "rename into itself",
        fs.rename(node, b"full", full, b"inside"),
        ErrorKind::InvalidInput,
    )?;
    fails(
        "rename nothing",
        fs.rename(node, b"missing", node, b"x"),
        ErrorKind::NotFound,
    )?;
    succeeds(
        "rename over an empty directory",
        fs.rename(node, b"full", node, b"empty"),
    )?;
    let moved = find(fs, node, b"empty")?;
    find(fs, moved, b"x")?;
    Ok(())
}

fn removal(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create removal", fs.create(top, b"removal", &directory()))?;
    succeeds("create a file", fs.create(node, b"file", &file()))?;
    fails(
        "remove a full directory",
        fs.remove(top, b"removal"),
        ErrorKind::NotEmpty,
    )?;
    fails("remove nothing", fs.remove(node, b"missing"), ErrorKind::NotFound)?;
    succeeds("remove a file", fs.remove(node, b"file"))?;
    succeeds("remove an empty directory", fs.remove(top, b"removal"))?;
    equal("it is gone", succeeds("look up", fs.lookup(top, b"removal"))?, None)
}

fn metadata(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create metadata", fs.create(top, b"metadata", &file()))?;
    let time = Timestamp {
        seconds: 4_000_000_000,
        nanoseconds: 123_456_789,
    };
    let change = MetadataChange {
        mode: Some(0o6755),
        uid: Some(100_000),
        gid: Some(70_000),
        accessed: Some(time),
        modified: Some(time),
    };
    succeeds("set metadata", fs.set_metadata(node, &change))?;
    let found = succeeds("read metadata", fs.metadata(node))?;
    equal("mode", found.mode, 0o6755)?;
    equal("owner", (found.uid, found.gid), (100_000, 70_000))?;
    equal("times", (found.accessed, found.modified), (time, time))?;
    succeeds("change nothing", fs.set_metadata(node, &MetadataChange::default()))?;
    equal(
        "mode is kept",
        succeeds("read metadata", fs.metadata(node))?.mode,
        0o6755,
    )
}

fn hard_links(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create linked", fs.create(top, b"linked", &file()))?;
    succeeds("link", fs.link(node, top, b"linked too"))?;
    fails(
        "link to a taken name",
        fs.link(node, top, b"linked"),
        ErrorKind::AlreadyExists,
    )?;
    fails(
        "link a directory",
        fs.link(top, top, b"directory"),
        ErrorKind::IsADirectory,
    )?;
    equal("two links", succeeds("read metadata", fs.metadata(node))?.links, 2)?;
    succeeds(
        "rename onto the same node",
        fs.rename(top, b"linked", top, b"linked too"),
    )?;
    find(fs, top, b"linked")?;
    succeeds("remove one name", fs.remove(top, b"linked"))?;
    equal("one link", succeeds("read metadata", fs.metadata(node))?.links, 1)
}

fn special_files(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    for (length, name) in [(1, &b"l1"[..]), (59, b"l59"), (60, b"l60"), (1000, b"l1000")] {
        let target = vec![b't'; length];
        let new = NewNode {
            target: target.clone(),
            ..kind(FileKind::Symlink)
        };
        let link = succeeds("create a symbolic link", fs.create(top, name, &new))?;
        equal("link target", succeeds("read a link", fs.read_link(link))?, target)?;
        equal(
            "link size",
            succeeds("read metadata", fs.metadata(link))?.size,
            length as u64,
        )?;
    }
    for (what, name) in [
        (FileKind::CharDevice(1, 3), &b"char"[..]),
        (FileKind::BlockDevice(259, 70_000), b"block"),
        (FileKind::Fifo, b"fifo"),
        (FileKind::Socket, b"socket"),
    ] {
        let node = succeeds("create a special file", fs.create(top, name, &kind(what)))?;
        equal("its kind", succeeds("read metadata", fs.metadata(node))?.kind, what)?;
        fails(
            "write a special file",
            fs.write_at(node, 0, b"x"),
            ErrorKind::InvalidInput,
        )?;
    }
    Ok(())
}

fn xattrs(fs: &mut dyn WriteFs, top: NodeId) -> std::result::Result<(), String> {
    let node = succeeds("create xattrs", fs.create(top, b"xattrs", &file()))?;
    let large = vec![7; 700];
    succeeds("set", fs.set_xattr(node, b"user.small", b"1"))?;
    succeeds("set a large one", fs.set_xattr(node, b"user.large", &large))?;
    succeeds("replace", fs.set_xattr(node, b"user.small", b""))?;
    let found = succeeds("read xattrs", fs.xattrs(node))?;
    equal("two attributes", found.len(), 2)?;
    equal("the large value", found.get(&b"user.large"[..]), Some(&large))?;
    equal("the empty value", found.get(&b"user.small"[..]), Some(&Vec::new()))?;
    succeeds("remove", fs.remove_xattr(node, b"user.large"))?;
    fails(
        "remove it again",
        fs.remove_xattr(node, b"user.large"),
        ErrorKind::NotFound,
    )?;
    equal("one attribute", succeeds("read xattrs", fs.xattrs(node))?.len(), 1)
}

fn kind(kind: FileKind) -> NewNode {
    NewNode {
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        target: Vec::new(),
    }
}

fn file() -> NewNode {
    kind(FileKind::File)
}

fn directory() -> NewNode {
    NewNode {
        mode: 0o755,
        ..kind(FileKind::Directory)
    }
}

fn read(fs: &dyn WriteFs, node: NodeId) -> std::result::Result<Vec<u8>, String> {
    let size = succeeds("read metadata", fs.metadata(node))?.size;
    let mut content = vec![0xee; size as usize];
    let mut done = 0;
    while done < content.len() {
        match succeeds("read", fs.read_at(node, done as u64, &mut content[done..]))? {
            0 => return Err(format!("the content ends at {done} of {size} bytes")),
            count => done += count,
        }
    }
    Ok(content)
}

fn find(fs: &dyn WriteFs, directory: NodeId, name: &[u8]) -> std::result::Result<NodeId, String> {
    succeeds("look up", fs.lookup(directory, name))?.ok_or_else(|| format!("{} is missing", name.escape_ascii()))
}

fn succeeds<T>(what: &str, result: Result<T>) -> std::result::Result<T, String> {
    result.map_err(|error| format!("{what}: {error} ({:?})", error.kind()))
}

fn fails<T>(what: &str, result: Result<T>, kind: ErrorKind) -> std::result::Result<(), String> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(format!("{what}: {:?} instead of {kind:?}: {error}", error.kind())),
        Ok(_) => Err(format!("{what}: succeeded, should be {kind:?}")),
    }
}

fn equal<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> std::result::Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} instead of {expected:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelFs;

    #[test]
    fn the_model_conforms() {
        check_conformance(&mut ModelFs::new(Timestamp::default())).unwrap();
    }
}
