//! Which kind of disk image a file is, by its first bytes.

use std::fmt;

/// How many bytes from the start of a file are enough to tell its kind.
pub const PROBE_BYTES: usize = 512;

/// A kind of disk image that has to be converted first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ForeignFormat {
    /// VMware's VMDK, sparse or with a text descriptor.
    Vmdk,
    /// VirtualBox's VDI.
    Vdi,
    /// Microsoft's VHD, dynamic or fixed.
    Vhd,
    /// Microsoft's VHDX.
    Vhdx,
    /// A LUKS container.
    Luks,
    /// The old QED format.
    Qed,
    /// The first version of qcow.
    Qcow1,
    /// A Parallels disk.
    Parallels,
}

impl ForeignFormat {
    /// The format's name as `qemu-img -f` takes it.
    #[must_use]
    pub fn qemu_name(self) -> &'static str {
        match self {
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
            Self::Luks => "luks",
            Self::Qed => "qed",
            Self::Qcow1 => "qcow",
            Self::Parallels => "parallels",
        }
    }

    /// The command that makes a qcow2 image of such a file.
    #[must_use]
    pub fn convert_command(self) -> String {
        match self {
            Self::Luks => "qemu-img convert --object secret,id=key,file=PASSPHRASE \
                 --image-opts driver=luks,file.filename=IN,key-secret=key -O qcow2 OUT.qcow2"
                .to_owned(),
            _ => format!("qemu-img convert -f {} -O qcow2 IN OUT.qcow2", self.qemu_name()),
        }
    }
}

impl fmt::Display for ForeignFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vmdk => "VMDK image",
            Self::Vdi => "VDI image",
            Self::Vhd => "VHD image",
            Self::Vhdx => "VHDX image",
            Self::Luks => "LUKS container",
            Self::Qed => "QED image",
            Self::Qcow1 => "qcow version 1 image",
            Self::Parallels => "Parallels disk",
        })
    }
}

/// Whether a file that begins with `first` is a qcow2 image of version 2 or later.
#[must_use]
pub fn probe(first: &[u8]) -> bool {
    first.starts_with(b"QFI\xfb") && !is_qcow1(first)
}

/// The foreign format of a file that begins with `first` (at least [`PROBE_BYTES`] of it, or the whole file).
#[must_use]
pub fn detect_foreign(first: &[u8]) -> Option<ForeignFormat> {
    const MAGICS: &[(usize, &[u8], ForeignFormat)] = &[
        (0, b"KDMV", ForeignFormat::Vmdk),
        (0, b"COWD", ForeignFormat::Vmdk),
        (0, b"# Disk DescriptorFile", ForeignFormat::Vmdk),
        (0x40, &[0x7f, 0x10, 0xda, 0xbe], ForeignFormat::Vdi),
        (0, b"conectix", ForeignFormat::Vhd),
        (0, b"vhdxfile", ForeignFormat::Vhdx),
        (0, b"LUKS\xba\xbe", ForeignFormat::Luks),
        (0, b"QED\0", ForeignFormat::Qed),
        (0, b"WithoutFreeSpace", ForeignFormat::Parallels),
        (0, b"WithouFreSpacExt", ForeignFormat::Parallels),
    ];
    if is_qcow1(first) {
        return Some(ForeignFormat::Qcow1);
    }
    MAGICS.iter().find_map(|(offset, magic, format)| {
        let at = first.get(*offset..)?;
        at.starts_with(magic).then_some(*format)
    })
}

/// Whether a file that ends in `last` (its last [`PROBE_BYTES`]) is a VHD of fixed size: a disk as it is, and a footer.
#[must_use]
pub fn is_fixed_vhd(last: &[u8]) -> bool {
    // The disk's type stands at 60: 2 is fixed, and a dynamic one has its mark at the start too.
    last.len() == PROBE_BYTES && last.starts_with(b"conectix") && last.get(60..64) == Some(&[0, 0, 0, 2])
}

fn is_qcow1(first: &[u8]) -> bool {
    first.starts_with(b"QFI\xfb\0\0\0\x01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_magic_is_known_at_its_place_only() {
        assert_eq!(detect_foreign(b"KDMV\x01\0\0\0"), Some(ForeignFormat::Vmdk));
        assert_eq!(detect_foreign(b" KDMV"), None);
        let mut vdi = vec![0; 512];
        vdi[0x40..0x44].copy_from_slice(&[0x7f, 0x10, 0xda, 0xbe]);
        assert_eq!(detect_foreign(&vdi), Some(ForeignFormat::Vdi));
        assert_eq!(detect_foreign(&[]), None);
        assert!(probe(b"QFI\xfb\0\0\0\x03"));
        assert!(!probe(b"QFI\xfb\0\0\0\x01"));
        assert_eq!(detect_foreign(b"QFI\xfb\0\0\0\x01"), Some(ForeignFormat::Qcow1));
    }
}
