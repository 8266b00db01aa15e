//! Rounds of random operations: the engine, the model, xfs_repair and the kernel agree, whoever wrote last.

use crate::image::{Image, NOW, RHEL_9, RHEL_10, may_mount};

use crate::writing::{commit_and_judge, directory, file};
use imgctl_block::MemoryDevice;
use imgctl_testkit::listing::{Tree, assert_same, of_engine, of_kernel};
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_vfs::{FileKind, ModelFs, NodeId, ReadFs, WriteFs, compare_filesystems, random_operations};
use imgctl_xfs::Xfs;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

/// Option sets on each size of block; small groups, so that a small image has several.
const OPTION_SETS: [&[&str]; 6] = [
    RHEL_9,
    RHEL_10,
    &["-b", "size=1024", "-m", "rmapbt=1,reflink=1", "-d", "agcount=2"],
    &["-m", "reflink=0,rmapbt=0,inobtcount=0", "-i", "sparse=0"],
    &["-m", "finobt=0,inobtcount=0,rmapbt=1", "-i", "size=1024,nrext64=1"],
    &[
        "-b",
        "size=2048",
        "-n",
        "size=8192",
        "-m",
        "rmapbt=1",
        "-i",
        "nrext64=1",
    ],
];

const OPERATIONS: usize = 1000;

fn options(seed: u64) -> &'static [&'static str] {
    OPTION_SETS[seed as usize % OPTION_SETS.len()]
}

#[test]
fn random_operations_agree_with_the_model_and_the_kernel() {
    for seed in tier::seeds(0..6) {
        tier::case("xfs-random", seed, Limits::LARGE, || {
            let image = Image::new(64, options(seed));
            let (device, mut fs) = image.open();
            let mut model = ModelFs::new(NOW);
            let finished = random_operations(&mut fs, &mut model, seed, OPERATIONS, 300_000);
            assert_eq!(finished, Ok(true), "{:?}", options(seed));
            compare_filesystems(&fs, &model).unwrap();
            commit(&image, &device, fs);
            let (_, fresh) = image.open();
            fresh.verify().unwrap();
            compare_filesystems(&fresh, &model).unwrap();
            go_on(&image, Some(&model), seed);
        });
    }
}

/// Directories of thousands of names, which have an index, and files of hundreds of extents, which have a tree.
#[test]
fn wide_directories_and_fragmented_files_agree_too() {
    for seed in tier::seeds(0..3) {
        tier::case("xfs-wide", seed, Limits::LARGE, || {
            let image = Image::new(64, options(seed));
            let (device, mut fs) = image.open();
            let mut model = ModelFs::new(NOW);
            spread(&mut fs, &mut model, &mut Random::new(seed));
            compare_filesystems(&fs, &model).unwrap();
            commit(&image, &device, fs);
            let (_, fresh) = image.open();
            fresh.verify().unwrap();
            compare_filesystems(&fresh, &model).unwrap();
            go_on(&image, Some(&model), seed);
        });
    }
}

/// Applies thousands of operations to both filesystems; their outcomes must be alike.
fn spread(tested: &mut dyn WriteFs, model: &mut dyn WriteFs, random: &mut Random) {
    let names = 500 + random.below(2500);
    let mut both = |random: &mut Random, apply: &dyn Fn(&mut dyn WriteFs, &mut Random) -> imgctl_vfs::Result<()>| {
        let mut again = random.clone();
        let outcomes = [apply(tested, random), apply(model, &mut again)].map(|outcome| outcome.map_err(|e| e.kind()));
        assert_eq!(outcomes[0], outcomes[1]);
    };
    for name in [&b"one"[..], b"two"] {
        both(random, &|fs, _| fs.create(fs.root(), name, &directory()).map(drop));
    }
    for _ in 0..2 * names {
        both(random, &|fs, random| spread_once(fs, random, names));
    }
    for name in [&b"long"[..], b"longer"] {
        both(random, &|fs, random| fragment(fs, random, name));
    }
}

fn spread_once(fs: &mut dyn WriteFs, random: &mut Random, names: u64) -> imgctl_vfs::Result<()> {
    let name = |number: u64| {
        let length = 4 + (number * 31 % 240) as usize;
        format!("{number:0length$}").into_bytes()
    };
    let mut place = || *random.pick(&[&b"one"[..], b"one", b"two"]);
    let places = [place(), place()].map(|name| fs.lookup(fs.root(), name).map(Option::unwrap));
    let [from, to] = places;
    let (old, new) = (name(random.below(names)), name(random.below(names)));
    match random.below(10) {
        0..=5 => {
            let node = fs.create(from?, &old, &file())?;
            let length = random.below(3) * random.below(3000);
            fs.write_at(node, 0, &random.bytes(length as usize))
        }
        6 => fs.create(from?, &old, &directory()).map(drop),
        7 => fs.rename(from?, &old, to?, &new),
        _ => fs.remove(from?, &old),
    }
}

/// Writes that leave gaps and fill some of them, and cuts.
fn fragment(fs: &mut dyn WriteFs, random: &mut Random, name: &[u8]) -> imgctl_vfs::Result<()> {
    let node = fs.create(fs.root(), name, &file())?;
    for _ in 0..1500 {
        let offset = random.below(3000) * 5000;
        let length = 1 + random.below(3000) as usize;
        fs.write_at(node, offset, &random.bytes(length))?;
        if random.below(300) == 0 {
            fs.set_len(node, random.below(15_000_000))?;
        }
    }
    Ok(())
}

/// Files so large that the filesystem fills up, which ends the run.
#[test]
fn a_full_filesystem_is_as_sound_as_any() {
    for seed in tier::seeds(0..3) {
        tier::case("xfs-full", seed, Limits::LARGE, || {
            let image = Image::new(32 + seed % 5, options(seed));
            let (device, mut fs) = image.open();
            let mut model = ModelFs::new(NOW);
            // A few MiB are left to the operations.
            let stat = fs.statfs().unwrap();
            let most = (stat.free_blocks * u64::from(stat.block_bytes)) as usize - (5 << 20);
            for fs in [&mut fs as &mut dyn WriteFs, &mut model] {
                let filler = fs.create(fs.root(), b"filler", &file()).unwrap();
                fs.write_at(filler, 0, &vec![1; most]).unwrap();
            }
            let finished = random_operations(&mut fs, &mut model, seed, 20 * OPERATIONS, 3_000_000);
            assert_eq!(finished, Ok(false), "it never filled up: {:?}", options(seed));
            commit(&image, &device, fs);
            go_on(&image, None, seed);
        });
    }
}

fn commit(image: &Image, device: &MemoryDevice, fs: Xfs) {
    Box::new(fs).commit().unwrap();
    image.store(device);
    image.check();
}

/// The kernel sees what the engine wrote, goes on writing, and the engine goes on after the kernel.
fn go_on(image: &Image, model: Option<&ModelFs>, seed: u64) {
    if !may_mount() {
        return;
    }
    let mut random = Random::new(seed);
    let (_, fs) = image.open();
    let expected = of_engine(&fs);
    {
        let mounted = image.mount("ro,noatime");
        let seen = of_kernel(mounted.path());
        assert_same(&seen, &expected);
        if let Some(model) = model {
            assert_same(&comparable(&seen), &comparable(&of_engine(model)));
        }
    }
    let left = {
        let mounted = image.mount("rw,noatime");
        kernel_writes(mounted.path(), &mut random);
        of_kernel(mounted.path())
    };
    image.check();
    let (device, mut fs) = image.open();
    fs.verify().unwrap();
    assert_same(&of_engine(&fs), &left);
    engine_writes(&mut fs, &mut random);
    commit_and_judge(image, &device, fs);
}

/// What every filesystem has alike: not the root's times, access times, nor the sizes of directories.
fn comparable(tree: &Tree) -> Tree {
    let is_of_the_run = |path: &str| path != "/" && path != "/lost+found";
    let lines = tree.iter().filter(|(path, _)| is_of_the_run(path));
    let lines = lines.map(|(path, line)| {
        let (start, rest) = line.split_once(" size ").unwrap();
        let (sizes, times) = rest.split_once(" a ").unwrap();
        let (_, times) = times.split_once(" m ").unwrap();
        let sizes = if line.starts_with("directory") { "" } else { sizes };
        (path.clone(), format!("{start} {sizes} {times}"))
    });
    lines.collect()
}

/// Every path below a mount point, directories and others apart, sorted.
fn walk(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut directories, mut others) = (vec![root.to_path_buf()], Vec::new());
    let mut next = 0;
    while let Some(directory) = directories.get(next).cloned() {
        next += 1;
        let entries = fs::read_dir(&directory).unwrap().map(Result::unwrap);
        let mut found: Vec<_> = entries
            .map(|entry| (entry.path(), entry.file_type().unwrap()))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, kind) in found {
            match kind.is_dir() {
                true => directories.push(path),
                false => others.push(path),
            }
        }
    }
    (directories, others)
}

/// Random changes by the kernel. A full filesystem refuses some, and that is fine.
fn kernel_writes(root: &Path, random: &mut Random) {
    let mut done = many_files(root);
    for batch in 0..6 {
        let (directories, others) = walk(root);
        for number in 0..30 {
            let new = random.pick(&directories).join(format!("kernel {batch} {number}"));
            let old = others.get(random.below(others.len() as u64) as usize).cloned();
            let old = old.unwrap_or_else(|| new.clone());
            let length = random.below(60_000) as usize;
            let outcome = match random.below(10) {
                0..=2 => fs::write(&new, random.bytes(length)),
                3 => fs::create_dir(&new),
                4 => symlink("t".repeat(1 + length % 900), &new),
                5 => fs::hard_link(&old, &new),
                6 => fs::rename(&old, &new),
                7 => fs::remove_file(&old),
                8 if old.is_file() && !old.is_symlink() => write_into(&old, random, length),
                _ => xattr::set(&old, "trusted.kernel", &random.bytes(length % 300)),
            };
            done += usize::from(outcome.is_ok());
        }
    }
    let (directories, _) = walk(root);
    let last = directories.last().filter(|last| *last != root);
    if let Some(last) = last {
        fs::remove_dir_all(last).unwrap();
    }
    assert!(done > 10, "the kernel did only {done} things");
}

/// Makes thousands of files and removes most of them, which takes the kernel through every tree. A full filesystem takes
/// fewer.
fn many_files(root: &Path) -> usize {
    let folder = root.join("many by the kernel");
    if fs::create_dir(&folder).is_err() {
        return 0;
    }
    let name = |number: usize| folder.join(format!("a file with a number: {number}"));
    let made = (0..1500)
        .filter(|number| fs::write(name(*number), vec![7; number % 3 * 3000]).is_ok())
        .count();
    for number in 0..1500 {
        if number % 5 != 0 {
            fs::remove_file(name(number)).ok();
        }
    }
    made.min(1)
}

fn write_into(path: &Path, random: &mut Random, length: usize) -> std::io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.write_all_at(&random.bytes(length), random.below(200_000))?;
    file.set_len(random.below(200_000))
}

/// Removes about half of what can be removed, and fills the room with new files.
fn engine_writes(fs: &mut Xfs, random: &mut Random) {
    let mut directories = vec![fs.root()];
    let mut next = 0;
    while let Some(directory) = directories.get(next).copied() {
        next += 1;
        for entry in fs.read_dir(directory).unwrap() {
            if fs.metadata(entry.node).unwrap().kind == FileKind::Directory {
                directories.push(entry.node);
            } else if random.below(2) == 0 {
                fs.remove(directory, &entry.name).unwrap();
            }
        }
    }
    for number in 0..60 {
        let directory: NodeId = *random.pick(&directories);
        let name = format!("engine {number}");
        let node = fs.create(directory, name.as_bytes(), &file());
        // Where it fills up, some of these fail.
        if let Ok(node) = node {
            let length = random.below(90_000) as usize;
            let _ = fs.write_at(node, random.below(3) * 50_000, &random.bytes(length));
        }
    }
}
