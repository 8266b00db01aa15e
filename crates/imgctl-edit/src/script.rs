//! Scripts as others see them.

use crate::ast::Block;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::parser::Parser;
use crate::scanner::Names;
use std::sync::Arc;

/// The longest script, in bytes.
const MAX_SCRIPT_BYTES: usize = 1 << 16;

/// A script that was read. Clones share it.
#[derive(Clone, Debug)]
pub struct Script {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: String,
    block: Block,
    variables: usize,
    patterns: usize,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// What is no Perl, and Perl that needs Perl itself.
    pub fn parse(source: &str) -> Result<Self> {
        if source.len() > MAX_SCRIPT_BYTES {
            return Err(Error::new("the script is too long"));
        }
        let mut names = Names::new();
        let block = Parser::new(source.as_bytes(), &mut names).script()?;
        if block.is_empty() {
            return Err(Error::new("the script is empty"));
        }
        Ok(Self {
            inner: Arc::new(Inner {
                source: source.to_owned(),
                block,
                variables: names.count(),
                patterns: names.patterns(),
            }),
        })
    }

    /// The text of the script.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// How many regular expressions it has, each of which took time to compile.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.inner.patterns
    }

    /// What becomes of a text.
    ///
    /// # Errors
    /// `die`, a division by zero, and scripts that need too many steps or bytes.
    pub fn run(&self, text: &[u8]) -> Result<Vec<u8>> {
        Machine::new(self.inner.variables).run(&self.inner.block, text)
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Script {}
