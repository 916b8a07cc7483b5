use super::*;
use crate::key::{Etype, Key};
use crate::ticket::{ServiceTicket, TicketFlags, TicketTimes};
use crate::time::KerberosTime;
use crate::vectors;

fn principal(name: &str, realm: &str) -> Principal {
    Principal::new(name.parse().unwrap(), Realm::new(realm).unwrap())
}

fn alice() -> Principal {
    principal("alice", "CORP.EXAMPLE")
}

fn ticket(client: &Principal, server: Principal, endtime: u32) -> ServiceTicket {
    let time = KerberosTime::from_unix_seconds;
    let times = TicketTimes {
        authtime: time(100),
        starttime: time(200),
        endtime: time(endtime),
        renew_till: Some(time(900)),
    };
    let key = Key::new(Etype::Aes256, &[7; 32]).unwrap();
    ServiceTicket::new(client.clone(), server, key, TicketFlags::FORWARDABLE, times, vec![0x61, 0x01, 0x00])
}

fn servers(cache: &CCache) -> Vec<String> {
    cache.credentials().iter().map(|credential| credential.server().to_string()).collect()
}

#[test]
fn tickets_and_configuration_of_a_cache_are_read() {
    let cache = CCache::parse(&vectors::bytes(vectors::CCACHE)).unwrap();
    assert_eq!(cache.default_principal().to_principal(), Ok(principal("testuser1", "TEST.GOKRB5")));
    assert_eq!(cache.clock_offset(), Some((6, 0)));
    assert_eq!(cache.credentials().len(), 3);
    assert_eq!(servers(&cache)[0], "krbtgt/TEST.GOKRB5@TEST.GOKRB5");
    assert_eq!(servers(&cache)[2], "HTTP/host.test.gokrb5@TEST.GOKRB5");
    let configuration = cache.configuration("fast_avail", Some("krbtgt/TEST.GOKRB5@TEST.GOKRB5"));
    assert_eq!(configuration, Some(&b"yes"[..]));
    assert_eq!(cache.configuration("fast_avail", None), None);
    assert!(cache.credentials()[1].is_configuration());
    assert!(cache.credentials()[1].server().to_principal().is_err());
}

#[test]
fn every_field_of_a_credential_is_read() {
    let cache = CCache::parse(&vectors::bytes(vectors::CCACHE_MIT)).unwrap();
    assert_eq!(cache.clock_offset(), Some((300, 54321)));
    let credential = &cache.credentials()[0];
    assert_eq!(credential.server().to_string(), "test/host@EXAMPLE.COM");
    assert_eq!(credential.etype_number(), 17);
    assert_eq!(credential.session_key(), (0..16).collect::<Vec<u8>>());
    let times = CredentialTimes { authtime: 11, starttime: 222, endtime: 3333, renew_till: 1_000_000_000 };
    assert_eq!(credential.times(), times);
    assert_eq!(credential.flags(), 0x4080_0000);
    assert_eq!(credential.ticket(), b"ticket");
    assert_eq!(credential.addresses, [Typed { kind: 2, value: vec![10, 0, 0, 1] }]);
    let data: Vec<(u16, &[u8])> =
        credential.authorization_data.iter().map(|data| (data.kind, &data.value[..])).collect();
    assert_eq!(data, [(512, &b"signticket"[..]), (0xff9c, &[][..])]);
}

#[test]
fn caches_are_written_as_they_were_read() {
    for sample in [vectors::CCACHE, vectors::CCACHE_MIT] {
        let bytes = vectors::bytes(sample);
        assert_eq!(*CCache::parse(&bytes).unwrap().to_bytes(), bytes);
    }
}

#[test]
fn a_cache_cut_off_inside_a_credential_is_refused() {
    let bytes = vectors::bytes(vectors::CCACHE_MIT);
    let whole: Vec<usize> = (0..bytes.len()).filter(|&end| CCache::parse(&bytes[..end]).is_ok()).collect();
    // After the default principal and after the first credential.
    assert_eq!(whole.len(), 2, "{whole:?}");
}

#[test]
fn other_versions_are_refused() {
    for bytes in [&[5, 3][..], &[5, 1], &[5], &[], b"X-CACHECONF"] {
        assert_eq!(CCache::parse(bytes), Err(CCacheError::Version));
    }
}

#[test]
fn counts_that_no_cache_has_are_refused() {
    let mut bytes = vec![5, 4, 0, 0, 0, 0, 0, 1];
    bytes.extend(u32::MAX.to_be_bytes());
    assert_eq!(CCache::parse(&bytes), Err(CCacheError::TooMany));
}

#[test]
fn a_length_beyond_the_file_is_refused() {
    let mut bytes = vec![5, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    bytes.extend(u32::MAX.to_be_bytes());
    assert_eq!(CCache::parse(&bytes), Err(CCacheError::Truncated));
}

#[test]
fn a_clock_offset_of_the_wrong_length_is_refused() {
    let bytes = [5, 4, 0, 8, 0, 1, 0, 4, 0, 0, 0, 0];
    assert_eq!(CCache::parse(&bytes), Err(CCacheError::Header));
}

#[test]
fn a_service_ticket_becomes_one_entry_under_its_realm() {
    let ticket = ticket(&alice(), principal("HTTP/web.corp.example", "CORP.EXAMPLE"), 800);
    let cache = CCache::for_service_tickets(&alice(), &[&ticket], Placeholder::None).unwrap();
    let cache = CCache::parse(&cache.to_bytes()).unwrap();
    assert_eq!(cache.default_principal().to_principal(), Ok(alice()));
    assert_eq!(servers(&cache), ["HTTP/web.corp.example@CORP.EXAMPLE"]);
    let credential = &cache.credentials()[0];
    assert_eq!(credential.client().to_principal(), Ok(alice()));
    assert_eq!((credential.etype_number(), credential.session_key()), (18, &[7; 32][..]));
    let times = CredentialTimes { authtime: 100, starttime: 200, endtime: 800, renew_till: 900 };
    assert_eq!(credential.times(), times);
    assert_eq!((credential.flags(), credential.ticket()), (0x4000_0000, &[0x61, 0x01, 0x00][..]));
}

#[test]
fn a_ticket_of_another_realm_is_also_found_under_the_empty_realm() {
    let ticket = ticket(&alice(), principal("HTTP/web.other.example", "OTHER.EXAMPLE"), 800);
    let cache = CCache::for_service_tickets(&alice(), &[&ticket], Placeholder::None).unwrap();
    assert_eq!(servers(&cache), ["HTTP/web.other.example@", "HTTP/web.other.example@OTHER.EXAMPLE"]);
}

#[test]
fn the_placeholder_stands_first_and_lasts_as_long_as_the_tickets() {
    let short = ticket(&alice(), principal("TERMSRV/desk1.corp.example", "CORP.EXAMPLE"), 500);
    let long = ticket(&alice(), principal("HTTP/web.corp.example", "CORP.EXAMPLE"), 800);
    let cache = CCache::for_service_tickets(&alice(), &[&short, &long], Placeholder::FreeRdp).unwrap();
    assert_eq!(servers(&cache)[0], "krbtgt/CORP.EXAMPLE@CORP.EXAMPLE");
    let placeholder = &cache.credentials()[0];
    assert_eq!(placeholder.times().endtime, 800);
    assert_eq!(placeholder.ticket(), [0x30, 0x00]);
    assert_eq!(placeholder.session_key(), [0; 32]);
}

#[test]
fn a_ticket_granting_ticket_is_not_handed_out() {
    let krbtgt = ticket(&alice(), principal("krbtgt/CORP.EXAMPLE", "CORP.EXAMPLE"), 800);
    let cache = CCache::for_service_tickets(&alice(), &[&krbtgt], Placeholder::None);
    assert_eq!(cache, Err(CCacheError::TicketGranting));
}

#[test]
fn tickets_of_two_users_do_not_share_a_cache() {
    let bob = principal("bob", "CORP.EXAMPLE");
    let ticket = ticket(&bob, principal("HTTP/web.corp.example", "CORP.EXAMPLE"), 800);
    let cache = CCache::for_service_tickets(&alice(), &[&ticket], Placeholder::None);
    assert_eq!(cache, Err(CCacheError::OtherClient));
}

#[test]
fn a_cache_without_tickets_is_not_made() {
    let cache = CCache::for_service_tickets(&alice(), &[], Placeholder::FreeRdp);
    assert_eq!(cache, Err(CCacheError::NoTickets));
}

#[test]
fn debug_shows_no_key() {
    let ticket = ticket(&alice(), principal("HTTP/web.corp.example", "CORP.EXAMPLE"), 800);
    let cache = CCache::for_service_tickets(&alice(), &[&ticket], Placeholder::None).unwrap();
    let shown = format!("{cache:?}");
    assert!(shown.contains("HTTP/web.corp.example"), "{shown}");
    assert!(!shown.contains("7, 7"), "{shown}");
}
