//! qemu-img and qemu-io, the oracles. Without them the tests fail.

use std::path::Path;
use std::process::{Command, Output};

/// Runs a program of qemu's and returns its output; fails the test unless it succeeds.
pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install qemu-utils"));
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a line such as `img create -f qcow2 a.qcow2 1M` or `io a.qcow2 write 0 64k`.
pub(crate) fn line(line: &str, folder: &Path) {
    let mut words = line.split(' ');
    let program = words.next().unwrap();
    match program {
        "img" => {
            let arguments: Vec<&str> = words.collect();
            run("qemu-img", &arguments, folder);
        }
        "io" => {
            let (image, command) = line["io ".len()..].split_once(' ').unwrap();
            run("qemu-io", &["-f", "qcow2", "-c", command, image], folder);
        }
        other => panic!("no such program: {other}"),
    }
}

/// The guest's disk of an image, as qemu-img reads it.
pub(crate) fn raw_of(image: &Path) -> Vec<u8> {
    let folder = image.parent().unwrap();
    let raw = folder.join("oracle.raw");
    let names = [image.to_str().unwrap(), raw.to_str().unwrap()];
    let arguments = ["convert", "-f", "qcow2", "-O", "raw", names[0], names[1]];
    run("qemu-img", &arguments, folder);
    let bytes = std::fs::read(&raw).unwrap();
    std::fs::remove_file(&raw).unwrap();
    bytes
}
