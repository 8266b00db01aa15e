//! What systemctl is not asked about: messages, init scripts, hostile folders.

use super::{Scope, Verb, act};
use crate::guest::Guest;
use crate::steps::Outcome;
use crate::testing::{edited, guest};

const PLAIN: &str = "/usr/lib/systemd/system/plain.service|[Install]\nWantedBy=multi-user.target\n";
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

fn enable(guest: &mut Guest, name: &str) -> Outcome<()> {
    act(guest, Verb::Enable, Scope::System, name)
}

fn disable(guest: &mut Guest, name: &str) -> Outcome<()> {
    act(guest, Verb::Disable, Scope::System, name)
}

fn mask(guest: &mut Guest, name: &str) -> Outcome<()> {
    act(guest, Verb::Mask, Scope::System, name)
}

fn warnings(guest: &Guest) -> Vec<&str> {
    guest
        .warnings()
        .iter()
        .map(|warning| warning.message.as_str())
        .collect()
}

#[test]
fn a_second_run_touches_nothing() {
    let link = format!("{WANTS}/plain.service -> ../../../../usr/lib/systemd/system/plain.service");
    let mut guest = guest(&[PLAIN, &link, "/etc/systemd/system/m.service -> /dev/null"]);
    enable(&mut guest, "plain.service").unwrap();
    mask(&mut guest, "m.service").unwrap();
    disable(&mut guest, "absent.service").unwrap();
    assert!(guest.log().is_empty());
    assert_eq!(
        warnings(&guest),
        ["the unit absent.service does not exist; only links of its name are removed"]
    );
}

#[test]
fn missing_and_masked_units_are_named() {
    let mut guest = guest(&[PLAIN, "/etc/systemd/system/m.service -> /dev/null"]);
    let mut failure = |name| enable(&mut guest, name).unwrap_err().to_string();
    assert_eq!(failure("plan.service"), "the guest has no unit named plan.service");
    assert!(failure("m.service").starts_with("the unit m.service is masked by /etc/systemd/system/m.service"));
    assert_eq!(failure("../x"), "../x is not the name of a unit");
    mask(&mut guest, "new.service").unwrap();
    assert_eq!(
        warnings(&guest),
        ["the unit new.service does not exist; it is masked all the same"]
    );
}

#[test]
fn a_file_is_not_masked_away() {
    let mut guest = guest(&["/etc/systemd/system/own.service|[Service]\n"]);
    let failure = mask(&mut guest, "own.service").unwrap_err().to_string();
    assert_eq!(
        failure,
        "/etc/systemd/system/own.service is a file; a link cannot take its place"
    );
    assert!(guest.log().is_empty());
}

#[test]
fn an_alias_in_etc_enables_the_real_unit() {
    let mut guest = guest(&[
        PLAIN,
        "/etc/systemd/system/nick.service -> /usr/lib/systemd/system/plain.service",
    ]);
    let changes = edited(&mut guest, |guest| enable(guest, "nick.service").unwrap());
    assert_eq!(
        changes,
        [
            "~/etc/systemd/system".to_owned(),
            format!("+{WANTS}"),
            format!("+{WANTS}/plain.service"),
        ]
    );
}

#[test]
fn init_scripts_get_links_of_their_runlevels() {
    let script = "/etc/init.d/old|#!/bin/sh\n# Default-Start: 2 3 5\n";
    let mut guest = guest(&[
        script,
        "/etc/rc2.d/K09old -> ../init.d/old",
        "/etc/rc3.d/S05old -> ../init.d/old",
        "/etc/rc4.d/",
        "/etc/rc5.d/",
    ]);
    let changes = edited(&mut guest, |guest| enable(guest, "old.service").unwrap());
    assert_eq!(
        changes,
        [
            "~/etc/rc2.d",
            "-/etc/rc2.d/K09old",
            "+/etc/rc2.d/S01old",
            "~/etc/rc5.d",
            "+/etc/rc5.d/S01old"
        ]
    );
    disable(&mut guest, "old.service").unwrap();
    assert!(guest.glob("/etc/rc?.d/S*").unwrap().is_empty());
    assert_eq!(guest.glob("/etc/rc?.d/K01old").unwrap().len(), 3);
    assert!(guest.warnings().is_empty());
}

#[test]
fn hostile_folders_do_not_lead_out_or_on_for_ever() {
    let mut guest = guest(&[
        "/etc/systemd/system -> /../../host",
        "/host/",
        PLAIN,
        "/usr/lib/systemd/system/a.service -> b.service",
        "/usr/lib/systemd/system/b.service -> a.service",
        "/usr/lib/systemd/system/self.service -> self.service",
        "/usr/lib/systemd/system/up.service -> ../../../../../..",
        "/usr/lib/systemd/system/dir.service/x|",
        "/usr/lib/systemd/system/huge.service|[Install]\nWantedBy=../../../x.target\nAlias=../x.service\n",
        "/host/loop.wants -> loop.wants",
        "/host/\u{1b}.wants/plain.service -> /usr/lib/systemd/system/plain.service",
    ]);
    enable(&mut guest, "plain.service").unwrap();
    assert_eq!(guest.glob("/host/multi-user.target.wants/*").unwrap().len(), 1);
    for name in ["a.service", "self.service", "up.service", "dir.service", "huge.service"] {
        enable(&mut guest, name).unwrap_err();
    }
    disable(&mut guest, "plain.service").unwrap();
    assert!(guest.glob("/host/*.wants/plain.service").unwrap().is_empty());
}
