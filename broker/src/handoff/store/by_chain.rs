//! Where the codes that wait and the sessions of one chain are, so that all of them end without a look at the others.

use std::collections::{BTreeMap, BTreeSet};

use super::super::presented::Watched;

/// The entry of a table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    /// A code that waits.
    Code([u8; 16]),
    /// A session that lives.
    Session([u8; 16]),
}

/// The places of each chain, by its digest. None is empty.
#[derive(Debug)]
pub(super) struct ByChain(BTreeMap<[u8; 32], BTreeSet<Place>>);

impl ByChain {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn add(&mut self, watched: &Watched, place: Place) {
        self.0.entry(*watched.chain.digest()).or_default().insert(place);
    }

    pub(super) fn remove(&mut self, watched: &Watched, place: Place) {
        let chain = watched.chain.digest();
        if let Some(places) = self.0.get_mut(chain) {
            places.remove(&place);
            if places.is_empty() {
                self.0.remove(chain);
            }
        }
    }

    pub(super) fn of(&self, chain: &[u8; 32]) -> Vec<Place> {
        self.0.get(chain).into_iter().flatten().copied().collect()
    }

    /// How many chains have a place.
    #[cfg(test)]
    pub(super) fn chains(&self) -> usize {
        self.0.len()
    }
}
