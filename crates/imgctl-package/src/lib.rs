//! What a guest's package manager says is installed, read from its own database, and how it compares versions.
//!
//! ```
//! use imgctl_package::{Database, Manager};
//! use imgctl_vfs::{ModelFs, Timestamp, Tree};
//!
//! let tree = Tree::new("partition 1", Box::new(ModelFs::new(Timestamp::default())));
//! assert!(Database::read(&tree).unwrap().is_none());
//! assert!(Manager::Rpm.compare_versions("1.0~rc1-1", "1.0-1").is_lt());
//! ```
//!
//! # Invariants
//! - Databases are untrusted bytes: whatever they hold, reading ends in packages or an [`Error`], in bounded memory.
//! - Nothing is written, not even to recover a database: SQLite's write-ahead log is read as SQLite would.
//! - A format that cannot be read is refused by its name.
//!
//! Deliberately absent: changing databases, reading packages themselves, running a package manager.

mod apk;
mod database;
mod dpkg;
mod error;
mod pacman;
mod rpm;
mod sqlite;
mod stanza;
mod version;

pub use database::{About, Database, Manager, Package, PackageState};
pub use error::{Error, Result};
