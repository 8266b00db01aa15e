//! `source` and `expect`: the base image.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static SOURCE: Table = Table {
    path: "source",
    what: "a mapping like `{ url: \"https://…\", checksums: { url: \"https://…\" } }`",
    about: "\
The base image, fetched and checked, or a local file. What comes from an address needs a digest: `sha256`, `sha512` or the list
that `checksums` names.",
    example: "\
source:
  url: https://mirror.example/debian-13-genericcloud-amd64.qcow2
  checksums: { url: \"https://mirror.example/SHA512SUMS\", signature: none }
  pin: imgctl.lock
",
    rules: &[
        Rule::One(&["url", "path"]),
        Rule::Needs("url", &["checksums", "sha256", "sha512"]),
        Rule::OneAtMost(&["checksums", "sha256", "sha512"]),
    ],
    keys: &[
        Key::new(
            "url",
            Shape::Text(&kinds::URL),
            "https://mirror.example/debian-13-genericcloud-amd64.qcow2",
            "Where to fetch it.",
        )
        .also(&["uri", "href", "image"]),
        Key::new(
            "path",
            Shape::Text(&kinds::LOCAL_PATH),
            "base.qcow2",
            "A local file, relative to the recipe's folder.",
        )
        .also(&["file", "source"]),
        Key::new(
            "checksums",
            Shape::Table(&CHECKSUMS),
            "{ url: \"https://mirror.example/SHA512SUMS\", signature: none }",
            "Where the digest is listed.",
        )
        .default("needed with `url`, or a digest")
        .also(&["checksum", "shasums"]),
        Key::new("sha256", Shape::Text(&kinds::SHA256), SHA256, "The digest itself.").also(&["digest", "sha256sum"]),
        Key::new("sha512", Shape::Text(&kinds::SHA512), SHA512, "The digest itself.").also(&["sha512sum"]),
        Key::new(
            "pin",
            Shape::Text(&kinds::LOCAL_PATH),
            "imgctl.lock",
            "The file that records which image this was, so that `latest` never moves silently.",
        )
        .also(&["lock", "lockfile"]),
    ],
};

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const SHA512: &str = "ee26b0dd4af7e749aa1a8ee3c10ae9923f618980772e473f8819a5d4940e0db27ac185f8a0e1d5f84f88bc887fd67b143732c304cc5fa9ad8e6f57f50028a8ff";

/// Also of `files[]`.
pub(super) static CHECKSUMS: Table = Table {
    path: "checksums",
    what: "a mapping like `{ url: \"https://mirror.example/SHA256SUMS\" }`",
    about: "\
In `source` and in each file with a `url`: a list of digests as publishers write them (GNU, BSD, clear-signed, bare, JSON).",
    example: "\
source:
  url: https://mirror.example/ubuntu-24.04-server-cloudimg-amd64.img
  checksums:
    url: https://mirror.example/SHA256SUMS
    signature: { type: openpgp, url: \"https://mirror.example/SHA256SUMS.gpg\", keyring: keys/ubuntu-cloudimage.gpg }
",
    rules: &[],
    keys: &[
        Key::new(
            "url",
            Shape::Text(&kinds::URL),
            "https://mirror.example/SHA256SUMS",
            "Where the list is.",
        )
        .required()
        .also(&["uri", "file"]),
        Key::new(
            "signature",
            Shape::Either(&Shape::Choice(&["none"]), &Shape::Table(&SIGNATURE)),
            "none",
            "Who vouches for the list; `none` says that nobody does.",
        )
        .default("`none`")
        .also(&["gpg", "signed_by", "sig"]),
    ],
};

static SIGNATURE: Table = Table {
    path: "checksums.signature",
    what: "a mapping like `{ type: openpgp, url: \"https://…/SHA256SUMS.gpg\", keyring: keys/ubuntu.gpg }`",
    about: "A signature of the list, and the keys that may make it.",
    example: "\
source:
  url: https://mirror.example/image.qcow2
  checksums:
    url: https://mirror.example/CHECKSUM
    signature: { type: openpgp, keyring: keys/vendor.gpg }
",
    rules: &[],
    keys: &[
        Key::new(
            "type",
            Shape::Choice(&["openpgp", "minisign"]),
            "openpgp",
            "The form of the signature.",
        )
        .required()
        .also(&["kind", "format"]),
        Key::new(
            "url",
            Shape::Text(&kinds::URL),
            "https://mirror.example/SHA256SUMS.gpg",
            "Where a detached signature is.",
        )
        .default("the signature is in the list itself")
        .also(&["uri", "detached"]),
        Key::new(
            "keyring",
            Shape::Text(&kinds::HOST_PATH),
            "keys/ubuntu-cloudimage.gpg",
            "A local file with the public keys, relative to the recipe's folder.",
        )
        .required()
        .also(&["key", "keys", "public_key"]),
    ],
};

pub(super) static EXPECT: Table = Table {
    path: "expect",
    what: "a mapping like `{ os: debian, version: \"13\" }`",
    about: "Everything that is given must hold for the base image, or nothing is done.",
    example: "\
expect: { os: rocky, version: \"9\", arch: x86_64, root_fs: [xfs, ext4], partition_table: gpt, mounts: [/boot, /boot/efi] }
",
    rules: &[],
    keys: &[
        Key::new("os", Shape::Text(&kinds::OS_ID), "debian", "`ID` of the guest's os-release.")
            .default("any")
            .also(&["distro", "distribution", "id"]),
        Key::new(
            "version",
            Shape::Text(&kinds::VERSION),
            "\"13\"",
            "`VERSION_ID` of the guest's os-release; `\"9\"` stands for 9.6, too.",
        )
        .default("any")
        .also(&["release", "version_id", "os_version"]),
        Key::new("arch", Shape::Text(&kinds::ARCHITECTURE), "x86_64", "The guest's processor, as `uname -m` says.")
            .default("any")
            .also(&["architecture", "machine", "cpu"]),
        Key::new(
            "root_fs",
            Shape::OneOrMore(&Shape::Choice(&["ext4", "xfs", "btrfs", "ext3", "ext2"])),
            "[xfs, ext4]",
            "The root filesystem, or those that are fine.",
        )
        .default("any")
        .also(&["filesystem", "fs", "rootfs"]),
        Key::new(
            "partition_table",
            Shape::Choice(&["gpt", "mbr", "none"]),
            "gpt",
            "How the disk is partitioned.",
        )
        .default("any")
        .also(&["partitions", "label", "layout"]),
        Key::new(
            "mounts",
            Shape::List(&Shape::Text(&kinds::GUEST_PATH)),
            "[/boot, /boot/efi]",
            "Directories that must be filesystems of their own.",
        )
        .default("any")
        .also(&["mount_points", "filesystems"]),
    ],
};
