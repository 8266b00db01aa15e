//! Reads the rows of a SQLite table, with what only the write-ahead log holds yet. Nothing is written.
//!
//! Only what rpm's database needs: ordinary tables (with row ids), UTF-8, no indexes, no SQL.

mod format;

use crate::database::{failed, find};
use crate::error::{Error, Result};
use format::header::{HEADER_BYTES, Header};
use format::page::{Cell, TablePage};
use format::record::{Column, columns};
use format::wal::{FRAME_HEADER_BYTES, Wal};
use format::{Parsed, u32_at};
use imgctl_vfs::{FileKind, GuestPath, Tree, TreeNode};
use std::collections::{BTreeMap, BTreeSet};

/// A database of rpm with ten thousand packages has half of this.
const MAX_FILE_BYTES: u64 = 2 << 30;
const MAX_WAL_BYTES: u64 = 256 << 20;
/// As long as one row may be: rpm's headers are at most 256 MiB, those of real packages a few.
const MAX_ROW_BYTES: u64 = 64 << 20;
/// As many levels as a b-tree has at most.
const MAX_DEPTH: usize = 24;

/// A database opened for reading.
#[derive(Debug)]
pub(crate) struct Sqlite<'t> {
    file: File<'t>,
    header: Header,
    log: Option<Log<'t>>,
    /// How many pages there are.
    pages: u32,
}

/// What the write-ahead log holds: where the newest version of a page begins.
#[derive(Debug)]
struct Log<'t> {
    file: File<'t>,
    offsets: BTreeMap<u32, u64>,
}

/// The pages that one reading of a table has visited: none is part of it twice.
type Visited = BTreeSet<u32>;

impl<'t> Sqlite<'t> {
    /// Opens the database at `path`; `None` when there is none, or an empty file.
    pub(crate) fn open(tree: &'t Tree, path: &GuestPath) -> Result<Option<Self>> {
        let Some(file) = File::open(tree, path, MAX_FILE_BYTES)? else {
            return Ok(None);
        };
        refuse_journal(tree, path)?;
        let log = beside(path, b"-wal");
        let log = File::open(tree, &log, MAX_WAL_BYTES)?.filter(|log| log.bytes > 0);
        if file.bytes == 0 {
            return Ok(None);
        }
        let mut first = [0; HEADER_BYTES];
        let length = first.len().min(usize::try_from(file.bytes).unwrap_or(usize::MAX));
        file.read(0, &mut first[..length])?;
        let header = Header::parse(&first).map_err(|reason| Error::corrupt(path, reason))?;
        let in_file = file.bytes / header.page_bytes as u64;
        let mut database = Self {
            pages: header.pages.unwrap_or(u32::try_from(in_file).unwrap_or(u32::MAX)),
            file,
            header,
            log: None,
        };
        if let Some(log) = log {
            database.read_log(log)?;
        }
        Ok(Some(database))
    }

    /// The first page of a table; `None` when there is no table of this name.
    pub(crate) fn table(&self, name: &str) -> Result<Option<u32>> {
        let mut root = None;
        self.rows(1, &mut |columns| {
            if let [
                Column::Text(b"table"),
                Column::Text(found),
                _,
                Column::Integer(page),
                ..,
            ] = columns
                && *found == name.as_bytes()
            {
                root = u32::try_from(*page).ok();
            }
            Ok(())
        })?;
        Ok(root)
    }

    /// Gives `on_blob` the second column of every row of the table that begins at page `root`.
    pub(crate) fn blobs(&self, root: u32, on_blob: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.rows(root, &mut |columns| match columns {
            [_, Column::Blob(blob), ..] => on_blob(blob),
            _ => Err(self.corrupt("a row of its table has no blob")),
        })
    }

    fn rows(&self, root: u32, on_row: &mut dyn FnMut(&[Column<'_>]) -> Result<()>) -> Result<()> {
        let mut visited = Visited::new();
        let mut pending = vec![(root, 0_usize)];
        while let Some((number, depth)) = pending.pop() {
            let page = self.visit(number, &mut visited)?;
            let start = if number == 1 { HEADER_BYTES } else { 0 };
            match self.parsed(TablePage::parse(&page, start, self.header.usable_bytes))? {
                TablePage::Interior(_) if depth >= MAX_DEPTH => return Err(self.corrupt("its tree is too deep")),
                TablePage::Interior(children) => {
                    pending.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
                }
                TablePage::Leaf(cells) => {
                    for cell in cells {
                        let record = self.record(&cell, &mut visited)?;
                        on_row(&self.parsed(columns(&record))?)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A row's whole record. Each page of the file is part of one row at most, so all rows together are no longer than the
    /// file.
    fn record(&self, cell: &Cell<'_>, visited: &mut Visited) -> Result<Vec<u8>> {
        if cell.payload_bytes > MAX_ROW_BYTES {
            return Err(self.corrupt(&format!("a row has more than {MAX_ROW_BYTES} bytes")));
        }
        let whole = usize::try_from(cell.payload_bytes).unwrap_or(usize::MAX);
        let mut record = cell.local.to_vec();
        let mut next = cell.overflow;
        while let Some(number) = next.filter(|_| record.len() < whole) {
            let page = self.visit(number, visited)?;
            let content = page.get(4..self.header.usable_bytes).unwrap_or_default();
            let wanted = content.len().min(whole - record.len());
            record.extend_from_slice(&content[..wanted]);
            next = u32_at(&page, 0).filter(|next| *next > 0);
        }
        match record.len() == whole {
            true => Ok(record),
            false => Err(self.corrupt("a row ends too early")),
        }
    }

    fn visit(&self, number: u32, visited: &mut Visited) -> Result<Vec<u8>> {
        if number == 0 || number > self.pages {
            return Err(self.corrupt(&format!("it refers to page {number} of {}", self.pages)));
        }
        if !visited.insert(number) {
            return Err(self.corrupt(&format!("it refers to page {number} twice")));
        }
        let mut page = vec![0; self.header.page_bytes];
        let in_log = self
            .log
            .as_ref()
            .and_then(|log| Some((log, *log.offsets.get(&number)?)));
        match in_log {
            Some((log, offset)) => log.file.read(offset, &mut page)?,
            None => self
                .file
                .read(u64::from(number - 1) * self.header.page_bytes as u64, &mut page)?,
        }
        Ok(page)
    }

    /// Reads the log up to the last transaction that was committed, as SQLite's recovery does.
    fn read_log(&mut self, file: File<'t>) -> Result<()> {
        let mut header = vec![0; format::wal::HEADER_BYTES];
        if file.bytes < header.len() as u64 {
            return Ok(());
        }
        file.read(0, &mut header)?;
        let Some(mut wal) = Wal::parse(&header, self.header.page_bytes) else {
            return Ok(());
        };
        let frame_bytes = (FRAME_HEADER_BYTES + self.header.page_bytes) as u64;
        let mut offset = header.len() as u64;
        let mut frame = vec![0; FRAME_HEADER_BYTES + self.header.page_bytes];
        let (mut committed, mut pending) = (BTreeMap::new(), BTreeMap::new());
        while file.bytes - offset >= frame_bytes {
            file.read(offset, &mut frame)?;
            let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
            let Some(found) = wal.frame(head, page) else {
                break;
            };
            pending.insert(found.page, offset + FRAME_HEADER_BYTES as u64);
            if let Some(pages) = found.pages_after_commit {
                committed.append(&mut pending);
                self.pages = pages;
            }
            offset += frame_bytes;
        }
        if !committed.is_empty() {
            self.log = Some(Log {
                file,
                offsets: committed,
            });
        }
        Ok(())
    }

    fn parsed<T>(&self, parsed: Parsed<T>) -> Result<T> {
        parsed.map_err(|reason| self.corrupt(reason))
    }

    pub(crate) fn corrupt(&self, reason: &str) -> Error {
        Error::corrupt(&self.file.path, reason)
    }
}

/// A rollback journal that was left behind would have to be played back first.
fn refuse_journal(tree: &Tree, path: &GuestPath) -> Result<()> {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let journal = beside(path, b"-journal");
    let Some(file) = File::open(tree, &journal, MAX_FILE_BYTES)? else {
        return Ok(());
    };
    let mut head = [0; 8];
    if file.bytes >= 8 {
        file.read(0, &mut head)?;
    }
    match head == MAGIC {
        true => Err(Error::unsupported(
            path,
            "a write to it was interrupted and has to be rolled back; run rpm in the guest once",
        )),
        false => Ok(()),
    }
}

/// The path of a file that SQLite keeps beside a database.
fn beside(path: &GuestPath, ending: &[u8]) -> GuestPath {
    let name = [path.file_name().unwrap_or_default(), ending].concat();
    path.parent().unwrap_or_else(GuestPath::root).join(&name)
}

/// A regular file of the guest.
#[derive(Debug)]
struct File<'t> {
    tree: &'t Tree,
    node: TreeNode,
    path: GuestPath,
    bytes: u64,
}

impl<'t> File<'t> {
    fn open(tree: &'t Tree, path: &GuestPath, limit_bytes: u64) -> Result<Option<Self>> {
        let Some(found) = find(tree, path)? else {
            return Ok(None);
        };
        let metadata = tree.metadata(found.node).map_err(|source| failed(path, source))?;
        if metadata.kind != FileKind::File {
            return Err(Error::corrupt(path, "it is not a regular file"));
        }
        if metadata.size > limit_bytes {
            let reason = format!("it has {} bytes, more than {limit_bytes}", metadata.size);
            return Err(Error::unsupported(path, reason));
        }
        Ok(Some(Self {
            tree,
            node: found.node,
            path: found.path,
            bytes: metadata.size,
        }))
    }

    /// Fills `buffer`.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let fs = self.tree.fs(self.node);
            let count = fs.read_at(self.node.node, offset + done as u64, &mut buffer[done..]);
            match count.map_err(|source| failed(&self.path, source))? {
                0 => return Err(Error::corrupt(&self.path, "it is shorter than it says")),
                count => done += count,
            }
        }
        Ok(())
    }
}
