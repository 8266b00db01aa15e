//! What a program of the guest gets to see of itself and the machine.

use super::{ProgramOptions, SandboxChoice, resolver};
use crate::boot::entries::BootFiles;
use crate::guest::{Accounts, ColonFile, Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_recipe::Principal;
use imgctl_sandbox::{Command, Files, InjectedFile, Network, Request};
use imgctl_vfs::GuestPath;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What is to be run in a guest.
#[derive(Clone, Debug)]
pub struct Program {
    /// What runs.
    pub command: Command,
    /// Environment variables, besides those that every program gets.
    pub environment: Vec<(String, String)>,
    /// The folder it begins in.
    pub folder: GuestPath,
    /// Who runs it; `None`: root.
    pub user: Option<Principal>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Whether it asks for a network.
    pub network: bool,
    /// Whether what it changes is wanted.
    pub wants_changes: bool,
}

impl Program {
    /// A run as root without a network, of which the changes are wanted.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            command,
            environment: Vec::new(),
            folder: GuestPath::root(),
            user: None,
            timeout: None,
            network: false,
            wants_changes: true,
        }
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Packages start no service while they are installed: 101 is "not allowed" (invoke-rc.d of Debian).
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// What stands for the machine's identity where the image has none: programs that want one do not make one up.
const MACHINE_ID: &str = "696d6763746c00000000000000000000\n";

/// The request to the sandbox.
pub(super) fn of(guest: &Guest, program: &Program, options: &ProgramOptions, scratch: PathBuf) -> Outcome<Request> {
    if program.network && !options.host_network {
        return Err(StepFailure::refused_with(
            "it asks for a network, and this run gives it none",
            "--network host lets programs of the guest reach what this machine reaches, itself included",
        ));
    }
    let user = User::of(guest, program.user.as_ref())?;
    let mut environment = BTreeMap::new();
    let mut set = |name: &str, value: &[u8]| environment.insert(name.as_bytes().to_vec(), value.to_vec());
    set("PATH", PATH.as_bytes());
    set("HOME", user.home.as_bytes());
    set("USER", &user.name);
    set("LOGNAME", &user.name);
    set("LC_ALL", b"C");
    set("TERM", b"dumb");
    set("DEBIAN_FRONTEND", b"noninteractive");
    set("SOURCE_DATE_EPOCH", guest.now().seconds.to_string().as_bytes());
    for (name, value) in options.environment.iter().chain(&program.environment) {
        set(name, value.as_bytes());
    }
    let mut request = Request::new(program.command.clone(), scratch);
    request.environment = environment;
    request.folder = program.folder.clone();
    request.user = (user.uid, user.gid, user.groups);
    request.timeout = program.timeout;
    request.network = if options.host_network {
        Network::Host
    } else {
        Network::None
    };
    request.files = match options.sandbox {
        SandboxChoice::Userns => Files::Served,
        SandboxChoice::Extract => Files::Extracted,
        SandboxChoice::Auto | SandboxChoice::None => Files::Auto,
    };
    request.injected = injected(guest, options)?;
    request.host_name = host_name(guest)?;
    request.kernel_arguments = kernel_arguments(guest).into_bytes();
    request.wants_changes = program.wants_changes;
    request.launcher = options.launcher.clone();
    Ok(request)
}

struct User {
    name: Vec<u8>,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: GuestPath,
}

impl User {
    fn of(guest: &Guest, principal: Option<&Principal>) -> Outcome<Self> {
        let accounts = Accounts::read(guest)?;
        let account = match principal {
            None => {
                return Ok(Self {
                    name: b"root".to_vec(),
                    uid: 0,
                    gid: 0,
                    groups: Vec::new(),
                    home: fixed("/root"),
                });
            }
            Some(Principal::Name(name)) => accounts.user(name).ok_or_else(|| {
                StepFailure::unknown("user", name, accounts.users.iter().map(|user| user.name.as_slice()))
            })?,
            Some(Principal::Id(uid)) => match accounts.users.iter().find(|user| user.uid == *uid) {
                Some(account) => account,
                None => {
                    return Ok(Self {
                        name: uid.to_string().into_bytes(),
                        uid: *uid,
                        gid: *uid,
                        groups: Vec::new(),
                        home: GuestPath::root(),
                    });
                }
            },
        };
        Ok(Self {
            name: account.name.clone(),
            uid: account.uid,
            gid: account.gid,
            groups: further_groups(guest, &account.name)?,
            home: account.home.clone().unwrap_or_else(GuestPath::root),
        })
    }
}

/// The groups that group(5) lists a user in.
fn further_groups(guest: &Guest, name: &[u8]) -> Outcome<Vec<u32>> {
    let text = guest.read(&fixed("/etc/group"), MAX_TEXT_BYTES)?.unwrap_or_default();
    let file = ColonFile::parse(&text);
    let groups = file.entries().filter_map(|fields: Vec<&[u8]>| {
        let mut members = fields.get(3)?.split(|byte| *byte == b',');
        let gid = std::str::from_utf8(fields.get(2)?).ok()?.parse().ok()?;
        members.any(|member| member == name).then_some(gid)
    });
    Ok(groups.collect())
}

fn injected(guest: &Guest, options: &ProgramOptions) -> Outcome<Vec<InjectedFile>> {
    let mut files = Vec::new();
    let mut add = |path, mode, content: String| {
        files.push(InjectedFile {
            path: fixed(path),
            mode,
            content: content.into_bytes(),
        });
    };
    if guest.exists(&fixed("/var/lib/dpkg/status"))? {
        add("/usr/sbin/policy-rc.d", 0o755, POLICY.to_owned());
    }
    if has_no_identity(guest)? {
        add("/etc/machine-id", 0o444, MACHINE_ID.to_owned());
    }
    if options.host_network
        && let Some(text) = resolver::resolv_conf()
    {
        add("/etc/resolv.conf", 0o644, text);
    }
    Ok(files)
}

fn has_no_identity(guest: &Guest) -> Outcome<bool> {
    let path = fixed("/etc/machine-id");
    // A link is left alone: what it leads to may be on the machine's own /run.
    if guest.read_link(&path)?.is_some() {
        return Ok(false);
    }
    let text = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
    let text = text.trim_ascii();
    Ok(text.is_empty() || text == b"uninitialized")
}

fn host_name(guest: &Guest) -> Outcome<Vec<u8>> {
    let text = guest.read(&fixed("/etc/hostname"), MAX_TEXT_BYTES)?.unwrap_or_default();
    let name = text
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    Ok(match !name.is_empty() && name.len() <= 64 && name.iter().all(is_name) {
        true => name.to_vec(),
        false => b"localhost".to_vec(),
    })
}

/// What the guest's first boot entry gives its kernel; nothing where that cannot be read.
fn kernel_arguments(guest: &Guest) -> String {
    let entries = BootFiles::read(guest).map(|files| files.entries).unwrap_or_default();
    let entry = entries.into_iter().find(|entry| !entry.is_rescue);
    entry.map_or_else(String::new, |entry| entry.arguments.join(" "))
}
