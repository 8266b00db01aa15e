//! virt-filesystems: what is on the disks.

use super::Tool;
use super::disks::DiskArgs;
use super::figures::{human_size, write_csv_line};
use super::getopt::Getopt;
use super::mounts::device_name;
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::{DiskRecord, Disks, Place};
use std::ffi::OsString;
use std::io::{self, Write};

pub(super) const TOOL: Tool = Tool {
    name: "virt-filesystems",
    getopt: Getopt::Long,
    arguments: FilesystemsArgs::augment_args,
    run,
};

/// A table that would be wider has one blank between columns instead of two.
const NARROW_WIDTH: usize = 72;
/// As many columns as there can be; each counts, whether it is there or not.
const COLUMNS: usize = 8;

/// List filesystems, partitions and disks
#[derive(Args, Debug, Default)]
#[command(after_help = "\
Examples:
  virt-filesystems -a disk.qcow2
  virt-filesystems -a disk.qcow2 --all --long --uuid -h
  virt-filesystems -a disk.qcow2 --partitions --long --csv")]
struct FilesystemsArgs {
    #[command(flatten)]
    disks: DiskArgs,
    /// Everything
    #[arg(long)]
    all: bool,
    /// Disks
    #[arg(long, alias = "blkdevs")]
    block_devices: bool,
    /// Filesystems that can be mounted; the default
    #[arg(long)]
    filesystems: bool,
    /// All filesystems, swap and what is not known
    #[arg(long)]
    extra: bool,
    /// Partitions
    #[arg(long, alias = "parts")]
    partitions: bool,
    /// Logical volumes; there are none, for LVM is not read
    #[arg(long, aliases = ["lvs", "logvols"])]
    logical_volumes: bool,
    /// Volume groups; there are none
    #[arg(long, aliases = ["vgs", "volgroups"])]
    volume_groups: bool,
    /// LVM's physical volumes; there are none
    #[arg(long, aliases = ["pvs", "physvols"])]
    physical_volumes: bool,
    /// More columns
    #[arg(short, long)]
    long: bool,
    /// UUIDs as well, with --long
    #[arg(long, alias = "uuids")]
    uuid: bool,
    /// The version of XFS filesystems, with --long
    #[arg(long, alias = "fs-versions", hide = true)]
    fs_version: bool,
    /// Sizes for people: 1.2G
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// Comma-separated values
    #[arg(long)]
    csv: bool,
    /// No headings
    #[arg(long)]
    no_title: bool,
    #[arg(value_name = "NOTHING", hide = true)]
    words: Vec<OsString>,
}

/// The columns there can be, in their order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Column {
    Name,
    Type,
    Vfs,
    Label,
    Mbr,
    Size,
    Parent,
    Uuid,
    FsVersion,
}

impl Column {
    const ALL: [Self; 9] = [
        Self::Name,
        Self::Type,
        Self::Vfs,
        Self::Label,
        Self::Mbr,
        Self::Size,
        Self::Parent,
        Self::Uuid,
        Self::FsVersion,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Type => "Type",
            Self::Vfs => "VFS",
            Self::Label => "Label",
            Self::Mbr => "MBR",
            Self::Size => "Size",
            Self::Parent => "Parent",
            Self::Uuid => "UUID",
            Self::FsVersion => "FSVersion",
        }
    }
}

/// One line. A field that is absent and one that is empty look alike, but a column of absent ones is left out.
#[derive(Debug, Default)]
struct Row {
    name: String,
    kind: &'static str,
    vfs: Option<&'static str>,
    label: Option<Vec<u8>>,
    mbr: Option<String>,
    size: Option<u64>,
    parent: Option<String>,
    uuid: Option<String>,
    fs_version: Option<String>,
}

/// A cell of the table.
type Cell = Option<Vec<u8>>;

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let mut args = FilesystemsArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    super::no_words(&args.words)?;
    if args.human && args.csv {
        return Err(CommandError::usage("-h and --csv cannot be used together"));
    }
    args.disks = std::mem::take(&mut args.disks).or_first_of(&mut Vec::new(), 0)?;
    args.settle();
    let disks = args.disks.open()?;
    let columns = args.columns();
    let mut table: Vec<Vec<Cell>> = Vec::new();
    if args.long && !args.no_title {
        table.push(columns.iter().map(|column| Some(column.title().into())).collect());
    }
    for row in rows(&args, &disks) {
        table.push(columns.iter().map(|column| row.cell(*column, args.human)).collect());
    }
    let mut out = ui.data();
    let written = match args.csv {
        true => table.iter().try_for_each(|row| {
            let cells = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
            write_csv_line(&mut out, cells)
        }),
        false => write_table(&mut out, &table),
    };
    written.and_then(|()| out.flush()).map_err(CommandError::stdout)
}

impl FilesystemsArgs {
    /// What the options mean for each other.
    fn settle(&mut self) {
        let Self { all, extra, .. } = *self;
        self.filesystems |= all || extra;
        self.extra |= all;
        self.partitions |= all;
        self.block_devices |= all;
        let others = [
            self.partitions,
            self.block_devices,
            self.logical_volumes,
            self.volume_groups,
            self.physical_volumes,
        ];
        self.filesystems |= !others.contains(&true);
    }

    fn columns(&self) -> Vec<Column> {
        let is_shown = |column: &Column| match column {
            Column::Name => true,
            Column::Type | Column::Size | Column::Parent => self.long,
            Column::Vfs | Column::Label => self.long && self.filesystems,
            Column::Mbr => self.long && self.partitions,
            Column::Uuid => self.long && self.uuid,
            Column::FsVersion => self.long && self.fs_version,
        };
        Column::ALL.into_iter().filter(is_shown).collect()
    }
}

fn rows(args: &FilesystemsArgs, disks: &Disks) -> Vec<Row> {
    let records = disks.records();
    let mut rows = Vec::new();
    if args.filesystems {
        for volume in super::by_kind_of_device(&records) {
            if !volume.is_filesystem && (!args.extra || !volume.is_plain) {
                continue;
            }
            let usage = args.long.then(|| disks.usage(volume.place).ok()).flatten();
            let used = usage.map(|usage| usage.blocks.saturating_mul(usage.block_bytes.into()));
            rows.push(Row {
                name: device_name(volume.place),
                kind: "filesystem",
                vfs: Some(volume.content.unwrap_or("unknown")),
                label: Some(volume.label.clone().unwrap_or_default()),
                size: Some(used.unwrap_or(volume.bytes)),
                parent: Some(String::new()),
                uuid: Some(volume.uuid.clone().unwrap_or_default()),
                fs_version: Some(String::new()),
                ..Row::default()
            });
        }
    }
    if args.partitions {
        rows.extend(records.iter().flat_map(partitions));
    }
    if args.block_devices {
        rows.extend(records.iter().enumerate().map(|(disk, record)| Row {
            name: device_name(Place { disk, partition: 0 }),
            kind: "device",
            size: Some(record.bytes),
            parent: Some(String::new()),
            ..Row::default()
        }));
    }
    rows
}

fn partitions(disk: &DiskRecord) -> impl Iterator<Item = Row> {
    let volumes = disk.volumes.iter().filter(|volume| volume.place.partition != 0);
    volumes.map(|volume| Row {
        name: device_name(volume.place),
        kind: "partition",
        mbr: volume.mbr_type.map(|byte| format!("{byte:02x}")),
        size: Some(volume.bytes),
        parent: Some(device_name(Place {
            partition: 0,
            ..volume.place
        })),
        ..Row::default()
    })
}

impl Row {
    fn cell(&self, column: Column, human: bool) -> Cell {
        let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
        match column {
            Column::Name => Some(self.name.clone().into()),
            Column::Type => Some(self.kind.into()),
            Column::Vfs => self.vfs.map(Into::into),
            Column::Label => self.label.clone(),
            Column::Mbr => bytes(&self.mbr),
            Column::Size => self.size.map(|size| match human {
                true => human_size(size).into_bytes(),
                false => size.to_string().into_bytes(),
            }),
            Column::Parent => bytes(&self.parent),
            Column::Uuid => bytes(&self.uuid),
            Column::FsVersion => bytes(&self.fs_version),
        }
    }
}

/// Columns below each other, `-` for what is empty.
fn write_table(out: &mut impl Write, table: &[Vec<Cell>]) -> io::Result<()> {
    let count = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column)?.as_ref());
        cells.map(|cell| cell.len().max(1)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let total: usize = widths.iter().sum();
    let gap = match total + 2 * COLUMNS.max(count) > NARROW_WIDTH {
        true => 1,
        false => 2,
    };
    for row in table {
        let mut missing = 0;
        for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            let text = cell.as_deref().filter(|text| !text.is_empty()).unwrap_or(b"-");
            write!(out, "{:missing$}", "")?;
            out.write_all(text)?;
            missing = width.saturating_sub(text.len()) + gap;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_anything_are_left_out() {
        let cell = |text: &str| Some(text.as_bytes().to_vec());
        let table = [
            vec![cell("/dev/sda1"), None, cell(""), cell("1")],
            vec![cell("/dev/sda"), None, None, cell("22")],
        ];
        let mut out = Vec::new();
        write_table(&mut out, &table).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "/dev/sda1  -  1\n/dev/sda   -  22\n");
    }

    #[test]
    fn a_wide_table_is_narrower() {
        let row = vec![Some(vec![b'x'; 50]), Some(vec![b'y'; 7])];
        let mut out = Vec::new();
        write_table(&mut out, &[row]).unwrap();
        assert_eq!(out.len(), 50 + 1 + 7 + 1);
    }

    #[test]
    fn filesystems_are_meant_where_nothing_else_is_asked_for() {
        let columns = |mut args: FilesystemsArgs| {
            args.settle();
            (args.filesystems, args.columns().len())
        };
        assert_eq!(columns(FilesystemsArgs::default()), (true, 1));
        let long = |args: FilesystemsArgs| columns(FilesystemsArgs { long: true, ..args });
        assert_eq!(long(FilesystemsArgs::default()), (true, 6));
        let partitions = FilesystemsArgs {
            partitions: true,
            ..FilesystemsArgs::default()
        };
        assert_eq!(long(partitions), (false, 5));
        let all = FilesystemsArgs {
            all: true,
            uuid: true,
            ..FilesystemsArgs::default()
        };
        assert_eq!(long(all), (true, 8));
    }
}
