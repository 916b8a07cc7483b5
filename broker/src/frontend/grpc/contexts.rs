//! How many security contexts each gateway has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// Counts the contexts of every gateway.
#[derive(Debug)]
pub(super) struct Contexts {
    limit: usize,
    open: Mutex<BTreeMap<String, usize>>,
}

/// A gateway has as many contexts as it may.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{limit} security contexts of this gateway are open: the limit of gateway_api.max_contexts")]
pub(super) struct TooManyContexts {
    limit: usize,
}

impl Contexts {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// A place for one context; it is given back when it is dropped.
    ///
    /// # Errors
    /// [`TooManyContexts`].
    pub(super) fn enter(self: &Arc<Self>, gateway: &str) -> Result<Place, TooManyContexts> {
        let mut open = self.open();
        let count = open.get(gateway).copied().unwrap_or_default();
        if count >= self.limit {
            return Err(TooManyContexts { limit: self.limit });
        }
        open.insert(gateway.to_owned(), count.saturating_add(1));
        Ok(Place { contexts: Arc::clone(self), gateway: gateway.to_owned() })
    }

    /// The counts are right even after a panic elsewhere: nothing can panic while they are changed.
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of one context.
#[derive(Debug)]
pub(super) struct Place {
    contexts: Arc<Contexts>,
    gateway: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.contexts.open();
        match open.get_mut(&self.gateway) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            Some(_) | None => {
                open.remove(&self.gateway);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gateway_leaves_room_for_the_others_and_gives_its_places_back() {
        let contexts = Contexts::new(2);
        let kept = [contexts.enter("gw1").unwrap(), contexts.enter("gw1").unwrap()];
        assert_eq!(contexts.enter("gw1").unwrap_err(), TooManyContexts { limit: 2 });
        let other = contexts.enter("gw2").unwrap();
        let [first, second] = kept;
        drop(first);
        let third = contexts.enter("gw1").unwrap();
        assert!(contexts.enter("gw1").is_err());
        drop((second, third, other));
        assert!(contexts.open().is_empty(), "nothing is remembered");
    }
}
