//! A map that forgets its oldest entry when it is full: what keeps the decoder's memory bounded whatever is captured.

use std::collections::{BTreeMap, VecDeque};

/// At most `capacity` entries; inserting one more forgets the one inserted first.
#[derive(Clone, Debug)]
pub(super) struct Bounded<K, V> {
    entries: BTreeMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Bounded { entries: BTreeMap::new(), order: VecDeque::new(), capacity }
    }

    /// Inserts or replaces; a replaced entry keeps its age.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// From the newest to the oldest.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (&K, &V)> {
        self.order.iter().rev().filter_map(|key| self.entries.get_key_value(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_is_forgotten_first() {
        let mut map = Bounded::new(2);
        map.insert(1, "a");
        map.insert(2, "b");
        map.insert(1, "c");
        map.insert(3, "d");
        assert!(!map.contains(&1), "replacing does not make an entry younger");
        assert_eq!(map.newest_first().collect::<Vec<_>>(), [(&3, &"d"), (&2, &"b")]);
    }
}
