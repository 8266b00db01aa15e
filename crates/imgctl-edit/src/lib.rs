//! Edits of texts, line by line, in the part of Perl that `virt-customize --edit` and `virt-edit -e` are used with.
//!
//! ```
//! use imgctl_edit::Script;
//!
//! let script = Script::parse(r"s/^#?(PermitRootLogin)\s.*/$1 no/; $_ = '' if /^Banner/").unwrap();
//! let text = b"Port 22\n#PermitRootLogin yes\nBanner x\n";
//! assert_eq!(script.run(text).unwrap(), b"Port 22\nPermitRootLogin no\n");
//! ```
//!
//! A script is evaluated once for every line, which is in `$_` with its end; `$lineno` counts from 1. Afterwards `$_` is
//! written, unless the script went on by `next`. Variables keep their values from line to line, `my` variables do not.
//! `/…/d` deletes lines, as with sed.
//!
//! # Invariants
//! - Text is bytes. What perl(1) makes of it, this does too, or it refuses the script by name.
//! - Every script ends: steps, lengths and backtracking are bounded.
//! - A script has no access to anything but the text.
//!
//! Deliberately absent: arrays, hashes, subroutines, files, processes, modules, `eval`.

mod ast;
mod error;
mod functions;
mod machine;
mod parser;
mod pattern;
mod quoted;
mod scalar;
mod scanner;
mod script;
mod terms;
mod translate;

pub use error::Error;
pub use script::Script;
