//! `glob`: how many paths match a pattern.

use super::{Found, Scene, Verdict};
use imgctl_recipe::GlobCheck;

/// As many paths as a message names.
const SHOWN: usize = 5;

pub(super) fn judge(scene: &Scene<'_>, check: &GlobCheck) -> Verdict {
    let (min, max) = match (check.min, check.max) {
        (None, None) => (1, None),
        (min, max) => (min.unwrap_or(0), max),
    };
    let expected = match max {
        Some(0) => "no paths".to_owned(),
        Some(max) if max == min => format!("{min} paths"),
        Some(max) => format!("{min} to {max} paths"),
        None => format!("at least {min} paths"),
    };
    Verdict::new(
        format!("glob {}", check.pattern),
        expected,
        found(scene, check, min, max),
    )
}

fn found(scene: &Scene<'_>, check: &GlobCheck, min: u64, max: Option<u64>) -> Found {
    let paths = scene.guest.glob(&check.pattern)?;
    let count = paths.len() as u64;
    if count >= min && max.is_none_or(|max| count <= max) {
        return Ok(Vec::new());
    }
    let mut shown: Vec<String> = paths.iter().take(SHOWN).map(ToString::to_string).collect();
    if paths.len() > SHOWN {
        shown.push("…".to_owned());
    }
    Ok(vec![match shown.as_slice() {
        [] => "none".to_owned(),
        shown => format!("{count}: {}", shown.join(", ")),
    }])
}
