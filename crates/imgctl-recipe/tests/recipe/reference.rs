//! docs/recipe.md says what the table of keys says.

use crate::{compare, repository};

#[test]
fn the_reference_is_current() {
    if let Err(difference) = compare(&repository("docs/recipe.md"), &imgctl_recipe::reference()) {
        panic!("{difference}");
    }
}
