//! Node ids: given out when an entry is first met, kept when it moves, dropped when it is removed.

use crate::format::directory::Record;
use imgctl_vfs::NodeId;
use std::collections::BTreeMap;

pub(crate) const ROOT: NodeId = NodeId(1);

/// Where the entry of a file or directory is. The root has none.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) parent: NodeId,
    pub(crate) name: String,
    /// The offset of its short entry on the device.
    pub(crate) position: u64,
}

#[derive(Debug)]
pub(crate) struct Nodes {
    by_id: BTreeMap<u64, Node>,
    by_position: BTreeMap<u64, NodeId>,
    next: u64,
}

impl Nodes {
    pub(crate) fn new() -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_position: BTreeMap::new(),
            next: ROOT.0 + 1,
        }
    }

    /// The id of the entry at `position`, a new one if it was not met before.
    pub(crate) fn intern(&mut self, parent: NodeId, record: &Record, position: u64) -> NodeId {
        if let Some(id) = self.by_position.get(&position) {
            return *id;
        }
        let id = NodeId(self.next);
        self.next += 1;
        self.place(id, parent, record, position);
        id
    }

    /// Moves a node's entry.
    pub(crate) fn place(&mut self, id: NodeId, parent: NodeId, record: &Record, position: u64) {
        self.remove(id);
        let node = Node {
            parent,
            name: record.name.clone(),
            position,
        };
        self.by_id.insert(id.0, node);
        self.by_position.insert(position, id);
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        if let Some(node) = self.by_id.remove(&id.0) {
            self.by_position.remove(&node.position);
        }
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        self.by_id.get(&id.0)
    }

    /// The names from the root down to `id`; empty for the root.
    pub(crate) fn path(&self, id: NodeId) -> Vec<String> {
        let mut names = Vec::new();
        let mut current = id;
        while let Some(node) = self.get(current) {
            names.push(node.name.clone());
            current = node.parent;
        }
        names.reverse();
        names
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub(crate) fn is_within(&self, id: NodeId, ancestor: NodeId) -> bool {
        let mut current = id;
        while current != ancestor {
            match self.get(current) {
                Some(node) => current = node.parent,
                None => return false,
            }
        }
        true
    }
}
