//! People of another realm, against two KDCs in memory that trust each other.

use kdc_proxy::error::ErrorCode;
use kdc_proxy::exchange::realms::{TrustedRealm, TrustedRealms};
use kdc_proxy::testing::Realms;

use super::*;
use crate::directory::testing::foreign_account;

const OWN_DOMAIN: &str = "S-1-5-21-1111-2222-3333";

fn beta() -> Realm {
    Realm::new("BETA.EXAMPLE").expect("a realm")
}

/// A person of beta, whose card is alice's.
fn guest() -> DirectoryAccount {
    let guest = Person::new("alice")
        .at("CN=alice,CN=Users,DC=beta,DC=example")
        .sid("S-1-5-21-2-2-2-1110")
        .member_of(&["S-1-5-21-2-2-2-513"]);
    foreign_account(&guest, OWN_DOMAIN)
}

/// An issuer whose two KDCs answer as long as this lives.
struct Across {
    issuer: Issuer,
    realms: Arc<Mutex<Realms>>,
    _kdcs: JoinSet<()>,
}

impl Across {
    /// Beta's accounts have SIDs of this domain.
    async fn new(domain: [u32; 4]) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let desk = Account::new("DESK1$", 1300, "unsafe-desk").spn(spn("TERMSRV/desk1.corp.example"));
        let own = Kdc::new(&realm(), &mut rng).with(broker()).with(desk);
        let mut other = Kdc::new(&beta(), &mut rng);
        other.set_domain(domain);
        let other = other.with(Account::new("alice", 1110, "unsafe-alice"));
        let realms = Realms::default().with(own).with(other).trusting(&realm(), &beta(), &mut rng);
        let realms = Arc::new(Mutex::new(realms));
        let mut tasks = JoinSet::new();
        let mut kdcs = std::collections::BTreeMap::new();
        for of in [realm(), beta()] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
            let address = listener.local_addr().expect("a bound port").to_string();
            kdcs.insert(of.clone(), vec![address.parse().expect("an address")]);
            tasks.spawn(serve_realm(listener, of, Arc::clone(&realms)));
        }
        let settings = ClientSettings {
            realm: realm(),
            service: PrincipalName::principal("svc-broker").expect("a name"),
            s4u2self_name: spn("HTTP/broker.corp.example"),
            kdcs,
            trusted: TrustedRealms::new(vec![TrustedRealm { realm: beta(), domain_sid: None }]),
            connect_timeout: Duration::from_secs(5),
            exchange_timeout: Duration::from_secs(5),
            allow_rc4: false,
            renew_before: Duration::from_secs(60),
            max_clock_offset: Duration::from_secs(300),
            s4u_cache: Duration::ZERO,
        };
        let own = Settings {
            realm: realm(),
            trusted: vec![beta()],
            account: settings.service.clone(),
            spn: settings.s4u2self_name.clone(),
            session_lifetime: 8 * HOUR,
        };
        let password = Credential::Password(Zeroizing::new("unsafe-broker".to_owned()));
        let client = Client::new(settings, password).expect("sound settings");
        let witness = Witness::new(Arc::new(nowhere()));
        Self { issuer: Issuer::new(Arc::new(client), own, witness), realms, _kdcs: tasks }
    }

    async fn issue(&self) -> Result<DelegatedTicket, TicketError> {
        let grant = grant_by("S-1-5-21-2-2-2-513", "desk1.corp.example", &["TERMSRV"]);
        self.issuer.issue(&guest(), &grant, 24 * HOUR, soon()).await
    }

    /// The next request to this realm is refused.
    fn refuse(&self, of: &Realm, code: ErrorCode) {
        self.realms.lock().expect("no panic").kdc(of).expect("a realm").refuse_next(code);
    }
}

async fn serve_realm(listener: TcpListener, of: Realm, realms: Arc<Mutex<Realms>>) {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    while let Ok((mut stream, _)) = listener.accept().await {
        let length = stream.read_u32().await.expect("a length");
        let mut request = vec![0; usize::try_from(length).expect("a small request")];
        stream.read_exact(&mut request).await.expect("a request");
        let reply = {
            let mut realms = realms.lock().expect("no panic");
            realms.kdc(&of).expect("a realm").answer(&request, clock::now(), &mut rng)
        };
        stream.write_u32(u32::try_from(reply.len()).expect("a small reply")).await.expect("sent");
        stream.write_all(&reply).await.expect("sent");
    }
}

/// The finding of a refused login, and all that is told.
fn found(refused: Result<DelegatedTicket, TicketError>) -> (&'static str, String) {
    let error = refused.expect_err("refused");
    let TicketError::Diagnosed(diagnosed) = &error else { panic!("{error}") };
    (diagnosed.findings()[0].cause.id(), error.to_string())
}

#[tokio::test]
async fn a_person_of_a_trusted_realm_gets_a_ticket_in_her_own_realms_name() {
    let across = Across::new([21, 2, 2, 2]).await;
    let ticket = across.issue().await.expect("a configured realm");
    assert_eq!(ticket.realm(), &beta());
    assert_eq!(ticket.sid(), "S-1-5-21-2-2-2-1110");
    assert_eq!(ticket.first().client().to_string(), "alice@BETA.EXAMPLE");
}

#[tokio::test]
async fn a_realm_that_vouches_with_sids_of_our_domain_is_a_mismatch() {
    let refused = Across::new([21, 1111, 2222, 3333]).await.issue().await.expect_err("our SIDs");
    let TicketError::Mismatch(Mismatch::User { vouched, .. }) = refused else { panic!("{refused}") };
    assert_eq!(vouched, format!("{OWN_DOMAIN}-1110"));
}

#[tokio::test]
async fn a_domain_that_takes_no_evidence_from_abroad_is_named_as_such() {
    let across = Across::new([21, 2, 2, 2]).await;
    across.issue().await.expect("our ticket for beta is there now");
    // What Samba answers where Windows and MIT issue the ticket.
    across.refuse(&realm(), ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN);
    let (cause, told) = found(across.issue().await);
    assert_eq!(cause, "trust.foreign_evidence_refused");
    assert!(told.contains("alice@BETA.EXAMPLE") && told.contains("kdc of CORP.EXAMPLE refused"), "{told}");
}

#[tokio::test]
async fn a_realm_that_does_not_know_its_own_person_is_told_apart() {
    let across = Across::new([21, 2, 2, 2]).await;
    across.refuse(&beta(), ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN);
    let (cause, told) = found(across.issue().await);
    assert_eq!(cause, "user.unknown_to_kdc");
    assert!(told.contains("account of another domain"), "{told}");
}
