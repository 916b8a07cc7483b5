//! What the tests with other makes share: a domain, kdcproxy, our own KDC proxy, and a machine with MIT's tools.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::Workstation;
use integration::kdcproxy::{KDCPROXY_NAME, Kdcproxy};
use integration::lab::Lab;
use integration::samba_ad::Domain;

use crate::bench;

/// The account of the broker that is the KDC proxy. Another broker's account is not barred there.
const EDGE: &str = "svc-edge";

pub(super) struct Judges {
    // Dropped in this order: the lab's network goes when nothing is on it any more.
    pub(super) workstation: Workstation,
    pub(super) edge: BrokerProcess,
    pub(super) edge_socket: SocketAddr,
    pub(super) kdcproxy: Kdcproxy,
    pub(super) lab: Lab,
}

impl Judges {
    /// The one that the tests share; they change no more than the passwords of people who do not log in.
    pub(super) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Judges>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judges) = shared.upgrade() {
            return judges;
        }
        let judges = Arc::new(Self::start());
        *shared = Arc::downgrade(&judges);
        judges
    }

    fn start() -> Self {
        let domain = Domain::of_the_tests().service_account(EDGE).spn("HTTP/edge.corp.example");
        let lab = Lab::with_domain("judges", domain).unwrap();
        let kdcproxy = Kdcproxy::start(&lab).unwrap();
        let host = lab.network().host_address();
        let edge_socket = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let kdc = lab.controller().address();
        let table = format!(
            "\n[kdc_proxy]\nlisten = [\"{edge_socket}\"]\ncertificate = \"server.pem\"\nkey = \"credential:server-key\"\n\
             kdcs = [\"{kdc}\"]\nopen = true\nrequests_per_address = 100000\nfailures_per_address = 10000\n"
        );
        let configuration = Configuration::new(&lab).service(EDGE, "HTTP/edge.corp.example").table(&table);
        let edge = bench::start(&configuration);
        let workstation = Workstation::start(&lab, "judge").unwrap();
        Self { workstation, edge, edge_socket, kdcproxy, lab }
    }

    /// Our own proxy's URL for our own client.
    pub(super) fn edge_url(&self) -> String {
        format!("https://broker.corp.example/KdcProxy={}", self.edge_socket)
    }

    /// kdcproxy's.
    pub(super) fn kdcproxy_url(&self) -> String {
        format!("https://{KDCPROXY_NAME}/KdcProxy={}", self.kdcproxy.socket())
    }
}
