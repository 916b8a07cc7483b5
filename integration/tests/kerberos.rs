//! `kdc-proxy` against the real KDC, and what it writes read by MIT's tools. No broker takes part.

use std::sync::Arc;
use std::time::Duration;

use integration::lab::Lab;
use kdc_proxy::ccache::{CCache, Placeholder};
use kdc_proxy::error::ErrorCode;
use kdc_proxy::keytab::Keytab;
use kdc_proxy::net::client::{Client, ClientError, Credential, Settings, Stage};
use kdc_proxy::net::locate::KdcAddress;
use kdc_proxy::net::transport::Endpoint;
use kdc_proxy::principal::{Principal, PrincipalName, Realm};
use kdc_proxy::ticket::ServiceTicket;
use zeroize::Zeroizing;

const HOUR: Duration = Duration::from_secs(3600);

fn settings(kdcs: Vec<Endpoint>) -> Settings {
    Settings {
        realm: Realm::new("CORP.EXAMPLE").unwrap(),
        service: PrincipalName::principal("svc-broker").unwrap(),
        s4u2self_name: PrincipalName::service("HTTP", "broker.corp.example").unwrap(),
        kdcs: [(Realm::new("CORP.EXAMPLE").unwrap(), kdcs)].into(),
        trusted: kdc_proxy::exchange::realms::TrustedRealms::default(),
        connect_timeout: Duration::from_secs(2),
        exchange_timeout: Duration::from_secs(10),
        allow_rc4: false,
        renew_before: Duration::from_secs(300),
        max_clock_offset: Duration::from_secs(300),
        s4u_cache: Duration::ZERO,
    }
}

fn kdc(lab: &Lab) -> Endpoint {
    KdcAddress::new(&lab.controller().address().to_string(), 88).unwrap().into()
}

/// An address of the lab's network where nobody answers or refuses.
fn nobody(lab: &Lab) -> Endpoint {
    KdcAddress::new(&lab.network().address(9).to_string(), 88).unwrap().into()
}

pub(crate) fn by_keytab(lab: &Lab) -> Client {
    let keytab = Keytab::parse(&lab.controller().keytab("svc-broker").unwrap()).unwrap();
    Client::new(settings(vec![kdc(lab)]), Credential::Keytab(keytab)).unwrap()
}

fn by_password(lab: &Lab, password: &str) -> Client {
    let credential = Credential::Password(Zeroizing::new(password.to_owned()));
    Client::new(settings(vec![kdc(lab)]), credential).unwrap()
}

pub(crate) fn person(name: &str) -> Principal {
    Principal::new(PrincipalName::principal(name).unwrap(), Realm::new("CORP.EXAMPLE").unwrap())
}

async fn ticket(client: &Client, name: &str, spn: &str) -> Result<Arc<ServiceTicket>, ClientError> {
    let evidence = client.s4u2self(&person(name)).await?;
    client.s4u2proxy(&evidence, &spn.parse().unwrap(), HOUR).await
}

fn refusal(error: &ClientError) -> (Stage, ErrorCode) {
    match error {
        ClientError::KdcRefused { stage, code, .. } => (*stage, *code),
        other => panic!("the kdc did not refuse: {other}"),
    }
}

#[tokio::test]
async fn the_service_logs_in_by_keytab_and_by_password() {
    let lab = Lab::shared().unwrap();
    for client in [by_keytab(&lab), by_password(&lab, "svc-broker-Passw0rd")] {
        let status = client.service_tgt().await.unwrap();
        assert_eq!(status.kdc, kdc(&lab));
        assert!(status.endtime > integration::wait::now() + 8 * HOUR);
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_the_as_exchange() {
    let lab = Lab::shared().unwrap();
    let error = by_password(&lab, "wrong").service_tgt().await.unwrap_err();
    assert_eq!(refusal(&error), (Stage::As, ErrorCode::KDC_ERR_PREAUTH_FAILED));
}

#[tokio::test]
async fn evidence_names_the_person_by_the_sid_the_directory_has() {
    let lab = Lab::shared().unwrap();
    let evidence = by_keytab(&lab).s4u2self(&person("alice")).await.unwrap();
    assert_eq!(evidence.pac().user_sid().to_string(), lab.controller().sid("alice").unwrap());
    assert_eq!(evidence.user().to_string(), "alice@CORP.EXAMPLE");
    assert!(evidence.is_forwardable());
}

#[tokio::test]
async fn tickets_come_by_the_services_list_and_by_the_targets_own() {
    let lab = Lab::shared().unwrap();
    let client = by_keytab(&lab);
    for spn in ["TERMSRV/desk1.corp.example", "host/desk1.corp.example", "TERMSRV/desk2.corp.example"] {
        let ticket = ticket(&client, "alice", spn).await.unwrap();
        assert_eq!(ticket.server().name().to_string(), spn);
        assert_eq!(ticket.client().to_string(), "alice@CORP.EXAMPLE");
        let latest = integration::wait::now() + HOUR + Duration::from_secs(60);
        assert!(ticket.endtime() < latest, "{spn}: the lifetime asked for is not kept");
    }
}

#[tokio::test]
async fn delegation_that_nobody_set_up_is_refused_at_s4u2proxy() {
    let lab = Lab::shared().unwrap();
    let error = ticket(&by_keytab(&lab), "alice", "TERMSRV/desk3.corp.example").await.unwrap_err();
    assert_eq!(refusal(&error), (Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION));
}

#[tokio::test]
async fn a_target_the_directory_does_not_know_is_refused_at_s4u2proxy() {
    let lab = Lab::shared().unwrap();
    let error = ticket(&by_keytab(&lab), "alice", "TERMSRV/desk9.corp.example").await.unwrap_err();
    assert_eq!(refusal(&error), (Stage::S4u2Proxy, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN));
}

#[tokio::test]
async fn a_sensitive_person_has_evidence_that_delegates_nothing() {
    let lab = Lab::shared().unwrap();
    let client = by_keytab(&lab);
    let evidence = client.s4u2self(&person("sam")).await.unwrap();
    assert!(!evidence.is_forwardable());
    for spn in ["TERMSRV/desk1.corp.example", "TERMSRV/desk2.corp.example"] {
        let asked = client.s4u2proxy(&evidence, &spn.parse().unwrap(), HOUR).await;
        assert!(asked.is_err(), "{spn} was delegated");
    }
}

#[tokio::test]
async fn people_who_may_not_log_in_have_no_evidence() {
    let lab = Lab::shared().unwrap();
    let client = by_keytab(&lab);
    for name in ["dave", "eve", "lou", "nobody"] {
        let error = client.s4u2self(&person(name)).await.unwrap_err();
        assert_eq!(refusal(&error).0, Stage::S4u2Self, "{name}");
    }
}

#[tokio::test]
async fn the_next_kdc_of_the_list_is_asked_when_the_first_is_silent() {
    let lab = Lab::shared().unwrap();
    let keytab = Keytab::parse(&lab.controller().keytab("svc-broker").unwrap()).unwrap();
    let both = settings(vec![nobody(&lab), kdc(&lab)]);
    let client = Client::new(both, Credential::Keytab(keytab.clone())).unwrap();
    assert_eq!(client.service_tgt().await.unwrap().kdc, kdc(&lab));

    let client = Client::new(settings(vec![nobody(&lab)]), Credential::Keytab(keytab)).unwrap();
    let error = client.service_tgt().await.unwrap_err();
    assert!(matches!(&error, ClientError::KdcUnavailable { attempts } if attempts.len() == 1), "{error}");
}

#[tokio::test]
async fn klist_reads_our_credential_cache() {
    let lab = Lab::shared().unwrap();
    let client = by_keytab(&lab);
    let desk1 = ticket(&client, "alice", "host/desk1.corp.example").await.unwrap();
    let desk2 = ticket(&client, "alice", "HTTP/desk2.corp.example").await.unwrap();
    let tickets = [desk1.as_ref(), desk2.as_ref()];
    let cache = CCache::for_service_tickets(&person("alice"), &tickets, Placeholder::None).unwrap();

    let mit = lab.client("ccache").unwrap();
    mit.write("/lab/alice.cc", &cache.to_bytes(), "600").unwrap();
    let listed = mit.run(&["klist", "-fe", "-c", "/lab/alice.cc"]).unwrap();
    assert!(listed.contains("Default principal: alice@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains("host/desk1.corp.example@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains("HTTP/desk2.corp.example@CORP.EXAMPLE"), "{listed}");
    assert!(listed.contains("aes256-cts-hmac-sha1-96") && !listed.contains("krbtgt"), "{listed}");
}

#[tokio::test]
async fn kinit_logs_in_with_a_keytab_that_we_wrote() {
    let lab = Lab::shared().unwrap();
    let keytab = Keytab::parse(&lab.controller().keytab("svc-broker").unwrap()).unwrap();
    let mit = lab.client("keytab").unwrap();
    mit.write("/lab/ours.keytab", &keytab.to_bytes(), "600").unwrap();
    let listed = mit.run(&["klist", "-kte", "/lab/ours.keytab"]).unwrap();
    assert!(listed.contains("HTTP/broker.corp.example@CORP.EXAMPLE (aes256-cts-hmac-sha1-96)"), "{listed}");
    mit.run(&["kinit", "-k", "-t", "/lab/ours.keytab", "svc-broker"]).unwrap();
}
