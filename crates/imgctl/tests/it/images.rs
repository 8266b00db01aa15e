//! `convert`, `compare`, `info` and `check`, with qemu-img as the judge.

use crate::environment::TestEnvironment;
use rustix::fs::inotify;
use snapbox::{IntoData, str};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

/// Runs qemu-img or qemu-io in the environment's folder.
fn qemu(environment: &TestEnvironment, line: &str) {
    let (program, arguments) = line.split_once(' ').unwrap();
    let arguments: Vec<&str> = match program {
        "qemu-io" => {
            let (image, command) = arguments.split_once(' ').unwrap();
            vec!["-c", command, image]
        }
        _ => arguments.split_whitespace().collect(),
    };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(environment.path("."))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install qemu-utils"));
    assert!(output.status.success(), "{line}: {output:?}");
}

fn run(environment: &TestEnvironment, arguments: &str) {
    environment.imgctl(arguments).assert().success();
}

fn refused(environment: &TestEnvironment, arguments: &str, code: i32, message: impl IntoData) {
    let names = environment.names();
    environment
        .imgctl(arguments)
        .timeout(Duration::from_secs(30))
        .assert()
        .code(code)
        .stdout_eq("")
        .stderr_eq(message);
    assert_eq!(environment.names(), names);
}

#[test]
fn every_way_to_convert_keeps_the_disk() {
    let environment = TestEnvironment::with_base();
    run(&environment, "convert base.qcow2 disk.raw --format raw --no-sparsify");
    qemu(&environment, "qemu-img compare -q -f qcow2 -F raw base.qcow2 disk.raw");
    for (number, options) in [
        "--compress zlib:1",
        "--compress zstd",
        "--compress none",
        "--compress zlib:9 --cluster-size 4K",
        "--compat 0.10",
        "--recompress --cluster-size 2M --compress zstd:1",
        "--no-passthrough",
    ]
    .iter()
    .enumerate()
    {
        for input in ["base.qcow2", "disk.raw"] {
            let output = format!("{number}.qcow2");
            run(
                &environment,
                &format!("convert {input} {output} --no-sparsify --force {options}"),
            );
            qemu(&environment, &format!("qemu-img check -q -f qcow2 {output}"));
            qemu(
                &environment,
                &format!("qemu-img compare -q -f raw -F qcow2 disk.raw {output}"),
            );
            run(&environment, &format!("compare disk.raw {output} --strict"));
            run(&environment, &format!("check {output}"));
        }
    }
    let digest = fs::read_to_string(environment.path("disk.raw.sha256")).unwrap();
    assert!(digest.ends_with("  disk.raw\n"), "{digest}");
}

#[test]
fn recompressed_images_depend_on_the_disk_alone() {
    let environment = TestEnvironment::with_base();
    run(&environment, "convert base.qcow2 disk.raw --format raw --no-sparsify");
    qemu(&environment, "qemu-img convert -f raw -O raw -S 0 disk.raw dense.raw");
    let mut images = Vec::new();
    for (input, threads) in [("base.qcow2", 1), ("disk.raw", 2), ("dense.raw", 4), ("base.qcow2", 8)] {
        run(
            &environment,
            &format!("convert {input} out.qcow2 --recompress --force --threads {threads}"),
        );
        images.push(fs::read(environment.path("out.qcow2")).unwrap());
    }
    assert!(images.iter().all(|image| *image == images[0]));
}

#[test]
fn what_no_filesystem_uses_is_left_out_and_nothing_else() {
    let environment = TestEnvironment::with_base();
    run(&environment, "convert base.qcow2 disk.raw --format raw --no-sparsify");
    let record = environment
        .imgctl("convert base.qcow2 a.qcow2 --json")
        .output()
        .unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record.stdout).unwrap();
    let free = record["free_bytes"].as_u64().unwrap();
    assert!(free > 100 << 20, "{record}");
    // Noise in free space: gone by default, kept on demand.
    let comparison = |one: &str, other: &str| {
        let output = environment
            .imgctl(&format!("compare {one} {other} --json"))
            .output()
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    qemu(&environment, "qemu-io disk.raw write -q -P 7 190M 100k");
    let found = comparison("disk.raw", "base.qcow2");
    assert_eq!(found["equal"], false);
    let place = found["first_difference"]["place"].as_str().unwrap().to_owned();
    assert_eq!(place, "free space of ext4", "{found}");
    run(&environment, "convert disk.raw sparse.qcow2");
    run(&environment, "convert disk.raw whole.qcow2 --no-sparsify");
    assert_eq!(comparison("sparse.qcow2", "base.qcow2")["equal"], true);
    assert_eq!(comparison("whole.qcow2", "disk.raw")["equal"], true);
    run(&environment, "cat sparse.qcow2 /etc/os-release");
}

#[test]
fn swap_contents_are_dropped_on_demand() {
    let environment = TestEnvironment::new();
    environment.write("disk.raw", vec![7; 20 << 20]);
    let output = Command::new("mkswap")
        .args(["-q", "-L", "swapped", "disk.raw"])
        .current_dir(environment.path("."))
        .output()
        .expect("apt-get install util-linux");
    assert!(output.status.success());
    let disk = fs::read(environment.path("disk.raw")).unwrap();
    run(&environment, "convert disk.raw kept.raw --format raw");
    assert!(fs::read(environment.path("kept.raw")).unwrap() == disk);
    for options in ["--format raw", "--cluster-size 2M", "--cluster-size 512"] {
        run(
            &environment,
            &format!("convert disk.raw out.img --drop-swap --force {options}"),
        );
        run(&environment, "convert out.img out.raw --format raw --force");
        let dropped = fs::read(environment.path("out.raw")).unwrap();
        assert!(dropped[..65536] == disk[..65536], "{options}");
        assert!(dropped[65536..].iter().all(|byte| *byte == 0), "{options}");
    }
}

#[test]
fn the_first_difference_is_named_by_its_file() {
    let environment = TestEnvironment::with_base();
    run(&environment, "convert base.qcow2 disk.raw --format raw --no-sparsify");
    let mut disk = fs::read(environment.path("disk.raw")).unwrap();
    let name = b"PRETTY_NAME=";
    let at = disk.windows(name.len()).position(|window| window == name).unwrap();
    disk[at] = b'X';
    fs::write(environment.path("other.raw"), &disk).unwrap();
    environment
        .imgctl("compare base.qcow2 other.raw")
        .assert()
        .code(1)
        .stdout_eq(str![[r#"
different from offset [..] on
where: partition 1, offset [..] in it: file /usr/lib/os-release

"#]])
        .stderr_eq("");
    disk[100] ^= 1;
    fs::write(environment.path("other.raw"), &disk).unwrap();
    environment
        .imgctl("compare other.raw base.qcow2")
        .assert()
        .code(1)
        .stdout_eq(str![[r#"
different from offset 100 on
where: outside of all partitions (partition table, boot loader, or a gap)

"#]]);
    environment.write("zeros.raw", vec![0; 5000]);
    environment.write("longer.raw", vec![0; 9000]);
    environment.imgctl("compare zeros.raw longer.raw").assert().code(0);
    environment
        .imgctl("compare --strict zeros.raw longer.raw")
        .assert()
        .code(1);
    environment.imgctl("compare zeros.raw missing.raw").assert().code(2);
    environment.imgctl("compare zeros.raw").assert().code(2);
}

#[test]
fn a_disk_of_64_tib_costs_little() {
    let environment = TestEnvironment::new();
    qemu(&environment, "qemu-img create -q -f qcow2 huge.qcow2 63T");
    qemu(&environment, "qemu-io huge.qcow2 write -q -P 5 62T 200k");
    for command in [
        "convert huge.qcow2 out.qcow2 --recompress",
        "compare huge.qcow2 out.qcow2",
        "info huge.qcow2",
        "check out.qcow2",
    ] {
        // 300 MB of address space for everything.
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v 600000; exec \"$0\" {command}"))
            .arg(snapbox::cmd::cargo_bin!("imgctl"))
            .current_dir(environment.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    assert!(fs::metadata(environment.path("out.qcow2")).unwrap().len() < 4 << 20);
}

/// A chain of three: raw, qcow2, and `top.qcow2` in a folder of its own.
fn chain() -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    fs::create_dir_all(environment.path("store/deep")).unwrap();
    for line in [
        "qemu-img convert -O raw base.qcow2 store/base.raw",
        "qemu-img create -q -f qcow2 -b base.raw -F raw store/middle.qcow2 200M",
        "qemu-io store/middle.qcow2 write -q -P 3 195M 100k",
        "qemu-img create -q -f qcow2 -b ../middle.qcow2 -F qcow2 store/deep/upper.qcow2",
        "qemu-img create -q -f qcow2 -b store/deep/upper.qcow2 -F qcow2 top.qcow2 220M",
        "qemu-io top.qcow2 write -q -P 4 10M 70k",
    ] {
        qemu(&environment, line);
    }
    environment
}

#[test]
fn a_chain_is_read_where_it_is_allowed() {
    let environment = chain();
    for options in ["", "--compress none"] {
        run(
            &environment,
            &format!("convert top.qcow2 flat.qcow2 --no-sparsify --force --allow-backing store {options}"),
        );
        qemu(
            &environment,
            "qemu-img compare -q -f qcow2 -F qcow2 top.qcow2 flat.qcow2",
        );
        qemu(&environment, "qemu-img check -q flat.qcow2");
    }
    run(&environment, "compare top.qcow2 flat.qcow2 --allow-backing store");
    run(&environment, "inspect top.qcow2 --allow-backing store");
    run(&environment, "info top.qcow2");
    // Only the folder of the first two.
    refused(
        &environment,
        "convert top.qcow2 no.qcow2 --allow-backing store/deep",
        12,
        str![[r#"
error: the backing file "../middle.qcow2" of store/deep/upper.qcow2 is not opened: [..]/store/middle.qcow2 lies outside of the allowed folders
hint: allow its folder with --allow-backing DIR if the image is to be trusted with it

"#]],
    );
    refused(
        &environment,
        "convert top.qcow2 no.qcow2",
        12,
        str![[r#"
error: cannot open the qcow2 image top.qcow2
caused by: the image needs its backing file "store/deep/upper.qcow2", which is not opened by default; allow it, or flatten the image first with `qemu-img convert`
hint: [..]--allow-backing DIR[..]

"#]],
    );
    // Neither is a member of the chain overwritten.
    refused(
        &environment,
        "convert top.qcow2 store/base.raw --force --allow-backing store",
        2,
        str![[r#"
warning: store/base.raw will be a qcow2 image; use --format raw for a raw one
error: the output store/base.raw is the base image itself
hint: the base is never written; name another output

"#]],
    );
}

#[test]
fn data_files_are_allowed_likewise() {
    let environment = TestEnvironment::new();
    for raw in ["off", "on"] {
        fs::create_dir_all(environment.path("data")).unwrap();
        qemu(
            &environment,
            &format!("qemu-img create -q -f qcow2 -o data_file=data/{raw}.img,data_file_raw={raw} {raw}.qcow2 8M"),
        );
        qemu(&environment, &format!("qemu-io {raw}.qcow2 write -q -P 5 1M 200k"));
        environment
            .imgctl(&format!("convert {raw}.qcow2 flat.qcow2 --allow-backing /usr"))
            .assert()
            .code(12);
        run(
            &environment,
            &format!("convert {raw}.qcow2 flat.qcow2 --force --allow-backing data"),
        );
        qemu(&environment, &format!("qemu-img compare -q {raw}.qcow2 flat.qcow2"));
        run(&environment, &format!("info {raw}.qcow2"));
        run(&environment, &format!("check {raw}.qcow2"));
    }
}

#[test]
fn loops_and_endless_chains_are_refused() {
    let environment = TestEnvironment::new();
    qemu(&environment, "qemu-img create -q -f qcow2 a.qcow2 1M");
    qemu(&environment, "qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 b.qcow2");
    qemu(&environment, "qemu-img rebase -u -f qcow2 -b b.qcow2 -F qcow2 a.qcow2");
    refused(
        &environment,
        "compare b.qcow2 a.qcow2 --allow-backing .",
        12,
        str![[r#"
error: the backing chain is a loop: b.qcow2 comes up a second time

"#]],
    );
    qemu(&environment, "qemu-img create -q -f qcow2 0.qcow2 1M");
    for number in 0..17 {
        let above = number + 1;
        qemu(
            &environment,
            &format!("qemu-img create -q -f qcow2 -b {number}.qcow2 -F qcow2 {above}.qcow2 1M"),
        );
    }
    run(&environment, "compare 16.qcow2 0.qcow2 --allow-backing .");
    refused(
        &environment,
        "compare 17.qcow2 0.qcow2 --allow-backing .",
        12,
        str![[r#"
error: the backing chain is longer than 16 images
hint: flatten it first: qemu-img convert -O qcow2 IN OUT

"#]],
    );
}

#[test]
fn a_format_is_never_guessed() {
    let environment = TestEnvironment::new();
    qemu(&environment, "qemu-img create -q -f qcow2 low.qcow2 1M");
    qemu(
        &environment,
        "qemu-img create -q -f qcow2 -b low.qcow2 -F qcow2 top.qcow2",
    );
    // An image from before formats were named.
    let mut bytes = fs::read(environment.path("top.qcow2")).unwrap();
    let kind = bytes.windows(4).position(|window| window == [0xe2, 0x79, 0x2a, 0xca]);
    bytes[kind.unwrap()] = 0x12;
    fs::write(environment.path("top.qcow2"), bytes).unwrap();
    refused(
        &environment,
        "compare top.qcow2 low.qcow2 --allow-backing .",
        12,
        str![[r#"
error: top.qcow2 does not say which format its backing file "low.qcow2" has
hint: say it with --backing-format raw or --backing-format qcow2; it is never guessed

"#]],
    );
    run(
        &environment,
        "compare top.qcow2 low.qcow2 --allow-backing . --backing-format qcow2",
    );
}

/// Whether anybody opened or read the watched file since the last call.
fn was_touched(watch: &rustix::fd::OwnedFd) -> bool {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    inotify::Reader::new(watch, &mut buffer).next().is_ok()
}

/// Names that an image could give its backing file to make a host read what it must not.
const HOSTILE_NAMES: &[&str] = &[
    "nbd://127.0.0.1:1/x",
    "nbd:127.0.0.1:1",
    "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"secret\"}}",
    "file:secret",
    "file:///etc/shadow",
    "http://127.0.0.1/x",
    "fat:store",
    "/etc/shadow",
    "/dev/stdin",
    "/dev/zero",
    "/proc/self/environ",
    "../secret",
    "secret",
    "store/../secret",
    "store/link",
    "store/up/secret",
    "store/pipe",
    "pipe",
    "store/folder",
    "store/missing",
];

/// A secret outside of `store`, and links, pipes and folders that lead to it or hang whoever opens them.
fn lay_traps(environment: &TestEnvironment) {
    fs::create_dir_all(environment.path("store/folder")).unwrap();
    environment.write("secret", vec![b's'; 1 << 20]);
    environment.write("store/harmless", vec![b'h'; 1 << 20]);
    symlink("../secret", environment.path("store/link")).unwrap();
    symlink("..", environment.path("store/up")).unwrap();
    for pipe in [environment.path("store/pipe"), environment.path("pipe")] {
        // Opening one would wait for ever.
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, pipe, kind, mode, 0).unwrap();
    }
}

/// Runs every command that meets a backing file's name: all are refused, or do without it.
fn meet_a_hostile_name(environment: &TestEnvironment, name: &str, watch: &rustix::fd::OwnedFd) {
    let refused = [
        "convert hostile.qcow2 out.qcow2",
        "convert hostile.qcow2 out.qcow2 --allow-backing store",
        "inspect hostile.qcow2 --allow-backing store",
        "compare hostile.qcow2 hostile.qcow2 --allow-backing store",
        "customize hostile.qcow2 -o out.qcow2 --allow-backing store",
    ];
    let without = ["info hostile.qcow2", "check hostile.qcow2"];
    let commands = refused
        .map(|command| (command, 12))
        .into_iter()
        .chain(without.map(|command| (command, 0)));
    for (command, code) in commands {
        let output = environment
            .imgctl(command)
            .timeout(Duration::from_secs(20))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {command}: {output:?}");
        assert!(!environment.path("out.qcow2").exists());
        assert!(!was_touched(watch), "{name}: {command} opened the secret");
    }
}

#[test]
fn a_hostile_name_is_never_opened() {
    let environment = TestEnvironment::new();
    lay_traps(&environment);
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let events = inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS;
    inotify::add_watch(&watch, environment.path("secret"), events).unwrap();
    fs::read(environment.path("secret")).unwrap();
    assert!(was_touched(&watch), "the watch works");
    while was_touched(&watch) {}

    let absolute = environment.path("secret").display().to_string();
    for name in HOSTILE_NAMES.iter().copied().chain([absolute.as_str()]) {
        qemu(&environment, "qemu-img create -q -f qcow2 hostile.qcow2 1M");
        let rebase = ["rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", name, "hostile.qcow2"];
        let output = Command::new("qemu-img")
            .args(rebase)
            .current_dir(environment.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        meet_a_hostile_name(&environment, name, &watch);
    }
    // And the harmless one is opened, so the refusals above are not for another reason.
    qemu(
        &environment,
        "qemu-img rebase -u -f qcow2 -F raw -b store/harmless hostile.qcow2",
    );
    run(&environment, "convert hostile.qcow2 out.qcow2 --allow-backing store");
}

#[test]
fn info_tells_what_an_image_is() {
    let environment = TestEnvironment::new();
    for line in [
        "qemu-img create -q -f qcow2 -o lazy_refcounts=on t.qcow2 10M",
        "qemu-io t.qcow2 write -q -P 5 0 128k",
        "qemu-img snapshot -c first t.qcow2",
        "qemu-io t.qcow2 write -q -z 1M 64k",
    ] {
        qemu(&environment, line);
    }
    environment
        .imgctl("info t.qcow2")
        .assert()
        .success()
        .stdout_eq(str![[r#"
image        t.qcow2
format       qcow2, compat 1.1
disk         10.00 MiB (10485760 bytes)
file         [..]
clusters     160 of 64.00 KiB: 2 plain, 1 zero, 157 unallocated
compression  none (would be zlib)
refcounts    16 bits
features     lazy refcounts

snapshot  name   made (UTC)           disk       machine state
       1  first  [..]  10.00 MiB  -

"#]])
        .stderr_eq("");
    let output = environment.imgctl("info --json t.qcow2").output().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(info["allocation"]["plain"], 2);
    assert_eq!(info["snapshots"][0]["name"], "first");
    assert_eq!(info["virtual_bytes"], 10 << 20);
}

#[test]
fn check_exits_as_qemu_img_does() {
    let environment = TestEnvironment::new();
    environment.write("disk.raw", vec![7; 1 << 20]);
    qemu(&environment, "qemu-img convert -f raw -O qcow2 disk.raw t.qcow2");
    let sound = fs::read(environment.path("t.qcow2")).unwrap();
    let u64_at = |at: usize| u64::from_be_bytes(sound[at..at + 8].try_into().unwrap()) as usize;
    let l1 = u64_at(40);
    let l2 = u64_at(l1) & 0x00ff_ffff_ffff_fe00;
    environment.imgctl("check t.qcow2").assert().code(0);
    let damaged = |at: usize, value: u64| {
        let mut image = sound.clone();
        image[at..at + 8].copy_from_slice(&value.to_be_bytes());
        fs::write(environment.path("bad.qcow2"), image).unwrap();
    };
    damaged(l2, 0);
    environment
        .imgctl("check bad.qcow2")
        .assert()
        .code(3)
        .stdout_eq(str![[r#"
leak: the cluster at 0x50000 is leaked
1 leaked clusters: space is wasted, no data is harmed
[..]

"#]]);
    damaged(l2, u64_at(l2 + 8) as u64);
    environment.imgctl("check bad.qcow2").assert().code(2);
    damaged(24, 1 << 63);
    environment.imgctl("check bad.qcow2").assert().code(1);
    for (arguments, code) in [
        ("check disk.raw", 63),
        ("check missing", 1),
        ("check", 1),
        ("check --help", 0),
    ] {
        environment.imgctl(arguments).assert().code(code);
    }
}

#[test]
fn a_fixed_vhd_is_recognised_by_its_end() {
    let environment = TestEnvironment::new();
    environment.write("disk.raw", vec![7; 1 << 20]);
    qemu(
        &environment,
        "qemu-img convert -f raw -O vpc -o subformat=fixed disk.raw disk.vhd",
    );
    refused(
        &environment,
        "convert disk.vhd out.qcow2",
        12,
        str![[r#"
error: the image disk.vhd is a VHD image, which is not supported
hint: convert it first: qemu-img convert -f vpc -O qcow2 IN OUT.qcow2

"#]],
    );
}

/// A loop device that goes away with the test.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[test]
fn a_block_device_is_read_and_written_with_force() {
    if !rustix::process::geteuid().is_root() {
        let skip = std::env::var_os("IMGCTL_TEST_NO_ROOT").is_some_and(|value| value == "1");
        assert!(
            skip,
            "loop devices need root; IMGCTL_TEST_NO_ROOT=1 leaves this test out"
        );
        return;
    }
    let environment = TestEnvironment::with_base();
    run(&environment, "convert base.qcow2 disk.raw --format raw --no-sparsify");
    // Nothing of what was there may remain.
    environment.write("device.img", vec![0xee; 200 << 20]);
    let output = Command::new("losetup")
        .args(["--find", "--show"])
        .arg(environment.path("device.img"))
        .output()
        .expect("apt-get install mount");
    assert!(output.status.success(), "{output:?}");
    let device = Loop(String::from_utf8(output.stdout).unwrap().trim().to_owned());
    let path = &device.0;
    refused(
        &environment,
        &format!("convert base.qcow2 {path} --format raw"),
        2,
        str![[r#"
error: the output /dev/loop[..] is a block device
hint: writing to it destroys what it holds, and a failure leaves it half written; --force does it all the same

"#]],
    );
    environment
        .imgctl(&format!("convert base.qcow2 {path} --format raw --force --no-sparsify"))
        .assert()
        .success()
        .stderr_eq(str![[r#"
warning: the device /dev/loop[..] is written in place: until the end it holds neither the old nor the new disk
...

"#]]);
    assert!(!std::path::Path::new(&format!("{path}.sha256")).exists());
    let written = fs::read(environment.path("device.img")).unwrap();
    let disk = fs::read(environment.path("disk.raw")).unwrap();
    assert!(written[..disk.len()] == disk[..]);
    assert!(written[disk.len()..].iter().all(|byte| *byte == 0xee));
    run(
        &environment,
        &format!("convert {path} back.qcow2 --input-format raw --no-sparsify"),
    );
    qemu(
        &environment,
        "qemu-img compare -q -f qcow2 -F raw back.qcow2 device.img",
    );

    run(
        &environment,
        &format!("convert base.qcow2 {path} --force --no-sparsify"),
    );
    qemu(&environment, &format!("qemu-img check -q -f qcow2 {path}"));
    qemu(
        &environment,
        &format!("qemu-img compare -q -f qcow2 -F raw {path} disk.raw"),
    );
    run(&environment, &format!("compare {path} disk.raw"));
    environment
        .imgctl(&format!("customize base.qcow2 -o {path} --force"))
        .assert()
        .code(2);
}
