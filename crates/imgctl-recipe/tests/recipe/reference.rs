//! docs/recipe.md and docs/recipe.schema.json say what the tables of keys say.

use crate::{compare, repository};

#[test]
fn the_reference_is_current() {
    if let Err(difference) = compare(&repository("docs/recipe.md"), &imgctl_recipe::reference()) {
        panic!("{difference}");
    }
}

#[test]
fn the_schema_is_current() {
    if let Err(difference) = compare(&repository("docs/recipe.schema.json"), &imgctl_recipe::schema()) {
        panic!("{difference}");
    }
}
