use axum::{Extension, routing::get};
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncReadExt as _, sync::Notify};

use super::*;
use crate::{
    frontend::{
        testing::{Ca, anonymous, connect, get as fetch, limits},
        tls::{Version, for_cards},
    },
    identity::verifier::ProofOfPossession,
};

/// A card listener whose only route says how many certificates the peer showed.
struct Served {
    ca: Ca,
    address: SocketAddr,
    generations: watch::Sender<TlsGeneration>,
    drain: CancellationToken,
    tasks: TaskTracker,
    /// Lets a request for `/slow` end.
    released: Arc<Notify>,
}

async fn served(limits: Limits, hints: Vec<Vec<u8>>) -> Served {
    let ca = Ca::new("servers");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(ProofOfPossession::new(provider, hints));
    let config = for_cards(&ca.server(), &[Version::Tls12, Version::Tls13], verifier).unwrap();
    let (generations, receiver) = watch::channel(TlsGeneration { config, retired: CancellationToken::new() });
    let any = ["127.0.0.1:0".parse().unwrap()];
    let listener = Listener::bind("card", &any, Transport::Tls(receiver), limits).await.unwrap();
    let address = listener.addresses()[0];
    let (drain, tasks, released) = (CancellationToken::new(), TaskTracker::new(), Arc::new(Notify::new()));
    let notified = Arc::clone(&released);
    let shown = |Extension(peer): Extension<Peer>| async move {
        peer.certificates.map_or(0, |chain| chain.len()).to_string()
    };
    let slow = move || async move {
        notified.notified().await;
        "released"
    };
    let app = Router::new().route("/", get(shown)).route("/slow", get(slow));
    listener.serve(&app, &drain, &tasks);
    Served { ca, address, generations, drain, tasks, released }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn no_session_is_resumed_in_any_version_of_tls() {
    let served = served(limits(), Vec::new()).await;
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[version]));
        for _ in 0..3 {
            let mut stream = connect(served.address, &config).await.unwrap();
            assert_eq!(body(&fetch(&mut stream, "/").await.unwrap()), "1");
            let (_, session) = stream.get_ref();
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(session.tls13_tickets_received(), 0);
        }
    }
}

#[tokio::test]
async fn a_card_that_signs_only_rsa_pkcs1_logs_in_by_tls_1_2() {
    let served = served(limits(), Vec::new()).await;
    let card = served.ca.leaf_for("card", &rcgen::PKCS_RSA_SHA256);
    let config = Arc::new(card.pkcs1_client(&served.ca, &[&TLS12]));
    let mut stream = connect(served.address, &config).await.unwrap();
    assert_eq!(body(&fetch(&mut stream, "/").await.unwrap()), "1");
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_as_far_as_words() {
    let served = served(limits(), Vec::new()).await;
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(anonymous(&served.ca, &[version]));
        let mut stream = connect(served.address, &config).await.unwrap();
        assert_eq!(body(&fetch(&mut stream, "/").await.unwrap()), "0");
    }
}

#[tokio::test]
async fn a_silent_client_is_dropped_when_the_handshake_is_due() {
    let limits = Limits { handshake_timeout: Duration::from_millis(200), ..limits() };
    let served = served(limits, Vec::new()).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let read = timeout(Duration::from_secs(5), silent.read(&mut [0; 16])).await;
    assert!(matches!(read, Ok(Ok(0))), "{read:?}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_dropped() {
    let limits = Limits { header_timeout: Duration::from_millis(200), ..limits() };
    let served = served(limits, Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut stream = connect(served.address, &config).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_and_one_within_it_served() {
    let served = served(Limits { max_connections: 1, ..limits() }, Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut first = connect(served.address, &config).await.unwrap();
    assert_eq!(body(&fetch(&mut first, "/").await.unwrap()), "1");
    assert!(connect(served.address, &config).await.is_err());
    drop(first);
    let again = async {
        while connect(served.address, &config).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(5), again).await.is_ok(), "the place is not given back");
}

#[tokio::test]
async fn a_connection_takes_no_request_after_its_lifetime() {
    let limits = Limits { lifetime: Some(Duration::from_millis(200)), ..limits() };
    let served = served(limits, Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut stream = connect(served.address, &config).await.unwrap();
    assert_eq!(body(&fetch(&mut stream, "/").await.unwrap()), "1");
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_of_its_address_is_closed() {
    let served = served(Limits { max_connections_per_address: 1, ..limits() }, Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut first = connect(served.address, &config).await.unwrap();
    assert_eq!(body(&fetch(&mut first, "/").await.unwrap()), "1");
    assert!(connect(served.address, &config).await.is_err());
}

#[tokio::test]
async fn connections_of_replaced_settings_are_closed() {
    let served = served(limits(), Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut stream = connect(served.address, &config).await.unwrap();
    assert_eq!(body(&fetch(&mut stream, "/").await.unwrap()), "1");
    let old = served.generations.borrow().clone();
    let new = TlsGeneration { config: Arc::clone(&old.config), retired: CancellationToken::new() };
    served.generations.send_replace(new);
    old.retired.cancel();
    let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "the connection stays open");
    let mut stream = connect(served.address, &config).await.unwrap();
    assert_eq!(body(&fetch(&mut stream, "/").await.unwrap()), "1");
}

#[tokio::test]
async fn a_drain_lets_a_running_request_finish_and_takes_no_new_connection() {
    let served = served(limits(), Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut stream = connect(served.address, &config).await.unwrap();
    let running = tokio::spawn(async move { fetch(&mut stream, "/slow").await.unwrap() });
    // The request has to arrive before the drain begins.
    sleep(Duration::from_millis(200)).await;
    served.drain.cancel();
    served.tasks.close();
    sleep(Duration::from_millis(100)).await;
    assert!(connect(served.address, &config).await.is_err());
    assert!(!served.tasks.is_empty());
    served.released.notify_waiters();
    assert_eq!(body(&running.await.unwrap()), "released");
    assert!(timeout(Duration::from_secs(5), served.tasks.wait()).await.is_ok());
}

#[tokio::test]
async fn a_request_that_outlives_the_grace_of_a_drain_is_cut_off() {
    let limits = Limits { grace: Duration::from_millis(200), ..limits() };
    let served = served(limits, Vec::new()).await;
    let config = Arc::new(served.ca.leaf("card").client(&served.ca, &[&TLS13]));
    let mut stream = connect(served.address, &config).await.unwrap();
    let running = tokio::spawn(async move { fetch(&mut stream, "/slow").await });
    sleep(Duration::from_millis(200)).await;
    served.drain.cancel();
    served.tasks.close();
    assert!(timeout(Duration::from_secs(5), served.tasks.wait()).await.is_ok());
    let answer = running.await.unwrap();
    assert!(!answer.is_ok_and(|answer| answer.contains("released")));
}
