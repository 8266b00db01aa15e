//! The rounds: every program once, and again, so that all of them meet the same machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{fixture, peer};
use serde_json::Value;

use crate::limits::{self, Limits};
use crate::measure::{Cost, Program, median, median_cost};
use crate::workload::{self, RECIPE, VIRT_CUSTOMIZE};
use crate::{Options, say};

/// The figures of one image.
#[derive(Debug)]
pub(crate) struct ImageFigures {
    /// The fixture's name.
    pub(crate) name: String,
    /// The length of the base.
    pub(crate) file_bytes: u64,
    /// imgctl, the output on the disk.
    pub(crate) customize: Cost,
    /// imgctl, the output in memory.
    pub(crate) in_memory: Option<Cost>,
    /// imgctl, only the changes.
    pub(crate) thin: Cost,
    /// qemu-img convert -c.
    pub(crate) convert: Cost,
    /// The median of the rounds' ratios of processor time, convert to customize.
    pub(crate) convert_cpu_ratio: f64,
    /// virt-customize.
    pub(crate) virt_customize: Option<Cost>,
    /// Whether that had KVM.
    pub(crate) kvm: bool,
    /// The stages of `in_memory`, else of `customize`, in milliseconds.
    pub(crate) stages: BTreeMap<String, u64>,
    /// What the machine can do.
    pub(crate) limits: Limits,
}

/// The imgctl beside this program.
pub(crate) fn imgctl() -> Result<PathBuf> {
    if let Some(told) = std::env::var_os("IMGCTL_BIN") {
        return Ok(told.into());
    }
    let path = std::env::current_exe()?.with_file_name("imgctl");
    ensure!(
        path.is_file(),
        "there is no {}: cargo build --release -p imgctl",
        path.display()
    );
    Ok(path)
}

/// `imgctl customize` of the workload.
pub(crate) fn customize(base: &Path, folder: &Path, output: &Path, more: &[&str]) -> Result<Program> {
    let paths = [
        imgctl()?,
        "customize".into(),
        base.into(),
        "--recipe".into(),
        folder.join(RECIPE),
    ];
    let mut arguments: Vec<_> = paths.into_iter().map(PathBuf::into_os_string).collect();
    arguments.extend(["--force", "-o"].map(Into::into));
    arguments.push(output.into());
    arguments.extend(more.iter().map(Into::into));
    Ok(Program::new(arguments))
}

/// A folder whose files are in memory, if this machine has one.
fn memory_folder() -> Option<PathBuf> {
    Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir())
}

/// Measures everything about one fixture.
pub(crate) fn measure(name: &str, folder: &Path, options: &Options) -> Result<ImageFigures> {
    workload::write(folder)?;
    let base = fixture::image(name)?.canonicalize()?;
    let output = folder.join("out.qcow2");
    let receipt = folder.join("receipt.json");
    let in_memory = memory_folder().map(|folder| folder.join("imgctl-bench.qcow2"));
    let convert: [&std::ffi::OsStr; 7] = [
        "qemu-img".as_ref(),
        "convert".as_ref(),
        "-c".as_ref(),
        "-O".as_ref(),
        "qcow2".as_ref(),
        base.as_os_str(),
        output.as_os_str(),
    ];
    let programs = [
        Some(customize(&base, folder, &output, &["--json"])?),
        in_memory
            .as_ref()
            .map(|path| customize(&base, folder, path, &["--json"]))
            .transpose()?,
        Some(customize(&base, folder, &output, &["--thin"])?),
        Some(Program::new(convert)),
    ];
    let mut costs: [Vec<Cost>; 4] = Default::default();
    let mut stages: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut all_limits = Vec::new();
    for round in 0..=options.runs {
        let warms_up = round == 0;
        all_limits.push(limits::measure(&base, folder)?);
        for (index, (program, costs)) in programs.iter().zip(&mut costs).enumerate() {
            let Some(program) = program else { continue };
            drop(std::fs::remove_file(&output));
            let cost = program.cost(&receipt)?;
            let counts_stages = index == usize::from(in_memory.is_some());
            if !warms_up {
                costs.push(cost);
                if counts_stages {
                    read_stages(&receipt, &mut stages)?;
                }
            }
        }
        say(&format!("{name}: round {round} of {}", options.runs));
    }
    if let Some(path) = &in_memory {
        drop(std::fs::remove_file(path));
        drop(std::fs::remove_file(path.with_extension("qcow2.sha256")));
    }
    let [customize, memory, thin, convert] = &costs;
    let ratios = customize
        .iter()
        .zip(convert)
        .map(|(ours, theirs)| theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64());
    let of = |costs: &[Cost]| median_cost(costs).context("no runs");
    Ok(ImageFigures {
        name: name.to_owned(),
        file_bytes: base.metadata()?.len(),
        customize: of(customize)?,
        in_memory: median_cost(memory),
        thin: of(thin)?,
        convert: of(convert)?,
        convert_cpu_ratio: median(ratios).context("no runs")?,
        virt_customize: virt_customize(&base, folder, options)?,
        kvm: options.kvm,
        stages: stages
            .into_iter()
            .filter_map(|(stage, times)| Some((stage, median(times)?)))
            .collect(),
        limits: median_limits(&all_limits[1..]).context("no runs")?,
    })
}

fn read_stages(receipt: &Path, stages: &mut BTreeMap<String, Vec<u64>>) -> Result<()> {
    let receipt: Value = serde_json::from_slice(&std::fs::read(receipt)?).context("reading the receipt")?;
    let listed = receipt.get("stages").and_then(Value::as_array);
    for stage in listed.into_iter().flatten() {
        let name = stage.get("stage").and_then(Value::as_str).unwrap_or_default();
        let milliseconds = stage.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
        stages.entry(name.to_owned()).or_default().push(milliseconds);
    }
    Ok(())
}

fn median_limits(limits: &[Limits]) -> Option<Limits> {
    Some(Limits {
        read: median(limits.iter().map(|limits| limits.read))?,
        copy: median(limits.iter().map(|limits| limits.copy))?,
        sha256: median(limits.iter().map(|limits| limits.sha256))?,
        write: median(limits.iter().map(|limits| limits.write))?,
    })
}

/// virt-customize on a new overlay of the base each time: it changes images where they are, and packs nothing.
fn virt_customize(base: &Path, folder: &Path, options: &Options) -> Result<Option<Cost>> {
    if options.virt_customize == 0 {
        return Ok(None);
    }
    if let Err(error) = peer::require() {
        say(&format!("{error:#}"));
        return Ok(None);
    }
    let overlay = folder.join("overlay.qcow2");
    let mut costs = Vec::new();
    for _ in 0..options.virt_customize {
        drop(std::fs::remove_file(&overlay));
        peer::overlay(base, &overlay)?;
        let mut arguments = vec![
            "virt-customize".into(),
            "--quiet".into(),
            "--no-logfile".into(),
            "-a".into(),
        ];
        arguments.push(overlay.clone().into_os_string());
        for [operation, value] in VIRT_CUSTOMIZE {
            arguments.push((*operation).into());
            arguments.push(match (*operation, value.split_once(':')) {
                ("--upload", Some((from, to))) => format!("{}:{to}", folder.join(from).display()).into(),
                _ => (*value).into(),
            });
        }
        let program = Program::new(arguments).with("LIBGUESTFS_BACKEND", "direct");
        let program = if options.kvm {
            program
        } else {
            program.with("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
        };
        costs.push(program.cost(&folder.join("virt-customize.log"))?);
        say("virt-customize: one run");
    }
    std::fs::remove_file(&overlay)?;
    Ok(median_cost(&costs))
}
