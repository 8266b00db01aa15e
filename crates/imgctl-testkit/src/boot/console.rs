//! A guest's serial console: what it says goes to a log and can be waited for, what we say is typed.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use regex::bytes::Regex;

use super::plain_text::PlainText;

/// Text that tells that a boot has failed, so that nobody waits for the time limit.
const FAILURES: &str = r"Kernel panic - not syncing|You are in (emergency|rescue) mode|Give root password for maint|grub rescue>|\bgrub> |\(initramfs\) |No bootable device|UEFI Interactive Shell|Shell> ";

/// How much unread text is kept; more is only in the log.
const UNREAD_BYTES: usize = 4 << 20;

/// A process whose standard input and output are a guest's serial console. The process ends with this value.
#[derive(Debug)]
pub struct Console {
    process: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    unread: Vec<u8>,
    failures: Regex,
    deadline: Instant,
    started: Instant,
    log: PathBuf,
}

impl Console {
    /// Starts `command`; everything must happen within `limit` from now.
    ///
    /// # Errors
    ///
    /// When the process cannot be started or the log cannot be written.
    pub fn start(command: &mut Command, log: &Path, limit: Duration) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let errors = file.try_clone()?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        let keyboard = process.stdin.take().context("the process has no input")?;
        let output = process.stdout.take().context("the process has no output")?;
        let started = Instant::now();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut log = Log::new(file, started);
            for_each_piece(output, |text| {
                log.append(&text);
                sender.send(text).is_ok()
            });
        });
        Ok(Self {
            process,
            keyboard,
            screen,
            unread: Vec::new(),
            failures: Regex::new(FAILURES)?,
            deadline: started + limit,
            started,
            log: log.to_path_buf(),
        })
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Types `text`.
    ///
    /// # Errors
    ///
    /// When the process has ended.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let typed = self
            .keyboard
            .write_all(text.as_bytes())
            .and_then(|()| self.keyboard.flush());
        typed.with_context(|| format!("typing on the console; the log is {}", self.log.display()))
    }

    /// Waits for text that `pattern` matches and returns all unread text before it, and the match's groups.
    ///
    /// # Errors
    ///
    /// When the time limit passes, the process ends, or the text tells of a failed boot.
    pub fn wait_for(&mut self, pattern: &str) -> Result<Matched> {
        match self.wait_until(&[pattern], self.deadline)? {
            Some((_, matched)) => Ok(matched),
            None => bail!(self.failed(&format!(
                "nothing matched `{pattern}` within {} s",
                self.elapsed().as_secs()
            ))),
        }
    }

    /// Waits like [`Self::wait_for`] for the first of several patterns, at most `patience`; its index, or none.
    ///
    /// # Errors
    ///
    /// When the time limit of the whole console passes, the process ends, or the text tells of a failed boot.
    pub fn wait_for_any(&mut self, patterns: &[&str], patience: Duration) -> Result<Option<(usize, Matched)>> {
        let until = self.deadline.min(Instant::now() + patience);
        let matched = self.wait_until(patterns, until)?;
        if matched.is_none() && Instant::now() >= self.deadline {
            bail!(self.failed(&format!("the time limit of {} s passed", self.elapsed().as_secs())));
        }
        Ok(matched)
    }

    /// Only watches for a time that no failure appears.
    ///
    /// # Errors
    ///
    /// When the process ends or the text tells of a failed boot.
    pub fn let_run(&mut self, time: Duration) -> Result<()> {
        self.wait_until(&[], self.deadline.min(Instant::now() + time)).map(drop)
    }

    /// Reads on until the process ends by itself.
    ///
    /// # Errors
    ///
    /// When it does not within the time limit.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= self.deadline {
                bail!(self.failed("the machine did not power off in time"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_until(&mut self, patterns: &[&str], until: Instant) -> Result<Option<(usize, Matched)>> {
        let patterns: Vec<Regex> = patterns.iter().map(|one| Regex::new(one)).collect::<Result<_, _>>()?;
        loop {
            let found = patterns
                .iter()
                .enumerate()
                .filter_map(|(index, pattern)| Some((index, pattern.captures(&self.unread)?)))
                .min_by_key(|(_, captures)| captures.get_match().start());
            if let Some((index, captures)) = found {
                let whole = captures.get_match();
                let groups = captures.iter().skip(1);
                let groups = groups.map(|group| group.map_or(String::new(), |group| lossy(group.as_bytes())));
                let matched = Matched {
                    before: lossy(self.unread.get(..whole.start()).unwrap_or_default()),
                    groups: groups.collect(),
                };
                let end = whole.end();
                self.unread.drain(..end);
                return Ok(Some((index, matched)));
            }
            if let Some(failure) = self.failures.find(&self.unread) {
                let text = lossy(failure.as_bytes());
                bail!(self.failed(&format!("the boot failed: `{text}`")));
            }
            match self
                .screen
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(text) => self.unread.extend(text),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.process.wait()?;
                    bail!(self.failed(&format!("the machine ended with {status}")));
                }
            }
            let surplus = self.unread.len().saturating_sub(UNREAD_BYTES);
            self.unread.drain(..surplus);
        }
    }

    /// A message with the log's name and its end.
    fn failed(&self, what: &str) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
        format!("{what}; the end of {}:\n{}", self.log.display(), end.join("\n"))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // The process may have ended already; there is nobody to tell.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What [`Console::wait_for`] found.
#[derive(Clone, Debug)]
pub struct Matched {
    /// The unread text before the match.
    pub before: String,
    /// The groups of the pattern; empty where one took no part.
    pub groups: Vec<String>,
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Hands over what `output` says as plain text, until it ends or `consume` is false.
fn for_each_piece(mut output: impl Read, mut consume: impl FnMut(Vec<u8>) -> bool) {
    let mut plain = PlainText::default();
    let mut buffer = [0; 4096];
    while let Ok(count) = output.read(&mut buffer) {
        let text = plain.feed(buffer.get(..count).unwrap_or_default());
        if count == 0 || !consume(text) {
            return;
        }
    }
}

/// The console's text in a file, each line with its time in seconds.
struct Log {
    file: File,
    started: Instant,
    within_line: bool,
}

impl Log {
    fn new(file: File, started: Instant) -> Self {
        Self {
            file,
            started,
            within_line: false,
        }
    }

    fn append(&mut self, text: &[u8]) {
        let mut lines = Vec::with_capacity(text.len());
        for byte in text {
            if !self.within_line {
                lines.extend(format!("{:6.1}  ", self.started.elapsed().as_secs_f64()).bytes());
            }
            lines.push(*byte);
            self.within_line = *byte != b'\n';
        }
        // A full disk must not end the boot; the log is for people.
        drop(self.file.write_all(&lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(script: &str, limit: Duration) -> (Console, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("console.log");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (Console::start(&mut command, &log, limit).unwrap(), folder)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn it_reads_until_a_pattern_and_types_an_answer() {
        let (mut console, folder) = console("printf 'one\\ntwo login: '; read name; echo \"<$name>\"", LONG);
        assert_eq!(console.wait_for(r"(\w+) login: ").unwrap().groups, ["two"]);
        console.send("root\n").unwrap();
        assert_eq!(console.wait_for("<(.*)>").unwrap().groups, ["root"]);
        assert!(console.wait_for_end().unwrap().success());
        let log = std::fs::read_to_string(folder.path().join("console.log")).unwrap();
        assert!(log.contains("0.0  one\n"), "{log}");
    }

    #[test]
    fn the_earliest_of_several_patterns_wins() {
        let (mut console, _folder) = console("echo incorrect; sleep 0.1; echo welcome; sleep 1", LONG);
        let (index, _) = console.wait_for_any(&["welcome", "incorrect"], LONG).unwrap().unwrap();
        assert_eq!(index, 1);
        assert!(
            console
                .wait_for_any(&["nothing"], Duration::from_millis(10))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn the_time_limit_ends_the_wait_and_shows_the_log() {
        let (mut console, _folder) = console("echo last words; exec sleep 60", Duration::from_millis(500));
        let error = console.wait_for("login: ").unwrap_err().to_string();
        assert!(
            error.contains("nothing matched `login: `") && error.contains("last words"),
            "{error}"
        );
    }

    #[test]
    fn a_panic_ends_the_wait_at_once() {
        let (mut console, _folder) = console("echo 'Kernel panic - not syncing: VFS'; exec sleep 60", LONG);
        let error = console.wait_for("login: ").unwrap_err().to_string();
        assert!(error.contains("the boot failed: `Kernel panic"), "{error}");
        assert!(console.elapsed() < LONG);
    }

    #[test]
    fn the_end_of_the_machine_ends_the_wait() {
        let (mut console, _folder) = console("exit 3", LONG);
        let error = console.wait_for("login: ").unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
    }
}
