//! The terminal: data on standard output, everything else on standard error.

mod calendar;
mod columns;
mod messages;
mod printable;
mod progress;
mod redaction;

pub(crate) use calendar::date_and_time;
pub(crate) use columns::columns;
pub(crate) use messages::{LogFormat, MessageArgs};
pub(crate) use printable::{OneLine, Printable, escaped_json, is_harmful};
pub(crate) use progress::Progress;
pub(crate) use redaction::{protect, redacted_json};

use anstyle::{AnsiColor, Style};
use redaction::{Protected, redacted};
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const CAUSE: Style = Style::new().bold();

/// Writes to the terminal. Colour follows `--color`, `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM=dumb` and whether it
/// is a terminal at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ui {
    log: LogFormat,
    quiet: bool,
    /// The drop-in tool whose messages these are.
    tool: Option<&'static str>,
}

/// One line of `--log-format json`.
#[derive(Serialize)]
struct EventLine<'a, T> {
    event: &'a str,
    #[serde(flatten)]
    data: T,
}

/// A failure, as `--log-format json` tells it.
#[derive(Serialize)]
struct ErrorRecord<'a> {
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    exit_code: u8,
}

#[derive(Serialize)]
struct TextRecord {
    message: String,
}

impl Ui {
    /// Messages as a drop-in tool tells them: `virt-cat: error: …`.
    pub(crate) fn of_tool(name: &'static str) -> Self {
        Self {
            tool: Some(name),
            ..MessageArgs::default().ui()
        }
    }

    /// The drop-in tool that talks, if one does.
    pub(crate) fn tool(&self) -> Option<&'static str> {
        self.tool
    }

    /// Standard output, for what the user asked for and nothing else. Must be flushed.
    pub(crate) fn data(&self) -> BufWriter<Stdout> {
        BufWriter::new(io::stdout())
    }

    /// Standard output for text with colours, without secrets. Must be flushed.
    pub(crate) fn styled_data(&self) -> BufWriter<Protected<anstream::AutoStream<Stdout>>> {
        BufWriter::new(Protected::new(anstream::stdout()))
    }

    /// Whether messages are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.log == LogFormat::Json
    }

    /// Whether only warnings and errors are told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// About the run, laid out already, on standard error. `--quiet` leaves it out; where messages are JSON they tell the
    /// same in events.
    pub(crate) fn status(&self, text: impl fmt::Display) {
        if !self.quiet && !self.is_json() {
            line(format_args!("{text}"));
        }
    }

    /// The same for what must be told in any case.
    pub(crate) fn notice(&self, text: impl fmt::Display) {
        match self.is_json() {
            true => self.text_event("note", &text),
            false => line(format_args!("{text}")),
        }
    }

    /// A line for machines, where messages are JSON.
    pub(crate) fn event(&self, event: &str, data: impl Serialize) {
        if self.is_json()
            && let Ok(json) = serde_json::to_string(&EventLine { event, data })
        {
            write_line(&redacted_json(&escaped_json(&json)));
        }
    }

    pub(crate) fn warning(&self, text: impl fmt::Display) {
        match self.is_json() {
            true => self.text_event("warning", &text),
            false => self.line(format_args!("{WARNING}warning:{WARNING:#} {}", Printable(text))),
        }
    }

    /// Something that is different from what people may think.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        match self.is_json() {
            true => self.text_event("note", &text),
            false if self.quiet => {}
            false => self.line(format_args!("{CAUSE}note:{CAUSE:#} {}", Printable(text))),
        }
    }

    /// An error with what led to it, a line each, and what can be done about it.
    pub(crate) fn error(&self, error: &(dyn Error + 'static), hints: &[String], exit_code: u8) {
        let mut said = error.to_string();
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Transparent wrappers repeat what they wrap.
            if text != said {
                causes.push(text.clone());
            }
            said = text;
            next = cause.source();
        }
        if self.is_json() {
            let record = ErrorRecord {
                message: error.to_string(),
                causes,
                hints,
                exit_code,
            };
            self.event("error", record);
            return;
        }
        self.line(format_args!("{ERROR}error:{ERROR:#} {}", Printable(error)));
        for cause in causes {
            self.line(format_args!("{CAUSE}caused by:{CAUSE:#} {}", Printable(cause)));
        }
        for hint in hints {
            self.line(format_args!("{HINT}hint:{HINT:#} {}", Printable(hint)));
        }
    }

    fn line(&self, text: fmt::Arguments<'_>) {
        match self.tool {
            Some(tool) => line(format_args!("{tool}: {text}")),
            None => line(text),
        }
    }

    fn text_event(&self, event: &str, text: &dyn fmt::Display) {
        let message = text.to_string();
        self.event(event, TextRecord { message });
    }
}

/// Writes one line without secrets.
fn line(text: fmt::Arguments<'_>) {
    write_line(&redacted(&text.to_string()));
}

/// Writes one line in one piece. Nobody is left to be told when standard error is gone.
fn write_line(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}
