//! Whole images through `imgctl convert` and `qemu-img convert`: compressing everything, copying what did not change,
//! and reading.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::{Decompress, FlushDecompress};
use imgctl_block::{BlockRead as _, FileDevice};
use imgctl_deflate::Encoder;
use imgctl_qcow2::{Cluster, Qcow2Image};
use imgctl_testkit::{fixture, oracle};
use nix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

use crate::measure::{Cost, Program, median, median_cost};
use crate::rounds::imgctl;
use crate::{Options, say};

const CLUSTER: usize = 64 << 10;

/// One thing that both programs do.
#[derive(Debug)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) what: &'static str,
    pub(crate) ours: Cost,
    pub(crate) theirs: Cost,
    /// The lengths of the outputs; 0 where nothing is written.
    pub(crate) our_bytes: u64,
    pub(crate) their_bytes: u64,
    /// The medians of the rounds' ratios, theirs to ours.
    pub(crate) cpu_ratio: f64,
    pub(crate) wall_ratio: f64,
    pub(crate) targets: Targets,
    /// The processor time that the codec (and the digest) alone need for as many bytes.
    pub(crate) limit: Duration,
}

/// The least ratios that are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Targets {
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
}

/// A row before it is measured.
struct Contest {
    what: &'static str,
    ours: Program,
    theirs: Program,
    targets: Targets,
    limit: Duration,
}

/// Measures every row on one fixture.
pub(crate) fn measure(folder: &Path, options: &Options) -> Result<Vec<Row>> {
    let base = fixture::image("debian13")?.canonicalize()?;
    let dirty = dirty_copy(&base, folder)?;
    let outputs = [folder.join("ours.qcow2"), folder.join("theirs.qcow2")];
    let contests = contests(&base, &dirty, &outputs)?;
    let mut rows = Vec::new();
    for contest in &contests {
        rows.push(play(contest, &outputs, options.runs, folder)?);
    }
    fs::remove_file(&dirty)?;
    Ok(rows)
}

fn contests(base: &Path, dirty: &Path, [ours, theirs]: &[PathBuf; 2]) -> Result<Vec<Contest>> {
    let convert = |image: &Path, more: &[&str]| -> Result<Program> {
        let mut arguments: Vec<OsString> = vec![imgctl()?.into(), "convert".into(), image.into(), ours.into()];
        arguments.extend(["--force", "--no-sparsify"].iter().chain(more).map(Into::into));
        Ok(Program::new(arguments))
    };
    let qemu = |image: &Path, more: &[&str]| {
        let mut arguments: Vec<OsString> = ["qemu-img", "convert"].map(Into::into).to_vec();
        arguments.extend(
            ["-c", "-m", "2", "-W", "-O", "qcow2"]
                .iter()
                .chain(more)
                .map(Into::into),
        );
        arguments.extend([image.into(), theirs.into()]);
        Program::new(arguments)
    };
    let limits = CodecTimes::measure(base)?;
    let disk_bytes = open(base)?.len_bytes();
    let null = format!("driver=null-co,size={disk_bytes}");
    let read = ["qemu-img", "convert", "-m", "2", "-W", "-n", "-f", "qcow2"].map(OsString::from);
    let into_nothing = ["--target-image-opts".into(), base.into(), null.into()];
    let itself = std::env::current_exe()?;
    Ok(vec![
        Contest {
            what: "all of it anew, zlib",
            ours: convert(base, &["--recompress"])?,
            theirs: qemu(base, &[]),
            targets: Targets { cpu: 3.0, wall: 2.5 },
            limit: limits.inflate + limits.deflate + limits.sha256,
        },
        Contest {
            what: "all of it anew, zstd",
            ours: convert(base, &["--compress", "zstd"])?,
            theirs: qemu(base, &["-o", "compression_type=zstd"]),
            targets: Targets { cpu: 1.75, wall: 1.0 },
            limit: limits.inflate + limits.zstd + limits.sha256,
        },
        Contest {
            what: "1 % of the clusters changed",
            ours: convert(dirty, &[])?,
            theirs: qemu(dirty, &[]),
            targets: Targets { cpu: 40.0, wall: 1.0 },
            limit: limits.sha256 + limits.deflate / 100,
        },
        Contest {
            what: "reading everything",
            ours: Program::new([itself.into(), "read".into(), OsString::from(base)]),
            theirs: Program::new(read.into_iter().chain(into_nothing)),
            targets: Targets { cpu: 2.5, wall: 1.0 },
            limit: limits.inflate,
        },
    ])
}

fn play(contest: &Contest, outputs: &[PathBuf; 2], runs: usize, folder: &Path) -> Result<Row> {
    let mut costs: [Vec<Cost>; 2] = Default::default();
    let mut lengths = [0; 2];
    for round in 0..=runs {
        for (index, program) in [&contest.ours, &contest.theirs].into_iter().enumerate() {
            drop(fs::remove_file(&outputs[index]));
            let cost = program.cost(&folder.join("packing.log"))?;
            lengths[index] = fs::metadata(&outputs[index]).map_or(0, |metadata| metadata.len());
            if round > 0 {
                costs[index].push(cost);
            }
        }
    }
    for output in outputs {
        drop(fs::remove_file(output));
        drop(fs::remove_file(output.with_extension("qcow2.sha256")));
    }
    say(&format!("packing: {}", contest.what));
    let [ours, theirs] = &costs;
    let ratio = |of: fn(&Cost) -> Duration| {
        let pairs = ours.iter().zip(theirs);
        median(pairs.map(|(ours, theirs)| of(theirs).as_secs_f64() / of(ours).as_secs_f64())).context("no runs")
    };
    Ok(Row {
        what: contest.what,
        ours: median_cost(ours).context("no runs")?,
        theirs: median_cost(theirs).context("no runs")?,
        our_bytes: lengths[0],
        their_bytes: lengths[1],
        cpu_ratio: ratio(|cost| cost.cpu)?,
        wall_ratio: ratio(|cost| cost.wall)?,
        targets: contest.targets,
        limit: contest.limit,
    })
}

/// A copy of the image in which every hundredth cluster with data was written over with another one's bytes.
fn dirty_copy(base: &Path, folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("dirty.qcow2");
    let pattern = folder.join("pattern");
    fs::copy(base, &copy)?;
    let image = open(base)?;
    let clusters = data_clusters(&image)?;
    let mut bytes = vec![0; CLUSTER];
    for pair in clusters.chunks_exact(100) {
        image.read_at(pair[1] * CLUSTER as u64, &mut bytes)?;
        fs::write(&pattern, &bytes)?;
        let write = format!(
            "write -q -s {} {} {CLUSTER}",
            pattern.display(),
            pair[0] * CLUSTER as u64
        );
        let path = copy.display().to_string();
        oracle::run("qemu-io", ["-f", "qcow2", "-t", "unsafe", "-c", &write, &path])?;
    }
    fs::remove_file(&pattern)?;
    Ok(copy)
}

fn open(path: &Path) -> Result<Qcow2Image> {
    Ok(Qcow2Image::open(Arc::new(FileDevice::new(File::open(path)?)?))?)
}

/// The clusters that have bytes of their own.
fn data_clusters(image: &Qcow2Image) -> Result<Vec<u64>> {
    let mut clusters = Vec::new();
    for index in 0..image.cluster_count() {
        if !matches!(image.cluster(index)?, Cluster::Unallocated | Cluster::Zero) {
            clusters.push(index);
        }
    }
    Ok(clusters)
}

/// `imgctl-benches read IMAGE`: all of an image through the reader, on every processor.
pub(crate) fn read_everything(path: &Path) -> Result<()> {
    let image = open(path)?;
    let clusters = data_clusters(&image)?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let image = &image;
        let parts: Vec<_> = clusters
            .chunks(clusters.len().div_ceil(workers).max(1))
            .map(|part| scope.spawn(move || read_part(image, part)))
            .collect();
        for part in parts {
            part.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
        }
        Ok(())
    })
}

fn read_part(image: &Qcow2Image, clusters: &[u64]) -> Result<()> {
    let mut bytes = vec![0; CLUSTER];
    for cluster in clusters {
        image.read_at(cluster * CLUSTER as u64, &mut bytes)?;
        black_box(&bytes);
    }
    Ok(())
}

/// The processor time of each codec alone for a whole image, in memory, on one thread.
#[derive(Clone, Copy, Debug, Default)]
struct CodecTimes {
    inflate: Duration,
    deflate: Duration,
    zstd: Duration,
    sha256: Duration,
}

impl CodecTimes {
    fn measure(base: &Path) -> Result<Self> {
        let image = open(base)?;
        let file = File::open(base)?;
        let mut times = Self::default();
        let mut encoder = Encoder::new(6);
        let mut zstd = zstd::bulk::Compressor::new(3)?;
        let mut decoder = Decompress::new(false);
        let (mut bytes, mut stream, mut packed) = (vec![0; CLUSTER], Vec::new(), Vec::new());
        for index in data_clusters(&image)? {
            image.read_at(index * CLUSTER as u64, &mut bytes)?;
            if let Cluster::Compressed { host_offset, sectors } = image.cluster(index)? {
                stream.resize(sectors as usize * 512, 0);
                let length = file.read_at(&mut stream, host_offset)?;
                times.inflate += timed(|| inflate(&mut decoder, &stream[..length], &mut packed))?;
                times.sha256 += timed(|| {
                    black_box(Sha256::digest(&stream[..length]));
                    Ok(())
                })?;
            }
            packed.clear();
            times.deflate += timed(|| {
                black_box(encoder.compress(&bytes, usize::MAX, &mut packed));
                Ok(())
            })?;
            times.zstd += timed(|| {
                black_box(zstd.compress(&bytes)?);
                Ok(())
            })?;
        }
        Ok(times)
    }
}

fn inflate(decoder: &mut Decompress, stream: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.resize(CLUSTER, 0);
    decoder.reset(false);
    decoder.decompress(stream, out, FlushDecompress::Finish)?;
    black_box(&out);
    Ok(())
}

/// The thread's processor time.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let now = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
    let begin = now()?;
    work()?;
    Ok(now()?.saturating_sub(begin))
}
