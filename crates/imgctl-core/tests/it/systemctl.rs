//! Services steps against `systemctl --root`: the same links, on the host's own units and on made-up ones.

use crate::offline::{self, Command, Outcome, copy, load};
use imgctl_vfs::{ModelFs, ReadFs, Timestamp};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;

const CONFIG: &str = "etc/systemd/system";
const UNITS: &str = "usr/lib/systemd/system";
const USER_UNITS: &str = "usr/lib/systemd/user";
const FOLDERS: [&str; 2] = ["etc/systemd/system", "etc/systemd/user"];

/// Made-up units, and whatever of them lies elsewhere; `-> target` makes a link.
const SYNTHETIC: &[(&str, &str)] = &[
    ("plain.service", "[Unit]\n[Install]\nWantedBy=multi-user.target\n"),
    ("static.service", "[Service]\nExecStart=/bin/true\n"),
    (
        "twice.service",
        "[Install]\nWantedBy=a.target b.target\nWantedBy=c.target\nRequiredBy=plain.service\n",
    ),
    (
        "reset.service",
        "[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy=b.target\n",
    ),
    (
        "aliased.service",
        "[Install]\nAlias=other.service dbus-org.x.service\nWantedBy=multi-user.target\n",
    ),
    ("onlyalias.service", "[Install]\nAlias=onlyalias2.service\n"),
    (
        "also-a.service",
        "[Install]\nAlso=also-b.socket\nWantedBy=multi-user.target\n",
    ),
    (
        "also-b.socket",
        "[Install]\nAlso=also-a.service also-c.timer\nWantedBy=sockets.target\n",
    ),
    ("also-c.timer", "[Install]\nWantedBy=timers.target\n"),
    (
        "also-none.service",
        "[Install]\nAlso=missing.socket\nWantedBy=multi-user.target\n",
    ),
    ("tmpl@.service", "[Install]\nWantedBy=multi-user.target\n"),
    (
        "deft@.service",
        "[Install]\nDefaultInstance=one\nWantedBy=multi-user.target\n",
    ),
    ("by@.service", "[Install]\nRequiredBy=host@%i.service\n"),
    (
        "spec-last@.service",
        "[Install]\nWantedBy=%i.target %p.target %j.target\nRequiredBy=%N-x.service\nAlias=alias-%i.service\n",
    ),
    (
        "percent.service",
        "[Install]\nWantedBy=%p-of-%n\nRequiredBy=%N.target\n",
    ),
    ("dropin.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("dropin.service.d/20-b.conf", "[Install]\nRequiredBy=b.target\n"),
    ("dropin.service.d/10-a.conf", "[Install]\nWantedBy=a.target\n"),
    ("real.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("nick.service", "-> real.service"),
    ("nickt@.service", "-> tmpl@.service"),
    ("bad-alias.service", "[Install]\nAlias=bad.socket\n"),
    ("bad-by.service", "[Install]\nWantedBy=nonsense\n"),
    (
        "clash.service",
        "[Install]\nAlias=taken.service\nWantedBy=multi-user.target\n",
    ),
    (
        "continued.service",
        "[Install]\nWantedBy=a.target \\\n# comment\n b.target\n; x\nRequiredBy = \"c.target\"\n",
    ),
    ("masked.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("empty.service", ""),
    (
        "names-masked.service",
        "[Install]\nAlso=masked.service\nWantedBy=multi-user.target\n",
    ),
    ("dash.mount", "[Install]\nAlias=dash2.mount\nWantedBy=local-fs.target\n"),
    ("/opt/linked.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("/etc/systemd/system/linked.service", "-> /opt/linked.service"),
    (
        "/etc/systemd/system/local.service",
        "[Install]\nWantedBy=multi-user.target\nAlias=local2.service\n",
    ),
    ("/etc/systemd/system/masked.service", "-> /dev/null"),
    (
        "/etc/systemd/system/taken.service",
        "-> /usr/lib/systemd/system/plain.service",
    ),
    (
        "/etc/systemd/system/dropin.service.d/20-b.conf",
        "[Install]\nRequiredBy=c.target\n",
    ),
    (
        "/etc/systemd/system/old.target.wants/gone.service",
        "-> /usr/lib/systemd/system/gone.service",
    ),
    (
        "/etc/systemd/system/old.target.wants/plain.service",
        "-> ../../../../usr/lib/systemd/system/plain.service",
    ),
    ("/etc/systemd/system/kept.target.wants/.keep", "x"),
    (
        "/etc/systemd/system/kept.target.wants/real.service",
        "-> /usr/lib/systemd/system/nick.service",
    ),
    ("/etc/systemd/system/nick-of-masked.service", "-> masked.service"),
    ("/etc/systemd/user/session-masked.service", "-> /dev/null"),
    (
        "/usr/lib/systemd/user/session.service",
        "[Install]\nWantedBy=default.target\nAlso=session.socket\n",
    ),
    (
        "/usr/lib/systemd/user/session.socket",
        "[Install]\nWantedBy=sockets.target\n",
    ),
    (
        "/usr/lib/systemd/user/session-masked.service",
        "[Install]\nWantedBy=default.target\n",
    ),
    (
        "/usr/lib/systemd/user-preset/90-x.preset",
        "disable session.socket\nenable *\n",
    ),
    (
        "/usr/lib/systemd/system-preset/50-first.preset",
        "# c\n; c\ndisable static.service\nenable tmpl@.service a b\ndisable tmpl@*\nenable plain.service\n",
    ),
    ("/usr/lib/systemd/system-preset/60-gone.preset", "disable *\n"),
    ("/etc/systemd/system-preset/60-gone.preset", "-> /dev/null"),
    (
        "/usr/lib/systemd/system-preset/70-same.preset",
        "enable aliased.service\n",
    ),
    (
        "/etc/systemd/system-preset/70-same.preset",
        "disable aliased.*\n  enable\talso-[ab].*\n",
    ),
    (
        "/usr/lib/systemd/system-preset/80-rest.preset",
        "disable plain.service\nbogus real.service\nenable deft@.service\ndisable re?l.service\ndisable by@.service\n\
         disable spec-last@.service\ndisable bad-*\ndisable clash.service\ndisable dash.mount\n",
    ),
];

/// A folder on the host that systemctl takes for a root, and the same tree in memory.
struct Scene {
    root: tempfile::TempDir,
    model: ModelFs,
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(UNITS)).unwrap();
        symlink("usr/lib", root.path().join("lib")).unwrap();
        let model = ModelFs::new(Timestamp::default());
        let mut scene = Self { root, model };
        let host = Path::new("/lib/systemd/system");
        assert!(host.is_dir(), "no units to compare with: apt-get install systemd");
        copy(host, &scene.path(UNITS));
        copy(Path::new("/usr/lib/systemd/user"), &scene.path(USER_UNITS));
        scene.reset();
        // The order of the folders is compiled into systemctl; the guest's package list tells ours of it.
        scene.systemctl(&["enable", "plain.service"]);
        let link = fs::read_link(scene.path(CONFIG).join("multi-user.target.wants/plain.service")).unwrap();
        let list = if link.starts_with("/lib") {
            "/lib/systemd/system\n"
        } else {
            "/usr/lib/systemd/system\n"
        };
        fs::create_dir_all(scene.path("var/lib/dpkg/info")).unwrap();
        fs::write(scene.path("var/lib/dpkg/info/systemd.list"), list).unwrap();
        scene.reset();
        let start = scene.model.root();
        load(&mut scene.model, scene.root.path(), start);
        scene
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Puts the configuration back to what it was.
    fn reset(&self) {
        let _ = fs::remove_dir_all(self.path("etc"));
        fs::create_dir_all(self.path(CONFIG)).unwrap();
        fs::create_dir_all(self.path("etc/systemd/user")).unwrap();
        for (name, text) in SYNTHETIC {
            let path = match name.starts_with('/') {
                true => self.path(name),
                false => self.path(UNITS).join(name),
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            match text.strip_prefix("-> ") {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
    }

    fn systemctl(&self, arguments: &[&str]) -> bool {
        let output = process::Command::new("systemctl")
            .arg("--root")
            .arg(self.root.path())
            .args(arguments)
            .output();
        let output = output.unwrap_or_else(|error| panic!("cannot run systemctl ({error}): apt-get install systemd"));
        output.status.success()
    }

    fn judge(&self, commands: &[Command<'_>]) -> Outcome {
        self.reset();
        let succeeded = commands.iter().all(|(verb, unit)| {
            let words: Vec<&str> = verb.split(' ').chain([*unit]).filter(|word| !word.is_empty()).collect();
            self.systemctl(&words)
        });
        let links = offline::links(self.root.path(), &FOLDERS);
        Outcome { succeeded, links }
    }

    fn compare(&self, commands: &[Command<'_>]) {
        let (judge, ours) = (self.judge(commands), offline::ours(&self.model, commands, &FOLDERS));
        assert_eq!(
            judge.succeeded, ours.succeeded,
            "{commands:?}: systemctl {judge:#?}, we {ours:#?}"
        );
        // What a failed call leaves behind is never used.
        if judge.succeeded {
            assert_eq!(judge.links, ours.links, "{commands:?}");
        }
    }
}

fn unit_names(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(scene.path(UNITS)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| {
            let suffix = name.rsplit('.').next().unwrap();
            [
                "service",
                "socket",
                "target",
                "timer",
                "path",
                "mount",
                "slice",
                "automount",
            ]
            .contains(&suffix)
        })
        .collect();
    names.sort();
    names
}

#[test]
fn every_unit_of_the_host_is_enabled_alike() {
    let scene = Scene::new();
    let names = unit_names(&scene);
    assert!(names.len() > 100, "only {} units", names.len());
    for name in &names {
        scene.compare(&[("enable", name)]);
    }
}

#[test]
fn units_of_the_host_are_disabled_and_masked_alike() {
    let scene = Scene::new();
    // A few of each kind are enough here: most units differ only in what enabling them does.
    for name in unit_names(&scene).iter().step_by(5) {
        scene.compare(&[("enable", name), ("disable", name)]);
        scene.compare(&[("mask", name)]);
    }
}

#[test]
fn presets_of_the_hosts_units_end_alike() {
    let scene = Scene::new();
    for name in unit_names(&scene).iter().step_by(3) {
        scene.compare(&[("preset", name)]);
    }
    for (name, _) in SYNTHETIC.iter().filter(|(name, _)| !name.contains('/')) {
        scene.compare(&[("preset", name)]);
        scene.compare(&[("enable", name), ("preset", name)]);
    }
    for name in [
        "tmpl@a.service",
        "tmpl@c.service",
        "deft@two.service",
        "missing.service",
        "linked.service",
    ] {
        scene.compare(&[("preset", name)]);
    }
    scene.compare(&[("--global preset-all", "")]);
}

#[test]
fn units_of_sessions_end_alike() {
    let scene = Scene::new();
    let entries = fs::read_dir(scene.path(USER_UNITS)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names
        .filter(|name| !name.ends_with(".d") && !name.contains(".wants"))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        for verb in ["enable", "disable", "mask", "unmask", "preset"] {
            scene.compare(&[(&format!("--global {verb}"), name)]);
        }
    }
    scene.compare(&[
        ("--global enable", "session.service"),
        ("--global disable", "session.socket"),
    ]);
    scene.compare(&[
        ("--global enable", "session.service"),
        ("--global disable", "session.service"),
    ]);
}

#[test]
fn masks_go_alike() {
    let scene = Scene::new();
    for commands in [
        &[("unmask", "masked.service")][..],
        &[("mask", "plain.service"), ("unmask", "plain.service")],
        &[("unmask", "plain.service")],
        &[("unmask", "local.service")],
        &[("unmask", "taken.service")],
        &[("unmask", "missing.service")],
        &[("unmask", "masked.service"), ("enable", "masked.service")],
        &[("mask", "tmpl@x.service"), ("unmask", "tmpl@.service")],
    ] {
        scene.compare(commands);
    }
}

#[test]
fn default_targets_are_alike() {
    let scene = Scene::new();
    for name in [
        "multi-user.target",
        "graphical.target",
        "runlevel3.target",
        "plain.service",
        "missing.target",
        "default.target",
    ] {
        scene.compare(&[("set-default", name)]);
    }
    scene.compare(&[
        ("set-default", "multi-user.target"),
        ("set-default", "graphical.target"),
    ]);
}

#[test]
fn sequences_end_alike() {
    let scene = Scene::new();
    let sequences: &[&[(&str, &str)]] = &[
        &[("enable", "plain.service"), ("enable", "plain.service")],
        &[("enable", "aliased.service"), ("disable", "aliased.service")],
        &[("enable", "aliased.service"), ("disable", "other.service")],
        &[("enable", "also-a.service"), ("disable", "also-b.socket")],
        &[
            ("enable", "tmpl@x.service"),
            ("enable", "tmpl@y.service"),
            ("disable", "tmpl@x.service"),
        ],
        &[
            ("enable", "tmpl@x.service"),
            ("enable", "tmpl@y.service"),
            ("disable", "tmpl@.service"),
        ],
        &[
            ("enable", "deft@.service"),
            ("enable", "deft@two.service"),
            ("disable", "deft@.service"),
        ],
        &[("enable", "deft@.service"), ("disable", "deft@one.service")],
        &[("enable", "by@7.service")],
        &[("enable", "spec-last@a.service")],
        &[("enable", "spec-last@a.service"), ("disable", "spec-last@a.service")],
        &[("enable", "nick.service"), ("disable", "real.service")],
        &[("enable", "real.service"), ("disable", "nick.service")],
        &[("enable", "nickt@q.service")],
        &[("enable", "nickt@q.service"), ("disable", "tmpl@q.service")],
        &[("enable", "linked.service")],
        &[("enable", "linked.service"), ("disable", "linked.service")],
        &[("enable", "local.service"), ("disable", "local.service")],
        &[("enable", "missing.service")],
        &[("disable", "missing.service")],
        &[("disable", "gone.service")],
        &[("mask", "missing.service")],
        &[("mask", "plain.service"), ("enable", "plain.service")],
        &[("enable", "plain.service"), ("mask", "plain.service")],
        &[
            ("enable", "plain.service"),
            ("mask", "plain.service"),
            ("disable", "plain.service"),
        ],
        &[("mask", "local.service")],
        &[("mask", "taken.service")],
        &[("mask", "tmpl@.service"), ("enable", "tmpl@x.service")],
        &[("mask", "deft@one.service"), ("enable", "deft@.service")],
        &[("enable", "names-masked.service")],
        &[("disable", "names-masked.service")],
        &[("disable", "masked.service")],
        &[("enable", "empty.service")],
        &[("enable", "clash.service")],
        &[("enable", "dropin.service"), ("disable", "dropin.service")],
    ];
    for commands in sequences {
        scene.compare(commands);
    }
}
