//! Other tools' instructions as recipes: every result checks clean, and is compared with the one stored beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imgctl_recipe::{
    CloudConfigOptions, FileAction, Host, HostFileError, Import, ImportError, ImportHost, ImportNoteKind, LocalFile,
    MAX_IMPORT_BYTES, RecipeSource, Settings, from_cloud_config, from_virt_customize,
};
use proptest::prelude::*;

use crate::{compare, files};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports")
}

/// The folder of the cases.
#[derive(Debug)]
struct Cases;

impl ImportHost for Cases {
    fn look(&self, path: &Path) -> Option<LocalFile> {
        let metadata = fs::metadata(cases().join(path)).ok()?;
        let id = if path.ends_with("key.pub") { 1000 } else { 0 };
        Some(LocalFile {
            is_directory: metadata.is_dir(),
            // What git keeps of a mode.
            mode: if metadata.permissions().mode() & 0o100 == 0 {
                0o644
            } else {
                0o755
            },
            uid: id,
            gid: id,
        })
    }

    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        let bytes = fs::read(cases().join(path))?;
        match bytes.len() > limit_bytes {
            true => Err(HostFileError::TooLarge(limit_bytes)),
            false => Ok(bytes),
        }
    }
}

/// A machine that has every file.
#[derive(Debug)]
struct EveryFile;

impl Host for EveryFile {
    fn check_file(&self, path: &Path) -> Result<(), HostFileError> {
        match cases().join(path).is_dir() {
            true => Err(HostFileError::IsADirectory),
            false => Ok(()),
        }
    }

    fn read_file(&self, _path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
        Err(HostFileError::NotFound)
    }

    fn variable(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

fn outcome(import: &Import) -> imgctl_recipe::Outcome {
    let source = RecipeSource {
        name: Path::new("imported.yaml"),
        text: import.recipe.as_bytes(),
    };
    imgctl_recipe::read(source, &Settings::default(), &EveryFile)
}

/// The recipe has no findings, and ends with every note.
fn assert_clean(import: &Import) {
    let outcome = outcome(import);
    assert_eq!(outcome.findings, [], "{}", import.recipe);
    assert!(outcome.recipe.is_some());
    let comments = import.recipe.lines().filter(|line| line.starts_with("# - ")).count();
    assert_eq!(comments, import.notes.len(), "{}", import.recipe);
}

fn imported(path: &Path) -> Result<Import, ImportError> {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    if name.ends_with(".cloud-config") {
        let default_user = name.starts_with("default-user").then(|| "debian".to_owned());
        return from_cloud_config(&fs::read(path).unwrap(), &CloudConfigOptions { default_user });
    }
    let arguments = match name.ends_with(".commands") {
        true => vec!["--commands-from-file".to_owned(), name],
        false => fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect(),
    };
    from_virt_customize(&arguments, &Cases)
}

#[test]
fn every_case_comes_out_as_stored() {
    let mut paths = files(&cases(), ".cloud-config");
    paths.extend(files(&cases(), ".args"));
    paths.extend(files(&cases(), ".commands"));
    assert!(paths.len() >= 15, "{paths:?}");
    let mut wrong = Vec::new();
    for path in paths {
        let import = imported(&path).unwrap();
        assert_clean(&import);
        for secret in ["geheim", "secret1234", "secret5678"] {
            assert!(!import.recipe.contains(secret), "{}", path.display());
        }
        let mut stored = path.into_os_string();
        stored.push(".recipe");
        wrong.extend(compare(Path::new(&stored), &import.recipe).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn contents_arrive_as_they_were() {
    let content = "a: ${{ vars.x }}\n\ttab $${{ y\n";
    let arguments = ["--write".to_owned(), format!("/etc/x:{content}")];
    let import = from_virt_customize(&arguments, &Cases).unwrap();
    assert_clean(&import);
    let plan = outcome(&import).recipe.unwrap().plan(&Default::default()).unwrap();
    let expected = FileAction::Content(imgctl_recipe::Content::Inline(content.to_owned()));
    assert_eq!(plan.files[0].value.action, expected);
}

#[test]
fn mistakes_are_told() {
    let virt = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        from_virt_customize(&arguments, &Cases).unwrap_err().to_string()
    };
    assert_eq!(virt(&["--hostnam", "x"]), "virt-customize has no option --hostnam");
    assert_eq!(virt(&["--hostname"]), "--hostname needs a value");
    assert_eq!(virt(&["--update=x"]), "--update takes no value");
    assert_eq!(
        virt(&["base.qcow2"]),
        "virt-customize takes no argument like base.qcow2"
    );
    assert_eq!(
        virt(&["--commands-from-file", "missing"]),
        "cannot read missing: there is no such file"
    );
    assert_eq!(
        virt(&["--commands-from-file", "files/iptables"]),
        "files/iptables has a line that is no command: *filter"
    );
    let cloud = |text: &str| {
        let options = CloudConfigOptions::default();
        from_cloud_config(text.as_bytes(), &options).unwrap_err().to_string()
    };
    assert_eq!(
        cloud("#cloud-config\n"),
        "the cloud-config is not valid YAML: line 1, column 1: the recipe is empty"
    );
    assert_eq!(cloud("- a\n"), "a cloud-config is a mapping of keys to values");
    assert!(cloud("#!/bin/sh\n").contains("this is a script"));
    assert!(cloud("## template: jinja\n#cloud-config\n").contains("must be rendered first"));
    assert!(cloud("Content-Type: multipart/mixed\n").contains("MIME"));
    assert!(cloud("a: [\n").starts_with("the cloud-config is not valid YAML: line "));
    assert!(matches!(
        from_cloud_config(b"\xff", &CloudConfigOptions::default()),
        Err(ImportError::NotText)
    ));
    assert!(matches!(
        from_cloud_config(&vec![b'#'; MAX_IMPORT_BYTES + 1], &CloudConfigOptions::default()),
        Err(ImportError::TooLarge)
    ));
}

#[test]
fn hostile_instructions_end_soon() {
    let began = Instant::now();
    let fill = |line: &str| line.repeat(MAX_IMPORT_BYTES / line.len() - 10);
    for text in [
        format!("#cloud-config\nwrite_files:\n{}", fill("- { path: x }\n")),
        format!("#cloud-config\nwrite_files:\n{}", fill("- { path: /x }\n")),
        format!("#cloud-config\nruncmd:\n{}", fill("- [x]\n")),
        format!("#cloud-config\npackages: [{}]\n", fill("a, ")),
        format!("#cloud-config\n{}", fill("a: 1\n")),
        format!("#cloud-config\na: {}", fill("[")),
        format!("#cloud-config\ncontent: \"{}\"", fill("\\0")),
        format!(
            "#cloud-config\nwrite_files: [{{ path: /x, content: \"{}\" }}]",
            fill("\\0")
        ),
        format!("#cloud-config\na: &a [x]\n{}", fill("b: *a\n")),
        format!("#cloud-config\nusers:\n{}", fill("- { name: a }\n")),
    ] {
        if let Ok(import) = from_cloud_config(text.as_bytes(), &CloudConfigOptions::default()) {
            assert_clean(&import);
        }
    }
    let many: Vec<String> = (0..40_000)
        .flat_map(|_| ["--mkdir".to_owned(), "/x".to_owned()])
        .collect();
    if let Ok(import) = from_virt_customize(&many, &Cases) {
        assert_clean(&import);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

/// Bits of both languages.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "hostname",
        "packages",
        "users",
        "write_files",
        "runcmd",
        "path",
        "content",
        "name",
        "/etc/x",
        "a:b:c",
        "- ",
        ": ",
        "\n",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "|",
        "&a",
        "*a",
        "!t",
        "default",
        "yes",
        "0755",
        "${{",
        "}}",
        "#",
        ",",
        "é",
        "\u{0}",
        "\t",
        "systemctl enable x",
        "b64",
        "~",
        "<<",
    ];
    prop_oneof![4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn option() -> impl Strategy<Value = String> {
    let options = [
        "--write",
        "--upload",
        "--chmod",
        "--chown",
        "--password",
        "--ssh-inject",
        "--run",
        "--run-command",
        "--link",
        "--install",
        "--hostname",
        "--timezone",
        "--delete",
        "--copy-in",
        "--append-line",
        "--update",
        "--root-password",
        "--touch",
    ];
    prop::sample::select(options.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cloud_config_gives_a_clean_recipe_or_an_error(words in prop::collection::vec(word(), 0..40)) {
        let text = format!("#cloud-config\n{}", words.concat());
        if let Ok(import) = from_cloud_config(text.as_bytes(), &CloudConfigOptions::default()) {
            assert_clean(&import);
        }
    }

    #[test]
    fn any_command_line_gives_a_clean_recipe_or_an_error(
        operations in prop::collection::vec((option(), prop::collection::vec(word(), 0..6)), 0..6),
    ) {
        let arguments: Vec<String> = operations
            .into_iter()
            .flat_map(|(option, words)| match option.as_str() {
                "--update" => vec![option],
                _ => vec![option, words.concat()],
            })
            .collect();
        if let Ok(import) = from_virt_customize(&arguments, &Cases) {
            assert_clean(&import);
        }
    }
}

#[test]
fn what_is_left_out_is_told_from_what_is_different() {
    let arguments = ["--edit", "/etc/x:system('x')", "--chmod", "755:/x"].map(str::to_owned);
    let import = from_virt_customize(&arguments, &Cases).unwrap();
    let kinds: Vec<ImportNoteKind> = import.notes.iter().map(|note| note.kind).collect();
    assert_eq!(kinds, [ImportNoteKind::LeftOut, ImportNoteKind::Remark]);
    assert!(import.is_partial());
    assert!(!from_virt_customize(&arguments[2..], &Cases).unwrap().is_partial());
}
