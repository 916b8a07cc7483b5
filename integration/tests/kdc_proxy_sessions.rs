//! Whom the KDC proxy serves: the client of a session by its token, the bearer of a certificate, and people of several realms by
//! the KDCs of each. MIT's tools and curl are the judges.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use integration::broker_process::{BROKER_NAME, BrokerProcess, Configuration};
use integration::card::{Presented, Workstation};
use integration::container::Container;
use integration::gateway::Gateway;
use integration::lab::Lab;
use integration::pki::Credential;
use integration::process::Finished;
use integration::wait;
use kdc_proxy::message::kdc_proxy::encode_request;
use kdc_proxy::principal::Realm;
use serde_json::Value;

use crate::bench::{card_of, start};
use crate::cross_realm;

const LIMIT: Duration = Duration::from_secs(30);
const DESK1: &str = "desk1.corp.example";
const ALICE: (&str, &str) = ("alice", "alice-Passw0rd");
const CAROL: (&str, &str) = ("carol", "carol-Passw0rd");

/// A proxy's configuration at a free port, with further keys; and its URL.
pub(crate) fn table(lab: &Lab, keys: &str) -> (String, String) {
    let listen: SocketAddr =
        TcpListener::bind((lab.network().host_address(), 0)).unwrap().local_addr().unwrap();
    let url = format!("https://{BROKER_NAME}:{}/KdcProxy", listen.port());
    let kdc = lab.controller().address();
    let table = format!(
        "\n[kdc_proxy]\nlisten = [\"{listen}\"]\ncertificate = \"server.pem\"\nkey = \"credential:server-key\"\n\
         kdcs = [\"{kdc}\"]\n{}\n",
        keys.replace("{url}", &url)
    );
    (table, url)
}

/// A client of MIT's tools that reaches the KDCs of these realms at this URL only.
pub(crate) struct Mit<'a>(pub(crate) &'a Container);

impl Mit<'_> {
    fn run(&self, url: &str, command: &[&str], input: &str) -> Finished {
        let realm = |name: &str| {
            format!(
                " {name} = {{\n  http_anchors = FILE:/etc/ssl/lab/machine-ca.pem\n  kdc = {url}\n  kpasswd_server = {url}\n }}\n"
            )
        };
        let text = format!(
            "[libdefaults]\n default_realm = CORP.EXAMPLE\n dns_lookup_kdc = false\n rdns = false\n\
             dns_canonicalize_hostname = false\n[realms]\n{}{}[domain_realm]\n .beta.example = BETA.EXAMPLE\n",
            realm("CORP.EXAMPLE"),
            realm("BETA.EXAMPLE")
        );
        self.0.write("/lab/proxy.conf", text.as_bytes(), "644").unwrap();
        let environment = [
            ("KRB5_CONFIG", "/lab/proxy.conf"),
            ("KRB5_TRACE", "/dev/stderr"),
            ("KRB5CCNAME", "FILE:/lab/cc"),
        ];
        self.0.exec_with(command, &environment, input.as_bytes()).unwrap()
    }

    pub(crate) fn kinit(&self, url: &str, (who, password): (&str, &str)) -> Finished {
        self.run(url, &["kinit", who], &format!("{password}\n"))
    }
}

fn trace(finished: &Finished) -> String {
    finished.text() + &finished.error_text()
}

fn succeeds(finished: &Finished) {
    assert!(finished.succeeded(), "{}", trace(finished));
}

fn fails(finished: &Finished) {
    assert!(!finished.succeeded(), "{}", trace(finished));
}

/// Whether the broker's log has a request with these values.
fn logged(broker: &BrokerProcess, values: &[(&str, &str)]) -> bool {
    let value = |event: &Value, name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let matches = |event: &Value| {
        values.iter().all(|(name, expected)| value(event, name).as_deref() == Some(*expected))
    };
    broker.events().iter().any(matches)
}

/// Redeems a code at the gateway, and keeps the session until [`end`].
fn hold(gateway: &Gateway, broker: &BrokerProcess, code: &str) -> Value {
    let container = gateway.container();
    let script = format!(
        "touch /dev/shm/held; (cat /dev/shm/code; while test -e /dev/shm/held; do sleep 0.1; done) | \
         PYTHONPATH=/opt/kerbridge/stubs GRPC_VERBOSITY=NONE /opt/kerbridge/redeem.py --wait --broker {} \
         --out /dev/shm/session --ca /opt/kerbridge/ca.pem --certificate /opt/kerbridge/gateway.pem \
         --key /opt/kerbridge/gateway.key --ticket HTTP/{DESK1}=CCACHE\n",
        broker.gateway_address()
    );
    container.write("/dev/shm/code", format!("{code}\n").as_bytes(), "600").unwrap();
    container.write("/opt/kerbridge/hold", script.as_bytes(), "700").unwrap();
    container.spawn("sh /opt/kerbridge/hold", "/dev/shm/answer").unwrap();
    let answer = || serde_json::from_slice(&container.read("/dev/shm/answer").ok()?).ok();
    wait::until("the session", LIMIT, answer).unwrap()
}

/// Ends the session that [`hold`] began.
fn end(gateway: &Gateway, broker: &BrokerProcess) {
    gateway.container().run(&["rm", "/dev/shm/held"]).unwrap();
    broker.wait_for_line("session ended", LIMIT).unwrap();
}

/// Alice's session at a gateway, and her own client outside of the network.
struct Session {
    gateway: Gateway,
    broker: BrokerProcess,
    workstation: Workstation,
    /// The proxy's URL, without a token and with hers.
    url: String,
    own: String,
    answer: Value,
    // The network outlives what is on it.
    _lab: Lab,
}

impl Session {
    /// Of a proxy with these further keys.
    fn new(name: &str, keys: &str) -> Self {
        let lab = Lab::start(name).unwrap();
        let (table, url) = table(&lab, &format!("session_url = \"{{url}}\"\n{keys}"));
        let broker = start(&Configuration::new(&lab).table(&table));
        let gateway = Gateway::start(&lab, "gw1", &[(BROKER_NAME, lab.network().host_address())]).unwrap();
        let workstation = Workstation::start(&lab, "outside").unwrap();
        let card = card_of(&lab, "alice").issue().unwrap();
        let login = workstation.log_in(&broker, Presented::File(&card), "gw1", DESK1).unwrap();
        let answer = hold(&gateway, &broker, login.code().unwrap());
        let own = answer.pointer("/session/kdc_proxy/url").and_then(Value::as_str).unwrap().to_owned();
        Self { gateway, broker, workstation, url, own, answer, _lab: lab }
    }

    fn text(&self, pointer: &str) -> &str {
        self.answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

#[test]
fn the_token_of_a_session_serves_its_person_and_nobody_else_until_the_session_ends() {
    let session = Session::new("kkdcp-token", "");
    let Session { gateway, broker, workstation, url, own, .. } = &session;
    let login_id = session.text("/session/login_id");
    let token = own.strip_prefix(&format!("{url}/")).unwrap();
    assert_eq!((token.len(), session.text("/session/kdc_proxy/realm")), (43, "CORP.EXAMPLE"));

    let mit = Mit(workstation.container());
    let came = mit.kinit(own, ALICE);
    succeeds(&came);
    assert!(trace(&came).contains("Sending HTTPS request"), "{}", trace(&came));
    succeeds(&mit.run(own, &["kvno", &format!("HTTP/{DESK1}")], ""));
    succeeds(&mit.kinit(own, ("ALICE@CORP.EXAMPLE", ALICE.1)));
    let by_token = [("path", "session"), ("login_id", login_id), ("kind", "as")];
    assert!(logged(broker, &[&by_token[..], &[("outcome", "answered"), ("client", "alice")]].concat()));

    fails(&mit.kinit(own, CAROL));
    assert!(logged(broker, &[&by_token[..], &[("outcome", "refused"), ("client", "carol")]].concat()));
    fails(&mit.kinit(url, ALICE));
    let forbidden =
        [("path", "open"), ("outcome", "refused"), ("error", "the proxy is not open to everybody")];
    assert!(logged(broker, &forbidden));
    let kpasswd = ["kinit", "-S", "kadmin/changepw", "alice"];
    fails(&mit.run(own, &kpasswd, &format!("{}\n", ALICE.1)));
    assert!(logged(broker, &[("error", "passwords are not changed by a token")]));

    end(gateway, broker);
    fails(&mit.kinit(own, ALICE));
    let ended = [
        ("path", "session"),
        ("outcome", "refused"),
        ("error", "the token is none, or its session has ended"),
    ];
    assert!(logged(broker, &ended));
    assert!(!broker.log().iter().any(|line| line.contains(token)), "the token is in the log");
}

#[test]
fn the_bearer_of_a_token_changes_the_persons_password_where_that_is_allowed() {
    let session = Session::new("kkdcp-kpasswd", "session_kpasswd = true");
    let mit = Mit(session.workstation.container());
    let script = "rm -f /lab/cc; (sleep 1; echo alice-Passw0rd; sleep 1; echo alice-Passw0rd2; sleep 1; \
                  echo alice-Passw0rd2; sleep 1) | script -qec 'kpasswd alice' /dev/null";
    let changed = mit.run(&session.own, &["sh", "-c", script], "");
    assert!(trace(&changed).contains("Password changed."), "{}", trace(&changed));
    assert!(logged(&session.broker, &[("path", "session"), ("kind", "kpasswd"), ("outcome", "answered")]));
    succeeds(&mit.kinit(&session.own, ("alice", "alice-Passw0rd2")));
}

/// A login of somebody who does not exist: answered by the KDC alone.
fn request() -> Vec<u8> {
    let samples = include_str!("../../kdc-proxy/tests/vectors/samba_4_22_login.txt");
    let digits = samples.lines().nth(1).unwrap().split_once(' ').unwrap().0;
    let mut message = hex::decode(digits).unwrap();
    let at = message.windows(10).position(|octets| octets == b"svc-broker").unwrap();
    message[at..at + 10].copy_from_slice(b"nobodyhere");
    encode_request(&Realm::new("CORP.EXAMPLE").unwrap(), &message).unwrap()
}

/// curl's status for that request, with a certificate or without; nothing where the connection failed.
fn curl(client: &Container, url: &str, credential: Option<&Credential>) -> Option<u16> {
    client.write("/lab/request.der", &request(), "644").unwrap();
    let mut command =
        vec!["curl", "--silent", "--output", "/lab/answer.der", "--write-out", "%{http_code}", url];
    command.extend(["--cacert", "/etc/ssl/lab/machine-ca.pem", "--data-binary", "@/lab/request.der"]);
    if let Some(credential) = credential {
        let pem = format!("{}{}", credential.chain_pem(), credential.key_pem());
        client.write("/lab/client.pem", pem.as_bytes(), "600").unwrap();
        command.extend(["--cert", "/lab/client.pem"]);
    }
    let finished = client.exec(&command).unwrap();
    if finished.succeeded() { finished.text().parse().ok() } else { None }
}

#[test]
fn a_proxy_that_requires_certificates_of_an_authority_serves_no_client_without_one() {
    let lab = Lab::shared().unwrap();
    let keys = "client_certificates = \"required\"\nclient_ca = \"machine-ca.pem\"\n";
    let (table, url) = table(&lab, keys);
    let broker = start(&Configuration::new(&lab).table(&table));
    let client = lab.client("certificates").unwrap();
    let laptop = lab.pki().gateway("laptop.corp.example").unwrap();
    assert_eq!(curl(&client, &url, Some(&laptop)), Some(200));
    assert!(logged(&broker, &[("path", "certificate"), ("kind", "as"), ("outcome", "kdc_error")]));
    assert_eq!(curl(&client, &url, None), None);
    let card = card_of(&lab, "alice").issue().unwrap();
    assert_eq!(curl(&client, &url, Some(&card)), None, "a card is of another authority");
}

#[test]
fn a_proxy_for_card_holders_believes_the_cards_that_a_login_believes() {
    let lab = Lab::shared().unwrap();
    let (table, url) = table(&lab, "client_certificates = \"optional\"\nclient_cards = true\n");
    let (good, revoked) = (card_of(&lab, "alice").issue().unwrap(), card_of(&lab, "bob").issue().unwrap());
    let broker = start(&Configuration::new(&lab).revoked(&[&revoked]).table(&table));
    let client = lab.client("cards").unwrap();
    assert_eq!(curl(&client, &url, Some(&good)), Some(200));
    assert_eq!(curl(&client, &url, Some(&revoked)), Some(403));
    assert!(logged(&broker, &[("outcome", "refused"), ("path", "open")]));
    let laptop = lab.pki().gateway("laptop.corp.example").unwrap();
    assert_eq!(curl(&client, &url, Some(&laptop)), Some(403));
    assert_eq!(curl(&client, &url, None), Some(403));
}

#[test]
fn a_proxy_of_two_realms_asks_the_kdcs_of_each_and_of_no_other() {
    let forests = cross_realm::shared();
    let lab = forests.lab();
    let people = Configuration::new(lab).trusting(forests.other(), "svc-reader", &["people.example"]);
    let (both, url) = table(lab, "open = true\nrealms = [\"BETA.EXAMPLE\"]\n");
    let broker = start(&people.clone().table(&both));
    let client = forests.client("two-realms").unwrap();
    let mit = Mit(&client);
    succeeds(&mit.kinit(&url, ("carol@BETA.EXAMPLE", CAROL.1)));
    assert!(logged(&broker, &[("realm", "BETA.EXAMPLE"), ("kind", "as"), ("outcome", "answered")]));
    // A ticket of the one realm leads to a service of the other; each is asked for its own part.
    succeeds(&mit.kinit(&url, ("alice@CORP.EXAMPLE", ALICE.1)));
    succeeds(&mit.run(&url, &["kvno", "TERMSRV/bdesk1.beta.example@BETA.EXAMPLE"], ""));
    for realm in ["CORP.EXAMPLE", "BETA.EXAMPLE"] {
        assert!(logged(&broker, &[("realm", realm), ("kind", "tgs"), ("outcome", "answered")]), "{realm}");
    }
    drop(broker);

    let (own, url) = table(lab, "open = true\n");
    let broker = start(&people.table(&own));
    fails(&mit.kinit(&url, ("carol@BETA.EXAMPLE", CAROL.1)));
    assert!(logged(&broker, &[("outcome", "refused"), ("error", "realm is not configured")]));
    succeeds(&mit.kinit(&url, ("alice@CORP.EXAMPLE", ALICE.1)));
}

#[test]
fn a_proxy_without_kdcs_of_its_own_asks_those_that_dns_names_in_each_realm() {
    let forests = cross_realm::shared();
    let lab = forests.lab();
    let (listed, url) = table(lab, "open = true\nrealms = [\"BETA.EXAMPLE\"]\n");
    let searched: String = listed.split_inclusive('\n').filter(|line| !line.starts_with("kdcs")).collect();
    let dns = [SocketAddr::from((lab.controller().address(), 53))];
    let broker = Configuration::new(lab).trusting(forests.other(), "svc-reader", &["people.example"]);
    let broker = start(&broker.discovering(&dns, "").table(&searched));
    let client = forests.client("searched").unwrap();
    let mit = Mit(&client);
    for (who, password) in [("alice@CORP.EXAMPLE", ALICE.1), ("carol@BETA.EXAMPLE", CAROL.1)] {
        succeeds(&mit.kinit(&url, (who, password)));
    }
    for realm in ["CORP.EXAMPLE", "BETA.EXAMPLE"] {
        assert!(logged(&broker, &[("realm", realm), ("kind", "as"), ("outcome", "answered")]), "{realm}");
    }
}
