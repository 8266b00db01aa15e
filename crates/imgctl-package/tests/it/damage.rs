//! Damaged databases end in an error or in packages, never otherwise.

use super::guest;
use crate::rpmdb::installed;
use imgctl_package::Database;
use imgctl_testkit::tier::Random;
use imgctl_vfs::GuestPath;
use std::time::Instant;

#[test]
fn damaged_rpm_databases() {
    let folder = installed();
    let path = GuestPath::new("/var/lib/rpm/rpmdb.sqlite").unwrap();
    let mut tree = guest(folder.path());
    let node = tree.find(&path).unwrap().unwrap().node;
    let whole = tree.read_file(node, 1 << 30).unwrap();
    let mut chance = Random::new(11);
    let began = Instant::now();
    let (mut refused, mut read) = (0, 0);
    for round in 0..400_u64 {
        let mut damaged = whole.clone();
        if round % 10 == 0 {
            damaged.truncate(usize::try_from(chance.below(whole.len() as u64)).unwrap());
        }
        let count = 1 + chance.below(8);
        for _ in 0..count {
            // Structures are at the starts of pages.
            let page = chance.below((damaged.len() as u64).div_ceil(4096).max(1)) * 4096;
            let inside = if chance.below(4) == 0 { 4096 } else { 16 };
            let at = usize::try_from(page + chance.below(inside)).unwrap();
            if let Some(byte) = damaged.get_mut(at) {
                *byte = u8::try_from(chance.below(256)).unwrap();
            }
        }
        let fs = tree.fs_mut(node);
        fs.set_len(node.node, 0).unwrap();
        fs.write_at(node.node, 0, &damaged).unwrap();
        match Database::read(&tree) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 20 && read > 20, "{refused} {read}");
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}
