//! A bounded cache with one slot per number, so that looking up and replacing cost the same at any size.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What lies in a slot: whose it is, and the bytes or entries.
type Slot<T> = Mutex<Option<(u64, Arc<T>)>>;

/// Keeps the latest value for each slot.
pub(crate) struct Cache<T> {
    slots: Box<[Slot<T>]>,
}

impl<T> Cache<T> {
    /// A cache of about `budget_bytes`, for values of `value_bytes`.
    pub(crate) fn new(budget_bytes: u64, value_bytes: u64) -> Self {
        let slots = (budget_bytes / value_bytes.max(1)).clamp(4, 1024);
        Self {
            slots: (0..slots).map(|_| Mutex::new(None)).collect(),
        }
    }

    pub(crate) fn get(&self, key: u64) -> Option<Arc<T>> {
        let slot = self.slot(key).lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some((found, value)) if *found == key => Some(Arc::clone(value)),
            _ => None,
        }
    }

    pub(crate) fn put(&self, key: u64, value: &Arc<T>) {
        let mut slot = self.slot(key).lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some((key, Arc::clone(value)));
    }

    fn slot(&self, key: u64) -> &Slot<T> {
        &self.slots[(key % self.slots.len() as u64) as usize]
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("slots", &self.slots.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_never_answers_for_another_key() {
        let cache = Cache::new(16, 4);
        cache.put(1, &Arc::new("one"));
        cache.put(2, &Arc::new("two"));
        assert_eq!(cache.get(1).as_deref(), Some(&"one"));
        assert_eq!(cache.get(5), None);
        cache.put(5, &Arc::new("five"));
        assert_eq!(cache.get(1), None);
        assert_eq!(cache.get(5).as_deref(), Some(&"five"));
    }
}
