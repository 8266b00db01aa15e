//! `sysctl`: what the guest's sysctl.d files come to at boot (sysctl.d(5)).
//!
//! Of files of one name the first folder's counts; all are applied in the order of their names. /etc/sysctl.conf is
//! applied last by guests without systemd; systemd reads it only where a link in a folder leads to it.

use super::{Fault, Found, Scene, Verdict};
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::fixed;
use globset::{GlobBuilder, GlobMatcher};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use std::collections::BTreeMap;

/// The most important first; what /run holds is gone after a boot, and yet would count in a running image.
const FOLDERS: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// As many lines as all files may have.
const MAX_LINES: usize = 1 << 16;

/// A line: a parameter or a pattern, as a path below /proc/sys.
#[derive(Debug)]
struct Line {
    key: String,
    /// Without a value a line keeps patterns from this parameter.
    value: Option<String>,
    place: String,
}

pub(super) fn judge(scene: &Scene<'_>, key: &str, value: &str) -> Verdict {
    Verdict::new(format!("sysctl {key}"), value, found(scene, key, value))
}

fn found(scene: &Scene<'_>, key: &str, wanted: &str) -> Found {
    let lines = lines(scene.guest)?;
    let Some((value, place)) = setting(&lines, &path_of(key)) else {
        return Ok(vec!["no file sets it".to_owned()]);
    };
    Ok(match words(value) == words(wanted) {
        true => Vec::new(),
        false => vec![format!("{} ({place})", EscapedBytes(value.as_bytes()))],
    })
}

/// The value that a parameter has at the end, and where it comes from; `None` where no file sets it.
pub(crate) fn effective(guest: &Guest, key: &str) -> Option<(String, String)> {
    let lines = lines(guest).ok()?;
    setting(&lines, &path_of(key)).map(|(value, place)| (value.to_owned(), place.to_owned()))
}

/// The value that a parameter has at the end, and where it comes from.
fn setting<'l>(lines: &'l [Line], path: &str) -> Option<(&'l str, &'l str)> {
    // What is set by its name wins over patterns, wherever it stands.
    let mut exact = lines.iter().rev().filter(|line| line.key == path);
    if let Some(line) = exact.next() {
        return line.value.as_deref().map(|value| (value, line.place.as_str()));
    }
    let is_match = |line: &&Line| matcher(&line.key).is_some_and(|matcher| matcher.is_match(path));
    let line = lines.iter().rev().filter(|line| line.value.is_some()).find(is_match)?;
    line.value.as_deref().map(|value| (value, line.place.as_str()))
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    let is_pattern = pattern.contains(['*', '?', '[']);
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.ok().filter(|_| is_pattern).map(|glob| glob.compile_matcher())
}

fn lines(guest: &Guest) -> Result<Vec<Line>, Fault> {
    let mut files: BTreeMap<Vec<u8>, GuestPath> = BTreeMap::new();
    for folder in FOLDERS.map(fixed) {
        if !guest.is_directory(&folder)? {
            continue;
        }
        for entry in guest.read_dir(&folder)?.unwrap_or_default() {
            let name = entry.path.file_name().unwrap_or_default();
            if name.ends_with(b".conf") && !name.starts_with(b".") {
                files.entry(name.to_vec()).or_insert(folder.join(name));
            }
        }
    }
    let mut paths: Vec<GuestPath> = files.into_values().collect();
    let has_systemd = ["/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl"].map(fixed);
    let has_systemd = guest.exists(&has_systemd[0])? || guest.exists(&has_systemd[1])?;
    if !has_systemd {
        paths.push(fixed("/etc/sysctl.conf"));
    }
    let mut lines = Vec::new();
    for path in paths {
        // A link to /dev/null takes files of this name out of every folder.
        let is_file = guest
            .metadata(&path)?
            .is_some_and(|metadata| metadata.kind == FileKind::File);
        let text = match is_file {
            true => guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default(),
            false => continue,
        };
        add_lines(&text, &path, &mut lines);
        if lines.len() > MAX_LINES {
            return Err(Fault(format!("the sysctl files have more than {MAX_LINES} lines")));
        }
    }
    Ok(lines)
}

fn add_lines(text: &[u8], path: &GuestPath, lines: &mut Vec<Line>) {
    let text = String::from_utf8_lossy(text);
    for (index, line) in text.lines().enumerate().take(MAX_LINES) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let ignores_failure = line.strip_prefix('-');
        let (key, value) = match ignores_failure.unwrap_or(line).split_once('=') {
            Some((key, value)) => (key, Some(value.trim().to_owned())),
            None if ignores_failure.is_some() => (ignores_failure.unwrap_or_default(), None),
            None => continue,
        };
        lines.push(Line {
            key: path_of(key.trim()),
            value,
            place: format!("{path}:{}", index + 1),
        });
    }
}

/// `net.ipv4.ip_forward` and `net/ipv4/ip_forward` are the same; whichever of dot and slash comes first separates.
pub(crate) fn path_of(key: &str) -> String {
    match key.find(['.', '/']).map(|at| key.as_bytes().get(at)) {
        Some(Some(b'.')) => key
            .chars()
            .map(|character| match character {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

/// Values are compared word by word: `4096 131072` has a tab in /proc.
pub(crate) fn words(value: &str) -> Vec<&str> {
    value.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting_of(text: &str, key: &str) -> Option<String> {
        let mut lines = Vec::new();
        add_lines(text.as_bytes(), &fixed("/etc/sysctl.d/x.conf"), &mut lines);
        setting(&lines, &path_of(key)).map(|(value, _)| value.to_owned())
    }

    #[test]
    fn the_last_line_wins_and_names_win_over_patterns() {
        let text = "# c\n;c\nnet.ipv4.ip_forward=0\nnet/ipv4/ip_forward = 1\n-kernel.panic = 5\nbroken\n\
                    net.ipv4.conf.*.rp_filter = 2\nnet.ipv4.conf.eth0/1.rp_filter = 0\n-net.ipv4.conf.all.rp_filter\n";
        assert_eq!(setting_of(text, "net.ipv4.ip_forward").as_deref(), Some("1"));
        assert_eq!(setting_of(text, "net/ipv4/ip_forward").as_deref(), Some("1"));
        assert_eq!(setting_of(text, "kernel.panic").as_deref(), Some("5"));
        assert_eq!(
            setting_of(text, "net.ipv4.conf.default.rp_filter").as_deref(),
            Some("2")
        );
        assert_eq!(setting_of(text, "net.ipv4.conf.eth0/1.rp_filter").as_deref(), Some("0"));
        assert_eq!(setting_of(text, "net.ipv4.conf.all.rp_filter"), None);
        assert_eq!(setting_of(text, "vm.swappiness"), None);
    }
}
