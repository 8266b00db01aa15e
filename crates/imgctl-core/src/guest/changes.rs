//! The change log: what every touched path was before, and what became of it.

use super::snapshot::Snapshot;
use super::{GuestError, Result};
use crate::diff::ContentDiff;
use imgctl_vfs::{EscapedBytes, FileKind, Found, GuestPath, MountIndex, NodeId, Tree, TreeNode};
use serde::{Serialize, Serializer};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Paths and attributes that a log may hold, so that no image can fill the memory with its own names.
const MAX_LOG_BYTES: u64 = 1 << 30;

/// What happened to a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Nothing was there before.
    Added,
    /// Nothing is there any more.
    Removed,
    /// Something else, or the same with other content or metadata.
    Modified,
}

/// One path that is not what it was.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// The path, free of symbolic links.
    #[serde(serialize_with = "escape_path")]
    pub path: GuestPath,
    /// The filesystem it is on, like `partition 1`.
    pub partition: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The names of the steps that touched it, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<&'static str>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Snapshot>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Snapshot>,
    /// How the content of a regular file differs; only a dry run looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<ContentDiff>,
}

fn escape_path<S: Serializer>(path: &GuestPath, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&EscapedBytes(path.as_bytes()))
}

/// The state of every path before its first change.
#[derive(Debug, Default)]
pub struct ChangeLog {
    before: BTreeMap<GuestPath, Logged>,
    logged_bytes: u64,
    /// The step that changes things now.
    step: Option<&'static str>,
    /// Every name of the nodes that had several when a filesystem was first asked for them. Later changes of names need
    /// not be followed: a name that changed, or whose node got a further name, is in `before` already.
    hard_links: BTreeMap<MountIndex, BTreeMap<NodeId, Vec<GuestPath>>>,
    /// Files that a secret was put into.
    secret: BTreeSet<GuestPath>,
}

#[derive(Debug)]
struct Logged {
    partition: String,
    state: Option<Snapshot>,
    /// Who touched it, in order.
    steps: Vec<&'static str>,
}

impl ChangeLog {
    /// Whether nothing was touched at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// What is touched from now on is touched by `step`.
    pub(super) fn begin_step(&mut self, step: &'static str) {
        self.step = Some(step);
    }

    /// Nothing is told of the content of a file under any of its names, neither of that now nor of that before.
    pub(super) fn hide(&mut self, tree: &Tree, found: &Found) -> Result<()> {
        let metadata = at(tree, found, tree.metadata(found.node))?;
        if metadata.links > 1 && metadata.kind != FileKind::Directory {
            let mut names = names_of_hard_links(tree, found.node.mount)?;
            self.secret.extend(names.remove(&found.node.node).unwrap_or_default());
        }
        self.secret.insert(found.path.clone());
        Ok(())
    }

    /// To be called before a node's content or metadata changes: keeps its state under all its names.
    pub(super) fn touch_node(&mut self, tree: &Tree, found: &Found) -> Result<()> {
        self.touch_name(tree, &found.path, found.node)?;
        let metadata = at(tree, found, tree.metadata(found.node))?;
        if metadata.links > 1 && metadata.kind != FileKind::Directory {
            for name in self.other_names(tree, found)? {
                self.touch_name(tree, &name, found.node)?;
            }
        }
        Ok(())
    }

    /// To be called before the entry `name` of `parent` appears, goes, or names another node.
    pub(super) fn touch_entry(&mut self, tree: &Tree, parent: &Found, name: &[u8]) -> Result<()> {
        let node = at(tree, parent, tree.lookup(parent.node, name))?;
        self.touch_name(tree, &parent.path, parent.node)?;
        let path = parent.path.join(name);
        match node {
            Some(node) => self.touch_name(tree, &path, node),
            None => self.touch_absent(tree, path, parent.node),
        }
    }

    /// Keeps that nothing was at `path`, on the filesystem of `neighbour`, unless its state is known already.
    pub(super) fn touch_absent(&mut self, tree: &Tree, path: GuestPath, neighbour: TreeNode) -> Result<()> {
        if self.is_known(&path) {
            return Ok(());
        }
        let partition = tree.mount(neighbour.mount).label.clone();
        self.insert(path, partition, None)
    }

    /// Whether the state of `path` before its first change is kept already; the present step counts as one that touched it.
    fn is_known(&mut self, path: &GuestPath) -> bool {
        let Some(logged) = self.before.get_mut(path) else {
            return false;
        };
        if let Some(step) = self.step
            && logged.steps.last() != Some(&step)
        {
            logged.steps.push(step);
        }
        true
    }

    /// Keeps the state of one name, unless it is there already.
    pub(super) fn touch_name(&mut self, tree: &Tree, path: &GuestPath, node: TreeNode) -> Result<()> {
        if self.is_known(path) {
            return Ok(());
        }
        let found = Found {
            path: path.clone(),
            node,
        };
        let state = at(tree, &found, Snapshot::take(tree, path, node))?;
        let partition = tree.mount(node.mount).label.clone();
        self.insert(found.path, partition, Some(state))
    }

    fn insert(&mut self, path: GuestPath, partition: String, state: Option<Snapshot>) -> Result<()> {
        let xattrs = state.iter().flat_map(|state| &state.xattrs);
        let xattr_bytes: usize = xattrs.map(|(name, value)| name.len() + value.len()).sum();
        self.logged_bytes += (path.as_bytes().len() + xattr_bytes + 256) as u64;
        if self.logged_bytes > MAX_LOG_BYTES {
            return Err(GuestError::TooMuch {
                what: "the list of changes outgrows its bytes",
                path,
                limit: MAX_LOG_BYTES,
            });
        }
        let steps = self.step.into_iter().collect();
        self.before.insert(
            path,
            Logged {
                partition,
                state,
                steps,
            },
        );
        Ok(())
    }

    fn other_names(&mut self, tree: &Tree, found: &Found) -> Result<Vec<GuestPath>> {
        let mount = found.node.mount;
        let names = match self.hard_links.entry(mount) {
            Entry::Occupied(names) => names.into_mut(),
            Entry::Vacant(names) => names.insert(names_of_hard_links(tree, mount)?),
        };
        let mut names = names.get(&found.node.node).cloned().unwrap_or_default();
        // A name listed long ago may have become another node's; then it was logged when it did.
        names.retain(|name| *name != found.path && !self.before.contains_key(name));
        Ok(names)
    }

    /// Compares what was with `after`, the same filesystems opened anew and mounted alike: every path that differs in
    /// type, mode, owner, modification time, size, content, attributes or target, in the order of paths.
    pub fn finish(&self, after: &Tree) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, logged) in &self.before {
            let found = physical_node(after, path)?;
            let state = match found {
                Some(node) => Some(at(
                    after,
                    &Found {
                        path: path.clone(),
                        node,
                    },
                    Snapshot::take(after, path, node),
                )?),
                None => None,
            };
            let mut change = compare(path, logged, state);
            if self.secret.contains(path) {
                let states = change
                    .iter_mut()
                    .flat_map(|change| [&mut change.before, &mut change.after]);
                states.flatten().for_each(|state| state.secret = true);
            }
            changes.extend(change);
        }
        Ok(changes)
    }
}

fn compare(path: &GuestPath, logged: &Logged, after: Option<Snapshot>) -> Option<Change> {
    let mut before = logged.state.clone();
    let mut after = after;
    let kind = match (&mut before, &mut after) {
        (None, None) => return None,
        (None, Some(_)) => ChangeKind::Added,
        (Some(_), None) => ChangeKind::Removed,
        (Some(before), Some(after)) if before.looks_like(after) => return None,
        (Some(before), Some(after)) => {
            let secret = before.secret || after.secret;
            before.secret = secret;
            after.secret = secret;
            ChangeKind::Modified
        }
    };
    Some(Change {
        path: path.clone(),
        partition: logged.partition.clone(),
        kind,
        steps: logged.steps.clone(),
        before,
        after,
        diff: None,
    })
}

/// The node at a path that was free of symbolic links; links that are there by now are not followed.
fn physical_node(tree: &Tree, path: &GuestPath) -> Result<Option<TreeNode>> {
    let mut found = tree.root();
    for name in path.components() {
        if at(tree, &found, tree.metadata(found.node))?.kind != FileKind::Directory {
            return Ok(None);
        }
        let Some(node) = at(tree, &found, tree.lookup(found.node, name))? else {
            return Ok(None);
        };
        found = Found {
            path: found.path.join(name),
            node,
        };
    }
    Ok(Some(found.node))
}

/// All names of all nodes of one filesystem that have more than one.
fn names_of_hard_links(tree: &Tree, mount: MountIndex) -> Result<BTreeMap<NodeId, Vec<GuestPath>>> {
    let start = at(tree, &tree.root(), tree.resolve(&tree.mount(mount).path))?;
    let mut names: BTreeMap<NodeId, Vec<GuestPath>> = BTreeMap::new();
    for entry in tree.walk(&start) {
        let entry = at(tree, &start, entry)?;
        let is_linked = entry.metadata.links > 1 && entry.metadata.kind != FileKind::Directory;
        if is_linked && entry.node.mount == mount {
            names.entry(entry.node.node).or_default().push(entry.path);
        }
    }
    Ok(names)
}

/// Names the place where a look into the tree failed.
fn at<T>(tree: &Tree, found: &Found, result: imgctl_vfs::Result<T>) -> Result<T> {
    result.map_err(|source| GuestError::Filesystem {
        action: "read",
        path: found.path.clone(),
        label: tree.mount(found.node.mount).label.clone(),
        source,
    })
}
