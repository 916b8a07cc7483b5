//! Two forests that trust each other. First MIT's tools say what the lab and Samba do: a ticket of the one realm leads to services of
//! the other, and Samba lets nobody act for a stranger across the trust.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented, Workstation};
use integration::container::Container;
use integration::lab::Forests;
use integration::wait;
use kdc_proxy::ccache::{CCache, Placeholder};
use kdc_proxy::error::{ErrorCode, ReferralError};
use kdc_proxy::exchange::realms::{TrustedRealm, TrustedRealms};
use kdc_proxy::keytab::Keytab;
use kdc_proxy::net::client::{Client, ClientError, Credential, Settings, Stage};
use kdc_proxy::net::locate::KdcAddress;
use kdc_proxy::principal::{Principal, PrincipalName, Realm};

use crate::bench::start;

const HOUR: Duration = Duration::from_secs(3600);
const BDESK1: &str = "TERMSRV/bdesk1.beta.example";
const DESK1: &str = "desk1.corp.example";

fn realm(name: &str) -> Realm {
    Realm::new(name).unwrap()
}

/// Our client in the name of `svc-broker@CORP.EXAMPLE`, which knows these other realms' KDCs and trusts them.
fn ours(forests: &Forests, trusted: &[&str]) -> Client {
    let controller = forests.lab().controller();
    let keytab = Keytab::parse(&controller.keytab("svc-broker").unwrap()).unwrap();
    let kdc = |address: std::net::Ipv4Addr| vec![KdcAddress::new(&address.to_string(), 88).unwrap().into()];
    let settings = Settings {
        realm: realm("CORP.EXAMPLE"),
        service: PrincipalName::principal("svc-broker").unwrap(),
        s4u2self_name: PrincipalName::service("HTTP", "broker.corp.example").unwrap(),
        kdcs: [
            (realm("CORP.EXAMPLE"), kdc(controller.address())),
            (realm("BETA.EXAMPLE"), kdc(forests.other().address())),
        ]
        .into(),
        trusted: TrustedRealms::new(
            trusted.iter().map(|name| TrustedRealm { realm: realm(name), domain_sid: None }).collect(),
        ),
        connect_timeout: Duration::from_secs(2),
        exchange_timeout: Duration::from_secs(10),
        allow_rc4: false,
        renew_before: Duration::from_secs(300),
        max_clock_offset: Duration::from_secs(300),
        s4u_cache: Duration::ZERO,
    };
    Client::new(settings, Credential::Keytab(keytab)).unwrap()
}

/// A person's password login, and a ticket for a service.
fn ticket(client: &Container, person: &str, password: &str, spn: &str) -> Result<String, String> {
    let login = client.exec_with(&["kinit", person], &[], format!("{password}\n").as_bytes()).unwrap();
    assert!(login.succeeded(), "{person}: {}", login.error_text());
    client.run(&["kvno", spn]).map_err(|error| error.to_string())?;
    Ok(client.run(&["klist", "-f"]).unwrap())
}

/// The forests that the tests here share.
pub(crate) fn shared() -> Arc<Forests> {
    static SHARED: Mutex<Weak<Forests>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(forests) = shared.upgrade() {
        return forests;
    }
    let started = wait::monotonic();
    let forests = Arc::new(Forests::start("forests").unwrap());
    println!("two forests answer after {:.1?}", started.elapsed());
    *shared = Arc::downgrade(&forests);
    forests
}

#[test]
fn tickets_cross_the_trust_both_ways_and_samba_refuses_to_act_for_strangers() {
    let forests = shared();
    let client = forests.client("mit").unwrap();

    let there =
        ticket(&client, "alice@CORP.EXAMPLE", "alice-Passw0rd", "TERMSRV/bdesk1.beta.example").unwrap();
    assert!(there.contains("Ticket server: TERMSRV/bdesk1.beta.example@BETA.EXAMPLE"), "{there}");
    let back = ticket(&client, "carol@BETA.EXAMPLE", "carol-Passw0rd", "TERMSRV/desk1.corp.example").unwrap();
    assert!(back.contains("TERMSRV/desk1.corp.example@CORP.EXAMPLE"), "{back}");

    client
        .write("/lab/svc.keytab", &forests.lab().controller().keytab("svc-broker").unwrap(), "600")
        .unwrap();
    client.run(&["kinit", "-f", "-k", "-t", "/lab/svc.keytab", "svc-broker"]).unwrap();
    let stranger = client.exec(&["kvno", "-k", "/lab/svc.keytab", "-U", "carol@BETA.EXAMPLE", "svc-broker"]);
    let stranger = stranger.unwrap();
    assert!(stranger.error_text().contains("not found in Kerberos database"), "{}", stranger.error_text());
}

#[test]
fn each_forests_dns_knows_the_others_names() {
    let forests = shared();
    for (asked, other) in
        [(forests.lab().controller(), forests.other()), (forests.other(), forests.lab().controller())]
    {
        let resolve = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))";
        let found = asked.container().run(&["python3", "-c", resolve, other.name()]).unwrap();
        assert_eq!(found.trim(), other.address().to_string());
    }
}

#[tokio::test]
async fn our_client_reaches_a_service_of_the_other_forest_by_referral_and_mit_opens_the_ticket() {
    let forests = shared();
    let spn: PrincipalName = BDESK1.parse().unwrap();
    let ticket = ours(&forests, &["BETA.EXAMPLE"]).service_ticket(&spn, HOUR).await.unwrap();
    assert_eq!(ticket.client().to_string(), "svc-broker@CORP.EXAMPLE");
    assert_eq!(ticket.server().to_string(), format!("{BDESK1}@BETA.EXAMPLE"));

    let cache = CCache::for_service_tickets(ticket.client(), &[&ticket], Placeholder::None).unwrap();
    let mit = forests.client("judge").unwrap();
    mit.write("/lab/ours.cc", &cache.to_bytes(), "600").unwrap();
    mit.write("/lab/bdesk1.keytab", &forests.other().keytab("bdesk1").unwrap(), "600").unwrap();
    // The ticket is in the cache, so that nobody is asked; it opens under the desktop's own key.
    let opened = mit
        .run(&["kvno", "-c", "/lab/ours.cc", "-k", "/lab/bdesk1.keytab", &format!("{BDESK1}@BETA.EXAMPLE")])
        .unwrap();
    assert!(opened.contains("keytab entry valid"), "{opened}");
}

#[tokio::test]
async fn our_client_does_not_follow_samba_to_a_realm_that_is_not_configured() {
    let forests = shared();
    let spn: PrincipalName = BDESK1.parse().unwrap();
    let error = ours(&forests, &[]).service_ticket(&spn, HOUR).await.unwrap_err();
    let referral = ReferralError::NotConfigured { realm: realm("BETA.EXAMPLE") };
    assert_eq!(error, ClientError::Referral { stage: Stage::Tgs, referral });
}

#[tokio::test]
async fn samba_refuses_evidence_from_abroad_in_our_own_realm() {
    let forests = shared();
    let client = ours(&forests, &["BETA.EXAMPLE"]);
    // Beta's controller does not do S4U2Self for a service of another realm and gives an ordinary referral, whoever is asked for;
    // ours then does not know the person.
    for name in ["carol", "nobody"] {
        let person = Principal::new(PrincipalName::principal(name).unwrap(), realm("BETA.EXAMPLE"));
        let error = client.s4u2self(&person).await.unwrap_err();
        let ClientError::KdcRefused { stage, realm: by, code, .. } = error else { panic!("{name}: {error}") };
        let expected = (Stage::S4u2Self, realm("CORP.EXAMPLE"), ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN);
        assert_eq!((stage, by, code), expected, "{name}");
    }
}

/// A broker that serves beta's people too, and a workstation in front of it.
struct Across {
    broker: BrokerProcess,
    workstation: Workstation,
    forests: Arc<Forests>,
}

impl Across {
    fn new(name: &str) -> Self {
        let forests = shared();
        let configuration = Configuration::new(forests.lab());
        let broker = start(&configuration.trusting(forests.other(), "svc-reader", &["people.example"]));
        let workstation = Workstation::start(forests.lab(), name).unwrap();
        Self { broker, workstation, forests }
    }

    /// Logs in with a card of this name that carries this SID.
    fn log_in(&self, upn: &str, sid: &str) -> Answer {
        let card = self.forests.lab().pki().card(upn).sid(sid).issue().unwrap();
        self.workstation.log_in(&self.broker, Presented::File(&card), "gw1", DESK1).unwrap()
    }

    /// The line of the log that tells an administrator of this refusal.
    fn told(&self, answer: &Answer) -> String {
        let id = answer.field("login_id").unwrap();
        let refused = |line: &String| line.contains(id) && line.contains("\"detail\"");
        let find = || self.broker.log().into_iter().find(refused);
        wait::until("the refusal's line in the log", Duration::from_secs(10), find).unwrap()
    }
}

#[test]
fn the_broker_finds_people_of_the_other_forest_and_names_why_samba_does_not_delegate_them() {
    let across = Across::new("stranger");
    let beta = across.forests.other();
    // Dora's name has a suffix that is not her domain's.
    for (account, upn) in [("carol", "carol@beta.example"), ("dora", "dora@people.example")] {
        let answer = across.log_in(upn, beta.sid(account).unwrap());
        assert_eq!(answer.refusal(), Some("trust_unusable"), "{upn}: {answer:?}");
        assert_eq!(answer.field("step"), Some("issue"), "{answer:?}");
        let told = across.told(&answer);
        for word in [
            &format!("{account}@BETA.EXAMPLE"),
            "trust.foreign_evidence_refused",
            "samba-tool domain trust list",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}

#[test]
fn people_of_our_own_forest_are_served_as_before_beside_those_of_another() {
    let across = Across::new("neighbour");
    let (corp, beta) = (across.forests.lab().controller(), across.forests.other());
    let answer = across.log_in("alice@corp.example", corp.sid("alice").unwrap());
    assert!(answer.code().is_some(), "{answer:?}");
    // A card of beta's name with the SID of our account of that name, and the other way round.
    let answer = across.log_in("carol@beta.example", corp.sid("carol").unwrap());
    assert_eq!(answer.refusal(), Some("mapping_mismatch"), "{answer:?}");
    let answer = across.log_in("alice@corp.example", beta.sid("carol").unwrap());
    assert_eq!(answer.refusal(), Some("mapping_mismatch"), "{answer:?}");
    // Beta's reader is in none of beta's groups that a rule names; ours of that name counts for nothing there.
    let answer = across.log_in("svc-reader@beta.example", beta.sid("svc-reader").unwrap());
    assert_eq!(answer.refusal(), Some("policy_denied"), "{answer:?}");
}
