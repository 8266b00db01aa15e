//! The terminal: data on standard output, everything else on standard error.

mod calendar;
mod columns;
mod printable;
mod progress;

pub(crate) use calendar::date_and_time;
pub(crate) use columns::columns;
pub(crate) use printable::{OneLine, Printable, is_harmful};
pub(crate) use progress::Progress;

use anstyle::{AnsiColor, Style};
use std::error::Error;
use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const CAUSE: Style = Style::new().bold();

/// Writes to the terminal. Colour follows `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and whether it is a terminal at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui;

impl Ui {
    /// Standard output, for what the user asked for and nothing else. Must be flushed.
    pub(crate) fn data(&self) -> BufWriter<Stdout> {
        BufWriter::new(io::stdout())
    }

    /// Standard output for text with colours. Must be flushed.
    pub(crate) fn styled_data(&self) -> anstream::AutoStream<Stdout> {
        anstream::stdout()
    }

    /// About the run, laid out already, on standard error.
    pub(crate) fn status(&self, text: impl fmt::Display) {
        line(format_args!("{text}"));
    }

    pub(crate) fn warning(&self, text: impl fmt::Display) {
        line(format_args!("{WARNING}warning:{WARNING:#} {}", Printable(text)));
    }

    pub(crate) fn hint(&self, text: impl fmt::Display) {
        line(format_args!("{HINT}hint:{HINT:#} {}", Printable(text)));
    }

    /// An error and what led to it, a line each.
    pub(crate) fn error(&self, error: &(dyn Error + 'static)) {
        line(format_args!("{ERROR}error:{ERROR:#} {}", Printable(error)));
        let mut said = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Transparent wrappers repeat what they wrap.
            if text != said {
                line(format_args!("{CAUSE}caused by:{CAUSE:#} {}", Printable(&text)));
            }
            said = text;
            next = cause.source();
        }
    }
}

/// Writes one line in one piece. Nobody is left to be told when standard error is gone.
fn line(text: fmt::Arguments<'_>) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}
