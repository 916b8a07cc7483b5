//! Names of groups, remembered for a short time. Membership is never remembered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::sid::Sid;

/// How long a name is used before it is asked for again.
const LIFETIME: Duration = Duration::from_secs(60);
/// Most names kept.
const CAPACITY: usize = 10_000;

/// The names by SID; `None` for a group that the domain does not know.
#[derive(Debug, Default)]
pub(super) struct GroupNames(Mutex<BTreeMap<Sid, Remembered>>);

#[derive(Debug)]
struct Remembered {
    name: Option<String>,
    until: Instant,
}

impl GroupNames {
    /// What is known of a group: `Some(None)` when it is known to have no name here.
    pub(super) fn get(&self, sid: &Sid, now: Instant) -> Option<Option<String>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(sid).filter(|remembered| now < remembered.until).map(|remembered| remembered.name.clone())
    }

    pub(super) fn remember(&self, sid: Sid, name: Option<String>, now: Instant) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= CAPACITY {
            names.retain(|_, remembered| now < remembered.until);
        }
        if names.len() >= CAPACITY {
            names.clear();
        }
        names.insert(sid, Remembered { name, until: now + LIFETIME });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(rid: u32) -> Sid {
        "S-1-5-21-1-2-3-4".parse::<Sid>().unwrap().sibling(rid)
    }

    #[test]
    fn a_name_is_forgotten_after_its_time() {
        let (names, now) = (GroupNames::default(), super::super::clock::now());
        names.remember(sid(1), Some("Staff".to_owned()), now);
        names.remember(sid(2), None, now);
        let late = now + LIFETIME;
        assert_eq!(Some(Some("Staff".to_owned())), names.get(&sid(1), late - Duration::from_millis(1)));
        assert_eq!((Some(None), None), (names.get(&sid(2), now), names.get(&sid(3), now)));
        assert_eq!(None, names.get(&sid(1), late));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let (names, now) = (GroupNames::default(), super::super::clock::now());
        (0..25_000).for_each(|rid| names.remember(sid(rid), None, now));
        assert!(names.0.lock().unwrap().len() <= CAPACITY);
    }
}
