//! What systemctl is not asked about: messages, init scripts, hostile folders.

use super::{InitSystem, Scope, Verb, act};
use crate::guest::Guest;
use crate::steps::Outcome;
use crate::testing::{changed_by, edited, guest};
use imgctl_recipe::{Plan, Services, Sourced};

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
    let script = "/etc/init.d/old|#!/bin/sh\n### BEGIN INIT INFO\n# Default-Start: 2 3\n# Default-Stop: 0 6\n### END INIT INFO\n";
    let mut guest = guest(&[script, "/etc/rc2.d/", PLAIN]);
    enable(&mut guest, "old.service").unwrap();
    let links = |guest: &Guest| -> Vec<String> {
        let links = guest.glob("/etc/rc?.d/*").unwrap();
        links.iter().map(ToString::to_string).collect()
    };
    let enabled = [
        "/etc/rc0.d/K01old",
        "/etc/rc2.d/S01old",
        "/etc/rc3.d/S01old",
        "/etc/rc6.d/K01old",
    ];
    assert_eq!(links(&guest), enabled);
    assert!(changed_by(&mut guest, |guest| enable(guest, "old.service").unwrap()).is_empty());
    disable(&mut guest, "old.service").unwrap();
    let disabled = [
        "/etc/rc0.d/K01old",
        "/etc/rc2.d/K01old",
        "/etc/rc3.d/K01old",
        "/etc/rc6.d/K01old",
    ];
    assert_eq!(links(&guest), disabled);
    assert!(changed_by(&mut guest, |guest| disable(guest, "old.service").unwrap()).is_empty());
    assert!(guest.warnings().is_empty());
}

#[test]
fn chkconfig_scripts_get_links_of_their_priorities() {
    let mut guest = guest(&[
        "/etc/rc.d/init.d/old|#!/bin/sh\n# chkconfig: 35 85 15\n",
        "/etc/init.d -> rc.d/init.d",
        "/etc/rc.d/rc3.d/",
    ]);
    assert_eq!(InitSystem::of(&guest).unwrap(), InitSystem::SysV);
    enable(&mut guest, "old.service").unwrap();
    let links = guest.glob("/etc/rc.d/rc?.d/*").unwrap();
    let names: Vec<String> = links
        .iter()
        .map(|link| link.to_string().replace("/etc/rc.d/rc", ""))
        .collect();
    let expected = [
        "0.d/K15", "1.d/K15", "2.d/S85", "3.d/S85", "4.d/S85", "5.d/S85", "6.d/K15",
    ];
    assert_eq!(names, expected.map(|name| format!("{name}old")));
    assert!(changed_by(&mut guest, |guest| enable(guest, "old.service").unwrap()).is_empty());
    disable(&mut guest, "old.service").unwrap();
    assert!(guest.glob("/etc/rc.d/rc?.d/S*").unwrap().is_empty());
    let failure = mask(&mut guest, "old.service").unwrap_err().to_string();
    assert_eq!(failure, "only systemd masks services, and the guest has none");
}

#[test]
fn openrc_has_runlevels() {
    let entries = [
        "/etc/init.d/sshd|#!/sbin/openrc-run\n",
        "/etc/init.d/networking|#!/sbin/openrc-run\n",
        "/etc/runlevels/boot/",
        "/etc/runlevels/default/",
        "/sbin/openrc|x",
    ];
    let mut alpine = guest(&entries);
    let changes = edited(&mut alpine, |guest| {
        enable(guest, "sshd.service").unwrap();
        enable(guest, "networking@boot.service").unwrap();
    });
    assert_eq!(
        changes,
        [
            "~/etc/runlevels/boot",
            "+/etc/runlevels/boot/networking",
            "~/etc/runlevels/default",
            "+/etc/runlevels/default/sshd"
        ]
    );
    assert_eq!(
        alpine
            .read_link(&crate::testing::path("/etc/runlevels/default/sshd"))
            .unwrap()
            .unwrap(),
        b"/etc/init.d/sshd"
    );
    // In a runlevel already, whichever it is.
    assert!(changed_by(&mut alpine, |guest| enable(guest, "networking.service").unwrap()).is_empty());
    disable(&mut alpine, "networking@default.service").unwrap();
    assert_eq!(alpine.glob("/etc/runlevels/*/networking").unwrap().len(), 1);
    disable(&mut alpine, "networking.service").unwrap();
    assert!(alpine.glob("/etc/runlevels/*/networking").unwrap().is_empty());
    disable(&mut alpine, "gone.service").unwrap();
    assert_eq!(warnings(&alpine), ["the service gone does not exist"]);
    let mut failure = |name| enable(&mut alpine, name).unwrap_err().to_string();
    assert_eq!(failure("ssh.service"), "the guest has no service named ssh");
    assert_eq!(failure("sshd@bot.service"), "the guest has no runlevel named bot");
    assert_eq!(
        failure("fstrim.timer"),
        "the guest starts services by OpenRC, which has no timer units like fstrim.timer"
    );
    let failure = mask(&mut alpine, "sshd.service").unwrap_err().to_string();
    assert!(failure.contains("cannot mask sshd"), "{failure}");
    let failure = act(&mut alpine, Verb::Enable, Scope::User, "x.service")
        .unwrap_err()
        .to_string();
    assert_eq!(
        failure,
        "only systemd starts services of user sessions, and the guest has none"
    );
}

#[test]
fn a_guest_without_services_says_so() {
    let failure = enable(&mut guest(&["/etc/hostname|x\n"]), "ssh.service")
        .unwrap_err()
        .to_string();
    assert_eq!(
        failure,
        "nothing in the guest is known to start services like ssh.service"
    );
}

#[test]
fn masks_are_taken_away() {
    let mut guest = guest(&[
        PLAIN,
        "/etc/systemd/system/plain.service -> /dev/null",
        "/usr/lib/systemd/system/vendor.service|",
    ]);
    let mut unmask = |name| {
        changed_by(&mut guest, |guest| {
            act(guest, Verb::Unmask, Scope::System, name).unwrap()
        })
    };
    assert_eq!(
        unmask("plain.service"),
        ["~/etc/systemd/system", "-/etc/systemd/system/plain.service"]
    );
    assert_eq!(unmask("plain.service"), [""; 0]);
    assert_eq!(unmask("vendor.service"), [""; 0]);
    assert_eq!(
        warnings(&guest),
        ["the unit vendor.service is still masked, by /usr/lib/systemd/system/vendor.service"]
    );
}

#[test]
fn presets_of_all_units_spare_those_that_are_named() {
    let mut guest = guest(&[
        PLAIN,
        "/usr/lib/systemd/system/other.service|[Install]\nWantedBy=multi-user.target\n",
        "/usr/lib/systemd/system/fstrim.timer|[Install]\nWantedBy=timers.target\n",
        "/usr/lib/systemd/system-preset/90-x.preset|enable fstrim.*\nenable other.*\ndisable *\n",
        "/etc/systemd/system/multi-user.target.wants/plain.service -> /usr/lib/systemd/system/plain.service",
    ]);
    let units = Services {
        enable: vec![sourced("other.service")],
        preset_all: Some(sourced("").origin),
        ..Services::default()
    };
    let plan = Plan {
        services: units,
        ..Plan::default()
    };
    let run = |guest: &mut Guest| assert!(crate::steps::execute(&plan, guest, &mut |_| true).unwrap());
    run(&mut guest);
    let links = guest.glob("/etc/systemd/system/*/*").unwrap();
    let links: Vec<String> = links.iter().map(ToString::to_string).collect();
    assert_eq!(
        links,
        [
            "/etc/systemd/system/multi-user.target.wants/other.service",
            "/etc/systemd/system/timers.target.wants/fstrim.timer"
        ]
    );
    assert!(changed_by(&mut guest, |guest| run(guest)).is_empty());
}

#[test]
fn the_default_target_is_a_link() {
    let mut guest = guest(&[
        "/usr/lib/systemd/system/multi-user.target|[Unit]\nX=y\n",
        "/usr/lib/systemd/system/default.target -> graphical.target",
    ]);
    let set = |guest: &mut Guest, name: &str| super::default_target::set_default(guest, name);
    set(&mut guest, "multi-user.target").unwrap();
    let link = guest.read_link(&crate::testing::path("/etc/systemd/system/default.target"));
    assert_eq!(link.unwrap().unwrap(), b"/usr/lib/systemd/system/multi-user.target");
    assert!(changed_by(&mut guest, |guest| set(guest, "multi-user.target").unwrap()).is_empty());
    assert!(set(&mut guest, "default.target").is_err());
    let failure = set(&mut guest, "multi-usr.target").unwrap_err();
    assert_eq!(failure.to_string(), "the guest has no unit named multi-usr.target");
}

fn sourced(name: &str) -> Sourced<String> {
    let origin = imgctl_recipe::Origin {
        file: "test".into(),
        line: 1,
        column: 1,
        key: "services".to_owned(),
    };
    Sourced {
        value: name.to_owned(),
        origin,
    }
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
