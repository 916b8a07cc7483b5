//! Revocation lists from distribution points: OpenSSL makes them, nginx, OpenLDAP and the domain controller publish them, and the
//! real broker decides by them.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::Answer;
use integration::pki::{Credential, ListRequest, OpensslLists};
use integration::publication::Publication;
use integration::wait;

use crate::bench::{Bench, start};

const DESK1: &str = "desk1.corp.example";
const PATIENCE: Duration = Duration::from_secs(20);

/// The bench, and where the cards' issuer publishes.
struct Stand {
    publication: Publication,
    lists: OpensslLists,
    bench: Arc<Bench>,
}

impl Stand {
    /// The one that the tests of this file share. Each publishes under names of its own.
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Stand>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stand) = shared.upgrade() {
            return stand;
        }
        let bench = Bench::shared();
        let publication = Publication::start(&bench.lab, "publication").unwrap();
        let lists = bench.lab.pki().openssl_lists().unwrap();
        std::fs::write(lists.file("root.crl"), &bench.lab.pki().crls(&[]).unwrap()[0]).unwrap();
        let stand = Arc::new(Self { publication, lists, bench });
        *shared = Arc::downgrade(&stand);
        stand
    }

    /// A broker that takes the lists of the cards' issuer from distribution points, and may ask these networks and ports.
    fn broker(&self, networks: &[&str], keys: &str) -> BrokerProcess {
        let root_list = self.lists.file("root.crl");
        let tables = format!(
            "\n[identity.revocation]\nmode = \"ordered\"\ncrls = [{root_list:?}]\n\
             [[identity.revocation.issuer]]\nname = \"O=Corp,CN=Corp Root CA\"\norder = [\"files\"]\n\
             [[identity.revocation.issuer]]\norder = [\"crl\"]\n\
             [identity.fetch]\nallow_networks = {networks:?}\n{keys}\n"
        );
        start(&Configuration::new(&self.bench.lab).revocation_not_configured().table(&tables))
    }

    fn usual_broker(&self) -> BrokerProcess {
        self.broker(&[&self.publication.network()], "")
    }

    /// Alice's card, with one distribution point of these names.
    fn card(&self, urls: &[&str]) -> Credential {
        self.bench.card_of("alice").distribution_point(urls).issue().unwrap()
    }

    fn log_in(&self, broker: &BrokerProcess, card: &Credential) -> Answer {
        self.bench.log_in_at(broker, card, DESK1)
    }

    /// Publishes a list on the web server.
    fn put(&self, name: &str, list: &ListRequest<'_>) -> String {
        self.publication.put(name, &self.lists.make(list).unwrap()).unwrap();
        self.publication.url(name)
    }
}

/// The line of the log in which the broker says why it refused.
fn told(broker: &BrokerProcess, answer: &Answer) -> String {
    let id = answer.field("login_id").unwrap_or_else(|| panic!("no refusal: {answer:?}"));
    let find = || broker.log().into_iter().find(|line| line.contains(id) && line.contains("\"detail\""));
    wait::until("the refusal's line in the log", PATIENCE, find).unwrap()
}

fn assert_unknown(broker: &BrokerProcess, answer: &Answer, why: &str) {
    assert_eq!(answer.refusal(), Some("revocation_unknown"), "{answer:?}");
    let told = told(broker, answer);
    assert!(told.contains(why), "{why} is not in {told}");
}

#[test]
fn a_list_that_a_web_server_publishes_decides_and_is_fetched_once() {
    let stand = Stand::shared();
    let url = stand.publication.url("once.crl");
    let (good, bad) = (stand.card(&[&url]), stand.card(&[&url]));
    stand.put("once.crl", &ListRequest::numbered(1).revoking(&[&bad]));
    let broker = stand.usual_broker();
    for _ in 0..3 {
        assert_eq!(stand.log_in(&broker, &good).status, 200);
        assert_eq!(stand.log_in(&broker, &bad).refusal(), Some("certificate_revoked"));
    }
    assert_eq!(stand.publication.asked("once.crl"), 1);
}

#[test]
fn a_list_in_a_directory_of_another_make_decides() {
    let stand = Stand::shared();
    let url = stand.publication.ldap_url("ca");
    let (good, bad) = (stand.card(&[&url]), stand.card(&[&url]));
    let list = stand.lists.make(&ListRequest::numbered(1).revoking(&[&bad])).unwrap();
    stand.publication.put_in_directory("ca", &list).unwrap();
    let broker = stand.usual_broker();
    assert_eq!(stand.log_in(&broker, &good).status, 200);
    assert_eq!(stand.log_in(&broker, &bad).refusal(), Some("certificate_revoked"));
    let absent = stand.card(&[&stand.publication.ldap_url("absent")]);
    assert_unknown(&broker, &stand.log_in(&broker, &absent), "no such object");
}

/// As Active Directory's certification authority publishes: in the configuration partition, by a URL without a host. Strangers
/// may not read there.
#[test]
fn a_list_in_the_domain_s_own_directory_decides() {
    let stand = Stand::shared();
    let controller = stand.bench.lab.controller();
    let base = controller.domain().base_dn();
    let folder = format!("CN=published,CN=CDP,CN=Public Key Services,CN=Services,CN=Configuration,{base}");
    let path = format!(
        "{}?certificateRevocationList?base?objectClass=cRLDistributionPoint",
        folder.replace(' ', "%20")
    );
    let url = format!("ldap:///CN=Issuing%20CA,{path}");
    let (good, bad) = (stand.card(&[&url]), stand.card(&[&url]));
    let list = stand.lists.make(&ListRequest::numbered(1).revoking(&[&bad])).unwrap();
    let entries = format!(
        "dn: {folder}\nobjectClass: container\n\ndn: CN=Issuing CA,{folder}\nobjectClass: cRLDistributionPoint\n\
         certificateRevocationList:: {}\n",
        STANDARD.encode(&list)
    );
    let command = ["ldbadd", "-H", "/var/lib/samba/private/sam.ldb"];
    let added = controller.container().exec_with(&command, &[], entries.as_bytes()).unwrap();
    assert!(added.succeeded(), "{}", added.error_text());
    // Nothing is allowed: our own directory needs no permission.
    let broker = stand.broker(&["192.0.2.0/24"], "");
    assert_eq!(stand.log_in(&broker, &good).status, 200);
    assert_eq!(stand.log_in(&broker, &bad).refusal(), Some("certificate_revoked"));
    // The same by the controller's name, where strangers see nothing either.
    let by_name = stand.card(&[&url.replace("ldap:///", &format!("ldap://{}/", controller.name()))]);
    assert_eq!(stand.log_in(&broker, &by_name).status, 200);
}

#[test]
fn a_delta_list_that_the_complete_one_names_decides() {
    let stand = Stand::shared();
    let url = stand.publication.url("complete.crl");
    let (good, bad) = (stand.card(&[&url]), stand.card(&[&url]));
    let delta = stand.put("delta.crl", &ListRequest::numbered(8).delta_of(7).revoking(&[&bad]));
    stand.put("complete.crl", &ListRequest::numbered(7).with_delta_at(&delta));
    let broker = stand.usual_broker();
    assert_eq!(stand.log_in(&broker, &good).status, 200);
    assert_eq!(stand.log_in(&broker, &bad).refusal(), Some("certificate_revoked"));
    assert_eq!(stand.publication.asked("delta.crl"), 1);
}

#[test]
fn the_next_name_of_a_distribution_point_is_asked_where_one_fails() {
    let stand = Stand::shared();
    let good = stand.put("second.crl", &ListRequest::numbered(1));
    let [absent, moved] = ["absent.crl", "moved/second.crl"].map(|path| stand.publication.url(path));
    let broker = stand.usual_broker();
    let card = stand.card(&["https://pki.example/ca.crl", "ldap://192.0.2.1/CN=CA", &absent, &moved, &good]);
    assert_eq!(stand.log_in(&broker, &card).status, 200);
}

#[test]
fn a_server_that_misbehaves_gives_no_list_and_the_log_says_why() {
    let stand = Stand::shared();
    stand.put("fine.crl", &ListRequest::numbered(1));
    stand.publication.put("rubbish.crl", b"<html>").unwrap();
    let broker = stand.broker(
        &[&stand.publication.network()],
        "allow_ports = [81]\nmax_crl_size = 1_000_000\ncrl_timeout = \"1s\"",
    );
    let cases = [
        ("absent.crl", "404"),
        ("moved/fine.crl", "which is not followed"),
        ("packed/fine.crl", "content encoding"),
        ("rubbish.crl", "not a CRL"),
        ("oversize.crl", "more than 1000000 octets"),
        ("slow/fine.crl", "no answer in time"),
    ];
    for (path, why) in cases {
        let card = stand.card(&[&stand.publication.url(path)]);
        assert_unknown(&broker, &stand.log_in(&broker, &card), why);
    }
    // Nobody listens there.
    let dead = stand.publication.url("fine.crl").replace("/fine.crl", ":81/fine.crl");
    assert_unknown(&broker, &stand.log_in(&broker, &stand.card(&[&dead])), "no connection");
}

#[test]
fn a_list_that_is_forged_ended_or_of_another_issuer_lets_nobody_in() {
    let stand = Stand::shared();
    let url = stand.publication.url("forged.crl");
    let card = stand.card(&[&url]);
    let mut forged = stand.lists.make(&ListRequest::numbered(1)).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    stand.publication.put("forged.crl", &forged).unwrap();
    let broker = stand.usual_broker();
    assert_unknown(&broker, &stand.log_in(&broker, &card), "not signed by a known key");
    let ended = stand.put("ended.crl", &ListRequest::numbered(1).ended());
    assert_unknown(&broker, &stand.log_in(&broker, &stand.card(&[&ended])), "ended at");
    let root_list =
        std::fs::File::open(stand.lists.file("root.crl")).and_then(std::io::read_to_string).unwrap();
    stand.publication.put("root.crl", root_list.as_bytes()).unwrap();
    let other = stand.card(&[&stand.publication.url("root.crl")]);
    assert_unknown(&broker, &stand.log_in(&broker, &other), "no CRL of the issuer");
}

/// Whoever issues a certificate must not be able to make the broker ask what only this host may ask.
#[test]
fn a_card_cannot_send_the_broker_to_addresses_that_are_not_public() {
    let stand = Stand::shared();
    let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = v4.local_addr().unwrap().port();
    let v6 = TcpListener::bind(("::1", port)).unwrap();
    let broker = stand.broker(&["192.0.2.0/24"], &format!("allow_ports = [{port}]"));
    let cases = [
        (format!("http://127.0.0.1:{port}/"), "it is this host itself"),
        (format!("http://[::1]:{port}/"), "it is this host itself"),
        (format!("http://localhost:{port}/"), "it is this host itself"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "it is this host itself"),
        (format!("http://2130706433:{port}/"), "it is this host itself"),
        (format!("http://127.1:{port}/"), "it is this host itself"),
        (format!("http://0.0.0.0:{port}/"), "it is no host at all"),
        (format!("ldap://127.0.0.1:{port}/CN=a?certificateRevocationList"), "it is this host itself"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "the metadata service of a cloud"),
        (stand.publication.url("once.crl"), "it is a private network"),
        ("http://127.0.0.1:22/".to_owned(), "port 22 is not asked"),
        (format!("http://user@127.0.0.1:{port}/"), "user's name"),
        (format!("http://pki.example:80@127.0.0.1:{port}/"), "user's name"),
        ("file:///etc/passwd".to_owned(), "neither an http nor an ldap url"),
        (format!("https://127.0.0.1:{port}/"), "publish it by http"),
        (
            "ldap:///CN=Administrator,CN=Users?unicodePwd".to_owned(),
            "an attribute that holds revocation lists",
        ),
    ];
    for (url, why) in &cases {
        assert_unknown(&broker, &stand.log_in(&broker, &stand.card(&[url])), why);
    }
    // Nobody has connected.
    for listener in [&v4, &v6] {
        listener.set_nonblocking(true).unwrap();
        let accepted = listener.accept();
        assert_eq!(accepted.map_err(|error| error.kind()).err(), Some(std::io::ErrorKind::WouldBlock));
    }
}

#[test]
fn a_network_that_is_allowed_is_asked() {
    let stand = Stand::shared();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = stand.broker(&["127.0.0.0/8"], &format!("allow_ports = [{port}]"));
    let list = stand.lists.make(&ListRequest::numbered(1)).unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet).unwrap();
            request.extend(octet);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", list.len());
        stream.write_all(&[head.as_bytes(), &list].concat()).unwrap();
    });
    let card = stand.card(&[&format!("http://localhost:{port}/ca.crl")]);
    assert_eq!(stand.log_in(&broker, &card).status, 200);
    server.join().unwrap();
}
