//! What trust is made of: certificates of authorities and keys of repositories, read as far as a recipe's check needs.

mod armor;
mod certificate;
mod der;
mod openpgp;

pub use armor::pem;
pub use certificate::{Certificate, CertificateError, certificates, single_certificate};
pub(crate) use openpgp::is_armored;
pub use openpgp::{KeyError, PublicKey, public_keys};

/// The most bytes of one file of certificates or keys.
pub const MAX_TRUST_BYTES: usize = 1 << 20;
