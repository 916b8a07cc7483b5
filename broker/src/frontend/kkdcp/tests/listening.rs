//! The proxy on its real listener: slow clients, endless ones, and those with and without certificates.

use rustls::{server::danger::ClientCertVerifier, version::TLS13};
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::client::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::{
    frontend::{
        listener::{self, Listener, TlsGeneration, Transport},
        testing::{Ca, anonymous, connect, limits},
        tls::{self, Asked},
    },
    identity::verifier::ProofOfPossession,
};

/// A proxy that listens, and its authority.
struct Served {
    address: SocketAddr,
    ca: Ca,
    asked: Arc<AtomicUsize>,
    _tasks: TaskTracker,
}

impl Served {
    async fn new(admission: Admission, clients: impl FnOnce(&Ca) -> Arc<dyn ClientCertVerifier>) -> Self {
        let scene = Scene::admitting(25, "nobody", admission).await;
        let ca = Ca::new("servers");
        let config = tls::for_kdc_proxy(&ca.server(), clients(&ca)).unwrap();
        let generation = TlsGeneration { config, retired: CancellationToken::new() };
        // The settings never change: nobody needs the sender.
        let (_, settings) = watch::channel(generation);
        let any = ["127.0.0.1:0".parse().unwrap()];
        let limits = listener::Limits { header_timeout: Duration::from_millis(300), ..limits() };
        let listener = Listener::bind("kdc proxy", &any, Transport::Tls(settings), limits).await.unwrap();
        let (address, tasks) = (listener.addresses()[0], TaskTracker::new());
        listener.serve(&scene.router, &CancellationToken::new(), &tasks);
        Self { address, ca, asked: scene.asked, _tasks: tasks }
    }

    async fn open() -> Self {
        Self::new(open(), |_| tls::no_clients()).await
    }

    async fn stranger(&self) -> TlsStream<TcpStream> {
        let config = Arc::new(anonymous(&self.ca, &[&TLS13]));
        connect(self.address, &config).await.unwrap()
    }

    async fn bearer_of(&self, authority: &Ca) -> TlsStream<TcpStream> {
        let config = Arc::new(authority.leaf("client").client(&self.ca, &[&TLS13]));
        connect(self.address, &config).await.unwrap()
    }
}

/// Sends a whole request and reads the answer's status; nothing where the connection ends without one.
async fn asked(stream: &mut TlsStream<TcpStream>) -> Option<u16> {
    let body = wrapped("CORP.EXAMPLE");
    let head = format!("POST /KdcProxy HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
    status(stream).await
}

/// The status of the answer, once the server has closed the connection.
async fn status(stream: &mut TlsStream<TcpStream>) -> Option<u16> {
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    drop(ended.expect("the connection stays open"));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

/// Sends octets one by one until the server takes no more.
async fn trickle(stream: TlsStream<TcpStream>, octets: Vec<u8>) -> Option<u16> {
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async move {
        for octet in octets.iter().cycle() {
            if write.write_all(&[*octet]).await.is_err() || write.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reading = async {
        let mut answer = Vec::new();
        drop(read.read_to_end(&mut answer).await);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = timeout(Duration::from_secs(20), async {
        tokio::select! {
            answer = reading => answer,
            () = sending => String::new(),
        }
    });
    let answer = answer.await.expect("the connection stays open");
    answer.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

#[tokio::test]
async fn a_head_that_trickles_in_without_an_end_is_cut_off() {
    let served = Served::open().await;
    let head = b"POST /KdcProxy HTTP/1.1\r\nhost: kkdcp\r\nx-".to_vec();
    let mut stream = served.stranger().await;
    stream.write_all(&head).await.unwrap();
    assert!(matches!(trickle(stream, b"a".to_vec()).await, None | Some(408)));
    assert_eq!(served.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_head_of_endless_length_is_refused() {
    let served = Served::open().await;
    let mut stream = served.stranger().await;
    let line = format!("x-filler: {}\r\n", "a".repeat(1000));
    stream.write_all(b"POST /KdcProxy HTTP/1.1\r\n").await.unwrap();
    for _ in 0..64 {
        if stream.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    assert!(matches!(status(&mut stream).await, None | Some(431)));
    assert_eq!(served.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_trickles_in_or_is_shorter_than_announced_is_given_up() {
    let served = Served::open().await;
    let head = b"POST /KdcProxy HTTP/1.1\r\nhost: kkdcp\r\ncontent-length: 100000\r\n\r\n";
    let mut trickling = served.stranger().await;
    trickling.write_all(head).await.unwrap();
    assert_eq!(trickle(trickling, vec![0x30]).await, Some(408));
    let mut silent = served.stranger().await;
    silent.write_all(&[&head[..], &wrapped("CORP.EXAMPLE")].concat()).await.unwrap();
    assert_eq!(status(&mut silent).await, Some(408));
    let mut closing = served.stranger().await;
    closing.write_all(&[&head[..], &wrapped("CORP.EXAMPLE")].concat()).await.unwrap();
    closing.shutdown().await.unwrap();
    assert!(matches!(status(&mut closing).await, None | Some(400)));
    assert_eq!(served.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_of_unannounced_length_is_not_read_however_long_it_is() {
    let served = Served::open().await;
    let mut stream = served.stranger().await;
    let head =
        b"POST /KdcProxy HTTP/1.1\r\nhost: kkdcp\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = [b"1000\r\n".as_slice(), &[0x30; 0x1000], b"\r\n"].concat();
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async move {
        // More than the 128 KiB of the longest message; the server may hang up in between.
        for _ in 0..64 {
            if write.write_all(&chunk).await.is_err() {
                break;
            }
        }
        write
    };
    let reading = async {
        let mut answer = Vec::new();
        drop(read.read_to_end(&mut answer).await);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let both = timeout(Duration::from_secs(20), async { tokio::join!(sending, reading) });
    let (_, answer) = both.await.expect("the connection stays open");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 411"), "{answer}");
    assert_eq!(served.asked.load(Ordering::Relaxed), 0);
    let mut long = served.stranger().await;
    long.write_all(b"POST /KdcProxy HTTP/1.0\r\ncontent-length: 131073\r\n\r\n").await.unwrap();
    assert_eq!(status(&mut long).await, Some(413));
}

#[tokio::test]
async fn slow_clients_do_not_keep_others_waiting() {
    let served = Served::open().await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = served.stranger().await;
        stream.write_all(b"POST /KdcProxy HTTP/1.1\r\ncontent-length: 9\r\n\r\n").await.unwrap();
        slow.push(stream);
    }
    assert_eq!(asked(&mut served.stranger().await).await, Some(200));
}

#[tokio::test]
async fn a_required_certificate_is_one_of_the_named_authority() {
    let theirs = Ca::new("clients");
    let admission = Admission { open: false, certificates: Certificates::Admit, ..open() };
    let root = [theirs.certificate.clone()];
    let served = Served::new(admission, |_| tls::clients_of(&root, &[], Asked::Required).unwrap()).await;
    assert_eq!(asked(&mut served.bearer_of(&theirs).await).await, Some(200));
    // In TLS 1.3 the client learns of it with its first read.
    assert_eq!(asked(&mut served.stranger().await).await, None);
    assert_eq!(asked(&mut served.bearer_of(&Ca::new("others")).await).await, None);
    assert_eq!(served.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_optional_certificate_admits_its_bearer_and_others_need_something_else() {
    let theirs = Ca::new("clients");
    let admission = Admission { open: false, certificates: Certificates::Admit, ..open() };
    let root = [theirs.certificate.clone()];
    let served = Served::new(admission, |_| tls::clients_of(&root, &[], Asked::Optional).unwrap()).await;
    assert_eq!(asked(&mut served.bearer_of(&theirs).await).await, Some(200));
    assert_eq!(asked(&mut served.stranger().await).await, Some(403));
}

#[tokio::test]
async fn a_required_certificate_that_does_not_admit_leaves_its_bearer_to_the_other_rules() {
    let theirs = Ca::new("clients");
    let root = [theirs.certificate.clone()];
    let admission = Admission { open: false, ..open() };
    let served = Served::new(admission, |_| tls::clients_of(&root, &[], Asked::Required).unwrap()).await;
    assert_eq!(asked(&mut served.bearer_of(&theirs).await).await, Some(403));
}

#[tokio::test]
async fn a_cards_certificate_admits_where_the_first_step_believes_it() {
    let cards = |believed: bool| {
        let judge_cards: JudgeCards = Box::new(move |_, _| {
            Box::pin(async move { if believed { Ok(()) } else { Err(PeerError::Empty.into()) } })
        });
        Admission { open: false, certificates: Certificates::AdmitCards, judge_cards, ..open() }
    };
    let proof = || ProofOfPossession::new(tls::provider(), Vec::new());
    for (believed, expected) in [(true, 200), (false, 403)] {
        let served = Served::new(cards(believed), |_| Arc::new(proof())).await;
        assert_eq!(asked(&mut served.bearer_of(&Ca::new("any")).await).await, Some(expected));
        assert_eq!(asked(&mut served.stranger().await).await, Some(403));
    }
    let served = Served::new(cards(true), |_| Arc::new(proof().mandatory())).await;
    assert_eq!(asked(&mut served.stranger().await).await, None);
}
