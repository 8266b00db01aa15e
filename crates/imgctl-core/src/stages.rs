//! The course of a run: its stages, how long each took, and what people should know.

use crate::event::OnEvent;
use crate::receipt::StageRecord;
use crate::{Error, ErrorKind, Event, Result, Stage};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The stages of one run under way.
pub(crate) struct Stages<'a> {
    on_event: OnEvent<'a>,
    cancel: &'a AtomicBool,
    current: Option<(Stage, Instant)>,
    records: Vec<StageRecord>,
    warnings: Vec<String>,
}

impl<'a> Stages<'a> {
    pub(crate) fn new(on_event: OnEvent<'a>, cancel: &'a AtomicBool) -> Self {
        Self {
            on_event,
            cancel,
            current: None,
            records: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Ends the current stage, if any, and begins the next, unless the run was told to stop.
    pub(crate) fn begin(&mut self, stage: Stage) -> Result<()> {
        self.end();
        if self.cancel.load(Ordering::Relaxed) {
            return Err(cancelled());
        }
        (self.on_event)(Event::Stage(stage));
        self.current = Some((stage, Instant::now()));
        Ok(())
    }

    /// Tells a warning now, and keeps it for the receipt.
    pub(crate) fn warn(&mut self, warning: String) {
        (self.on_event)(Event::Warning(warning.clone()));
        self.warnings.push(warning);
    }

    /// Ends the last stage; the warnings and the stages' records, for the receipt.
    pub(crate) fn finish(&mut self) -> (Vec<String>, Vec<StageRecord>) {
        self.end();
        (std::mem::take(&mut self.warnings), std::mem::take(&mut self.records))
    }

    fn end(&mut self) {
        if let Some((stage, began)) = self.current.take() {
            self.records.push(StageRecord {
                stage: stage.name().to_owned(),
                milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
        }
    }
}

/// The error of a run that was told to stop.
pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "interrupted; nothing was written")
}
