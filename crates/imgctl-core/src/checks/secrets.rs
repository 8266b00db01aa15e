//! `secrets`: no value of a secret is in the guest, but where the recipe put it.
//!
//! Looked for are the bytes and every other form of [`Secret::forms`], in the content of every file, in names and in the
//! targets of links.

use super::scan::{FileReader, fault};
use super::{Fault, Found, Scene, Verdict};
use aho_corasick::AhoCorasick;
use imgctl_recipe::Secret;
use imgctl_vfs::{FileKind, GuestPath, TreeNode};
use std::collections::BTreeSet;

/// Shorter values would be found by chance.
const MIN_BYTES: usize = 6;
/// As many bytes as are looked through at most, for each byte of the disk: files can have holes of any length.
const BYTES_PER_DISK_BYTE: u64 = 4;
/// As many places as a message names.
const SHOWN: usize = 20;

pub(super) fn judge(scene: &Scene<'_>) -> Verdict {
    let mut expected = "in no file but those that are to hold them".to_owned();
    let short = scene.secrets.iter().filter(|secret| is_short(secret));
    let short: Vec<&str> = short.map(|secret| secret.name.as_str()).collect();
    if !short.is_empty() {
        expected.push_str(&format!("; too short to be looked for: {}", short.join(", ")));
    }
    Verdict::new("secrets", expected, found(scene))
}

fn found(scene: &Scene<'_>) -> Found {
    let mut forms: Vec<(Vec<u8>, &str)> = Vec::new();
    for secret in scene.secrets.iter().filter(|secret| !is_short(secret)) {
        let of_value = forms_of(secret);
        forms.extend(of_value.into_iter().map(|form| (form, secret.name.as_str())));
    }
    let mut faults = Vec::new();
    if forms.is_empty() {
        return Ok(faults);
    }
    let search = AhoCorasick::new(forms.iter().map(|(form, _)| form));
    let search = search.map_err(|error| Fault(error.to_string()))?;
    let allowed = allowed(scene)?;
    let mut budget = scene.disk_bytes.saturating_mul(BYTES_PER_DISK_BYTE).max(1 << 24);
    let tree = scene.guest.tree();
    let mut seen: BTreeSet<TreeNode> = BTreeSet::new();
    for entry in tree.walk(&tree.root()) {
        let entry = entry?;
        let name = entry.path.file_name().unwrap_or_default().to_vec();
        let mut hits: BTreeSet<&str> = BTreeSet::new();
        let mut note = |pattern: usize| hits.extend(forms.get(pattern).map(|(_, name)| *name));
        search.find_iter(&name).for_each(|hit| note(hit.pattern().as_usize()));
        match entry.metadata.kind {
            FileKind::Symlink => {
                let target = tree.fs(entry.node).read_link(entry.node.node)?;
                search.find_iter(&target).for_each(|hit| note(hit.pattern().as_usize()));
            }
            FileKind::File if !allowed.contains(&entry.node) && seen.insert(entry.node) => {
                budget = budget.checked_sub(entry.metadata.size).ok_or_else(|| {
                    Fault("the files have too many bytes to look through; they have holes".to_owned())
                })?;
                for hit in search.stream_find_iter(FileReader::new(scene, entry.node)) {
                    note(hit.map_err(|error| fault(&error))?.pattern().as_usize());
                }
            }
            _ => {}
        }
        faults.extend(hits.iter().map(|name| format!("{name} is in {}", entry.path)));
        if faults.len() >= SHOWN {
            faults.push("and maybe more".to_owned());
            break;
        }
    }
    Ok(faults)
}

/// The nodes that the recipe puts secrets into.
fn allowed(scene: &Scene<'_>) -> Result<BTreeSet<TreeNode>, Fault> {
    let mut nodes = BTreeSet::new();
    for path in &scene.sensitive_paths {
        nodes.extend(scene.guest.find(&GuestPath::new(path)?)?.map(|found| found.node));
    }
    Ok(nodes)
}

/// Whether a value would be found by chance.
fn is_short(secret: &Secret) -> bool {
    secret.value.trim_ascii().len() < MIN_BYTES
}

/// Every form that is long enough, of the value without the end of its last line.
fn forms_of(secret: &Secret) -> BTreeSet<Vec<u8>> {
    let value = secret.value.trim_ascii().to_vec();
    // Of a value that is no text, the bytes themselves are not among the forms that a message can have.
    let bytes = value.clone();
    let value = Secret {
        name: secret.name.clone(),
        value,
    };
    let mut forms: BTreeSet<_> = value.forms().into_iter().map(String::into_bytes).collect();
    forms.insert(bytes);
    forms.retain(|form| form.len() >= MIN_BYTES);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &[u8]) -> Secret {
        Secret {
            name: "pin".to_owned(),
            value: value.to_vec(),
        }
    }

    #[test]
    fn forms_of_texts_bytes_and_short_values() {
        assert!(forms_of(&secret(b"a\"b\\c\nd")).contains(&b"a\\\"b\\\\c\\nd"[..]));
        let bytes = b"\xff\x00\xfe\x01\xfd\x02";
        assert!(forms_of(&secret(bytes)).contains(&bytes[..]));
        // printf 'xhunter2-secret' | base64, without what depends on the x.
        let forms = forms_of(&secret(b"hunter2-secret\n"));
        assert!(
            forms
                .iter()
                .any(|form| b"eGh1bnRlcjItc2VjcmV0".ends_with(form) && form.len() >= 17)
        );
        assert!(is_short(&secret(b"1234\n")));
    }
}
