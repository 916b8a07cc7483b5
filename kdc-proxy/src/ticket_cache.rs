//! Tickets obtained on behalf of users, kept for a short while so that a burst of logins does not become a burst of
//! exchanges.
//!
//! A service ticket belongs to the evidence it was made from and is forgotten with it: nothing here is older than
//! `max_age`, counted from the S4U2Self exchange in which the KDC last looked at the account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::principal::{Principal, PrincipalName};

/// Most users remembered, and most services of one user.
const MAX_USERS: usize = 4096;
const MAX_SERVICES: usize = 32;

/// Evidence and service tickets by user. `E` is the evidence, `T` a service ticket.
///
/// All times are the KDC's.
#[derive(Debug)]
pub struct TicketCache<E, T> {
    max_age: Duration,
    users: BTreeMap<Principal, UserTickets<E, T>>,
}

/// Which service ticket: for this service, asked for with this lifetime.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ServiceKey {
    /// The service's name.
    pub service: PrincipalName,
    /// The lifetime that was asked for.
    pub lifetime: Duration,
}

#[derive(Debug)]
struct UserTickets<E, T> {
    evidence: Arc<E>,
    obtained: SystemTime,
    endtime: SystemTime,
    services: BTreeMap<ServiceKey, (Arc<T>, SystemTime)>,
}

impl<E, T> TicketCache<E, T> {
    /// A cache that forgets after `max_age`; with zero it keeps nothing.
    #[must_use]
    pub const fn new(max_age: Duration) -> Self {
        Self { max_age, users: BTreeMap::new() }
    }

    /// The evidence for `user`, if it is still fresh.
    pub fn evidence(&mut self, user: &Principal, now: SystemTime) -> Option<Arc<E>> {
        self.fresh(user, now).map(|tickets| Arc::clone(&tickets.evidence))
    }

    /// Keeps evidence for `user` that ends at `endtime`, in the place of older evidence and all made from it.
    pub fn keep_evidence(&mut self, user: Principal, evidence: Arc<E>, endtime: SystemTime, now: SystemTime) {
        if self.max_age.is_zero() {
            return;
        }
        self.users.retain(|_, tickets| tickets.is_fresh(self.max_age, now));
        if self.users.len() >= MAX_USERS && !self.users.contains_key(&user) {
            self.forget_oldest();
        }
        let tickets = UserTickets { evidence, obtained: now, endtime, services: BTreeMap::new() };
        self.users.insert(user, tickets);
    }

    /// A service ticket made from this very evidence, if it is still fresh.
    pub fn ticket(
        &mut self,
        user: &Principal,
        is_same: impl FnOnce(&E) -> bool,
        key: &ServiceKey,
        now: SystemTime,
    ) -> Option<Arc<T>> {
        let tickets = self.fresh(user, now).filter(|tickets| is_same(&tickets.evidence))?;
        let (ticket, endtime) = tickets.services.get(key)?;
        (now < *endtime).then(|| Arc::clone(ticket))
    }

    /// Keeps a service ticket if the evidence it was made from is still here.
    pub fn keep_ticket(
        &mut self,
        user: &Principal,
        is_same: impl FnOnce(&E) -> bool,
        key: ServiceKey,
        ticket: Arc<T>,
        endtime: SystemTime,
        now: SystemTime,
    ) {
        let Some(tickets) = self.fresh(user, now).filter(|tickets| is_same(&tickets.evidence)) else {
            return;
        };
        if tickets.services.len() < MAX_SERVICES || tickets.services.contains_key(&key) {
            tickets.services.insert(key, (ticket, endtime));
        }
    }

    /// Forgets what was obtained for one user.
    pub fn forget(&mut self, user: &Principal) {
        self.users.remove(user);
    }

    /// Forgets everything: our own key or the KDC's has changed.
    pub fn clear(&mut self) {
        self.users.clear();
    }

    fn fresh(&mut self, user: &Principal, now: SystemTime) -> Option<&mut UserTickets<E, T>> {
        if !self.users.get(user)?.is_fresh(self.max_age, now) {
            self.users.remove(user);
        }
        self.users.get_mut(user)
    }

    fn forget_oldest(&mut self) {
        let oldest =
            self.users.iter().min_by_key(|(_, tickets)| tickets.obtained).map(|(user, _)| user.clone());
        if let Some(user) = oldest {
            self.users.remove(&user);
        }
    }
}

impl<E, T> UserTickets<E, T> {
    /// A clock that went back proves nothing about age, so that everything from its future is stale.
    fn is_fresh(&self, max_age: Duration, now: SystemTime) -> bool {
        let young = now.duration_since(self.obtained).is_ok_and(|age| age < max_age);
        young && now < self.endtime
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::Realm;

    type Cache = TicketCache<&'static str, &'static str>;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn user(name: &str) -> Principal {
        Principal::new(name.parse().unwrap(), Realm::new("CORP.EXAMPLE").unwrap())
    }

    fn key(service: &str) -> ServiceKey {
        ServiceKey { service: service.parse().unwrap(), lifetime: MINUTE }
    }

    fn with_alice() -> Cache {
        let mut cache = Cache::new(MINUTE);
        cache.keep_evidence(user("alice"), Arc::new("first"), at(3600), at(0));
        cache
    }

    #[test]
    fn evidence_is_kept_until_its_age() {
        let mut cache = with_alice();
        assert_eq!(cache.evidence(&user("alice"), at(59)).as_deref(), Some(&"first"));
        assert!(cache.evidence(&user("bob"), at(0)).is_none());
        assert!(cache.evidence(&user("alice"), at(60)).is_none());
        assert!(cache.evidence(&user("alice"), at(0)).is_none(), "forgotten for good");
    }

    #[test]
    fn evidence_is_not_kept_beyond_its_end() {
        let mut cache = Cache::new(MINUTE);
        cache.keep_evidence(user("alice"), Arc::new("first"), at(10), at(0));
        assert!(cache.evidence(&user("alice"), at(9)).is_some());
        assert!(cache.evidence(&user("alice"), at(10)).is_none());
    }

    #[test]
    fn nothing_from_the_future_is_fresh() {
        let mut cache = with_alice();
        let before = at(0) - Duration::from_secs(1);
        assert!(cache.evidence(&user("alice"), before).is_none());
    }

    #[test]
    fn with_an_age_of_zero_nothing_is_kept() {
        let mut cache = Cache::new(Duration::ZERO);
        cache.keep_evidence(user("alice"), Arc::new("first"), at(3600), at(0));
        assert!(cache.evidence(&user("alice"), at(0)).is_none());
    }

    #[test]
    fn a_service_ticket_is_found_by_evidence_service_and_lifetime() {
        let mut cache = with_alice();
        cache.keep_ticket(
            &user("alice"),
            |e| *e == "first",
            key("HTTP/web"),
            Arc::new("web"),
            at(600),
            at(1),
        );
        let found = cache.ticket(&user("alice"), |e| *e == "first", &key("HTTP/web"), at(2));
        assert_eq!(found.as_deref(), Some(&"web"));
        assert!(cache.ticket(&user("alice"), |e| *e == "other", &key("HTTP/web"), at(2)).is_none());
        assert!(cache.ticket(&user("alice"), |_| true, &key("HTTP/other"), at(2)).is_none());
        let longer = ServiceKey { lifetime: MINUTE * 2, ..key("HTTP/web") };
        assert!(cache.ticket(&user("alice"), |_| true, &longer, at(2)).is_none());
    }

    #[test]
    fn a_service_ticket_ends_with_the_age_of_its_evidence() {
        let mut cache = with_alice();
        cache.keep_ticket(&user("alice"), |_| true, key("HTTP/web"), Arc::new("web"), at(600), at(59));
        assert!(cache.ticket(&user("alice"), |_| true, &key("HTTP/web"), at(60)).is_none());
    }

    #[test]
    fn a_service_ticket_is_not_found_after_its_end() {
        let mut cache = with_alice();
        cache.keep_ticket(&user("alice"), |_| true, key("HTTP/web"), Arc::new("web"), at(10), at(1));
        assert!(cache.ticket(&user("alice"), |_| true, &key("HTTP/web"), at(10)).is_none());
    }

    #[test]
    fn new_evidence_takes_the_place_of_all_that_was_made_from_the_old() {
        let mut cache = with_alice();
        cache.keep_ticket(&user("alice"), |_| true, key("HTTP/web"), Arc::new("web"), at(600), at(1));
        cache.keep_evidence(user("alice"), Arc::new("second"), at(3600), at(2));
        assert!(cache.ticket(&user("alice"), |_| true, &key("HTTP/web"), at(3)).is_none());
    }

    #[test]
    fn users_are_forgotten_one_by_one_or_all() {
        let mut cache = with_alice();
        cache.keep_evidence(user("bob"), Arc::new("bob"), at(3600), at(0));
        cache.forget(&user("alice"));
        assert!(cache.evidence(&user("alice"), at(1)).is_none());
        assert!(cache.evidence(&user("bob"), at(1)).is_some());
        cache.clear();
        assert!(cache.evidence(&user("bob"), at(1)).is_none());
    }

    #[test]
    fn the_number_of_users_is_bounded_and_the_oldest_goes_first() {
        let mut cache = Cache::new(MINUTE);
        for index in 0..=MAX_USERS {
            let obtained = at(0) + Duration::from_millis(u64::try_from(index).unwrap());
            cache.keep_evidence(user(&format!("user{index}")), Arc::new("e"), at(3600), obtained);
        }
        assert_eq!(cache.users.len(), MAX_USERS);
        assert!(cache.evidence(&user("user0"), at(5)).is_none());
        assert!(cache.evidence(&user("user1"), at(5)).is_some());
    }

    #[test]
    fn the_number_of_services_is_bounded() {
        let mut cache = with_alice();
        for index in 0..=MAX_SERVICES {
            let key = key(&format!("HTTP/web{index}"));
            cache.keep_ticket(&user("alice"), |_| true, key, Arc::new("web"), at(600), at(1));
        }
        assert_eq!(cache.users[&user("alice")].services.len(), MAX_SERVICES);
    }
}
