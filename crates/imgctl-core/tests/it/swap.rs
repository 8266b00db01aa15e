//! A swap file in an image: the kernel takes it, and it costs no space.

use crate::made_guest::judge;
use crate::recipe::recipe;
use imgctl_core::{CustomizeOptions, Destination, InputOptions, OutputOptions, customize};
use imgctl_recipe::OutputFormat;
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::{fixture, oracle, root_or_skip};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn made(base: PathBuf, sections: &str, output: &Path, format: OutputFormat) {
    let options = CustomizeOptions {
        base,
        input: InputOptions::default(),
        recipe: Some(recipe(sections)),
        flags: Vec::new(),
        programs: imgctl_core::ProgramOptions::default(),
        destination: Destination::File(OutputOptions {
            path: output.to_owned(),
            force: false,
            format,
            compression: None,
            cluster_bytes: None,
            compat: imgctl_core::Compat::default(),
            recompress: false,
            thin: false,
            checksums: Vec::new(),
        }),
        digest_base: false,
        wipe_free: false,
        scratch: None,
        threads: None,
        reference_time: Some(1_700_000_000),
        cancel: Default::default(),
    };
    customize(&options, &|_| {}).unwrap();
}

#[test]
fn the_kernel_swaps_to_it_and_the_image_does_not_grow() {
    if !root_or_skip("swap::the_kernel_swaps_to_it_and_the_image_does_not_grow") || !fixture::is_wanted("debian13") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = fixture::image("debian13").unwrap();
    let [without, with, raw] = ["without.qcow2", "with.qcow2", "with.raw"].map(|name| folder.path().join(name));
    made(
        base.clone(),
        "sysctl: { 90-x: { vm.swappiness: 1 } }\n",
        &without,
        OutputFormat::Qcow2,
    );
    let sections = "swap: { path: /swapfile, size: 512MiB }\n";
    made(base, sections, &with, OutputFormat::Qcow2);
    let size = |path: &Path| path.metadata().unwrap().len();
    assert!(
        size(&with) < size(&without) + (1 << 20),
        "{} {}",
        size(&with),
        size(&without)
    );
    oracle::qemu_check(&with).unwrap();

    oracle::qemu_convert(&with, &raw, "raw").unwrap();
    let partition = oracle::partition(&raw, 1).unwrap();
    oracle::e2fsck(&raw, partition).unwrap();
    let mount = Mount::new(&raw, partition, Access::ReadWrite).unwrap();
    let file = mount.path().join("swapfile");
    judge(Command::new("swapon").arg(&file), "util-linux");
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap();
    judge(Command::new("swapoff").arg(&file), "util-linux");
    assert!(
        swaps.contains("swapfile") && swaps.contains(&((512 << 10) - 4).to_string()),
        "{swaps}"
    );
    mount.unmount().unwrap();

    // A second run on its own output changes nothing.
    let again = folder.path().join("again.qcow2");
    made(with.clone(), sections, &again, OutputFormat::Qcow2);
    oracle::qemu_compare(&with, &again).unwrap();
}
