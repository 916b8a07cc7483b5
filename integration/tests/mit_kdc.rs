//! MIT's own KDC serves S4U2Self and S4U2Proxy, also for a person of another realm, which Samba does not. MIT's `kvno` says so first;
//! then our client asks the same.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use integration::container::Network;
use integration::mit_kdc::MitKdc;
use integration::wait;
use kdc_proxy::error::{ErrorCode, EvidenceError, ReplyError};
use kdc_proxy::exchange::realms::{TrustedRealm, TrustedRealms};
use kdc_proxy::keytab::Keytab;
use kdc_proxy::message::pac::PacError;
use kdc_proxy::net::client::{Client, ClientError, Credential, Settings, Stage};
use kdc_proxy::net::locate::KdcAddress;
use kdc_proxy::principal::{Principal, PrincipalName, Realm};

const HOUR: Duration = Duration::from_secs(3600);
const DESK1: &str = "TERMSRV/desk1.mit.example";
/// The PAC buffer of that type (MS-PAC 2.4).
const LOGON_INFO: u32 = 1;
const BDESK1: &str = "TERMSRV/bdesk1.other.example";

/// The KDC and its network, which the tests here share.
struct Scene {
    // Before its network.
    kdc: MitKdc,
    _network: Network,
}

fn shared() -> Arc<Scene> {
    static SHARED: Mutex<Weak<Scene>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scene) = shared.upgrade() {
        return scene;
    }
    let started = wait::monotonic();
    let network = Network::create("mit").unwrap();
    let kdc = MitKdc::start(&network).unwrap();
    println!("MIT's KDC answers after {:.1?}", started.elapsed());
    let scene = Arc::new(Scene { kdc, _network: network });
    *shared = Arc::downgrade(&scene);
    scene
}

/// Runs `kvno` with a ticket of the broker's in a cache of its own.
fn kvno(scene: &Scene, arguments: &str) -> Result<String, String> {
    let script = format!(
        "export KRB5CCNAME=$(mktemp); keytab=/lab/keytabs/broker.keytab; \
         kinit -f -k -t $keytab HTTP/broker.mit.example && kvno {arguments} && klist -f"
    );
    scene.kdc.container().run(&["sh", "-c", &script]).map_err(|error| error.to_string())
}

fn realm(name: &str) -> Realm {
    Realm::new(name).unwrap()
}

fn person(name: &str, of: &str) -> Principal {
    Principal::new(PrincipalName::principal(name).unwrap(), realm(of))
}

/// Our client in the broker's name; it trusts the other realm.
fn ours(scene: &Scene) -> Client {
    let kdc = || vec![KdcAddress::new(&scene.kdc.address().to_string(), 88).unwrap().into()];
    let own = PrincipalName::service("HTTP", "broker.mit.example").unwrap();
    let settings = Settings {
        realm: realm("MIT.EXAMPLE"),
        service: own.clone(),
        s4u2self_name: own,
        kdcs: [(realm("MIT.EXAMPLE"), kdc()), (realm("OTHER.EXAMPLE"), kdc())].into(),
        trusted: TrustedRealms::new(vec![TrustedRealm { realm: realm("OTHER.EXAMPLE"), domain_sid: None }]),
        connect_timeout: Duration::from_secs(2),
        exchange_timeout: Duration::from_secs(10),
        allow_rc4: false,
        renew_before: Duration::from_secs(300),
        max_clock_offset: Duration::from_secs(300),
        s4u_cache: Duration::ZERO,
    };
    let keytab = Keytab::parse(&scene.kdc.keytab("broker").unwrap()).unwrap();
    Client::new(settings, Credential::Keytab(keytab)).unwrap()
}

#[test]
fn mits_kdc_delegates_by_the_services_list_and_nowhere_else() {
    let scene = shared();
    let tickets = kvno(&scene, &format!("-U alice -P {DESK1}")).unwrap();
    assert!(tickets.contains("for client alice@MIT.EXAMPLE, Flags: F"), "{tickets}");
    for refused in ["-U alice -P TERMSRV/desk2.mit.example", &format!("-U sam -P {DESK1}")] {
        let error = kvno(&scene, refused).unwrap_err();
        assert!(error.contains("KDC can't fulfill requested option"), "{refused}: {error}");
    }
}

#[test]
fn mits_kdc_lets_a_service_act_for_a_person_of_another_realm_in_its_own_realm_only() {
    let scene = shared();
    let tickets = kvno(&scene, &format!("-I carol@OTHER.EXAMPLE -P {DESK1}")).unwrap();
    assert_eq!(tickets.matches("for client carol@OTHER.EXAMPLE, Flags: F").count(), 2, "{tickets}");
    // At a service of the other realm that one would have to say so itself, for which MIT's LDAP backend has no attribute.
    let abroad = kvno(&scene, &format!("-U alice -P {BDESK1}@MIT.EXAMPLE")).unwrap_err();
    assert!(abroad.contains("KDC can't fulfill requested option"), "{abroad}");
    kvno(&scene, &format!("{BDESK1}@OTHER.EXAMPLE")).unwrap();
}

#[tokio::test]
async fn our_client_logs_in_at_mits_kdc_and_reaches_a_service_of_the_other_realm() {
    let scene = shared();
    let client = ours(&scene);
    client.service_tgt().await.unwrap();
    let ticket = client.service_ticket(&BDESK1.parse().unwrap(), HOUR).await.unwrap();
    assert_eq!(ticket.server().to_string(), format!("{BDESK1}@OTHER.EXAMPLE"));
}

#[tokio::test]
async fn our_client_is_given_evidence_by_mits_kdc_in_both_realms_and_refuses_it_for_want_of_a_sid() {
    let scene = shared();
    let client = ours(&scene);
    for (name, of) in [("alice", "MIT.EXAMPLE"), ("carol", "OTHER.EXAMPLE")] {
        // The exchange comes to its end, across the trust too; what MIT's PAC lacks is the LOGON_INFO buffer, which tells who it is.
        let error = client.s4u2self(&person(name, of)).await.unwrap_err();
        let ClientError::ReplyRefused(ReplyError::Evidence(judged)) = &error else {
            panic!("{name}@{of}: {error:?}")
        };
        assert_eq!(*judged, EvidenceError::Pac(PacError::MissingBuffer(LOGON_INFO)), "{name}@{of}");
    }
}

#[tokio::test]
async fn the_realm_of_a_person_it_does_not_know_refuses_our_client() {
    let scene = shared();
    let client = ours(&scene);
    for of in ["MIT.EXAMPLE", "OTHER.EXAMPLE"] {
        let error = client.s4u2self(&person("nobody", of)).await.unwrap_err();
        let ClientError::KdcRefused { stage, realm: by, code, .. } = error else { panic!("{of}: {error:?}") };
        assert_eq!((stage, by, code), (Stage::S4u2Self, realm(of), ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN));
    }
}
