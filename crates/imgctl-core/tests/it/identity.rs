//! Time zone and language of whole guests, against what the guests' own programs make of them.

use crate::chroot::{Chroot, Lower};
use crate::offline;
use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_recipe::{Origin, Plan, Sourced};
use imgctl_testkit::{fixture, root_or_skip};
use imgctl_vfs::{GuestPath, Timestamp, Tree};
use std::fs;

const READ: [&str; 8] = [
    "etc/os-release",
    "usr/lib/os-release",
    "etc/localtime",
    "etc/timezone",
    "etc/default/locale",
    "etc/locale.conf",
    "usr/share/zoneinfo/Europe",
    "var/lib/dpkg/info/tzdata.postinst",
];

const CHANGED: [&str; 4] = ["etc/localtime", "etc/timezone", "etc/default/locale", "etc/locale.conf"];

/// What is at a path: a link's target or a file's text.
fn shown(link: Option<Vec<u8>>, text: Option<Vec<u8>>) -> String {
    match (link, text) {
        (Some(target), _) => format!("-> {}", String::from_utf8(target).unwrap()),
        (None, Some(text)) => String::from_utf8(text).unwrap(),
        (None, None) => "(nothing)".to_owned(),
    }
}

fn of_chroot(chroot: &Chroot) -> Vec<String> {
    let paths = CHANGED.map(|path| chroot.root().join(path));
    let link = |path: &std::path::PathBuf| fs::read_link(path).ok();
    let bytes = |target: std::path::PathBuf| target.into_os_string().into_encoded_bytes();
    let shown = paths
        .iter()
        .map(|path| shown(link(path).map(bytes), fs::read(path).ok()));
    shown.collect()
}

fn of_guest(guest: &Guest) -> Vec<String> {
    let paths = CHANGED.map(|path| GuestPath::new(format!("/{path}")).unwrap());
    let link = |path| guest.read_link(path).unwrap();
    let shown = paths.iter().map(|path| {
        let is_link = link(path).is_some();
        let text = if is_link {
            None
        } else {
            guest.read(path, 1 << 20).unwrap()
        };
        shown(link(path), text)
    });
    shown.collect()
}

fn sourced(text: &str) -> Option<Sourced<String>> {
    let origin = Origin {
        file: "test".into(),
        line: 1,
        column: 1,
        key: "timezone".to_owned(),
    };
    let value = text.to_owned();
    Some(Sourced { value, origin })
}

fn judged(fixture: &str) {
    if !root_or_skip("the_guests_own_programs_agree") || !fixture::is_wanted(fixture) {
        return;
    }
    let lower = Lower::of(fixture);
    let chroot = Chroot::new(&lower);
    let tree = Tree::new("model", Box::new(offline::model(&chroot.root(), &READ)));
    let mut guest = Guest::new(tree, Timestamp::default());
    for (zone, locale) in [("Europe/Berlin", "de_DE.UTF-8"), ("Europe/Paris", "C.UTF-8")] {
        let judge = format!(
            "ln -fs /usr/share/zoneinfo/{zone} /etc/localtime && dpkg-reconfigure -f noninteractive tzdata \
             && update-locale --no-checks LANG={locale}"
        );
        assert!(chroot.run(&judge, 0).status.success());
        let plan = Plan {
            timezone: sourced(zone),
            locale: sourced(locale),
            ..Plan::default()
        };
        execute(&plan, &mut guest, &mut |_| true).unwrap();
        assert_eq!(of_chroot(&chroot), of_guest(&guest), "{fixture}: {zone} {locale}");
    }
}

#[test]
fn the_programs_of_debian12_agree() {
    judged("debian12");
}

#[test]
fn the_programs_of_debian13_agree() {
    judged("debian13");
}

#[test]
fn the_programs_of_ubuntu_agree() {
    judged("ubuntu-like");
}
