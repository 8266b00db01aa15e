//! Every check passes on a suitable guest and fails after one edit.

mod boot;
mod initramfs;
mod services;
mod table;

use super::{CheckRecord, Scene, evaluate};
use crate::disk::MountPoint;
use crate::guest::Guest;
use crate::testing;
use imgctl_recipe::{Check, Expect, FileEntry, Origin, Plan, Sourced};
use imgctl_vfs::GuestPath;
use imgctl_volume::{Content, ContentKind, Partition, PartitionId, PartitionKind, Scheme};
use std::cell::OnceCell;
use std::sync::atomic::AtomicBool;

/// A guest on a disk with a root, an ESP and swap.
struct Stage {
    guest: Guest,
    partitions: Vec<(Partition, Content)>,
    mounts: Vec<MountPoint>,
    plan: Plan,
    cancel: AtomicBool,
}

impl Stage {
    fn new(entries: &[&str]) -> Self {
        Self::of(testing::guest(entries))
    }

    fn of(guest: Guest) -> Self {
        let partition = |number, kind, uuid: &str, label: &str| {
            let partition = Partition {
                number,
                start: u64::from(number) << 20,
                length: 1 << 20,
                kind: PartitionKind::Mbr(0x83),
                id: Some(PartitionId::Mbr {
                    signature: 0xabcd_1234,
                    number,
                }),
                name: Some(format!("part-{number}")),
                attributes: 0,
                bootable: false,
            };
            let content = Content {
                kind,
                label: Some(label.as_bytes().to_vec()),
                uuid: Some(uuid.to_owned()),
            };
            (partition, content)
        };
        let partitions = vec![
            partition(1, ContentKind::Ext4, "aaaa-1111", "root"),
            partition(2, ContentKind::Fat, "BBBB-2222", "ESP"),
            partition(3, ContentKind::Swap, "cccc-3333", "swap"),
        ];
        let mounts = vec![MountPoint {
            path: GuestPath::root(),
            partition: partitions[0].0.clone(),
            kind: ContentKind::Ext4,
        }];
        Self {
            guest,
            partitions,
            mounts,
            plan: Plan::default(),
            cancel: AtomicBool::new(false),
        }
    }

    fn scene(&self) -> Scene<'_> {
        let sensitive = self.plan.files.iter().filter(|file| file.value.sensitive);
        Scene {
            guest: &self.guest,
            partitions: self
                .partitions
                .iter()
                .map(|(partition, content)| (partition, content))
                .collect(),
            scheme: Scheme::Gpt,
            disk_bytes: 64 << 20,
            mounts: &self.mounts,
            secrets: &self.plan.secrets,
            sensitive_paths: sensitive.map(|file| file.value.path.as_str()).collect(),
            cancel: &self.cancel,
            packages: OnceCell::new(),
        }
    }

    /// What a check found; nothing when it passed.
    fn found(&self, check: Check) -> Vec<String> {
        let records = evaluate(&self.scene(), &[sourced(check)]).unwrap();
        let record = records.into_iter().next().unwrap();
        assert_eq!(record.passed, record.found.is_empty());
        assert_eq!(
            (record.origin.as_str(), record.key.as_str()),
            ("r.yaml:7:5", "verify[0]")
        );
        record.found
    }

    fn expect(&self, expect: Expect) -> Vec<CheckRecord> {
        super::expect(&self.scene(), &sourced(expect))
    }
}

fn sourced<T>(value: T) -> Sourced<T> {
    let origin = Origin {
        file: "r.yaml".into(),
        line: 7,
        column: 5,
        key: "verify[0]".to_owned(),
    };
    Sourced { value, origin }
}

/// A file entry of the recipe that a secret is in.
fn sensitive(path: &str) -> Sourced<FileEntry> {
    sourced(FileEntry {
        sensitive: true,
        ..FileEntry::new(path, imgctl_recipe::FileAction::Metadata)
    })
}

#[test]
fn a_run_that_was_told_to_stop_has_no_result() {
    let stage = Stage::new(&["/etc/x|y"]);
    stage.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = evaluate(&stage.scene(), &[sourced(Check::SecretsAbsent)]).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Cancelled);
}

#[test]
fn all_that_is_wrong_with_the_base_is_told_at_once() {
    let stage = Stage::new(&["/etc/os-release|ID=rocky\nVERSION_ID=\"9.6\"\n"]);
    let right = Expect {
        os: Some("rocky".to_owned()),
        version: Some("9".to_owned()),
        arch: None,
        root_fs: vec!["xfs".to_owned(), "ext4".to_owned()],
        partition_table: Some("gpt".to_owned()),
        mounts: vec!["/".to_owned()],
    };
    assert!(stage.expect(right).iter().all(|record| record.passed));
    let wrong = Expect {
        os: Some("debian".to_owned()),
        version: Some("9.60".to_owned()),
        arch: Some("x86_64".to_owned()),
        root_fs: vec!["xfs".to_owned()],
        partition_table: Some("mbr".to_owned()),
        mounts: vec!["/boot".to_owned()],
    };
    let told: Vec<String> = stage.expect(wrong).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "r.yaml:7:5: operating system: debian; found: rocky",
            "r.yaml:7:5: version: 9.60; found: 9.6",
            "r.yaml:7:5: architecture: x86_64; found: unknown",
            "r.yaml:7:5: root filesystem: xfs; found: ext4",
            "r.yaml:7:5: partition table: mbr; found: gpt",
            "r.yaml:7:5: mount point /boot: a filesystem of its own; found: nothing on this disk is mounted there",
        ]
    );
}
