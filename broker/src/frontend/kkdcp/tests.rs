//! The proxy over HTTP, before a server on loopback that answers every message with one KRB-ERROR.

mod bearers;
mod listening;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use kdc_proxy::{
    message::kdc_proxy::{decode_reply, encode_request},
    net::{locate::KdcAddress, relay, relay::Servers, transport::Deadlines},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::ServiceExt as _;

use super::*;
use crate::{identity::PeerError, metrics::Metrics};

/// The AS-REQ with a proof of a recorded login; its client is svc-broker of CORP.EXAMPLE.
fn as_req() -> Vec<u8> {
    let samples = include_str!("../../../../kdc-proxy/tests/vectors/samba_4_22_login.txt");
    octets(samples.lines().nth(2).unwrap().split_once(' ').unwrap().0)
}

/// The KRB-ERROR of that login's first round, with another code.
fn krb_error(code: u8) -> Vec<u8> {
    let samples = include_str!("../../../../kdc-proxy/tests/vectors/samba_4_22_login.txt");
    let mut error = octets(samples.lines().nth(1).unwrap().split_once(' ').unwrap().1);
    let at = error.windows(4).position(|octets| octets == [0xa6, 3, 2, 1]).unwrap();
    error[at + 4] = code;
    error
}

fn octets(digits: &str) -> Vec<u8> {
    let pairs = digits.trim().as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn open() -> Admission {
    Admission {
        open: true,
        certificates: Certificates::DoNotAdmit,
        judge_cards: Box::new(|_, _| Box::pin(async { Err(PeerError::Empty.into()) })),
        tokens: None,
        session_kpasswd: false,
    }
}

struct Scene {
    router: Router,
    asked: Arc<AtomicUsize>,
}

impl Scene {
    /// A proxy for CORP.EXAMPLE that bars one account, before a KDC that answers with this error.
    async fn new(code: u8, barred: &str) -> Self {
        Self::admitting(code, barred, open()).await
    }

    /// The same for those who are admitted.
    async fn admitting(code: u8, barred: &str, admission: Admission) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kdc = KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; usize::try_from(stream.read_u32().await.unwrap()).unwrap()];
                stream.read_exact(&mut request).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let reply = krb_error(code);
                stream.write_u32(u32::try_from(reply.len()).unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        let realm = Realm::new("CORP.EXAMPLE").unwrap();
        let second = Duration::from_secs(1);
        let limits = relay::Limits {
            attempt: Deadlines { connect: second, exchange: 5 * second },
            overall: 9 * second,
        };
        let servers = Servers { kdcs: vec![kdc], kpasswd: Vec::new() };
        let relay = Relay::new(BTreeMap::from([(realm.clone(), servers)]), limits);
        let rates = Rates {
            requests_per_address: 100,
            failures_per_address: 50,
            failures_per_client: 2,
            failure_window: 600 * second,
        };
        let settings = Settings {
            body_timeout: Duration::from_millis(100),
            max_upstream: 4,
            armored: Armored::Refused,
            barred: Barred::new(&realm, &[barred]),
            rates,
        };
        Self { router: router(Arc::new(relay), settings, admission, Metrics::new().kdc_proxy()), asked }
    }

    async fn send(&self, request: Request) -> (StatusCode, Vec<u8>) {
        let mut request = request;
        let peer = Peer { address: ([192, 0, 2, 1], 50_000).into(), certificates: None };
        request.extensions_mut().insert(peer);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
    }

    async fn post(&self, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        self.post_to("/KdcProxy", body).await
    }

    async fn post_to(&self, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let request = Request::post(path).header("content-length", body.len());
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}

fn wrapped(realm: &str) -> Vec<u8> {
    encode_request(&Realm::new(realm).unwrap(), &as_req()).unwrap()
}

#[tokio::test]
async fn the_answer_of_the_kdc_is_passed_on_as_it_came() {
    let scene = Scene::new(25, "nobody").await;
    let (status, body) = scene.post(wrapped("corp.EXAMPLE")).await;
    assert_eq!((status, decode_reply(&body).unwrap()), (StatusCode::OK, krb_error(25)));
}

#[tokio::test]
async fn a_proxy_that_is_not_open_asks_no_kdc_for_strangers() {
    let scene = Scene::admitting(25, "nobody", Admission { open: false, ..open() }).await;
    assert_eq!(scene.post(wrapped("CORP.EXAMPLE")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_realm_that_is_not_configured_is_asked_of_nobody() {
    let scene = Scene::new(25, "nobody").await;
    let mut body = wrapped("CORP.EXAMPLE");
    let last = body.len() - 1;
    body[last] = b'X';
    assert_eq!(scene.post(body).await.0, StatusCode::BAD_REQUEST, "the message is for another realm");
    let mut both = wrapped("CORP.EXAMPLE");
    while let Some(at) = both.windows(12).position(|octets| octets == b"CORP.EXAMPLE") {
        both[at] = b'X';
    }
    assert_eq!(scene.post(both).await.0, StatusCode::FORBIDDEN);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_barred_account_does_not_reach_the_kdc() {
    let scene = Scene::new(25, "Svc-Broker").await;
    assert_eq!(scene.post(wrapped("CORP.EXAMPLE")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn wrong_passwords_through_the_proxy_end_before_the_account_is_locked() {
    let scene = Scene::new(24, "nobody").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(scene.post(wrapped("CORP.EXAMPLE")).await.0.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn requests_of_the_wrong_form_have_the_statuses_of_the_protocol() {
    let scene = Scene::new(25, "nobody").await;
    let request = |method: &str, path: &str| Request::builder().method(method).uri(path);
    let empty = Body::empty;
    let get = scene.send(request("GET", "/KdcProxy").body(empty()).unwrap()).await;
    assert_eq!(get.0, StatusCode::METHOD_NOT_ALLOWED);
    let other = scene.send(request("POST", "/other").body(empty()).unwrap()).await;
    assert_eq!(other.0, StatusCode::NOT_FOUND);
    let chunked = scene.send(request("POST", "/KdcProxy").body(Body::from("x")).unwrap()).await;
    assert_eq!(chunked.0, StatusCode::LENGTH_REQUIRED);
    let long = request("POST", "/KdcProxy").header("content-length", 131_073).body(empty()).unwrap();
    assert_eq!(scene.send(long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, words) = scene.post(b"0hello".to_vec()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(words.first().is_some_and(u8::is_ascii_alphabetic), "no client takes it for DER");
    assert_eq!(scene.asked.load(Ordering::Relaxed), 0);
}
