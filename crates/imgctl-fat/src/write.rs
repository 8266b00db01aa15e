//! Changing the filesystem: the `fatfs` crate does it, what it leaves out is added.
//!
//! Added here: space is checked before an operation begins; the crate's `.` and `..` entries, which it gives long names,
//! are replaced; `..` follows a directory that moves; a short name that begins with a space (the crate makes one for
//! `.abc`) gets a proper one; a rename may change only the case.

use crate::Error;
use crate::format::directory::{self, DELETED, Fields, MAX_SLOTS, Record, SLOT_BYTES};
use crate::fs::{Directory, Fat, Listing, device_error, error};
use crate::nodes::ROOT;
use crate::storage::{self, Failure, Storage, View};
use imgctl_block::{BlockDevice, BlockRead};
use imgctl_vfs::{
    ErrorKind, EscapedBytes, FileFlags, FileKind, MetadataChange, NewNode, NodeId, Result, WriteFs, check_name,
};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::RangeInclusive;

/// A file's length is a number of 32 bits.
const MAX_FILE_BYTES: u64 = u32::MAX as u64;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Takes a name that this filesystem can store.
fn fat_name(name: &[u8]) -> Result<&str> {
    check_name(name)?;
    let invalid = |reason: &str| {
        let context = format!("the name {} {reason}", EscapedBytes(name));
        Err(error(ErrorKind::InvalidInput, context))
    };
    let Ok(text) = str::from_utf8(name) else {
        return invalid("is not UTF-8, which FAT needs");
    };
    let reserved =
        |character: char| character.is_ascii_control() || "\"*/:<>?\\|".contains(character) || character >= '\u{ffff}';
    if text.contains(reserved) {
        return invalid("holds a character that FAT cannot store");
    }
    if text.ends_with(['.', ' ']) {
        return invalid("ends with a dot or a space, which FAT drops");
    }
    Ok(text)
}

impl Fat {
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(error(ErrorKind::Unsupported, "the FAT filesystem was opened read-only"));
        }
        self.check_whole()
    }

    /// Fails if a change failed halfway.
    pub(crate) fn check_whole(&self) -> Result<()> {
        match self.broken {
            true => Err(error(
                ErrorKind::Io,
                "an earlier change of the FAT filesystem failed halfway",
            )),
            false => Ok(()),
        }
    }

    /// Ends a change that [`with_view`](Self::with_view) began.
    fn end<T>(&mut self, result: T) -> Result<T> {
        self.broken = false;
        Ok(result)
    }

    fn unsupported<T>(&self, what: &str) -> Result<T> {
        Err(error(ErrorKind::Unsupported, format!("FAT has no {what}")))
    }

    /// Lets the `fatfs` crate do something. Until [`end`](Self::end) the filesystem counts as broken.
    fn with_view<R>(&mut self, action: &'static str, operation: impl FnOnce(&View<'_>) -> io::Result<R>) -> Result<R> {
        self.changed = true;
        // Space and names were checked, so a failure is the device's, in the middle of something.
        self.broken = true;
        let outcome = storage::with_view(&*self.device, &self.geometry, &mut self.table, self.now, operation);
        outcome.map_err(|failure| match failure {
            Failure::Device(source) => device_error(source),
            Failure::Crate(source) => Error::Write { action, source }.into(),
        })
    }

    /// The names down to a node.
    fn path(&self, node: NodeId) -> Vec<String> {
        self.nodes().path(node)
    }

    /// How many clusters a directory must grow by to take `needed` slots in a row, once those in `freed` are free.
    fn growth(
        &self,
        directory: NodeId,
        listing: &Listing,
        needed: usize,
        freed: &[RangeInclusive<usize>],
    ) -> Result<u32> {
        let total = listing.directory.slots();
        let end = directory::end_slot(&listing.directory.bytes);
        let mut run = 0;
        for slot in 0..end {
            let is_deleted = listing.directory.bytes[slot * SLOT_BYTES] == DELETED;
            let is_free = is_deleted || freed.iter().any(|range| range.contains(&slot));
            run = if is_free { run + 1 } else { 0 };
            if run == needed {
                return Ok(0);
            }
        }
        let last = end - run + needed;
        if last <= total {
            return Ok(0);
        }
        if directory == ROOT && self.geometry.root_bytes > 0 {
            return Err(error(ErrorKind::NoSpace, "the root directory is full"));
        }
        if last > MAX_SLOTS {
            return Err(error(ErrorKind::LimitReached, "the directory is full"));
        }
        let bytes = (last - total) * SLOT_BYTES;
        Ok(bytes.div_ceil(self.geometry.cluster_bytes() as usize) as u32)
    }

    /// Fails unless that many clusters are free.
    fn check_space(&self, clusters: u32) -> Result<()> {
        if clusters > 0 && clusters > self.table.free_clusters() {
            return Err(error(ErrorKind::NoSpace, "the FAT filesystem is full"));
        }
        Ok(())
    }

    /// Zeroes what lies behind a directory's end, where new entries will make it visible.
    fn clear_end(&self, listing: &Listing) -> Result<()> {
        self.clear_from(&listing.directory, directory::end_slot(&listing.directory.bytes))
    }

    /// Zeroes the slots of a directory from `first` on.
    fn clear_from(&self, directory: &Directory, first: usize) -> Result<()> {
        for slot in first..directory.slots() {
            let bytes = &directory.bytes[slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES];
            if bytes.iter().any(|byte| *byte != 0) {
                self.write_device(directory.position(slot), &[0; SLOT_BYTES])?;
            }
        }
        Ok(())
    }

    fn write_device(&self, at: u64, data: &[u8]) -> Result<()> {
        self.device.write_at(at, data).map_err(device_error)
    }

    /// Finds an entry that was just written, and sees to its short name. Its directory had `slots` before.
    fn settle(&self, directory: NodeId, name: &str, slots: usize) -> Result<(Record, u64)> {
        let listing = self.listing(directory)?;
        let found = listing.records.iter().find(|record| record.name == name);
        let record = found.ok_or_else(|| error(ErrorKind::Corrupt, "a new directory entry cannot be found"))?;
        // The crate takes the root directory of FAT32 for a file, and does not zero the clusters it grows by.
        self.clear_from(&listing.directory, slots.max(record.slot + 1))?;
        if record.short.starts_with(b" ") {
            self.write_short_name(&listing, record)?;
        }
        Ok((record.clone(), listing.position(record)))
    }

    /// Gives an entry another short name, which no other entry of the directory has.
    fn write_short_name(&self, listing: &Listing, record: &Record) -> Result<()> {
        let base: Vec<u8> = record
            .name
            .chars()
            .filter(|character| !matches!(character, '.' | ' '))
            .map(|character| match character {
                character if character.is_ascii_alphanumeric() => character.to_ascii_uppercase() as u8,
                _ => b'_',
            })
            .collect();
        let is_taken = |short: &[u8; 11]| {
            let folded = directory::fold(&directory::short_name(short));
            listing.records.iter().any(|other| other.answers_to(&folded))
        };
        let mut candidates = (1..=MAX_SLOTS).map(|number| {
            let suffix = format!("~{number}");
            let mut short = [b' '; 11];
            let length = base.len().min(8 - suffix.len());
            short[..length].copy_from_slice(&base[..length]);
            short[length..length + suffix.len()].copy_from_slice(suffix.as_bytes());
            short
        });
        let Some(short) = candidates.find(|short| !is_taken(short)) else {
            return Err(error(ErrorKind::LimitReached, "the directory has no short name left"));
        };
        let checksum = directory::short_checksum(&short);
        for slot in record.first_slot..record.slot {
            self.write_device(listing.directory.position(slot) + 13, &[checksum])?;
        }
        self.write_device(listing.position(record), &short)
    }

    /// Writes the first two entries of a new directory, over those that the crate made.
    fn write_dots(&self, cluster: u32, parent: NodeId) -> Result<()> {
        let mut slots = [0; 4 * SLOT_BYTES];
        let mut put = |slot: usize, name: &[u8; 11], cluster: u32| {
            let bytes = &mut slots[slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES];
            bytes[..11].copy_from_slice(name);
            bytes[11] = 0x10;
            bytes[13] = self.now.hundredths;
            bytes[14..16].copy_from_slice(&self.now.time.to_le_bytes());
            for at in [16, 18, 24] {
                bytes[at..at + 2].copy_from_slice(&self.now.date.to_le_bytes());
            }
            bytes[22..24].copy_from_slice(&self.now.time.to_le_bytes());
            bytes[20..22].copy_from_slice(&((cluster >> 16) as u16).to_le_bytes());
            bytes[26..28].copy_from_slice(&(cluster as u16).to_le_bytes());
        };
        put(0, b".          ", cluster);
        put(1, b"..         ", self.dotdot_cluster(parent)?);
        self.write_device(self.geometry.cluster_at(cluster), &slots)
    }

    /// Lets `..` of a directory that moved name its new parent.
    fn write_dotdot(&self, cluster: u32, parent: NodeId) -> Result<()> {
        let at = self.geometry.cluster_at(cluster) + SLOT_BYTES as u64;
        let mut slot = [0; SLOT_BYTES];
        self.device.read_at(at, &mut slot).map_err(device_error)?;
        if !slot.starts_with(b"..         ") {
            return Ok(());
        }
        let parent = self.dotdot_cluster(parent)?;
        self.write_device(at + 20, &((parent >> 16) as u16).to_le_bytes())?;
        self.write_device(at + 26, &(parent as u16).to_le_bytes())
    }

    fn is_empty_directory(&self, node: NodeId) -> Result<bool> {
        Ok(self.listing(node)?.records.is_empty())
    }

    /// Fails unless `moved` may replace `replaced`.
    fn check_replaceable(&self, moved: &Record, replaced: &Record, node: NodeId) -> Result<()> {
        match (moved.fields.is_directory(), replaced.fields.is_directory()) {
            (true, true) if self.is_empty_directory(node)? => Ok(()),
            (true, true) => Err(error(ErrorKind::NotEmpty, "the directory is not empty")),
            (true, false) => Err(error(ErrorKind::NotADirectory, "a directory cannot replace a file")),
            (false, true) => Err(error(ErrorKind::IsADirectory, "a file cannot replace a directory")),
            (false, false) => Ok(()),
        }
    }

    fn remove_record(&mut self, directory: NodeId, record: &Record, node: NodeId) -> Result<()> {
        let path = self.path(directory);
        self.with_view("remove a directory entry", |view| {
            open_directory(view, &path)?.remove(&record.name)
        })?;
        self.nodes().remove(node);
        self.touched_files.remove(&node);
        self.touched_directories.remove(&node);
        self.touched_directories.insert(directory);
        Ok(())
    }

    /// Moves an entry to a name that is free, in a directory that has `slots`. The space was checked.
    fn move_record(
        &mut self,
        (from, record): (NodeId, &Record),
        (to, name): (NodeId, &str),
        node: NodeId,
        slots: usize,
    ) -> Result<()> {
        let (source, target) = (self.path(from), self.path(to));
        self.with_view("rename a directory entry", |view| {
            let target = open_directory(view, &target)?;
            open_directory(view, &source)?.rename(&record.name, &target, name)
        })?;
        self.touched_directories.extend([from, to]);
        let (record, position) = self.settle(to, name, slots)?;
        self.nodes().place(node, to, &record, position);
        if record.fields.is_directory() && from != to {
            self.write_dotdot(record.fields.cluster, to)?;
        }
        Ok(())
    }

    /// Renames an entry to a name that it answers to already, which the crate takes for nothing to do.
    fn change_case(&mut self, directory: NodeId, listing: &Listing, record: &Record, name: &str) -> Result<()> {
        let position = listing.position(record);
        let node = self.nodes().intern(directory, record, position);
        let mut passing = (0..=MAX_SLOTS).map(|number| format!("{number}.tmp"));
        let passing = passing
            .find(|name| listing.find(name).is_none())
            .ok_or_else(|| error(ErrorKind::LimitReached, "the directory is full"))?;
        let slots = directory::slots_needed(name).max(directory::slots_needed(&passing));
        self.check_space(self.growth(directory, listing, slots, &[record.slots()])?)?;
        self.clear_end(listing)?;
        self.move_record(
            (directory, record),
            (directory, &passing),
            node,
            listing.directory.slots(),
        )?;
        let moved = self.listing(directory)?;
        let record = moved.find(&passing).cloned();
        let record = record.ok_or_else(|| error(ErrorKind::Corrupt, "a new directory entry cannot be found"))?;
        self.move_record((directory, &record), (directory, name), node, moved.directory.slots())
    }

    /// Fails unless a file may have `size` bytes, and the clusters for them are there.
    fn check_size(&self, fields: &Fields, size: u64) -> Result<()> {
        if size > MAX_FILE_BYTES {
            return Err(error(ErrorKind::LimitReached, "a file on FAT is smaller than 4 GiB"));
        }
        let needed = size.div_ceil(u64::from(self.geometry.cluster_bytes())) as u32;
        let present = self.table.chain(fields.cluster).count() as u32;
        self.check_space(needed.saturating_sub(present))
    }

    /// Opens a file in the view.
    fn change_file(
        &mut self,
        node: NodeId,
        operation: impl FnOnce(&mut fatfs::File<'_, Storage<'_>>) -> io::Result<()>,
    ) -> Result<()> {
        let mut path = self.path(node);
        let name = path.pop().unwrap_or_default();
        self.touched_files.insert(node);
        self.with_view("write a file", |view| {
            let mut file = open_directory(view, &path)?.open_file(&name)?;
            operation(&mut file)?;
            file.flush()
        })
    }

    fn write_times(&mut self, node: NodeId, change: &MetadataChange) -> Result<()> {
        let position = self.entry_position(node)?;
        if let Some(accessed) = change.accessed {
            let accessed = crate::format::time::DosTime::from_timestamp(accessed);
            self.write_device(position + 18, &accessed.date.to_le_bytes())?;
        }
        if let Some(modified) = change.modified {
            let modified = crate::format::time::DosTime::from_timestamp(modified);
            self.write_device(position + 22, &modified.time.to_le_bytes())?;
            self.write_device(position + 24, &modified.date.to_le_bytes())?;
        }
        self.changed = true;
        Ok(())
    }
}

fn open_directory<'a, 'b>(view: &'a View<'b>, path: &[String]) -> io::Result<fatfs::Dir<'a, Storage<'b>>> {
    let mut directory = view.root_dir();
    for name in path {
        directory = directory.open_dir(name)?;
    }
    Ok(directory)
}

/// Fills a file with zeros from `size`, its end, up to `end`.
fn write_gap(file: &mut fatfs::File<'_, Storage<'_>>, size: u64, end: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(size))?;
    let mut rest = end.saturating_sub(size);
    while rest > 0 {
        let length = rest.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..length as usize])?;
        rest -= length;
    }
    Ok(())
}

impl WriteFs for Fat {
    fn create(&mut self, directory: NodeId, name: &[u8], new: &NewNode) -> Result<NodeId> {
        self.check_writable()?;
        let name = fat_name(name)?;
        let listing = self.listing(directory)?;
        if listing.find(name).is_some() {
            return Err(error(ErrorKind::AlreadyExists, "the name is taken"));
        }
        let is_directory = match new.kind {
            FileKind::File => false,
            FileKind::Directory => true,
            FileKind::Symlink => return self.unsupported("symbolic links"),
            _ => return self.unsupported("special files"),
        };
        let growth = self.growth(directory, &listing, directory::slots_needed(name), &[])?;
        self.check_space(growth + u32::from(is_directory))?;
        self.clear_end(&listing)?;
        let path = self.path(directory);
        self.with_view("create a directory entry", |view| {
            let parent = open_directory(view, &path)?;
            match is_directory {
                true => parent.create_dir(name).map(|_| ()),
                false => parent.create_file(name)?.flush(),
            }
        })?;
        self.touched_directories.insert(directory);
        let (record, position) = self.settle(directory, name, listing.directory.slots())?;
        if is_directory {
            self.write_dots(record.fields.cluster, directory)?;
        }
        let node = self.nodes().intern(directory, &record, position);
        self.end(node)
    }

    fn write_at(&mut self, node: NodeId, offset: u64, data: &[u8]) -> Result<()> {
        self.check_writable()?;
        let fields = self.file_fields(node)?;
        if data.is_empty() {
            return Ok(());
        }
        let size = u64::from(fields.size);
        let end = offset.saturating_add(data.len() as u64);
        self.check_size(&fields, end.max(size))?;
        self.change_file(node, |file| {
            write_gap(file, size.min(offset), offset)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(data)
        })?;
        self.end(())
    }

    fn set_len(&mut self, node: NodeId, size: u64) -> Result<()> {
        self.check_writable()?;
        let fields = self.file_fields(node)?;
        self.check_size(&fields, size)?;
        let old = u64::from(fields.size);
        self.change_file(node, |file| {
            if size > old {
                return write_gap(file, old, size);
            }
            file.seek(SeekFrom::Start(size))?;
            file.truncate()
        })?;
        let change = MetadataChange {
            modified: Some(self.now.to_timestamp()),
            ..MetadataChange::default()
        };
        self.write_times(node, &change)?;
        self.end(())
    }

    /// Changes the times, to what FAT can hold; the root directory has none. Owner and permissions are ignored.
    fn set_metadata(&mut self, node: NodeId, change: &MetadataChange) -> Result<()> {
        self.check_writable()?;
        if self.fields(node)?.is_none() || change.accessed.is_none() && change.modified.is_none() {
            return Ok(());
        }
        self.write_times(node, change)
    }

    fn set_flags(&mut self, node: NodeId, flags: FileFlags) -> Result<()> {
        self.check_writable()?;
        self.fields(node)?;
        match flags == FileFlags::default() {
            true => Ok(()),
            false => self.unsupported("inode flags"),
        }
    }

    fn set_xattr(&mut self, node: NodeId, _name: &[u8], _value: &[u8]) -> Result<()> {
        self.fields(node)?;
        self.unsupported("extended attributes")
    }

    fn remove_xattr(&mut self, node: NodeId, _name: &[u8]) -> Result<()> {
        self.fields(node)?;
        self.unsupported("extended attributes")
    }

    fn link(&mut self, node: NodeId, _directory: NodeId, _name: &[u8]) -> Result<()> {
        self.fields(node)?;
        self.unsupported("hard links")
    }

    fn rename(&mut self, from: NodeId, from_name: &[u8], to: NodeId, to_name: &[u8]) -> Result<()> {
        self.check_writable()?;
        check_name(from_name)?;
        check_name(to_name)?;
        let source = self.listing(from)?;
        let target = self.listing(to)?;
        let found = str::from_utf8(from_name).ok().and_then(|name| source.find(name));
        let record = found.ok_or_else(|| error(ErrorKind::NotFound, "no such entry"))?;
        let position = source.position(record);
        let node = self.nodes().intern(from, record, position);
        if record.fields.is_directory() && self.nodes().is_within(to, node) {
            return Err(error(ErrorKind::InvalidInput, "a directory cannot move into itself"));
        }
        let name = fat_name(to_name)?;
        let replaced = target.find(name);
        if let Some(same) = replaced.filter(|replaced| target.position(replaced) == position) {
            return match same.name == name {
                true => Ok(()),
                false => {
                    self.change_case(to, &target, same, name)?;
                    self.end(())
                }
            };
        }
        let mut freed = Vec::new();
        if from == to {
            freed.push(record.slots());
        }
        let mut victim = None;
        if let Some(replaced) = replaced {
            let gone = self.nodes().intern(to, replaced, target.position(replaced));
            self.check_replaceable(record, replaced, gone)?;
            freed.push(replaced.slots());
            victim = Some((replaced, gone));
        }
        let growth = self.growth(to, &target, directory::slots_needed(name), &freed)?;
        self.check_space(growth)?;
        if let Some((replaced, gone)) = victim {
            self.remove_record(to, replaced, gone)?;
        }
        self.clear_end(&target)?;
        self.move_record((from, record), (to, name), node, target.directory.slots())?;
        self.end(())
    }

    fn remove(&mut self, directory: NodeId, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        check_name(name)?;
        let listing = self.listing(directory)?;
        let found = str::from_utf8(name).ok().and_then(|name| listing.find(name));
        let record = found.ok_or_else(|| error(ErrorKind::NotFound, "no such entry"))?;
        let node = self.nodes().intern(directory, record, listing.position(record));
        if record.fields.is_directory() && !self.is_empty_directory(node)? {
            return Err(error(ErrorKind::NotEmpty, "the directory is not empty"));
        }
        self.remove_record(directory, record, node)?;
        self.end(())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.finish()
    }
}
