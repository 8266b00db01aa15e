//! A `NoCloud` seed: a small FAT disk labelled CIDATA from which cloud-init configures the first boot.
//!
//! Format: <https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::shell::Credentials;
use crate::oracle;

/// The hostname that the seed gives.
pub const HOSTNAME: &str = "imgctl-seeded";

/// The user whom the seed makes.
#[must_use]
pub fn credentials() -> Credentials {
    Credentials {
        user: "tester".to_owned(),
        password: "imgctl-seed".to_owned(),
    }
}

/// Writes the seed into `folder`; the disk image.
pub(crate) fn write(folder: &Path) -> Result<PathBuf> {
    let Credentials { user, password } = credentials();
    let hash = oracle::run("openssl", ["passwd", "-6", "-salt", "imgctlseed", &password])?;
    let hash = hash.trim();
    let user_data = format!(
        "#cloud-config
users:
  - name: {user}
    passwd: '{hash}'
    lock_passwd: false
    shell: /bin/bash
    sudo: 'ALL=(ALL) NOPASSWD:ALL'
package_update: false
locale: false
"
    );
    let meta_data = format!("instance-id: i-imgctl-seeded\nlocal-hostname: {HOSTNAME}\n");
    // Without a network-config, cloud-init asks for an address on the one network card, by whatever the image uses.
    let disk = folder.join("seed.img");
    File::create(&disk)
        .and_then(|file| file.set_len(1 << 20))
        .with_context(|| format!("creating {}", disk.display()))?;
    let options = ["-n", "CIDATA", "--invariant"].map(OsStr::new);
    oracle::run("mkfs.fat", options.into_iter().chain([disk.as_os_str()]))?;
    for (name, text) in [("user-data", user_data.as_str()), ("meta-data", &meta_data)] {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        oracle::run(
            "mcopy",
            [OsStr::new("-i"), disk.as_os_str(), file.as_os_str(), OsStr::new("::")],
        )?;
    }
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_a_labelled_fat_disk_with_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let disk = write(folder.path()).unwrap();
        let listing = oracle::run(
            "mdir",
            [OsStr::new("-b"), OsStr::new("-i"), disk.as_os_str(), OsStr::new("::")],
        )
        .unwrap();
        assert_eq!(listing.lines().collect::<Vec<_>>(), ["::/user-data", "::/meta-data"]);
        let bytes = fs::read(&disk).unwrap();
        assert!(bytes.windows(11).any(|window| window == b"CIDATA     "));
        oracle::fsck_fat(&disk, oracle::Partition::whole(&disk).unwrap()).unwrap();
    }
}
