//! Attributes in memory: there and back, at the edges of the room, and damage.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use super::*;
use crate::format::checksum::Checksum;

/// The room in an inode of 256 bytes with `i_extra_isize` of 32.
const ROOM: usize = 96;

fn xattrs(list: &[(&str, usize)]) -> Xattrs {
    let value = |(at, bytes): (usize, usize)| (0..bytes).map(|byte| b"0123456789"[(at + byte) % 10]).collect();
    let pairs = list.iter().enumerate();
    pairs
        .map(|(at, &(name, bytes))| (name.as_bytes().to_vec(), value((at, bytes))))
        .collect()
}

/// What a placement holds, inode and block together.
fn decode(placement: &Placement) -> (Xattrs, Xattrs) {
    let inline = decode_inline(&placement.inline).expect("the inode's attributes are sound");
    let block = placement.block.as_deref().map(|block| {
        let (xattrs, references) = decode_block(block).expect("the block is sound");
        assert_eq!(references, 1);
        xattrs
    });
    (inline, block.unwrap_or_default())
}

#[test]
fn attributes_come_back() {
    let cases: [&[(&str, usize)]; 6] = [
        &[],
        &[("security.selinux", 30)],
        &[("user.empty", 0), ("user.one", 1), ("trusted.x", 5)],
        &[("user.big", 3000), ("security.capability", 20), ("user.a", 900)],
        &[("user.größe", 7), ("system.other", 200), ("system.richacl", 100)],
        &[("user.large", 4000)],
    ];
    for case in cases {
        for room in [0, 4, 7, 8, 28, 29, 30, 31, ROOM, 1000] {
            let all = xattrs(case);
            let placement = place(&all, room, 4096).expect("there is room");
            assert_eq!(placement.inline.len(), room);
            let (mut inline, block) = decode(&placement);
            assert!(inline.len() + block.len() == all.len(), "none is in both");
            inline.extend(block);
            assert_eq!(inline, all);
        }
    }
}

#[test]
fn the_largest_leave_the_inode_first() {
    let all = xattrs(&[("user.a", 40), ("user.b", 200), ("security.selinux", 30)]);
    let (inline, block) = decode(&place(&all, ROOM, 4096).expect("there is room"));
    assert_eq!(inline.keys().collect::<Vec<_>>(), [b"security.selinux".as_slice()]);
    assert_eq!(block.len(), 2);
    let placement = place(&all, 1000, 4096).expect("there is room");
    assert_eq!(placement.block, None);
}

#[test]
fn every_byte_can_be_used() {
    // 16 bytes of header and one of name, rounded up, beside the value.
    let block_value = 4096 - 32 - 4 - 20;
    let inline_value = ROOM - 4 - 4 - 20;
    let both = xattrs(&[("user.a", block_value), ("user.b", inline_value)]);
    assert!(place(&both, ROOM, 4096).is_ok());
    for wrong in [(block_value + 1, inline_value), (block_value, inline_value + 1)] {
        let more = xattrs(&[("user.a", wrong.0), ("user.b", wrong.1)]);
        assert_eq!(place(&more, ROOM, 4096), Err(XattrError::NoRoom));
    }
    // The largest that leaves the inode would not fit the block; another division does.
    let tight = xattrs(&[("user.a", block_value - 48), ("user.b", 44), ("user.c", 28)]);
    let (inline, block) = decode(&place(&tight, ROOM, 4096).expect("there is room"));
    assert_eq!((inline.len(), block.len()), (1, 2));
    assert!(inline.contains_key(b"user.b".as_slice()));
}

#[test]
fn names_and_lists_that_cannot_be_stored_are_refused() {
    let long = "user.".to_owned() + &"x".repeat(256);
    for name in [
        "user",
        "user.",
        "other.name",
        "system.data",
        "system.",
        "user.a\0b",
        "",
        &long,
    ] {
        let refused = place(&xattrs(&[(name, 3)]), ROOM, 4096);
        assert!(matches!(refused, Err(XattrError::Name { .. })), "{name}");
    }
    let list = xattrs(&[("system.posix_acl_access", 3)]);
    assert!(matches!(place(&list, ROOM, 4096), Err(XattrError::Acl { .. })));
    let longest = "user.".to_owned() + &"x".repeat(255);
    assert!(place(&xattrs(&[(&longest, 3)]), ROOM, 4096).is_ok());
}

/// One entry in an inode, changed by `change`.
fn damaged(change: impl Fn(&mut [u8])) -> Result<Xattrs, XattrDamage> {
    let mut region = place(&xattrs(&[("user.a", 8)]), ROOM, 4096)
        .expect("there is room")
        .inline;
    change(&mut region[4..]);
    decode_inline(&region)
}

#[test]
fn damage_is_named() {
    let name = || "user.a".to_owned();
    assert_eq!(damaged(|_| ()).map(|xattrs| xattrs.len()), Ok(1));
    assert_eq!(damaged(|area| area[1] = 9), Err(XattrDamage::NameIndex { index: 9 }));
    assert_eq!(damaged(|area| area[1] = 2), Err(XattrDamage::Name { index: 2 }));
    assert_eq!(
        damaged(|area| (area[0], area[16]) = (0, 0)),
        Err(XattrDamage::Name { index: 1 })
    );
    assert_eq!(damaged(|area| area[0] = 255), Err(XattrDamage::Unterminated));
    assert_eq!(damaged(|area| area[2] = 0), Err(XattrDamage::Value { name: name() }));
    assert_eq!(damaged(|area| area[2] = 92), Err(XattrDamage::Value { name: name() }));
    assert_eq!(damaged(|area| area[11] = 255), Err(XattrDamage::Value { name: name() }));
    assert_eq!(
        damaged(|area| area[4] = 1),
        Err(XattrDamage::ValueInode { name: name() })
    );
    assert_eq!(damaged(|area| area[20..].fill(1)), Err(XattrDamage::Unterminated));
    let data = damaged(|area| {
        area[..2].copy_from_slice(&[4, 7]);
        area[16..20].copy_from_slice(b"data");
    });
    assert_eq!(data, Err(XattrDamage::InlineData));

    let block = place(&xattrs(&[("user.a", 8)]), 0, 1024).expect("there is room").block;
    let block = block.expect("the inode has no room");
    for at in [0, 4, 8] {
        let mut block = block.clone();
        block[at] ^= 1;
        assert_eq!(decode_block(&block), Err(XattrDamage::Header));
    }
    assert_eq!(decode_block(&[]), Err(XattrDamage::Header));
    assert_eq!(decode_block(&block[..40]), Err(XattrDamage::Unterminated));
}

#[test]
fn the_checksum_depends_on_block_and_place() {
    let seed = Checksum::with_seed(5);
    let block = place(&xattrs(&[("user.a", 8)]), 0, 1024).expect("there is room").block;
    let mut block = block.expect("the inode has no room");
    set_block_checksum(&mut block, seed, 77);
    assert_eq!(verify_block_checksum(&block, seed, 77), Ok(()));
    assert_eq!(verify_block_checksum(&block, seed, 78), Err(XattrDamage::Checksum));
    set_block_references(&mut block, 3);
    assert_eq!(verify_block_checksum(&block, seed, 77), Err(XattrDamage::Checksum));
    set_block_checksum(&mut block, seed, 77);
    assert_eq!(verify_block_checksum(&block, seed, 77), Ok(()));
    assert_eq!(decode_block(&block).map(|(_, references)| references), Ok(3));
}

/// Whatever the bytes, decoding ends, never panics, and gives no more than the area could hold.
#[test]
fn random_bytes_are_harmless() {
    let all = xattrs(&[("user.a", 100), ("security.b", 200), ("trusted.c", 0), ("user.d", 300)]);
    let block = place(&all, 0, 1024)
        .expect("there is room")
        .block
        .expect("the inode has no room");
    let mut number: u64 = 1;
    for _ in 0..20_000 {
        let mut block = block.clone();
        for _ in 0..3 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from((number >> 33) % 120).expect("small");
            block[32 + at] = number.to_le_bytes()[7];
        }
        if let Ok((xattrs, _)) = decode_block(&block) {
            assert!(xattrs.values().map(Vec::len).sum::<usize>() <= 1024);
        }
    }
}
