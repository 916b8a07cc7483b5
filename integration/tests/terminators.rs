//! Real TLS terminators in front of the real broker, and those who would like to be one.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented};
use integration::pki::Credential;
use integration::terminator::{PORTAL, Planned, Product, Terminator};
use integration::wait::until;
use serde_json::Value;

use crate::bench::{Bench, start};

const DESK1: &str = "desk1.corp.example";
/// How long a line of the log may come after the answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A broker that knows all terminators, and those of them that run.
struct Edge {
    // Dropped in this order: the lab's network goes when nothing is on it any more.
    terminators: Vec<(Product, Terminator)>,
    broker: BrokerProcess,
    status: SocketAddr,
    bench: Arc<Bench>,
}

impl Edge {
    fn start(products: &[Product], revoked: &[&Credential]) -> Self {
        let bench = Bench::shared();
        let planned = |product: &Product| (*product, Planned::new(&bench.lab, *product).unwrap());
        let configuration = Configuration::new(&bench.lab).revoked(revoked);
        Self::of(products.iter().map(planned).collect(), configuration, Arc::clone(&bench))
    }

    fn of(planned: Vec<(Product, Planned)>, configuration: Configuration<'_>, bench: Arc<Bench>) -> Self {
        let host = bench.lab.network().host_address();
        let status = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let health = format!("\n[health]\nlisten = \"{status}\"\nloopback_only = false\n");
        let tables: String = planned.iter().map(|(_, planned)| planned.table()).collect();
        let configuration = configuration
            .table("\n[terminators]\nclient_ca = \"machine-ca.pem\"\n")
            .table(&(tables + &health));
        let broker = start(&configuration);
        let run = |planned: Planned| planned.start(&bench.lab, broker.card_socket()).unwrap();
        let terminators = planned.into_iter().map(|(product, planned)| (product, run(planned))).collect();
        Self { terminators, broker, status, bench }
    }

    /// Logs in through a terminator, with further headers.
    fn through(&self, terminator: &Terminator, presented: Presented<'_>, headers: &[&str]) -> Answer {
        let resolve = format!("{PORTAL}:443:{}", terminator.socket().ip());
        let mut options = vec!["--resolve", resolve.as_str()];
        options.extend(headers.iter().flat_map(|header| ["--header", *header]));
        let workstation = &self.bench.workstation;
        workstation.log_in_through(&format!("{PORTAL}:443"), &options, presented, "gw1", DESK1).unwrap()
    }

    /// Logs in at the broker itself, with further headers.
    fn direct(&self, presented: Presented<'_>, headers: &[&str]) -> Answer {
        let options: Vec<&str> = headers.iter().flat_map(|header| ["--header", *header]).collect();
        let (workstation, address) = (&self.bench.workstation, self.broker.card_address());
        workstation.log_in_through(&address, &options, presented, "gw1", DESK1).unwrap()
    }

    /// A counter of the metrics.
    fn counted(&self, reason: &str) -> u64 {
        let url = format!("http://{}/metrics", self.status);
        let text = self.bench.workstation.container().run(&["curl", "--silent", "--fail", &url]).unwrap();
        let line = format!("kerbridge_presentation_refused_total{{listener=\"card\",reason=\"{reason}\"}} ");
        text.lines().find_map(|told| told.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }

    /// The span of the login that went through the line after `before` others.
    fn line_after(&self, before: usize) -> Value {
        let find = || self.broker.events().into_iter().filter(went_through).nth(before);
        until("the login in the log", LIMIT, find).unwrap()["span"].clone()
    }
}

fn went_through(event: &Value) -> bool {
    event["message"] == "login went through the line"
}

/// All headers in which the certificate could be sent.
fn forged(card: &Credential) -> Vec<String> {
    let pem = card.chain_pem().split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let escaped: String = pem
        .bytes()
        .map(|octet| {
            if octet.is_ascii_alphanumeric() {
                char::from(octet).to_string()
            } else {
                format!("%{octet:02X}")
            }
        })
        .collect();
    let der = STANDARD.encode(card.der());
    vec![
        format!("Client-Cert: :{der}:"),
        format!("SSL-Client-Cert: {escaped}"),
        format!("SSL_CLIENT_CERT: {}", pem.trim().replace('\n', " ")),
        format!("X-SSL-Client-Cert: {der}"),
        format!("X-Forwarded-Client-Cert: Cert=\"{escaped}\""),
        format!("X-Amzn-Mtls-Clientcert: {escaped}"),
        format!("X-Amzn-Mtls-Clientcert-Leaf: {escaped}"),
        format!("X-Client-Certificate: {escaped}"),
        "X-Client-Verified: SUCCESS".to_owned(),
    ]
}

#[test]
fn every_terminator_brings_the_card_that_made_its_handshake_with_it() {
    let bench = Bench::shared();
    let good = bench.card_of("alice").issue().unwrap();
    let revoked = bench.card_of("alice").issue().unwrap();
    let unusable = bench.card_of("alice").without_smartcard_logon().issue().unwrap();
    let edge = Edge::start(&Product::ALL, &[&revoked]);
    let workstation = bench.workstation.container().address().to_string();
    for (before, (product, terminator)) in edge.terminators.iter().enumerate() {
        let form = product.form();
        let welcome = edge.through(terminator, Presented::File(&good), &[]);
        assert_eq!(welcome.status, 200, "{form}: {welcome:?}\n{}", terminator.log());
        assert_eq!(welcome.field("subject"), Some("alice@corp.example"));
        let line = edge.line_after(before);
        assert_eq!(
            (&line["channel"], &line["client_address"]),
            (&"terminator".into(), &workstation.clone().into())
        );
        // The broker judges all anew, whatever the terminator took.
        for (card, code) in [(&revoked, "certificate_revoked"), (&unusable, "certificate_usage")] {
            let refused = edge.through(terminator, Presented::File(card), &[]);
            assert_eq!(refused.refusal(), Some(code), "{form}: {refused:?}");
        }
        // Without a card, the terminator's own certificate is nobody's card.
        let nobody = edge.through(terminator, Presented::Nothing, &[]);
        assert_eq!(nobody.refusal(), Some("certificate_missing"), "{form}: {nobody:?}");
    }
}

/// RFC 9440 section 2.3: what the card sent behind its own certificate, without which a broker that knows the root alone finds no path.
#[test]
fn the_chain_that_a_terminator_brings_with_a_card_leads_to_the_root() {
    let bench = Bench::shared();
    let plan = || Planned::new(&bench.lab, Product::HaProxyRfc9440).unwrap();
    let card = bench.card_of("alice").issue().unwrap();
    for (planned, expected) in [(plan(), Some("certificate_untrusted")), (plan().with_chain(), None)] {
        let configuration = Configuration::new(&bench.lab).without_intermediates();
        let planned = vec![(Product::HaProxyRfc9440, planned)];
        let edge = Edge::of(planned, configuration, Arc::clone(&bench));
        let [(_, terminator)] = edge.terminators.as_slice() else { panic!("one terminator") };
        let answer = edge.through(terminator, Presented::File(&card), &[]);
        assert_eq!(answer.refusal(), expected, "{answer:?}\n{}", terminator.log());
        if expected.is_none() {
            assert_eq!((answer.status, answer.field("subject")), (200, Some("alice@corp.example")));
        }
    }
}

#[test]
fn a_header_that_a_client_sends_through_a_terminator_gets_nowhere() {
    let bench = Bench::shared();
    let alice = bench.card_of("alice").issue().unwrap();
    let dave = bench.card_of("dave").issue().unwrap();
    let edge = Edge::start(&Product::ALL, &[]);
    let forged = forged(&alice);
    let all: Vec<&str> = forged.iter().map(String::as_str).collect();
    for (product, terminator) in &edge.terminators {
        // Each name that one of these programs could take for its own, and then all there are at once.
        let own = all.iter().filter(|header| header.starts_with("SSL") || header.starts_with("Client-Cert"));
        for headers in own.map(|header| vec![*header]).chain([all.clone()]) {
            let nobody = edge.through(terminator, Presented::Nothing, &headers);
            let refusal = nobody.refusal().unwrap_or_else(|| panic!("{product:?} {headers:?}: {nobody:?}"));
            let expected = ["certificate_missing", "certificate_header_invalid"];
            assert!(expected.contains(&refusal), "{product:?} {headers:?}: {refusal}");
        }
        // Beside a card of one's own it changes nothing, or ends the login: it makes nobody alice.
        let dave = edge.through(terminator, Presented::File(&dave), &all);
        assert_ne!(dave.field("subject"), Some("alice@corp.example"), "{product:?}");
    }
}

#[test]
fn a_forged_header_from_anybody_but_a_terminator_is_refused_and_counted() {
    let bench = Bench::shared();
    let alice = bench.card_of("alice").issue().unwrap();
    let dave = bench.card_of("dave").issue().unwrap();
    let edge = Edge::start(&[Product::HaProxyRfc9440], &[]);
    let [(_, terminator)] = edge.terminators.as_slice() else { panic!("one terminator") };
    let gateway = bench.lab.pki().gateway("gw1.corp.example").unwrap();
    let mut strangers = 0;
    let presented =
        [Presented::Nothing, Presented::File(&dave), Presented::File(&alice), Presented::File(&gateway)];
    for (header, presented) in forged(&alice).iter().zip(presented.iter().cycle()) {
        let refused = edge.direct(*presented, &[header]);
        let told = (refused.status, refused.refusal());
        assert_eq!(told, (403, Some("certificate_header_untrusted")), "{presented:?} {header}");
        strangers += 1;
    }
    assert_eq!(edge.counted("stranger"), strangers);
    // The terminator's own key and certificate, stolen, from somewhere else: with a header, and as if it were a card.
    for headers in [vec![], forged(&alice)] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).take(1).collect();
        let refused = edge.direct(Presented::File(terminator.own()), &headers);
        assert_eq!(refused.refusal(), Some("certificate_header_untrusted"), "{headers:?}");
    }
    assert_eq!((edge.counted("stranger"), edge.counted("other_address")), (strangers, 2));
    let told = || edge.broker.events().iter().filter(|event| event["security_event"] == true).count();
    let all = usize::try_from(strangers + 2).unwrap();
    until("a security event for each", LIMIT, || (told() >= all).then_some(())).unwrap();
    assert_eq!(told(), all, "each is a security event, once");
}
