//! Recipes: YAML to every finding, or a plan.
mod plan;

pub use plan::*;
