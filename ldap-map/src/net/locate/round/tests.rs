//! DNS is a table here, and the domain controllers' words are given; the real ones are asked in the integration tests.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::LONGEST_ROUND;
use super::super::dns::DnsError;
use super::*;
use crate::guid::Guid;
use crate::message::response::ResultCode;
use crate::tlv::{ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, SET, element};

const SITE_ZONE: &str = "Berlin._sites.dc._msdcs.corp.example.";
const ZONE: &str = "dc._msdcs.corp.example.";

/// A random source of zeros: among equals the first comes first.
struct Zeros;

impl RngCore for Zeros {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// DNS as a table; what is not in it does not exist. Hosts have an address, but no time to answer.
#[derive(Default)]
struct Table(HashMap<String, Result<Vec<SrvRecord>, DnsError>>);

impl Table {
    /// Both services of each host, in this zone, with these priorities.
    fn with(mut self, zone: &str, hosts: &[(&str, u16)]) -> Self {
        for (service, port) in [("_ldap", 389), ("_kerberos", 88)] {
            let record = |(host, priority): &(&str, u16)| SrvRecord {
                port,
                target: (*host).to_owned(),
                ..srv_at(*priority)
            };
            self.0.insert(format!("{service}._tcp.{zone}"), Ok(hosts.iter().map(record).collect()));
        }
        self
    }

    fn failing(mut self, name: &str, error: DnsError) -> Self {
        self.0.insert(name.to_owned(), Err(error));
        self
    }
}

fn srv_at(priority: u16) -> SrvRecord {
    SrvRecord { priority, weight: 100, port: 389, target: String::new() }
}

impl Dns for Table {
    async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>, DnsError> {
        self.0.get(name).cloned().unwrap_or(Err(DnsError::NoRecord))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        if host.starts_with("lost.") {
            Err(DnsError::NoRecord)
        } else if host.starts_with("slow") {
            // As a server of names does that is asked twice and is silent, by the default settings.
            tokio::time::sleep(Duration::from_secs(4)).await;
            Err(DnsError::Timeout)
        } else {
            Ok(vec![IpAddr::from([127, 0, 0, 1])])
        }
    }
}

fn settings(site: Option<&str>) -> Settings {
    Settings {
        domain: "corp.example".to_owned(),
        host_domains: vec!["Corp.Example".to_owned()],
        dns_servers: Vec::new(),
        site: site.map(str::to_owned),
        timeout: Duration::ZERO,
        refresh_interval: Duration::from_secs(300),
        certificates_name_domain: true,
    }
}

async fn hosts(dns: &Table, site: Option<&str>) -> Vec<String> {
    let found = candidates(&settings(site), dns, site, &mut Zeros).await.unwrap();
    found.into_iter().map(|candidate| candidate.host).collect()
}

fn candidate(host: &str, rank: Rank) -> Candidate {
    Candidate { host: host.to_owned(), ldap_port: 389, kdc_port: 88, rank, addresses: Vec::new() }
}

fn reply(host: &str, site: &str) -> NetlogonReply {
    NetlogonReply {
        service: Service::Running,
        flags: NEEDED.and(DsFlags::WRITABLE),
        domain_guid: Guid::from_bytes(&[7; 16]).unwrap(),
        dns_forest: "corp.example".to_owned(),
        dns_domain: "corp.example".to_owned(),
        dns_host: host.to_owned(),
        dc_site: site.to_owned(),
        client_site: None,
    }
}

fn judged(site: Option<&str>, answer: NetlogonReply) -> Option<Standing> {
    let candidate = candidate("dc1.corp.example", Rank::Domain(0));
    standing(&settings(site), site, &candidate, &Ok(answer))
}

#[tokio::test]
async fn those_of_the_site_come_first_and_nobody_twice() {
    let dns = Table::default()
        .with(SITE_ZONE, &[("dc3.corp.example", 0)])
        .with(ZONE, &[("dc2.corp.example", 9), ("dc1.corp.example", 1), ("dc3.corp.example", 0)]);
    let expected = ["dc3.corp.example", "dc1.corp.example", "dc2.corp.example"];
    assert_eq!(expected.as_slice(), hosts(&dns, Some("Berlin")).await);
    assert_eq!(expected.as_slice(), hosts(&dns, Some("Nowhere")).await);
    assert_eq!(expected.as_slice(), hosts(&dns, None).await);
}

#[tokio::test(start_paused = true)]
async fn names_whose_addresses_nobody_tells_do_not_take_the_time_of_the_others() {
    let slow: Vec<String> = (1..16).map(|place| format!("slow{place}.corp.example")).collect();
    let named = slow.iter().map(|host| (host.as_str(), 0)).chain([("dc1.corp.example", 1)]);
    let dns = Table::default().with(ZONE, &named.collect::<Vec<_>>());
    let (settings, mut rng) = (settings(None), Zeros);
    let round = look(&settings, &dns, None, &mut rng);
    let (found, _) = timeout(LONGEST_ROUND, round).await.expect("the round ends in its time").unwrap();
    let hosts: Vec<_> = found.iter().map(|found| found.host.as_str()).collect();
    assert_eq!(vec!["dc1.corp.example"], hosts);
}

#[tokio::test]
async fn a_host_must_be_named_for_both_services() {
    let mut dns = Table::default().with(ZONE, &[("dc1.corp.example", 0), ("dc2.corp.example", 0)]);
    let kerberos = SrvRecord { port: 88, target: "dc2.corp.example".to_owned(), ..srv_at(0) };
    dns.0.insert(format!("_kerberos._tcp.{ZONE}"), Ok(vec![kerberos]));
    assert_eq!(vec!["dc2.corp.example"], hosts(&dns, None).await);
}

#[tokio::test]
async fn a_name_beyond_the_configured_domains_is_not_used() {
    let forged =
        ["dc1.evil.example", "evilcorp.example", "corp.example", ".corp.example", "dc1.corp.example.evil"];
    let dns = Table::default().with(ZONE, &forged.map(|host| (host, 0)));
    assert_eq!(Vec::<String>::new(), hosts(&dns, None).await);
    let error = look(&settings(None), &dns, None, &mut Zeros).await.unwrap_err();
    assert_eq!(LocateError::None { domain: "corp.example".to_owned(), asked: 0 }, error);
}

#[tokio::test]
async fn no_more_are_asked_than_there_is_room_for() {
    let names: Vec<String> = (0..40).map(|number| format!("dc{number}.corp.example")).collect();
    let records: Vec<(&str, u16)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    assert_eq!(MAXIMUM_CONTROLLERS, hosts(&Table::default().with(ZONE, &records), None).await.len());
}

#[tokio::test]
async fn dns_that_fails_is_an_error_and_a_site_it_does_not_know_is_none() {
    let name = format!("_ldap._tcp.{ZONE}");
    let dns = Table::default().failing(&name, DnsError::Timeout);
    let error = look(&settings(Some("Berlin")), &dns, None, &mut Zeros).await.unwrap_err();
    assert_eq!(LocateError::Dns { name, error: DnsError::Timeout }, error);
}

#[tokio::test]
async fn those_that_are_silent_stay_in_the_order_of_dns_and_those_without_an_address_do_not() {
    let dns = Table::default()
        .with(ZONE, &[("dc2.corp.example", 2), ("lost.corp.example", 0), ("dc1.corp.example", 1)]);
    let (found, site) = look(&settings(None), &dns, None, &mut Zeros).await.unwrap();
    let found: Vec<_> =
        found.iter().map(|found| (found.host.as_str(), found.standing, found.kdc_port)).collect();
    let expected = [("dc1.corp.example", Standing::Silent, 88), ("dc2.corp.example", Standing::Silent, 88)];
    assert_eq!((expected.as_slice(), None), (found.as_slice(), site));
}

/// A directory that answers one netlogon ping with what the lab's `dc1` said to one, and takes connections meanwhile.
async fn answering() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let said = include_bytes!("../../../../fuzz/corpus/netlogon/samba_dc1");
    let values = element(SET, &[element(OCTET_STRING, &[said])]);
    let attribute = element(SEQUENCE, &[element(OCTET_STRING, &["netlogon"]), values]);
    let entry = element(0x64, &[element(OCTET_STRING, &[""]), element(SEQUENCE, &[attribute])]);
    let nothing = element(OCTET_STRING, &[""]);
    let done = element(0x65, &[element(ENUMERATED, &[[0]]), nothing.clone(), nothing]);
    let message = |operation| element(SEQUENCE, &[element(INTEGER, &[[1]]), operation]).to_vec();
    let messages = [entry, done].map(message).concat();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(&messages).await.unwrap();
        // Until the other side has read it and closes.
        while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
    });
    address
}

#[tokio::test]
async fn the_address_that_answered_is_dialled_first() {
    let address = answering().await;
    // Nobody listens at the others of the machine's own addresses.
    let addresses = [[127, 0, 0, 2], [127, 0, 0, 1], [127, 0, 0, 3]].map(IpAddr::from);
    let candidate = Candidate {
        ldap_port: address.port(),
        addresses: addresses.to_vec(),
        ..candidate("dc1.corp.example", Rank::Domain(0))
    };
    let (candidate, reply) = ask(candidate, "corp.example".to_owned(), Duration::from_secs(10)).await;
    assert_eq!("dc1.corp.example", reply.unwrap().dns_host);
    assert_eq!(vec![addresses[1], addresses[0], addresses[2]], candidate.addresses);
}

#[tokio::test]
async fn a_name_that_is_not_resolved_this_time_keeps_its_addresses() {
    let dns = Table::default().with(ZONE, &[("lost.corp.example", 0)]);
    let controller = DomainController {
        host: "lost.corp.example".to_owned(),
        addresses: vec![[127, 0, 0, 7].into()],
        kdc_port: 88,
        site: None,
        standing: Standing::Closest,
    };
    let before = Located { controllers: vec![controller], site: None, at: std::time::UNIX_EPOCH };
    let (found, _) = look(&settings(None), &dns, Some(&before), &mut Zeros).await.unwrap();
    assert_eq!(vec![IpAddr::from([127, 0, 0, 7])], found[0].addresses);
    assert_eq!(Standing::Silent, found[0].standing);
}

#[test]
fn the_site_decides_how_near_one_is_and_its_own_word_where_none_is_configured() {
    let host = "DC1.corp.example";
    assert_eq!(Some(Standing::Closest), judged(Some("berlin"), reply(host, "Berlin")));
    assert_eq!(Some(Standing::Elsewhere), judged(Some("Berlin"), reply(host, "Paris")));
    assert_eq!(Some(Standing::Elsewhere), judged(None, reply(host, "Paris")));
    let closest =
        NetlogonReply { flags: NEEDED.and(DsFlags::WRITABLE).and(DsFlags::CLOSEST), ..reply(host, "Paris") };
    assert_eq!(Some(Standing::Closest), judged(None, closest.clone()));
    assert_eq!(Some(Standing::Elsewhere), judged(Some("Berlin"), closest));
    let read_only = NetlogonReply { flags: NEEDED.and(DsFlags::CLOSEST), ..reply(host, "Berlin") };
    assert_eq!(Some(Standing::ReadOnly), judged(Some("Berlin"), read_only));
}

#[test]
fn one_that_does_not_offer_what_is_needed_is_not_used() {
    let good = reply("dc1.corp.example", "Berlin");
    for missing in [DsFlags::KDC, DsFlags::LDAP, DsFlags::DS] {
        let flags = DsFlags(good.flags.0 & !missing.0);
        assert_eq!(None, judged(None, NetlogonReply { flags, ..good.clone() }), "{missing}");
    }
    assert_eq!(None, judged(None, NetlogonReply { service: Service::Paused, ..good.clone() }));
    assert_eq!(None, judged(None, NetlogonReply { dns_domain: "beta.example".to_owned(), ..good }));
    assert_eq!(None, judged(None, reply("dc2.corp.example", "Berlin")));
}

#[test]
fn one_that_does_not_know_the_domain_is_not_used_and_one_that_fails_comes_last() {
    let candidate = candidate("dc1.corp.example", Rank::Domain(0));
    let of = |error: PingError| standing(&settings(None), None, &candidate, &Err(error));
    assert_eq!(None, of(PingError::UnknownDomain(ResultCode::SUCCESS)));
    assert_eq!(Some(Standing::Silent), of(crate::net::error::Fault::Timeout.into()));
    assert!(Standing::ReadOnly < Standing::Silent && Standing::Elsewhere < Standing::ReadOnly);
}

#[test]
fn among_equals_the_order_stays_and_a_nearer_one_passes() {
    let named: Vec<_> = ["dc1.corp.example", "dc2.corp.example", "dc3.corp.example"]
        .map(|host| candidate(host, Rank::Domain(0)))
        .into();
    let asked = |sites: [&str; 3]| -> Vec<Asked> {
        named.iter().zip(sites).map(|(one, site)| (one.clone(), Ok(reply(&one.host, site)))).collect()
    };
    let site = Some("Berlin");
    let order = |before: Option<&Located>, sites| -> Vec<DomainController> {
        in_order(&settings(site), site, before, &named, asked(sites))
    };
    let numbers = |found: &[DomainController]| -> Vec<char> {
        found.iter().filter_map(|found| found.host.chars().nth(2)).collect()
    };
    let first = order(None, ["Paris", "Berlin", "Paris"]);
    assert_eq!(vec!['2', '1', '3'], numbers(&first));
    let before = Located { controllers: first, site: None, at: std::time::UNIX_EPOCH };
    assert_eq!(vec!['2', '1', '3'], numbers(&order(Some(&before), ["Berlin"; 3])));
    assert_eq!(vec!['3', '2', '1'], numbers(&order(Some(&before), ["Paris", "Paris", "Berlin"])));
}

#[test]
fn the_site_that_is_told_must_be_one_that_can_be_asked_for() {
    let one = candidate("dc1.corp.example", Rank::Domain(0));
    let told = |site: &str| {
        let answer =
            NetlogonReply { client_site: Some(site.to_owned()), ..reply("dc1.corp.example", "Berlin") };
        told_site(&[(one.clone(), Err(crate::net::error::Fault::Timeout.into())), (one.clone(), Ok(answer))])
    };
    assert_eq!(Some("Default-First-Site-Name".to_owned()), told("Default-First-Site-Name"));
    for site in ["", "a.b", "evil._msdcs", "with space", &"x".repeat(64)] {
        assert_eq!(None, told(site), "{site:?}");
    }
}
