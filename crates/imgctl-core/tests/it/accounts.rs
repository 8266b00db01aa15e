//! Users and groups beside useradd, usermod, userdel, groupadd and their like, run in a chroot of the same tree.
//!
//! Two things differ on purpose, and are not looked at: the copies of the files with a `-` at their end, which would hold the
//! hashes of replaced passwords, and /var/log/lastlog with its like, which ours do not touch.

use crate::chroot::{Chroot, Lower};
use crate::recipe::plan;
use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_testkit::root_or_skip;
use imgctl_vfs::{
    FileKind, GuestPath, MetadataChange, ModelFs, NewNode, NodeId, ReadFs as _, Timestamp, Tree, WriteFs as _,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// 2025-06-15, day 20254.
pub(crate) const NOW: i64 = 1_750_000_000;

/// What is compared.
const COMPARED: [&str; 10] = [
    "etc/passwd",
    "etc/shadow",
    "etc/group",
    "etc/gshadow",
    "etc/subuid",
    "etc/subgid",
    "etc/skel",
    "home",
    "srv",
    "var/mail",
];

/// What ours see besides.
const SEEN: [&str; 9] = [
    "etc/login.defs",
    "etc/default",
    "etc/os-release",
    "usr/lib/os-release",
    "etc/pam.d",
    "etc/ssh",
    "etc/sudoers",
    "etc/sudoers.d",
    "var/spool/mail",
];

/// The parts of a host's tree that matter here, in memory.
pub(crate) fn guest_of(root: &Path) -> Guest {
    let now = Timestamp::from_seconds(NOW);
    let mut model = ModelFs::new(now);
    for top in COMPARED.iter().chain(&SEEN) {
        let mut parent = model.root();
        let mut here = root.to_path_buf();
        let mut names = top.split('/').peekable();
        while let Some(name) = names.next() {
            here.push(name);
            let Ok(metadata) = fs::symlink_metadata(&here) else {
                break;
            };
            parent = match model.lookup(parent, name.as_bytes()).unwrap() {
                Some(node) => node,
                None if names.peek().is_some() => {
                    let new = new_node(&metadata, &here);
                    model.create(parent, name.as_bytes(), &new).unwrap()
                }
                None => add(&mut model, parent, &here),
            };
            if !metadata.is_dir() {
                break;
            }
        }
    }
    Guest::new(Tree::new("model", Box::new(model)), now)
}

fn new_node(metadata: &fs::Metadata, path: &Path) -> NewNode {
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::Symlink,
        _ => FileKind::File,
    };
    let target = match kind {
        FileKind::Symlink => fs::read_link(path).unwrap().into_os_string().into_encoded_bytes(),
        _ => Vec::new(),
    };
    NewNode {
        kind,
        mode: u16::try_from(metadata.mode() & 0o7777).unwrap(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        target,
    }
}

fn add(model: &mut ModelFs, parent: NodeId, path: &Path) -> NodeId {
    let metadata = fs::symlink_metadata(path).unwrap();
    let name = path.file_name().unwrap().as_encoded_bytes();
    let new = new_node(&metadata, path);
    let node = model.create(parent, name, &new).unwrap();
    match new.kind {
        FileKind::Directory => {
            for entry in fs::read_dir(path).unwrap() {
                add(model, node, &entry.unwrap().path());
            }
        }
        FileKind::File => model.write_at(node, 0, &fs::read(path).unwrap()).unwrap(),
        _ => {}
    }
    let change = MetadataChange {
        modified: Some(Timestamp::from_seconds(metadata.mtime())),
        ..MetadataChange::default()
    };
    model.set_metadata(node, &change).unwrap();
    node
}

/// What is compared of a host's tree, and the same of a guest's: kind, mode, owners, times of files in homes, content.
fn of_host(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for top in COMPARED {
        if fs::symlink_metadata(root.join(top)).is_ok() {
            collect(root, Path::new(top), &mut found);
        }
    }
    found
}

fn collect(root: &Path, path: &Path, found: &mut BTreeMap<String, String>) {
    let here = root.join(path);
    let metadata = fs::symlink_metadata(&here).unwrap();
    let kind = metadata.file_type();
    let name = path.to_str().unwrap().to_owned();
    let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
    let what = if kind.is_dir() {
        for entry in fs::read_dir(&here).unwrap() {
            collect(root, &path.join(entry.unwrap().file_name()), found);
        }
        format!("folder {mode:04o}")
    } else if kind.is_symlink() {
        format!("link to {}", fs::read_link(&here).unwrap().display())
    } else {
        let content = String::from_utf8_lossy(&fs::read(&here).unwrap()).into_owned();
        let time = if name.starts_with("etc/") || name.starts_with("var/mail") {
            0
        } else {
            metadata.mtime()
        };
        format!("file {mode:04o} {time}\n{content}")
    };
    found.insert(name, format!("{uid}:{gid} {what}"));
}

fn of_guest(guest: &Guest) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for top in COMPARED {
        let path = GuestPath::new(format!("/{top}")).unwrap();
        let Some(start) = guest.find_link(&path).unwrap() else {
            continue;
        };
        for entry in guest.tree().walk(&start) {
            let entry = entry.unwrap();
            let name = String::from_utf8(entry.path.as_bytes()[1..].to_vec()).unwrap();
            let metadata = entry.metadata;
            let what = match metadata.kind {
                FileKind::Directory => format!("folder {:04o}", metadata.mode),
                FileKind::Symlink => {
                    let target = guest.read_link(&entry.path).unwrap().unwrap();
                    format!("link to {}", String::from_utf8(target).unwrap())
                }
                _ => {
                    let content = guest.read(&entry.path, 1 << 20).unwrap().unwrap();
                    let content = String::from_utf8_lossy(&content).into_owned();
                    let is_made = name.starts_with("etc/") || name.starts_with("var/mail");
                    let time = if is_made { 0 } else { metadata.modified.seconds };
                    format!("file {:04o} {time}\n{content}", metadata.mode)
                }
            };
            found.insert(name, format!("{}:{} {what}", metadata.uid, metadata.gid));
        }
    }
    found
}

/// A case: what goes before, the real command, and the recipe that says the same.
struct Case(&'static str, &'static str, &'static str);

const HASH: &str = "$y$j9T$1XUWWlW5sHUWUWlW5sHUW.$VJ5Zzv7pvLPzLzLzLzLzLzLzLzLzLzLzLzLzLzLzLz1";

fn compare(fixture: &str, cases: &[Case]) {
    if !root_or_skip("accounts") {
        return;
    }
    let lower = Lower::of(fixture);
    let mut failures = Vec::new();
    for Case(before, command, recipe) in cases {
        let chroot = Chroot::new(&lower);
        let (before, command) = (before.replace("HASH", HASH), command.replace("HASH", HASH));
        let recipe = recipe.replace("HASH", HASH);
        let ready = chroot.run(&before, NOW);
        assert!(
            ready.status.success(),
            "{before}: {}",
            String::from_utf8_lossy(&ready.stderr)
        );
        let mut guest = guest_of(&chroot.root());
        let judged = chroot.run(&command, NOW);
        assert!(
            judged.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&judged.stderr)
        );
        let plan = plan(&recipe);
        if let Err(error) = execute(&plan, &mut guest, &mut |_| true) {
            failures.push(format!("{fixture}: {command}: {error}: {}", error.cause));
            continue;
        }
        let (theirs, ours) = (of_host(&chroot.root()), of_guest(&guest));
        let names: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
        for name in names.into_iter().filter(|name| theirs.get(*name) != ours.get(*name)) {
            let shown = |text: Option<&String>| text.map_or("nothing".to_owned(), |text| text.clone());
            failures.push(format!(
                "{fixture}: {before}; {command}: {name}:\n--- theirs\n{}\n--- ours\n{}",
                shown(theirs.get(name)),
                shown(ours.get(name))
            ));
        }
        // On its own output it finds nothing to do.
        let mut again = Guest::new(guest.into_parts().0, Timestamp::from_seconds(NOW));
        execute(&plan, &mut again, &mut |_| true).unwrap();
        if !again.log().is_empty() {
            failures.push(format!("{fixture}: {recipe} is not at rest"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

const NEW: &[Case] = &[
    Case("", "useradd -m alice", "users: [{ name: alice, state: present }]"),
    Case(
        "",
        "useradd alice",
        "users: [{ name: alice, state: present, create_home: false }]",
    ),
    Case(
        "",
        "useradd -m -u 5000 alice && useradd -m bob",
        "users: [{ name: alice, state: present, uid: 5000 }, { name: bob, state: present }]",
    ),
    Case(
        "",
        "useradd -m -u 70000 alice",
        "users: [{ name: alice, state: present, uid: 70000 }]",
    ),
    Case(
        "",
        "useradd -m -u 500 alice",
        "users: [{ name: alice, state: present, uid: 500 }]",
    ),
    Case(
        "",
        "useradd -m -g users alice",
        "users: [{ name: alice, state: present, group: users }]",
    ),
    Case(
        "",
        "useradd -m -g 27 alice",
        "users: [{ name: alice, state: present, group: 27 }]",
    ),
    Case(
        "",
        "useradd -m -G sudo,adm alice",
        "users: [{ name: alice, state: present, groups: [sudo, adm] }]",
    ),
    Case(
        "",
        "useradd -m -d /srv/a alice",
        "users: [{ name: alice, state: present, home: /srv/a }]",
    ),
    Case(
        "",
        "useradd -m -s /bin/bash -c 'Alice A,,,' alice",
        "users: [{ name: alice, state: present, shell: /bin/bash, comment: \"Alice A,,,\" }]",
    ),
    Case(
        "",
        "useradd -r agent",
        "users: [{ name: agent, state: present, system: true }]",
    ),
    Case(
        "",
        "useradd -r one && useradd -r two && useradd -r three",
        "users: [{ name: one, state: present, system: true }, { name: two, state: present, system: true }, { name: three, state: present, system: true }]",
    ),
    Case(
        "",
        "useradd -r -m -d /srv/agent -s /usr/sbin/nologin agent",
        "users: [{ name: agent, state: present, system: true, create_home: true, home: /srv/agent, shell: /usr/sbin/nologin }]",
    ),
    Case(
        "",
        "useradd -r -u 450 -g nogroup agent",
        "users: [{ name: agent, state: present, system: true, uid: 450, group: nogroup }]",
    ),
    Case(
        "",
        "useradd -r -u 450 agent",
        "users: [{ name: agent, state: present, system: true, uid: 450 }]",
    ),
    Case(
        "",
        "useradd -m -e 2027-01-31 alice",
        "users: [{ name: alice, state: present, expires: 2027-01-31 }]",
    ),
    Case(
        "",
        "useradd -m -p 'HASH' alice",
        "users: [{ name: alice, state: present, password_hash: HASH }]",
    ),
    Case(
        "groupadd -g 4000 alice",
        "useradd -m -g alice alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "groupadd -g 1001 other",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "mkdir -m 0701 /home/alice",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case("", "useradd -m a.b-c_d", "users: [{ name: a.b-c_d, state: present }]"),
    Case(
        "cd /etc/skel && mkdir -m 0700 d && mkdir -m 2775 d/e && echo x >d/e/f && chmod 0601 d/e/f && ln -s /etc/skel/d in && ln -s ../x out && touch -d 2001-01-01 d/e/f",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "sed -i '/^HOME_MODE/d; s/^UMASK.*//; $aUMASK 077' /etc/login.defs",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "echo 'HOME_MODE 0711' >>/etc/login.defs",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/' /etc/login.defs",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/' /etc/login.defs; echo GROUP=staff >>/etc/default/useradd",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "rm /etc/subuid /etc/subgid",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "rm /etc/gshadow",
        "useradd -m -G adm alice",
        "users: [{ name: alice, state: present, groups: [adm] }]",
    ),
    Case(
        "rm /etc/shadow",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "echo '+::::::' >>/etc/passwd; echo '+:::' >>/etc/group; echo '+::::::::' >>/etc/shadow",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "printf '# note\\n\\nbroken\\nx:y\\n' >>/etc/passwd; printf 'damaged\\n#c\\n' >>/etc/group; printf 'bad\\n' >>/etc/shadow; printf 'bad:line\\n' >>/etc/subuid",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "printf 'x:100000:10\\ny:300000:65536\\n' >/etc/subuid; echo 'SUB_GID_COUNT 0' >>/etc/login.defs",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "useradd -u 60000 last",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "echo CREATE_MAIL_SPOOL=yes >>/etc/default/useradd",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "printf 'INACTIVE=30\\nSHELL=/bin/bash\\nHOME=/srv\\n' >>/etc/default/useradd",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "sed -i 's/^PASS_MAX.*/PASS_MAX_DAYS 90/; s/^PASS_MIN.*/PASS_MIN_DAYS 1/; s/^UID_MIN.*/UID_MIN 2000/' /etc/login.defs",
        "useradd -m alice",
        "users: [{ name: alice, state: present }]",
    ),
    Case(
        "",
        "groupadd -g 3000 ops && groupadd -r sys1 && groupadd g2",
        "groups: [{ name: ops, gid: 3000 }, { name: sys1, system: true }, { name: g2 }]",
    ),
    Case(
        "",
        "groupadd ops && useradd -m -G ops alice && gpasswd -a debian ops",
        "groups: [{ name: ops, members: [alice, debian] }]\nusers: [{ name: alice, state: present, groups: [ops] }]",
    ),
];

const CHANGED: &[Case] = &[
    Case(
        "",
        "usermod -c 'D U' -s /bin/sh debian",
        "users: [{ name: debian, comment: D U, shell: /bin/sh }]",
    ),
    Case(
        "touch /home/debian/a && chown debian:adm /home/debian/a && touch /home/debian/b",
        "usermod -u 1500 debian",
        "users: [{ name: debian, uid: 1500 }]",
    ),
    Case(
        "touch /home/debian/b && ln -s b /home/debian/c && chown -h debian:debian /home/debian/c",
        "usermod -g users debian",
        "users: [{ name: debian, group: users }]",
    ),
    Case(
        "touch /var/mail/debian && chown debian:mail /var/mail/debian",
        "usermod -u 1500 debian",
        "users: [{ name: debian, uid: 1500 }]",
    ),
    Case(
        "",
        "usermod -a -G audio,video,sudo debian",
        "users: [{ name: debian, groups: [audio, video, sudo] }]",
    ),
    Case(
        "",
        "usermod -d /srv/deb debian",
        "users: [{ name: debian, home: /srv/deb }]",
    ),
    Case(
        "",
        "usermod -d /srv/deb -m debian",
        "users: [{ name: debian, home: /srv/deb, move_home: true }]",
    ),
    Case(
        "",
        "usermod -e 2030-02-28 debian",
        "users: [{ name: debian, expires: 2030-02-28 }]",
    ),
    Case(
        "usermod -e 2030-02-28 debian",
        "usermod -e '' debian",
        "users: [{ name: debian, expires: never }]",
    ),
    Case(
        "usermod -p 'HASH' debian",
        "usermod -L debian",
        "users: [{ name: debian, locked: true }]",
    ),
    Case(
        "usermod -p '!HASH' debian",
        "usermod -U debian",
        "users: [{ name: debian, locked: false }]",
    ),
    Case(
        "",
        "usermod -p 'HASH' debian",
        "users: [{ name: debian, password_hash: HASH }]",
    ),
    Case("", "usermod -p '*' root", "users: [{ name: root, disabled: true }]"),
    Case("", "userdel debian", "users: [{ name: debian, state: absent }]"),
    Case(
        "touch /var/mail/debian && chown debian:mail /var/mail/debian",
        "userdel -r debian",
        "users: [{ name: debian, state: absent, remove_home: true }]",
    ),
    Case(
        "usermod -aG debian games",
        "userdel debian || true",
        "users: [{ name: debian, state: absent }]",
    ),
    Case(
        "usermod -g debian games",
        "userdel debian || true",
        "users: [{ name: debian, state: absent }]",
    ),
    Case(
        "sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/' /etc/login.defs",
        "userdel debian",
        "users: [{ name: debian, state: absent }]",
    ),
    Case(
        "groupadd ops && usermod -aG ops debian",
        "groupdel ops",
        "groups: [{ name: ops, state: absent }]",
    ),
    Case("", "groupmod -g 3000 debian", "groups: [{ name: debian, gid: 3000 }]"),
    Case(
        "",
        "gpasswd -a debian audio && gpasswd -a games audio",
        "groups: [{ name: audio, members: [debian, games] }]",
    ),
];

#[test]
fn users_are_made_as_on_debian_12() {
    compare("debian12", NEW);
}

#[test]
fn users_are_made_as_on_debian_13() {
    compare("debian13", NEW);
}

#[test]
fn users_are_changed_and_removed_as_on_debian_12() {
    compare("debian12", CHANGED);
}

#[test]
fn users_are_changed_and_removed_as_on_debian_13() {
    compare("debian13", CHANGED);
}
