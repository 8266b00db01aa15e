//! The recipes in examples/ check clean.

use std::fs;
use std::path::{Path, PathBuf};

use imgctl_recipe::{
    Content, FileAction, FirstBootDeed, GuestFacts, MachineId, ModeChange, Plan, Principal, Recipe, RecipeSource,
    Settings, Sourced, read,
};

use crate::host::Folder;
use crate::{compare, files, repository};

/// A recipe that has no finding, with these variables set.
fn recipe_of(path: &Path, set: &[&str]) -> Recipe {
    let text = fs::read(path).unwrap();
    let source = RecipeSource {
        name: path,
        text: &text,
    };
    let settings = Settings {
        set: set.iter().map(|setting| (*setting).to_owned()).collect(),
        ..Settings::default()
    };
    let outcome = read(source, &settings, &Folder::new("/"));
    let findings: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    outcome.recipe.expect("no finding, so a recipe")
}

fn plan_of(path: &Path) -> Plan {
    let recipe = recipe_of(path, &[]);
    recipe
        .plan(&GuestFacts::default())
        .expect("nothing depends on the guest")
}

fn names(entries: &[Sourced<String>]) -> Vec<&str> {
    entries.iter().map(|entry| entry.value.as_str()).collect()
}

#[test]
fn examples_check_clean() {
    let examples = files(&repository("examples"), ".yaml");
    assert!(examples.len() >= 4, "only {} examples", examples.len());
    for path in examples {
        let plan = plan_of(&path);
        assert_ne!(plan, Plan::default(), "{} does nothing", path.display());
        assert_eq!(plan.unsupported, [], "{}", path.display());
    }
}

/// What the examples for Kubernetes need to be set.
fn settings_of(name: &str) -> Vec<&'static str> {
    const KEY: &str =
        "break_glass_key=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me";
    match name {
        "debian13-k8s-sriov" => {
            vec!["sriov_sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
        }
        "rocky9-rke2" => vec!["stage_rke2=v1.34.2+rke2r1"],
        "ubuntu2404-k3s" | "ubuntu-node" => vec![KEY],
        _ => Vec::new(),
    }
}

#[test]
fn the_kubernetes_nodes_check_clean() {
    let folder = repository("examples/kubernetes");
    for (name, later) in [
        (
            "common-k8s-node",
            &["outputs.defaults.sbom", "outputs.defaults.provenance"][..],
        ),
        (
            "debian13-k8s-sriov",
            &[
                "source",
                "disk.size",
                "packages.install",
                "run[0].kernel",
                "outputs.emit",
            ],
        ),
        ("rocky9-rke2", &["files[3].url", "selinux.relabel"]),
        ("ubuntu2404-k3s", &["ansible", "files[0].url"]),
        ("node", &[]),
        ("debian13-node", &[]),
        ("ubuntu-node", &[]),
    ] {
        let recipe = recipe_of(&folder.join(format!("{name}.yaml")), &settings_of(name));
        let unsupported = names(recipe.unsupported());
        for key in later {
            assert!(unsupported.contains(key), "{name}: {key} of {unsupported:?}");
        }
        assert_eq!(unsupported.is_empty(), later.is_empty(), "{name}: {unsupported:?}");
        let plan = recipe.plan(&GuestFacts::default()).unwrap();
        assert!(plan.verify.len() >= 5, "{name}");
        assert!(plan.reset.is_some(), "{name}");
    }
}

#[test]
fn what_cannot_be_done_yet_is_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/valid/later.yaml");
    let plan = plan_of(&path);
    let named = names(&plan.unsupported).join("\n") + "\n";
    if let Err(difference) = compare(&path.with_extension("unsupported"), &named) {
        panic!("{difference}");
    }
    let first = &plan.unsupported[0].origin;
    assert_eq!((first.line, first.column, first.key.as_str()), (4, 1, "source"));
    assert_eq!(plan.outputs.image.unwrap().value.cluster_bytes, Some(128 << 10));
}

#[test]
fn every_kind_of_check_is_in_the_plan() {
    let plan = plan_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/valid/checks.yaml"));
    // What says what happens anyway is no more than that.
    assert_eq!(plan.unsupported, []);
    let expect = plan.expect.unwrap().value;
    assert_eq!(
        (expect.os.as_deref(), expect.version.as_deref()),
        (Some("debian"), Some("13"))
    );
    assert_eq!(expect.root_fs, ["ext4"]);
    assert_eq!(expect.mounts, ["/boot", "/boot/efi"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/valid/checks.plan");
    let shown: String = plan
        .verify
        .iter()
        .map(|check| format!("{}: {:?}\n", check.origin.key, check.value))
        .collect();
    if let Err(difference) = compare(&path, &shown) {
        panic!("{difference}");
    }
}

#[test]
fn boot_and_network_are_in_the_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/valid");
    let plan = plan_of(&folder.join("boot.yaml"));
    assert_eq!(plan.unsupported, []);
    let sysctl: Vec<_> = plan.sysctl.iter().map(|file| &file.value).collect();
    let fstab: Vec<_> = plan.fstab.iter().map(|mount| &mount.value).collect();
    let shown = format!(
        "{:#?}\n{:#?}\n{:#?}\n{sysctl:#?}\n{fstab:#?}\n{:#?}\n{:#?}\n{:#?}\n",
        plan.kernel.cmdline.map(|cmdline| cmdline.value),
        plan.kernel.modules.map(|modules| modules.value),
        plan.kernel.initramfs.map(|initramfs| initramfs.value),
        plan.swap.map(|swap| swap.value),
        plan.network.map(|network| network.value),
        plan.cloud_init.map(|cloud_init| cloud_init.value),
    );
    if let Err(difference) = compare(&folder.join("boot.plan"), &shown) {
        panic!("{difference}");
    }
}

/// A recipe with every key, and its folder.
fn everything() -> (Plan, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/valid");
    (plan_of(&folder.join("everything.yaml")), folder)
}

#[test]
fn every_section_is_in_the_plan() {
    let (plan, _) = everything();
    assert_eq!(plan.name.as_deref(), Some("everything"));
    let hostname = plan.hostname.unwrap();
    assert_eq!(hostname.value, "golden");
    assert_eq!(
        (
            hostname.origin.line,
            hostname.origin.column,
            hostname.origin.key.as_str()
        ),
        (4, 11, "hostname")
    );
    assert_eq!(plan.users[0].value.ssh_authorized_keys.len(), 2);
    let services = |units: &[imgctl_recipe::Sourced<String>]| -> Vec<String> {
        units.iter().map(|unit| unit.value.clone()).collect()
    };
    assert_eq!(services(&plan.services.enable), ["ssh.service", "fstrim.timer"]);
    assert_eq!(services(&plan.services.disable), ["apt-daily.timer"]);
    assert_eq!(services(&plan.services.mask), ["ctrl-alt-del.target"]);
    assert_eq!(services(&plan.services.unmask), ["systemd-networkd.service"]);
    assert_eq!(services(&plan.services.preset), ["chrony.service"]);
    assert_eq!(plan.services.preset_all, None);
    assert_eq!(services(&plan.user_services.enable), ["podman.socket"]);
    assert_eq!(plan.user_services.preset_all.unwrap().key, "services.user.preset");
    assert_eq!(plan.default_target.unwrap().value, "multi-user.target");
    assert_eq!(plan.timezone.unwrap().value, "Europe/Berlin");
    assert_eq!(plan.locale.unwrap().value, "de_DE.UTF-8");
    let keyboard = plan.keyboard.unwrap().value;
    assert_eq!(
        (keyboard.layout.as_str(), keyboard.model.as_deref()),
        ("de", Some("pc105"))
    );
    assert_eq!(keyboard.options, ["compose:menu"]);
    let reset = plan.reset.unwrap().value;
    assert_eq!(reset.machine_id, MachineId::Uninitialized);
    assert!(!reset.runs("logs") && reset.runs("tmp") && reset.runs("machine-id"));

    let outputs = plan.outputs;
    let image = outputs.image.unwrap().value;
    assert_eq!(image.path, Path::new("out/golden.qcow2"));
    assert_eq!(image.compression.unwrap().level, Some(19));
    assert_eq!(outputs.defaults.compression.unwrap().level, Some(9));
    assert_eq!(outputs.checksums.len(), 2);
}

#[test]
fn every_kind_of_first_boot_is_in_the_plan() {
    let (plan, folder) = everything();
    let entries: Vec<_> = plan.first_boot.iter().map(|entry| &entry.value).collect();
    let script = FirstBootDeed::Script(Content::Inline("#!/bin/bash\ntrue\n".into()));
    assert_eq!((&entries[0].deed, entries[0].retry), (&script, false));
    assert_eq!(entries[0].name.as_deref(), Some("grow"));
    let words = ["systemctl", "start", "agent"].map(str::to_owned).to_vec();
    assert_eq!(
        (&entries[1].deed, entries[1].retry),
        (&FirstBootDeed::Command(words), true)
    );
    assert_eq!(
        (&entries[2].deed, entries[2].network),
        (&FirstBootDeed::Shell("wall 'ready'".into()), true)
    );
    let source = FirstBootDeed::Script(Content::Source(folder.join("motd")));
    assert_eq!((&entries[3].deed, entries[3].network), (&source, false));
    let packages = FirstBootDeed::Packages(vec!["qemu-guest-agent".into()]);
    assert_eq!((&entries[4].deed, entries[4].network), (&packages, true));
    assert_eq!(plan.first_boot[4].origin.key, "first_boot[4]");
}

#[test]
fn every_kind_of_file_is_in_the_plan() {
    let (plan, folder) = everything();
    let files: Vec<_> = plan.files.iter().map(|file| &file.value).collect();
    assert_eq!(
        files[0].action,
        FileAction::Content(Content::Inline("welcome\n".into()))
    );
    assert_eq!(
        (files[0].mode.clone(), &files[0].owner),
        (Some(ModeChange::Bits(0o644)), &Some(Principal::Name("root".into())))
    );
    assert_eq!(files[0].group, Some(Principal::Id(0)));
    assert_eq!(
        files[1].action,
        FileAction::Content(Content::Source(folder.join("motd")))
    );
    assert_eq!(files[2].path, "/opt/agent");
    assert_eq!(
        (&files[2].action, files[2].mode.clone()),
        (&FileAction::Directory, Some(ModeChange::Bits(0o1777)))
    );
    assert_eq!(files[3].action, FileAction::Symlink("../x".into()));
    assert_eq!(files[4].action, FileAction::Absent);
    assert_eq!(files[5].action, FileAction::Append("a\nb\n".into()));
    let FileAction::Line {
        line,
        replaces,
        near: None,
    } = &files[6].action
    else {
        panic!("{:?}", files[6]);
    };
    assert_eq!(line, "GRUB_TIMEOUT=1");
    assert!(replaces.as_ref().unwrap().0.is_match(b"GRUB_TIMEOUT=5"));
    assert_eq!(
        (&files[7].action, files[7].mode.clone()),
        (&FileAction::Metadata, Some(ModeChange::Bits(0o600)))
    );
    assert_eq!(files[8].action, FileAction::Content(Content::Inline(String::new())));
    assert_eq!(plan.files[8].origin.key, "files[8]");
}
