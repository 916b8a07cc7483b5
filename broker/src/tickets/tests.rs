//! The issuer against a KDC in memory, over a loopback connection.

mod abroad;

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kdc_proxy::net::client::{Credential, Settings as ClientSettings};
use kdc_proxy::testing::{Account, Kdc};
use ldap_map::testing::Person;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::advice::judge::Certainty;
use super::*;
use crate::clock;
use crate::directory::testing::{account, account_in, nowhere};
use crate::error::{Refusal, Step};
use crate::logging::testing::Log;
use crate::policy::testing::{grant, grant_by};

const HOUR: Duration = Duration::from_secs(3600);

fn soon() -> Instant {
    clock::instant() + Duration::from_secs(15)
}

/// The causes by their identifiers, none of them certain: the directory of these tests cannot be reached.
fn possible(error: TicketError) -> Vec<&'static str> {
    let TicketError::Diagnosed(diagnosed) = error else { panic!("it is about the domain: {error}") };
    assert!(diagnosed.to_string().contains("the directory cannot be read"), "{diagnosed}");
    assert!(diagnosed.findings().iter().all(|finding| finding.certainty == Certainty::Possible));
    diagnosed.findings().iter().map(|finding| finding.cause.id()).collect()
}

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").expect("a realm")
}

fn spn(text: &str) -> PrincipalName {
    text.parse().expect("a service principal name")
}

/// The broker's account as an administrator should set it up.
fn broker() -> Account {
    Account::new("svc-broker", 1200, "unsafe-broker")
        .spn(spn("HTTP/broker.corp.example"))
        .trusted_to_authenticate_for_delegation()
        .delegates_to(spn("TERMSRV/desk1.corp.example"))
        .delegates_to(spn("HTTP/desk1.corp.example"))
}

fn alice() -> Account {
    Account::new("alice", 1103, "unsafe-alice")
}

/// What the directory says of alice, with the SID that the KDC in memory gives the relative identifier.
fn person(rid: u32) -> DirectoryAccount {
    account(&alice_of_the_directory(rid))
}

fn alice_of_the_directory(rid: u32) -> Person {
    let domain = "S-1-5-21-1111-2222-3333";
    Person::new("alice").sid(&format!("{domain}-{rid}")).member_of(&[&format!("{domain}-513")])
}

fn desktop() -> Grant {
    grant("desk1.corp.example", &["TERMSRV", "HTTP", "host"])
}

/// An issuer whose KDC answers as long as this lives.
struct Bench {
    issuer: Issuer,
    /// How many requests the KDC got.
    requests: Arc<AtomicUsize>,
    _kdc: JoinSet<()>,
}

impl Bench {
    async fn new(broker: Account, alice: Account) -> Self {
        Self::keeping(Duration::ZERO, broker, alice).await
    }

    /// An issuer that uses evidence again for so long.
    async fn keeping(s4u_cache: Duration, broker: Account, alice: Account) -> Self {
        let desk = ["TERMSRV", "HTTP", "host"]
            .iter()
            .fold(Account::new("DESK1$", 1300, "unsafe-desk"), |desk, class| {
                desk.spn(spn(&format!("{class}/desk1.corp.example")))
            });
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let kdc = Kdc::new(&realm(), &mut rng).with(broker).with(alice).with(desk);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let mut task = JoinSet::new();
        let requests = Arc::new(AtomicUsize::new(0));
        task.spawn(serve(listener, Arc::new(Mutex::new((kdc, rng))), Arc::clone(&requests)));
        let settings = ClientSettings {
            realm: realm(),
            service: PrincipalName::principal("svc-broker").expect("a name"),
            s4u2self_name: spn("HTTP/broker.corp.example"),
            kdcs: [(realm(), vec![address.parse().expect("an address")])].into(),
            trusted: kdc_proxy::exchange::realms::TrustedRealms::default(),
            connect_timeout: Duration::from_secs(5),
            exchange_timeout: Duration::from_secs(5),
            allow_rc4: false,
            renew_before: Duration::from_secs(60),
            max_clock_offset: Duration::from_secs(300),
            s4u_cache,
        };
        let own = Settings {
            realm: realm(),
            trusted: Vec::new(),
            account: settings.service.clone(),
            spn: settings.s4u2self_name.clone(),
            session_lifetime: 8 * HOUR,
        };
        let password = Credential::Password(Zeroizing::new("unsafe-broker".to_owned()));
        let client = Client::new(settings, password).expect("sound settings");
        let witness = Witness::new(Arc::new(nowhere()));
        Self { issuer: Issuer::new(Arc::new(client), own, witness), requests, _kdc: task }
    }

    async fn issue(&self) -> Result<DelegatedTicket, TicketError> {
        self.issuer.issue(&person(1103), &desktop(), 24 * HOUR, soon()).await
    }
}

/// One request and its reply a connection, each after its length (RFC 4120 section 7.2.2).
async fn serve(listener: TcpListener, kdc: Arc<Mutex<(Kdc, ChaCha20Rng)>>, requests: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        requests.fetch_add(1, Ordering::Relaxed);
        answer(stream, &kdc).await.expect("the client asks and waits");
    }
}

async fn answer(mut stream: TcpStream, kdc: &Mutex<(Kdc, ChaCha20Rng)>) -> io::Result<()> {
    let mut request = vec![0; usize::try_from(stream.read_u32().await?).expect("a small request")];
    stream.read_exact(&mut request).await?;
    let reply = {
        let mut locked = kdc.lock().expect("no test panics while answering");
        let (kdc, rng) = &mut *locked;
        kdc.answer(&request, clock::now(), rng)
    };
    stream.write_u32(u32::try_from(reply.len()).expect("a small reply")).await?;
    stream.write_all(&reply).await
}

#[tokio::test]
async fn a_login_proves_the_person_and_brings_the_ticket_for_the_first_service() {
    let bench = Bench::new(broker(), alice()).await;
    let ticket = bench.issue().await.expect("everything is set up");
    assert_eq!(ticket.sam_account_name(), "alice");
    assert_eq!(ticket.realm().as_str(), "CORP.EXAMPLE");
    assert_eq!(ticket.sid(), "S-1-5-21-1111-2222-3333-1103");
    assert_eq!(ticket.membership(), "member of S-1-5-21-1111-2222-3333-513 by directory and PAC");
    assert_eq!(ticket.first().client().to_string(), "alice@CORP.EXAMPLE");
    assert_eq!(ticket.first().server().name().joined(), "TERMSRV/desk1.corp.example");
    assert_eq!(format!("{ticket:?}"), "DelegatedTicket { .. }");
}

#[tokio::test]
async fn no_ticket_outlives_rule_session_or_card() {
    let bench = Bench::new(broker(), alice()).await;
    let short = Duration::from_secs(600);
    for (at_most, allowed) in [(24 * HOUR, HOUR), (short, short)] {
        let ticket = bench
            .issuer
            .issue(&person(1103), &desktop(), at_most, soon())
            .await
            .expect("everything is set up");
        assert!(ticket.first().endtime() <= clock::now() + allowed);
        let further = bench.issuer.further(&ticket, 1, short, soon()).await.expect("HTTP is delegated");
        assert!(further.endtime() <= clock::now() + short);
    }
}

#[tokio::test]
async fn a_further_service_is_asked_for_with_the_same_evidence() {
    let bench = Bench::new(broker(), alice()).await;
    let login = bench.issue().await.expect("everything is set up");
    let http = bench.issuer.further(&login, 1, HOUR, soon()).await.expect("HTTP is delegated");
    assert_eq!(http.server().name().joined(), "HTTP/desk1.corp.example");
    let refused = bench.issuer.further(&login, 3, HOUR, soon()).await;
    assert!(matches!(refused, Err(TicketError::NotPlanned)));
}

#[tokio::test]
async fn evidence_about_another_sid_is_a_mismatch() {
    let bench = Bench::new(broker(), alice()).await;
    let refused =
        bench.issuer.issue(&person(1104), &desktop(), HOUR, soon()).await.expect_err("the SIDs differ");
    assert!(matches!(refused, TicketError::Mismatch(Mismatch::User { .. })), "{refused}");
}

/// The lines that are marked as security events.
fn security_events(log: &Log) -> Vec<serde_json::Value> {
    log.lines().into_iter().filter(|line| line["security_event"] == true).collect()
}

/// Two requests of the AS exchange, one of S4U2Self: what one login costs that ends with its evidence.
const UP_TO_EVIDENCE: usize = 3;

#[tokio::test]
async fn a_mismatch_is_a_security_event_of_its_own_and_is_not_retried() {
    let bench = Bench::new(broker(), alice()).await;
    let log = Log::default();
    let captured = log.capture();
    let refused =
        bench.issuer.issue(&person(1104), &desktop(), HOUR, soon()).await.expect_err("the SIDs differ");
    drop(captured);
    assert_eq!(bench.requests.load(Ordering::Relaxed), UP_TO_EVIDENCE);
    let events = security_events(&log);
    let [event] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(event["event"], "account_mismatch");
    assert_eq!(event["user"], "alice@CORP.EXAMPLE");
    assert_eq!(event["object_sid"], "S-1-5-21-1111-2222-3333-1104");
    assert_eq!(event["pac_user_sid"], "S-1-5-21-1111-2222-3333-1103");
    let refusal = Refusal::from_ticket(refused, Step::Issue);
    assert_eq!(refusal.code(), "account_mismatch");
    assert!(refusal.logged_code().is_security_event());
}

#[tokio::test]
async fn evidence_from_another_domain_than_the_known_one_is_a_security_event() {
    let bench = Bench::new(broker(), alice()).await;
    let log = Log::default();
    let captured = log.capture();
    let elsewhere = account_in("S-1-5-21-7-8-9".parse().expect("a SID"), &alice_of_the_directory(1103));
    let refused = bench.issuer.issue(&elsewhere, &desktop(), HOUR, soon()).await.expect_err("another domain");
    drop(captured);
    assert!(matches!(refused, TicketError::Mismatch(Mismatch::Domain { .. })), "{refused}");
    assert_eq!(bench.requests.load(Ordering::Relaxed), UP_TO_EVIDENCE);
    let events = security_events(&log);
    assert_eq!((events.len(), events[0]["event"].as_str()), (1, Some("account_mismatch")));
    assert_eq!(events[0]["domain_sid"], "S-1-5-21-7-8-9");
    assert_eq!(events[0]["pac_domain_sid"], "S-1-5-21-1111-2222-3333");
}

#[tokio::test]
async fn groups_that_the_pac_does_not_confirm_are_a_security_event_and_not_asked_for_again() {
    let bench = Bench::new(broker(), alice()).await;
    let grant = grant_by("S-1-5-21-1111-2222-3333-2001", "desk1.corp.example", &["TERMSRV"]);
    let log = Log::default();
    let captured = log.capture();
    let refused = bench.issuer.issue(&person(1103), &grant, HOUR, soon()).await.expect_err("no such group");
    drop(captured);
    assert_eq!(bench.requests.load(Ordering::Relaxed), UP_TO_EVIDENCE);
    assert_eq!(security_events(&log)[0]["event"], "membership_mismatch");
    assert_eq!(Refusal::from_ticket(refused, Step::Issue).code(), "membership_mismatch");
}

#[tokio::test]
async fn refused_evidence_is_not_used_for_the_next_login() {
    let bench = Bench::keeping(HOUR, broker(), alice()).await;
    bench.issuer.issue(&person(1104), &desktop(), HOUR, soon()).await.expect_err("the SIDs differ");
    bench.issue().await.expect("everything is set up");
    // S4U2Self anew and S4U2Proxy, under the ticket-granting ticket of the first login.
    assert_eq!(bench.requests.load(Ordering::Relaxed), UP_TO_EVIDENCE + 2);
    bench.issue().await.expect("everything is set up");
    assert_eq!(bench.requests.load(Ordering::Relaxed), UP_TO_EVIDENCE + 2, "good evidence is used again");
}

#[tokio::test]
async fn what_the_pac_says_of_an_account_keeps_it_out_whatever_the_directory_says() {
    let cases: [(Account, &str); 8] = [
        (alice().control_bits(0x80), "account_not_a_person"),
        (alice().control_bits(0x100), "account_not_a_person"),
        (alice().control_bits(0x40), "account_not_a_person"),
        (alice().control_bits(0x10 | 0x80), "account_not_a_person"),
        (alice().control_bits(0), "account_not_a_person"),
        (alice().control_bits(0x11), "account_disabled"),
        (alice().control_bits(0x4010), "account_not_delegable"),
        (alice().member_of(&[525]), "account_protected"),
    ];
    for (account, code) in cases {
        let bench = Bench::new(broker(), account).await;
        let refused = bench.issue().await.expect_err(code);
        assert!(matches!(refused, TicketError::Account(_)), "{code}: {refused}");
        assert_eq!(bench.requests.load(Ordering::Relaxed), UP_TO_EVIDENCE, "{code}");
        assert_eq!(Refusal::from_ticket(refused, Step::Issue).code(), code);
    }
}

#[tokio::test]
async fn a_group_of_the_pac_permits() {
    let bench = Bench::new(broker(), alice().member_of(&[2001])).await;
    let grant = grant_by("S-1-5-21-1111-2222-3333-2001", "desk1.corp.example", &["TERMSRV"]);
    let ticket =
        bench.issuer.issue(&person(1103), &grant, HOUR, soon()).await.expect("the PAC names the group");
    assert_eq!(ticket.membership(), "member of S-1-5-21-1111-2222-3333-2001 by directory and PAC");
}

#[tokio::test]
async fn a_group_of_the_rule_that_is_not_in_the_pac_is_refused() {
    let bench = Bench::new(broker(), alice()).await;
    let grant = grant_by("S-1-5-21-1111-2222-3333-2001", "desk1.corp.example", &["TERMSRV"]);
    let refused = bench
        .issuer
        .issue(&person(1103), &grant, HOUR, soon())
        .await
        .expect_err("only the directory says so");
    assert!(matches!(refused, TicketError::Membership(_)), "{refused}");
}

#[tokio::test]
async fn a_group_that_no_pac_names_does_not_keep_anybody_out() {
    let bench = Bench::new(broker(), alice()).await;
    let grant = grant_by("S-1-5-32-555", "desk1.corp.example", &["TERMSRV"]);
    let ticket = bench.issuer.issue(&person(1103), &grant, HOUR, soon()).await.expect("everything is set up");
    assert!(ticket.membership().contains("S-1-5-32-555 by the directory alone"), "{}", ticket.membership());
}

#[tokio::test]
async fn a_sensitive_account_is_refused_by_its_pac() {
    let bench = Bench::new(broker(), alice().sensitive()).await;
    let refused = bench.issue().await.expect_err("alice is sensitive");
    assert!(matches!(refused, TicketError::Account(AccountRefused::NotDelegated { .. })), "{refused}");
}

#[tokio::test]
async fn evidence_that_is_not_forwardable_is_refused_before_delegation_is_tried() {
    let untrusted = Account::new("svc-broker", 1200, "unsafe-broker")
        .spn(spn("HTTP/broker.corp.example"))
        .delegates_to(spn("TERMSRV/desk1.corp.example"));
    let refused = Bench::new(untrusted, alice()).await.issue().await.expect_err("the broker is not trusted");
    assert_eq!(possible(refused).first(), Some(&"own.no_protocol_transition"));
}

#[tokio::test]
async fn a_target_that_is_not_delegated_is_refused_with_the_commands_that_mend_it() {
    let bare = Account::new("svc-broker", 1200, "unsafe-broker")
        .spn(spn("HTTP/broker.corp.example"))
        .trusted_to_authenticate_for_delegation()
        .delegates_to(spn("cifs/other.corp.example"));
    let refused = Bench::new(bare, alice()).await.issue().await.expect_err("the target is not delegated");
    let text = refused.to_string();
    assert!(
        text.contains("samba-tool delegation add-service svc-broker TERMSRV/desk1.corp.example"),
        "{text}"
    );
    // The KDC in memory tells by its status that a list is there.
    assert_eq!(possible(refused).first(), Some(&"delegation.not_listed"));
}

#[tokio::test]
async fn a_person_the_kdc_does_not_know_is_told_apart() {
    let bench = Bench::new(broker(), Account::new("bob", 1104, "unsafe-bob")).await;
    let refused = bench.issue().await.expect_err("alice is unknown");
    assert_eq!(possible(refused), ["user.unknown_to_kdc"]);
}

#[tokio::test]
async fn a_wrong_password_of_our_own_is_our_administrators_to_mend() {
    let other = Account::new("svc-broker", 1200, "unsafe-other").spn(spn("HTTP/broker.corp.example"));
    let refused = Bench::new(other, alice()).await.issue().await.expect_err("the password is wrong");
    assert_eq!(possible(refused), ["own.key_version", "own.key_wrong", "own.password_wrong"]);
}
