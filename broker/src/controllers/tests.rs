//! A DNS server on loopback names domain controllers that do not exist; the real ones are asked in the integration tests.

use std::{
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use tokio::{net::UdpSocket, task::AbortHandle};

use super::*;
use crate::config::testing::{COMPLETE, Written};

/// What the DNS server names; with nothing it says that it fails.
type Named = Arc<Mutex<Option<Vec<&'static str>>>>;

struct DnsServer {
    address: SocketAddr,
    named: Named,
    running: AbortHandle,
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl DnsServer {
    async fn start(hosts: &[&'static str]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let named: Named = Arc::new(Mutex::new(Some(hosts.to_vec())));
        let told = Arc::clone(&named);
        let running = tokio::spawn(async move {
            let mut question = [0; 1024];
            loop {
                let (length, asker) = socket.recv_from(&mut question).await.unwrap();
                let hosts = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
                socket.send_to(&answer(&question[..length], hosts.as_deref()), asker).await.unwrap();
            }
        });
        Self { address, named, running: running.abort_handle() }
    }

    fn names(&self, hosts: Option<&[&'static str]>) {
        *self.named.lock().unwrap_or_else(PoisonError::into_inner) = hosts.map(<[_]>::to_vec);
    }
}

/// An answer (RFC 1035 4.1): SRV records whose ports nobody listens at, the address of loopback, or that there is none.
fn answer(question: &[u8], hosts: Option<&[&str]>) -> Vec<u8> {
    const SRV: u16 = 33;
    let name = question[12..].iter().position(|octet| *octet == 0).unwrap() + 13;
    let asked = &question[12..name + 4];
    let kind = u16::from_be_bytes([question[name], question[name + 1]]);
    let records: Vec<Vec<u8>> = match (kind, hosts) {
        (1, Some(_)) => vec![Ipv4Addr::LOCALHOST.octets().to_vec()],
        (SRV, Some(hosts)) => hosts.iter().map(|host| service_at(host)).collect(),
        _ => Vec::new(),
    };
    let mut message = question[..2].to_vec();
    message.extend([0x84, if hosts.is_some() { 0 } else { 2 }, 0, 1, 0]);
    message.extend([u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(asked);
    for record in records {
        // The name that was asked for, this kind, the Internet, a minute.
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
        message.extend(record);
    }
    message
}

/// Priority 0, weight 0, port 1.
fn service_at(host: &str) -> Vec<u8> {
    let mut record = vec![0, 0, 0, 0, 0, 1];
    for label in host.split('.') {
        record.push(u8::try_from(label.len()).unwrap());
        record.extend(label.as_bytes());
    }
    record.push(0);
    record
}

/// Our own realm by this DNS server. The files must be there only while it is made.
fn discovered_by(dns: &DnsServer) -> Arc<RealmControllers> {
    let written = Written::new();
    let search = format!(
        "[directory.discovery]\ndomain = \"corp.example\"\ndns_servers = [\"{}\"]\ntimeout = \"1s\"\n[kerberos]\n",
        dns.address
    );
    let text = COMPLETE
        .replace("servers = [\"dc1.corp.example=127.0.0.1:636\"]\n", "")
        .replace("kdcs = [\"127.0.0.1:88\"]\n", "")
        .replace("[kerberos]\n", &search);
    written.configuration(&text);
    Arc::clone(&written.loaded().unwrap().controllers[0])
}

/// The hosts in use, as both see them.
fn in_use(realm: &RealmControllers) -> (Vec<String>, Vec<String>) {
    let status = realm.status();
    let servers = status.servers.into_iter().map(|server| server.server);
    let kdcs = status.kdcs.into_iter().map(|kdc| host_of(&kdc.kdc));
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    (sorted(servers.collect()), sorted(kdcs.collect()))
}

fn both(hosts: &[&str]) -> (Vec<String>, Vec<String>) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    (hosts.clone(), hosts)
}

#[tokio::test]
async fn new_and_removed_controllers_are_handed_over_and_those_known_stay_while_dns_is_away() {
    let dns = DnsServer::start(&["dc1.corp.example", "dc2.corp.example"]).await;
    let realm = discovered_by(&dns);
    assert_eq!(in_use(&realm), both(&[]));
    realm.search_once().await.unwrap();
    assert_eq!(in_use(&realm), both(&["dc1.corp.example", "dc2.corp.example"]));
    let status = realm.status();
    assert_eq!(status.servers[0].addresses, ["127.0.0.1:636".parse().unwrap()]);
    assert_eq!(addresses_of(&status.kdcs[0].kdc), ["127.0.0.1:1".parse().unwrap()]);

    dns.names(None);
    let away = realm.search_once().await.unwrap_err();
    assert_eq!(code_of(&away), "dns_unavailable");
    assert_eq!(realm.check().unwrap_err(), away);
    assert_eq!(in_use(&realm), both(&["dc1.corp.example", "dc2.corp.example"]));

    dns.names(Some(&["dc2.corp.example", "dc3.corp.example"]));
    realm.search_once().await.unwrap();
    assert_eq!(realm.check(), Ok(()));
    assert_eq!(in_use(&realm), both(&["dc2.corp.example", "dc3.corp.example"]));
}

#[tokio::test]
async fn a_controller_that_dns_names_outside_of_the_domain_is_not_used() {
    let hostile = ["dc1.evil.example", "dc1.corp.example.evil.example", "evilcorp.example"];
    let dns = DnsServer::start(&hostile).await;
    let realm = discovered_by(&dns);
    let none = realm.search_once().await.unwrap_err();
    assert_eq!(none, LocateError::None { domain: "corp.example".to_owned(), asked: 0 });
    assert_eq!(code_of(&none), "controllers_not_found");
    assert_eq!(in_use(&realm), both(&[]));

    dns.names(Some(&["dc1.evil.example", "dc1.corp.example"]));
    realm.search_once().await.unwrap();
    assert_eq!(in_use(&realm), both(&["dc1.corp.example"]));
}

#[tokio::test]
async fn a_search_that_goes_on_by_itself_hands_over_what_it_finds_first() {
    let dns = DnsServer::start(&["dc1.corp.example"]).await;
    let realm = discovered_by(&dns);
    let keeping_up = tokio::spawn({
        let realm = Arc::clone(&realm);
        async move { realm.keep_up().await }
    });
    realm.first_search().await;
    assert_eq!(in_use(&realm), both(&["dc1.corp.example"]));
    keeping_up.abort();
}
