//! Against proxies on loopback, with certificates right and wrong, that answer as they should or not.

use std::sync::Mutex;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::message::kdc_proxy::{ProxyRequest, encode_reply};
use crate::net::transport::{self, Endpoint};
use crate::vectors;

const DEADLINES: Deadlines =
    Deadlines { connect: Duration::from_secs(5), exchange: Duration::from_millis(300) };

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn trust(&self) -> ProxyTrust {
        ProxyTrust::new(std::slice::from_ref(&self.certificate)).unwrap()
    }

    fn server(&self, params: &CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .unwrap();
        Arc::new(config)
    }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// A proxy that answers every request with these octets and closes; it keeps what it was sent.
async fn proxy(config: Arc<ServerConfig>, answer: Vec<u8>) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut piece = [0; 4096];
                match stream.read(&mut piece).await {
                    Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            *kept.lock().unwrap() = request;
            drop(stream.write_all(&answer).await);
            drop(stream.shutdown().await);
        }
    });
    (address, sent)
}

fn parts(request: &[u8]) -> Option<(String, &[u8])> {
    let end = request.windows(4).position(|octets| octets == b"\r\n\r\n")?;
    Some((String::from_utf8(request[..end].to_vec()).unwrap(), &request[end + 4..]))
}

fn is_whole(request: &[u8]) -> bool {
    let length =
        |head: &str| head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    parts(request).is_some_and(|(head, body)| length(&head) == Some(body.len()))
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn good(message: &[u8]) -> Vec<u8> {
    let body = encode_reply(message).unwrap();
    answer("200 OK", &format!("Content-Length: {}\r\n", body.len()), &body)
}

/// The recorded AS-REQ and its reply.
fn recorded() -> (Vec<u8>, Vec<u8>) {
    let (request, reply) = vectors::SAMBA_LOGIN.lines().nth(1).unwrap().split_once(' ').unwrap();
    (vectors::bytes(request), vectors::bytes(reply))
}

async fn ask(address: SocketAddr, trust: &ProxyTrust) -> Result<Vec<u8>, TransportError> {
    let proxy = KdcProxy::parse(&format!("https://kkdcp.corp.example/KdcProxy={address}"), trust).unwrap();
    let realm = Realm::new("CORP.EXAMPLE").unwrap();
    transport::exchange(&Endpoint::Https(proxy), &realm, &recorded().0, DEADLINES).await
}

#[tokio::test]
async fn a_message_goes_through_a_proxy_and_its_reply_comes_back() {
    let authority = Authority::new();
    let (message, reply) = recorded();
    let (address, sent) = proxy(authority.server(&named("kkdcp.corp.example")), good(&reply)).await;
    assert_eq!(ask(address, &authority.trust()).await.unwrap(), reply);
    let sent = sent.lock().unwrap().clone();
    let (head, body) = parts(&sent).unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /kdcproxy http/1.1\r\n"), "{head}");
    assert!(head.contains("host: kkdcp.corp.example") && head.contains("application/kerberos"), "{head}");
    let request = ProxyRequest::parse(body).unwrap();
    assert_eq!((request.target_domain().as_str(), request.message()), ("CORP.EXAMPLE", message.as_slice()));
}

#[tokio::test]
async fn a_reply_without_a_length_ends_with_the_connection() {
    let authority = Authority::new();
    let (_, reply) = recorded();
    let bytes = [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &encode_reply(&reply).unwrap()].concat();
    let (address, _) = proxy(authority.server(&named("kkdcp.corp.example")), bytes).await;
    assert_eq!(ask(address, &authority.trust()).await.unwrap(), reply);
}

#[tokio::test]
async fn a_proxy_that_is_not_the_one_meant_gets_no_message() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut ended = named("kkdcp.corp.example");
    ended.not_after = rcgen::date_time_ymd(2020, 1, 1);
    ended.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let cases = [
        (other.server(&named("kkdcp.corp.example")), TlsFailure::UntrustedIssuer),
        (authority.server(&named("other.corp.example")), TlsFailure::OtherName),
        (authority.server(&ended), TlsFailure::NotNow),
    ];
    for (config, failure) in cases {
        let (address, sent) = proxy(config, good(&recorded().1)).await;
        let error = ask(address, &authority.trust()).await.unwrap_err();
        assert_eq!(error, TransportError::Tls(failure));
        assert!(!error.may_have_been_received() && sent.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_port_without_tls_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = ask(address, &Authority::new().trust()).await.unwrap_err();
    assert_eq!(error, TransportError::Tls(TlsFailure::Handshake));
}

#[tokio::test]
async fn what_is_no_reply_is_a_typed_error() {
    let authority = Authority::new();
    let length = |octets: usize| format!("Content-Length: {octets}\r\n");
    let redirect = "Location: https://kkdcp.corp.example/other\r\nContent-Length: 0\r\n";
    let unframed = b"\x30\x09\xa0\x07\x04\x05\0\0\0\x09x";
    let endless = answer("200 OK", "", &vec![0x30; MAX_BODY + 1]);
    let cases = [
        (answer("503 Service Unavailable", &length(0), b""), TransportError::Status(503)),
        (answer("302 Found", redirect, b""), TransportError::Status(302)),
        (answer("204 No Content", "", b""), TransportError::Status(204)),
        (answer("200 OK", &length(5), b"hello"), ProxyReplyError::Malformed.into()),
        (answer("200 OK", &length(unframed.len()), unframed), ProxyReplyError::Frame.into()),
        (endless, ProxyReplyError::TooLong.into()),
        (answer("200 OK", &length(9), b"short"), TransportError::Broken(io::ErrorKind::UnexpectedEof)),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), TransportError::Broken(io::ErrorKind::InvalidData)),
    ];
    for (octets, expected) in cases {
        let (address, _) = proxy(authority.server(&named("kkdcp.corp.example")), octets).await;
        assert_eq!(ask(address, &authority.trust()).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_proxy_that_is_silent_costs_no_more_than_the_deadline() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = authority.server(&named("kkdcp.corp.example"));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n\x30").await.unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(ask(address, &authority.trust()).await.unwrap_err(), TransportError::ExchangeTimeout);
}

#[test]
fn urls_are_read_and_shown_without_their_secret() {
    let trust = Authority::new().trust();
    for (text, shown) in [
        ("https://kkdcp.corp.example", "https://kkdcp.corp.example/KdcProxy"),
        ("https://kkdcp.corp.example/", "https://kkdcp.corp.example/KdcProxy"),
        ("https://kkdcp.corp.example:8443/jet/KdcProxy", "https://kkdcp.corp.example:8443/jet/KdcProxy"),
        ("https://10.0.0.1/KdcProxy", "https://10.0.0.1/KdcProxy"),
        ("https://[2001:db8::1]:444/KdcProxy", "https://[2001:db8::1]:444/KdcProxy"),
        ("https://[2001:db8::1]/KdcProxy", "https://[2001:db8::1]/KdcProxy"),
        ("https://k/KdcProxy=10.0.0.1:8443", "https://k/KdcProxy=10.0.0.1:8443"),
        ("https://k/KdcProxy/c2VjcmV0", "https://k/KdcProxy/..."),
    ] {
        let proxy = KdcProxy::parse(text, &trust).unwrap();
        assert_eq!(proxy.to_string(), shown, "{text}");
        assert!(!format!("{proxy:?}").contains("c2Vj"));
    }
}

#[test]
fn what_is_no_url_of_a_proxy_is_refused() {
    let trust = Authority::new().trust();
    let address = |error| KdcProxyError::Address(error);
    for (text, error) in [
        ("http://kkdcp.corp.example/KdcProxy", KdcProxyError::Scheme),
        ("kkdcp.corp.example", KdcProxyError::Scheme),
        ("https://", address(KdcAddressError::Host)),
        ("https:///KdcProxy", address(KdcAddressError::Host)),
        ("https://user@host/KdcProxy", address(KdcAddressError::Host)),
        ("https://host:0/KdcProxy", address(KdcAddressError::Port)),
        ("https://host:x/KdcProxy", address(KdcAddressError::Port)),
        ("https://host/Kdc Proxy", KdcProxyError::Path),
        ("https://host/KdcProxy?a", KdcProxyError::Path),
        ("https://host/KdcProxy=10.0.0.1", address(KdcAddressError::FixedAddress)),
    ] {
        assert_eq!(KdcProxy::parse(text, &trust).unwrap_err(), error, "{text}");
    }
    assert!(matches!(ProxyTrust::new(&[]), Err(ProxyTrustError::NoRoots)));
}
