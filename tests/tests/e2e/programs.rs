//! Programs of the guest change it as they would on a kernel's own mount, and what they cannot do leaves nothing behind.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::tree::{Difference, Tree, report};
use imgctl_testkit::{cli, fixture, oracle, root_or_skip};

/// The guest of these tests.
const GUEST: &str = "debian13";

const TORTURE: &str = include_str!("programs/torture.sh");

/// What the change set leaves out, and what the kernel's side alone has.
const ALLOWED: [&[u8]; 3] = [
    b"/tmp/script",
    b"/var/cache/ldconfig/aux-cache",
    b"/var/log/alternatives.log",
];

const ROOT: u32 = 1;

/// Mounts the partition named by its place on the current folder's `mnt`, and runs the script there. All mounts end with the
/// process.
const KERNEL: &str = r#"
mount --make-rprivate /
mount -o "loop,offset=$2,sizelimit=$3" "$1" mnt
cd mnt
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs run run
mount -t proc proc proc
mount --bind /dev dev
cp "$4" run/script
chmod 755 run/script
hostname "$(cat etc/hostname)"
exec chroot . env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root \
    LC_ALL=C TERM=dumb DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH="$5" /run/script
"#;

#[test]
fn a_script_does_what_it_does_on_a_kernels_mount() {
    if !root_or_skip("a_script_does_what_it_does_on_a_kernels_mount") {
        return;
    }
    for name in [GUEST, "debian12"].into_iter().filter(|name| fixture::is_wanted(name)) {
        equivalence(name).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

fn equivalence(name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let script = folder.join("torture.sh");
    fs::write(&script, TORTURE)?;
    let base = fixture::built(name)?;
    let (ours, reference) = customize(folder, &base, &script)?;
    let kernels = by_kernel(folder, &fixture::raw(name)?, &script, reference)?;
    let tree = |raw: &Path| -> Result<Tree> {
        let mount = Mount::new(raw, oracle::partition(raw, ROOT)?, Access::ReadOnly)?;
        Tree::read(mount.path())
    };
    let mut expected = tree(&kernels)?;
    let mut found = tree(&ours)?;
    let now = (reference, 0);
    for entry in expected.entries.values_mut().chain(found.entries.values_mut()) {
        // One has the time of day, the other the run's reference time.
        entry.mtime = entry.mtime.min(now);
    }
    ensure!(
        expected.entries.len() > 20_000,
        "there are only {} files",
        expected.entries.len()
    );
    let is_allowed = |difference: &Difference| ALLOWED.contains(&difference.path.as_slice());
    let differences = found.difference(&expected).into_iter().filter(|one| !is_allowed(one));
    let differences: Vec<Difference> = differences.collect();
    ensure!(differences.is_empty(), "{}", report(&differences, 40));
    Ok(())
}

/// Our side, as a raw image, and the run's reference time.
fn customize(folder: &Path, base: &Path, script: &Path) -> Result<(PathBuf, i64)> {
    let arguments: [&OsStr; 9] = [
        "customize".as_ref(),
        base.as_os_str(),
        "--run".as_ref(),
        script.as_os_str(),
        "-o".as_ref(),
        "ours.qcow2".as_ref(),
        "--compress".as_ref(),
        "none".as_ref(),
        "--json".as_ref(),
    ];
    let receipt: serde_json::Value = serde_json::from_str(&cli::run(folder, &arguments)?)?;
    let reference = receipt["reference_time"].as_i64().context("no reference time")?;
    let raw = folder.join("ours.raw");
    oracle::qemu_convert(&folder.join("ours.qcow2"), &raw, "raw")?;
    oracle::e2fsck(&raw, oracle::partition(&raw, ROOT)?)?;
    Ok((raw, reference))
}

/// The same script, on the kernel's own mount of a copy.
fn by_kernel(folder: &Path, raw: &Path, script: &Path, reference: i64) -> Result<PathBuf> {
    let copy = folder.join("kernel.raw");
    oracle::run("cp", ["--sparse=always".as_ref(), raw.as_os_str(), copy.as_os_str()])?;
    fs::create_dir(folder.join("mnt"))?;
    let place = oracle::partition(&copy, ROOT)?;
    let output = Command::new(oracle::require("unshare")?)
        .args([
            "--mount", "--pid", "--fork", "--uts", "--ipc", "--", "sh", "-ec", KERNEL, "sh",
        ])
        .arg(&copy)
        .arg(place.offset.to_string())
        .arg(place.len.to_string())
        .arg(script)
        .arg(reference.to_string())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(copy)
}

const RECIPE: &str = "\
apiVersion: imgctl/v1
kind: Recipe
run:
  - name: users
    script: |
      useradd -m -u 1500 baker
      install -o baker -g games -m 4750 /bin/true /opt/tool
      setcap cap_net_raw+ep /usr/bin/perl
      ln /opt/tool /opt/tool-2
      rm -r /usr/share/doc/bash
  - { at: after-files, command: [sh, -c, 'id > /srv/id; pwd >> /srv/id; echo $GREETING >> /srv/id'], user: games, cwd: /tmp,
      env: { GREETING: hello } }
files:
  - { path: /srv, type: directory, mode: '1777' }
";

/// Root's users are numbers that nobody has, a normal user's are subordinate ones; of either nothing may be seen.
#[test]
fn a_normal_user_makes_the_very_image_that_root_makes() {
    if root_or_skip("a_normal_user_makes_the_very_image_that_root_makes") && fixture::is_wanted(GUEST) {
        same_for_all().unwrap();
    }
}

fn same_for_all() -> Result<()> {
    oracle::require("newuidmap")?;
    let user = TestUser::new("imgctl-test-subuid")?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    oracle::run("chmod", ["755".as_ref(), folder.as_os_str()])?;
    fs::write(folder.join("recipe.yaml"), RECIPE)?;
    let base = fixture::built(GUEST)?;
    let binary = folder.join("imgctl");
    fs::copy(cli::binary()?, &binary)?;
    let mut digests = Vec::new();
    for name in ["root", "user"] {
        let own = folder.join(name);
        fs::create_dir(&own)?;
        let mut command = match name {
            "root" => Command::new(&binary),
            _ => {
                std::os::unix::fs::chown(&own, Some(user.uid), Some(user.gid))?;
                let mut command = Command::new(oracle::require("setpriv")?);
                let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
                command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
                command.arg(&binary);
                command
            }
        };
        command
            .arg("customize")
            .arg(&base)
            .args(["--recipe", "../recipe.yaml", "-o", "out.qcow2"]);
        let output = command.current_dir(&own).stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let left: Vec<_> = fs::read_dir(&own)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?;
        ensure!(left.len() == 2, "{name} left {left:?}");
        digests.push(oracle::hex(&oracle::sha256(&own.join("out.qcow2"))?));
    }
    ensure!(
        digests[0] == digests[1],
        "root's image is {}, the user's {}",
        digests[0],
        digests[1]
    );
    let text = cli::run(folder, &["cat", "root/out.qcow2", "/srv/id"])?;
    ensure!(
        text == "uid=5(games) gid=60(games) groups=60(games)\n/tmp\nhello\n",
        "{text}"
    );
    Ok(())
}

/// A user with subordinate numbers, for as long as this lives.
struct TestUser {
    name: &'static str,
    uid: u32,
    gid: u32,
}

impl TestUser {
    fn new(name: &'static str) -> Result<Self> {
        oracle::run("useradd", ["--system", "--add-subids-for-system", "--user-group", name])?;
        let uid = oracle::run("id", ["-u", name])?.trim().parse()?;
        let gid = oracle::run("id", ["-g", name])?.trim().parse()?;
        let user = Self { name, uid, gid };
        let is_open = oracle::output(
            "setpriv",
            ["--reuid", &uid.to_string(), "--clear-groups", "test", "-w", "/dev/fuse"],
        )?;
        ensure!(
            is_open.status.success(),
            "normal users cannot open /dev/fuse here: chmod 0666 /dev/fuse, as distributions have it"
        );
        Ok(user)
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        drop(oracle::output("userdel", [self.name]));
    }
}

fn fails(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let base = fixture::built(GUEST)?;
    let base = base.to_str().context("the fixture's path is no text")?;
    let whole: Vec<&str> = ["customize", base, "-o", "out.qcow2"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let output = cli::output(folder, &whole)?;
    ensure!(!output.status.success(), "it did not fail: {arguments:?}");
    let left: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    ensure!(left.iter().all(|name| name == "recipe.yaml"), "it left {left:?}");
    Ok(output)
}

/// A failing program ends the run with its last lines, its place in the recipe and exit code 20, and nothing is written.
#[test]
fn what_fails_is_named_and_leaves_nothing() -> Result<()> {
    if !fixture::is_wanted(GUEST) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nrun:\n  - { script: \"echo one\\necho two >&2\\nfalse\\necho three\\n\" }\n";
    fs::write(folder.join("recipe.yaml"), recipe)?;
    for (arguments, code, expected) in [
        (
            &["--recipe", "recipe.yaml"][..],
            20,
            &["recipe.yaml:4:", "run[0]", "ended with status 1", "| one", "| two"][..],
        ),
        (&["--run-command", "kill -9 $$"], 20, &["--run-command", "signal 9"]),
        (&["--run-command", "no-such-program"], 20, &["status 127", "not found"]),
        (&["--sandbox", "none", "--run-command", "true"], 20, &["--sandbox none"]),
        (&["--run", "recipe.yaml/nothing"], 2, &["recipe.yaml/nothing"]),
    ] {
        let output = fails(folder, arguments)?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(code),
            "{arguments:?}: {}\n{text}",
            output.status
        );
        for words in expected {
            ensure!(text.contains(words), "{arguments:?} does not say {words}:\n{text}");
        }
        ensure!(!text.contains("three"), "{text}");
    }
    Ok(())
}

/// However imgctl is ended, no process, mount or folder of its sandbox stays.
#[test]
fn what_is_killed_leaves_nothing() -> Result<()> {
    if !fixture::is_wanted(GUEST) {
        return Ok(());
    }
    for (signal, mark) in [("-KILL", "86301"), ("-TERM", "86302"), ("-INT", "86303")] {
        let folder = tempfile::tempdir()?;
        let mut child = cli::command(folder.path())?
            .args(["customize".as_ref(), fixture::built(GUEST)?.as_os_str()])
            .args(["-o", "out.qcow2", "--run-command", &format!("sleep {mark}")])
            .stderr(Stdio::null())
            .spawn()?;
        wait_until(|| is_running(mark)).context("the program did not start")?;
        oracle::run("kill", [signal, &child.id().to_string()])?;
        child.wait()?;
        wait_until(|| !is_running(mark)).with_context(|| format!("the program outlived {signal}"))?;
        let is_empty = || fs::read_dir(folder.path()).is_ok_and(|mut entries| entries.next().is_none());
        wait_until(is_empty).with_context(|| format!("{signal} left something in {}", folder.path().display()))?;
        let mounts = fs::read_to_string("/proc/mounts")?;
        ensure!(!mounts.contains(".imgctl-run-"), "{mounts}");
    }
    Ok(())
}

fn wait_until(holds: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !holds() {
        ensure!(
            began.elapsed() < Duration::from_secs(60),
            "it took longer than a minute"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether a process sleeps for this time.
fn is_running(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes.filter_map(Result::ok).any(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        arguments == format!("sleep\0{mark}\0").as_bytes()
    })
}

/// A look into an image by its own programs.
#[test]
fn one_program_runs_and_nothing_is_kept() -> Result<()> {
    if !fixture::is_wanted(GUEST) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let base = fixture::built(GUEST)?;
    let before = oracle::sha256(&base)?;
    let run = |words: &[&str]| -> Result<Output> {
        let mut command = cli::command(folder.path())?;
        command.arg("run").arg(&base).args(["--scratch", "."]);
        Ok(command.arg("--").args(words).output()?)
    };
    let output = run(&[
        "sh",
        "-c",
        "dpkg-query -W -f '${Version}' dash; echo; echo no >&2; rm -rf /etc; exit 3",
    ])?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    ensure!(output.stdout.starts_with(b"0.5."), "{output:?}");
    ensure!(output.stderr == b"no\n", "{output:?}");
    let output = run(&["no-such-program"])?;
    ensure!(output.status.code() == Some(20), "{output:?}");
    ensure!(oracle::sha256(&base)? == before, "the base was changed");
    Ok(())
}

#[test]
fn the_doctor_says_what_works() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report: serde_json::Value = serde_json::from_str(&cli::run(folder.path(), &["doctor", "--json"])?)?;
    let rungs = report["rungs"].as_array().context("no rungs")?;
    let works = |name| rungs.iter().any(|rung| rung["name"] == name && rung["works"] == true);
    ensure!(works("userns"), "{report}");
    Ok(())
}
