//! Two readers by other people, where they support what an image uses.

use crate::matrix;
use crate::reader::open;
use imago::file::File as ImagoFile;
use imago::qcow2::Qcow2;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, PermissiveImplicitOpenGate};
use imgctl_block::BlockRead;
use qcow2_rs::dev::Qcow2DevParams;
use qcow2_rs::helpers::Qcow2IoBuf;
use qcow2_rs::utils::qcow2_setup_dev_sync;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// More is not read of a disk.
const MOST_BYTES: u64 = 8 << 20;

fn by_imago(path: &Path, length: usize) -> Option<Vec<u8>> {
    let builder = Qcow2::<ImagoFile>::builder_path(path);
    let image = builder.open(PermissiveImplicitOpenGate::default()).ok()?;
    let image = FormatAccess::new(image);
    let mut bytes = vec![0; length];
    image.read(&mut bytes[..], 0).ok()?;
    Some(bytes)
}

/// Its futures over synchronous files are ready at once.
fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..1000).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

fn by_qcow2_rs(path: &Path, length: usize) -> Option<Vec<u8>> {
    // It panics on what it does not know.
    let read = || {
        let params = Qcow2DevParams::new(9, None, None, true, false);
        let device = qcow2_setup_dev_sync(path, &params).ok()?;
        now(device.qcow2_prep_io())?.ok()?;
        let mut bytes = Qcow2IoBuf::<u8>::new(length);
        let count = now(device.read_at(&mut bytes, 0))?.ok()?;
        (count == length).then(|| bytes.to_vec())
    };
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

#[test]
fn other_readers_read_the_same() {
    let _ = DenyImplicitOpenGate::default();
    let (mut imago, mut qcow2_rs) = (0, 0);
    for case in matrix::cases() {
        let folder = matrix::folder();
        let path = case.make(folder.path());
        let image = open(&path);
        let length = image.len_bytes().min(MOST_BYTES) as usize;
        let expected = image.read_vec(0, length).unwrap();
        if let Some(found) = by_imago(&path, length) {
            assert!(found == expected, "imago differs: {}", case.name);
            imago += 1;
        }
        let known = image.summary().features.is_empty() && image.codec() == imgctl_qcow2::Codec::Zlib;
        if known && let Some(found) = by_qcow2_rs(&path, length) {
            assert!(found == expected, "qcow2-rs differs: {}", case.name);
            qcow2_rs += 1;
        }
    }
    assert!(imago > 40 && qcow2_rs > 20, "{imago} by imago, {qcow2_rs} by qcow2-rs");
}
