//! virt-sparsify: a disk without what its filesystems do not use, as a copy or in place.

use super::Tool;
use super::disks::{format_of, path_of};
use super::getopt::Getopt;
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::{
    Compat, ConvertOptions, Destination, Event, ImageFormat, InputOptions, OutputOptions, Stage, convert, info,
};
use imgctl_recipe::{Compression, CompressionKind, OutputFormat};
use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub(super) const TOOL: Tool = Tool {
    name: "virt-sparsify",
    getopt: Getopt::LongOnly,
    arguments: SparsifyArgs::augment_args,
    run,
};

/// What `--machine-readable` alone tells: the options that scripts may ask for.
const FEATURES: &str = "virt-sparsify\nlinux-swap\nzero\ncheck-tmpdir\nin-place\ntmp-option\n";

/// Leave out of a disk image what its filesystems do not use
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-sparsify --compress disk.qcow2 small.qcow2
  virt-sparsify --convert raw disk.qcow2 disk.raw
  virt-sparsify --in-place disk.qcow2")]
struct SparsifyArgs {
    /// Compress the output (qcow2)
    #[arg(long)]
    compress: bool,
    /// Format of the output, raw or qcow2 [default: that of the input]
    #[arg(long, value_name = "FORMAT")]
    convert: Option<String>,
    /// Format of the input, raw or qcow2 [default: found by its content]
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Leave a partition (/dev/sda2) as it is; may be repeated
    #[arg(long, value_name = "DEV")]
    ignore: Vec<String>,
    /// Keep nothing of a partition; may be repeated
    #[arg(long, value_name = "DEV")]
    zero: Vec<String>,
    /// Make the disk itself sparse
    #[arg(long, alias = "inplace")]
    in_place: bool,
    /// Options of qcow2, as qemu-img's -o: compat, cluster_size, compression_type
    #[arg(short, value_name = "OPTIONS")]
    options: Option<String>,
    /// Folder in and below which backing files may be opened (not an option of the peer)
    #[arg(long, value_name = "DIR")]
    allow_backing: Vec<PathBuf>,
    /// Tell nothing
    #[arg(short, long)]
    quiet: bool,
    /// With no disks: tell what this program can do
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "stdout")]
    machine_readable: Option<String>,
    /// Accepted: there are no temporary files
    #[arg(long, value_name = "PLACE", hide = true)]
    tmp: Option<PathBuf>,
    #[arg(long, hide = true, value_parser = ["ignore", "i", "continue", "cont", "c", "warn", "warning", "w", "fail", "f", "error"])]
    check_tmpdir: Option<String>,
    #[command(flatten)]
    accepted: AcceptedArgs,
    #[arg(value_name = "DISK", hide = true)]
    disks: Vec<PathBuf>,
}

/// What has no effect without an appliance, or on disks that are not encrypted.
#[derive(Args, Debug)]
struct AcceptedArgs {
    #[arg(long, value_name = "SELECTOR", hide = true)]
    key: Vec<String>,
    #[arg(long, hide = true)]
    keys_from_stdin: bool,
    #[arg(long, hide = true)]
    echo_keys: bool,
    #[arg(long, aliases = ["color", "colours", "colour"], hide = true)]
    colors: bool,
    #[arg(long, hide = true)]
    wrap: bool,
    #[arg(short, long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
    #[arg(short = 'x', action = clap::ArgAction::Count, hide = true)]
    trace: u8,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let args = SparsifyArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    if args.disks.is_empty() && args.machine_readable.is_some() {
        let mut out = ui.data();
        return out
            .write_all(FEATURES.as_bytes())
            .and_then(|()| out.flush())
            .map_err(CommandError::stdout);
    }
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let (image, destination) = args.destination(&cancel)?;
    let is_in_place = matches!(destination, Destination::InPlace);
    let options = ConvertOptions {
        image,
        input: args.input(is_in_place)?,
        destination,
        sparsify: true,
        drop_swap: true,
        ignored: partitions("--ignore", &args.ignore)?,
        zeroed: partitions("--zero", &args.zero)?,
        threads: None,
        cancel,
    };
    let told = Told {
        ui,
        is_quiet: args.quiet,
        is_in_place,
        begin: Instant::now(),
    };
    convert(&options, &|event| told.event(event))?;
    told.end();
    Ok(())
}

impl SparsifyArgs {
    /// The disk, and what becomes of it.
    fn destination(&self, cancel: &AtomicBool) -> CommandResult<(PathBuf, Destination)> {
        if self.in_place {
            let [disk] = self.disks.as_slice() else {
                return Err(CommandError::usage("one disk must be named").hint("virt-sparsify --in-place disk.qcow2"));
            };
            let others = [
                (self.check_tmpdir.is_some(), "--check-tmpdir"),
                (self.compress, "--compress"),
                (self.convert.is_some(), "--convert"),
                (self.options.is_some(), "-o"),
                (self.tmp.is_some(), "--tmp"),
            ];
            return match others.into_iter().find(|(is_used, _)| *is_used) {
                Some((_, option)) => Err(CommandError::usage(format!(
                    "--in-place and {option} cannot be used together"
                ))
                .hint("in place, a disk keeps its format; leave out --in-place and name an output")),
                None => Ok((disk.clone(), Destination::InPlace)),
            };
        }
        let [input, output] = self.disks.as_slice() else {
            return Err(CommandError::usage("an input and an output must be named")
                .hint("virt-sparsify disk.qcow2 small.qcow2, or virt-sparsify --in-place disk.qcow2"));
        };
        let input = path_of(input.as_os_str())?;
        refuse_output(&input, output)?;
        let output = self.output(&input, output, cancel)?;
        Ok((input, Destination::File(output)))
    }

    fn output(&self, input: &Path, output: &Path, cancel: &AtomicBool) -> CommandResult<OutputOptions> {
        let named = self.convert.as_deref().or(self.format.as_deref());
        let is_raw = match named.map_or(Ok(None), format_of)? {
            Some(format) => format == ImageFormat::Raw,
            None => info(input, &self.input(false)?, cancel)?.format == "raw",
        };
        let format = if is_raw { OutputFormat::Raw } else { OutputFormat::Qcow2 };
        if format == OutputFormat::Raw && (self.compress || self.options.is_some()) {
            let option = if self.compress { "--compress" } else { "-o" };
            return Err(CommandError::usage(format!("{option} cannot be used for a raw output"))
                .hint("leave the option out, or write a qcow2: --convert qcow2"));
        }
        let mut form = OutputOptions {
            path: output.to_path_buf(),
            force: true,
            format,
            compression: None,
            cluster_bytes: None,
            compat: Compat::V3,
            recompress: false,
            thin: false,
            checksums: Vec::new(),
        };
        let mut kind = CompressionKind::Zlib;
        for option in self.options.iter().flat_map(|options| options.split(',')) {
            qemu_option(option, &mut form, &mut kind)?;
        }
        if form.compat == Compat::V2 && kind == CompressionKind::Zstd {
            return Err(
                CommandError::usage("zstd cannot be used with compat=0.10").hint("version 2 of qcow2 has only zlib")
            );
        }
        form.compression = Some(Compression {
            kind: if self.compress { kind } else { CompressionKind::None },
            level: None,
        });
        Ok(form)
    }

    fn input(&self, is_in_place: bool) -> CommandResult<InputOptions> {
        Ok(InputOptions {
            format: self.format.as_deref().map_or(Ok(None), format_of)?,
            allow_backing: self.allow_backing.clone(),
            own_chain: is_in_place && self.allow_backing.is_empty(),
            ..InputOptions::default()
        })
    }
}

fn refuse_output(input: &Path, output: &Path) -> CommandResult {
    let real = |path: &Path| path.canonicalize().ok();
    if input == output || real(output).is_some_and(|output| real(input) == Some(output)) {
        return Err(CommandError::usage("the input and the output are the same disk")
            .hint(format!("virt-sparsify --in-place {}", input.display())));
    }
    let is_character_device = output.metadata().is_ok_and(|found| found.file_type().is_char_device());
    match is_character_device {
        true => Err(CommandError::usage(format!(
            "{} is a character device, but the output must be a file",
            output.display()
        ))),
        false => Ok(()),
    }
}

/// One of qemu-img's options for qcow2.
fn qemu_option(option: &str, form: &mut OutputOptions, kind: &mut CompressionKind) -> CommandResult {
    match option.split_once('=').unwrap_or((option, "on")) {
        ("compat", "0.10" | "v2") => form.compat = Compat::V2,
        ("compat", "1.1" | "v3") => form.compat = Compat::V3,
        ("compression_type", "zlib") => *kind = CompressionKind::Zlib,
        ("compression_type", "zstd") => *kind = CompressionKind::Zstd,
        ("cluster_size", size) => {
            form.cluster_bytes = Some(bytes(size).ok_or_else(|| {
                CommandError::usage(format!("the cluster size {size} is no power of two from 512 to 2M"))
            })?)
        }
        // What the output is in any case.
        ("preallocation" | "lazy_refcounts" | "extended_l2", "off") | ("refcount_bits", "16") => {}
        _ => {
            return Err(CommandError::usage(format!("-o {option} is not supported"))
                .hint("there are compat=0.10|1.1, cluster_size=BYTES and compression_type=zlib|zstd"));
        }
    }
    Ok(())
}

/// `65536`, `64k`, `2M`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)?.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes.is_power_of_two() && (512..=2 << 20).contains(&bytes)).then_some(bytes)
}

/// The numbers of the partitions with these names.
fn partitions(option: &str, names: &[String]) -> CommandResult<Vec<u32>> {
    let number = |name: &String| {
        let rest = ["/dev/sda", "/dev/vda", "/dev/hda", "/dev/xvda"]
            .iter()
            .find_map(|disk| name.strip_prefix(disk));
        match rest {
            Some("") => Some(0),
            Some(digits) => digits.parse().ok(),
            None => None,
        }
        .ok_or_else(|| {
            CommandError::usage(format!("{option} {name} is no partition of the disk"))
                .hint("the first is /dev/sda1; virt-filesystems lists them")
        })
    };
    names.iter().map(number).collect()
}

/// The peer's progress: `[   1.5] Copy to destination and make sparse` on standard output.
struct Told<'u> {
    ui: &'u Ui,
    is_quiet: bool,
    is_in_place: bool,
    begin: Instant,
}

impl Told<'_> {
    fn event(&self, event: Event) {
        match event {
            Event::Stage(Stage::Open) if !self.is_in_place => self.message("Examine source disk"),
            Event::Stage(Stage::Pack) if !self.is_in_place => self.message("Copy to destination and make sparse"),
            Event::Stage(Stage::Pack) => self.message("Trimming"),
            Event::Warning(text) => self.ui.warning(text),
            _ => {}
        }
    }

    fn end(&self) {
        if self.is_in_place {
            return self.message("Sparsify in-place operation completed with no errors");
        }
        self.message("Sparsify operation completed with no errors.");
        if !self.is_quiet {
            line(format_args!(
                "virt-sparsify: Before deleting the old disk, carefully check that the \ntarget disk boots and works correctly."
            ));
        }
    }

    fn message(&self, text: &str) {
        if !self.is_quiet {
            line(format_args!("[{:6.1}] {text}", self.begin.elapsed().as_secs_f64()));
        }
    }
}

/// Writes a line. A run is not ended because nobody listens.
fn line(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_qcow2_are_read_as_qemu_img_does() {
        assert_eq!(bytes("64k"), Some(65536));
        assert_eq!(bytes("2M"), Some(2 << 20));
        for wrong in ["", "k", "3k", "4M", "1G", "-1", "64kk"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn partitions_are_numbers() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            partitions("--zero", &names).map_err(|error| error.error.to_string())
        };
        assert_eq!(of(&["/dev/sda2", "/dev/vda14", "/dev/sda"]), Ok(vec![2, 14, 0]));
        assert_eq!(
            of(&["/dev/vg/root"]),
            Err("--zero /dev/vg/root is no partition of the disk".to_owned())
        );
    }
}
