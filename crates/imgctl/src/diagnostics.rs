//! Findings about recipes, drawn with the lines they are about.

use crate::ui::{OneLine, Printable, is_harmful};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use imgctl_recipe::{Finding, Severity, Sources};
use std::ops::Range;

/// Draws findings about one recipe and the files it is made of, with colours; streams that show none strip them.
pub(crate) fn draw(sources: &Sources, findings: &[Finding]) -> String {
    draw_with(findings, |finding| sources.text_of(&finding.origin))
}

fn draw_with<'t>(findings: &[Finding], text_of: impl Fn(&Finding) -> &'t str) -> String {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    let drawn: Vec<String> = findings
        .iter()
        .map(|finding| draw_one(&renderer, text_of(finding), finding))
        .collect();
    drawn.join("\n\n")
}

fn draw_one(renderer: &Renderer, text: &str, finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = OneLine(finding.origin.file.display()).to_string();
    let excerpt = excerpt(text, finding);
    let source = Snippet::source(excerpt.text)
        .path(file)
        .line_start(excerpt.line)
        .annotation(AnnotationKind::Primary.span(excerpt.span));
    let mut group = level
        .primary_title(Printable(&finding.message).to_string())
        .element(source);
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.with_name("hint").message(Printable(hint).to_string()));
    }
    renderer.render(&[group])
}

/// The one line that a finding is about.
#[derive(Debug)]
struct Excerpt {
    text: String,
    /// Its number, from 1.
    line: usize,
    /// The part that is wrong, in bytes of the line.
    span: Range<usize>,
}

/// Cuts the line out here, so that a long recipe with many findings is not folded by the renderer once for each.
fn excerpt(text: &str, finding: &Finding) -> Excerpt {
    let at = text.floor_char_boundary(finding.span.start);
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let rest = &text[begin..];
    let line = rest[..rest.find('\n').unwrap_or(rest.len())].trim_end_matches('\r');
    let line_end = begin + line.len();
    let start = at.min(line_end);
    let end = text.ceil_char_boundary(finding.span.end).clamp(start, line_end);
    let before = harmless(&text[begin..start]);
    let marked = harmless(&text[start..end]);
    Excerpt {
        line: finding.origin.line,
        span: before.len()..before.len() + marked.len(),
        text: before + &marked + &harmless(&text[end..line_end]),
    }
}

/// The renderer knows how to show ASCII's control characters; others would reach the terminal.
fn harmless(text: &str) -> String {
    text.replace(
        |character: char| !character.is_ascii() && is_harmful(character),
        "\u{fffd}",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgctl_recipe::Origin;

    fn finding(span: std::ops::Range<usize>, line: usize, column: usize) -> Finding {
        Finding {
            severity: Severity::Error,
            origin: Origin {
                file: "golden.yaml".into(),
                line,
                column,
                key: "files".into(),
            },
            span,
            message: "unknown key `fils`".into(),
            hint: Some("did you mean `files`?".into()),
        }
    }

    fn plain(drawn: &str) -> String {
        anstream::adapter::strip_str(drawn).to_string()
    }

    #[test]
    fn a_finding_shows_its_place_its_line_and_the_hint() {
        let text = "apiVersion: imgctl/v1\nkind: Recipe\nfils: []\n";
        let drawn = plain(&draw_with(&[finding(35..39, 3, 1)], |_| text));
        snapbox::assert_data_eq!(
            drawn,
            snapbox::str![[r#"
error: unknown key `fils`
 --> golden.yaml:3:1
  |
3 | fils: []
  | ^^^^
  |
  = hint: did you mean `files`?
"#]]
        );
    }

    #[test]
    fn spans_outside_of_the_text_are_drawn_at_its_end() {
        for span in [0..0, 3..99, 99..120, 12..12] {
            let drawn = plain(&draw_with(&[finding(span, 1, 1)], |_| "a: ß\r\nb: é"));
            assert!(drawn.contains("golden.yaml:1:"), "{drawn}");
        }
        assert!(plain(&draw_with(&[finding(0..0, 1, 1)], |_| "")).contains("golden.yaml:1:1"));
    }

    #[test]
    fn control_characters_of_a_recipe_are_not_passed_on() {
        let drawn = plain(&draw_with(
            &[finding(0..1, 1, 1)],
            |_| "a\u{1b}]0;x\u{7}\u{9b}\u{202e}: 1\n",
        ));
        assert!(!drawn.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{drawn}");
    }
}
