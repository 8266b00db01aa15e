//! `imgctl customize`: arguments and recipe to options, a run, and what is told of it.

use super::flags::FlagArgs;
use super::output::FormArgs;
use super::programs::ProgramArgs;
use super::{InputArgs, VariableArgs, changes, summary};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::recipe;
use crate::ui::{Progress, Ui};
use crate::{host_files, interrupt};
use clap::Args;
use imgctl_core::steps::flags::Flag;
use imgctl_core::{CustomizeOptions, Destination, OutputOptions};
use imgctl_recipe::{ChecksumKind, OutputFormat, OutputImage, Outputs, Recipe};
use std::env;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  imgctl customize base.qcow2 --recipe golden.yaml -o golden.qcow2
  imgctl customize base.qcow2 --recipe golden.yaml --dry-run
  imgctl customize base.qcow2 --recipe golden.yaml -o golden.raw --format raw
  imgctl customize base.qcow2 --recipe golden.yaml -o golden.qcow2 --compress zstd:9 --force
  imgctl customize base.qcow2 -o smaller.qcow2 --wipe-free    # only repack
  imgctl customize base.qcow2 -o node.qcow2 --hostname node1 --mask-unit ctrl-alt-del.target

Options that change the guest are orders in virt-customize's words, done in their order after the recipe and before its \
`reset`. `imgctl steps` lists them, and so does --help.

Standard output carries only what is asked for: the changes of a dry run, or the receipt with --json. The summary and \
warnings go to standard error.

Environment:
  SOURCE_DATE_EPOCH  Time to stamp changes with, in seconds since 1970
                     [default: the newest time that the image's filesystems record]";

/// Change what is inside an image and write a new one
///
/// The base is only read. The output appears whole, or not at all.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CustomizeArgs {
    #[command(flatten)]
    whole: WholeRunArgs,
}

/// A run with its output.
#[derive(Args, Debug)]
pub(super) struct WholeRunArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Do everything but writing the output, and show every change, as `imgctl plan` does
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Make all free blocks of the guest's filesystems zero, not only those that this run freed
    #[arg(long)]
    wipe_free: bool,
    /// Worker threads; the output does not depend on it [default: one per processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    input: InputArgs,
}

/// What a run is about, whether it writes an output or not.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// Image to begin with, qcow2 or raw
    base: Option<PathBuf>,
    /// Recipe that says what should be inside; without one the image is only repacked
    #[arg(short, long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Write a record of the run as JSON
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Write the receipt to standard output
    #[arg(long)]
    pub(super) json: bool,
    /// Folder for a scratch file [default: the output's folder]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    pub(super) flags: FlagArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Image to write [default: the recipe's `outputs`]
    #[arg(short = 'o', long = "output", value_name = "OUT")]
    path: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    form: FormArgs,
    /// Write only what changed, as a qcow2 that needs the base
    #[arg(long)]
    thin: bool,
}

pub(crate) fn customize(ui: &Ui, args: &CustomizeArgs) -> CommandResult {
    run_whole(ui, &args.whole, None)
}

/// A run, or a dry run; `last` comes after all other options.
pub(super) fn run_whole(ui: &Ui, args: &WholeRunArgs, last: Option<Flag>) -> CommandResult {
    let (base, recipe) = args.run.read(ui)?;
    if args.dry_run {
        let mut options = args.run.options(base, recipe, &args.input, Destination::DryRun)?;
        options.flags.extend(last);
        return run(ui, &args.run, &options);
    }
    let outputs = recipe.as_ref().map(Recipe::outputs).cloned().unwrap_or_default();
    let output = output(ui, &args.output, &outputs)?;
    let mut options = CustomizeOptions {
        // Of an overlay nobody expects that it takes as long as reading its base.
        digest_base: !args.output.thin || args.run.json || args.run.receipt.is_some(),
        wipe_free: args.wipe_free,
        threads: args.threads,
        ..args.run.options(base, recipe, &args.input, Destination::File(output))?
    };
    options.flags.extend(last);
    run(ui, &args.run, &options)
}

/// Everything but writing the output.
pub(super) fn dry_run(ui: &Ui, args: &RunArgs, input: &InputArgs) -> CommandResult {
    let (base, recipe) = args.read(ui)?;
    run(ui, args, &args.options(base, recipe, input, Destination::DryRun)?)
}

fn run(ui: &Ui, args: &RunArgs, options: &CustomizeOptions) -> CommandResult {
    let result = {
        let progress = Progress::new(ui);
        imgctl_core::customize(options, &|event| progress.event(event))
    };
    let receipt = result.inspect_err(|error| {
        if let Some(recipe) = &options.recipe {
            recipe::tell(ui, &recipe.sources(), error.findings());
        }
    })?;
    if let Some(path) = &args.receipt {
        let json = super::json(&receipt)?;
        host_files::write_whole("receipt", path, json.as_bytes()).map_err(|error| match &receipt.output {
            Some(output) => error.hint(format!("the output {} is complete all the same", output.path)),
            None => error,
        })?;
    }
    ui.event("done", summary::Done::of(&receipt));
    if args.json {
        return super::print_json(ui, &receipt);
    }
    if receipt.dry_run {
        let mut out = ui.styled_data();
        changes::write_changes(&mut out, &receipt)
            .and_then(|()| out.flush())
            .map_err(CommandError::stdout)?;
    }
    ui.status(summary::summary(&receipt).trim_end());
    Ok(())
}

impl RunArgs {
    /// The base and what the recipe asks for.
    fn read(&self, ui: &Ui) -> CommandResult<(PathBuf, Option<Recipe>)> {
        let base = self.base.clone().ok_or_else(|| {
            CommandError::usage("no base image is named")
                .hint("`source:` in recipes is not supported yet; name the base image: imgctl customize BASE …")
        })?;
        // Found wrong before the recipe is read.
        reference_time()?;
        let read = |path: &PathBuf| recipe::read_right(ui, path, &self.variables.settings());
        let recipe = self.recipe.as_ref().map(read).transpose()?;
        Ok((base, recipe))
    }

    /// Everything that can be found wrong before the image is opened.
    fn options(
        &self,
        base: PathBuf,
        recipe: Option<Recipe>,
        input: &InputArgs,
        destination: Destination,
    ) -> CommandResult<CustomizeOptions> {
        check_paths(self, &base, destination.file())?;
        let cancel = interrupt::cancel_flag()
            .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
        Ok(CustomizeOptions {
            base,
            input: input.options(),
            recipe,
            flags: self.flags.read()?,
            programs: self.programs.options(),
            digest_base: true,
            destination,
            wipe_free: false,
            scratch: self.scratch.clone(),
            threads: None,
            reference_time: reference_time()?,
            cancel,
        })
    }
}

/// What to write: the command line wins over the recipe, value by value.
fn output(ui: &Ui, args: &OutputArgs, outputs: &Outputs) -> CommandResult<OutputOptions> {
    let OutputImage {
        path,
        format,
        compression,
        cluster_bytes,
    } = outputs.image.as_ref().map_or_else(
        || OutputImage {
            path: PathBuf::new(),
            format: outputs.defaults.format,
            compression: outputs.defaults.compression,
            cluster_bytes: outputs.defaults.cluster_bytes,
        },
        |image| image.value.clone(),
    );
    let path = args.path.clone().unwrap_or(path);
    if path.as_os_str().is_empty() {
        return Err(CommandError::usage("no output is named")
            .hint("name one with -o OUT or in the recipe's `outputs`, or use --dry-run to see what would change"));
    }
    let form = args.form.resolve(ui, &path, format, args.thin.then_some("--thin"))?;
    Ok(OutputOptions {
        force: args.force,
        format: form.format,
        compression: form
            .compression
            .or(compression)
            .filter(|_| form.format == OutputFormat::Qcow2),
        cluster_bytes: form
            .cluster_bytes
            .or(cluster_bytes)
            .filter(|_| form.format == OutputFormat::Qcow2),
        compat: form.compat,
        recompress: form.recompress,
        thin: args.thin,
        checksums: match outputs.checksums.as_slice() {
            [] => vec![ChecksumKind::Sha256],
            kinds => kinds.to_vec(),
        },
        path,
    })
}

/// No file may be written over another that the run needs. The core looks after the base.
fn check_paths(args: &RunArgs, base: &Path, output: Option<&OutputOptions>) -> CommandResult {
    let output = output.map(|output| output.path.as_path());
    let inputs = [("base image", Some(base)), ("recipe", args.recipe.as_deref())];
    let written = [("output", output), ("receipt", args.receipt.as_deref())];
    for (what, path) in written.iter().filter_map(|(what, path)| Some((what, (*path)?))) {
        for (other_what, other) in inputs.iter().filter_map(|(what, path)| Some((what, (*path)?))) {
            if host_files::is_same_file(path, other) {
                let message = format!("the {what} {} is the {other_what}", path.display());
                return Err(CommandError::usage(message).hint(format!("name another file for the {what}")));
            }
        }
    }
    let Some(receipt) = args.receipt.as_deref() else {
        return Ok(());
    };
    if output.is_some_and(|output| host_files::is_same_file(receipt, output)) {
        let message = format!("the receipt {} is the output", receipt.display());
        return Err(CommandError::usage(message).hint("name another file for the receipt"));
    }
    host_files::check_writable("receipt", receipt)
}

/// SOURCE_DATE_EPOCH, as <https://reproducible-builds.org/specs/source-date-epoch/> defines it.
pub(crate) fn reference_time() -> CommandResult<Option<i64>> {
    let Some(value) = env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let seconds = value
        .to_str()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    seconds
        .and_then(|seconds| seconds.parse().ok())
        .map(Some)
        .ok_or_else(|| {
            CommandError::usage(format!(
                "SOURCE_DATE_EPOCH is not a number of seconds: {}",
                value.display()
            ))
            .hint("set it to seconds since 1970, as `git log -1 --format=%ct` prints them, or unset it")
        })
}
