//! `outputs`: what is written.

use std::path::PathBuf;

use super::Context;
use crate::fields::{Checked, Fields, Value};
use crate::finding::{Complaint, Place};
use crate::kinds::size_bytes;
use crate::plan::{
    ChecksumKind, Compression, CompressionKind, OutputDefaults, OutputFormat, OutputImage, Outputs, Sourced,
};

/// The highest level that zlib has.
const ZLIB_LEVEL_MAX: u64 = 9;

pub(super) fn outputs(fields: &Fields<'_>, context: &mut Context<'_>) -> Outputs {
    let Some((section, _)) = fields.table("outputs") else {
        return Outputs::default();
    };
    let mut outputs = Outputs::default();
    if let Some((defaults, _)) = section.table("defaults") {
        outputs.checksums = checksums(defaults, context);
        outputs.defaults = OutputDefaults {
            format: format(defaults).map(|(format, _)| format),
            compression: compression(defaults, context),
            cluster_bytes: cluster_bytes(defaults),
        };
    }
    let (first, more) = match section.items("images") {
        [] => (None, &[][..]),
        [first, more @ ..] => (Some(first), more),
    };
    outputs.image = first.and_then(|first| image(first, &outputs.defaults, context));
    for extra in more {
        image(extra, &outputs.defaults, context);
        let extra = context.named(&extra.place);
        context.unsupported.push(extra);
    }
    outputs
}

fn image(item: &Checked<'_>, defaults: &OutputDefaults, context: &mut Context<'_>) -> Option<Sourced<OutputImage>> {
    let Value::Table(entry) = &item.value else {
        return None;
    };
    let own = compression(entry, context);
    let own_format = format(entry);
    let format = own_format.map(|(format, _)| format).or(defaults.format);
    let compresses = own.filter(|compression| compression.kind != CompressionKind::None);
    if let (Some(OutputFormat::Raw), Some(_), Some(place)) = (format, compresses, entry.key_place("compression")) {
        context.report(
            place,
            Complaint::error("a raw image cannot be compressed").hint("remove `compression`, or write `format: qcow2`"),
        );
    }
    let (path, path_place) = entry.text("path")?;
    check_extension(path, format, own_format.map_or(path_place, |(_, place)| place), context);
    let image = OutputImage {
        path: PathBuf::from(path),
        format,
        // Compression that was meant for qcow2 images says nothing about a raw one.
        compression: own
            .or(defaults.compression)
            .filter(|_| format != Some(OutputFormat::Raw)),
        cluster_bytes: defaults.cluster_bytes.filter(|_| format != Some(OutputFormat::Raw)),
    };
    Some(context.sourced(image, &item.place))
}

/// A name that says the other format misleads whoever gets the file.
fn check_extension(path: &str, format: Option<OutputFormat>, place: &Place, context: &mut Context<'_>) {
    let path = path.to_ascii_lowercase();
    let (is, other) = match format {
        Some(OutputFormat::Raw) if path.ends_with(".qcow2") => ("raw", "qcow2"),
        None | Some(OutputFormat::Qcow2) if path.ends_with(".raw") => ("qcow2", "raw"),
        _ => return,
    };
    context.report(
        place,
        Complaint::warning(format!("the image is {is}, but its name ends in `.{other}`"))
            .hint(format!("write `format: {other}`, or another name")),
    );
}

fn format<'f>(entry: &'f Fields<'_>) -> Option<(OutputFormat, &'f Place)> {
    let (text, place) = entry.text("format")?;
    let format = match text {
        "raw" => OutputFormat::Raw,
        _ => OutputFormat::Qcow2,
    };
    Some((format, place))
}

fn cluster_bytes(entry: &Fields<'_>) -> Option<u64> {
    size_bytes(entry.text("cluster_size")?.0).ok()
}

fn compression(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<Compression> {
    let (compression, _) = entry.table("compression")?;
    let kind = match compression.text("type")?.0 {
        "zlib" => CompressionKind::Zlib,
        "zstd" => CompressionKind::Zstd,
        _ => CompressionKind::None,
    };
    let level = compression.integer("level");
    match (kind, level) {
        (CompressionKind::None, Some((_, place))) => {
            let complaint = Complaint::error("`level` says nothing with `type: none`").hint("remove `level`");
            context.report(place, complaint);
        }
        (CompressionKind::Zlib, Some((level, place))) if level > ZLIB_LEVEL_MAX => {
            let complaint = Complaint::error(format!("zlib has no level {level}"))
                .hint(format!("write 1 to {ZLIB_LEVEL_MAX}, or `type: zstd`"));
            context.report(place, complaint);
        }
        _ => {}
    }
    let level = level.and_then(|(level, _)| u32::try_from(level).ok());
    Some(Compression { kind, level })
}

fn checksums(defaults: &Fields<'_>, context: &mut Context<'_>) -> Vec<ChecksumKind> {
    let mut kinds = Vec::new();
    for (name, place) in defaults.texts("checksums") {
        let kind = match name {
            "sha512" => ChecksumKind::Sha512,
            _ => ChecksumKind::Sha256,
        };
        if kinds.contains(&kind) {
            let complaint = Complaint::warning(format!("`{name}` is listed twice")).hint("remove one");
            context.report(place, complaint);
            continue;
        }
        kinds.push(kind);
    }
    kinds
}
