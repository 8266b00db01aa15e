//! Recipes of single sections, read as the command line reads them.

use imgctl_recipe::{GuestFacts, Host, HostFileError, Plan, Recipe, RecipeSource, Settings, Severity, read};
use std::fs;
use std::path::Path;

/// Local files of this crate's tests.
#[derive(Debug)]
struct Files;

impl Host for Files {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        Ok(fs::metadata(path).map(drop)?)
    }

    fn read_file(&self, path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        Ok(fs::read(path)?)
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

/// The recipe with these sections; local files are found from this crate's folder.
pub(crate) fn recipe(sections: &str) -> Recipe {
    let text = format!("apiVersion: imgctl/v1\nkind: Recipe\n{sections}\n");
    let name = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipe.yaml");
    let source = RecipeSource {
        name: &name,
        text: text.as_bytes(),
    };
    let outcome = read(source, &Settings::default(), &Files);
    let errors = outcome
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors.map(ToString::to_string).collect();
    assert_eq!(errors, [""; 0], "{sections}");
    outcome.recipe.unwrap()
}

/// The plan of a recipe's sections, all of which can be carried out.
pub(crate) fn plan(sections: &str) -> Plan {
    let plan = recipe(sections).plan(&GuestFacts::default()).unwrap();
    assert_eq!(plan.unsupported, [], "{sections}");
    plan
}
