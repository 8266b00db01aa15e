//! What the fuzz targets share: a machine with every file, and what must hold for any recipe.

use imgctl_recipe::{GuestFacts, Host, HostFileError, RecipeSource, Redactor, Settings, read};
use std::path::Path;

const SECRET: &[u8] = b"swordfish-and-more";

/// Every file has these bytes, every environment variable a secret.
#[derive(Debug)]
pub struct Machine<'d>(pub &'d [u8]);

impl Host for Machine<'_> {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        match path.ends_with("missing") {
            true => Err(HostFileError::NotFound),
            false => Ok(()),
        }
    }

    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        self.check_file(path)?;
        match self.0.len() > limit_bytes {
            true => Err(HostFileError::TooLarge(limit_bytes)),
            false => Ok(self.0.to_vec()),
        }
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        (name != "MISSING").then(|| SECRET.to_vec())
    }
}

/// Reads a recipe and plans it for two guests. `other` is what every file holds.
pub fn exercise(text: &[u8], other: &[u8], settings: &Settings) {
    let name = Path::new("dir/recipe.yaml");
    let outcome = read(RecipeSource { name, text }, settings, &Machine(other));
    let redactor = Redactor::new(&outcome.secrets);
    for finding in &outcome.findings {
        let text = outcome.sources.text_of(&finding.origin);
        assert!(text.get(finding.span.clone()).is_some(), "{finding}");
        let hint = finding.hint.as_deref().unwrap_or_default();
        for told in [finding.message.as_str(), hint] {
            assert!(!redactor.finds(told.as_bytes()), "{finding}");
        }
    }
    let Some(recipe) = outcome.recipe else {
        assert!(!outcome.findings.is_empty());
        return;
    };
    for (os, version) in [("debian", "13"), ("", "")] {
        let guest = GuestFacts {
            os: os.into(),
            version: version.into(),
            ..GuestFacts::default()
        };
        if let Err(findings) = recipe.plan(&guest) {
            assert!(!findings.is_empty());
        }
    }
}

/// The head that makes a text a recipe.
pub const HEAD: &str = "apiVersion: imgctl/v1\nkind: Recipe\n";
