//! What the checks look at: the packages as cargo sees them, and the files as git sees them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A package of this workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// The folder of its manifest, relative to the workspace.
    pub(super) folder: PathBuf,
    /// Whether it may be published.
    pub(super) published: bool,
    /// Whether it has a description and a licence.
    pub(super) described: bool,
    /// What it needs to be built.
    pub(super) dependencies: BTreeSet<String>,
    /// What only its tests need.
    pub(super) dev_dependencies: BTreeSet<String>,
    /// Its targets: kind (`lib`, `bin`, `test`, …) and root file relative to the workspace.
    pub(super) targets: Vec<(String, PathBuf)>,
}

/// A package of the dependency graph, with its licence.
#[derive(Clone, Debug)]
pub(super) struct Licensed {
    /// Name and version.
    pub(super) id: String,
    /// The SPDX expression of its manifest.
    pub(super) licence: Option<String>,
}

/// The whole workspace.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Its folder.
    pub(super) root: PathBuf,
    /// Its packages.
    pub(super) packages: Vec<Package>,
    /// Every package from a registry that is in the graph.
    pub(super) foreign: Vec<Licensed>,
    /// Every file that is or would be under version control, relative to the workspace.
    pub(super) files: Vec<PathBuf>,
}

impl Workspace {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let root = root
            .canonicalize()
            .with_context(|| format!("finding {}", root.display()))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut metadata = Command::new(cargo);
        let platform = ["--filter-platform", "x86_64-unknown-linux-gnu"];
        metadata
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(platform)
            .current_dir(&root);
        let metadata: Value = serde_json::from_slice(&stdout(&mut metadata)?).context("reading cargo's metadata")?;
        let mut files = Command::new("git");
        files
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root);
        let mut files: Vec<PathBuf> = stdout(&mut files)?
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
            .filter(|file| root.join(file).is_file())
            .collect();
        files.sort();
        files.dedup();
        let packages: Vec<&Value> = list(&metadata, "packages").collect();
        let is_foreign = |package: &&Value| package.get("source").is_some_and(Value::is_string);
        let resolved: BTreeSet<String> = metadata
            .get("resolve")
            .into_iter()
            .flat_map(|graph| list(graph, "nodes"))
            .map(|node| text(node, "id"))
            .collect();
        let in_graph = |package: &&Value| resolved.contains(&text(package, "id"));
        Ok(Self {
            packages: packages
                .iter()
                .copied()
                .filter(|package| !is_foreign(package))
                .map(|package| read_package(package, &root))
                .collect(),
            foreign: packages
                .iter()
                .copied()
                .filter(is_foreign)
                .filter(in_graph)
                .map(read_licensed)
                .collect(),
            root,
            files,
        })
    }

    /// The text of a file.
    pub(super) fn text(&self, file: &Path) -> Result<String> {
        std::fs::read_to_string(self.root.join(file)).with_context(|| format!("reading {}", file.display()))
    }

    /// The Rust sources, without fuzz targets (packages outside of the workspace).
    pub(super) fn sources(&self) -> impl Iterator<Item = &Path> {
        let is_source = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "rs");
        let is_fuzz = |file: &Path| file.components().any(|part| part.as_os_str() == "fuzz");
        self.files
            .iter()
            .filter(is_source)
            .map(PathBuf::as_path)
            .filter(move |file| !is_fuzz(file))
    }
}

fn stdout(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} ended with {}: {complaint}",
        command.get_program().display(),
        output.status
    );
    Ok(output.stdout)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn read_package(package: &Value, root: &Path) -> Package {
    let relative = |path: String| {
        let path = PathBuf::from(path);
        path.strip_prefix(root).map(Path::to_path_buf).unwrap_or(path)
    };
    let manifest = relative(text(package, "manifest_path"));
    let of_kind = |dev: bool| {
        list(package, "dependencies")
            .filter(|dependency| (dependency.get("kind").and_then(Value::as_str) == Some("dev")) == dev)
            .map(|dependency| text(dependency, "name"))
            .collect()
    };
    let kind = |target: &Value| {
        list(target, "kind")
            .next()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Package {
        name: text(package, "name"),
        folder: manifest.parent().unwrap_or(Path::new("")).to_path_buf(),
        published: !package.get("publish").is_some_and(Value::is_array),
        described: !text(package, "description").is_empty() && !text(package, "license").is_empty(),
        dependencies: of_kind(false),
        dev_dependencies: of_kind(true),
        targets: list(package, "targets")
            .map(|target| (kind(target), relative(text(target, "src_path"))))
            .collect(),
    }
}

fn read_licensed(package: &Value) -> Licensed {
    Licensed {
        id: format!("{} {}", text(package, "name"), text(package, "version")),
        licence: Some(text(package, "license")).filter(|licence| !licence.is_empty()),
    }
}
