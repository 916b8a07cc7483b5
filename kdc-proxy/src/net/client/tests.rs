mod across;
mod credential;
mod failover;
mod forged_kdc;
mod loopback;
mod outage;
mod preference;
mod tickets;

use std::collections::BTreeMap;
use std::time::Duration;

use zeroize::Zeroizing;

use super::*;
use crate::key::{Etype, Key};
use crate::keytab::Keytab;
use crate::net::system;
use crate::principal::Realm;
use crate::testing::{Account, Kdc};
use loopback::SharedKdc;

const PASSWORD: &str = "correct horse battery staple";

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").unwrap()
}

fn name(text: &str) -> PrincipalName {
    text.parse().unwrap()
}

fn user(text: &str) -> Principal {
    Principal::new(name(text), realm())
}

/// A realm with the service, two users, a desktop the service may act at, and one it may not.
fn kdc() -> Kdc {
    kdc_with_users(2)
}

fn kdc_with_users(count: u32) -> Kdc {
    let service = Account::new("svc-broker", 1103, PASSWORD)
        .spn(name("HTTP/broker.corp.example"))
        .trusted_to_authenticate_for_delegation()
        .delegates_to(name("TERMSRV/desk1.corp.example"));
    let mut kdc = Kdc::new(&realm(), &mut system::random())
        .with(service)
        .with(Account::new("DESK1$", 1201, "desk1").spn(name("TERMSRV/desk1.corp.example")))
        .with(Account::new("DESK2$", 1202, "desk2").spn(name("TERMSRV/desk2.corp.example")));
    for index in 1..=count {
        kdc = kdc.with(Account::new(&format!("user{index}"), 2000 + index, "x"));
    }
    kdc
}

fn shared() -> SharedKdc {
    SharedKdc::new(kdc())
}

fn settings(kdcs: Vec<Endpoint>) -> Settings {
    Settings {
        realm: realm(),
        service: name("svc-broker"),
        s4u2self_name: name("HTTP/broker.corp.example"),
        kdcs: [(realm(), kdcs)].into(),
        trusted: crate::exchange::realms::TrustedRealms::default(),
        connect_timeout: Duration::from_secs(2),
        exchange_timeout: Duration::from_secs(10),
        allow_rc4: false,
        renew_before: Duration::from_secs(600),
        max_clock_offset: Duration::from_secs(300),
        s4u_cache: Duration::from_secs(60),
    }
}

fn password() -> Credential {
    Credential::Password(Zeroizing::new(PASSWORD.to_owned()))
}

fn client(kdcs: Vec<Endpoint>) -> Client {
    Client::new(settings(kdcs), password()).unwrap()
}

fn somewhere() -> Vec<Endpoint> {
    vec!["dc1.corp.example".parse().unwrap()]
}

fn keytab(principal: &str, etype: Etype) -> Credential {
    let key = Key::from_password(etype, PASSWORD, b"CORP.EXAMPLEsvc-broker", None).unwrap();
    let mut keytab = Keytab::default();
    keytab.push(user(principal), 3, 0, key);
    Credential::Keytab(keytab)
}

#[test]
fn a_client_whose_realm_is_not_among_the_realms_is_not_made() {
    let settings = Settings { kdcs: BTreeMap::new(), ..settings(Vec::new()) };
    assert_eq!(Client::new(settings, password()).unwrap_err(), SettingsError::NoKdcs(realm()));
}

#[test]
fn a_timeout_of_zero_is_refused() {
    let settings = Settings { exchange_timeout: Duration::ZERO, ..settings(somewhere()) };
    assert_eq!(Client::new(settings, password()).unwrap_err(), SettingsError::ZeroTimeout);
}

#[test]
fn an_empty_password_is_refused() {
    let empty = Credential::Password(Zeroizing::new(String::new()));
    assert_eq!(Client::new(settings(somewhere()), empty).unwrap_err(), SettingsError::EmptyPassword);
}

#[test]
fn a_ticket_granting_service_is_no_service_account() {
    let settings = Settings { service: PrincipalName::krbtgt(&realm()), ..settings(somewhere()) };
    assert_eq!(Client::new(settings, password()).unwrap_err(), SettingsError::TicketGranting);
}

#[test]
fn a_keytab_without_a_key_of_ours_is_refused_and_its_principals_are_named() {
    let error = Client::new(settings(somewhere()), keytab("other", Etype::Aes256)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "keytab has no aes key for svc-broker@CORP.EXAMPLE or HTTP/broker.corp.example@CORP.EXAMPLE; \
         it has keys for other@CORP.EXAMPLE"
    );
}

#[test]
fn a_keytab_with_an_rc4_key_serves_only_where_rc4_is_allowed() {
    let credential = || keytab("svc-broker", Etype::Rc4);
    assert!(Client::new(settings(somewhere()), credential()).is_err());
    let lenient = Settings { allow_rc4: true, ..settings(somewhere()) };
    assert!(Client::new(lenient, credential()).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?} {:?}", client(somewhere()), password());
    assert!(!shown.contains("horse"), "{shown}");
}
