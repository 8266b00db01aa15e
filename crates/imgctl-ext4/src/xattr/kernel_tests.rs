//! Attributes that the kernel set are read, and those written here are accepted by e2fsck and the kernel.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::*;
use crate::directory::test_image::{TestImage, may_mount, run, word};

/// The size of the inode's first fields; those after them begin with how many bytes they have.
const FIELDS: usize = 0x80;
const CHECKSUM_LOW: usize = 0x7c;
const CHECKSUM_HIGH: usize = 0x82;
const BLOCK_LOW: usize = 0x68;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn set(file: &Path, name: &[u8], value: &[u8]) {
    let value = format!("0x{}", hex(value));
    let arguments = [
        OsStr::new("-n"),
        OsStr::from_bytes(name),
        OsStr::new("-v"),
        OsStr::new(&value),
    ];
    run("setfattr", arguments.into_iter().chain([file.as_os_str()]));
}

/// The value in hexadecimal digits, as getxattr(2) gives it.
fn get(file: &Path, name: &[u8]) -> String {
    let arguments = ["--absolute-names", "-e", "hex", "-n"].map(OsStr::new);
    let answer = run(
        "getfattr",
        arguments.into_iter().chain([OsStr::from_bytes(name), file.as_os_str()]),
    );
    let value = answer.trim().rsplit_once("=0x").map(|(_, value)| value.to_owned());
    value.unwrap_or_default()
}

fn kernel_has(file: &Path, xattrs: &Xattrs) {
    for (name, value) in xattrs {
        assert_eq!(get(file, name), hex(value), "{}", name.escape_ascii());
    }
    let list = run(
        "getfattr",
        ["--absolute-names", "-m", "-"]
            .map(OsStr::new)
            .into_iter()
            .chain([file.as_os_str()]),
    );
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(lines.count(), xattrs.len(), "{list}");
}

/// An inode of an image with its attribute block.
struct Stored {
    number: u32,
    inode: Vec<u8>,
    block: Option<(u64, Vec<u8>)>,
}

fn read(image: &TestImage, path: &str) -> Stored {
    let number = image.inode_number(path);
    let inode = image.inode(number);
    let place = u64::from(word(&inode, BLOCK_LOW));
    let block = (place != 0).then(|| (place, image.read_block(place)));
    Stored { number, inode, block }
}

impl Stored {
    fn region(&self) -> usize {
        match self.inode.get(FIELDS..) {
            Some([low, high, ..]) => FIELDS + usize::from(u16::from_le_bytes([*low, *high])),
            _ => FIELDS,
        }
    }

    fn decode(&self, image: &TestImage) -> Xattrs {
        let mut xattrs = decode_inline(&self.inode[self.region()..]).expect("the inode's attributes are sound");
        if let Some((place, block)) = &self.block {
            if let Some(seed) = image.seed() {
                assert_eq!(verify_block_checksum(block, seed, *place), Ok(()));
            }
            let (more, references) = decode_block(block).expect("the block is sound");
            assert_eq!(references, 1);
            xattrs.extend(more);
        }
        xattrs
    }

    /// What would be written for `xattrs`, with the block's checksum.
    fn place(&self, image: &TestImage, xattrs: &Xattrs) -> Placement {
        let room = self.inode.len() - self.region();
        let mut placement = place(xattrs, room, image.block_bytes()).expect("there is room");
        if let (Some(block), Some((place, _))) = (&mut placement.block, &self.block)
            && let Some(seed) = image.seed()
        {
            set_block_checksum(block, seed, *place);
        }
        placement
    }

    /// Writes `xattrs` over those that are there.
    fn write(&self, image: &TestImage, xattrs: &Xattrs) {
        let placement = self.place(image, xattrs);
        let mut inode = self.inode.clone();
        inode[self.region()..].copy_from_slice(&placement.inline);
        if let Some(seed) = image.inode_seed(self.number) {
            let places: &[usize] = if inode.len() > FIELDS {
                &[CHECKSUM_LOW, CHECKSUM_HIGH]
            } else {
                &[CHECKSUM_LOW]
            };
            for &at in places {
                inode[at..at + 2].fill(0);
            }
            let sum = seed.update(&inode).value().to_le_bytes();
            for (&at, half) in places.iter().zip(sum.chunks(2)) {
                inode[at..at + 2].copy_from_slice(half);
            }
        }
        let file = File::options().write(true).open(image.path()).expect("the image opens");
        let offset = image.inode_offset(self.number);
        file.write_all_at(&inode, offset).expect("the inode is written");
        match (&self.block, placement.block) {
            (Some((place, _)), Some(block)) => image.write_block(*place, &block),
            (None, None) => {}
            (before, _) => panic!("it had a block: {}, which is to change", before.is_some()),
        }
    }
}

fn pairs(list: &[(&str, &[u8])]) -> Xattrs {
    let pairs = list.iter();
    pairs
        .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
        .collect()
}

const CASES: [&[&str]; 4] = [
    &["-b", "4096"],
    &["-b", "1024", "-I", "128"],
    &["-b", "1024", "-O", "^metadata_csum"],
    &["-b", "4096", "-I", "512", "-O", "metadata_csum_seed"],
];

fn sets() -> [Xattrs; 5] {
    let long = vec![0xa5; 500];
    let context = b"system_u:object_r:etc_t:s0\0";
    [
        pairs(&[("security.selinux", context)]),
        pairs(&[
            ("user.empty", b""),
            ("user.one", b"1"),
            ("trusted.overlay.opaque", b"y"),
        ]),
        pairs(&[
            ("user.gr\u{f6}\u{df}e", b"\xff\x80\x01"),
            ("user.\u{65e5}\u{672c}", b"value"),
        ]),
        pairs(&[
            ("user.long", &long),
            ("user.\u{e9}", &long[..90]),
            ("security.selinux", context),
        ]),
        pairs(&[
            ("user.a", &long[..13]),
            ("user.b", &long[..14]),
            ("user.c", &long[..15]),
            ("user.dd", &long[..16]),
            ("user.e", &long[..301]),
        ]),
    ]
}

#[test]
fn attributes_of_the_kernel_are_read() {
    if !may_mount("attributes_of_the_kernel_are_read") {
        return;
    }
    for arguments in CASES {
        let image = TestImage::new(arguments, 8);
        let lists = image.mounted(|root| {
            for (at, xattrs) in sets().iter().enumerate() {
                let file = root.join(at.to_string());
                fs::write(&file, "").expect("a file is made");
                for (name, value) in xattrs {
                    set(&file, name, value);
                }
            }
            let folder = root.join("folder");
            fs::create_dir(&folder).expect("a folder is made");
            let list = OsStr::new("u:1000:rwx,u:2000:r,g:100:rx,m::rx");
            for kind in ["-m", "-dm"] {
                run("setfacl", [OsStr::new(kind), list, folder.as_os_str()]);
            }
            let program = root.join("program");
            fs::write(&program, "").expect("a file is made");
            run("setcap", [OsStr::new("cap_net_raw+ep"), program.as_os_str()]);
            let names = ["system.posix_acl_access", "system.posix_acl_default"];
            let lists = names.map(|name| (name.as_bytes().to_vec(), get(&folder, name.as_bytes())));
            [(b"security.capability".to_vec(), get(&program, b"security.capability"))]
                .into_iter()
                .chain(lists)
                .collect::<Vec<_>>()
        });
        for (at, xattrs) in sets().iter().enumerate() {
            let stored = read(&image, &format!("/{at}"));
            assert_eq!(&stored.decode(&image), xattrs);
        }
        let mut found = read(&image, "/folder").decode(&image);
        found.extend(read(&image, "/program").decode(&image));
        let found: Vec<_> = found.into_iter().map(|(name, value)| (name, hex(&value))).collect();
        assert_eq!(found, lists);
    }
}

/// Attributes set in the order they are stored in, all in one place, must give the kernel's bytes.
#[test]
fn bytes_are_those_of_the_kernel() {
    if !may_mount("bytes_are_those_of_the_kernel") {
        return;
    }
    let image = TestImage::new(&["-b", "4096"], 8);
    let small: [(&str, &[u8]); 3] = [("user.b", b"12345"), ("user.\u{e9}", b""), ("trusted.c", b"value")];
    let large = [vec![1; 301], vec![0xfe; 256], vec![3; 1000]];
    let large: [(&str, &[u8]); 3] = [
        ("user.x", &large[0]),
        ("user.\u{fc}", &large[1]),
        ("trusted.name", &large[2]),
    ];
    let sets = [&small[..1], &small, &large[..1], &large[1..2], &large];
    image.mounted(|root| {
        for (at, list) in sets.iter().enumerate() {
            let file = root.join(at.to_string());
            fs::write(&file, "").expect("a file is made");
            for (name, value) in *list {
                set(&file, name.as_bytes(), value);
            }
        }
    });
    for (at, list) in sets.iter().enumerate() {
        let stored = read(&image, &format!("/{at}"));
        let placement = stored.place(&image, &pairs(list));
        let region = &stored.inode[stored.region()..];
        assert_eq!(hex(&placement.inline), hex(region), "{at}");
        let block = stored.block.map(|(_, block)| hex(&block));
        assert_eq!(placement.block.map(|block| hex(&block)), block, "{at}");
    }
}

#[test]
fn attributes_written_here_are_accepted() {
    if !may_mount("attributes_written_here_are_accepted") {
        return;
    }
    for arguments in CASES {
        let image = TestImage::new(arguments, 8);
        image.mounted(|root| {
            for at in 0..sets().len() {
                let file = root.join(at.to_string());
                fs::write(&file, "").expect("a file is made");
                // So that there is a block where one will be needed.
                let size = if at >= 3 || arguments.contains(&"128") { 600 } else { 3 };
                // Equal attributes would share a block.
                set(&file, b"user.any", &vec![u8::try_from(at).expect("small"); size]);
            }
        });
        for (at, xattrs) in sets().iter().enumerate() {
            read(&image, &format!("/{at}")).write(&image, xattrs);
        }
        image.check();
        image.mounted(|root| {
            for (at, xattrs) in sets().iter().enumerate() {
                let file = root.join(at.to_string());
                kernel_has(&file, xattrs);
                let mut more = xattrs.clone();
                more.insert(b"user.by the kernel".to_vec(), b"more".to_vec());
                set(&file, b"user.by the kernel", b"more");
                kernel_has(&file, &more);
            }
        });
        image.check();
    }
}
