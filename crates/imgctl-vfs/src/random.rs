//! Random operations on two filesystems at once: an engine and the model must agree on every outcome.

use crate::{
    ErrorKind, EscapedBytes, FileKind, Metadata, MetadataChange, NewNode, NodeId, ReadFs, Result, Timestamp, WriteFs,
};

/// A directory of both filesystems, and the path it was made at (for messages).
#[derive(Clone, Debug)]
struct Place {
    tested: NodeId,
    model: NodeId,
}

/// Applies `count` operations, drawn from `seed`, to `tested` and `model` alike, and says where they first disagree.
///
/// An operation that fails must fail on both with the same kind, but for `NoSpace` on the tested side, which ends the
/// run early and is reported as `Ok(false)`. `max_file_bytes` bounds the offsets that are written to.
pub fn random_operations(
    tested: &mut dyn WriteFs,
    model: &mut dyn WriteFs,
    seed: u64,
    count: usize,
    max_file_bytes: u64,
) -> std::result::Result<bool, String> {
    let mut run = Run {
        random: Random(seed),
        places: vec![Place {
            tested: tested.root(),
            model: model.root(),
        }],
        max_file_bytes,
        tested,
        model,
    };
    for number in 0..count {
        match run.operation() {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(message) => return Err(format!("seed {seed}, operation {number}: {message}")),
        }
    }
    Ok(true)
}

/// Compares everything below the two roots: names, metadata, content, links, attributes. Directory sizes, access and
/// creation times are left out, as filesystems differ in them.
pub fn compare_filesystems(left: &dyn ReadFs, right: &dyn ReadFs) -> std::result::Result<(), String> {
    let mut pending = vec![(Vec::new(), left.root(), right.root())];
    while let Some((path, a, b)) = pending.pop() {
        compare_nodes(left, a, right, b).map_err(|message| format!("/{}: {message}", EscapedBytes(&path)))?;
        if left.metadata(a).map_err(text)?.kind != FileKind::Directory {
            continue;
        }
        let names = |entries: &[crate::DirEntry]| -> Vec<Vec<u8>> {
            let names = entries.iter().map(|entry| entry.name.clone());
            names
                .filter(|name| !(path.is_empty() && name == b"lost+found"))
                .collect()
        };
        let left_entries = left.read_dir(a).map_err(text)?;
        let right_entries = right.read_dir(b).map_err(text)?;
        let (left_names, right_names) = (names(&left_entries), names(&right_entries));
        if left_names != right_names {
            return Err(format!("/{}: the entries differ", EscapedBytes(&path)));
        }
        for name in left_names {
            let one = left.lookup(a, &name).map_err(text)?.ok_or("listed but not found")?;
            let other = right.lookup(b, &name).map_err(text)?.ok_or("listed but not found")?;
            let mut below = path.clone();
            below.extend_from_slice(&name);
            below.push(b'/');
            pending.push((below, one, other));
        }
    }
    Ok(())
}

fn compare_nodes(left: &dyn ReadFs, a: NodeId, right: &dyn ReadFs, b: NodeId) -> std::result::Result<(), String> {
    let (one, other) = (left.metadata(a).map_err(text)?, right.metadata(b).map_err(text)?);
    let comparable = |metadata: &Metadata| {
        let is_root = a == left.root();
        (
            (metadata.kind, metadata.mode, metadata.uid, metadata.gid),
            (metadata.kind != FileKind::Directory).then_some((metadata.size, metadata.links)),
            (!is_root).then_some((metadata.modified, metadata.changed, metadata.flags)),
        )
    };
    if comparable(&one) != comparable(&other) {
        return Err(format!("the metadata differs: {one:?} and {other:?}"));
    }
    let (xattrs, others) = (left.xattrs(a).map_err(text)?, right.xattrs(b).map_err(text)?);
    if xattrs != others {
        return Err(format!("the attributes differ: {xattrs:?} and {others:?}"));
    }
    match one.kind {
        FileKind::Symlink if left.read_link(a).map_err(text)? != right.read_link(b).map_err(text)? => {
            Err("the link targets differ".to_owned())
        }
        FileKind::File => compare_content(left, a, right, b, one.size),
        _ => Ok(()),
    }
}

fn compare_content(
    left: &dyn ReadFs,
    a: NodeId,
    right: &dyn ReadFs,
    b: NodeId,
    size: u64,
) -> std::result::Result<(), String> {
    const PIECE: usize = 1 << 16;
    let (mut one, mut other) = (vec![1; PIECE], vec![2; PIECE]);
    let mut offset = 0;
    while offset < size {
        let length = PIECE.min((size - offset) as usize);
        fill(left, a, offset, &mut one[..length])?;
        fill(right, b, offset, &mut other[..length])?;
        if let Some(at) = (0..length).find(|at| one[*at] != other[*at]) {
            return Err(format!("the content differs at byte {}", offset + at as u64));
        }
        offset += length as u64;
    }
    Ok(())
}

fn fill(fs: &dyn ReadFs, node: NodeId, offset: u64, buf: &mut [u8]) -> std::result::Result<(), String> {
    let mut done = 0;
    while done < buf.len() {
        match fs.read_at(node, offset + done as u64, &mut buf[done..]).map_err(text)? {
            0 => return Err(format!("the content ends early, at byte {}", offset + done as u64)),
            count => done += count,
        }
    }
    Ok(())
}

fn text(error: crate::Error) -> String {
    format!("{error} ({:?})", error.kind())
}

struct Run<'a> {
    random: Random,
    places: Vec<Place>,
    max_file_bytes: u64,
    tested: &'a mut dyn WriteFs,
    model: &'a mut dyn WriteFs,
}

impl Run<'_> {
    /// One operation; `false` when the tested filesystem is full.
    fn operation(&mut self) -> std::result::Result<bool, String> {
        let place = self.random.pick(&self.places).clone();
        let name = self.name();
        match self.random.below(20) {
            0..=4 => self.create(&place, &name),
            5..=8 => self.on_existing(&place, &name, Self::write),
            9 => self.on_existing(&place, &name, Self::cut),
            10..=11 => self.on_existing(&place, &name, Self::set_metadata),
            12..=13 => self.on_existing(&place, &name, Self::change_xattr),
            14 => self.link(&place, &name),
            15..=16 => self.rename(&place, &name),
            _ => self.remove(&place, &name),
        }
    }

    fn name(&mut self) -> Vec<u8> {
        let number = self.random.below(60);
        let mut name = format!("n{number}").into_bytes();
        // A fixed length per number, so that a name drawn twice is the same name.
        name.resize(name.len() + (number * 37 % 200) as usize, b'-');
        name
    }

    fn create(&mut self, place: &Place, name: &[u8]) -> std::result::Result<bool, String> {
        let special = self.tested.capabilities().special_files;
        let kind = match self.random.below(if special { 10 } else { 7 }) {
            0..=4 => FileKind::File,
            5..=6 => FileKind::Directory,
            7..=8 => FileKind::Symlink,
            _ => FileKind::CharDevice(self.random.below(400) as u32, self.random.below(100_000) as u32),
        };
        let length = 1 + self.random.below(120) as usize;
        let new = NewNode {
            kind,
            mode: self.random.below(0o10000) as u16,
            uid: self.random.below(100_000) as u32,
            gid: self.random.below(100_000) as u32,
            target: if kind == FileKind::Symlink {
                vec![b't'; length]
            } else {
                Vec::new()
            },
        };
        let tested = self.tested.create(place.tested, name, &new);
        if is_full(&tested) {
            return Ok(false);
        }
        let model = self.model.create(place.model, name, &new);
        if let Some((tested, model)) = same("create", tested, model)?
            && kind == FileKind::Directory
        {
            self.places.push(Place { tested, model });
        }
        Ok(true)
    }

    fn on_existing(
        &mut self,
        place: &Place,
        name: &[u8],
        change: fn(&mut Self, NodeId, NodeId) -> std::result::Result<bool, String>,
    ) -> std::result::Result<bool, String> {
        let tested = self.tested.lookup(place.tested, name);
        let model = self.model.lookup(place.model, name);
        match same("look up", tested, model)? {
            Some((Some(tested), Some(model))) => change(self, tested, model),
            Some((None, None)) | None => Ok(true),
            Some(found) => Err(format!("the name is there on one side only: {found:?}")),
        }
    }

    fn write(&mut self, tested: NodeId, model: NodeId) -> std::result::Result<bool, String> {
        let offset = self.random.below(self.max_file_bytes);
        let length = 1 + self.random.below(self.max_file_bytes.min(40_000)) as usize;
        let seed = self.random.next() as u8;
        let data: Vec<u8> = (0..length).map(|index| (index as u8).wrapping_mul(seed | 1)).collect();
        let outcome = self.tested.write_at(tested, offset, &data);
        if is_full(&outcome) {
            return Ok(false);
        }
        same("write", outcome, self.model.write_at(model, offset, &data)).map(|_| true)
    }

    fn cut(&mut self, tested: NodeId, model: NodeId) -> std::result::Result<bool, String> {
        let size = self.random.below(self.max_file_bytes);
        let outcome = self.tested.set_len(tested, size);
        if is_full(&outcome) {
            return Ok(false);
        }
        same("set the length", outcome, self.model.set_len(model, size)).map(|_| true)
    }

    fn set_metadata(&mut self, tested: NodeId, model: NodeId) -> std::result::Result<bool, String> {
        if !self.tested.capabilities().owners {
            return Ok(true);
        }
        let time = Timestamp {
            seconds: self.random.below(8_000_000_000) as i64,
            nanoseconds: self.random.below(1_000_000_000) as u32,
        };
        let change = MetadataChange {
            mode: Some(self.random.below(0o10000) as u16),
            uid: Some(self.random.next() as u32),
            gid: None,
            accessed: None,
            modified: Some(time),
        };
        let outcome = self.tested.set_metadata(tested, &change);
        same("set metadata", outcome, self.model.set_metadata(model, &change)).map(|_| true)
    }

    fn change_xattr(&mut self, tested: NodeId, model: NodeId) -> std::result::Result<bool, String> {
        if !self.tested.capabilities().xattrs {
            return Ok(true);
        }
        // user.* lives on files and directories only; the others everywhere.
        let prefix = *self.random.pick(&["trusted.", "security."]);
        let name = format!("{prefix}a{}", self.random.below(5)).into_bytes();
        if self.random.below(4) == 0 {
            let outcome = self.tested.remove_xattr(tested, &name);
            return same("remove an attribute", outcome, self.model.remove_xattr(model, &name)).map(|_| true);
        }
        let value = vec![self.random.next() as u8; self.random.below(180) as usize];
        let outcome = self.tested.set_xattr(tested, &name, &value);
        if is_full(&outcome) {
            return Ok(false);
        }
        same("set an attribute", outcome, self.model.set_xattr(model, &name, &value)).map(|_| true)
    }

    fn link(&mut self, place: &Place, name: &[u8]) -> std::result::Result<bool, String> {
        if !self.tested.capabilities().hard_links {
            return Ok(true);
        }
        let to = self.random.pick(&self.places).clone();
        let new_name = self.name();
        let found = (
            self.tested.lookup(place.tested, name),
            self.model.lookup(place.model, name),
        );
        let Some((Some(tested), Some(model))) = same("look up", found.0, found.1)? else {
            return Ok(true);
        };
        let outcome = self.tested.link(tested, to.tested, &new_name);
        if is_full(&outcome) {
            return Ok(false);
        }
        same("link", outcome, self.model.link(model, to.model, &new_name)).map(|_| true)
    }

    fn rename(&mut self, place: &Place, name: &[u8]) -> std::result::Result<bool, String> {
        let to = self.random.pick(&self.places).clone();
        let new_name = self.name();
        let gone = self.model.lookup(to.model, &new_name).ok().flatten();
        let outcome = self.tested.rename(place.tested, name, to.tested, &new_name);
        if is_full(&outcome) {
            return Ok(false);
        }
        let expected = self.model.rename(place.model, name, to.model, &new_name);
        if same("rename", outcome, expected)?.is_some() {
            self.forget(gone);
        }
        Ok(true)
    }

    fn remove(&mut self, place: &Place, name: &[u8]) -> std::result::Result<bool, String> {
        let gone = self.model.lookup(place.model, name).ok().flatten();
        let outcome = self.tested.remove(place.tested, name);
        let expected = self.model.remove(place.model, name);
        if same("remove", outcome, expected)?.is_some() {
            self.forget(gone);
        }
        Ok(true)
    }

    /// Stops using a directory that the model no longer has.
    fn forget(&mut self, gone: Option<NodeId>) {
        if let Some(gone) = gone
            && self.model.metadata(gone).is_err()
        {
            self.places.retain(|place| place.model != gone);
        }
    }
}

fn is_full<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(error) if error.kind() == ErrorKind::NoSpace)
}

/// Both results when both succeeded, `None` when both failed alike.
fn same<A, B>(what: &str, tested: Result<A>, model: Result<B>) -> std::result::Result<Option<(A, B)>, String> {
    match (tested, model) {
        (Ok(tested), Ok(model)) => Ok(Some((tested, model))),
        (Err(tested), Err(model)) if tested.kind() == model.kind() => Ok(None),
        (Err(tested), Err(model)) => Err(format!(
            "{what}: fails with {}, should with {}",
            text(tested),
            text(model)
        )),
        (Err(tested), Ok(_)) => Err(format!("{what}: fails with {}, should succeed", text(tested))),
        (Ok(_), Err(model)) => Err(format!("{what}: succeeds, should fail with {}", text(model))),
    }
}

/// SplitMix64: small, fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelFs;

    #[test]
    fn the_model_agrees_with_itself_and_a_difference_is_seen() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let (mut one, mut other) = (ModelFs::new(now), ModelFs::new(now));
        for seed in 0..20 {
            assert_eq!(random_operations(&mut one, &mut other, seed, 500, 100_000), Ok(true));
        }
        compare_filesystems(&one, &other).unwrap();
        assert!(one.read_dir(one.root()).unwrap().len() > 10, "the run made something");

        let root = one.root();
        one.set_xattr(root, b"user.x", b"1").unwrap();
        assert!(compare_filesystems(&one, &other).is_err());
    }
}
