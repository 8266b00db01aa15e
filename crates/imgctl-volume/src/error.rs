//! Why a partition table could not be used.

/// A disk whose partitions cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device could not be read.
    #[error("cannot read the partition table")]
    Device(#[from] imgctl_block::Error),
    /// There is, or was, a GPT, but neither of its two headers can be used.
    #[error("both GPT headers are damaged (primary: {primary}; backup: {backup}); repair the table with sgdisk first")]
    BothHeadersDamaged {
        /// What is wrong with the header in the second sector.
        primary: String,
        /// What is wrong with the header in the last sector.
        backup: String,
    },
    /// The GPT holds together, but its entries do not.
    #[error("the GPT's entries cannot be read: {reason}")]
    BadEntries {
        /// What is wrong with them.
        reason: String,
    },
    /// The chain of logical partitions does not hold together.
    #[error("the chain of logical partitions is damaged at byte {offset}: {reason}")]
    BadChain {
        /// Where the boot record of the chain lies.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A partition reaches outside the disk: the image is truncated or the table is damaged.
    #[error(
        "partition {number} (bytes {start} to {end}) lies outside the disk of {device_bytes} bytes; is the image truncated?"
    )]
    OutsideDisk {
        /// The partition's number.
        number: u32,
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
        /// The disk's length.
        device_bytes: u64,
    },
    /// Two partitions share bytes.
    #[error("partitions {first} and {second} overlap")]
    Overlap {
        /// The lower number.
        first: u32,
        /// The higher number.
        second: u32,
    },
    /// A partition covers the partition table.
    #[error("partition {number} covers the partition table")]
    CoversTable {
        /// The partition's number.
        number: u32,
    },
    /// A partition's first and last sector are in the wrong order, or so large that they overflow.
    #[error("partition {number} has an impossible range")]
    ImpossibleRange {
        /// The partition's number.
        number: u32,
    },
}
