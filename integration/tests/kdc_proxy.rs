//! The KDC proxy before a real domain controller: MIT's tools and our own client reach it through the proxy alone.

mod der;
mod differential;
mod judges;
mod logins;
mod material;
mod requests;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::container::Container;
use integration::lab::Lab;
use integration::process::Finished;
use kdc_proxy::net::client::{Client, ClientError, Credential, Settings};
use kdc_proxy::net::kkdcp::{KdcProxy, ProxyTrust};
use kdc_proxy::net::transport::Endpoint;
use kdc_proxy::principal::{PrincipalName, Realm};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

/// MIT's configurations: by the proxy alone, by the proxy with the wrong authorities, and without it.
const PROXY: &str = "/lab/proxy.conf";
const WRONG: &str = "/lab/wrong.conf";
const DIRECT: &str = "/etc/krb5.conf";

struct Scene {
    client: Container,
    broker: BrokerProcess,
    proxy: SocketAddr,
    // The network outlives what is on it.
    lab: Lab,
}

impl Scene {
    /// A proxy whose first KDC does not exist.
    fn new() -> Self {
        let lab = Lab::start("kkdcp").unwrap();
        let proxy = TcpListener::bind((lab.network().host_address(), 0)).unwrap().local_addr().unwrap();
        let (nobody, kdc) = (lab.network().address(9), lab.controller().address());
        let table = format!(
            "\n[kdc_proxy]\nopen = true\nlisten = [\"{proxy}\"]\ncertificate = \"server.pem\"\nkey = \"credential:server-key\"\n\
             kdcs = [\"{nobody}\", \"{kdc}\"]\nkpasswd = [\"{kdc}:464\"]\nconnect_timeout = \"1s\"\n"
        );
        let broker = Configuration::new(&lab).table(&table).start().unwrap();
        let client = lab.client("outside").unwrap();
        for (file, anchors) in
            [(PROXY, "/etc/ssl/lab/machine-ca.pem"), (WRONG, "/etc/ssl/certs/ca-certificates.crt")]
        {
            let url = format!("https://broker.corp.example:{}/KdcProxy", proxy.port());
            let text = format!(
                "[libdefaults]\n default_realm = CORP.EXAMPLE\n dns_lookup_kdc = false\n rdns = false\n\
                 dns_canonicalize_hostname = false\n[realms]\n CORP.EXAMPLE = {{\n  http_anchors = FILE:{anchors}\n  \
                 kdc = {url}\n  kpasswd_server = {url}\n }}\n"
            );
            client.write(file, text.as_bytes(), "644").unwrap();
        }
        Self { client, broker, proxy, lab }
    }

    fn mit(&self, configuration: &str, command: &[&str], input: &str) -> Finished {
        let environment =
            [("KRB5_CONFIG", configuration), ("KRB5_TRACE", "/dev/stderr"), ("KRB5CCNAME", "FILE:/lab/cc")];
        self.client.exec_with(command, &environment, input.as_bytes()).unwrap()
    }

    fn kinit(&self, configuration: &str, who: &str, password: &str) -> Finished {
        self.mit(configuration, &["kinit", who], &format!("{password}\n"))
    }

    /// Whether the broker's log has a request with these values.
    fn logged(&self, values: &[(&str, &str)]) -> bool {
        self.broker.events().iter().any(|event| {
            values
                .iter()
                .all(|(name, value)| event.get(name).and_then(serde_json::Value::as_str) == Some(value))
        })
    }

    /// Our own client in the name of an account, by the proxy.
    fn ours(&self, account: &str, roots: &str) -> Client {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(roots.as_bytes()).map(Result::unwrap).collect();
        let text = format!("https://broker.corp.example/KdcProxy={}", self.proxy);
        let proxy = KdcProxy::parse(&text, &ProxyTrust::new(&roots).unwrap()).unwrap();
        client_of(&self.lab, account, Endpoint::Https(proxy))
    }
}

/// Our own client in the name of an account, by one way.
fn client_of(lab: &Lab, account: &str, kdc: Endpoint) -> Client {
    let realm = Realm::new("CORP.EXAMPLE").unwrap();
    let name = PrincipalName::principal(account).unwrap();
    let settings = Settings {
        kdcs: [(realm.clone(), vec![kdc])].into(),
        trusted: kdc_proxy::exchange::realms::TrustedRealms::default(),
        realm,
        service: name.clone(),
        s4u2self_name: name,
        connect_timeout: Duration::from_secs(2),
        exchange_timeout: Duration::from_secs(10),
        allow_rc4: false,
        renew_before: Duration::from_secs(300),
        max_clock_offset: Duration::from_secs(300),
        s4u_cache: Duration::ZERO,
    };
    let password = Zeroizing::new(lab.controller().domain().password(account).unwrap());
    Client::new(settings, Credential::Password(password)).unwrap()
}

fn trace(finished: &Finished) -> String {
    finished.text() + &finished.error_text()
}

#[test]
fn mit_logs_in_takes_tickets_and_changes_a_password_through_the_proxy() {
    let scene = Scene::new();
    let login = scene.kinit(PROXY, "alice", "alice-Passw0rd");
    let words = trace(&login);
    assert!(login.succeeded(), "{words}");
    assert!(words.contains("Sending HTTPS request"), "{words}");
    assert!(!words.contains("Sending initial UDP request") && !words.contains("Initiating TCP"), "{words}");
    let ticket = scene.mit(PROXY, &["kvno", "HTTP/desk1.corp.example"], "");
    assert!(ticket.succeeded(), "{}", trace(&ticket));
    assert!(scene.logged(&[("kind", "as"), ("outcome", "answered"), ("client", "alice")]));
    assert!(scene.logged(&[("kind", "tgs"), ("outcome", "answered")]));

    let script = "rm -f /lab/cc; (sleep 1; echo alice-Passw0rd; sleep 1; echo alice-Passw0rd2; sleep 1; \
                  echo alice-Passw0rd2; sleep 1) | script -qec 'kpasswd alice' /dev/null";
    let changed = scene.mit(PROXY, &["sh", "-c", script], "");
    assert!(trace(&changed).contains("Password changed."), "{}", trace(&changed));
    assert!(scene.logged(&[("kind", "kpasswd"), ("outcome", "answered")]));
    assert!(scene.kinit(PROXY, "alice", "alice-Passw0rd2").succeeded());
}

#[test]
fn a_proxy_of_other_authorities_is_not_believed_by_mit_and_none_without_a_kdc_answers() {
    let scene = Scene::new();
    let login = scene.kinit(WRONG, "alice", "alice-Passw0rd");
    assert!(!login.succeeded() && trace(&login).contains("TLS certificate error"), "{}", trace(&login));
    scene.lab.controller().container().stop().unwrap();
    let login = scene.kinit(PROXY, "alice", "alice-Passw0rd");
    assert!(!login.succeeded() && trace(&login).contains("Cannot contact any KDC"), "{}", trace(&login));
    assert!(scene.logged(&[("kind", "as"), ("outcome", "unavailable")]));
}

#[test]
fn the_service_account_and_guessed_passwords_end_at_the_proxy() {
    let scene = Scene::new();
    let password = scene.lab.controller().domain().password("svc-broker").unwrap();
    for name in ["svc-broker", "SVC-Broker"] {
        let login = scene.kinit(PROXY, name, &password);
        assert!(!login.succeeded(), "{}", trace(&login));
    }
    assert!(scene.kinit(DIRECT, "svc-broker", &password).succeeded(), "the password is right");
    assert!(scene.logged(&[("kind", "as"), ("outcome", "refused"), ("client", "svc-broker")]));

    for _ in 0..3 {
        assert!(!scene.kinit(PROXY, "bob", "wrong").succeeded());
    }
    let limited = scene.kinit(PROXY, "bob", "bob-Passw0rd");
    assert!(!limited.succeeded(), "{}", trace(&limited));
    assert!(scene.logged(&[("kind", "as"), ("outcome", "limited"), ("client", "bob")]));
    assert!(scene.kinit(PROXY, "alice", "alice-Passw0rd").succeeded(), "others are not concerned");
}

#[tokio::test]
async fn our_own_client_reaches_the_kdc_through_the_proxy() {
    let scene = Scene::new();
    let pki = scene.lab.pki();
    let status = scene.ours("carol", &pki.machine_root_pem()).service_tgt().await.unwrap();
    assert!(status.kdc.to_string().starts_with("https://broker.corp.example/KdcProxy"), "{}", status.kdc);
    let error = scene.ours("carol", &pki.card_root_pem()).service_tgt().await.unwrap_err();
    assert!(matches!(error, ClientError::KdcUnavailable { .. }), "{error}");
    let error = scene.ours("svc-broker", &pki.machine_root_pem()).service_tgt().await.unwrap_err();
    assert!(matches!(error, ClientError::KdcUnavailable { .. }), "{error}");
}
