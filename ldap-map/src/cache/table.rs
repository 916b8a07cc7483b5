//! A bounded table, whose oldest rows give way.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Table<K, R> {
    rows: BTreeMap<K, (u64, R)>,
    /// In the order in which they came.
    order: BTreeMap<u64, K>,
    next: u64,
    most: usize,
}

impl<K: Clone + Ord, R> Table<K, R> {
    /// For at most so many rows.
    pub(super) const fn new(most: usize) -> Self {
        Self { rows: BTreeMap::new(), order: BTreeMap::new(), next: 0, most }
    }

    pub(super) fn get(&self, key: &K) -> Option<&R> {
        self.rows.get(key).map(|(_, row)| row)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|(_, row)| row)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Puts a row in, in place of the former one. Whether another one had to give way.
    pub(super) fn insert(&mut self, key: K, row: R) -> bool {
        self.remove(&key);
        let is_full = self.rows.len() >= self.most;
        if is_full && let Some((_, oldest)) = self.order.pop_first() {
            self.rows.remove(&oldest);
        }
        self.order.insert(self.next, key.clone());
        self.rows.insert(key, (self.next, row));
        self.next += 1;
        is_full
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some((place, _)) = self.rows.remove(key) {
            self.order.remove(&place);
        }
    }

    /// Drops the rows that are not to be kept, and says how many they were.
    pub(super) fn retain(&mut self, keep: impl Fn(&R) -> bool) -> u64 {
        let order = &mut self.order;
        let mut dropped = 0;
        self.rows.retain(|_, (place, row)| {
            let keeps = keep(row);
            if !keeps {
                order.remove(place);
                dropped += 1;
            }
            keeps
        });
        dropped
    }

    /// Drops rows from the oldest on, as long as this is true of them, and says how many they were.
    pub(super) fn drop_first_while(&mut self, over: impl Fn(&R) -> bool) -> u64 {
        let mut dropped = 0;
        while let Some(first) = self.order.first_entry()
            && self.rows.get(first.get()).is_none_or(|(_, row)| over(row))
        {
            self.rows.remove(&first.remove());
            dropped += 1;
        }
        dropped
    }
}
