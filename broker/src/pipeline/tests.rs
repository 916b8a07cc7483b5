use std::net::SocketAddr;

use kdc_proxy::net::client::{Client, Credential, Settings as ClientSettings};
use kdc_proxy::principal::{PrincipalName, Realm};
use zeroize::Zeroizing;

use super::*;
use crate::directory::Witness;
use crate::directory::testing::{alone, nowhere};
use crate::entropy;
use crate::handoff;
use crate::identity::testing::{Authority, days, now, peer, trusting, validator};
use crate::policy::testing::{policy, rule};
use crate::tickets;

const PATIENCE: Duration = Duration::from_secs(5);

/// A line whose directory and domain controllers do not answer: what happens before they are asked.
fn line(root: &Authority) -> Line {
    let desk = Desk::new(handoff::Settings::default(), issuer());
    Line {
        gateways: ["gw1".to_owned()].into(),
        validator: Arc::new(validator(trusting(&[root]))),
        domains: Arc::new(alone(nowhere())),
        policy: Arc::new(policy(vec![rule("desktop-users")])),
        targets: Arc::default(),
        shadow: Shadow::new(crate::metrics::Metrics::new().policy().tally()),
        is_controller: Arc::new(|_| false),
        issuer: issuer(),
        desk: Arc::new(desk),
    }
}

fn closed() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

fn issuer() -> Arc<Issuer> {
    let realm = Realm::new("CORP.EXAMPLE").expect("a realm");
    let account = PrincipalName::principal("svc-broker").expect("a name");
    let spn: PrincipalName = "HTTP/broker.corp.example".parse().expect("a name");
    let settings = ClientSettings {
        realm: realm.clone(),
        service: account.clone(),
        s4u2self_name: spn.clone(),
        kdcs: [(realm.clone(), vec![closed().to_string().parse().expect("an address")])].into(),
        trusted: kdc_proxy::exchange::realms::TrustedRealms::default(),
        connect_timeout: PATIENCE,
        exchange_timeout: PATIENCE,
        allow_rc4: false,
        renew_before: PATIENCE,
        max_clock_offset: PATIENCE,
        s4u_cache: Duration::ZERO,
    };
    let password = Credential::Password(Zeroizing::new("unsafe".to_owned()));
    let client = Client::new(settings, password).expect("sound settings");
    let own = tickets::Settings {
        realm,
        trusted: Vec::new(),
        account,
        spn,
        session_lifetime: Duration::from_secs(3600),
    };
    let witness = Witness::new(Arc::new(nowhere()));
    Arc::new(Issuer::new(Arc::new(client), own, witness))
}

fn request(gateway: &str, target: &str) -> LoginRequest {
    LoginRequest {
        gateway: gateway.to_owned(),
        target: target.to_owned(),
        user: None,
        origin: Origin::direct(closed().ip()),
        login_id: "0123456789abcdef".to_owned(),
        answer_by: crate::clock::instant() + PATIENCE,
    }
}

async fn refused(
    root: &Authority,
    peer: Option<PeerCertificates>,
    request: LoginRequest,
    now: SystemTime,
) -> (&'static str, Step) {
    let line = line(root);
    let mut rng = entropy::system();
    let login = line.login(peer, &request, now, || Duration::ZERO, &mut rng).await;
    let refusal = login.expect_err("nobody answers");
    assert_eq!(line.desk.sweep(now), handoff::Census::default(), "a refused login leaves nothing behind");
    (refusal.code(), refusal.step())
}

#[test]
fn a_login_may_move_between_threads() {
    fn moves(_: impl Send) {}
    let (line, request) = (line(&Authority::root("Root")), request("gw1", "desk1.corp.example"));
    let mut rng = entropy::system();
    moves(line.login(None, &request, now(), || Duration::ZERO, &mut rng));
}

#[tokio::test]
async fn an_unknown_gateway_and_a_bad_target_are_refused_before_anybody_is_asked() {
    let root = Authority::root("Root");
    let card = || Some(peer(&[&root.card()]));
    let unknown = refused(&root, card(), request("gw9", "desk1.corp.example"), now()).await;
    assert_eq!(unknown, ("gateway_unknown", Step::Request));
    for target in ["", "desk1", "desk1.corp.example/x", "*.corp.example"] {
        let bad = refused(&root, card(), request("gw1", target), now()).await;
        assert_eq!(bad, ("request_invalid", Step::Request), "{target:?}");
    }
}

#[tokio::test]
async fn a_stranger_does_not_learn_which_gateways_there_are() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    for gateway in ["gw1", "gw9"] {
        let asked = || request(gateway, "desk1.corp.example");
        let without = refused(&root, None, asked(), now()).await;
        assert_eq!(without, ("certificate_missing", Step::Validate), "{gateway}");
        let foreign = refused(&root, Some(peer(&[&other.card()])), asked(), now()).await;
        assert_eq!(foreign, ("certificate_untrusted", Step::Validate), "{gateway}");
    }
}

#[test]
fn the_time_left_is_counted_from_the_moment_of_asking() {
    let end = now() + PATIENCE;
    assert_eq!(left(end, now()), Ok(PATIENCE));
    assert_eq!(left(end, end), Err(HandOffError::NoTimeLeft { end, with: EndsWith::Certificate }));
}

#[tokio::test]
async fn a_login_without_a_card_is_refused() {
    let root = Authority::root("Root");
    let none = refused(&root, None, request("gw1", "desk1.corp.example"), now()).await;
    assert_eq!(none, ("certificate_missing", Step::Validate));
}

#[tokio::test]
async fn a_foreign_and_an_expired_card_are_refused_at_the_first_step() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let asked = || request("gw1", "desk1.corp.example");
    let foreign = refused(&root, Some(peer(&[&other.card()])), asked(), now()).await;
    assert_eq!(foreign, ("certificate_untrusted", Step::Validate));
    let late = now() + days(40_000);
    let expired = refused(&root, Some(peer(&[&root.card()])), asked(), late).await;
    assert_eq!(expired, ("certificate_expired", Step::Validate));
}

#[tokio::test]
async fn a_good_card_gets_as_far_as_a_directory_that_does_not_answer() {
    let root = Authority::root("Root");
    let card = Some(peer(&[&root.card()]));
    let silent = refused(&root, card, request("gw1", "desk1.corp.example"), now()).await;
    assert_eq!(silent, ("directory_unavailable", Step::Resolve));
}
