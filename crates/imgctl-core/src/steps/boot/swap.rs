//! `swap`: a file to swap to, and its line in /etc/fstab.
//!
//! ```text
//! 0..1024      the boot block, zeros
//! 1024         version 1 (u32, the machine's byte order); 1028: the last page; 1032: how many are bad
//! 1036..1052   UUID; 1052..1068: label
//! 4086..4096   SWAPSPACE2
//! ```
//!
//! The UUID stays zero, which means none: nothing here needs one, and clones would share it. The kernel takes no file with
//! holes, so every block is written; the packed image drops them again, since they are zeros.
//!
//! Facts: include/linux/swap.h of Linux, mkswap(8), swapon(8).

use crate::guest::{Guest, NewMetadata, facts};
use crate::steps::each::each;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure, StepSpec};
use imgctl_recipe::{Mount, Plan, SwapFile};
use imgctl_vfs::{FileKind, GuestPath};
use serde_json::json;
use std::io::{Read, repeat};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "swap",
    section: "swap",
    help: "make a file to swap to",
    build: |plan: &Plan| each(SPEC.name, plan.swap.clone(), set),
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "swap-file",
    value: "PATH:SIZE",
    group: FlagGroup::Boot,
    help: "Make a file to swap to, with its line in /etc/fstab",
    example: "/swapfile:2GiB",
    recipe: "swap",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let (path, size) = super::parts(text, ':', "/swapfile:2GiB")?;
        Ok::<_, FlagError>(json!({ "swap": { "path": path, "size": size } }))
    }),
};

const PAGE_BYTES: usize = 4096;
const SIGNATURE: &[u8; 10] = b"SWAPSPACE2";
const SIGNATURE_AT: usize = PAGE_BYTES - SIGNATURE.len();

fn set(guest: &mut Guest, swap: &SwapFile) -> Outcome<()> {
    let path = GuestPath::new(&swap.path)?;
    let header = header(guest, swap);
    let is_ready = match guest.metadata(&path)? {
        None => false,
        Some(metadata) if metadata.kind != FileKind::File => {
            return Err(StepFailure::refused(format!("{path} is a {}", metadata.kind.name())));
        }
        Some(metadata) => {
            let first = first_page(guest, &path)?;
            if first.get(SIGNATURE_AT..) != Some(SIGNATURE) && metadata.size > 0 {
                let message = format!("{path} is there already, and no swap file");
                return Err(StepFailure::refused_with(
                    message,
                    "name another path, or remove it by `files`",
                ));
            }
            metadata.size == swap.size_bytes && first.get(1024..1032) == header.get(1024..1032)
        }
    };
    if !is_ready {
        if let Some(parent) = path.parent() {
            guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
        }
        let rest = swap.size_bytes.saturating_sub(PAGE_BYTES as u64);
        let mut content = header.as_slice().chain(repeat(0).take(rest));
        guest.write_file(&path, &mut content, NewMetadata::root(0o600))?;
    }
    guest.set_mode(&path, 0o600)?;
    guest.set_owner(&path, 0, 0)?;
    let mount = Mount {
        path: "none".to_owned(),
        source: Some(swap.path.clone()),
        fs_type: Some("swap".to_owned()),
        options: swap
            .priority
            .map(|priority| vec!["sw".to_owned(), format!("pri={priority}")]),
        dump: None,
        pass: None,
        is_absent: false,
    };
    super::fstab::set(guest, &mount)
}

fn header(guest: &Guest, swap: &SwapFile) -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    let last = swap.size_bytes / PAGE_BYTES as u64 - 1;
    let last = u32::try_from(last).unwrap_or(u32::MAX);
    let is_big = matches!(facts(guest.tree()).arch.as_str(), "s390x" | "ppc64");
    let bytes = |number: u32| {
        if is_big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    };
    page[1024..1028].copy_from_slice(&bytes(1));
    page[1028..1032].copy_from_slice(&bytes(last));
    page[SIGNATURE_AT..].copy_from_slice(SIGNATURE);
    page
}

fn first_page(guest: &Guest, path: &GuestPath) -> Outcome<Vec<u8>> {
    let mut page = vec![0; PAGE_BYTES];
    let Some(found) = guest.find(path)? else {
        return Ok(page);
    };
    let count = guest.tree().fs(found.node).read_at(found.node.node, 0, &mut page)?;
    page.truncate(count);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, listing, mode, text};
    use std::process::Command;

    fn swap(size_bytes: u64) -> SwapFile {
        SwapFile {
            path: "/var/swap/file".to_owned(),
            size_bytes,
            priority: Some(5),
        }
    }

    #[test]
    fn a_file_that_swapon_takes() {
        let mut guest = guest(&["/etc/fstab|UUID=1 / ext4 defaults 0 1\n"]);
        let wanted = swap(1 << 20);
        set(&mut guest, &wanted).unwrap();
        assert_eq!(mode(&guest, "/var/swap/file"), "0600 0:0");
        assert_eq!(
            text(&guest, "/etc/fstab"),
            "UUID=1 / ext4 defaults 0 1\n/var/swap/file none swap sw,pri=5 0 0\n"
        );
        let content = guest
            .read(&crate::testing::path("/var/swap/file"), 2 << 20)
            .unwrap()
            .unwrap();
        assert_eq!(content.len(), 1 << 20);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let said = Command::new("swaplabel").arg(file.path()).output();
        let said = said.expect("apt-get install util-linux");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        assert_eq!(String::from_utf8_lossy(&said.stdout), "", "it has no UUID");
        let said = Command::new("blkid").arg("-p").arg(file.path()).output();
        let said = String::from_utf8(said.expect("apt-get install util-linux").stdout).unwrap();
        assert!(said.contains("TYPE=\"swap\"") && !said.contains("UUID"), "{said}");

        let before = listing(guest.tree());
        set(&mut guest, &wanted).unwrap();
        assert_eq!(listing(guest.tree()), before, "a second run changes nothing");
        set(&mut guest, &swap(64 << 10)).unwrap();
        let size = guest
            .metadata(&crate::testing::path("/var/swap/file"))
            .unwrap()
            .unwrap()
            .size;
        assert_eq!(size, 64 << 10);
    }

    #[test]
    fn other_files_are_kept() {
        let mut guest = guest(&["/var/swap/file|precious\n"]);
        let error = set(&mut guest, &swap(1 << 20)).unwrap_err();
        assert_eq!(error.to_string(), "/var/swap/file is there already, and no swap file");
    }
}
