//! `fstab`: one line of /etc/fstab for each mount point.
//!
//! A line that is there keeps what the entry does not name, with its spaces; of several lines for one mount point the first
//! stays, as systemd would have it. Other lines and comments are not touched.

use crate::guest::{Fstab, FstabEntry, FstabSpec, Guest, NewMetadata};
use crate::steps::each::each;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::text::{edit, push_line};
use crate::steps::{Outcome, StepFailure, StepSpec, fixed};
use imgctl_recipe::{Mount, Plan};
use imgctl_vfs::GuestPath;
use serde_json::{Map, Value, json};
use std::ops::Range;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "fstab",
    section: "fstab",
    help: "mount filesystems at boot",
    build: |plan: &Plan| each(SPEC.name, plan.fstab.iter().cloned(), set),
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "fstab",
    value: "LINE",
    group: FlagGroup::Boot,
    help: "Mount a filesystem at boot: a line of /etc/fstab, in place of one for the same mount point",
    example: "LABEL=data /data xfs noatime,nofail 0 2",
    recipe: "fstab",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(entry_of),
};

fn entry_of(line: &str) -> Result<Value, FlagError> {
    let fields: Vec<String> = line
        .split_whitespace()
        .map(|field| String::from_utf8_lossy(&crate::guest::unescape(field.as_bytes())).into_owned())
        .collect();
    let [source, path, rest @ ..] = fields.as_slice() else {
        let hint = format!("write a whole line, like '{}'", FLAG.example);
        return Err(FlagError::with_hint(
            "a line has at least a source and a mount point",
            hint,
        ));
    };
    let path = if path == "swap" { "none" } else { path };
    let mut entry = Map::from_iter([("source".to_owned(), json!(source)), ("path".to_owned(), json!(path))]);
    for (key, field) in ["type", "options", "dump", "pass"].iter().zip(rest) {
        let number = field.parse::<u8>().ok().filter(|_| matches!(*key, "dump" | "pass"));
        entry.insert(
            (*key).to_owned(),
            number.map_or_else(|| json!(field), |number| json!(number)),
        );
    }
    Ok(json!({ "fstab": [entry] }))
}

pub(super) fn set(guest: &mut Guest, mount: &Mount) -> Outcome<()> {
    edit(guest, &fixed("/etc/fstab"), |text| edited(text, mount))?;
    if mount.path != "none" && !mount.is_absent {
        let path = GuestPath::new(&mount.path)?;
        if !guest.exists(&path)? {
            guest.create_directory_all(&path, NewMetadata::root(0o755))?;
        }
    }
    Ok(())
}

fn edited(text: &str, mount: &Mount) -> Outcome<Option<String>> {
    let path = GuestPath::new(&mount.path).ok();
    let spec = mount.source.as_ref().map(|source| FstabSpec::parse(source.as_bytes()));
    let is_it = |entry: &FstabEntry| match &path {
        Some(path) => entry.mount_point.as_ref() == Some(path),
        None => entry.mount_point.is_none() && Some(&entry.spec) == spec.as_ref(),
    };
    let entries = Fstab::parse(text.as_bytes()).entries;
    let lines: Vec<usize> = entries
        .iter()
        .filter(|entry| is_it(entry))
        .map(|entry| entry.line)
        .collect();
    let kept = lines.first().filter(|_| !mount.is_absent);
    let mut new = String::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        if Some(&number) == kept {
            new.push_str(&changed(line, mount));
        } else if !lines.contains(&number) {
            new.push_str(line);
        }
    }
    if kept.is_none() && !mount.is_absent {
        let Some(source) = &mount.source else {
            return Err(StepFailure::refused_with(
                format!(
                    "/etc/fstab has no line for {}, and nothing says what is mounted there",
                    mount.path
                ),
                "add `source`, `uuid` or `label`",
            ));
        };
        push_line(&mut new, &made(source, mount));
    }
    Ok(Some(new))
}

/// A line with the fields that the entry names.
fn changed(line: &str, mount: &Mount) -> String {
    let end = line.trim_end().len();
    let (content, ending) = line.split_at_checked(end).unwrap_or((line, ""));
    let places = fields(content);
    let field = |index: usize| {
        let place: Option<&Range<usize>> = places.get(index);
        place.and_then(|place| content.get(place.clone()))
    };
    let old_source = field(0).map(|field| FstabSpec::parse(&crate::guest::unescape(field.as_bytes())));
    let source = mount
        .source
        .as_ref()
        .filter(|source| Some(FstabSpec::parse(source.as_bytes())) != old_source);
    let wanted = [
        source.map(|source| escaped(source)),
        None,
        mount.fs_type.clone(),
        mount.options.as_ref().map(|options| options.join(",")),
        mount.dump.map(|number| number.to_string()),
        mount.pass.map(|number| number.to_string()),
    ];
    let defaults = ["", "", "auto", "defaults", "0", "0"];
    let last = wanted.iter().rposition(Option::is_some).map_or(0, |index| index + 1);
    let mut new = String::new();
    let mut from = 0;
    for (index, (wanted, default)) in wanted.iter().zip(defaults).enumerate() {
        match places.get(index) {
            Some(place) => {
                new.push_str(content.get(from..place.start).unwrap_or_default());
                new.push_str(wanted.as_deref().or(field(index)).unwrap_or_default());
                from = place.end;
            }
            None if index < last => {
                new.push(' ');
                new.push_str(wanted.as_deref().unwrap_or(default));
            }
            None => {}
        }
    }
    new + content.get(from..).unwrap_or_default() + ending
}

fn fields(line: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut start = None;
    for (at, character) in line.char_indices().chain([(line.len(), ' ')]) {
        match (character.is_ascii_whitespace(), start) {
            (true, Some(from)) => {
                places.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    places
}

fn made(source: &str, mount: &Mount) -> String {
    let fs_type = mount.fs_type.as_deref().unwrap_or("auto");
    let options = mount
        .options
        .as_ref()
        .map_or_else(|| "defaults".to_owned(), |options| options.join(","));
    let is_checked = fs_type.starts_with("ext") || matches!(fs_type, "vfat" | "msdos" | "auto");
    let is_disk = !matches!(FstabSpec::parse(source.as_bytes()), FstabSpec::Other(_));
    let pass = match mount.path.as_str() {
        "/" => 1,
        _ if is_checked && is_disk => 2,
        _ => 0,
    };
    format!(
        "{} {} {fs_type} {options} {} {}",
        escaped(source),
        escaped(&mount.path),
        mount.dump.unwrap_or(0),
        mount.pass.unwrap_or(pass)
    )
}

fn escaped(field: &str) -> String {
    let mut text = String::new();
    for character in field.chars() {
        match character {
            ' ' | '\t' | '\n' | '\\' => text.push_str(&format!("\\{:03o}", u32::from(character))),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, listing, text};

    fn mount(path: &str, source: Option<&str>) -> Mount {
        Mount {
            path: path.to_owned(),
            source: source.map(str::to_owned),
            fs_type: None,
            options: None,
            dump: None,
            pass: None,
            is_absent: false,
        }
    }

    const OLD: &str = "# c\nUUID=1 /               ext4    errors=remount-ro 0       1\n\nLABEL=b\t/boot xfs\nx /twice a\ny /twice b\n/swap none swap sw 0 0";

    #[test]
    fn lines_are_ensured() {
        let options = |options: &[&str]| Some(options.iter().map(|option| (*option).to_owned()).collect());
        let absent = |mount: Mount| Mount {
            is_absent: true,
            ..mount
        };
        for (mount, gone, come) in [
            (mount("/", None), &[][..], &[][..]),
            (mount("/", Some("/dev/disk/by-uuid/1")), &[], &[]),
            (
                Mount {
                    options: options(&["defaults", "noatime"]),
                    ..mount("/", None)
                },
                &["UUID=1 /               ext4    errors=remount-ro 0       1"],
                &["UUID=1 /               ext4    defaults,noatime 0       1"],
            ),
            (
                Mount {
                    pass: Some(2),
                    ..mount("/boot", Some("LABEL=b"))
                },
                &["LABEL=b\t/boot xfs"],
                &["LABEL=b\t/boot xfs defaults 0 2"],
            ),
            (
                Mount {
                    fs_type: Some("ext4".to_owned()),
                    ..mount("/my data", Some("LABEL=my data"))
                },
                &["/swap none swap sw 0 0"],
                &[
                    "/swap none swap sw 0 0",
                    "LABEL=my\\040data /my\\040data ext4 defaults 0 2",
                ],
            ),
            (
                mount("/twice", Some("z")),
                &["x /twice a", "y /twice b"],
                &["z /twice a"],
            ),
            (absent(mount("/boot", None)), &["LABEL=b\t/boot xfs"], &[]),
            (absent(mount("/none", None)), &[], &[]),
            (mount("none", Some("/swap")), &[], &[]),
            (absent(mount("none", Some("/swap"))), &["/swap none swap sw 0 0"], &[]),
        ] {
            let new = edited(OLD, &mount).unwrap().unwrap();
            // Only a line at the end can get its end.
            let minus: Vec<&str> = OLD
                .split('\n')
                .filter(|line| !new.lines().any(|other| other == *line))
                .collect();
            let plus: Vec<&str> = new
                .lines()
                .filter(|line| !OLD.split('\n').any(|other| other == *line))
                .collect();
            let gone: Vec<&str> = gone.iter().copied().filter(|line| !come.contains(line)).collect();
            let come: Vec<&str> = come.iter().copied().filter(|line| !OLD.contains(line)).collect();
            assert_eq!((minus, plus), (gone, come), "{mount:?}");
            assert_eq!(edited(&new, &mount).unwrap().unwrap(), new, "a second time");
        }
        assert!(edited(OLD, &mount("/new", None)).is_err());
    }

    #[test]
    fn mount_points_are_made() {
        let mut guest = guest(&["/etc/"]);
        for _ in 0..2 {
            set(&mut guest, &mount("/srv/data", Some("tmpfs"))).unwrap();
            assert_eq!(text(&guest, "/etc/fstab"), "tmpfs /srv/data auto defaults 0 0\n");
            assert!(listing(guest.tree()).contains_key(&crate::testing::path("/srv/data")));
        }
    }

    #[test]
    fn an_option_is_a_line() {
        let entry = entry_of("LABEL=my\\040data /data xfs noatime,nofail 0 2").unwrap();
        let expected = json!({ "fstab": [{
            "source": "LABEL=my data", "path": "/data", "type": "xfs", "options": "noatime,nofail", "dump": 0, "pass": 2
        }] });
        assert_eq!(entry, expected);
        assert!(entry_of("x").is_err());
    }
}
