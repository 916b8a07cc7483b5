//! Several keys of our own: which are tried, and how often.

use super::*;
use crate::error::ErrorCode;

const NEXT: &str = "unsafe N3xt password";

/// The key of a password of svc-broker.
fn key(password: &str) -> Key {
    Key::from_password(Etype::Aes256, password, b"CORP.EXAMPLEsvc-broker", None).unwrap()
}

/// A keytab with these keys, the oldest first, under both names of the account.
fn keytab(keys: &[Key]) -> Secret {
    let names = [user("svc-broker"), Principal::new(name("HTTP/broker.corp.example"), realm())];
    let mut keytab = Keytab::default();
    for (kvno, key) in (3..).zip(keys) {
        for name in &names {
            keytab.push(name.clone(), kvno, 0, key.clone());
        }
    }
    Secret::Keys(LongTermKeys::from_keytab(Arc::new(keytab), names.into()))
}

fn changing(present: Secret, next: &str) -> Secret {
    Secret::Changing { present: Box::new(present), next: Zeroizing::new(next.to_owned()) }
}

fn is_about_the_key(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::Kdc(refusal) if refusal.code == ErrorCode::KDC_ERR_PREAUTH_FAILED)
}

#[test]
fn the_newest_key_serves_and_the_older_is_not_tried() {
    let mut lab = Lab::new();
    lab.as_exchange(keytab(&[key("unsafe old"), key(PASSWORD)])).unwrap();
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn the_next_older_key_is_tried_once_where_the_newest_is_not_accepted() {
    let mut lab = Lab::new();
    let own = lab.as_exchange(keytab(&[key(PASSWORD), key(NEXT)])).unwrap();
    assert_eq!(lab.sent.len(), 3);
    lab.s4u2self(&own, "alice").unwrap();
    // Two versions back is never tried: the account would be locked in the end.
    let mut lab = Lab::new();
    let error = lab.as_exchange(keytab(&[key(PASSWORD), key(NEXT), key("unsafe third")])).unwrap_err();
    assert!(is_about_the_key(&error), "{error}");
    assert_eq!(lab.sent.len(), 3);
}

#[test]
fn an_older_version_with_the_same_key_is_not_tried_again() {
    let mut lab = Lab::new();
    let error = lab.as_exchange(keytab(&[key(NEXT), key(NEXT)])).unwrap_err();
    assert!(is_about_the_key(&error), "{error}");
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn a_single_trial_is_kept_to() {
    for secret in [keytab(&[key(PASSWORD), key(NEXT)]), changing(keytab(&[key(NEXT)]), PASSWORD)] {
        let mut lab = Lab::new();
        lab.trials = Trials::One;
        let error = lab.as_exchange(secret).unwrap_err();
        assert!(is_about_the_key(&error), "{error}");
        assert_eq!(lab.sent.len(), 2);
    }
}

#[test]
fn while_the_password_changes_either_of_the_two_serves() {
    for present in [keytab(&[key(PASSWORD)]), Lab::password()] {
        let mut lab = Lab::new();
        let secret = changing(present, NEXT);
        let before = lab.as_exchange(secret.clone()).unwrap();
        assert_eq!(lab.sent.len(), 2);
        lab.kdc.account_mut("svc-broker").unwrap().set_password(NEXT, &realm());
        // The ticket-granting ticket serves on, and the evidence is opened with the key that comes next.
        lab.s4u2self(&before, "alice").unwrap();
        lab.sent.clear();
        let after = lab.as_exchange(secret).unwrap();
        assert_eq!(lab.sent.len(), 3);
        lab.s4u2self(&after, "bob").unwrap();
    }
}

#[test]
fn the_version_of_our_key_is_read_from_a_ticket_that_it_opens() {
    let mut lab = Lab::new();
    lab.kdc.account_mut("svc-broker").unwrap().set_password(NEXT, &realm());
    let own = lab.as_exchange(keytab(&[key(NEXT)])).unwrap();
    let ticket = lab.tgs(&own, "HTTP/broker.corp.example").unwrap();
    assert_eq!(own.long_term_keys.version_in(&ticket), Ok(Some(4)));
    let other = LongTermKeys::from_keys(vec![key(PASSWORD)]);
    assert_eq!(other.version_in(&ticket), Err(crate::error::EvidenceError::TicketDecryption));
}
