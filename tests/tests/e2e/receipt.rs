//! The receipt's change list against the difference of the two mounted trees.

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::oracle::hex;
use imgctl_testkit::tree::{Difference, Entry, Kind, is_below};
use imgctl_vfs::EscapedBytes;
use serde_json::Value;
use std::collections::BTreeMap;

/// The changes of a receipt, by path; without what only a dry run tells of contents.
pub(crate) fn changes(receipt: &Value) -> Result<BTreeMap<String, Value>> {
    let changes = receipt
        .get("changes")
        .and_then(Value::as_array)
        .context("the receipt has no `changes`")?;
    let mut by_path = BTreeMap::new();
    for change in changes {
        let path = change
            .get("path")
            .and_then(Value::as_str)
            .context("a change without a path")?;
        let mut change = change.clone();
        if let Some(change) = change.as_object_mut() {
            change.remove("diff");
        }
        ensure!(
            by_path.insert(path.to_owned(), change).is_none(),
            "{path} is in the receipt twice"
        );
    }
    Ok(by_path)
}

/// Every difference is in the receipt as it is, and nothing else is.
pub(crate) fn check(receipt: &Value, differences: &[Difference]) -> Result<()> {
    let mut listed = changes(receipt)?;
    let mut faults = Vec::new();
    for difference in differences {
        // How many names a file has is not a property of one path.
        let fields = difference.fields();
        if !fields.is_empty() && fields.iter().all(|field| ["links", "same_as"].contains(field)) {
            continue;
        }
        let path = EscapedBytes(&difference.path).to_string();
        match listed.remove(&path) {
            None => faults.push(format!("not in the receipt: {difference}")),
            Some(change) => faults.extend(compare(&change, difference)),
        }
    }
    // What mtools cannot show: times of directories on the ESP.
    listed.retain(|path, change| !(is_below(path.as_bytes(), b"/boot/efi") && is_directory_time(change)));
    faults.extend(
        listed
            .into_iter()
            .map(|(path, change)| format!("only in the receipt: {path}: {change}")),
    );
    ensure!(faults.is_empty(), "the receipt is wrong:\n{}", faults.join("\n"));
    Ok(())
}

fn is_directory_time(change: &Value) -> bool {
    let kind = |state: &str| change.pointer(&format!("/{state}/type")).and_then(Value::as_str) == Some("directory");
    kind("before") && kind("after")
}

fn compare(change: &Value, difference: &Difference) -> Vec<String> {
    let path = EscapedBytes(&difference.path).to_string();
    let kind = match (&difference.before, &difference.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "modified",
    };
    let mut faults = Vec::new();
    if change.get("kind").and_then(Value::as_str) != Some(kind) {
        faults.push(format!("{path} is {kind}, the receipt says {}", change["kind"]));
    }
    for (name, entry) in [("before", &difference.before), ("after", &difference.after)] {
        match (change.get(name), entry) {
            (None, None) => {}
            (Some(state), Some(entry)) => {
                let told = state_faults(state, entry, &difference.path);
                faults.extend(told.into_iter().map(|fault| format!("{path}, {name}: {fault}")));
            }
            (state, _) => faults.push(format!("{path}, {name}: the receipt has {state:?}")),
        }
    }
    faults
}

fn state_faults(state: &Value, entry: &Entry, path: &[u8]) -> Vec<String> {
    let mut expected = BTreeMap::new();
    expected.insert("type", Value::from(kind_name(entry.kind)));
    expected.insert("uid", Value::from(entry.uid));
    expected.insert("gid", Value::from(entry.gid));
    let on_fat = is_below(path, b"/boot/efi");
    if !on_fat {
        expected.insert("mode", Value::from(format!("{:04o}", entry.mode)));
    }
    if !on_fat || entry.kind == Kind::File {
        expected.insert("mtime", Value::from(format!("{}.{:09}", entry.mtime.0, entry.mtime.1)));
    }
    let is_secret = entry.kind == Kind::File && is_secret(path);
    if is_secret {
        expected.insert("secret", Value::from(true));
    }
    if entry.kind == Kind::File && !is_secret {
        expected.insert("size", Value::from(entry.size));
    }
    if let Some(target) = &entry.target {
        expected.insert("target", Value::from(EscapedBytes(target).to_string()));
    }
    if let Some(digest) = entry.sha256.filter(|_| !is_secret) {
        expected.insert("sha256", Value::from(hex(&digest)));
    }
    if is_secret && ["size", "sha256"].iter().any(|key| state.get(key).is_some()) {
        return vec![format!("the receipt tells of a secret: {state}")];
    }
    if !entry.xattrs.is_empty() {
        let names: Vec<String> = entry.xattrs.keys().map(|name| EscapedBytes(name).to_string()).collect();
        let told = state
            .get("xattrs")
            .and_then(Value::as_object)
            .map(|map| map.keys().cloned().collect::<Vec<_>>());
        if told.as_ref() != Some(&names) {
            return vec![format!("xattrs are {names:?}, the receipt says {told:?}")];
        }
    }
    let wrong = expected
        .into_iter()
        .filter(|(key, value)| state.get(key) != Some(value));
    wrong
        .map(|(key, value)| format!("{key} is {value}, the receipt says {:?}", state.get(key)))
        .collect()
}

/// Files of which nothing but the change may be told: password hashes, private keys, seeds.
fn is_secret(path: &[u8]) -> bool {
    let exact: [&[u8]; 6] = [
        b"/etc/shadow",
        b"/etc/gshadow",
        b"/etc/shadow-",
        b"/etc/gshadow-",
        b"/var/lib/systemd/credential.secret",
        b"/var/lib/systemd/random-seed",
    ];
    exact.contains(&path) || (path.starts_with(b"/etc/ssh/ssh_host_") && path.ends_with(b"_key"))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "symlink",
        Kind::CharDevice => "char-device",
        Kind::BlockDevice => "block-device",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    }
}
