//! The table, the order of events, and errors that name the recipe's line.

use super::*;
use crate::testing::{changes, difference, empty, guest, listing, path, text};
use imgctl_recipe::{
    CloudInit, CloudSeed, Content, FileAction, FileEntry, FirstBoot, FirstBootDeed, GroupEntry, Initramfs, Kernel,
    KernelCommandLine, KernelModules, Keyboard, MachineId, Mount, Network, Origin, Password, RESET_OPERATIONS, Reset,
    ResetOperation, ResetProfile, Sourced, SshdSetting, SwapFile, SysctlFile, User, UserState,
};
use std::error::Error as _;

fn sourced<T>(value: T, key: &str) -> Sourced<T> {
    Sourced {
        value,
        origin: Origin {
            file: "golden.yaml".into(),
            line: 7,
            column: 3,
            key: key.to_owned(),
        },
    }
}

fn file(path: &str, action: FileAction) -> Sourced<FileEntry> {
    let entry = FileEntry::new(path, action);
    sourced(entry, "files[0]")
}

fn whole_plan() -> Plan {
    let mut plan = Plan {
        hostname: Some(sourced("node".to_owned(), "hostname")),
        users: vec![sourced(
            User {
                name: "root".to_owned(),
                ssh_authorized_keys: vec!["ssh-ed25519 AAAA x".to_owned()],
                ..User::default()
            },
            "users[0]",
        )],
        groups: vec![sourced(
            GroupEntry {
                name: "ops".to_owned(),
                members: vec!["web".to_owned()],
                ..GroupEntry::default()
            },
            "groups[0]",
        )],
        sshd: vec![sourced(
            SshdSetting {
                keyword: "UsePAM",
                values: vec!["yes".to_owned()],
                is_list: false,
            },
            "sshd.settings.UsePAM",
        )],
        files: vec![
            file("/etc/motd", FileAction::Content(Content::Inline("hello\n".to_owned()))),
            file("/etc/old*", FileAction::Absent),
            file("/etc/hosts", FileAction::Append("10.0.0.1 registry".to_owned())),
        ],
        reset: Some(sourced(
            Reset {
                profile: ResetProfile::Golden,
                machine_id: MachineId::Empty,
                operations: RESET_OPERATIONS
                    .iter()
                    .filter(|operation| operation.refused.is_empty() && operation.name != "tmp")
                    .collect(),
                ..Reset::default()
            },
            "reset",
        )),
        ..Plan::default()
    };
    let web = User {
        name: "web".to_owned(),
        state: UserState::Present,
        shell: Some("/bin/sh".to_owned()),
        groups: vec!["ops".to_owned()],
        password: Some(Password::Hash("$y$j9T$abc$def".to_owned())),
        sudo: vec!["ALL=ALL".to_owned()],
        ..User::default()
    };
    plan.users.push(sourced(web, "users[1]"));
    add_settings(&mut plan);
    plan.services.enable = vec![sourced("ssh.service".to_owned(), "services.enable[0]")];
    plan.services.disable = vec![sourced("gone.service".to_owned(), "services.disable[0]")];
    plan.services.mask = vec![sourced("dkms.service".to_owned(), "services.mask[0]")];
    with_identity_and_first_boot(plan)
}

fn with_identity_and_first_boot(mut plan: Plan) -> Plan {
    let text = |text: &str, key| Some(sourced(text.to_owned(), key));
    plan.timezone = text("Etc/UTC", "timezone");
    plan.locale = text("C.UTF-8", "locale");
    let keyboard = Keyboard {
        layout: "de".to_owned(),
        ..Keyboard::default()
    };
    plan.keyboard = Some(sourced(keyboard, "keyboard"));
    plan.default_target = text("multi-user.target", "services.default_target");
    plan.services.unmask = vec![sourced("ssh.service".to_owned(), "services.unmask[0]")];
    plan.services.preset = vec![sourced("ssh.socket".to_owned(), "services.preset[0]")];
    plan.user_services.enable = vec![sourced("agent.socket".to_owned(), "services.user.enable[0]")];
    let script = FirstBoot {
        name: None,
        deed: FirstBootDeed::Shell("true".to_owned()),
        network: false,
        retry: true,
        sensitive: false,
    };
    plan.first_boot = vec![sourced(script, "first_boot[0]")];
    plan
}

fn add_settings(plan: &mut Plan) {
    plan.kernel = Kernel {
        cmdline: Some(sourced(
            KernelCommandLine {
                ensure: vec!["a=1".to_owned()],
                remove: Vec::new(),
            },
            "kernel.cmdline",
        )),
        modules: Some(sourced(
            KernelModules {
                load: vec!["overlay".to_owned()],
                ..KernelModules::default()
            },
            "kernel.modules",
        )),
        initramfs: Some(sourced(Initramfs::default(), "kernel.initramfs")),
    };
    let sysctl = SysctlFile {
        name: "90-x".to_owned(),
        settings: vec![("kernel.panic".to_owned(), "5".to_owned())],
    };
    plan.sysctl = vec![sourced(sysctl, "sysctl.90-x")];
    let mount = Mount {
        path: "/data".to_owned(),
        source: Some("tmpfs".to_owned()),
        fs_type: None,
        options: None,
        dump: None,
        pass: None,
        is_absent: false,
    };
    plan.fstab = vec![sourced(mount, "fstab[0]")];
    let swap = SwapFile {
        path: "/swapfile".to_owned(),
        size_bytes: 64 << 10,
        priority: None,
    };
    plan.swap = Some(sourced(swap, "swap"));
    let cloud_init = CloudInit {
        seed: Some(CloudSeed::default()),
        ..CloudInit::default()
    };
    plan.cloud_init = Some(sourced(cloud_init, "cloud_init"));
    let network = Network {
        name_servers: vec!["192.0.2.53".parse().unwrap()],
        ..Network::default()
    };
    plan.network = Some(sourced(network, "network"));
}

const ENTRIES: [&str; 24] = [
    "/bin/setupcon|x",
    "/usr/share/zoneinfo/Etc/UTC|TZif2",
    "/usr/lib/systemd/system/multi-user.target|[Unit]\nX=y\n",
    "/usr/lib/systemd/system/ssh.socket|[Install]\nWantedBy=sockets.target\n",
    "/usr/lib/systemd/user/agent.socket|[Install]\nWantedBy=sockets.target\n",
    "/boot/grub/grub.cfg|linux /k root=UUID=1\n",
    "/usr/sbin/mkinitramfs|",
    "/etc/os-release|ID=debian\n",
    "/etc/passwd|root:x:0:0::/root:/bin/sh\n",
    "/etc/shadow 0640|root:*:1::::::\n",
    "/etc/group|root:x:0:\n",
    "/etc/sudoers|@includedir /etc/sudoers.d\n",
    "/etc/ssh/sshd_config|Include /etc/ssh/sshd_config.d/*.conf\n",
    "/bin/sh 0755|",
    "/root/",
    "/etc/hosts|127.0.0.1 localhost\n",
    "/etc/oldies|x",
    "/etc/machine-id|abc\n",
    "/etc/ssh/ssh_host_rsa_key|secret",
    "/usr/sbin/sshd|",
    "/usr/bin/ssh-keygen|",
    "/usr/lib/systemd/system/ssh.service|[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n",
    "/tmp/kept|x",
    "/var/log/syslog|x",
];

#[test]
fn a_whole_plan_runs_in_the_tables_order_and_is_at_rest_after() {
    let mut guest = guest(&ENTRIES);
    let before = listing(guest.tree());
    let mut started = Vec::new();
    let run = execute(&whole_plan(), &mut guest, &mut |name| {
        started.push(name.to_owned());
        true
    });
    assert!(run.unwrap());
    let mut expected: Vec<&str> = STEPS.iter().map(|spec| spec.name).collect();
    expected.retain(|name| !["tmp", "trusted-authorities", "repositories"].contains(name));
    // The guest in memory has no programs.
    expected.retain(|name| !name.starts_with("run"));
    assert_eq!(started, expected);
    assert_eq!(
        guest.warnings().len(),
        3,
        "disabling and masking what is not there, and no cloud-init"
    );
    assert_eq!(changes(&guest), difference(&before, &listing(guest.tree())));
    assert_eq!(text(&guest, "/tmp/kept"), "x");
    assert!(guest.find(&path("/etc/systemd/system/sshd.service")).unwrap().is_some());

    let tree = std::mem::replace(&mut guest, empty()).into_parts().0;
    let mut again = Guest::new(tree, crate::testing::NOW);
    execute(&whole_plan(), &mut again, &mut |_| true).unwrap();
    assert!(again.log().is_empty(), "{:?}", changes(&again));
}

#[test]
fn a_run_can_be_ended_between_steps() {
    let mut guest = guest(&ENTRIES);
    let mut seen = 0;
    let run = execute(&whole_plan(), &mut guest, &mut |_| {
        seen += 1;
        seen < 8
    });
    assert!(!run.unwrap());
    assert_eq!(text(&guest, "/etc/motd"), "hello\n");
    assert_eq!(text(&guest, "/etc/hostname"), "-");
}

#[test]
fn hints_say_what_to_do() {
    let mut guest = guest(&["/etc/passwd|root:x:0:0::/root:/bin/sh\n"]);
    let mut plan = whole_plan();
    plan.groups.clear();
    plan.users.truncate(1);
    plan.users[0].value.name = "rot".to_owned();
    let error = execute(&plan, &mut guest, &mut |_| true).unwrap_err();
    assert_eq!(
        (error.step(), error.hint().as_deref()),
        ("ssh-authorized-keys", Some("did you mean root?"))
    );
}

#[test]
fn the_table_is_in_order_and_has_no_name_twice() {
    let mut names: Vec<&str> = STEPS.iter().map(|spec| spec.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), STEPS.len());
    let headings: Vec<&str> = STEPS.iter().map(|spec| spec.section).collect();
    let mut unique = headings.clone();
    unique.dedup();
    assert_eq!(
        unique,
        [
            "trust",
            "packages",
            "run",
            "groups",
            "users",
            "groups",
            "users",
            "files",
            "cloud_init",
            "hostname",
            "timezone",
            "locale",
            "keyboard",
            "kernel",
            "sysctl",
            "fstab",
            "swap",
            "network",
            "sshd",
            "run",
            "services",
            "first_boot",
            "run",
            "reset"
        ]
    );
    for spec in STEPS {
        assert!((spec.build)(&Plan::default()).is_none(), "{} runs unasked", spec.name);
    }
}

#[test]
fn a_profile_of_none_runs_what_is_named() {
    let reset = Reset {
        profile: ResetProfile::None,
        machine_id: MachineId::Keep,
        operations: ResetOperation::find("logs").into_iter().collect(),
        ..Reset::default()
    };
    let plan = Plan {
        reset: Some(sourced(reset, "reset")),
        ..Plan::default()
    };
    let names: Vec<&str> = STEPS
        .iter()
        .filter(|spec| (spec.build)(&plan).is_some())
        .map(|spec| spec.name)
        .collect();
    assert_eq!(names, ["logs"]);
}

#[test]
fn errors_name_the_step_the_line_the_path_and_the_cause() {
    let mut guest = guest(&["/etc/dir/x|"]);
    let plan = Plan {
        files: vec![file("/etc/dir", FileAction::Content(Content::Inline("x".to_owned())))],
        ..Plan::default()
    };
    let error = execute(&plan, &mut guest, &mut |_| true).unwrap_err();
    assert_eq!(error.to_string(), "golden.yaml:7: cannot apply files[0] (/etc/dir)");
    assert_eq!(
        error.source().unwrap().to_string(),
        "cannot write /etc/dir (partition 1): it is a directory"
    );
}
