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
        // Spread by multiplication: filesystems repeat their structures at distances that are powers of two.
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.slots[(spread % self.slots.len() as u64) as usize]
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
        for key in 0..100 {
            cache.put(key, &Arc::new(key));
            assert_eq!(cache.get(key).as_deref(), Some(&key));
        }
        let kept = (0..200).filter(|key| match cache.get(*key) {
            Some(value) => *value == *key,
            None => false,
        });
        assert_eq!(kept.count(), 4);
        assert!((0..200).all(|key| cache.get(key).is_none_or(|value| *value == key)));
    }

    #[test]
    fn keys_a_power_of_two_apart_do_not_share_one_slot() {
        let cache = Cache::new(256, 1);
        for group in 0..32 {
            cache.put(group * 2048, &Arc::new(group));
        }
        let kept = (0..32).filter(|group| cache.get(group * 2048).is_some());
        assert!(kept.count() > 20);
    }
}
