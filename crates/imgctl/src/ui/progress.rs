//! The progress bar: on a terminal only, and only for runs that take a while.

use super::Ui;
use imgctl_core::{Event, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs shorter than this draw nothing.
const DELAY: Duration = Duration::from_millis(250);

const TICK: Duration = Duration::from_millis(100);

/// What a run's events become on the terminal. Warnings appear in any case.
#[derive(Debug)]
pub(crate) struct Progress<'u> {
    ui: &'u Ui,
    bar: ProgressBar,
    /// The thread that shows the bar after the delay, and what ends it.
    reveal: Option<(Sender<()>, JoinHandle<()>)>,
    /// The stage whose layout the bar has.
    counted: Mutex<Option<Stage>>,
}

impl<'u> Progress<'u> {
    pub(crate) fn new(ui: &'u Ui) -> Self {
        let is_drawn = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(spinner());
        Self {
            ui,
            reveal: is_drawn.then(|| reveal_later(bar.clone())),
            bar,
            counted: Mutex::new(None),
        }
    }

    /// Draws one event.
    pub(crate) fn event(&self, event: Event) {
        match event {
            Event::Stage(stage) => self.stage(stage),
            Event::Step(name) => self.bar.set_message(format!("edit: {}", super::Printable(name))),
            Event::Progress { stage, done, total } => self.bytes(stage, done, total),
            Event::Warning(text) => self.bar.suspend(|| self.ui.warning(text)),
            _ => {}
        }
    }

    fn stage(&self, stage: Stage) {
        if let Ok(mut counted) = self.counted.lock() {
            *counted = None;
        }
        self.bar.set_style(spinner());
        self.bar.set_message(stage.name());
    }

    fn bytes(&self, stage: Stage, done: u64, total: u64) {
        let is_new = self
            .counted
            .lock()
            .is_ok_and(|mut counted| counted.replace(stage) != Some(stage));
        if is_new {
            self.bar.set_style(counter());
            self.bar.set_message(stage.name());
            self.bar.reset_eta();
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.reveal.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

fn reveal_later(bar: ProgressBar) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        if stopped.recv_timeout(DELAY) == Err(RecvTimeoutError::Timeout) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    });
    (stop, thread)
}

fn spinner() -> ProgressStyle {
    styled("{spinner} {wide_msg} {elapsed}")
}

fn counter() -> ProgressStyle {
    styled("{spinner} {msg:<8} {wide_bar} {binary_bytes} / {binary_total_bytes}  {eta}")
}

/// A template that does not parse is shown as indicatif's own bar.
fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_parse() {
        for template in [
            "{spinner} {wide_msg} {elapsed}",
            "{spinner} {msg:<8} {wide_bar} {binary_bytes}",
        ] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn events_may_come_in_any_order_and_from_any_thread() {
        let ui = Ui;
        let progress = Progress::new(&ui);
        std::thread::scope(|scope| {
            for stage in [Stage::Pack, Stage::Open, Stage::Digest] {
                let progress = &progress;
                scope.spawn(move || {
                    progress.event(Event::Progress {
                        stage,
                        done: 5,
                        total: 4,
                    });
                    progress.event(Event::Stage(stage));
                    progress.event(Event::Step("files".into()));
                });
            }
        });
    }
}
