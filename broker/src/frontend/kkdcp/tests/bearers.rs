//! Tokens of sessions: what they let their bearer ask, and when they end.

use std::time::SystemTime;

use super::*;
use crate::{
    clock,
    handoff::{
        Desk, ProxyTokens, Token,
        testing::{SETTINGS, Source, opening},
    },
};

/// A desk of which one session is in use, and the token of that session.
struct Session {
    desk: Desk<Source>,
    id: Token<16>,
    tokens: Arc<ProxyTokens>,
    token: String,
}

impl Session {
    /// A session of this account of CORP.EXAMPLE.
    fn of(account: &str) -> Self {
        Self::in_realm(account, "CORP.EXAMPLE")
    }

    fn in_realm(account: &str, realm: &str) -> Self {
        let url = "https://kkdcp.corp.example/KdcProxy".to_owned();
        let tokens = Arc::new(ProxyTokens::new(url, SETTINGS.max_sessions));
        let desk = Desk::new(SETTINGS, Arc::new(Source::default()));
        let desk = desk.with_proxy_tokens(Some(Arc::clone(&tokens)));
        let (now, mut rng) = (clock::now(), crate::entropy::system());
        let mut opening = opening(now + Duration::from_secs(600));
        account.clone_into(&mut opening.facts.subject.sam_account_name);
        opening.facts.subject.upn = format!("{account}@corp.example");
        realm.clone_into(&mut opening.facts.subject.realm);
        let code = desk.open(opening, now, &mut rng).unwrap().code();
        let (id, _) = desk.redeem(&code, "gw1", now, &mut rng).unwrap();
        let access = desk.proxy_access(&id, "gw1", now, &mut rng).unwrap().unwrap();
        let token = access.url().rsplit_once('/').unwrap().1.to_owned();
        Self { desk, id, tokens, token }
    }

    fn end(&self, now: SystemTime) {
        self.desk.end(&self.id.text(), "gw1", now).unwrap();
    }

    /// A proxy that knows the session's token and admits nobody else.
    async fn scene(&self, code: u8) -> Scene {
        let tokens = Some(Arc::clone(&self.tokens));
        Scene::admitting(code, "nobody", Admission { open: false, tokens, ..open() }).await
    }

    async fn post(&self, scene: &Scene, body: Vec<u8>) -> StatusCode {
        scene.post_to(&format!("/KdcProxy/{}", self.token), body).await.0
    }
}

/// A request of the recorded login, by its place; all are of svc-broker.
fn recorded(place: usize) -> Vec<u8> {
    let samples = include_str!("../../../../../kdc-proxy/tests/vectors/samba_4_22_login.txt");
    let message = octets(samples.lines().nth(place + 1).unwrap().split_once(' ').unwrap().0);
    encode_request(&Realm::new("CORP.EXAMPLE").unwrap(), &message).unwrap()
}

#[tokio::test]
async fn the_bearer_of_a_token_logs_in_as_the_sessions_person_and_as_nobody_else() {
    let own = Session::of("SVC-broker");
    let scene = own.scene(25).await;
    assert_eq!(own.post(&scene, wrapped("CORP.EXAMPLE")).await, StatusCode::OK);
    assert_eq!(own.post(&scene, plain()).await, StatusCode::OK, "a tgs-req does not say whose it is");
    let other = Session::of("alice");
    let scene = other.scene(25).await;
    assert_eq!(other.post(&scene, wrapped("CORP.EXAMPLE")).await, StatusCode::FORBIDDEN);
    let abroad = Session::in_realm("svc-broker", "BETA.EXAMPLE");
    let scene_abroad = abroad.scene(25).await;
    for request in [recorded(1), plain()] {
        assert_eq!(abroad.post(&scene_abroad, request).await, StatusCode::FORBIDDEN);
    }
    for scene in [scene, scene_abroad] {
        assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
    }
}

/// The recorded S4U2Self, as a request for nobody else: without PA-FOR-USER (129) and PA-S4U-X509-USER (130).
fn plain() -> Vec<u8> {
    let mut body = recorded(2);
    for kind in [129, 130] {
        while let Some(at) = body.windows(4).position(|octets| octets == [0x02, 0x02, 0x00, kind]) {
            body[at + 3] = 149;
        }
    }
    body
}

#[tokio::test]
async fn a_service_that_asks_in_the_persons_name_needs_a_ticket_that_came_by_the_token() {
    // The answers to these requests name the person, and not the service that made them.
    let session = Session::of("alice");
    let scene = session.scene(25).await;
    for request in [recorded(2), recorded(3)] {
        assert_eq!(session.post(&scene, request).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
    let pass = session.tokens.find(&session.token, clock::now()).unwrap();
    let request = ProxyRequest::parse(&recorded(2)).unwrap();
    pass.remember(request.content().ticket().unwrap());
    assert_eq!(session.post(&scene, recorded(2)).await, StatusCode::OK);
}

#[tokio::test]
async fn a_token_ends_with_its_session() {
    let session = Session::of("svc-broker");
    let scene = session.scene(25).await;
    assert_eq!(session.post(&scene, wrapped("CORP.EXAMPLE")).await, StatusCode::OK);
    session.end(clock::now());
    assert_eq!(session.post(&scene, wrapped("CORP.EXAMPLE")).await, StatusCode::NOT_FOUND);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_a_token_or_with_a_wrong_one_no_kdc_is_asked_and_guessing_ends() {
    let session = Session::of("svc-broker");
    let scene = session.scene(25).await;
    assert_eq!(scene.post(wrapped("CORP.EXAMPLE")).await.0, StatusCode::FORBIDDEN);
    let guess = format!("/KdcProxy/{}", "A".repeat(43));
    for _ in 0..50 {
        assert_eq!(scene.post_to(&guess, wrapped("CORP.EXAMPLE")).await.0, StatusCode::NOT_FOUND);
    }
    let limited = scene.post_to(&guess, wrapped("CORP.EXAMPLE")).await.0;
    assert_eq!(limited, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_token_is_no_token_of_a_proxy_without_sessions() {
    let session = Session::of("svc-broker");
    let scene = Scene::new(25, "nobody").await;
    assert_eq!(session.post(&scene, wrapped("CORP.EXAMPLE")).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_armored_login_by_a_token_is_refused_even_where_armor_is_allowed() {
    let session = Session::of("svc-broker");
    let pass = session.tokens.find(&session.token, clock::now()).unwrap();
    let admitted = admission::Admitted::Session { pass, kpasswd: false };
    // PA-FX-FAST (136) in the place of PA-REQ-ENC-PA-REP (149).
    let mut body = wrapped("CORP.EXAMPLE");
    let at = body.windows(4).position(|octets| octets == [0x02, 0x02, 0x00, 149]).unwrap();
    body[at + 3] = 136;
    let request = ProxyRequest::parse(&body).unwrap();
    assert!(matches!(admitted.check(&request), Err(Refused::Armored)));
}

#[tokio::test]
async fn an_answer_for_somebody_else_and_one_after_the_end_of_the_session_are_kept_back() {
    let samples = include_str!("../../../../../kdc-proxy/tests/vectors/samba_4_22_login.txt");
    let reply = octets(samples.lines().nth(2).unwrap().split_once(' ').unwrap().1);
    let request = ProxyRequest::parse(&recorded(1)).unwrap();
    let answer = KdcAnswer::read(&reply, request.content()).unwrap();
    let KdcAnswer::Ticket { ticket, .. } = &answer else { panic!("a ticket") };
    let admitted = |session: &Session| {
        let pass = session.tokens.find(&session.token, clock::now()).unwrap();
        (admission::Admitted::Session { pass: Arc::clone(&pass), kpasswd: true }, pass)
    };
    let (own, other) = (Session::of("svc-broker"), Session::of("alice"));
    let (admitted_own, pass) = admitted(&own);
    assert!(!pass.remembers(ticket));
    admitted_own.check_answer(&answer, clock::now()).unwrap();
    assert!(pass.remembers(ticket));
    let (admitted_other, pass) = admitted(&other);
    assert!(matches!(admitted_other.check_answer(&answer, clock::now()), Err(Refused::OtherClient)));
    assert!(!pass.remembers(ticket));
    own.end(clock::now());
    assert!(matches!(admitted_own.check_answer(&answer, clock::now()), Err(Refused::Token)));
}

#[test]
fn a_password_is_changed_only_where_it_is_allowed_and_only_by_a_ticket_that_came_by_the_token() {
    let sample = octets(include_str!("../../../../../kdc-proxy/tests/vectors/kkdcp_kpasswd.hex"));
    let request = ProxyRequest::parse(&sample).unwrap();
    let session = Session::in_realm("admin", "FREEIPA.LOCAL");
    let pass = session.tokens.find(&session.token, clock::now()).unwrap();
    let admitted = |kpasswd| admission::Admitted::Session { pass: Arc::clone(&pass), kpasswd };
    assert!(matches!(admitted(false).check(&request), Err(Refused::Kpasswd)));
    assert!(matches!(admitted(true).check(&request), Err(Refused::OtherTicket)));
    pass.remember(request.content().ticket().unwrap());
    admitted(true).check(&request).unwrap();
}
