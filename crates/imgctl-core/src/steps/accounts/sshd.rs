//! `sshd`: settings of the SSH server, where it reads them first.

use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec, fixed};
use globset::GlobBuilder;
use imgctl_recipe::{Plan, Sourced, Sshd, SshdSetting};
use imgctl_vfs::GuestPath;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "sshd",
    section: "sshd",
    help: "set what the SSH server allows",
    build: |plan: &Plan| {
        let settings = plan.sshd.clone();
        (!settings.is_empty()).then(|| Box::new(SshdStep { settings }) as Box<dyn Step>)
    },
};

#[derive(Debug)]
struct SshdStep {
    settings: Sshd,
}

impl Step for SshdStep {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for Sourced { value, origin } in &self.settings {
            set(guest, value).map_err(|failure| failure.at(SPEC.name, Some(origin)))?;
        }
        Ok(())
    }
}

/// Where the administrator's and the vendor's configuration lie.
const MAIN: [&str; 2] = ["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"];

const DROP_IN: &str = "/etc/ssh/sshd_config.d/10-imgctl.conf";

const HEADER: &str = "# Made by imgctl\n";

/// How deep files can include others.
const MAX_DEPTH: usize = 16;

/// Sets one keyword, and makes sure that sshd heeds it.
fn set(guest: &mut Guest, setting: &SshdSetting) -> Outcome<()> {
    let mut main = None;
    for path in MAIN.map(fixed) {
        if guest.exists(&path)? {
            main = Some(path);
            break;
        }
    }
    let Some(main) = main else {
        return Err(StepFailure::refused_with(
            "the guest has no /etc/ssh/sshd_config",
            "install its SSH server first",
        ));
    };
    let includes = includes_drop_in(&read(guest, &main)?);
    let path = match includes {
        true => fixed(DROP_IN),
        false if main == fixed(MAIN[0]) => main.clone(),
        false => {
            return Err(StepFailure::refused(format!(
                "{main} includes nothing from /etc/ssh/sshd_config.d"
            )));
        }
    };
    let old = read(guest, &path)?;
    let begin = if old.is_empty() { HEADER } else { "" };
    let new = format!("{begin}{}", with_setting(&old, setting));
    if new != old && !(old.is_empty() && new == HEADER) {
        if let Some(folder) = path.parent() {
            guest.create_directory_all(&folder, NewMetadata::root(0o755))?;
        }
        guest.write_file(&path, &mut new.as_bytes(), NewMetadata::root(0o644))?;
    }
    check_effective(guest, &main, setting)
}

fn read(guest: &Guest, path: &GuestPath) -> Outcome<String> {
    let text = guest.read(path, MAX_TEXT_BYTES)?.unwrap_or_default();
    String::from_utf8(text).map_err(|_| StepFailure::refused(format!("{path} is not text")))
}

/// A line's keyword and what it is set to.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let end = line.find(|c: char| c.is_ascii_whitespace() || c == '=')?;
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    (!keyword.starts_with('#')).then_some((keyword, value))
}

/// Whether two keywords are one: case does not matter, and some have older names.
fn is_same(one: &str, other: &str) -> bool {
    let current = |keyword: &str| match keyword.to_ascii_lowercase().as_str() {
        "challengeresponseauthentication" | "skeyauthentication" => "kbdinteractiveauthentication".to_owned(),
        "pubkeyacceptedkeytypes" => "pubkeyacceptedalgorithms".to_owned(),
        "dsaauthentication" => "pubkeyauthentication".to_owned(),
        keyword => keyword.to_owned(),
    };
    current(one) == current(other)
}

fn is_same_value(one: &str, other: &str) -> bool {
    let current = |value: &str| match value.trim_matches('"').to_ascii_lowercase().as_str() {
        "without-password" => "prohibit-password".to_owned(),
        value => value.to_owned(),
    };
    one.trim_matches('"') == other || current(one) == current(other)
}

/// The lines before the first `Match`: those of the whole server.
fn whole_server(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.take_while(|(_, line)| !assignment(line).is_some_and(|(keyword, _)| keyword.eq_ignore_ascii_case("match")))
}

fn patterns(value: &str) -> impl Iterator<Item = String> {
    value.split_ascii_whitespace().map(|pattern| {
        let pattern = pattern.trim_matches('"');
        match pattern.starts_with('/') {
            true => pattern.to_owned(),
            false => format!("/etc/ssh/{pattern}"),
        }
    })
}

fn includes_drop_in(text: &str) -> bool {
    let assignments = whole_server(text).filter_map(|(_, line)| assignment(line));
    let mut includes = assignments.filter(|(keyword, _)| keyword.eq_ignore_ascii_case("include"));
    includes.any(|(_, value)| {
        patterns(value).any(|pattern| {
            let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
            glob.is_ok_and(|glob| glob.compile_matcher().is_match(DROP_IN))
        })
    })
}

/// The text with the keyword set: where it stands already, else after a comment about it, else at the end of what holds
/// for the whole server.
fn with_setting(text: &str, setting: &SshdSetting) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let wanted: Vec<String> = setting
        .values
        .iter()
        .map(|value| format!("{} {}", setting.keyword, written(value, setting.is_list)))
        .collect();
    let is_keyword = |line: &str| assignment(line).is_some_and(|(keyword, _)| is_same(keyword, setting.keyword));
    let present: Vec<usize> = whole_server(text)
        .filter(|(_, line)| is_keyword(line))
        .map(|(at, _)| at)
        .collect();
    let value_at = |at: &usize| {
        lines
            .get(*at)
            .and_then(|line| assignment(line))
            .map(|(_, value)| value.to_owned())
    };
    let values: Vec<String> = present.iter().filter_map(value_at).collect();
    let is_so = match setting.is_list {
        true => values.len() == setting.values.len() && values.iter().zip(&setting.values).all(|(is, to)| is == to),
        false => values.first().is_some_and(|is| is_same_value(is, &setting.values[0])),
    };
    if is_so {
        return text.to_owned();
    }
    let old = match setting.is_list {
        true => present.as_slice(),
        false => present.get(..1).unwrap_or_default(),
    };
    let at = old.first().copied().unwrap_or_else(|| place_for(text, setting.keyword));
    for index in old.iter().rev() {
        lines.remove(*index);
    }
    let at = at.min(lines.len());
    lines.splice(at..at, wanted);
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// A value with quotes where it needs them. Keywords with lists take words.
fn written(value: &str, is_list: bool) -> String {
    match !is_list && value.contains(' ') && value.starts_with('/') {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    }
}

fn place_for(text: &str, keyword: &str) -> usize {
    let about = |line: &str| {
        let rest = line.trim().strip_prefix('#').map(str::trim_start);
        rest.and_then(assignment)
            .is_some_and(|(name, _)| is_same(name, keyword))
    };
    let comment = whole_server(text).filter(|(_, line)| about(line)).last();
    match comment {
        Some((at, _)) => at + 1,
        None => whole_server(text).count(),
    }
}

/// Fails where sshd reads another value before: the first one of a keyword counts.
fn check_effective(guest: &Guest, main: &GuestPath, setting: &SshdSetting) -> Outcome<()> {
    if setting.is_list {
        return Ok(());
    }
    let Some((file, value)) = first_value(guest, main, setting.keyword, 0)? else {
        return Ok(());
    };
    if is_same_value(&value, &setting.values[0]) {
        return Ok(());
    }
    let keyword = setting.keyword;
    Err(StepFailure::refused_with(
        format!("{keyword} has no effect: {file} sets it to {value:?}, and sshd reads that first"),
        "remove that line or that file by `files`",
    ))
}

/// The value of a keyword that sshd reads first, and the file that has it.
fn first_value(guest: &Guest, path: &GuestPath, keyword: &str, depth: usize) -> Outcome<Option<(GuestPath, String)>> {
    if depth > MAX_DEPTH {
        return Ok(None);
    }
    let text = read(guest, path)?;
    for (_, line) in whole_server(&text) {
        let Some((name, value)) = assignment(line) else {
            continue;
        };
        if name.eq_ignore_ascii_case("include") {
            for pattern in patterns(value) {
                for file in guest.glob(&pattern)? {
                    if let Some(found) = first_value(guest, &file, keyword, depth + 1)? {
                        return Ok(Some(found));
                    }
                }
            }
        } else if is_same(name, keyword) {
            return Ok(Some((path.clone(), value.to_owned())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{again, guest, text};

    fn setting(keyword: &'static str, values: &[&str]) -> SshdSetting {
        SshdSetting {
            keyword,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            is_list: values.len() > 1 || keyword == "AllowUsers",
        }
    }

    #[test]
    fn a_drop_in_holds_what_is_set() {
        let mut guest = guest(&["/etc/ssh/sshd_config|Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n"]);
        for (keyword, value) in [
            ("PermitRootLogin", "no"),
            ("PermitRootLogin", "prohibit-password"),
            ("X11Forwarding", "no"),
        ] {
            set(&mut guest, &setting(keyword, &[value])).unwrap();
        }
        set(&mut guest, &setting("AcceptEnv", &["LANG", "LC_*"])).unwrap();
        let expected =
            "# Made by imgctl\nPermitRootLogin prohibit-password\nX11Forwarding no\nAcceptEnv LANG\nAcceptEnv LC_*\n";
        assert_eq!(text(&guest, DROP_IN), expected);
        let mut guest = again(guest);
        set(&mut guest, &setting("X11Forwarding", &["no"])).unwrap();
        set(&mut guest, &setting("AcceptEnv", &["LANG", "LC_*"])).unwrap();
        assert!(guest.log().is_empty());
        assert_eq!(text(&guest, DROP_IN), expected);
    }

    #[test]
    fn without_an_include_the_file_itself_is_edited() {
        for (before, after) in [
            (
                "Port 22\nMatch User x\n  PermitRootLogin yes\n",
                "Port 22\nPermitRootLogin no\nMatch User x\n  PermitRootLogin yes\n",
            ),
            (
                "#PermitRootLogin yes\nPort 22\n",
                "#PermitRootLogin yes\nPermitRootLogin no\nPort 22\n",
            ),
            (
                "permitrootlogin=yes\nPermitRootLogin yes",
                "PermitRootLogin no\nPermitRootLogin yes\n",
            ),
            ("PermitRootLogin no\n", "PermitRootLogin no\n"),
            (
                "Match all\nInclude /etc/ssh/sshd_config.d/*.conf\n",
                "PermitRootLogin no\nMatch all\nInclude /etc/ssh/sshd_config.d/*.conf\n",
            ),
        ] {
            let mut guest = guest(&[&format!("/etc/ssh/sshd_config|{before}")]);
            set(&mut guest, &setting("PermitRootLogin", &["no"])).unwrap();
            assert_eq!(text(&guest, "/etc/ssh/sshd_config"), after);
            assert_eq!(guest.log().is_empty(), before == after);
        }
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        for (main, other) in [
            (
                "PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n",
                "",
            ),
            ("Include sshd_config.d/*.conf\n", "PasswordAuthentication yes\n"),
        ] {
            let mut guest = guest(&[
                &format!("/etc/ssh/sshd_config|{main}"),
                &format!("/etc/ssh/sshd_config.d/01-x.conf|{other}"),
            ]);
            let failure = set(&mut guest, &setting("PasswordAuthentication", &["no"])).unwrap_err();
            assert!(failure.to_string().contains("sets it to \"yes\""), "{failure}");
        }
        let mut bare = guest(&["/etc/ssh/"]);
        assert!(set(&mut bare, &setting("UsePAM", &["yes"])).is_err());
        let mut suse = guest(&["/usr/etc/ssh/sshd_config|Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n"]);
        set(&mut suse, &setting("UsePAM", &["no"])).unwrap();
        assert_eq!(text(&suse, DROP_IN), "# Made by imgctl\nUsePAM no\n");
    }
}
