//! `secrets`: no value of a secret is in the guest, but where the recipe put it.
//!
//! Looked for are the bytes, their base64 (both alphabets, at each of the three places where it can begin) and their form
//! inside of a JSON string, in the content of every file, in names and in the targets of links.

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

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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
        let of_value = forms_of(secret.value.trim_ascii());
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

fn forms_of(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([value.to_vec()]);
    for alphabet in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|before| base64_core(value, before, alphabet)));
    }
    if let Ok(text) = std::str::from_utf8(value)
        && let Ok(json) = serde_json::to_string(text)
    {
        let inner = json.get(1..json.len() - 1).unwrap_or_default();
        forms.insert(inner.as_bytes().to_vec());
    }
    forms.retain(|form| form.len() >= MIN_BYTES);
    forms
}

/// The characters of base64 that depend on the value alone when `before` bytes stand before it in the encoded text.
fn base64_core(value: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    // Bits of the first character that belong to what stands before are left out.
    let skipped = before * 8;
    let first = skipped.div_ceil(6) * 6 - skipped;
    let bit = |index: usize| {
        let byte = value.get(index / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - index % 8) & 1)
    };
    let mut core = Vec::new();
    let mut at = first;
    while at + 6 <= value.len() * 8 {
        let index = (at..at + 6).fold(0, |index, at| index << 1 | bit(at));
        core.push(alphabet[index]);
        at += 6;
    }
    core
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_of_base64_is_in_every_encoding() {
        // printf … | base64, of `hunter2-secret` after 0, 1 and 2 other bytes.
        for (before, encoded) in [
            (0, "aHVudGVyMi1zZWNyZXQ="),
            (1, "eGh1bnRlcjItc2VjcmV0"),
            (2, "eHhodW50ZXIyLXNlY3JldA=="),
        ] {
            let core = String::from_utf8(base64_core(b"hunter2-secret", before, STANDARD)).unwrap();
            assert!(encoded.contains(&core) && core.len() >= 17, "{core} {encoded}");
        }
    }

    #[test]
    fn forms_of_json_and_short_values() {
        assert!(forms_of(b"a\"b\\c\nd").contains(&b"a\\\"b\\\\c\\nd"[..]));
        let short = Secret {
            name: "pin".to_owned(),
            value: b"1234\n".to_vec(),
        };
        assert!(is_short(&short));
    }
}
