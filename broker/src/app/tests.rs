use ldap_map::mapping::Enforcement;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::config::testing::{Authority, COMPLETE, Written};

const HEALTH: &str = "[health]\nlisten = \"127.0.0.1:0\"\n";

async fn started() -> (Written, App) {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}{HEALTH}"));
    let app = App::start(written.loaded().expect("a complete configuration")).await.expect("free ports");
    (written, app)
}

/// Sends a request and reads the answer until the server closes.
async fn answered(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &str,
) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn status(app: &App, path: &str) -> String {
    let stream = TcpStream::connect(app.addresses().status[0]).await.unwrap();
    answered(stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
}

fn client(
    written: &Written,
    card: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(written.path("root.pem")).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(crate::frontend::tls::provider())
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_root_certificates(roots);
    match card {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

async fn login(app: &App, config: rustls::ClientConfig) -> String {
    let stream = TcpStream::connect(app.addresses().cards[0]).await.unwrap();
    let name = "portal.corp.example".try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let body = r#"{"gateway":"gw1","target":"desk1.corp.example"}"#;
    let head = "POST /v1/login HTTP/1.1\r\nhost: portal.corp.example\r\nconnection: close\r\n";
    let length = body.len();
    let head = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    answered(stream, &head).await
}

fn problem(answer: &str) -> serde_json::Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn the_service_starts_while_directory_and_kdc_are_down_and_says_so() {
    let (_written, app) = started().await;
    assert!(status(&app, "/livez").await.starts_with("HTTP/1.1 200"));
    let patient = async {
        loop {
            let answer = status(&app, "/readyz").await;
            if answer.contains("kdc_unavailable") && answer.contains("directory_unavailable") {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = timeout(Duration::from_secs(20), patient).await.expect("the failures are never named");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(!answer.contains("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn the_service_starts_while_dns_is_away_and_is_not_ready_until_it_finds_a_controller() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let table = format!(
        "[directory.discovery]\ndomain = \"corp.example\"\ndns_servers = [\"{}\"]\ntimeout = \"200ms\"\n[kerberos]\n",
        nobody.local_addr().unwrap()
    );
    let text = COMPLETE
        .replace("servers = [\"dc1.corp.example=127.0.0.1:636\"]\n", "")
        .replace("kdcs = [\"127.0.0.1:88\"]\n", "")
        .replace("[kerberos]\n", &table);
    let written = Written::new();
    written.configuration(&format!("{text}{HEALTH}"));
    let app = App::start(written.loaded().expect("a complete configuration")).await.expect("free ports");
    let patient = async {
        loop {
            let answer = status(&app, "/readyz").await;
            if answer.contains("dns_unavailable") {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = timeout(Duration::from_secs(20), patient).await.expect("the failure is never named");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("directory_unavailable"), "{answer}");
    let page = status(&app, "/controllers").await;
    for words in [
        r#""realm":"CORP.EXAMPLE""#,
        r#""source":"discovery""#,
        r#""state":"dns_unavailable""#,
        r#""kdcs":[]"#,
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn the_status_page_shows_the_controllers_that_are_configured() {
    let (_written, app) = started().await;
    let page = status(&app, "/controllers").await;
    for words in [
        r#""source":"configuration""#,
        r#""discovery":null"#,
        r#""addresses":["127.0.0.1:636"]"#,
        r#""host":"dc1.corp.example""#,
        r#""host":"127.0.0.1""#,
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn a_login_without_a_certificate_is_refused_with_words() {
    let (written, app) = started().await;
    let problem = problem(&login(&app, client(&written, None)).await);
    assert_eq!(problem["code"], "certificate_missing");
    assert_eq!(problem["step"], "validate");
    assert_eq!(problem["status"], 403);
}

#[tokio::test]
async fn a_login_with_a_card_of_another_authority_is_refused_with_words() {
    let (written, app) = started().await;
    let (certificate, key) = Authority::new("stranger").leaf("alice");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let problem = problem(&login(&app, client(&written, Some((certificate, key)))).await);
    assert_eq!(problem["code"], "certificate_untrusted");
}

#[tokio::test]
async fn a_reload_replaces_the_servers_certificate_and_the_gateways() {
    let (written, app) = started().await;
    let (certificate, key) = Authority::new("new").leaf("portal.corp.example");
    written.public("server.pem", &certificate);
    written.secret("server.key", key.as_bytes());
    written.configuration(&format!("{COMPLETE}{HEALTH}").replace("name = \"gw1\"", "name = \"gw2\""));
    app.replace(&written.loaded().expect("a complete configuration"));
    let config = client(&written, None);
    let stream = TcpStream::connect(app.addresses().cards[0]).await.unwrap();
    let name = "portal.corp.example".try_into().unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    assert!(connected.is_err(), "the old certificate is still shown");
    assert_eq!(app.gateways.borrow().names().collect::<Vec<_>>(), ["gw2"]);
    assert!(app.line.borrow().gateways.contains("gw2"));
}

#[tokio::test]
async fn a_reload_does_not_change_what_the_directory_step_accepts() {
    let (written, app) = started().await;
    let weak = "[directory]\naccept_weak_mapping = true\n";
    written.configuration(&format!("{COMPLETE}{HEALTH}").replace("[directory]\n", weak));
    let config = written.loaded().expect("a complete configuration");
    assert_ne!(config.domains.own().settings().mapping.enforcement, Enforcement::Full);
    app.replace(&config);
    assert_eq!(app.line.borrow().domains.own().settings().mapping.enforcement, Enforcement::Full);
}

#[tokio::test]
async fn an_idle_service_drains_completely_and_closes_its_ports() {
    let (_written, app) = started().await;
    let addresses = app.addresses().clone();
    let idle = TcpStream::connect(addresses.status[0]).await.unwrap();
    assert_eq!(app.drain().await, Drained::Completely);
    drop(idle);
    for address in [addresses.cards[0], addresses.gateways[0], addresses.status[0]] {
        assert!(TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let (written, app) = started().await;
    let taken = app.addresses().cards[0];
    written.with(
        "listen = [\"127.0.0.1:0\"]\ncertificate = \"server.pem\"",
        &format!("listen = [\"{taken}\"]\ncertificate = \"server.pem\""),
    );
    let refused = App::start(written.loaded().unwrap()).await.err().expect("the port is taken");
    assert_eq!(refused.to_string(), format!("the card listener cannot listen on {taken}"));
}
