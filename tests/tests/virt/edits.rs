//! Scripts that change guests: what the guestfs-tools make of a disk is what ours must make of it.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::tree::Tree;
use imgctl_testkit::{fixture, oracle, root_or_skip, tier};

use crate::known::Known::{self, At, Password, Random, Time};
use crate::scene::{self, DISK, Disk, Ran, Side};
use crate::trees::{self, Guest};

/// One script, and what it should come to.
pub(crate) struct Case {
    script: &'static str,
    expected: Expected,
    known: &'static [Known],
}

/// What a script should come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// Both sides end with 0, and with the same tree.
    Same,
    /// Both sides end with 1; ours has changed nothing.
    Failure,
    /// The sides differ by intent: ours ends with 1, has changed nothing and says this; theirs is not asked.
    Refusal(&'static str),
}

const fn same(script: &'static str) -> Case {
    Case {
        script,
        expected: Expected::Same,
        known: &[],
    }
}

const fn but(script: &'static str, known: &'static [Known]) -> Case {
    Case {
        script,
        expected: Expected::Same,
        known,
    }
}

const fn failure(script: &'static str) -> Case {
    Case {
        script,
        expected: Expected::Failure,
        known: &[],
    }
}

/// To be [`same`] once programs of the guest run.
const fn refused(script: &'static str, flag: &'static str) -> Case {
    Case {
        script,
        expected: Expected::Refusal(flag),
        known: &[],
    }
}

const HOSTS: Known = At("/etc/hosts", "the name of the machine is in it, whatever was there");
const TIMEZONE: Known = At("/etc/timezone", "kept up to date");
const USERS: &[Known] = &[
    At("/etc/group", "users are taken out of groups, too"),
    At("/etc/gshadow", "as above"),
    At("/etc/subuid", "as above"),
    At("/etc/subgid", "as above"),
    LOCK,
];
const EMPTY: &str = "it was empty before, and ours leaves it alone";
const EDITED: &str = "theirs puts a new file in the edited one's place, ours writes into it";
const LOCK: Known = At("/var/cache/apt/archives/lock", "locks stay");
const SYSPREP: &[Known] = &[
    LOCK,
    At(
        "/var/lib/systemd/credential.secret",
        "it goes with the machine's identity",
    ),
    At(
        "/etc/systemd/system/imgctl-ssh-hostkeys.service",
        "host keys are made again at the next boot",
    ),
    At(
        "/etc/systemd/system/multi-user.target.wants/imgctl-ssh-hostkeys.service",
        "as above",
    ),
    At("/var/log/btmp", "emptied: programs do not make it again"),
    At("/var/log/faillog", "as above"),
    At("/var/log/lastlog", "as above"),
    At("/var/log/wtmp", "as above"),
];
const FIRST_BOOT: &[Known] = &[
    At("/usr/lib/virt-sysprep", "theirs keeps its scripts there"),
    At("/usr/lib/systemd/system/guestfs-firstboot.service", "theirs"),
    At(
        "/etc/systemd/system/multi-user.target.wants",
        "the unit has another name",
    ),
    At("/etc/init.d", "theirs links an init script beside its unit"),
    At("/etc/rc2.d", "as above"),
    At("/etc/rc3.d", "as above"),
    At("/etc/rc5.d", "as above"),
    At("/usr/lib/imgctl", "ours keeps its scripts there"),
    At("/usr/lib/systemd/system", "ours"),
    At("/usr/lib", "a directory of either"),
];

/// The first few are the sample of the bounded tier.
pub(crate) const CASES: &[Case] = &[
    // What most public scripts do at once.
    but(
        "virt-customize -a disk.qcow2 --hostname node1 --root-password password:secret --ssh-inject root:file:id.pub \
         --mkdir /opt/app/conf --copy-in tree:/opt/app --upload motd:/etc/motd --write /etc/app.env:A=1 --chmod 0640:/etc/app.env \
         --append-line '/etc/hosts:10.0.0.1 registry' --edit '/etc/ssh/sshd_config:s/^#?PermitRootLogin.*/PermitRootLogin yes/' \
         --timezone Europe/Berlin --delete '/var/log/*.log' --truncate /etc/machine-id --link /opt/app/tree:/srv/app --selinux-relabel",
        &[HOSTS, TIMEZONE, Time("/etc/ssh", EDITED), Password("root", "secret")],
    ),
    but("virt-sysprep -a disk.qcow2", SYSPREP),
    but(
        "virt-edit -a disk.qcow2 /etc/default/grub -e 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=0/'",
        &[Time("/etc/default", EDITED)],
    ),
    // One option after another, in the forms that are in use.
    but("virt-customize -a disk.qcow2 --hostname golden.example.com", &[HOSTS]),
    but("virt-customize --add disk.qcow2 --hostname=golden", &[HOSTS]),
    but(
        "virt-customize --format qcow2 -a disk.qcow2 -m 2048 --smp 2 --hostname golden",
        &[HOSTS],
    ),
    but(
        "virt-customize -q --no-network -a file://$PWD/disk.qcow2 --memsize 1024 --hostname golden",
        &[HOSTS],
    ),
    but(
        "virt-customize -a disk.qcow2 --root-password password:secret",
        &[Password("root", "secret")],
    ),
    but(
        "virt-customize -a disk.qcow2 --root-password file:password.txt",
        &[Password("root", "from a file")],
    ),
    but("virt-customize -a disk.qcow2 --root-password random", &[Random("root")]),
    but(
        "virt-customize -a disk.qcow2 --root-password disabled",
        &[Random("root")],
    ),
    but("virt-customize -a disk.qcow2 --root-password locked", &[Random("root")]),
    but(
        "virt-customize -a disk.qcow2 --root-password locked:password:secret --password debian:password:with:colons",
        &[Password("root", "secret"), Password("debian", "with:colons")],
    ),
    but(
        "virt-customize -a disk.qcow2 --password-crypto sha512 --password debian:password:secret",
        &[Password("debian", "secret")],
    ),
    same("virt-customize -a disk.qcow2 --ssh-inject root"),
    same("virt-customize -a disk.qcow2 --ssh-inject debian:file:id.pub"),
    same(
        "virt-customize -a disk.qcow2 --ssh-inject 'debian:string:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/i0RmS9xQFtA1Wl3o4VqpaF7U5kN8jd0bTPgyRrWlO me@there'",
    ),
    same("virt-customize -a disk.qcow2 --copy-in tree:/opt --copy-in motd:/etc"),
    but(
        "virt-customize -a disk.qcow2 --copy-in tree/bin:/usr/local --copy-in tree/etc/app.conf:/etc",
        &[Time("/usr/local", "theirs removes an empty folder and makes it anew")],
    ),
    same("virt-customize -a disk.qcow2 --mkdir /etc/a/b/c --mkdir /etc --chmod 0700:/etc/a"),
    but("virt-customize -a disk.qcow2 --timezone America/New_York", &[TIMEZONE]),
    same("virt-customize -a disk.qcow2 --upload motd:/etc/motd --upload script.sh:/usr/local/bin"),
    but(
        "virt-customize -a disk.qcow2 --upload setuid:/usr/local/bin/setuid",
        &[At("/usr/local/bin/setuid", "setuid is kept")],
    ),
    same("virt-customize -a disk.qcow2 --truncate /etc/machine-id --truncate /etc/motd --truncate /etc/issue"),
    same(
        "virt-customize -a disk.qcow2 --write '/etc/apt/apt.conf.d/99proxy:Acquire::http::Proxy \"http://proxy:3128\";' --write /etc/motd:",
    ),
    same(r"virt-customize -a disk.qcow2 --write '/etc/netplan/01.yaml:network:\n  version: 2\n'"),
    same("virt-customize -a disk.qcow2 --chmod 0755:/etc/motd --chmod 04755:/usr/bin/less --chmod 0600:/etc/fstab"),
    but(
        "virt-customize -a disk.qcow2 --write /srv/x:1 --chmod 755:/srv/x",
        &[At("/srv/x", "digits are octal")],
    ),
    but("virt-customize -a disk.qcow2 --firstboot script.sh", FIRST_BOOT),
    but(
        "virt-customize -a disk.qcow2 --firstboot-command 'dpkg-reconfigure openssh-server'",
        FIRST_BOOT,
    ),
    but(
        "virt-customize -a disk.qcow2 --firstboot-install qemu-guest-agent,curl",
        FIRST_BOOT,
    ),
    same(
        "virt-customize -a disk.qcow2 --append-line '/etc/fstab:tmpfs /tmp tmpfs defaults 0 0' --append-line /etc/new:first --append-line /etc/new:",
    ),
    same("virt-customize -a disk.qcow2 --write '/etc/x:no end' --append-line /etc/x:more"),
    but(
        "virt-customize -a disk.qcow2 --edit '/etc/ssh/sshd_config:s/^#?PasswordAuthentication.*/PasswordAuthentication yes/'",
        &[Time("/etc/ssh", EDITED)],
    ),
    but(
        "virt-customize -a disk.qcow2 --edit '/etc/default/grub:s/GRUB_CMDLINE_LINUX=\"/GRUB_CMDLINE_LINUX=\"net.ifnames=0 /'",
        &[Time("/etc/default", EDITED)],
    ),
    but(
        r"virt-customize -a disk.qcow2 --edit '/etc/os-release:s/bookworm/golden/g' --edit '/etc/passwd:$_ = uc $_ if /^games:/'",
        &[Time("/etc", EDITED), Time("/usr/lib", EDITED)],
    ),
    but(
        "virt-customize -a disk.qcow2 --edit '/etc/hosts:$_ = \"\" if /ip6/'",
        &[Time("/etc", EDITED)],
    ),
    but(
        "virt-customize -a disk.qcow2 --commands-from-file commands.txt",
        &[HOSTS],
    ),
    but(
        "virt-customize -a disk.qcow2 --commands-from-file /dev/stdin < commands.txt",
        &[HOSTS],
    ),
    same(
        "virt-customize -a disk.qcow2 --delete /etc/ssh/ssh_host_ed25519_key --delete '/var/lib/apt/lists/*' --delete /nothing/here",
    ),
    same("virt-customize -a disk.qcow2 --delete /usr/share/doc --delete '/var/log/journal/*/*'"),
    same("virt-customize -a disk.qcow2 --scrub /root/.bash_history --scrub /etc/motd"),
    same(
        "virt-customize -a disk.qcow2 --link /dev/null:/etc/systemd/system/cron.service --link ../motd:/etc/apt:/etc/one:/etc/two",
    ),
    same(
        "virt-customize -a disk.qcow2 --copy /etc/hosts:/etc/hosts.orig --copy /etc/apt:/srv --copy /opt/fixture/deep:/opt/copied",
    ),
    same("virt-customize -a disk.qcow2 --move /etc/motd:/srv --move /etc/apt:/etc/apt.off"),
    same("virt-customize -a disk.qcow2 --touch /etc/cloud/cloud-init.disabled --touch /etc/motd"),
    but(
        "virt-customize -a disk.qcow2 --truncate-recursive /var/log",
        &[Time("/var/log/faillog", EMPTY), Time("/var/log/lastlog", EMPTY)],
    ),
    same("virt-customize -a disk.qcow2 --no-logfile --selinux-relabel --mkdir /srv/x"),
    but(
        "virt-customize -v -x -a disk.qcow2 --colours --wrap --hostname golden",
        &[HOSTS],
    ),
    same("virt-customize -n -a disk.qcow2 --hostname golden --delete /etc"),
    same("virt-customize --dryrun -a disk.qcow2 --truncate /etc/fstab"),
    // Scripts that call the tool once for each option.
    but(
        "set -e; IMG=disk.qcow2\nvirt-customize -a $IMG --hostname golden\nvirt-customize -a $IMG --mkdir /srv/a\n\
         virt-customize -a $IMG --write /srv/a/b:1\nvirt-customize -a \"$IMG\" --truncate /etc/machine-id",
        &[HOSTS],
    ),
    same(
        "mv disk.qcow2 'a disk, with: odd name.qcow2'; ln -s 'a disk, with: odd name.qcow2' disk.qcow2; virt-customize -a disk.qcow2 --mkdir /srv/a",
    ),
    same(
        "qemu-img convert -O raw disk.qcow2 disk.raw && virt-customize --format raw -a disk.raw --mkdir /srv/a && qemu-img convert -O qcow2 disk.raw disk.qcow2",
    ),
    // virt-sysprep.
    but(
        "virt-sysprep -a disk.qcow2 --operations defaults,-ssh-userdir,-tmp-files",
        SYSPREP,
    ),
    but(
        "virt-sysprep -a disk.qcow2 --operations machine-id,ssh-hostkeys,logfiles,bash-history",
        SYSPREP,
    ),
    but(
        "virt-sysprep -q -a disk.qcow2 --enable ssh-hostkeys,udev-persistent-net,dhcp-client-state",
        SYSPREP,
    ),
    but(
        "virt-sysprep -a disk.qcow2 --enable customize --hostname clone --write /srv/x:1",
        &[HOSTS],
    ),
    but(
        "virt-sysprep -a disk.qcow2 --enable user-account,package-manager-cache,backup-files",
        USERS,
    ),
    but(
        "virt-sysprep -a disk.qcow2 --enable user-account --keep-user-accounts debian",
        USERS,
    ),
    but(
        "virt-sysprep -a disk.qcow2 --operations defaults,-customize --no-logfile",
        SYSPREP,
    ),
    same(
        "virt-sysprep -a disk.qcow2 --operations cron-spool,passwd-backups,crash-data,mail-spool,utmp,flag-reconfiguration",
    ),
    same("virt-sysprep -n -a disk.qcow2"),
    // The others that write.
    same("virt-edit -a disk.qcow2 -b .orig -e 's/localhost/local/' /etc/hosts"),
    but(
        "virt-edit -a disk.qcow2 -m /dev/sda1 /etc/hosts /etc/motd -e 's/e/E/g'",
        &[Time("/etc", EDITED)],
    ),
    but(
        "virt-edit --expr '$_ = \"\" if /^#/' -a disk.qcow2 /etc/ssh/sshd_config",
        &[Time("/etc/ssh", EDITED)],
    ),
    but(
        "EDITOR='sed -i s/fixture/edited/' virt-edit -a disk.qcow2 /etc/hosts",
        &[Time("/etc", EDITED)],
    ),
    same("virt-copy-in -a disk.qcow2 tree motd /opt"),
    same("virt-copy-in -a disk.qcow2 script.sh /usr/local/bin"),
    same("virt-tar-in -a disk.qcow2 files.tar /opt"),
    same("virt-tar-in -a disk.qcow2 - /srv < files.tar"),
    same("tar cf - tree | virt-tar-in -a disk.qcow2 - /opt"),
    // What is an error is one for both, but ours is not half done.
    failure("virt-customize -a disk.qcow2 --mkdir /srv/done --write /nosuch/dir/file:x"),
    failure("virt-customize -a disk.qcow2 --mkdir /srv/done --upload nosuchfile:/etc"),
    failure("virt-customize -a disk.qcow2 --mkdir /srv/done --edit '/etc/nosuch:s/a/b/'"),
    failure("virt-customize -a disk.qcow2 --timezone Mars/Phobos"),
    failure("virt-customize -a disk.qcow2 --ssh-inject nobodyhere:file:id.pub"),
    failure("virt-customize -a disk.qcow2 --mkdir relative/path"),
    failure("virt-customize -a disk.qcow2 --append-line '/etc/motd:two\nlines'"),
    failure("virt-customize -a disk.qcow2 --bogus"),
    failure("virt-customize -a disk.qcow2 --truncate /nosuch"),
    failure("virt-customize -a nosuch.qcow2 --mkdir /srv/a"),
    failure("virt-sysprep -a disk.qcow2 --operations nosuch"),
    failure("virt-edit -a disk.qcow2 -e 's/a/b/' /nosuch"),
    failure("virt-copy-in -a disk.qcow2 motd /nosuch"),
    failure("virt-tar-in -a disk.qcow2 files.tar /nosuch"),
    // What runs programs of the guest, or is refused until it can.
    same("virt-customize -a disk.qcow2 --run-command 'systemctl enable ssh'"),
    same("virt-customize -a disk.qcow2 --run script.sh"),
    same(
        "virt-customize -a disk.qcow2 --run-command 'sed -i s/^#*PermitRootLogin.*/PermitRootLogin\\ no/ /etc/ssh/sshd_config'",
    ),
    same(
        "virt-customize -a disk.qcow2 --no-network --run-command 'useradd -m -s /bin/bash -G adm ops' --run-command 'chown -R ops: /srv'",
    ),
    same(
        "virt-customize -a disk.qcow2 --mkdir /srv/a --run-command 'touch /srv/a/b && ln -s b /srv/a/c; false; true' --write /srv/a/b:x",
    ),
    failure("virt-customize -a disk.qcow2 --mkdir /srv/a --run-command 'exit 3'"),
    refused("virt-customize -a disk.qcow2 --install qemu-guest-agent", "--install"),
    refused("virt-customize -a disk.qcow2 --update", "--update"),
    refused("virt-customize -a disk.qcow2 --uninstall nano", "--uninstall"),
    refused(
        "virt-customize -a disk.qcow2 --password nobodyhere:password:x",
        "nobodyhere",
    ),
    refused("virt-customize -d guest --hostname x", "-a"),
];

/// The guest: the one that the bounded tier builds, or else an older one that these tools were made for.
fn fixture_name() -> &'static str {
    if tier::is_long() { "debian12" } else { "debian13" }
}

/// What was there before either side changed anything. The tree alone: a mount in a static variable would outlive the process.
fn base() -> Result<&'static Tree> {
    static BASE: OnceLock<Result<Tree, String>> = OnceLock::new();
    let open = || Ok(Guest::open_raw(&fixture::raw(fixture_name())?, None)?.tree);
    let base = BASE.get_or_init(|| open().map_err(|error: anyhow::Error| format!("{error:#}")));
    base.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))
}

fn check(index: u64) -> Result<()> {
    let case = CASES.get(usize::try_from(index)?).context("no such case")?;
    let disk = if index % 2 == 1 && case.expected == Expected::Same {
        Disk::Overlay
    } else {
        Disk::Copy
    };
    let ours = scene::run(Side::Ours, case.script, fixture_name(), disk)?;
    if let Expected::Refusal(words) = case.expected {
        let told = String::from_utf8_lossy(&ours.stderr);
        ensure!(ours.status == Some(1) && told.contains(words), "{}", ours.describe());
        return ensure_untouched(&ours);
    }
    let theirs = scene::run(Side::Theirs, case.script, fixture_name(), Disk::Overlay)?;
    let wanted = if case.expected == Expected::Failure {
        Some(1)
    } else {
        Some(0)
    };
    ensure!(theirs.status == wanted, "theirs: {}", theirs.describe());
    ensure!(ours.status == wanted, "ours: {}", ours.describe());
    if case.expected == Expected::Failure {
        return ensure_untouched(&ours);
    }
    oracle::qemu_check(&ours.disk())?;
    let (their_guest, our_guest) = (Guest::open(&theirs.disk())?, Guest::open(&ours.disk())?);
    our_guest.check()?;
    let found = trees::compare(base()?, &their_guest, &our_guest, case.known)?;
    trees::ensure_none(&found, "theirs → ours")
}

/// Whether the disk is the copy that was made of the fixture, byte by byte.
fn ensure_untouched(ran: &Ran) -> Result<()> {
    let (disk, base) = (ran.disk(), fixture::image(fixture_name())?);
    ensure!(
        oracle::sha256(&disk)? == oracle::sha256(&base)?,
        "{DISK} was changed\n{}",
        ran.describe()
    );
    Ok(())
}

#[test]
fn scripts_leave_the_same_guest() -> Result<()> {
    if !root_or_skip("scripts_leave_the_same_guest") {
        return Ok(());
    }
    let mut failures = Vec::new();
    for index in tier::seeds(0..3) {
        let script = CASES.get(usize::try_from(index)?).context("no such case")?.script;
        let result = tier::try_case("virt-edits", index, tier::Limits::LARGE, || check(index));
        if let Err(error) = result {
            failures.push(format!("{script}\n{error:#}\n"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
