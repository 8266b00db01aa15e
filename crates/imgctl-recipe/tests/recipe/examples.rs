//! The recipes in examples/ check clean.

use std::fs;
use std::path::{Path, PathBuf};

use imgctl_recipe::{
    Content, FileAction, GuestFacts, MachineId, Plan, Principal, RecipeSource, ResetOperation, Settings, read,
};

use crate::host::Folder;
use crate::{files, repository};

fn plan_of(path: &Path) -> Plan {
    let text = fs::read(path).unwrap();
    let outcome = read(
        RecipeSource {
            name: path,
            text: &text,
        },
        &Settings::default(),
        &Folder::new("/"),
    );
    let findings: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    let recipe = outcome.recipe.expect("no finding, so a recipe");
    recipe
        .plan(&GuestFacts::default())
        .expect("nothing depends on the guest")
}

#[test]
fn examples_check_clean() {
    let examples = files(&repository("examples"), ".yaml");
    assert!(examples.len() >= 4, "only {} examples", examples.len());
    for path in examples {
        let plan = plan_of(&path);
        assert_ne!(plan, Plan::default(), "{} does nothing", path.display());
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
    let reset = plan.reset.unwrap().value;
    assert_eq!(reset.machine_id, MachineId::Uninitialized);
    assert_eq!(
        reset.operations,
        [(ResetOperation::Logs, false), (ResetOperation::Tmp, true)]
    );

    let outputs = plan.outputs;
    let image = outputs.image.unwrap().value;
    assert_eq!(image.path, Path::new("out/golden.qcow2"));
    assert_eq!(image.compression.unwrap().level, Some(19));
    assert_eq!(outputs.defaults.compression.unwrap().level, Some(9));
    assert_eq!(outputs.checksums.len(), 2);
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
        (files[0].mode, &files[0].owner),
        (Some(0o644), &Some(Principal::Name("root".into())))
    );
    assert_eq!(files[0].group, Some(Principal::Id(0)));
    assert_eq!(
        files[1].action,
        FileAction::Content(Content::Source(folder.join("motd")))
    );
    assert_eq!(files[2].path, "/opt/agent");
    assert_eq!(
        (&files[2].action, files[2].mode),
        (&FileAction::Directory, Some(0o1777))
    );
    assert_eq!(files[3].action, FileAction::Symlink("../x".into()));
    assert_eq!(files[4].action, FileAction::Absent);
    assert_eq!(files[5].action, FileAction::Append("a\nb\n".into()));
    let FileAction::Line { line, replaces } = &files[6].action else {
        panic!("{:?}", files[6]);
    };
    assert_eq!(line, "GRUB_TIMEOUT=1");
    assert!(replaces.as_ref().unwrap().0.is_match(b"GRUB_TIMEOUT=5"));
    assert_eq!((&files[7].action, files[7].mode), (&FileAction::Metadata, Some(0o600)));
    assert_eq!(files[8].action, FileAction::Content(Content::Inline(String::new())));
    assert_eq!(plan.files[8].origin.key, "files[8]");
}
