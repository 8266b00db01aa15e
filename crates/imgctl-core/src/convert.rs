//! From one image format to another, or to the same one packed anew.

use crate::disk::{Access, Disk, describe, is_supported, open_filesystem};
use crate::event::OnEvent;
use crate::image::BaseImage;
use crate::pack::{PackSource, PendingOutput, Replacement, Target, merge};
use crate::receipt::{OutputRecord, StageRecord};
use crate::stages::Stages;
use crate::{ConvertOptions, Destination, Error, ErrorKind, Event, OutputOptions, Result, Stage};
use imgctl_block::{BlockDevice, BlockRead, Overlay};
use imgctl_recipe::OutputFormat;
use imgctl_vfs::Timestamp;
use imgctl_volume::{ContentKind, Partition};
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// A swap header lies in the first page, which has at most this length.
const SWAP_HEADER_BYTES: u64 = 64 << 10;
/// The largest cluster: what is dropped is made zero this far from its ends, so that no part of a cluster keeps it.
const EDGE_BYTES: u64 = 2 << 20;

/// The record of one conversion.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConvertRecord {
    /// The version of imgctl that wrote it.
    pub imgctl: String,
    /// The image that was read.
    pub input: InputRecord,
    /// The image that was written.
    pub output: OutputRecord,
    /// What was left out although the input held it: bytes that no filesystem uses, and swap contents.
    pub free_bytes: u64,
    /// What people should know.
    pub warnings: Vec<String>,
    /// Milliseconds per stage, in order.
    pub stages: Vec<StageRecord>,
}

/// The image that was read.
#[derive(Clone, Debug, Serialize)]
pub struct InputRecord {
    /// As it was named.
    pub path: String,
    /// `qcow2` or `raw`.
    pub format: String,
    /// Whether the format was detected by content rather than given.
    pub format_detected: bool,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// The disk's length in bytes.
    pub virtual_bytes: u64,
}

/// Writes the disk of one image as another image.
///
/// On any failure there is no output and nothing else has changed, unless the output is a block device.
pub fn convert(options: &ConvertOptions, on_event: &(dyn Fn(Event) + Sync)) -> Result<ConvertRecord> {
    let mut run = Run {
        options,
        on_event,
        stages: Stages::new(on_event, &options.cancel),
    };
    run.convert()
}

/// What will be written, with its place taken.
enum Pending<'a> {
    Output(PendingOutput<'a>),
    InPlace(Replacement<'a>),
}

struct Run<'a> {
    options: &'a ConvertOptions,
    on_event: OnEvent<'a>,
    stages: Stages<'a>,
}

impl Run<'_> {
    fn convert(&mut self) -> Result<ConvertRecord> {
        self.stages.begin(Stage::Open)?;
        let path = &self.options.image;
        let base = match &self.options.destination {
            Destination::InPlace => BaseImage::open_in_place(path, &self.options.input)?,
            Destination::File(_) | Destination::DryRun => BaseImage::open(path, &self.options.input)?,
        };
        let pending = match &self.options.destination {
            Destination::InPlace => Pending::InPlace(Replacement::create(&base)?),
            Destination::File(output) => Pending::Output(self.pending(output, &base)?),
            Destination::DryRun => {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "a conversion has nothing to show before it",
                ));
            }
        };
        let overlay = Arc::new(Overlay::new(base.disk.device()));
        let free = self.free_ranges(&overlay)?;
        let input = InputRecord {
            path: base.path.display().to_string(),
            format: base.format().to_string(),
            format_detected: base.format_detected,
            file_bytes: base.file_bytes(),
            virtual_bytes: overlay.len_bytes(),
        };
        let source = PackSource {
            base: &base,
            overlay: &overlay,
            free: &free,
            threads: self.options.threads,
            cancel: &self.options.cancel,
            on_event: self.on_event,
        };
        let output = match pending {
            Pending::Output(output) => self.write(output, &source)?,
            Pending::InPlace(replacement) => self.replace(replacement, &source)?,
        };
        let (warnings, stages) = self.stages.finish();
        Ok(ConvertRecord {
            imgctl: env!("CARGO_PKG_VERSION").to_owned(),
            input,
            output,
            free_bytes: free.iter().map(|range| range.end - range.start).sum(),
            warnings,
            stages,
        })
    }

    /// Takes the place of a new image.
    fn pending<'b>(&mut self, options: &'b OutputOptions, base: &BaseImage) -> Result<PendingOutput<'b>> {
        if options.thin {
            return Err(Error::new(
                ErrorKind::Usage,
                "a conversion has no changes to write alone",
            ));
        }
        let output = PendingOutput::create(options, base, Target::FileOrDevice)?;
        if output.is_device() {
            self.stages.warn(format!(
                "the device {} is written in place: until the end it holds neither the old nor the new disk",
                options.path.display()
            ));
            if options.format == OutputFormat::Qcow2 {
                self.stages.warn(
                    "the device will hold a qcow2 image, not a bare disk; --format raw writes the disk".to_owned(),
                );
            }
        }
        Ok(output)
    }

    /// Packs, digests and publishes a new image.
    fn write(&mut self, output: PendingOutput<'_>, source: &PackSource<'_>) -> Result<OutputRecord> {
        self.stages.begin(Stage::Pack)?;
        let packed = output.pack(source)?;
        source.base.check_unchanged()?;
        self.stages.begin(Stage::Digest)?;
        let digested = packed.digest(&self.options.cancel, self.on_event)?;
        self.stages.begin(Stage::Publish)?;
        digested.publish()
    }

    /// Replaces the image by itself without what is left out.
    fn replace(&mut self, replacement: Replacement<'_>, source: &PackSource<'_>) -> Result<OutputRecord> {
        self.stages.begin(Stage::Pack)?;
        let successor = replacement.pack(source)?;
        source.base.check_unchanged()?;
        self.stages.begin(Stage::Publish)?;
        successor.publish()
    }

    /// What may be left out, as byte ranges of the disk: sorted, merged.
    fn free_ranges(&mut self, overlay: &Arc<Overlay>) -> Result<Vec<Range<u64>>> {
        if !self.options.sparsify && !self.options.drop_swap && self.options.zeroed.is_empty() {
            return Ok(Vec::new());
        }
        // A disk of its own, for opening a filesystem may replay its journal, which is no business of a conversion.
        let disk = match Disk::open(Overlay::new(overlay.clone()), &self.options.image) {
            Ok(disk) => disk,
            Err(error) => {
                let cause = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
                self.stages.warn(format!(
                    "nothing is left out: the partition table cannot be read ({cause})"
                ));
                return Ok(Vec::new());
            }
        };
        let mut ranges = Vec::new();
        for (partition, content) in disk.partitions() {
            if self.options.ignored.contains(&partition.number) {
                continue;
            }
            if self.options.zeroed.contains(&partition.number) {
                let range = partition.start..partition.start + partition.length;
                clear_edges(overlay, &range)?;
                ranges.push(range);
                continue;
            }
            if self.options.sparsify && is_supported(content.kind) {
                ranges.extend(self.free_of(&disk, partition, content.kind)?);
            }
            if self.options.drop_swap && content.kind == ContentKind::Swap {
                let end = partition.start + partition.length;
                let range = (partition.start + SWAP_HEADER_BYTES).min(end)..end;
                clear_edges(overlay, &range)?;
                ranges.push(range);
            }
        }
        ranges.sort_by_key(|range| range.start);
        Ok(merge(ranges))
    }

    /// What a filesystem does not use. One that cannot be trusted keeps everything.
    fn free_of(&mut self, disk: &Disk, partition: &Partition, kind: ContentKind) -> Result<Vec<Range<u64>>> {
        let device = disk.device(partition)?;
        // Only a filesystem that may be written is known to be clean, with every feature understood.
        let free = open_filesystem(kind, device, Timestamp::default(), Access::Write).and_then(|fs| fs.free_ranges());
        let end = partition.start.saturating_add(partition.length);
        let replayed = disk
            .overlay
            .dirty_ranges()
            .iter()
            .any(|range| range.offset < end && partition.start < range.offset + range.length);
        match free {
            Ok(_) if replayed => {
                self.stages.warn(format!(
                    "the free blocks of {} ({kind}) are kept: its journal was not empty",
                    describe(partition.number)
                ));
                Ok(Vec::new())
            }
            Ok(free) => {
                let start = partition.start;
                let ranges = free.into_iter().map(|range| {
                    let on_disk = |offset: u64| start.saturating_add(offset).min(end);
                    on_disk(range.start)..on_disk(range.end)
                });
                Ok(ranges.filter(|range| !range.is_empty()).collect())
            }
            Err(error) => {
                self.stages.warn(format!(
                    "the free blocks of {} ({kind}) are kept: {error}",
                    describe(partition.number)
                ));
                Ok(Vec::new())
            }
        }
    }
}

/// Makes the range's ends zero. Whole clusters within are left out; this is for those that are only partly within.
fn clear_edges(overlay: &Overlay, range: &Range<u64>) -> Result<()> {
    let length = range.end - range.start;
    let edge = length.min(EDGE_BYTES);
    for start in [range.start, range.end - edge] {
        overlay
            .discard(start, edge)
            .map_err(|source| Error::new(ErrorKind::Other, "cannot leave out swap contents").with_source(source))?;
    }
    Ok(())
}
