//! Users and services of another realm.

use super::loopback::{AS_REQ, Port, TGS_REQ};
use super::*;
use crate::error::ErrorCode;
use crate::exchange::realms::{TrustedRealm, TrustedRealms};
use crate::testing::Realms;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn beta() -> Realm {
    Realm::new("BETA.EXAMPLE").unwrap()
}

pub(super) fn of_beta(text: &str) -> Principal {
    Principal::new(name(text), beta())
}

/// Our realm and beta, with a port each.
pub(super) struct World {
    pub(super) realms: Arc<Mutex<Realms>>,
    own: Port,
    beta: Port,
}

impl World {
    pub(super) async fn new() -> Self {
        let mut rng = system::random();
        let mut kdc_of_beta = Kdc::new(&beta(), &mut rng);
        kdc_of_beta.set_domain([21, 2, 2, 2]);
        let kdc_of_beta =
            kdc_of_beta.with(Account::new("user1", 2001, "x")).with(Account::new("user2", 2002, "x")).with(
                Account::new("DESK$", 1201, "desk")
                    .spn(name("TERMSRV/desk.beta.example"))
                    .allows("svc-broker@CORP.EXAMPLE"),
            );
        let realms = Realms::default().with(kdc()).with(kdc_of_beta).trusting(&realm(), &beta(), &mut rng);
        let realms = Arc::new(Mutex::new(realms));
        let (own, beta) = (port(&realms, realm()).await, port(&realms, beta()).await);
        Self { realms, own, beta }
    }

    pub(super) fn client(&self) -> Client {
        let settings = Settings {
            kdcs: [(realm(), vec![self.own.address.clone()]), (beta(), vec![self.beta.address.clone()])]
                .into(),
            trusted: TrustedRealms::new(vec![TrustedRealm { realm: beta(), domain_sid: None }]),
            ..settings(Vec::new())
        };
        Client::new(settings, password()).unwrap()
    }

    /// The TGS requests that came to our own realm and to beta.
    pub(super) fn asked(&self) -> (usize, usize) {
        (self.own.count(TGS_REQ), self.beta.count(TGS_REQ))
    }
}

async fn port(realms: &Arc<Mutex<Realms>>, realm: Realm) -> Port {
    let realms = Arc::clone(realms);
    Port::open(move |request| {
        let mut realms = realms.lock().unwrap();
        let reply = realms.kdc(&realm).unwrap().answer(request, system::now(), &mut system::random());
        [&u32::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat()
    })
    .await
}

#[tokio::test]
async fn users_of_another_realm_share_one_ticket_for_it() {
    let world = World::new().await;
    let client = world.client();
    let evidence = client.s4u2self(&of_beta("user1")).await.unwrap();
    assert_eq!(evidence.user(), &of_beta("user1"));
    assert_eq!(world.asked(), (2, 1));
    client.s4u2self(&of_beta("user2")).await.unwrap();
    assert_eq!(world.asked(), (3, 2), "the ticket for beta is used again");
    assert_eq!((world.own.count(AS_REQ), world.beta.count(AS_REQ)), (2, 0));
}

#[tokio::test]
async fn users_of_one_name_in_two_realms_are_two() {
    let world = World::new().await;
    let client = world.client();
    let ours = client.s4u2self(&user("user1")).await.unwrap();
    let theirs = client.s4u2self(&of_beta("user1")).await.unwrap();
    assert_eq!((ours.user(), theirs.user()), (&user("user1"), &of_beta("user1")));
    assert_eq!(theirs.pac().user_sid().to_string(), "S-1-5-21-2-2-2-2001");
    let asked = world.asked();
    assert!(Arc::ptr_eq(&ours, &client.s4u2self(&user("user1")).await.unwrap()));
    assert!(Arc::ptr_eq(&theirs, &client.s4u2self(&of_beta("user1")).await.unwrap()));
    assert_eq!(world.asked(), asked);
    let desk = name("TERMSRV/desk1.corp.example");
    let ticket = client.s4u2proxy(&theirs, &desk, HOUR).await.unwrap();
    assert_eq!(ticket.client(), &of_beta("user1"));
    assert_eq!(client.s4u2proxy(&ours, &desk, HOUR).await.unwrap().client(), &user("user1"));
}

#[tokio::test]
async fn a_service_of_another_realm_is_reached_for_users_of_both() {
    let world = World::new().await;
    let client = world.client();
    let desk = name("TERMSRV/desk.beta.example");
    for user in [user("user1"), of_beta("user1")] {
        let evidence = client.s4u2self(&user).await.unwrap();
        let ticket = client.s4u2proxy(&evidence, &desk, HOUR).await.unwrap();
        assert_eq!((ticket.client(), ticket.server().realm()), (&user, &beta()));
        let asked = world.asked();
        assert!(Arc::ptr_eq(&ticket, &client.s4u2proxy(&evidence, &desk, HOUR).await.unwrap()));
        assert_eq!(world.asked(), asked, "it is kept like one of our own realm");
    }
}

#[tokio::test]
async fn a_service_of_another_realm_is_reached_in_our_own_name() {
    let world = World::new().await;
    let ticket = world.client().service_ticket(&name("TERMSRV/desk.beta.example"), HOUR).await.unwrap();
    assert_eq!((ticket.client(), ticket.server().realm()), (&user("svc-broker"), &beta()));
    assert!(ticket.endtime() <= system::now() + HOUR);
    assert_eq!(world.asked(), (1, 1));
}

#[tokio::test]
async fn a_ticket_that_another_realm_no_longer_accepts_is_obtained_anew() {
    let world = World::new().await;
    let client = world.client();
    client.s4u2self(&of_beta("user1")).await.unwrap();
    world.realms.lock().unwrap().kdc(&beta()).unwrap().refuse_next(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
    client.s4u2self(&of_beta("user2")).await.unwrap();
    assert_eq!(world.own.count(AS_REQ), 4, "the own ticket is obtained anew");
    // Beta's ticket twice, each login's last step, and none for the refused one.
    assert_eq!(world.asked(), (4, 3));
}

#[tokio::test]
async fn a_kdc_of_another_realm_that_is_away_is_passed_over() {
    let world = World::new().await;
    let mut settings = world.client().settings.clone();
    settings.kdcs.get_mut(&beta()).unwrap().insert(0, Port::closed().await);
    let client = Client::new(settings, password()).unwrap();
    assert_eq!(client.s4u2self(&of_beta("user1")).await.unwrap().user(), &of_beta("user1"));
}

#[tokio::test]
async fn the_realm_whose_kdc_refuses_is_told() {
    let world = World::new().await;
    let error = world.client().s4u2self(&of_beta("nobody")).await.unwrap_err();
    let ClientError::KdcRefused { stage, realm, code, .. } = error else { panic!("{error}") };
    assert_eq!((stage, realm, code), (Stage::S4u2Self, beta(), ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN));
}

#[tokio::test]
async fn a_user_of_a_realm_that_is_not_configured_makes_no_request() {
    let world = World::new().await;
    let gamma = Realm::new("GAMMA.EXAMPLE").unwrap();
    let stranger = Principal::new(name("user1"), gamma.clone());
    let error = world.client().s4u2self(&stranger).await.unwrap_err();
    assert_eq!(error, ClientError::Request(RequestError::ForeignUser(gamma)));
    assert_eq!(world.asked(), (0, 0));
}

#[test]
fn a_trusted_realm_needs_kdcs_and_is_neither_our_own_nor_there_twice_by_name_or_domain() {
    let refusal = |trusted: &[&str]| {
        let trusted =
            trusted.iter().map(|name| TrustedRealm { realm: Realm::new(name).unwrap(), domain_sid: None });
        let trusted = TrustedRealms::new(trusted.collect());
        let kdcs = [(realm(), somewhere()), (beta(), somewhere())].into();
        let settings = Settings { kdcs, trusted, ..settings(Vec::new()) };
        Client::new(settings, password()).err()
    };
    assert_eq!(refusal(&["BETA.EXAMPLE"]), None);
    let gamma = Realm::new("GAMMA.EXAMPLE").unwrap();
    assert_eq!(refusal(&["GAMMA.EXAMPLE"]), Some(SettingsError::NoKdcs(gamma)));
    let own = Realm::new("Corp.Example").unwrap();
    assert_eq!(refusal(&["Corp.Example"]), Some(SettingsError::RealmTwice(own)));
    assert_eq!(refusal(&["BETA.EXAMPLE", "BETA.EXAMPLE"]), Some(SettingsError::RealmTwice(beta())));

    let gamma = Realm::new("GAMMA.EXAMPLE").unwrap();
    let domain = crate::message::pac::Sid::parse(&[1, 1, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0]);
    let with_sid = |realm: &Realm| TrustedRealm { realm: realm.clone(), domain_sid: domain.clone() };
    let kdcs = [realm(), beta(), gamma.clone()].map(|realm| (realm, somewhere())).into();
    let trusted = TrustedRealms::new(vec![with_sid(&beta()), with_sid(&gamma)]);
    let settings = Settings { kdcs, trusted, ..settings(Vec::new()) };
    assert_eq!(Client::new(settings, password()).unwrap_err(), SettingsError::DomainTwice(gamma));
}
