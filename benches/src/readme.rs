//! Puts the figures between the README's marks.

use anyhow::{Context as _, Result};

const BEGIN: &str = "<!-- bench -->\n";
const END: &str = "<!-- /bench -->";

/// Replaces what is between the marks.
pub(crate) fn update(figures: &str) -> Result<()> {
    let path = imgctl_testkit::workspace().join("README.md");
    let text = std::fs::read_to_string(&path).context("reading README.md")?;
    std::fs::write(&path, replace(&text, figures)?).context("writing README.md")
}

fn replace(text: &str, figures: &str) -> Result<String> {
    let missing = || format!("README.md has no {BEGIN:?} … {END:?}");
    let (before, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}\n{}\n\n{END}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        assert_eq!(
            replace(&text, "new\n").unwrap(),
            format!("a\n{BEGIN}\nnew\n\n{END}\nb\n")
        );
        assert!(replace("no marks", "new").is_err());
    }
}
