//! Where scripts end up, and what a second run adds to them.

use super::*;
use crate::testing::{changes, guest, listing, mode, text};

const SYSTEMD: &str = "/usr/lib/systemd/systemd|x";
const SHELL: &str = "/bin/sh|x";

fn entry(name: Option<&str>, deed: FirstBootDeed) -> FirstBoot {
    FirstBoot {
        name: name.map(str::to_owned),
        deed,
        network: false,
        retry: true,
        sensitive: false,
    }
}

fn shell(line: &str) -> FirstBoot {
    entry(None, FirstBootDeed::Shell(line.to_owned()))
}

fn script(name: &str, text: &str) -> FirstBoot {
    entry(Some(name), FirstBootDeed::Script(Content::Inline(text.to_owned())))
}

fn run(guest: &mut Guest, entries: &[FirstBoot]) {
    let origin = imgctl_recipe::Origin {
        file: "test".into(),
        line: 1,
        column: 1,
        key: "first_boot".to_owned(),
    };
    let sourced = |entry: &FirstBoot| Sourced {
        value: entry.clone(),
        origin: origin.clone(),
    };
    let entries = entries.iter().map(sourced).collect();
    Scripts { entries }.apply(guest).unwrap();
}

fn scripts(guest: &Guest) -> Vec<String> {
    let paths = guest.glob("/usr/lib/imgctl/first-boot.d/*").unwrap();
    let name = |path: &GuestPath| String::from_utf8(path.file_name().unwrap().to_vec()).unwrap();
    paths.iter().map(name).collect()
}

#[test]
fn several_runs_add_up_in_order() {
    let mut guest = guest(&[SYSTEMD, SHELL]);
    let first = [
        script("join the cluster!", "true"),
        shell("/bin/systemctl start x"),
        shell("/bin/systemctl start x"),
    ];
    run(&mut guest, &first);
    assert_eq!(
        scripts(&guest),
        ["0001-join-the-cluster", "0002-systemctl", "0003-systemctl"]
    );
    assert_eq!(
        text(&guest, "/usr/lib/imgctl/first-boot.d/0001-join-the-cluster"),
        "#!/bin/sh -e\ntrue\n"
    );
    assert_eq!(mode(&guest, "/usr/lib/imgctl/first-boot.d"), "0700 0:0");
    assert_eq!(mode(&guest, "/usr/lib/imgctl/first-boot.d/0002-systemctl"), "0700 0:0");
    let before = listing(guest.tree());
    run(&mut guest, &first);
    assert_eq!(listing(guest.tree()), before);
    let mut online = shell("curl x");
    online.network = true;
    online.retry = false;
    run(
        &mut guest,
        &[
            shell("/bin/systemctl start x"),
            script("join the cluster!", "false"),
            online,
        ],
    );
    assert_eq!(
        scripts(&guest)[3..],
        ["0004-join-the-cluster", "0005-curl.network.once"]
    );
    assert!(guest.warnings().is_empty());
}

#[test]
fn a_second_run_changes_nothing() {
    for system in [
        &[SYSTEMD, SHELL][..],
        &["/sbin/openrc|x", "/etc/runlevels/default/", SHELL],
        &["/etc/init.d/x|", SHELL],
    ] {
        let mut once = guest(system);
        run(&mut once, &[shell("true")]);
        let mut again = Guest::new(once.into_parts().0, crate::testing::NOW);
        run(&mut again, &[shell("true")]);
        assert!(again.log().is_empty(), "{:?}", changes(&again));
    }
}

#[test]
fn it_is_started_as_the_guest_starts_services() {
    let mut systemd = guest(&[SYSTEMD, SHELL]);
    run(&mut systemd, &[shell("true")]);
    assert_eq!(text(&systemd, UNIT_LINK), UNIT);
    assert_eq!(mode(&systemd, RUNNER_PATH), "0755 0:0");
    let mut alpine = guest(&["/sbin/openrc|x", "/etc/runlevels/default/", SHELL]);
    run(&mut alpine, &[shell("true")]);
    assert_eq!(text(&alpine, "/etc/runlevels/default/imgctl-first-boot"), OPENRC);
    let mut sysv = guest(&[
        "/etc/rc.d/init.d/x|",
        "/etc/init.d -> rc.d/init.d",
        "/etc/rc.d/rc3.d/",
        SHELL,
    ]);
    run(&mut sysv, &[shell("true")]);
    assert_eq!(text(&sysv, "/etc/rc.d/rc3.d/S99imgctl-first-boot"), SYSV);
    let nothing = install(&mut guest(&["/etc/hostname|x"])).unwrap_err().to_string();
    assert!(
        nothing.starts_with("nothing in the guest is known to start services"),
        "{nothing}"
    );
}

#[test]
fn words_and_interpreters_are_as_given() {
    let mut guest = guest(&[SYSTEMD]);
    let words = ["/bin/echo", "it's", "$HOME"].map(str::to_owned).to_vec();
    let mut secret = entry(None, FirstBootDeed::Command(words));
    secret.sensitive = true;
    run(&mut guest, &[secret, script("py", "#!/usr/bin/python3 -u\nprint()")]);
    assert_eq!(scripts(&guest), ["0001-script", "0002-py"]);
    assert_eq!(
        text(&guest, "/usr/lib/imgctl/first-boot.d/0001-script"),
        "#!/bin/sh\nexec '/bin/echo' 'it'\\''s' '$HOME'\n"
    );
    let warnings: Vec<&str> = guest
        .warnings()
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(
        warnings,
        [
            "the script script of the first boot asks for /bin/sh, which the guest does not have",
            "the script py of the first boot asks for /usr/bin/python3, which the guest does not have"
        ]
    );
}
