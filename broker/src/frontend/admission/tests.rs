use std::net::SocketAddr;

use axum::{Extension, body::Body, routing::get};
use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig,
    version::{TLS12, TLS13},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic_types::StatusExt as _;

use super::*;
use crate::frontend::{
    gateways::GatewayCertificate,
    listener::{Listener, TlsGeneration, Transport},
    testing::{Ca, Leaf, anonymous, connect, limits},
    tls::for_gateways,
};

/// The gateways' listener; its one route answers the caller's name, another never answers.
struct Served {
    servers: Ca,
    gateways: Ca,
    address: SocketAddr,
    known: watch::Sender<Arc<Gateways>>,
    _kept: watch::Sender<TlsGeneration>,
}

async fn served() -> Served {
    served_with(|_| Vec::new()).await
}

/// With these revocation lists of the gateways' CA.
async fn served_with(lists: impl FnOnce(&Ca) -> Vec<Vec<u8>>) -> Served {
    let (servers, gateways) = (Ca::new("servers"), Ca::new("gateways"));
    let lists = lists(&gateways);
    let trusted = std::slice::from_ref(&gateways.certificate);
    let config = for_gateways(&servers.server(), trusted, &lists).unwrap();
    let (kept, receiver) = watch::channel(TlsGeneration { config, retired: CancellationToken::new() });
    let any = ["127.0.0.1:0".parse().unwrap()];
    let listener = Listener::bind("gateway", &any, Transport::TlsHttp2(receiver), limits()).await.unwrap();
    let address = listener.addresses()[0];
    let (known, receiver) = watch::channel(Arc::new(gw1()));
    let name = |Extension(gateway): Extension<GatewayIdentity>| async move { gateway.name().to_owned() };
    let routes = Router::new().route("/name", get(name)).route("/never", get(std::future::pending::<String>));
    let metrics = PresentationMetrics::default();
    let app = admit(routes, receiver, Duration::from_millis(300), metrics);
    listener.serve(&app, &CancellationToken::new(), &TaskTracker::new());
    Served { servers, gateways, address, known, _kept: kept }
}

fn gw1() -> Gateways {
    Gateways::new([(GatewayCertificate::DnsName("gw1.corp.example".into()), "gw1".into())])
}

impl Served {
    fn client(&self, gateway: &Leaf) -> Arc<ClientConfig> {
        let mut config = gateway.client(&self.servers, &[&TLS13]);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    async fn session(&self, config: &Arc<ClientConfig>) -> hyper::client::conn::http2::SendRequest<Body> {
        let stream = connect(self.address, config).await.unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

/// The answer's text, or the reason of its refusal.
async fn asked(
    session: &mut hyper::client::conn::http2::SendRequest<Body>,
    path: &str,
) -> Result<String, String> {
    send(session, Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap()).await
}

/// The same of a request.
async fn send(
    session: &mut hyper::client::conn::http2::SendRequest<Body>,
    request: Request,
) -> Result<String, String> {
    let response = session.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    if let Some(status) = tonic::Status::from_header_map(response.headers()) {
        return Err(status.get_details_error_info().unwrap().reason);
    }
    let body = axum::body::to_bytes(Body::new(response.into_body()), 4096).await.unwrap();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_configured_gateway_is_known_by_name() {
    let served = served().await;
    let client = served.client(&served.gateways.leaf("gw1.corp.example"));
    let mut session = served.session(&client).await;
    assert_eq!(asked(&mut session, "/name").await, Ok("gw1".into()));
}

#[tokio::test]
async fn a_certificate_of_no_configured_gateway_is_refused_with_words() {
    let served = served().await;
    let client = served.client(&served.gateways.leaf("gw2.corp.example"));
    let mut session = served.session(&client).await;
    assert_eq!(asked(&mut session, "/name").await, Err("GATEWAY_UNKNOWN".into()));
}

#[tokio::test]
async fn a_gateway_that_was_removed_is_refused_on_the_connection_it_has() {
    let served = served().await;
    let client = served.client(&served.gateways.leaf("gw1.corp.example"));
    let mut session = served.session(&client).await;
    assert_eq!(asked(&mut session, "/name").await, Ok("gw1".into()));
    served.known.send_replace(Arc::new(Gateways::default()));
    assert_eq!(asked(&mut session, "/name").await, Err("GATEWAY_UNKNOWN".into()));
}

#[tokio::test]
async fn a_gateways_request_with_the_header_of_a_certificate_is_refused() {
    let served = served().await;
    let client = served.client(&served.gateways.leaf("gw1.corp.example"));
    let mut session = served.session(&client).await;
    for name in ["client-cert", "ssl_client_cert", "x-forwarded-client-cert", "x-client-verified"] {
        let request = Request::get("https://localhost/name").header(name, "").body(Body::empty()).unwrap();
        assert_eq!(send(&mut session, request).await, Err("CERTIFICATE_HEADER_UNTRUSTED".into()), "{name}");
    }
}

#[tokio::test]
async fn a_request_beyond_its_deadline_is_refused_as_such() {
    let served = served().await;
    let client = served.client(&served.gateways.leaf("gw1.corp.example"));
    let mut session = served.session(&client).await;
    assert_eq!(asked(&mut session, "/never").await, Err("DEADLINE_EXCEEDED".into()));
}

#[tokio::test]
async fn a_gateway_of_another_ca_or_without_certificate_does_not_get_through_the_handshake() {
    let served = served().await;
    let stranger = Ca::new("gateways").leaf("gw1.corp.example").client(&served.servers, &[&TLS12]);
    let nobody = anonymous(&served.servers, &[&TLS12]);
    for mut config in [stranger, nobody] {
        config.alpn_protocols = vec![b"h2".to_vec()];
        assert!(connect(served.address, &Arc::new(config)).await.is_err());
    }
}

#[tokio::test]
async fn a_gateway_is_refused_once_the_revocation_list_of_its_ca_has_ended() {
    for (until, admitted) in [(2100, true), (2021, false)] {
        let served = served_with(|gateways| vec![gateways.crl(until)]).await;
        let mut config = served.gateways.leaf("gw1.corp.example").client(&served.servers, &[&TLS12]);
        config.alpn_protocols = vec![b"h2".to_vec()];
        assert_eq!(connect(served.address, &Arc::new(config)).await.is_ok(), admitted, "{until}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_ask_for_http2_is_not_served() {
    let served = served().await;
    let gateway = served.gateways.leaf("gw1.corp.example");
    let mut http1 = gateway.client(&served.servers, &[&TLS13]);
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert!(connect(served.address, &Arc::new(http1)).await.is_err());
    let silent = Arc::new(gateway.client(&served.servers, &[&TLS13]));
    let mut stream = connect(served.address, &silent).await.unwrap();
    let answer = crate::frontend::testing::get(&mut stream, "/name").await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.is_empty()));
}
