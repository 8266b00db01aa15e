//! A panic is a bug: say so, and leave with an exit code of its own.

use crate::command_error::EXIT_BUG;
use crate::ui::{Printable, Ui};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

/// Runs `main`, and turns a panic in it into exit code 70.
pub(crate) fn guard(ui: Ui, main: impl FnOnce() -> ExitCode + panic::UnwindSafe) -> ExitCode {
    panic::set_hook(Box::new(move |info| report(ui, info)));
    panic::catch_unwind(main).unwrap_or_else(|_| ExitCode::from(EXIT_BUG))
}

fn report(ui: Ui, info: &PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("no message");
    let place = info
        .location()
        .map_or_else(String::new, |location| format!(" at {location}"));
    let error = Box::<dyn std::error::Error>::from(format!("a bug in imgctl: {what}{place}"));
    let hint = concat!(
        "please report this message and the command that led to it (imgctl ",
        env!("CARGO_PKG_VERSION"),
        "); the base image is as it was"
    );
    ui.error(&*error, &[hint.to_owned()], EXIT_BUG);
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        ui.notice(Printable(backtrace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_exit_code_70() {
        let code = guard(Ui::default(), || panic!("on purpose"));
        let _ = panic::take_hook();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(70)));
    }
}
