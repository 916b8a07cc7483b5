//! Lists that are about to end, so that somebody can see to it before logins are refused.

use std::sync::Arc;
use std::time::Duration;

use super::now::Now;
use super::revocation::{Crl, CrlSummary};

/// How near the end of a list is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ending {
    /// Not near.
    Later,
    /// So near that its successor should be there.
    Soon,
    /// It has ended: what it spoke of is refused. So it is with a list that does not say when it ends.
    Over,
}

/// A list in use, and how near its end is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListState {
    /// The list.
    pub summary: CrlSummary,
    /// How near its end is.
    pub ending: Ending,
}

/// The states of those lists that no other one has taken the place of. `lead` is how long before its end a list's end is near;
/// without it, a quarter of its life.
pub(super) fn states(lists: &[Arc<Crl>], lead: Option<Duration>, now: Now) -> Vec<ListState> {
    let superseded =
        |list: &Crl| lists.iter().any(|other| list.is_of_series(other) && other.is_newer_than(list));
    let in_use = lists.iter().filter(|list| !superseded(list));
    in_use.map(|list| ListState { summary: list.summary(), ending: ending(list, lead, now) }).collect()
}

fn ending(list: &Crl, lead: Option<Duration>, now: Now) -> Ending {
    let Some(end) = list.next_update() else { return Ending::Over };
    let left = end.saturating_sub(now.seconds());
    let lead = lead.map_or_else(|| end.saturating_sub(list.this_update()) / 4, |lead| lead.as_secs());
    match left {
        0 => Ending::Over,
        left if left <= lead => Ending::Soon,
        _ => Ending::Later,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::SerialNumber;

    use super::super::testing::{Authority, days, now};
    use super::*;

    #[test]
    fn the_end_of_a_list_is_near_after_three_quarters_of_its_life_or_as_configured() {
        let root = Authority::root("Root");
        // From 25 December to 8 January; it is 1 January.
        let list = [Arc::new(Crl::parse(&root.crl()).unwrap())];
        let state = |after, lead| states(&list, lead, Now::new(now() + after).unwrap()).remove(0).ending;
        assert_eq!(state(days(3), None), Ending::Later);
        assert_eq!(state(days(4), None), Ending::Soon);
        assert_eq!(state(days(4), Some(days(1))), Ending::Later);
        assert_eq!(state(days(0), Some(days(7))), Ending::Soon);
        assert_eq!(state(days(7), None), Ending::Over);
    }

    #[test]
    fn a_list_with_a_successor_is_not_told_of() {
        let (root, other) = (Authority::root("Root"), Authority::root("Other"));
        let list = |authority: &Authority, number: u64| {
            let list = authority.crl_with(|params| params.crl_number = SerialNumber::from(number));
            Arc::new(Crl::parse(&list).unwrap())
        };
        let lists = [list(&root, 1), list(&root, 2), list(&other, 1)];
        assert_eq!(states(&lists, None, Now::new(now()).unwrap()).len(), 2);
    }
}
