//! How much one address may ask, and how often the password of one account may be tried through the proxy.
//!
//! A domain controller locks an account after some wrong passwords, and does not know who tried them. The proxy stops before
//! that: what has been tried and not yet answered counts too, so that many tries at once are no way around it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kdc_proxy::principal::{PrincipalName, Realm};

use super::account::AccountKey;
use crate::metrics::kdc_proxy::Limit;

/// The limits.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Requests of an address in a minute.
    pub requests_per_address: u32,
    /// Failed logins from an address within the window.
    pub failures_per_address: usize,
    /// Failed logins of an account within the window; less than the domain locks an account after.
    pub failures_per_client: usize,
    /// How long a failed login counts; not less than the domain counts it.
    pub failure_window: Duration,
}

/// Addresses and accounts that are remembered at once.
const MAX_REMEMBERED: usize = 65_536;

/// A login that is tried: the accounts that its name may mean, and the name itself.
#[derive(Clone, Debug)]
pub(super) struct Login {
    account: (Realm, AccountKey),
    name: String,
}

impl Login {
    pub(super) fn of(realm: Realm, client: &PrincipalName) -> Self {
        Self { account: (realm, AccountKey::of(client)), name: client.joined().to_lowercase() }
    }
}

/// What is remembered.
#[derive(Debug)]
pub(super) struct Limits {
    rates: Rates,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    addresses: BTreeMap<IpAddr, Address>,
    clients: BTreeMap<(Realm, AccountKey), Tries>,
}

#[derive(Debug)]
struct Address {
    /// When the address will have waited for all of its requests.
    clear_at: Instant,
    failures: Vec<Instant>,
}

#[derive(Debug, Default)]
struct Tries {
    /// When, and by which name.
    failures: Vec<(Instant, String)>,
    unanswered: usize,
}

impl Limits {
    pub(super) fn new(rates: Rates) -> Self {
        Self { rates, tables: Mutex::default() }
    }

    /// Counts a request of an address.
    pub(super) fn request(&self, address: IpAddr, now: Instant) -> Result<(), Limit> {
        let minute = Duration::from_secs(60);
        let each = minute / self.rates.requests_per_address.max(1);
        let mut tables = self.lock();
        if tables.addresses.len() >= MAX_REMEMBERED {
            let window = self.rates.failure_window;
            tables.addresses.retain(|_, address| {
                now < address.clear_at || within(&address.failures, window, now).next().is_some()
            });
        }
        if tables.addresses.len() >= MAX_REMEMBERED && !tables.addresses.contains_key(&net(address)) {
            return Err(Limit::Address);
        }
        let entry = tables
            .addresses
            .entry(net(address))
            .or_insert_with(|| Address { clear_at: now, failures: Vec::new() });
        if within(&entry.failures, self.rates.failure_window, now).count() >= self.rates.failures_per_address
        {
            return Err(Limit::AddressFailures);
        }
        let clear_at = entry.clear_at.max(now) + each;
        if clear_at.saturating_duration_since(now) > minute {
            return Err(Limit::Address);
        }
        entry.clear_at = clear_at;
        Ok(())
    }

    /// Lets one login of an account be tried; what came of it must be told.
    pub(super) fn try_login(&self, login: &Login, now: Instant) -> Result<(), Limit> {
        let window = self.rates.failure_window;
        let mut tables = self.lock();
        if tables.clients.len() >= MAX_REMEMBERED {
            tables.clients.retain(|_, tries| tries.is_remembered(window, now));
        }
        if tables.clients.len() >= MAX_REMEMBERED && !tables.clients.contains_key(&login.account) {
            return Err(Limit::ClientFailures);
        }
        let tries = tables.clients.entry(login.account.clone()).or_default();
        tries.failures.retain(|(at, _)| now.saturating_duration_since(*at) < window);
        if tries.failures.len().saturating_add(tries.unanswered) >= self.rates.failures_per_client {
            return Err(Limit::ClientFailures);
        }
        tries.unanswered = tries.unanswered.saturating_add(1);
        Ok(())
    }

    /// What became of a login. A successful one forgives the failures by its own name only: another name may be another
    /// account's, as that of a computer which anybody has joined.
    pub(super) fn login_ended(&self, login: &Login, ended: Ended, now: Instant) {
        let mut tables = self.lock();
        let Some(tries) = tables.clients.get_mut(&login.account) else { return };
        tries.unanswered = tries.unanswered.saturating_sub(1);
        match ended {
            Ended::Succeeded => tries.failures.retain(|(_, name)| *name != login.name),
            Ended::Failed => tries.failures.push((now, login.name.clone())),
            Ended::Otherwise => {}
        }
        if tries.unanswered == 0 && tries.failures.is_empty() {
            tables.clients.remove(&login.account);
        }
    }

    /// A login from an address failed, or asked for an account that does not exist.
    pub(super) fn failure_from(&self, address: IpAddr, now: Instant) {
        let (limit, window) = (self.rates.failures_per_address, self.rates.failure_window);
        let mut tables = self.lock();
        let Some(entry) = tables.addresses.get_mut(&net(address)) else { return };
        entry.failures.retain(|at| now.saturating_duration_since(*at) < window);
        if entry.failures.len() < limit {
            entry.failures.push(now);
        }
    }

    /// Every change is whole before the lock is given back.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// A ticket was given.
    Succeeded,
    /// The password was wrong, the account is locked, or nobody knows what the KDC thought of it.
    Failed,
    /// Something else.
    Otherwise,
}

impl Tries {
    fn is_remembered(&self, window: Duration, now: Instant) -> bool {
        self.unanswered > 0 || self.failures.iter().any(|(at, _)| now.saturating_duration_since(*at) < window)
    }
}

fn within(failures: &[Instant], window: Duration, now: Instant) -> impl Iterator<Item = &Instant> {
    failures.iter().filter(move |at| now.saturating_duration_since(**at) < window)
}

/// Of IPv6 a whole /64 counts as one address (RFC 6177).
fn net(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use kdc_proxy::principal::NameType;

    use super::*;

    const RATES: Rates = Rates {
        requests_per_address: 3,
        failures_per_address: 4,
        failures_per_client: 2,
        failure_window: Duration::from_secs(600),
    };

    fn client(name: &str) -> Login {
        let name = PrincipalName::new(NameType::Principal, vec![name.to_owned()]).unwrap();
        Login::of(Realm::new("CORP.EXAMPLE").unwrap(), &name)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_asks_too_much_waits_and_the_others_do_not() {
        let (limits, start) = (Limits::new(RATES), crate::clock::instant());
        for _ in 0..3 {
            limits.request(address("192.0.2.1"), start).unwrap();
        }
        assert_eq!(limits.request(address("192.0.2.1"), start), Err(Limit::Address));
        limits.request(address("192.0.2.2"), start).unwrap();
        limits.request(address("192.0.2.1"), start + Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn an_account_cannot_be_locked_by_strangers_in_any_spelling_nor_by_many_tries_at_once() {
        let (limits, now) = (Limits::new(RATES), crate::clock::instant());
        limits.try_login(&client("alice"), now).unwrap();
        limits.try_login(&client("ALICE@corp.example"), now).unwrap();
        assert_eq!(limits.try_login(&client("alice"), now), Err(Limit::ClientFailures));
        limits.login_ended(&client("alice"), Ended::Failed, now);
        limits.login_ended(&client("alice"), Ended::Failed, now);
        assert_eq!(limits.try_login(&client("alice"), now), Err(Limit::ClientFailures));
        limits.try_login(&client("bob"), now).unwrap();
        limits.try_login(&client("alice"), now + RATES.failure_window).unwrap();
    }

    #[test]
    fn a_login_by_another_name_does_not_forgive_the_failures_of_this_one() {
        let (limits, now) = (Limits::new(RATES), crate::clock::instant());
        for _ in 0..2 {
            // A computer that anybody may have joined, and whose name differs by its sign only.
            limits.try_login(&client("alice"), now).unwrap();
            limits.login_ended(&client("alice"), Ended::Failed, now);
            if limits.try_login(&client("alice$"), now).is_ok() {
                limits.login_ended(&client("alice$"), Ended::Succeeded, now);
            }
        }
        assert_eq!(limits.try_login(&client("Alice"), now), Err(Limit::ClientFailures));
    }

    #[test]
    fn a_login_that_succeeds_forgives_the_account_and_not_the_address() {
        let (limits, now) = (Limits::new(RATES), crate::clock::instant());
        limits.try_login(&client("alice"), now).unwrap();
        limits.login_ended(&client("alice"), Ended::Failed, now);
        limits.try_login(&client("alice"), now).unwrap();
        limits.login_ended(&client("alice"), Ended::Succeeded, now);
        assert!(limits.lock().clients.is_empty());
        limits.request(address("192.0.2.1"), now).unwrap();
        for _ in 0..4 {
            limits.failure_from(address("192.0.2.1"), now);
        }
        assert_eq!(limits.request(address("192.0.2.1"), now), Err(Limit::AddressFailures));
        limits.request(address("192.0.2.1"), now + RATES.failure_window).unwrap();
    }
}
