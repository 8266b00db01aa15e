//! An image that is copied but for what changed stays of its kind: by qemu-img's word, and cluster by cluster.

use crate::content::Noise;
use crate::reader::device;
use crate::{matrix, qemu};
use imgctl_block::{BlockDevice, BlockRead, ExtentKind, FileDevice, Overlay};
use imgctl_qcow2::{
    Cluster, Codec, Compat, Compression, Error, ExternalFiles, Qcow2Image, RawOptions, RewriteOptions, RewriteStats,
    Source, Summary, Untouched, allocation, patch_raw, rewrite,
};
use imgctl_testkit::tier::{self, Limits};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Some changes of every kind: single sectors, whole stretches of text and noise, and stretches that are discarded.
fn change(disk: &Overlay, noise: &mut Noise) {
    let sectors = disk.len_bytes() / 512;
    for _ in 0..6 {
        let start = noise.below(sectors);
        let length = (1 + noise.below(400)).min(sectors - start) * 512;
        match noise.below(3) {
            0 => disk.discard(start * 512, length).unwrap(),
            1 => disk
                .write_at(start * 512, &b"changed\n".repeat(length as usize / 8))
                .unwrap(),
            _ => {
                let bytes: Vec<u8> = (0..512).map(|_| noise.next() as u8).collect();
                disk.write_at(start * 512, &bytes).unwrap();
            }
        }
    }
}

/// The options that keep an image what it is.
fn in_kind<'a>(summary: &Summary, file: &'a File, has_streams: bool) -> RewriteOptions<'a> {
    RewriteOptions {
        compression: match summary.codec {
            _ if !has_streams => Compression::None,
            Codec::Zlib => Compression::Zlib(6),
            Codec::Zstd => Compression::Zstd(3),
        },
        cluster_bytes: summary.cluster_bytes,
        compat: if summary.version == 2 { Compat::V2 } else { Compat::V3 },
        threads: 3,
        backing: summary.backing_file.clone(),
        untouched: Untouched::AsTheyAre { file },
        ..RewriteOptions::default()
    }
}

/// Copies `image`, whose file is `path`, with some changes to `out`, and compares everything there is.
fn copy_and_judge(image: &Arc<Qcow2Image>, path: &Path, out: &Path, seed: u64) -> RewriteStats {
    let overlay = Overlay::new(image.clone() as Arc<dyn BlockRead>);
    change(&overlay, &mut Noise::new(seed));
    let dirty = overlay.dirty_ranges();
    let source = Source {
        content: &overlay,
        base: Some(image),
        dirty: &dirty,
        free: &[],
    };
    let file = File::open(path).unwrap();
    let has_streams = allocation(device(path), None).unwrap().compressed_clusters > 0;
    let options = in_kind(&image.summary(), &file, has_streams);
    let made = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(out)
        .unwrap();
    let stats = rewrite(&source, &made, &options).unwrap();
    let checked = qemu::run(
        "qemu-img",
        &["check", "-f", "qcow2", out.to_str().unwrap()],
        Path::new("/"),
    );
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.starts_with("No errors were found"), "{told}");
    let expected = overlay.read_vec(0, overlay.len_bytes() as usize).unwrap();
    assert!(qemu::raw_of(out) == expected, "the disk differs");

    let backing = image.backing().cloned();
    let copy = Qcow2Image::open_with(device(out), ExternalFiles { backing, data: None }).unwrap();
    compare_summaries(&image.summary(), &copy.summary());
    compare_clusters(image, &copy, &overlay, has_streams);
    stats
}

fn compare_summaries(old: &Summary, new: &Summary) {
    assert_eq!(old.version, new.version);
    assert_eq!(old.virtual_bytes, new.virtual_bytes);
    assert_eq!(old.cluster_bytes, new.cluster_bytes);
    assert_eq!(old.codec, new.codec);
    assert_eq!(old.backing_file, new.backing_file);
    assert_eq!(old.features, new.features);
}

fn compare_clusters(old: &Qcow2Image, new: &Qcow2Image, overlay: &Overlay, has_streams: bool) {
    let size = old.cluster_bytes();
    let dirty = overlay.dirty_ranges();
    for index in 0..old.cluster_count() {
        let (was, is) = (old.cluster(index).unwrap(), new.cluster(index).unwrap());
        let end = (index + 1) * size;
        let touched = dirty
            .iter()
            .any(|range| range.offset < end && range.offset + range.length > index * size);
        let fits = match (was, is) {
            (Cluster::Compressed { .. }, Cluster::Compressed { .. }) if !touched && end <= overlay.len_bytes() => {
                old.compressed_bytes(index).unwrap() == new.compressed_bytes(index).unwrap()
            }
            (Cluster::Compressed { .. }, Cluster::Compressed { .. } | Cluster::Plain { .. }) => true,
            (Cluster::Plain { .. }, Cluster::Plain { .. }) => true,
            (Cluster::Plain { .. } | Cluster::Compressed { .. }, other) => {
                touched && (is_zero(other) || end > overlay.len_bytes())
            }
            (_, Cluster::Compressed { .. }) => touched && has_streams,
            (_, Cluster::Plain { .. }) => touched,
            (Cluster::Unallocated, Cluster::Zero) => touched,
            _ => true,
        };
        assert!(fits, "cluster {index}: {was:?} became {is:?}, touched: {touched}");
    }
}

fn is_zero(cluster: Cluster) -> bool {
    matches!(cluster, Cluster::Zero | Cluster::Unallocated)
}

#[test]
fn every_image_stays_what_it_is() {
    let cases = matrix::cases();
    // Every second one in the bounded tier: each takes qemu-img half a dozen runs.
    let wanted = |seed: &u64| tier::is_long() || seed.is_multiple_of(2);
    for seed in tier::seeds(0..cases.len() as u64).filter(wanted) {
        let case = &cases[seed as usize % cases.len()];
        tier::case("qcow2-in-kind", seed, Limits::LARGE, || {
            let folder = matrix::folder();
            let path = case.make(folder.path());
            let summary = Summary::read(&*device(&path)).unwrap();
            // Refused, or lost on purpose: the caller's business. Disks of a gigabyte take long to read.
            let is_lossy = summary
                .features
                .iter()
                .any(|name| name == "extended L2" || name == "dirty" || name == "bitmaps");
            if is_lossy || summary.data_file.is_some() || summary.virtual_bytes > 64 << 20 {
                return;
            }
            let image = Arc::new(crate::reader::open(&path));
            copy_and_judge(&image, &path, &folder.path().join("copy.qcow2"), seed);
        });
    }
}

#[test]
fn an_overlay_keeps_its_backing_file_and_grows_by_what_changed() {
    for (seed, options) in [
        (1, "cluster_size=65536"),
        (2, "cluster_size=4096"),
        (3, "compat=0.10"),
        (4, "compression_type=zstd"),
    ] {
        let folder = matrix::folder();
        let raw = folder.path().join("disk.raw");
        // Version 2 cannot say that zeros hide what lies below.
        let create = format!("img create -q -f qcow2 -F raw -b disk.raw -o {options} t.qcow2");
        qemu::line(&create, folder.path());
        qemu::line("io t.qcow2 write -q -P 5 1M 200k", folder.path());
        let path = folder.path().join("t.qcow2");
        let backing = Some(device(&raw));
        let image = Qcow2Image::open_with(device(&path), ExternalFiles { backing, data: None }).unwrap();
        let before = std::fs::read(&raw).unwrap();
        let out = folder.path().join("copy.qcow2");
        let stats = copy_and_judge(&Arc::new(image), &path, &out, seed);
        assert!(stats.kept > 0, "{stats:?}");
        assert_eq!(std::fs::read(&raw).unwrap(), before);
        let info = qemu::run("qemu-img", &["info", out.to_str().unwrap()], folder.path());
        let info = String::from_utf8(info.stdout).unwrap();
        assert!(
            info.contains("backing file: disk.raw") && info.contains("backing file format: raw"),
            "{info}"
        );
    }
}

#[test]
fn what_would_not_stay_is_refused() {
    let folder = matrix::folder();
    qemu::line(
        "img convert -f raw -O qcow2 -o extended_l2=on disk.raw t.qcow2",
        folder.path(),
    );
    let path = folder.path().join("t.qcow2");
    let (image, file) = (crate::reader::open(&path), File::open(&path).unwrap());
    let source = Source {
        content: &image,
        base: Some(&image),
        dirty: &[],
        free: &[],
    };
    let options = in_kind(&image.summary(), &file, false);
    let out = tempfile::tempfile().unwrap();
    for (source, options, value) in [
        (source, options.clone(), "subclusters"),
        (Source { base: None, ..source }, options.clone(), "without a base"),
        (
            source,
            RewriteOptions {
                cluster_bytes: 4096,
                ..options
            },
            "another cluster size",
        ),
    ] {
        let error = rewrite(&source, &out, &options).unwrap_err();
        assert!(
            matches!(&error, Error::InvalidOption { value: found, .. } if found == value),
            "{error}"
        );
    }
}

#[test]
fn a_raw_image_is_copied_with_its_holes() {
    let folder = matrix::folder();
    let path = folder.path().join("disk.raw");
    let base = Arc::new(FileDevice::new(File::open(&path).unwrap()).unwrap());
    let overlay = Overlay::new(base.clone() as Arc<dyn BlockRead>);
    overlay.discard(64 << 10, 1 << 20).unwrap();
    overlay.write_at((2 << 20) + 100, b"changed").unwrap();
    let dirty = overlay.dirty_ranges();
    let source = Source {
        content: &overlay,
        base: None,
        dirty: &dirty,
        free: &[],
    };
    let out = tempfile::tempfile_in(folder.path()).unwrap();
    let stats = patch_raw(&source, base.file(), &out, &RawOptions::default()).unwrap();
    let copy = FileDevice::new(out).unwrap();
    assert_eq!(stats.file_bytes, copy.len_bytes());
    let all = |device: &dyn BlockRead| device.read_vec(0, device.len_bytes() as usize).unwrap();
    assert!(all(&copy) == all(&overlay));
    assert_eq!(copy.extent_at(128 << 10).unwrap().kind, ExtentKind::Hole);
}
