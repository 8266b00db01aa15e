//! What runs the scripts of the first boot, under the shells that guests have: failing scripts, interruptions, reboots.

use imgctl_core::guest::Guest;
use imgctl_core::steps::execute;
use imgctl_recipe::{Content, FirstBoot, FirstBootDeed, Origin, Plan, Sourced};
use imgctl_testkit::oracle;
use imgctl_vfs::{FileKind, GuestPath, ModelFs, NewNode, Timestamp, Tree, WriteFs};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The shells that /bin/sh is, with the words that start them.
const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "sh"], &["bash", "--posix"]];

const LOG: &str = "var/log/imgctl-first-boot.log";
const RUNNER: &str = "usr/lib/imgctl/first-boot";

/// A machine: a folder that takes the place of its root.
struct Machine {
    root: TempDir,
    shell: &'static [&'static str],
}

impl Machine {
    /// Made of a guest in which the step put these scripts.
    fn new(shell: &'static [&'static str], entries: Vec<FirstBoot>) -> Self {
        let root = tempfile::tempdir().unwrap();
        oracle::require(shell[0]).unwrap();
        let machine = Self { root, shell };
        write_out(&image(entries), machine.root.path());
        fs::create_dir_all(machine.path("var/log")).unwrap();
        let runner = fs::read_to_string(machine.path(RUNNER)).unwrap();
        assert!(runner.contains("\nroot=\n"));
        let here = format!("\nroot={}\nfirst_delay=0\n", machine.root.path().display());
        let runner = runner
            .replace("\nroot=\n", &here)
            .replace("first_delay=10\n", "first_delay=0\n");
        fs::write(machine.path(RUNNER), runner).unwrap();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let [program, words @ ..] = self.shell else {
            panic!("no shell");
        };
        let mut command = Command::new(program);
        command.args(words).arg(self.path(RUNNER)).args(arguments);
        command
            .env_clear()
            .stdout(fs::File::create(self.path("journal")).unwrap());
        command.spawn().unwrap()
    }

    /// Boots it: what runs the scripts is done or fails.
    fn boot(&self, arguments: &[&str]) -> ExitStatus {
        let mut child = self.start(arguments);
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", self.read(LOG));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// What the scripts wrote to the file that they all know.
    fn said(&self) -> Vec<String> {
        self.read("said").lines().map(str::to_owned).collect()
    }

    fn scripts(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("usr/lib/imgctl/first-boot.d")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A line of shell that writes to that file.
    fn script(&self, name: &str, text: &str) {
        let text = text.replace(
            "SAY",
            &format!("echo \"$0\" | sed 's/.*-//' >>{0}/said; : ", self.root.path().display()),
        );
        let text = text.replace("ROOT", &self.root.path().display().to_string());
        let path = self.path("usr/lib/imgctl/first-boot.d").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// Nothing is left but the log.
    fn is_clean(&self) {
        for path in [
            "usr/lib/imgctl",
            "usr/lib/systemd/system/imgctl-first-boot.service",
            "usr/lib/systemd/system/multi-user.target.wants/imgctl-first-boot.service",
        ] {
            assert!(fs::symlink_metadata(self.path(path)).is_err(), "{path} is left");
        }
        assert!(self.path("usr/lib/systemd/system").is_dir());
        let mode = fs::metadata(self.path(LOG)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

/// A guest with systemd, with the scripts in it.
fn image(entries: Vec<FirstBoot>) -> Guest {
    let mut model = ModelFs::new(Timestamp::default());
    let mut parent = imgctl_vfs::ReadFs::root(&model);
    for name in ["usr", "lib", "systemd", "systemd"] {
        let kind = FileKind::Directory;
        let new = NewNode {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            target: Vec::new(),
        };
        parent = model.create(parent, name.as_bytes(), &new).unwrap();
    }
    let mut guest = Guest::new(Tree::new("model", Box::new(model)), Timestamp::default());
    let sourced = |value| Sourced {
        value,
        origin: Origin {
            file: "test".into(),
            line: 1,
            column: 1,
            key: "first_boot".to_owned(),
        },
    };
    let plan = Plan {
        first_boot: entries.into_iter().map(sourced).collect(),
        ..Plan::default()
    };
    execute(&plan, &mut guest, &mut |_| true).unwrap();
    guest
}

fn write_out(guest: &Guest, root: &Path) {
    let start = guest.find(&GuestPath::root()).unwrap().unwrap();
    for entry in guest.tree().walk(&start).skip(1) {
        let entry = entry.unwrap();
        let name = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
        let path = root.join(name.trim_start_matches('/'));
        match entry.metadata.kind {
            FileKind::Directory => fs::create_dir(&path).unwrap(),
            FileKind::Symlink => {
                let target = guest.read_link(&entry.path).unwrap().unwrap();
                symlink(String::from_utf8(target).unwrap(), &path).unwrap();
                continue;
            }
            _ => fs::write(&path, guest.read(&entry.path, 1 << 20).unwrap().unwrap()).unwrap(),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.metadata.mode.into())).unwrap();
    }
}

fn entry(deed: FirstBootDeed) -> FirstBoot {
    FirstBoot {
        name: None,
        deed,
        network: false,
        retry: true,
        sensitive: false,
    }
}

fn placeholder() -> Vec<FirstBoot> {
    vec![entry(FirstBootDeed::Shell("true".to_owned()))]
}

#[test]
fn scripts_run_in_order_each_by_its_interpreter() {
    for shell in SHELLS {
        let words = ["/bin/sh", "-c", "echo $1", "x", "it's \"here\""]
            .map(str::to_owned)
            .to_vec();
        let text = "#!/bin/bash\na=(1 2)\necho \"bash ${a[1]}\" >&2\n";
        let machine = Machine::new(
            shell,
            vec![
                entry(FirstBootDeed::Command(words)),
                entry(FirstBootDeed::Script(Content::Inline(text.to_owned()))),
                entry(FirstBootDeed::Shell("false; umask; pwd; echo $HOME".to_owned())),
            ],
        );
        machine.script("0002-between", "# no interpreter\nSAY\n");
        assert_eq!(machine.scripts().len(), 4);
        assert!(machine.boot(&[]).success(), "{}", machine.read(LOG));
        machine.is_clean();
        let log = machine.read(LOG);
        let lines: Vec<&str> = log
            .lines()
            .map(|line| match line.get(..2) {
                Some("20") => line.split_once(' ').unwrap().1,
                _ => line,
            })
            .collect();
        let expected = [
            "0001-sh begins",
            "it's \"here\"",
            "0001-sh succeeded",
            "0002-between begins",
            "0002-between succeeded",
            "0002-script begins",
            "bash 2",
            "0002-script succeeded",
            "0003-false begins",
            "0022",
            "/",
            "/root",
            "0003-false succeeded",
            "all scripts are done",
        ];
        assert_eq!(lines, expected, "{shell:?}");
        assert_eq!(machine.said(), ["between"]);
        // The journal has what the log has, without times.
        assert_eq!(
            machine.read("journal").lines().collect::<Vec<_>>(),
            expected,
            "{shell:?}"
        );
    }
}

#[test]
fn what_fails_is_tried_again_and_the_rest_waits() {
    for shell in SHELLS {
        let machine = Machine::new(shell, placeholder());
        machine.script("0001-true", "#!/bin/sh\nSAY\n");
        machine.script(
            "0002-third",
            "#!/bin/sh\nSAY\n[ \"$(grep -c third ROOT/said)\" = 3 ] || exit 7\n",
        );
        machine.script("0003-only.once", "#!/bin/sh\nSAY\nexit 1\n");
        machine.script("0004-last", "#!/bin/sh\nSAY\n");
        // Two boots in which it fails, and the next that goes on trying.
        for _ in 0..2 {
            assert_eq!(machine.boot(&["--once"]).code(), Some(1));
            assert_eq!(machine.scripts(), ["0002-third", "0003-only.once", "0004-last"]);
        }
        assert!(machine.boot(&[]).success());
        assert_eq!(
            machine.said(),
            ["true", "third", "third", "third", "only.once", "last"],
            "{shell:?}"
        );
        let log = machine.read(LOG);
        assert_eq!(log.matches("0002-third failed with status 7").count(), 2, "{log}");
        assert_eq!(log.matches("0003-only.once failed with status 1").count(), 1, "{log}");
        machine.is_clean();
        // Without anyone to end it, it goes on by itself.
        let machine = Machine::new(shell, placeholder());
        machine.script("0001-true", "#!/bin/sh\nSAY\n[ \"$(grep -c true ROOT/said)\" = 4 ]\n");
        assert!(machine.boot(&[]).success());
        assert_eq!(machine.said().len(), 4);
        assert!(machine.read(LOG).contains("0001-true is tried again in 0 seconds"));
    }
}

#[test]
fn an_interrupted_script_is_run_again() {
    for shell in SHELLS {
        let machine = Machine::new(shell, placeholder());
        // Kills what runs it, as the power does that goes: at its first run, while it is on its way.
        let cut = "#!/bin/sh\nSAY\n[ \"$(grep -c NAME ROOT/said)\" = 2 ] || { kill -9 $PPID; sleep 0.2; exit 0; }\n";
        machine.script("0001-true", &cut.replace("NAME", "true"));
        machine.script("0002-single.once", &cut.replace("NAME", "single"));
        machine.script("0003-after", "#!/bin/sh\nSAY\n");
        assert_eq!(machine.boot(&[]).signal(), Some(9));
        assert_eq!(machine.scripts(), ["0001-true", "0002-single.once", "0003-after"]);
        assert_eq!(machine.boot(&[]).signal(), Some(9));
        // The one with a single try has had it.
        assert_eq!(machine.scripts(), [".0002-single.once", "0003-after"]);
        assert!(machine.boot(&[]).success());
        assert_eq!(machine.said(), ["true", "true", "single.once", "after"], "{shell:?}");
        assert!(
            machine
                .read(LOG)
                .contains("0002-single.once was interrupted, and has no further try")
        );
        machine.is_clean();
    }
}

#[test]
fn other_ways_to_start_it_are_taken_away_too() {
    let machine = Machine::new(SHELLS[0], placeholder());
    for folder in ["etc/rc3.d", "etc/rc.d/rc5.d", "etc/runlevels/default", "etc/init.d"] {
        fs::create_dir_all(machine.path(folder)).unwrap();
    }
    let links = [
        "etc/rc3.d/S99",
        "etc/rc.d/rc5.d/S99",
        "etc/runlevels/default/",
        "etc/init.d/",
    ];
    for link in links {
        symlink("x", machine.path(&format!("{link}imgctl-first-boot"))).unwrap();
        fs::write(machine.path(&format!("{link}kept")), "").unwrap();
    }
    assert!(machine.boot(&[]).success());
    for link in links {
        assert!(fs::symlink_metadata(machine.path(&format!("{link}imgctl-first-boot"))).is_err());
        assert!(machine.path(&format!("{link}kept")).is_file());
    }
    machine.is_clean();
}

#[test]
fn systemd_takes_the_unit() {
    let machine = Machine::new(SHELLS[0], placeholder());
    let unit = machine.path("usr/lib/systemd/system/imgctl-first-boot.service");
    // The program must be there where it is looked for.
    let text = fs::read_to_string(&unit)
        .unwrap()
        .replace("/usr/lib/imgctl/first-boot", "/dev/null");
    let copy = machine.path("imgctl-first-boot.service");
    fs::write(&copy, text).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&copy)
        .output();
    let output = output.unwrap_or_else(|error| panic!("cannot run systemd-analyze ({error}): apt-get install systemd"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("imgctl-first-boot"), "{said}");
}
