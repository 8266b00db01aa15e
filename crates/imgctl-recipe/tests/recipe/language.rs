//! What recipes of several files, variables, conditions, secrets and templates come to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imgctl_recipe::{
    Content, FileAction, GuestFacts, Host, HostFileError, Outcome, Plan, RecipeSource, Redactor, Settings, read,
};

const HEAD: &str = "apiVersion: imgctl/v1\nkind: Recipe\n";

/// Files and an environment that exist only here.
#[derive(Debug, Default)]
struct Machine {
    files: BTreeMap<PathBuf, Vec<u8>>,
    environment: BTreeMap<String, Vec<u8>>,
}

impl Host for Machine {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        self.files.get(path).map(drop).ok_or(HostFileError::NotFound)
    }

    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        let bytes = self.files.get(path).ok_or(HostFileError::NotFound)?;
        match bytes.len() > limit_bytes {
            true => Err(HostFileError::TooLarge(limit_bytes)),
            false => Ok(bytes.clone()),
        }
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        self.environment.get(name).cloned()
    }
}

/// A machine with these files; recipes get their head.
fn machine(files: &[(&str, &str)]) -> Machine {
    let files = files.iter().map(|(path, text)| {
        let text = match path.ends_with(".yaml") {
            true => format!("{HEAD}{text}"),
            false => (*text).to_owned(),
        };
        (PathBuf::from(path), text.into_bytes())
    });
    Machine {
        files: files.collect(),
        environment: BTreeMap::new(),
    }
}

fn outcome(machine: &Machine, name: &str, settings: &Settings) -> Outcome {
    let name = Path::new(name);
    let text = &machine.files[name];
    read(RecipeSource { name, text }, settings, machine)
}

fn set(settings: &[&str]) -> Settings {
    Settings {
        set: settings.iter().map(|setting| (*setting).to_owned()).collect(),
        files: Vec::new(),
    }
}

fn guest(os: &str, version: &str) -> GuestFacts {
    GuestFacts {
        os: os.into(),
        version: version.into(),
        ..GuestFacts::default()
    }
}

/// The plan of `r.yaml` for a guest; nothing may be found.
fn plan_for(machine: &Machine, settings: &Settings, guest: &GuestFacts) -> Plan {
    let outcome = outcome(machine, "r.yaml", settings);
    let findings: Vec<String> = outcome
        .findings
        .iter()
        .map(|finding| format!("{finding} {:?}", finding.hint))
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    outcome.recipe.unwrap().plan(guest).unwrap()
}

fn plan_of(files: &[(&str, &str)], settings: &[&str]) -> Plan {
    plan_for(&machine(files), &set(settings), &GuestFacts::default())
}

/// `path=content` of every file with inline content.
fn contents(plan: &Plan) -> Vec<String> {
    let files = plan.files.iter().map(|file| match &file.value.action {
        FileAction::Content(Content::Inline(text)) => format!("{}={text}", file.value.path),
        FileAction::Content(Content::Source(path)) => format!("{}<{}", file.value.path, path.display()),
        other => format!("{} {other:?}", file.value.path),
    });
    files.collect()
}

fn units(units: &[imgctl_recipe::Sourced<String>]) -> Vec<&str> {
    units.iter().map(|unit| unit.value.as_str()).collect()
}

#[test]
fn mappings_merge_lists_append_and_the_child_wins() {
    let plan = plan_of(
        &[
            (
                "lib/base.yaml",
                "metadata: { name: base, version: \"1\" }\nhostname: base\nservices: { enable: [ssh], mask: [cups] }\n\
                 files: [{ path: /a, source: a.txt }]\nreset: { profile: golden, logs: true }\n",
            ),
            (
                "lib/second.yaml",
                "extends: base.yaml\nhostname: second\nservices: { enable: [chrony] }\nreset: { logs: false }\n",
            ),
            (
                "r.yaml",
                "extends: [lib/second.yaml, lib/base.yaml]\nmetadata: { name: child }\nservices: { enable: [cron] }\n\
                 files: [{ path: /b, source: a.txt }]\nreset: { tmp: true }\n",
            ),
            ("lib/a.txt", ""),
            ("a.txt", ""),
        ],
        &[],
    );
    assert_eq!(plan.name.as_deref(), Some("child"));
    assert_eq!(plan.hostname.as_ref().unwrap().value, "second");
    // A base that is named twice counts once, before what builds on it.
    assert_eq!(
        units(&plan.services.enable),
        ["ssh.service", "chrony.service", "cron.service"]
    );
    assert_eq!(units(&plan.services.mask), ["cups.service"]);
    assert_eq!(contents(&plan), ["/a<lib/a.txt", "/b<a.txt"]);
    let reset = plan.reset.unwrap().value;
    assert!(reset.runs("tmp") && !reset.runs("logs"));
    // Each entry is counted in its own file.
    let origins: Vec<_> = plan
        .files
        .iter()
        .map(|file| (&file.origin.file, file.origin.line, file.origin.key.as_str()))
        .collect();
    assert_eq!(
        origins,
        [
            (&PathBuf::from("lib/base.yaml"), 6, "files[0]"),
            (&PathBuf::from("r.yaml"), 6, "files[0]")
        ]
    );
}

#[test]
fn the_metadata_of_a_base_counts_where_the_child_has_none() {
    let files = [
        ("base.yaml", "metadata: { name: base }\n"),
        ("r.yaml", "extends: base.yaml\n"),
    ];
    assert_eq!(plan_of(&files, &[]).name.as_deref(), Some("base"));
}

#[test]
fn variables_have_types_and_are_set_by_files_and_by_the_caller() {
    let recipe = "\
vars:
  release: { type: string, default: \"1\", pattern: '^\\d+$' }
  level: { type: integer, default: 9 }
  logs: { type: boolean, default: true }
  units: { type: list, default: [ssh] }
  mirror: http://a.example
  key: { required: true }
services:
  enable: ${{ vars.units }}
  mask: [cups, \"${{ vars.units }}x\", cron]
reset:
  logs: ${{ vars.logs }}
outputs: { images: [{ path: a.qcow2, compression: { type: zlib, level: \"${{ vars.level }}\" } }] }
files:
  - { path: \"/${{ vars.release }}/x\", content: \"${{vars.mirror}} $${{ vars.release }} ${{ vars.level }} ${{ vars.logs }}\" }
  - path: /key
    content: ${{ vars.key }}
"
    .replace("\"${{ vars.units }}x\", ", "");
    let mut machine = machine(&[("r.yaml", recipe.as_str())]);
    machine
        .files
        .insert("v1".into(), b"release: \"2\"\nunits: [a, b]\nkey: one\n".to_vec());
    machine
        .files
        .insert("v2".into(), b"# nothing but\nlevel: 3\nkey: two\n".to_vec());
    let settings = Settings {
        set: vec!["release=7".into(), "key=a=b".into(), "release=8".into()],
        files: vec!["v1".into(), "v2".into()],
    };
    let plan = plan_for(&machine, &settings, &GuestFacts::default());
    assert_eq!(
        contents(&plan),
        ["/8/x=http://a.example ${{ vars.release }} 3 true", "/key=a=b"]
    );
    assert_eq!(units(&plan.services.enable), ["a.service", "b.service"]);
    assert_eq!(plan.outputs.image.unwrap().value.compression.unwrap().level, Some(3));

    let settings = set(&["key=x", "units=x.timer, y", "logs=false", "level=1", "mirror="]);
    let plan = plan_for(&machine, &settings, &GuestFacts::default());
    assert_eq!(units(&plan.services.enable), ["x.timer", "y.service"]);
    assert_eq!(contents(&plan)[0], "/1/x= ${{ vars.release }} 1 false");
    let plan = plan_for(&machine, &set(&["key=x", "units="]), &GuestFacts::default());
    assert_eq!(units(&plan.services.enable), [""; 0]);
}

#[test]
fn a_child_sets_other_defaults_and_lists_of_variables_are_replaced() {
    let plan = plan_of(
        &[
            (
                "base.yaml",
                "vars: { a: { default: x, pattern: '^[xy]$' }, l: { type: list, default: [one] } }\n\
                 files: [{ path: /a, content: \"${{ vars.a }}\" }]\nservices: { enable: [ssh, \"${{ vars.l }}\"] }\n",
            ),
            ("r.yaml", "extends: base.yaml\nvars: { a: y, l: { default: [two] } }\n"),
        ],
        &[],
    );
    assert_eq!(contents(&plan), ["/a=y"]);
    assert_eq!(units(&plan.services.enable), ["ssh.service", "two.service"]);
}

#[test]
fn names_of_the_recipe_can_be_used() {
    let recipe = "\
vars: { v: \"1.0\" }
metadata: { name: \"n-${{ vars.v }}\", version: \"${{ vars.v }}\" }
source: { url: \"https://e.example/${{ metadata.name }}.qcow2\", checksums: { url: \"${{ source.url }}.SUM\" } }
files: [{ path: /a, content: \"${{ metadata.name }} ${{ metadata.version }} ${{ source.url }}\" }]
outputs: { images: [{ path: \"out/${{ metadata.name }}-${{ build.key12 }}.qcow2\" }] }
";
    let plan = plan_of(&[("r.yaml", recipe)], &[]);
    assert_eq!(contents(&plan), ["/a=n-1.0 1.0 https://e.example/n-1.0.qcow2"]);
    let unsupported: Vec<_> = plan.unsupported.iter().map(|key| key.value.as_str()).collect();
    assert_eq!(unsupported, ["source", "build.key12"]);
}

#[test]
fn entries_whose_condition_does_not_hold_are_left_out() {
    let recipe = "\
vars: { stage: \"\", on: { type: boolean, default: false } }
secrets: { token: { env: TOKEN, optional: true } }
files:
  - { path: /motd, content: debian, when: os == \"debian\" }
  - { path: /motd, content: rocky, when: os == \"rocky\" and version >= \"9\" }
  - { path: /stage, content: \"${{ vars.stage }}\", when: vars.stage != \"\" }
  - { path: /on, content: x, when: vars.on }
  - { path: /there, content: x, when: exists(\"lib/there\") }
  - { path: /token, content: \"${{ secrets.token }}\", when: secrets.token }
users:
  - { name: debian, ssh_authorized_keys: [], when: os == \"debian\" }
services: { when: os == \"rocky\", enable: [firewalld] }
ansible: { playbook: x.yml, when: exists(\"x.yml\") }
verify:
  - { service: firewalld, state: enabled, when: os == \"rocky\" }
  - { file: /motd }
reset: { profile: golden, when: false }
";
    let machine = machine(&[("r.yaml", recipe), ("lib/there", "")]);
    let debian = plan_for(&machine, &Settings::default(), &guest("debian", "13"));
    assert_eq!(contents(&debian), ["/motd=debian", "/there=x"]);
    assert_eq!(
        (debian.users.len(), debian.services.enable.len(), debian.verify.len()),
        (1, 0, 1)
    );
    assert!(debian.reset.is_none() && debian.unsupported.is_empty());
    let rocky = plan_for(&machine, &set(&["stage=1", "on=true"]), &guest("rocky", "9.6"));
    assert_eq!(contents(&rocky), ["/motd=rocky", "/stage=1", "/on=x", "/there=x"]);
    assert_eq!(
        (rocky.users.len(), rocky.services.enable.len(), rocky.verify.len()),
        (0, 1, 2)
    );
    let old = plan_for(&machine, &Settings::default(), &guest("rocky", "8.10"));
    assert_eq!(contents(&old), ["/there=x"]);
}

#[test]
fn what_is_certain_is_known_before_the_guest() {
    let recipe = "\
vars: { on: { type: boolean, default: false } }
outputs: { images: [{ path: a.qcow2, when: not vars.on }] }
expect: { os: debian }
disk: { size: 16GiB }
ansible: { playbook: x.yml, when: os == \"debian\" }
";
    let recipe = outcome(&machine(&[("r.yaml", recipe)]), "r.yaml", &Settings::default())
        .recipe
        .unwrap();
    assert_eq!(
        recipe.outputs().image.as_ref().unwrap().value.path,
        Path::new("a.qcow2")
    );
    assert_eq!(recipe.expect().unwrap().value.os.as_deref(), Some("debian"));
    let names =
        |keys: &[imgctl_recipe::Sourced<String>]| -> Vec<String> { keys.iter().map(|key| key.value.clone()).collect() };
    assert!(!names(recipe.unsupported()).iter().any(|key| key == "ansible"));
    let plan = recipe.plan(&guest("debian", "13")).unwrap();
    assert!(names(&plan.unsupported).iter().any(|key| key == "ansible"));
}

#[test]
fn secrets_come_from_the_environment_and_files() {
    let recipe = "\
secrets:
  token: { env: TOKEN }
  key: { file: lib/key }
  ca: { file_from_env: CA_FILE, optional: true }
  none: { env: NONE, optional: true }
files:
  - { path: /token, content: \"t=${{ secrets.token }}\\n\" }
  - { path: /hosts, line: \"key ${{ secrets.key }}\" }
  - { path: /append, append: \"${{ secrets.token }}\" }
  - { path: /tmpl, template: lib/tmpl }
  - { path: /plain, template: lib/plain }
  - { path: /none, content: x, when: not secrets.none and secrets.ca }
";
    let mut machine = machine(&[
        ("r.yaml", recipe),
        ("lib/key", "top secret\r\n"),
        ("lib/tmpl", "a\n${{ secrets.ca }}\n"),
        ("lib/plain", "a ${{ }}".replace(" ${{ }}", "").as_str()),
        ("ca.pem", "certificate\n\n"),
    ]);
    machine.environment.insert("TOKEN".into(), b"hunter2\n".to_vec());
    machine.environment.insert("CA_FILE".into(), b"ca.pem".to_vec());
    let plan = plan_for(&machine, &Settings::default(), &GuestFacts::default());
    assert_eq!(contents(&plan)[0], "/token=t=hunter2\n\n");
    assert_eq!(
        contents(&plan)[3..],
        ["/tmpl=a\ncertificate\n\n", "/plain=a", "/none=x"]
    );
    let sensitive: Vec<bool> = plan.files.iter().map(|file| file.value.sensitive).collect();
    assert_eq!(sensitive, [true, true, true, true, false, false]);
    let secrets: Vec<(&str, &[u8])> = plan
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), &*secret.value))
        .collect();
    assert_eq!(
        secrets,
        [
            ("ca", &b"certificate\n"[..]),
            ("key", b"top secret"),
            ("token", b"hunter2\n")
        ]
    );
    let recipe = outcome(&machine, "r.yaml", &Settings::default()).recipe.unwrap();
    assert!(!format!("{recipe:?} {:?}", recipe.secrets()).contains("hunter2"));
    assert_eq!(
        Redactor::new(recipe.secrets()).redact("a top secret b"),
        "a [secret key] b"
    );
}

#[test]
fn a_reading_knows_its_secrets_even_when_it_fails() {
    let mut machine = machine(&[("r.yaml", "secrets: { token: { env: TOKEN } }\nhostname: -x\n")]);
    machine.environment.insert("TOKEN".into(), b"hunter2".to_vec());
    let outcome = outcome(&machine, "r.yaml", &Settings::default());
    assert!(outcome.recipe.is_none());
    assert_eq!(outcome.secrets.len(), 1);
}

#[test]
fn findings_of_other_files_come_with_their_text() {
    let machine = machine(&[
        ("lib/base.yaml", "\nhostnam: x\n"),
        ("r.yaml", "extends: lib/base.yaml\nhost: y\n"),
    ]);
    let outcome = outcome(&machine, "r.yaml", &set(&["a=b"]));
    let shown: Vec<String> = outcome
        .findings
        .iter()
        .map(|finding| {
            let text = outcome.sources.text_of(&finding.origin);
            format!("{} {:?}", finding.origin.file.display(), &text[finding.span.clone()])
        })
        .collect();
    assert_eq!(shown, ["r.yaml \"host\"", "lib/base.yaml \"hostnam\"", "--set \"a\""]);
}

#[test]
fn no_recipe_is_made_of_too_many_files() {
    let names: Vec<String> = (0..100).map(|index| format!("b{index}.yaml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let recipe = format!("extends: [{}]\n", names.join(", "));
    files.push(("r.yaml", &recipe));
    let outcome = outcome(&machine(&files), "r.yaml", &Settings::default());
    assert!(outcome.recipe.is_none());
    assert_eq!(outcome.findings[0].message, "the recipe is made of more than 64 files");
    assert_eq!(outcome.findings[0].origin.key, "extends[63]");
}
