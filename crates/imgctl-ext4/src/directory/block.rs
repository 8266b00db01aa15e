//! One linear directory block: the chain of entries and, with `metadata_csum`, the tail that holds its checksum.

use crate::format::checksum::Checksum;

/// The smallest entry: eight bytes of header and a name of up to four.
pub(super) const SMALLEST: usize = 12;
const HEADER: usize = 8;
const TAIL: usize = 12;
const TAIL_FILE_TYPE: u8 = 0xde;
pub(super) const NAME_MAX: usize = 255;

/// What must be known of the filesystem to read and write a directory block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) block_bytes: usize,
    /// The inode's seed, with `metadata_csum`.
    pub(super) checksum: Option<Checksum>,
    /// Without the `filetype` feature the name's length takes the type's byte too.
    pub(super) file_types: bool,
}

/// An entry as it lies in its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) offset: usize,
    /// `rec_len`: the way to the next entry, slack included.
    pub(super) bytes: usize,
    /// 0 marks free space.
    pub(super) inode: u32,
    pub(super) file_type: u8,
    pub(super) name: &'a [u8],
}

/// An entry on its way from one block to another.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) inode: u32,
    pub(super) file_type: u8,
}

impl Record<'_> {
    pub(super) fn is_free(&self) -> bool {
        self.inode == 0
    }

    /// The bytes that the entry itself needs.
    pub(super) fn used(&self) -> usize {
        if self.is_free() { 0 } else { needed(self.name.len()) }
    }

    fn slack(&self) -> usize {
        self.bytes.saturating_sub(self.used())
    }

    pub(super) fn end(&self) -> usize {
        self.offset.saturating_add(self.bytes)
    }

    fn to_entry(self) -> Entry {
        Entry {
            name: self.name.to_vec(),
            inode: self.inode,
            file_type: self.file_type,
        }
    }
}

/// The bytes of an entry whose name has `name_bytes`: the header and the name, rounded up to four.
pub(super) fn needed(name_bytes: usize) -> usize {
    name_bytes.saturating_add(HEADER).saturating_add(3) & !3
}

impl Layout {
    /// The bytes of a block that entries may take.
    pub(super) fn usable(&self) -> usize {
        match self.checksum {
            Some(_) => self.block_bytes.saturating_sub(TAIL),
            None => self.block_bytes,
        }
    }

    /// The entry at `offset` of a chain that must end at `chain_end`.
    pub(super) fn record_at<'a>(
        &self,
        block: &'a [u8],
        offset: usize,
        chain_end: usize,
    ) -> Result<Record<'a>, &'static str> {
        let header = block.get(offset..).and_then(|rest| rest.first_chunk::<HEADER>());
        let Some(&[i0, i1, i2, i3, r0, r1, name_bytes, file_type]) = header else {
            return Err("an entry's header crosses the block's end");
        };
        let bytes = self.decode_record_bytes(u16::from_le_bytes([r0, r1]));
        let (name_bytes, file_type) = if self.file_types {
            (usize::from(name_bytes), file_type)
        } else {
            (usize::from(u16::from_le_bytes([name_bytes, file_type])), 0)
        };
        if bytes < SMALLEST || !bytes.is_multiple_of(4) {
            return Err("an entry's length is too small or not a multiple of four");
        }
        if name_bytes > NAME_MAX || needed(name_bytes) > bytes {
            return Err("a name is longer than its entry");
        }
        let left = offset.checked_add(bytes).and_then(|end| chain_end.checked_sub(end));
        match left {
            None => return Err("an entry crosses the block's end"),
            Some(left) if left != 0 && left < SMALLEST => {
                return Err("an entry ends too close to the block's end");
            }
            Some(_) => {}
        }
        let name = block
            .get(offset.saturating_add(HEADER)..)
            .and_then(|rest| rest.get(..name_bytes))
            .ok_or("a name crosses the block's end")?;
        Ok(Record {
            offset,
            bytes,
            inode: u32::from_le_bytes([i0, i1, i2, i3]),
            file_type,
            name,
        })
    }

    /// The chain of entries; the first fault ends it.
    pub(super) fn checked_records<'a>(
        &self,
        block: &'a [u8],
    ) -> impl Iterator<Item = Result<Record<'a>, (usize, &'static str)>> + use<'a> {
        let layout = *self;
        let mut offset = 0;
        std::iter::from_fn(move || {
            if offset >= layout.usable() {
                return None;
            }
            let record = layout
                .record_at(block, offset, layout.usable())
                .map_err(|what| (offset, what));
            offset = record.map_or(usize::MAX, |record| record.end());
            Some(record)
        })
    }

    /// The entries of a block that has been checked before.
    pub(super) fn records<'a>(&self, block: &'a [u8]) -> impl Iterator<Item = Record<'a>> + use<'a> {
        self.checked_records(block).map_while(Result::ok)
    }

    /// The bytes free in all, gathered or not.
    pub(super) fn free_bytes(&self, block: &[u8]) -> usize {
        let used = self
            .records(block)
            .map(|record| record.used())
            .fold(0, usize::saturating_add);
        self.usable().saturating_sub(used)
    }

    /// A block of `entries` packed from the start; its checksum is still to be set.
    pub(super) fn build(&self, entries: &[Entry]) -> Vec<u8> {
        let mut block = vec![0; self.block_bytes];
        let mut offset: usize = 0;
        for (at, entry) in entries.iter().enumerate() {
            let bytes = if at.saturating_add(1) == entries.len() {
                self.usable().saturating_sub(offset)
            } else {
                needed(entry.name.len())
            };
            self.write_record(&mut block, offset, bytes, entry);
            offset = offset.saturating_add(bytes);
        }
        if entries.is_empty() {
            self.write_record_bytes(&mut block, 0, self.usable());
        }
        block
    }

    /// The live entries, in their order.
    pub(super) fn entries(&self, block: &[u8]) -> Vec<Entry> {
        self.records(block)
            .filter(|record| !record.is_free())
            .map(Record::to_entry)
            .collect()
    }

    /// Puts `entry` in the first gap that holds it, after the first `pinned` entries; packs the block if none does.
    /// The block must have the bytes free.
    pub(super) fn insert(&self, block: &mut Vec<u8>, pinned: usize, entry: &Entry) {
        let need = needed(entry.name.len());
        let gap = self
            .records(block)
            .skip(pinned)
            .find(|record| record.slack() >= need)
            .map(|record| (record.offset, record.used(), record.slack()));
        let Some((offset, used, slack)) = gap else {
            let mut entries = self.entries(block);
            entries.push(entry.clone());
            *block = self.build(&entries);
            return;
        };
        if used > 0 {
            self.write_record_bytes(block, offset, used);
        }
        self.write_record(block, offset.saturating_add(used), slack, entry);
    }

    /// Takes `name` out and wipes its bytes; its space goes to the entry before.
    pub(super) fn remove(&self, block: &mut [u8], name: &[u8]) {
        let mut previous: Option<(usize, usize)> = None;
        let mut found = None;
        for record in self.records(block) {
            if !record.is_free() && record.name == name {
                found = Some((record.offset, record.end()));
                break;
            }
            previous = Some((record.offset, record.bytes));
        }
        let Some((offset, end)) = found else {
            return;
        };
        if let Some(bytes) = block.get_mut(offset..end) {
            bytes.fill(0);
        }
        let bytes = end.saturating_sub(offset);
        match previous {
            Some((at, before)) => self.write_record_bytes(block, at, before.saturating_add(bytes)),
            None => self.write_record_bytes(block, offset, bytes),
        }
    }

    /// Points the entry `name` at another inode.
    pub(super) fn replace(&self, block: &mut [u8], name: &[u8], inode: u32, file_type: u8) {
        let offset = self
            .records(block)
            .find(|record| !record.is_free() && record.name == name)
            .map(|record| record.offset);
        if let Some(offset) = offset {
            self.write_target(block, offset, inode, file_type);
        }
    }

    /// Sets the inode and file type of the entry at `offset`.
    pub(super) fn write_target(&self, block: &mut [u8], offset: usize, inode: u32, file_type: u8) {
        let header = block
            .get_mut(offset..)
            .and_then(|rest| rest.first_chunk_mut::<HEADER>());
        if let Some([i0, i1, i2, i3, _, _, _, kind]) = header {
            [*i0, *i1, *i2, *i3] = inode.to_le_bytes();
            if self.file_types {
                *kind = file_type;
            }
        }
    }

    /// Writes the tail with the checksum, if the filesystem has them.
    pub(super) fn seal(&self, block: &mut [u8]) {
        let Some(seed) = self.checksum else {
            return;
        };
        if let Some((body, tail)) = block.split_last_chunk_mut::<TAIL>() {
            *tail = tail_bytes(seed.update(body));
        }
    }

    /// Whether the tail is there and its checksum right.
    pub(super) fn verify(&self, block: &[u8]) -> Result<(), &'static str> {
        let Some(seed) = self.checksum else {
            return Ok(());
        };
        let (body, tail) = block.split_last_chunk::<TAIL>().ok_or("too small for a checksum")?;
        let right = tail_bytes(seed.update(body));
        if *tail == right {
            Ok(())
        } else if tail.first_chunk::<8>() == right.first_chunk::<8>() {
            Err("the checksum is wrong")
        } else {
            Err("the checksum is missing")
        }
    }

    /// Writes a whole entry, its name's padding included.
    pub(super) fn write_record(&self, block: &mut [u8], offset: usize, bytes: usize, entry: &Entry) {
        let need = needed(entry.name.len());
        let Some(target) = block.get_mut(offset..).and_then(|rest| rest.get_mut(..need)) else {
            return;
        };
        target.fill(0);
        if let Some((header, name)) = target.split_first_chunk_mut::<HEADER>() {
            let [_, _, _, _, _, _, length, _] = header;
            *length = u8::try_from(entry.name.len()).unwrap_or(u8::MAX);
            for (to, from) in name.iter_mut().zip(&entry.name) {
                *to = *from;
            }
        }
        self.write_target(block, offset, entry.inode, entry.file_type);
        self.write_record_bytes(block, offset, bytes);
    }

    /// Sets `rec_len` alone.
    pub(super) fn write_record_bytes(&self, block: &mut [u8], offset: usize, bytes: usize) {
        let encoded = self.encode_record_bytes(bytes).to_le_bytes();
        let header = block
            .get_mut(offset..)
            .and_then(|rest| rest.first_chunk_mut::<HEADER>());
        if let Some([_, _, _, _, r0, r1, _, _]) = header {
            [*r0, *r1] = encoded;
        }
    }

    /// 64 KiB does not fit in 16 bits: 0 and 65535, which is no multiple of four, both stand for it.
    fn decode_record_bytes(&self, stored: u16) -> usize {
        match stored {
            0 | u16::MAX if self.block_bytes >= 0x1_0000 => 0x1_0000,
            _ => usize::from(stored),
        }
    }

    fn encode_record_bytes(&self, bytes: usize) -> u16 {
        u16::try_from(bytes).unwrap_or(u16::MAX)
    }
}

fn tail_bytes(sum: Checksum) -> [u8; TAIL] {
    let [s0, s1, s2, s3] = sum.value().to_le_bytes();
    [0, 0, 0, 0, 12, 0, 0, TAIL_FILE_TYPE, s0, s1, s2, s3]
}
