//! What Debian's update-ca-certificates(8) does: links, their hashes, and the bundle.

use super::rehash::rehash;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, fixed};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use std::collections::BTreeSet;

const SELECTION: &str = "/etc/ca-certificates.conf";
pub(super) const CERTIFICATES: &str = "/usr/share/ca-certificates";
pub(super) const LOCAL: &str = "/usr/local/share/ca-certificates";
const STORE: &str = "/etc/ssl/certs";
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const HOOKS: &str = "/etc/ca-certificates/update.d";

/// How deep folders of certificates can be; links can lead in circles.
const MAX_DEPTH: usize = 16;

/// Makes the store what the selection and the local certificates say.
pub(super) fn update(guest: &mut Guest, prefix: &'static str) -> Outcome<()> {
    if !guest.is_directory(&fixed(STORE))? || !guest.exists(&fixed("/usr/sbin/update-ca-certificates"))? {
        guest.warn(format!(
            "the package ca-certificates is not installed: what is in {LOCAL} counts once it is"
        ));
        return Ok(());
    }
    let selection = guest.read(&fixed(SELECTION), MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut store = Store {
        guest,
        prefix,
        bundle: Vec::new(),
        is_changed: false,
    };
    if selection.is_empty() {
        store.clear()?;
    }
    let lines: Vec<&[u8]> = selection.split(|byte| *byte == b'\n').collect();
    for name in lines.iter().filter_map(|line| line.strip_prefix(b"!")) {
        store.remove(name)?;
    }
    for name in lines
        .iter()
        .filter(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"!"))
    {
        let path = [CERTIFICATES.as_bytes(), b"/", name].concat();
        match GuestPath::new(path).ok() {
            Some(path) if is_file(store.guest, &path)? => store.add(&path)?,
            _ => store.guest.warn(format!(
                "{SELECTION} selects {}, which is not there",
                EscapedBytes(name)
            )),
        }
    }
    let mut local = BTreeSet::new();
    certificates_below(store.guest, &fixed(LOCAL), MAX_DEPTH, &mut local)?;
    for path in &local {
        store.add(path)?;
    }
    store.finish()
}

struct Store<'g> {
    guest: &'g mut Guest,
    prefix: &'static str,
    bundle: Vec<u8>,
    /// Whether a link came or went.
    is_changed: bool,
}

impl Store<'_> {
    /// Links into the folders of certificates go, and so do those that lead to nothing.
    fn clear(&mut self) -> Outcome<()> {
        for link in self.links()? {
            let target = self.guest.read_link(&link)?.unwrap_or_default();
            let is_ours = [CERTIFICATES, LOCAL]
                .iter()
                .any(|folder| target.starts_with(folder.as_bytes()));
            if is_ours || !is_file(self.guest, &link)? {
                self.guest.remove(&link)?;
            }
        }
        Ok(())
    }

    fn links(&self) -> Outcome<Vec<GuestPath>> {
        let Some(folder) = self.guest.find(&fixed(STORE))? else {
            return Ok(Vec::new());
        };
        let mut links = Vec::new();
        for entry in self.guest.tree().walk(&folder) {
            let entry = entry?;
            if entry.metadata.kind == FileKind::Symlink {
                links.push(entry.path);
            }
        }
        Ok(links)
    }

    fn remove(&mut self, name: &[u8]) -> Outcome<()> {
        let link = self.link(stem(name));
        if self.guest.read_link(&link)?.is_some() {
            self.guest.remove(&link)?;
            self.is_changed = true;
        }
        Ok(())
    }

    fn add(&mut self, certificate: &GuestPath) -> Outcome<()> {
        let name = stem(certificate.as_bytes()).iter().map(|byte| match byte {
            b' ' | b',' => b'_',
            b'(' | b')' => b'=',
            byte => *byte,
        });
        let link = self.link(&name.collect::<Vec<u8>>());
        let target = self.guest.read_link(&link)?;
        if target.as_deref() != Some(certificate.as_bytes()) {
            self.guest.symlink(&link, certificate.as_bytes())?;
            self.is_changed = true;
        }
        let text = self.guest.read(certificate, MAX_TEXT_BYTES)?.unwrap_or_default();
        self.bundle.extend_from_slice(&text);
        if !text.is_empty() && !text.ends_with(b"\n") {
            self.bundle.push(b'\n');
        }
        Ok(())
    }

    fn link(&self, stem: &[u8]) -> GuestPath {
        fixed(STORE).join(&[self.prefix.as_bytes(), stem, b".pem"].concat())
    }

    fn finish(mut self) -> Outcome<()> {
        if self.is_changed {
            for link in self.links()? {
                if !self.guest.exists(&link)? {
                    self.guest.remove(&link)?;
                }
            }
            rehash(self.guest, &fixed(STORE))?;
            self.tell_hooks()?;
        }
        let bundle = fixed(BUNDLE);
        if !self.bundle.is_empty() && !self.guest.has_content(&bundle, &mut self.bundle.as_slice())? {
            self.guest
                .write_file(&bundle, &mut self.bundle.as_slice(), NewMetadata::root(0o644))?;
            self.guest.set_mode(&bundle, 0o644)?;
        }
        Ok(())
    }

    /// They are programs: Java's makes a store of its own.
    fn tell_hooks(&mut self) -> Outcome<()> {
        for hook in self.guest.glob(&format!("{HOOKS}/*"))? {
            let is_program = self.guest.metadata(&hook)?.is_some_and(|found| found.mode & 0o111 != 0);
            // Alpine's makes the links of hashes.
            if is_program && hook.file_name() != Some(b"certhash") {
                self.guest.warn(format!(
                    "{hook} is not run: what it makes of the certificates lacks them until `update-ca-certificates --fresh`"
                ));
            }
        }
        Ok(())
    }
}

/// A path's last name without `.crt`.
fn stem(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.strip_suffix(b".crt").unwrap_or(name)
}

fn is_file(guest: &Guest, path: &GuestPath) -> Outcome<bool> {
    // A link that leads in a circle is no file.
    let found = guest.metadata(path).ok().flatten();
    Ok(found.is_some_and(|metadata| metadata.kind == FileKind::File))
}

/// Every `*.crt` in and below a folder, links followed, by the paths that lead there.
fn certificates_below(guest: &Guest, folder: &GuestPath, depth: usize, found: &mut BTreeSet<GuestPath>) -> Outcome<()> {
    if depth == 0 || !guest.is_directory(folder)? {
        return Ok(());
    }
    for entry in guest.read_dir(folder)?.unwrap_or_default() {
        let name = entry.path.file_name().unwrap_or_default();
        let path = folder.join(name);
        let Some(metadata) = guest.metadata(&path).ok().flatten() else {
            continue;
        };
        match metadata.kind {
            FileKind::Directory => certificates_below(guest, &path, depth - 1, found)?,
            FileKind::File if name.ends_with(b".crt") => drop(found.insert(path)),
            _ => {}
        }
    }
    Ok(())
}
