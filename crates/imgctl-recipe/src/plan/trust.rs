//! `trust` and `packages.repos`: whom the guest trusts, and where its packages come from.

use crate::trust::Certificate;

/// One entry of `trust.ca`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// The name of its file in the guest, without the ending.
    pub name: String,
    /// The certificates, at least one.
    pub certificates: Vec<Certificate>,
    /// Whether they come from a secret.
    pub sensitive: bool,
}

/// One entry of `packages.repos`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repository {
    /// Its name, also that of its file.
    pub id: String,
    /// Where it is, in the words of its package manager.
    pub place: RepositoryPlace,
    /// The keys that sign it; empty: those that the guest has.
    pub keys: Vec<RepositoryKey>,
    /// Whether what comes from it must be signed.
    pub is_signed: bool,
    /// Whether the guest uses it.
    pub enabled: bool,
    /// As the package manager means it.
    pub priority: Option<u64>,
}

/// Where a repository is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RepositoryPlace {
    /// An archive of apt.
    Apt(AptArchive),
    /// A repository of dnf, zypper, apk or pacman.
    Base(String),
    /// A list of such repositories, for dnf and zypper.
    MirrorList(String),
    /// A list of them with digests, for dnf.
    Metalink(String),
}

/// An archive of apt: sources.list(5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AptArchive {
    /// Its address.
    pub uri: String,
    /// The suite; one that ends in `/` has no components.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
    /// The architectures; empty: the guest's.
    pub architectures: Vec<String>,
    /// `deb`, `deb-src` or both.
    pub types: Vec<String>,
    /// Whether it is written in one line, as sources.list has it, and not in fields.
    pub one_line: bool,
}

/// A key that signs a repository.
#[derive(Clone, Eq, PartialEq)]
pub enum RepositoryKey {
    /// A keyring of the guest: a name in `/usr/share/keyrings`, or an absolute path.
    Guest(String),
    /// An address that the guest's package manager fetches it from.
    Url(String),
    /// The key itself.
    Bytes {
        /// The name of the local file it came from.
        name: Option<String>,
        /// What goes into the guest.
        bytes: Vec<u8>,
        /// Whether it is text: OpenPGP's armor.
        is_armored: bool,
        /// Whether it comes from a secret.
        sensitive: bool,
    },
}

impl std::fmt::Debug for RepositoryKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest(name) => formatter.debug_tuple("Guest").field(name).finish(),
            Self::Url(url) => formatter.debug_tuple("Url").field(url).finish(),
            Self::Bytes { name, .. } => {
                let mut shown = formatter.debug_struct("Bytes");
                shown.field("name", name).finish_non_exhaustive()
            }
        }
    }
}
