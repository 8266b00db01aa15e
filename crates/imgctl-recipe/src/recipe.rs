//! A recipe that was read without errors, before the guest is known.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::files::Files;
use crate::finding::{Finding, Findings};
use crate::node::Node;
use crate::plan::{Expect, Origin, Outputs, Plan, Secret, Sourced};
use crate::source_map::SourceMap;
use crate::{check, sections};

/// What conditions ask of the guest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GuestFacts {
    /// `ID` of os-release, like `debian`.
    pub os: String,
    /// `ID_LIKE`, the closest relative first.
    pub os_like: Vec<String>,
    /// `VERSION_ID`, like `13`; empty where there is none.
    pub version: String,
    /// The architecture of the guest's programs as `uname -m` says it, like `x86_64`; empty where it is not known.
    pub arch: String,
}

/// A whole recipe without errors. Cloning it is cheap.
#[derive(Clone)]
pub struct Recipe(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) root: Node,
    pub(crate) source: SourceMap,
    pub(crate) files: Files,
    /// What is asked for whatever the guest is.
    pub(crate) certain: Plan,
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.0.source.recipe().name;
        f.debug_struct("Recipe").field("name", name).finish_non_exhaustive()
    }
}

impl Recipe {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// `metadata.name`, where given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.certain.name.as_deref()
    }

    /// `expect`: what the base must be, checked before anything else.
    #[must_use]
    pub fn expect(&self) -> Option<&Sourced<Expect>> {
        self.0.certain.expect.as_ref()
    }

    /// `outputs`, which depends on no guest.
    #[must_use]
    pub fn outputs(&self) -> &Outputs {
        &self.0.certain.outputs
    }

    /// The secrets that have a value: none of them may be shown.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.0.certain.secrets
    }

    /// What the recipe uses whatever the guest is, and cannot be carried out yet. The plan may have more.
    #[must_use]
    pub fn unsupported(&self) -> &[Sourced<String>] {
        &self.0.certain.unsupported
    }

    /// Every file the recipe is made of, as it was named: the recipe first.
    #[must_use]
    pub fn sources(&self) -> Sources {
        Sources(self.0.source.clone())
    }

    /// What the recipe asks for in this guest: entries whose `when` does not hold there are left out.
    ///
    /// # Errors
    /// Entries that contradict each other in this guest, as findings.
    pub fn plan(&self, _guest: &GuestFacts) -> Result<Plan, Vec<Finding>> {
        let inner = &*self.0;
        let mut findings = Findings::new(inner.source.clone());
        let mut files = inner.files.clone();
        let fields = check::check(&inner.root, &mut findings);
        let plan = sections::plan(&fields, &mut findings, &mut files.only_known());
        match findings.failed() {
            true => Err(findings.take_sorted()),
            false => Ok(plan),
        }
    }
}

/// The texts of a recipe and of the files it is made of, to show the lines that findings are about.
#[derive(Clone, Debug)]
pub struct Sources(pub(crate) SourceMap);

impl Sources {
    /// The text of one of the files, by its name in an [`Origin`]; as far as it is UTF-8.
    #[must_use]
    pub fn text(&self, file: &Path) -> Option<&str> {
        self.0.named(file).map(|file| file.text.as_str())
    }

    /// The text that an origin is in; empty for one of another recipe.
    #[must_use]
    pub fn text_of(&self, origin: &Origin) -> &str {
        self.text(&origin.file).unwrap_or_default()
    }
}
