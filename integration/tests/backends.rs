//! The backends judged by MIT's tools alone: they let in the one they should, and nobody else. What the other tests prove with
//! the broker's tickets stands on this.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use integration::container::Container;
use integration::desktop::Desktop;
use integration::gateway::{Gateway, GatewayError};
use integration::lab::Lab;

const HOST: &str = "desk1.corp.example";
const PAGE: &str = "http://desk1.corp.example/";

/// A desktop host, a gateway, and a client that gets tickets with the keytab of `svc-broker`.
struct Backends {
    desktop: Desktop,
    gateway: Gateway,
    client: Container,
    _lab: Arc<Lab>,
}

impl Backends {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Backends>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(backends) = shared.upgrade() {
            return backends;
        }
        let lab = Lab::shared().unwrap();
        let desktop = Desktop::start(&lab, "desk1").unwrap();
        let gateway = Gateway::start(&lab, "gw-mit", &[(HOST, desktop.address())]).unwrap();
        let client = lab.client("mit").unwrap();
        client.write("/lab/svc.keytab", &lab.controller().keytab("svc-broker").unwrap(), "600").unwrap();
        let backends = Arc::new(Self { desktop, gateway, client, _lab: lab });
        *shared = Arc::downgrade(&backends);
        backends
    }

    /// A credential cache at the gateway with nothing but a ticket for `class` on the host: `person`'s by S4U, or
    /// `svc-broker`'s own.
    fn cache(&self, person: &str, class: &str) -> String {
        let path = format!("/lab/{person}-{class}.ccache");
        let spn = format!("{class}/{HOST}");
        let own = format!("KRB5CCNAME={path}.own");
        self.client.run(&["env", &own, "kinit", "-f", "-k", "-t", "/lab/svc.keytab", "svc-broker"]).unwrap();
        let kvno = ["env", &own, "kvno", "--out-cache", &path];
        let whose: &[&str] = match person {
            "svc-broker" => &[&spn],
            _ => &["-k", "/lab/svc.keytab", "-U", person, "-P", &spn],
        };
        self.client.run(&[kvno.as_slice(), whose].concat()).unwrap();
        let cache = self.client.read(&path).unwrap();
        self.gateway.container().write(&path, &cache, "600").unwrap();
        path
    }
}

fn is_refused<T: std::fmt::Debug>(answer: &Result<T, GatewayError>) {
    assert!(matches!(answer, Err(GatewayError::Client { .. })), "{answer:?}");
}

#[test]
fn ssh_lets_a_person_into_the_account_of_his_own_name_only() {
    let backends = Backends::shared();
    let (gateway, alice) = (&backends.gateway, backends.cache("alice", "host"));
    assert_eq!(gateway.ssh(&alice, "alice", HOST, "id -un").unwrap(), "alice\n");
    is_refused(&gateway.ssh(&alice, "root", HOST, "id -un"));

    let bob = backends.cache("bob", "host");
    assert_eq!(gateway.ssh(&bob, "bob", HOST, "id -un").unwrap(), "bob\n");
    is_refused(&gateway.ssh(&bob, "alice", HOST, "id -un"));
    is_refused(&gateway.ssh(&backends.cache("svc-broker", "host"), "alice", HOST, "id -un"));
}

#[test]
fn the_page_is_for_alice_only() {
    let backends = Backends::shared();
    let page = |person: &str| backends.gateway.http(&backends.cache(person, "HTTP"), PAGE).unwrap();
    let alice = page("alice");
    assert_eq!((alice.status, alice.remote_user.as_str()), (200, "alice"));
    assert!(alice.body.contains("This page is for alice."), "{}", alice.body);
    assert_eq!(page("bob").status, 401);
    assert_eq!(page("svc-broker").status, 401);
}

#[test]
fn the_vnc_screen_is_for_alice_only() {
    let backends = Backends::shared();
    let screen = |person: &str| backends.gateway.vnc_screenshot(&backends.cache(person, "vnc"), HOST);
    let picture = screen("alice").unwrap();
    // The virtual machine's blue screen with white text.
    assert_eq!((picture.width, picture.height, picture.colours), (640, 480, 2));
    assert_eq!(picture.background, [0x00, 0x00, 0xa8]);
    is_refused(&screen("bob"));
    is_refused(&screen("svc-broker"));
    // They were known for who they are, and not let in for that.
    assert!(backends.desktop.log().matches("allow=0").count() >= 2, "{}", backends.desktop.log());
}

#[test]
fn a_ticket_for_another_service_opens_nothing() {
    let backends = Backends::shared();
    let gateway = &backends.gateway;
    let (host, http) = (backends.cache("alice", "host"), backends.cache("alice", "HTTP"));
    is_refused(&gateway.ssh(&http, "alice", HOST, "id -un"));
    assert_eq!(gateway.http(&host, PAGE).unwrap().status, 401);
    is_refused(&gateway.vnc_screenshot(&host, HOST));
    is_refused(&gateway.rdp_screenshot(&host, HOST, "alice", "CORP.EXAMPLE"));
}

#[test]
fn without_a_ticket_nothing_opens() {
    let backends = Backends::shared();
    let (gateway, nothing) = (&backends.gateway, "/nonexistent");
    is_refused(&gateway.ssh(nothing, "alice", HOST, "id -un"));
    assert_eq!(gateway.http(nothing, PAGE).unwrap().status, 401);
    is_refused(&gateway.vnc_screenshot(nothing, HOST));
    is_refused(&gateway.rdp_screenshot(nothing, HOST, "alice", "CORP.EXAMPLE"));
}
