//! The JSON schema, judged by check-jsonschema: it takes what is right, and refuses what a schema can refuse.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use imgctl_testkit::json_schema;

use crate::{compare, files, repository};

/// Which of the files the schema refuses, with what the judge says of each.
fn refused(paths: &[PathBuf]) -> BTreeSet<(PathBuf, String)> {
    let schema = repository("docs/recipe.schema.json");
    let arguments = ["--output-format", "json", "--schemafile", &schema.to_string_lossy()];
    let output = json_schema::check(&arguments, paths.iter().map(PathBuf::as_path)).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let lists = ["errors", "parse_errors"].map(|key| report[key].as_array().cloned().unwrap_or_default());
    let found: BTreeSet<_> = lists
        .into_iter()
        .flatten()
        .map(|entry| {
            let path = PathBuf::from(entry["filename"].as_str().unwrap());
            (path, format!("{}: {}", entry["path"], entry["message"]))
        })
        .collect();
    assert_eq!(report["status"] == "ok", found.is_empty(), "{report}");
    found
}

fn yaml_below(folder: &Path) -> Vec<PathBuf> {
    let mut paths = files(folder, ".yaml");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths.extend(yaml_below(&path));
        }
    }
    paths
}

fn is_recipe(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line == "kind: Recipe"))
}

#[test]
fn the_schema_is_one() {
    let schema = repository("docs/recipe.schema.json");
    let output = json_schema::check(&["--check-metaschema"], [schema.as_path()]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn right_recipes_are_taken() {
    let mut paths = yaml_below(&repository("examples"));
    paths.extend(files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/valid"),
        ".yaml",
    ));
    paths.retain(|path| is_recipe(path));
    assert!(paths.len() >= 6, "only {} recipes", paths.len());
    assert_eq!(refused(&paths), BTreeSet::new());
}

#[test]
fn every_example_of_the_reference_is_taken() {
    let folder = std::env::temp_dir().join(format!("imgctl-schema-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let reference = imgctl_recipe::reference();
    let blocks: Vec<&str> = reference
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 30, "only {} examples", blocks.len());
    let paths: Vec<PathBuf> = (0..blocks.len())
        .map(|index| folder.join(format!("{index}.yaml")))
        .collect();
    for (path, block) in paths.iter().zip(&blocks) {
        fs::write(path, format!("apiVersion: imgctl/v1\nkind: Recipe\n{block}")).unwrap();
    }
    let found: Vec<_> = refused(&paths)
        .into_iter()
        .map(|(path, why)| format!("{why}\n{}", fs::read_to_string(path).unwrap()))
        .collect();
    fs::remove_dir_all(&folder).unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Mistakes of a kind that no schema sees, like a missing file, are listed; every other one is refused.
#[test]
fn wrong_recipes_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases = files(&folder, ".yaml");
    let refused: BTreeSet<PathBuf> = refused(&cases).into_iter().map(|(path, _)| path).collect();
    assert!(refused.len() * 2 > cases.len(), "{} of {}", refused.len(), cases.len());
    let taken = cases.iter().filter(|path| !refused.contains(*path));
    let names: String = taken
        .map(|path| format!("{}\n", path.file_stem().unwrap().to_string_lossy()))
        .collect();
    if let Err(difference) = compare(&folder.join("beyond-the-schema"), &names) {
        panic!("{difference}");
    }
}
