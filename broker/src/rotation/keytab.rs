//! The keytab after a change: the new keys under every name of the account, and the old ones for as long as tickets under
//! them may live.

use std::{cmp::Reverse, time::Duration};

use kdc_proxy::{
    key::Key,
    keytab::{Entry, Keytab},
    principal::Principal,
};

/// How long after its replacement a key may still be asked for: a week, the longest renewable life of a ticket in a domain
/// that nobody has changed.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// `present` with `keys` of this `version` for every principal that shares a key with the account, whose own names are
/// `names`; `now` in seconds since 1970.
///
/// Old keys stay, save those whose successor has been in force for more than a week; the key before the newest stays always.
/// Doing this again with the same keys changes nothing.
pub(super) fn renewed(present: &Keytab, names: &[Principal], keys: &[Key], version: u32, now: u32) -> Keytab {
    let principals = sharing(present, names);
    let is_ours = |entry: &Entry| principals.iter().any(|name| name.eq_ignoring_type(entry.principal()));
    let is_present = |entry: &Entry| same_version(entry.kvno(), version);
    let mut keytab = present.clone();
    keytab.retain(|entry| !(is_ours(entry) && is_present(entry)));
    let versions = versions(&keytab, is_ours);
    keytab.retain(|entry| !is_ours(entry) || !has_served_its_time(entry.kvno(), &versions, now));
    for principal in &principals {
        for key in keys {
            keytab.push(principal.clone(), version, now, key.clone());
        }
    }
    keytab
}

/// The account's own names and all that have a key in common with them: they are names of the same account.
fn sharing(keytab: &Keytab, names: &[Principal]) -> Vec<Principal> {
    let is_own = |entry: &&Entry| names.iter().any(|name| name.eq_ignoring_case(entry.principal()));
    let own: Vec<&Key> = keytab.entries().iter().filter(is_own).filter_map(Entry::key).collect();
    let mut found: Vec<Principal> = Vec::new();
    for entry in keytab.entries() {
        let shares = entry.key().is_some_and(|key| own.iter().any(|own| own.is_same(key)));
        if shares && !found.iter().any(|name| name.eq_ignoring_type(entry.principal())) {
            found.push(entry.principal().clone());
        }
    }
    found
}

/// The versions of the account's keys, the newest first, with the earliest time at which each was written.
fn versions(keytab: &Keytab, is_ours: impl Fn(&Entry) -> bool) -> Vec<(u32, u32)> {
    let mut versions: Vec<(u32, u32)> = Vec::new();
    for entry in keytab.entries().iter().filter(|entry| is_ours(entry)) {
        match versions.iter_mut().find(|(version, _)| *version == entry.kvno()) {
            Some((_, written)) => *written = (*written).min(entry.timestamp()),
            None => versions.push((entry.kvno(), entry.timestamp())),
        }
    }
    versions.sort_unstable_by_key(|(version, _)| Reverse(*version));
    versions
}

/// Whether the key that came after `version` was written long ago. Where nobody noted when, the key stays.
fn has_served_its_time(version: u32, versions: &[(u32, u32)], now: u32) -> bool {
    let place = versions.iter().position(|(known, _)| *known == version);
    let successor = place.and_then(|place| versions.get(place.checked_sub(1)?));
    successor
        .is_some_and(|(_, written)| *written != 0 && u64::from(now.saturating_sub(*written)) > KEEP.as_secs())
}

/// Upper bits name a read-only domain controller, or were never written.
const fn same_version(one: u32, other: u32) -> bool {
    one & 0xffff == other & 0xffff
}

#[cfg(test)]
mod tests {
    use kdc_proxy::{
        key::Etype,
        principal::{PrincipalName, Realm},
    };

    use super::*;

    const NOW: u32 = 1_800_000_000;
    const WEEK: u32 = 7 * 24 * 3600;

    fn name(text: &str) -> Principal {
        Principal::new(text.parse::<PrincipalName>().unwrap(), Realm::new("CORP.EXAMPLE").unwrap())
    }

    fn key(octet: u8) -> Key {
        Key::new(Etype::Aes256, &[octet; 32]).unwrap()
    }

    fn names() -> [Principal; 2] {
        [name("svc-broker"), name("HTTP/broker.corp.example")]
    }

    /// The keytab after a change to this version, whose keys are made of the octet.
    fn after(present: &Keytab, version: u32, octet: u8) -> Keytab {
        let keys = [key(octet), Key::new(Etype::Aes128, &[octet; 16]).unwrap()];
        renewed(present, &names(), &keys, version, NOW)
    }

    /// Principal, version and etype of every entry.
    fn listed(keytab: &Keytab) -> Vec<(String, u32, i32)> {
        let line = |entry: &Entry| (entry.principal().name().joined(), entry.kvno(), entry.etype_number());
        keytab.entries().iter().map(line).collect()
    }

    #[test]
    fn new_keys_come_under_every_name_that_shares_a_key_with_the_account() {
        let mut present = Keytab::default();
        for principal in ["svc-broker", "HTTP/broker.corp.example", "host/other-name"] {
            present.push(name(principal), 3, NOW, key(3));
        }
        present.push(name("somebody-else"), 9, NOW, key(9));
        let renewed = after(&present, 4, 4);
        let listed = listed(&renewed);
        assert_eq!(listed.len(), 4 + 3 * 2);
        for principal in ["svc-broker", "HTTP/broker.corp.example", "host/other-name"] {
            for (version, etype) in [(3, 18), (4, 18), (4, 17)] {
                assert!(
                    listed.contains(&(principal.to_owned(), version, etype)),
                    "{principal} {version} {etype}"
                );
            }
        }
        assert!(listed.contains(&("somebody-else".to_owned(), 9, 18)));
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        let mut present = Keytab::default();
        present.push(name("svc-broker"), 3, NOW, key(3));
        let once = after(&present, 4, 4);
        let twice = after(&once, 4, 4);
        assert_eq!(once.to_bytes(), twice.to_bytes());
    }

    #[test]
    fn old_keys_go_once_their_successor_is_a_week_old_and_the_one_before_the_newest_never() {
        let mut present = Keytab::default();
        for (version, written) in [(2, NOW - 9 * WEEK), (3, NOW - 5 * WEEK), (4, NOW - WEEK - 1)] {
            present.push(name("svc-broker"), version, written, key(u8::try_from(version).unwrap()));
        }
        let versions = |keytab: &Keytab| keytab.entries().iter().map(Entry::kvno).collect::<Vec<_>>();
        assert_eq!(versions(&after(&present, 5, 5)), [4, 5, 5]);
        // A second rotation on the same day keeps all that tickets may be under.
        let mut present = Keytab::default();
        for (version, written) in [(3, NOW - 5 * WEEK), (4, NOW - 60)] {
            present.push(name("svc-broker"), version, written, key(u8::try_from(version).unwrap()));
        }
        assert_eq!(versions(&after(&present, 5, 5)), [3, 4, 5, 5]);
    }

    #[test]
    fn keys_of_which_nobody_noted_the_time_stay() {
        let mut present = Keytab::default();
        for version in [2, 3] {
            present.push(name("svc-broker"), version, 0, key(u8::try_from(version).unwrap()));
        }
        assert_eq!(after(&present, 4, 4).entries().len(), 4);
    }

    #[test]
    fn the_keys_of_another_account_are_never_touched() {
        let mut present = Keytab::default();
        present.push(name("svc-broker"), 3, NOW, key(3));
        for version in 1..5 {
            present.push(name("old-account"), version, 1, key(0x90 + u8::try_from(version).unwrap()));
        }
        let renewed = after(&present, 4, 4);
        assert_eq!(listed(&renewed).iter().filter(|(name, _, _)| name == "old-account").count(), 4);
    }
}
