//! The form of an output image: the options that `customize` and `convert` share.

use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{Args, ValueEnum};
use imgctl_core::Compat;
use imgctl_recipe::{Compression, CompressionKind, OutputFormat};
use std::path::Path;

#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct FormArgs {
    /// Format of the output [default: qcow2]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Compression of qcow2: zlib, zstd or none, and a level as in zlib:9 [default: zlib]
    #[arg(long, value_name = "METHOD[:LEVEL]", value_parser = compression)]
    compress: Option<Compression>,
    /// Cluster size of qcow2, a power of two from 512 to 2M [default: 64K]
    #[arg(long, value_name = "BYTES", value_parser = cluster_size)]
    cluster_size: Option<u64>,
    /// Version of qcow2: 0.10 for qemu before 1.1 [default: 1.1]
    #[arg(long, value_name = "VERSION")]
    compat: Option<CompatArg>,
    /// Compress everything anew, also what could be copied as it is
    #[arg(long, visible_alias = "no-passthrough")]
    recompress: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Raw,
    Qcow2,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompatArg {
    #[value(name = "0.10", alias = "v2")]
    V2,
    #[value(name = "1.1", alias = "v3")]
    V3,
}

/// The form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) format: OutputFormat,
    pub(super) compression: Option<Compression>,
    pub(super) cluster_bytes: Option<u64>,
    pub(super) compat: Compat,
    pub(super) recompress: bool,
}

impl FormArgs {
    /// The form of the output at `path`. `preset` is the format that holds without an option; `qcow2_only` names another
    /// option in use that only makes sense for qcow2.
    pub(super) fn resolve(
        &self,
        ui: &Ui,
        path: &Path,
        preset: Option<OutputFormat>,
        qcow2_only: Option<&str>,
    ) -> CommandResult<Form> {
        let wanted = self.format.map(|format| match format {
            Format::Raw => OutputFormat::Raw,
            Format::Qcow2 => OutputFormat::Qcow2,
        });
        if wanted.or(preset).is_none() && path.extension().is_some_and(|extension| extension == "raw") {
            ui.warning(format_args!(
                "{} will be a qcow2 image; use --format raw for a raw one",
                path.display()
            ));
        }
        let format = wanted.or(preset).unwrap_or(OutputFormat::Qcow2);
        let option = qcow2_only
            .or(self.compress.map(|_| "--compress"))
            .or(self.cluster_size.map(|_| "--cluster-size"))
            .or(self.compat.map(|_| "--compat"))
            .or(self.recompress.then_some("--recompress"));
        if let Some(option) = option.filter(|_| format == OutputFormat::Raw) {
            return Err(
                CommandError::usage(format!("{option} cannot be used with a raw output"))
                    .hint("write a qcow2 with --format qcow2, or leave the option out"),
            );
        }
        let compat = match self.compat {
            Some(CompatArg::V2) => Compat::V2,
            Some(CompatArg::V3) | None => Compat::V3,
        };
        let is_zstd = |compression: &Compression| compression.kind == CompressionKind::Zstd;
        if compat == Compat::V2 && (self.compress.as_ref().is_some_and(is_zstd) || qcow2_only.is_some()) {
            let what = qcow2_only.unwrap_or("--compress zstd");
            return Err(CommandError::usage(format!("{what} cannot be used with --compat 0.10"))
                .hint("version 2 of qcow2 has only zlib and no marks for zeros; leave --compat out"));
        }
        Ok(Form {
            format,
            compression: self.compress,
            cluster_bytes: self.cluster_size,
            compat,
            recompress: self.recompress,
        })
    }
}

/// `4096`, `64K`, `2M`.
fn cluster_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let bytes = digits
        .parse::<u64>()
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| bytes.is_power_of_two() && (512..=2 << 20).contains(bytes));
    bytes.ok_or_else(|| "it must be a power of two from 512 to 2M".to_owned())
}

/// `zlib`, `zstd:19`, `none`.
fn compression(text: &str) -> Result<Compression, String> {
    let (name, level) = match text.split_once(':') {
        Some((name, level)) => (name, Some(level)),
        None => (text, None),
    };
    let (kind, levels) = match name {
        "zlib" => (CompressionKind::Zlib, 1..=9),
        "zstd" => (CompressionKind::Zstd, 1..=22),
        "none" if level.is_none() => (CompressionKind::None, 0..=0),
        "none" => return Err("`none` has no levels".to_owned()),
        _ => return Err("the method must be `zlib`, `zstd` or `none`".to_owned()),
    };
    let level = level.map(|level| level.parse().ok().filter(|level| levels.contains(level)));
    match level {
        Some(None) => Err(format!("levels of {name} are {} to {}", levels.start(), levels.end())),
        Some(level) => Ok(Compression { kind, level }),
        None => Ok(Compression { kind, level: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_sizes_are_powers_of_two() {
        assert_eq!(cluster_size("512"), Ok(512));
        assert_eq!(cluster_size("64k"), Ok(65536));
        assert_eq!(cluster_size("2M"), Ok(2 << 20));
        for text in [
            "",
            "k",
            "0",
            "256",
            "3K",
            "4M",
            "-1",
            "+512",
            "64KiB",
            "99999999999999999999",
        ] {
            assert!(cluster_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn compression_levels_are_checked() {
        let level = |text| compression(text).map(|compression| compression.level);
        assert_eq!(level("zlib"), Ok(None));
        assert_eq!(level("zlib:9"), Ok(Some(9)));
        assert_eq!(level("zstd:22"), Ok(Some(22)));
        assert_eq!(level("none"), Ok(None));
        for text in [
            "zlib:0", "zlib:10", "zstd:23", "zstd:", "zstd:-1", "none:1", "lz4", "", ":3", "zlib:1:2",
        ] {
            assert!(compression(text).is_err(), "{text}");
        }
    }
}
