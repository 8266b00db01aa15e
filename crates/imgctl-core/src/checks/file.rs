//! `file`: what must be true of one path.

use super::scan::{FileReader, contains, sha256};
use super::{Fault, Found, Scene, Verdict};
use crate::guest::{Accounts, MAX_TEXT_BYTES};
use imgctl_recipe::{FileCheck, FileType, Principal};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath, Metadata};

pub(super) fn judge(scene: &Scene<'_>, check: &FileCheck) -> Verdict {
    Verdict::new(format!("file {}", check.path), expected(check), found(scene, check))
}

fn expected(check: &FileCheck) -> String {
    if check.absent {
        return "absent".to_owned();
    }
    let mut parts = Vec::new();
    let mut add = |name: &str, value: Option<String>| parts.extend(value.map(|value| format!("{name} {value}")));
    add("type", check.kind.map(|kind| type_name(kind).to_owned()));
    add("mode", check.mode.map(|mode| format!("{mode:04o}")));
    add("owner", check.owner.as_ref().map(principal));
    add("group", check.group.as_ref().map(principal));
    add("size", check.size.map(|size| size.to_string()));
    add("sha256", check.sha256.clone());
    add("contains", check.contains.as_ref().map(|text| format!("{text:?}")));
    add(
        "matches",
        check
            .matches
            .as_ref()
            .map(|pattern| format!("{:?}", pattern.0.as_str())),
    );
    match parts.as_slice() {
        [] => "present".to_owned(),
        parts => parts.join(", "),
    }
}

fn found(scene: &Scene<'_>, check: &FileCheck) -> Found {
    let path = GuestPath::new(&check.path)?;
    let itself = scene.guest.find_link(&path)?;
    if check.absent {
        let there = itself.map(|found| scene.guest.metadata_of(&found)).transpose()?;
        return Ok(there
            .map(|metadata| format!("a {} is there", metadata.kind.name()))
            .into_iter()
            .collect());
    }
    let Some(itself) = itself else {
        return Ok(vec!["nothing is there".to_owned()]);
    };
    let target = match check.kind {
        Some(FileType::Symlink) => Some(itself),
        _ => scene.guest.find(&path)?,
    };
    let Some(target) = target else {
        return Ok(vec!["it is a symbolic link that leads nowhere".to_owned()]);
    };
    let metadata = scene.guest.metadata_of(&target)?;
    let mut faults = of_metadata(scene, check, &metadata)?;
    let asks_content = check.sha256.is_some() || check.contains.is_some() || check.matches.is_some();
    match metadata.kind {
        FileKind::File => {
            let reader = || FileReader::new(scene, target.node);
            faults.extend(of_content(check, &metadata, reader)?);
        }
        kind if asks_content => faults.push(format!("a {} has no content", kind.name())),
        _ => {}
    }
    Ok(faults)
}

fn of_metadata(scene: &Scene<'_>, check: &FileCheck, metadata: &Metadata) -> Found {
    let mut faults = Vec::new();
    let is_kind = |kind| match kind {
        FileType::File => metadata.kind == FileKind::File,
        FileType::Directory => metadata.kind == FileKind::Directory,
        FileType::Symlink => metadata.kind == FileKind::Symlink,
    };
    if check.kind.is_some_and(|kind| !is_kind(kind)) {
        faults.push(format!("type {}", metadata.kind.name()));
    }
    if check.mode.is_some_and(|mode| mode != metadata.mode) {
        faults.push(format!("mode {:04o}", metadata.mode));
    }
    if check.size.is_some_and(|size| size != metadata.size) {
        faults.push(format!("size {}", metadata.size));
    }
    if check.owner.is_none() && check.group.is_none() {
        return Ok(faults);
    }
    let accounts = Accounts::read(scene.guest)?;
    if let Some(owner) = &check.owner {
        let wanted = match owner {
            Principal::Name(name) => accounts.user(name).map(|user| user.uid),
            Principal::Id(id) => Some(*id),
        };
        let name = accounts.users.iter().find(|user| user.uid == metadata.uid);
        let name = name.map(|user| user.name.as_slice());
        faults.extend(principal_fault("owner", owner, wanted, metadata.uid, name));
    }
    if let Some(group) = &check.group {
        let wanted = match group {
            Principal::Name(name) => accounts.group(name).map(|group| group.gid),
            Principal::Id(id) => Some(*id),
        };
        let name = accounts.groups.iter().find(|group| group.gid == metadata.gid);
        let name = name.map(|group| group.name.as_slice());
        faults.extend(principal_fault("group", group, wanted, metadata.gid, name));
    }
    Ok(faults)
}

fn principal_fault(
    what: &str,
    asked: &Principal,
    wanted: Option<u32>,
    found: u32,
    name: Option<&[u8]>,
) -> Option<String> {
    let name = name
        .map(|name| format!(" ({})", EscapedBytes(name)))
        .unwrap_or_default();
    match wanted {
        Some(wanted) if wanted == found => None,
        Some(_) => Some(format!("{what} {found}{name}")),
        None => Some(format!("{what} {found}{name}; the guest knows no {}", principal(asked))),
    }
}

fn of_content<'s>(check: &FileCheck, metadata: &Metadata, reader: impl Fn() -> FileReader<'s>) -> Found {
    let mut faults = Vec::new();
    if let Some(wanted) = &check.sha256 {
        let digest = sha256(&mut reader())?;
        if !digest.eq_ignore_ascii_case(wanted) {
            faults.push(format!("sha256 {digest}"));
        }
    }
    if let Some(text) = &check.contains
        && !contains(&mut reader(), text.as_bytes())?
    {
        faults.push("it does not contain that".to_owned());
    }
    if let Some(pattern) = &check.matches {
        if metadata.size > MAX_TEXT_BYTES {
            return Err(Fault(format!(
                "a file of {} bytes is too long to look for lines",
                metadata.size
            )));
        }
        let content = reader().whole()?;
        if !content
            .split(|byte| *byte == b'\n')
            .any(|line| pattern.0.is_match(line))
        {
            faults.push("no line matches".to_owned());
        }
    }
    Ok(faults)
}

fn type_name(kind: FileType) -> &'static str {
    match kind {
        FileType::File => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
    }
}

fn principal(principal: &Principal) -> String {
    match principal {
        Principal::Name(name) => name.clone(),
        Principal::Id(id) => id.to_string(),
    }
}
