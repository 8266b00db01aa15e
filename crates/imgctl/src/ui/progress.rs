//! How far a run is: a bar on a terminal, for runs that take a while; elsewhere a line for each stage; or events.

use super::{Printable, Ui};
use imgctl_core::{Event, Stage};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Runs shorter than this draw nothing.
const DELAY: Duration = Duration::from_millis(250);

const TICK: Duration = Duration::from_millis(100);

/// Time between two lines about one stage where no bar can be drawn, so that nobody thinks that the run hangs.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Time between two events about one stage.
const EVENT_INTERVAL: Duration = Duration::from_millis(200);

/// What a run's events become. Warnings appear in any case.
#[derive(Debug)]
pub(crate) struct Progress<'u> {
    ui: &'u Ui,
    form: Form,
    bar: ProgressBar,
    /// The thread that shows the bar after the delay, and what ends it.
    reveal: Option<(Sender<()>, JoinHandle<()>)>,
    /// The stage whose bytes are counted, and when they were told last.
    counted: Mutex<Option<(Stage, Instant)>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Bar,
    Lines,
    Events,
    Nothing,
}

#[derive(Serialize)]
struct StageRecord {
    stage: &'static str,
}

#[derive(Serialize)]
struct StepRecord {
    step: String,
}

#[derive(Serialize)]
struct OutputRecord {
    step: &'static str,
    line: String,
}

#[derive(Serialize)]
struct ProgressRecord {
    stage: &'static str,
    done_bytes: u64,
    total_bytes: u64,
}

impl<'u> Progress<'u> {
    pub(crate) fn new(ui: &'u Ui) -> Self {
        let has_cursor = || std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let form = if ui.is_json() {
            Form::Events
        } else if ui.is_quiet() {
            Form::Nothing
        } else if std::io::stderr().is_terminal() && has_cursor() {
            Form::Bar
        } else {
            Form::Lines
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(spinner());
        Self {
            ui,
            form,
            reveal: (form == Form::Bar).then(|| reveal_later(bar.clone())),
            bar,
            counted: Mutex::new(None),
        }
    }

    /// Tells one event.
    pub(crate) fn event(&self, event: Event) {
        match event {
            Event::Stage(stage) => self.stage(stage),
            Event::Step(step) => match self.form {
                Form::Bar => self.bar.set_message(format!("edit: {}", Printable(step))),
                Form::Lines => self.ui.status(format_args!("  {}", Printable(step))),
                Form::Events => self.ui.event("step", StepRecord { step }),
                Form::Nothing => {}
            },
            Event::Output { step, line } => match self.form {
                Form::Bar => self
                    .bar
                    .suspend(|| self.ui.status(format_args!("  {step}: {}", Printable(line)))),
                Form::Lines => self.ui.status(format_args!("    {step}: {}", Printable(line))),
                Form::Events => self.ui.event("output", OutputRecord { step, line }),
                Form::Nothing => {}
            },
            Event::Progress { stage, done, total } => self.bytes(stage, done, total),
            Event::Warning(text) => self.bar.suspend(|| self.ui.warning(text)),
            Event::Notice(notice) => self.bar.suspend(|| self.ui.notice(Printable(notice.0))),
            _ => {}
        }
    }

    fn stage(&self, stage: Stage) {
        if let Ok(mut counted) = self.counted.lock() {
            *counted = None;
        }
        match self.form {
            Form::Bar => {
                self.bar.set_style(spinner());
                self.bar.set_message(stage.name());
            }
            Form::Lines => {
                if let Some(line) = line(stage) {
                    self.ui.status(line);
                }
            }
            Form::Events => self.ui.event("stage", StageRecord { stage: stage.name() }),
            Form::Nothing => {}
        }
    }

    fn bytes(&self, stage: Stage, done: u64, total: u64) {
        match self.form {
            Form::Bar => {
                if self.is_due(stage, Duration::MAX) == Some(true) {
                    self.bar.set_style(counter());
                    self.bar.set_message(stage.name());
                    self.bar.reset_eta();
                }
                self.bar.set_length(total);
                self.bar.set_position(done);
            }
            Form::Lines => {
                if self.is_due(stage, LINE_INTERVAL) == Some(false) {
                    let (done, total) = (HumanBytes(done), HumanBytes(total));
                    self.ui.status(format_args!("  {done} of {total}"));
                }
            }
            Form::Events => {
                if self.is_due(stage, EVENT_INTERVAL).is_some() || done == total {
                    let record = ProgressRecord {
                        stage: stage.name(),
                        done_bytes: done,
                        total_bytes: total,
                    };
                    self.ui.event("progress", record);
                }
            }
            Form::Nothing => {}
        }
    }

    /// Whether this stage's bytes are told for the first time; `None`: it is too early to tell them again.
    fn is_due(&self, stage: Stage, interval: Duration) -> Option<bool> {
        let mut counted = self.counted.lock().ok()?;
        match *counted {
            Some((same, told)) if same == stage => {
                if told.elapsed() < interval {
                    return None;
                }
                *counted = Some((stage, Instant::now()));
                Some(false)
            }
            _ => {
                *counted = Some((stage, Instant::now()));
                Some(true)
            }
        }
    }
}

/// The line a stage begins with; none for a command that is only one stage, nor before it is known that there is an image.
fn line(stage: Stage) -> Option<&'static str> {
    Some(match stage {
        Stage::Edit => "changing the guest",
        Stage::Commit => "writing the filesystems",
        Stage::Verify => "reading the changes back",
        Stage::Open | Stage::Compare => return None,
        Stage::Pack => "packing the output",
        Stage::Digest => "computing checksums",
        Stage::Publish => "publishing",
        stage => stage.name(),
    })
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
        let ui = Ui::default();
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
