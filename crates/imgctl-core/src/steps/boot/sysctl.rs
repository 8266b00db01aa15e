//! `sysctl`: /etc/sysctl.d/NAME.conf.
//!
//! A line of the file that sets the same parameter gets the value; other lines stay. What later files set it to is told:
//! the last one counts.

use crate::checks::sysctl::{effective, path_of, words};
use crate::guest::Guest;
use crate::steps::each::each;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::text::{edit, push_line};
use crate::steps::{Outcome, StepSpec, fixed};
use imgctl_recipe::{Plan, SysctlFile};
use serde_json::json;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "sysctl",
    section: "sysctl",
    help: "set kernel parameters at boot",
    build: |plan: &Plan| each(SPEC.name, plan.sysctl.iter().cloned(), set),
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "sysctl",
    value: "NAME=VALUE",
    group: FlagGroup::Boot,
    help: "Set a kernel parameter at boot, in /etc/sysctl.d/90-imgctl.conf",
    example: "net.ipv4.ip_forward=1",
    recipe: "sysctl",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let (name, value) = super::assignment(text, "net.ipv4.ip_forward=1")?;
        Ok::<_, FlagError>(json!({ "sysctl": { "90-imgctl": { name: value } } }))
    }),
};

fn set(guest: &mut Guest, file: &SysctlFile) -> Outcome<()> {
    let path = fixed("/etc/sysctl.d").join(format!("{}.conf", file.name).as_bytes());
    edit(guest, &path, |text| Ok(Some(with_settings(text, &file.settings))))?;
    for (name, value) in file.settings.iter().filter(|(name, _)| !name.contains('*')) {
        if let Some((other, place)) = effective(guest, name)
            && words(&other) != words(value)
        {
            guest.warn(format!(
                "{place} sets {name} to {other}, which counts: it is read after {path}"
            ));
        }
    }
    Ok(())
}

fn with_settings(text: &str, settings: &[(String, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut added = String::new();
    for (name, value) in settings {
        let sets = |line: &String| {
            let line = line.trim();
            let (key, old) = line.strip_prefix('-').unwrap_or(line).split_once('=')?;
            (!line.starts_with(['#', ';']) && path_of(key.trim()) == path_of(name)).then(|| old.trim().to_owned())
        };
        match lines
            .iter()
            .enumerate()
            .rev()
            .find_map(|(index, line)| Some((index, sets(line)?)))
        {
            Some((_, old)) if words(&old) == words(value) => {}
            Some((index, _)) => lines[index] = format!("{name} = {value}"),
            None => push_line(&mut added, &format!("{name} = {value}")),
        }
    }
    let mut new = lines.join("\n");
    if !new.is_empty() {
        new.push('\n');
    }
    // A last line without its end is no difference.
    match added.is_empty() && new.trim_end() == text.trim_end() {
        true => text.to_owned(),
        false => new + &added,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, text};

    fn file(settings: &[(&str, &str)]) -> SysctlFile {
        SysctlFile {
            name: "90-k8s".to_owned(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn values_are_set_where_they_stand_and_others_stay() {
        let mut guest = guest(&[
            "/etc/sysctl.d/90-k8s.conf|# kept\nnet/ipv4/ip_forward=0\nvm.swappiness=10",
            "/etc/sysctl.d/99-late.conf|kernel.panic=0\n",
        ]);
        let file = file(&[
            ("net.ipv4.ip_forward", "1"),
            ("vm.swappiness", "10"),
            ("kernel.panic", "5"),
        ]);
        let changes = edited(&mut guest, |guest| set(guest, &file).unwrap());
        assert_eq!(changes, ["~/etc/sysctl.d/90-k8s.conf"]);
        assert_eq!(
            text(&guest, "/etc/sysctl.d/90-k8s.conf"),
            "# kept\nnet.ipv4.ip_forward = 1\nvm.swappiness=10\nkernel.panic = 5\n"
        );
        assert_eq!(
            guest.warnings()[0].message,
            "/etc/sysctl.d/99-late.conf:1 sets kernel.panic to 0, which counts: it is read after /etc/sysctl.d/90-k8s.conf"
        );
        let before = crate::testing::listing(guest.tree());
        set(&mut guest, &file).unwrap();
        assert_eq!(crate::testing::listing(guest.tree()), before);
    }

    #[test]
    fn a_new_file_is_made_with_its_folder() {
        let mut guest = guest(&["/etc/"]);
        let file = file(&[("net.ipv4.tcp_rmem", "4096 131072 6291456")]);
        let changes = edited(&mut guest, |guest| {
            set(guest, &file).unwrap();
            set(guest, &file).unwrap();
        });
        assert_eq!(changes, ["~/etc", "+/etc/sysctl.d", "+/etc/sysctl.d/90-k8s.conf"]);
    }
}
