use std::fs;
use std::path::Path;

use super::*;

/// An answer of Samba, as the fuzz target's saved inputs have it.
#[expect(clippy::disallowed_methods, reason = "the saved inputs are files of this crate")]
fn saved(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/netlogon").join(name)).unwrap()
}

/// A name without compression.
fn name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        octets.push(u8::try_from(part.len()).unwrap());
        octets.extend_from_slice(part.as_bytes());
    }
    octets.push(0);
    octets
}

/// An answer whose names are these octets.
fn answer(operation: u16, names: &[Vec<u8>], rest: &[u8], version: u32) -> Vec<u8> {
    let mut octets = Vec::new();
    octets.extend(operation.to_le_bytes());
    octets.extend([0, 0]);
    octets.extend(0x0000_01b8_u32.to_le_bytes());
    octets.extend([7; 16]);
    octets.extend(names.concat());
    octets.extend(rest);
    octets.extend(version.to_le_bytes());
    octets.extend(TOKENS);
    octets
}

fn names() -> Vec<Vec<u8>> {
    let host = "dc1.corp.example";
    ["corp.example", "corp.example", host, "CORP", "DC1", "", "Berlin", "Paris"].map(name).into()
}

fn with_name(place: usize, octets: Vec<u8>) -> Result<NetlogonReply, NetlogonError> {
    let mut names = names();
    names[place] = octets;
    NetlogonReply::decode(&answer(23, &names, &[], 6))
}

#[test]
fn a_domain_controller_tells_what_it_is() {
    for file in ["samba_dc2", "samba_with_address", "samba_no_user"] {
        let reply = NetlogonReply::decode(&saved(file)).unwrap();
        assert_eq!(Service::Running, reply.service);
        assert_eq!(("dc2.corp.example", "corp.example"), (&*reply.dns_host, &*reply.dns_domain), "{file}");
        assert_eq!("corp.example", reply.dns_forest);
        assert_eq!("Default-First-Site-Name", reply.dc_site);
        assert_eq!(Some("Default-First-Site-Name"), reply.client_site.as_deref());
        assert!(!reply.flags.has(DsFlags::PDC), "it joined later");
        assert!(reply.flags.has(DsFlags::KDC.and(DsFlags::LDAP).and(DsFlags::DS).and(DsFlags::WRITABLE)));
    }
}

#[test]
fn the_first_domain_controller_is_the_primary_one_and_says_the_same_of_the_domain() {
    let [first, second] = ["samba_dc1", "samba_dc2"].map(|file| NetlogonReply::decode(&saved(file)).unwrap());
    assert_eq!("dc1.corp.example", first.dns_host);
    assert_eq!(DsFlags(0x0001_d3fd), first.flags);
    assert!(first.flags.has(DsFlags::PDC.and(DsFlags::CLOSEST)));
    let domain =
        |reply: NetlogonReply| (reply.dns_forest, reply.dns_domain, reply.dc_site, reply.client_site);
    assert_eq!(domain(second), domain(first));
}

#[test]
fn names_need_not_be_compressed() {
    let reply = NetlogonReply::decode(&answer(23, &names(), &[], 6)).unwrap();
    assert_eq!(("dc1.corp.example", "Berlin"), (&*reply.dns_host, &*reply.dc_site));
    assert_eq!(Some("Paris"), reply.client_site.as_deref());
    let nowhere = with_name(7, name("")).unwrap();
    assert_eq!(None, nowhere.client_site);
}

#[test]
fn the_version_says_what_follows_the_names() {
    let mut address = vec![16];
    address.extend([2; 16]);
    let with_site = [address.clone(), name("Paris")].concat();
    for (rest, version) in [
        (&[][..], 6),
        (&address[..], 6 | WITH_IP),
        (&name("Paris"), 6 | WITH_CLOSEST_SITE),
        (&with_site, 0x1e),
    ] {
        let read = |version| NetlogonReply::decode(&answer(23, &names(), rest, version));
        assert!(read(version).is_ok(), "{version:#x}");
        assert_eq!(Err(NetlogonError::Length), read(if version == 6 { 0x1e } else { 6 }), "{version:#x}");
    }
}

#[test]
fn an_answer_of_another_kind_is_refused_and_a_paused_service_known() {
    let of =
        |operation| NetlogonReply::decode(&answer(operation, &names(), &[], 6)).map(|reply| reply.service);
    assert_eq!(Ok(Service::Paused), of(24));
    assert_eq!(Ok(Service::Running), of(25));
    for other in [0, 19, 21, 22, 26, 0x1700, u16::MAX] {
        assert_eq!(Err(NetlogonError::Operation(other)), of(other));
    }
}

#[test]
fn an_answer_that_is_cut_off_or_goes_on_is_refused_at_every_length() {
    for whole in [answer(23, &names(), &[], 6), saved("samba_with_address")] {
        assert!(NetlogonReply::decode(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(NetlogonReply::decode(&whole[..length]).is_err(), "{length}");
            // Cut within, with an end like that of an answer.
            let body = &whole[..length.min(whole.len() - TRAILER - 1)];
            let cut = [body, &whole[whole.len() - TRAILER..]].concat();
            assert!(NetlogonReply::decode(&cut).is_err(), "{length}");
        }
        let longer = [&whole[..whole.len() - TRAILER], &[0], &whole[whole.len() - TRAILER..]].concat();
        assert_eq!(Err(NetlogonError::Length), NetlogonReply::decode(&longer));
    }
}

#[test]
fn an_answer_is_bounded() {
    let long = answer(23, &names(), &[0; MAXIMUM_LENGTH], 6);
    assert_eq!(Err(NetlogonError::TooLong), NetlogonReply::decode(&long));
    assert_eq!(Err(NetlogonError::Tokens), NetlogonReply::decode(&[0; 64]));
}

#[test]
fn a_pointer_leads_back_only() {
    let first = u8::try_from(HEADER + GUID).unwrap();
    assert_eq!("corp.example", with_name(1, vec![0xc0, first]).unwrap().dns_domain);
    // The second name stands behind the first one's fourteen octets: at itself, within itself, ahead, into the header.
    let second = first + 14;
    for target in [second, second + 1, second + 2, 0xff, 0, first - 1] {
        assert_eq!(Err(NetlogonError::Compression), with_name(1, vec![0xc0, target]), "{target}");
    }
    // A name of one part that leads to itself.
    assert_eq!(Err(NetlogonError::Compression), with_name(1, vec![1, b'a', 0xc0, second]));
    // Two that lead to each other.
    let mut both = names();
    both[0] = vec![1, b'a', 0xc0, first + 4];
    both[1] = vec![1, b'b', 0xc0, first];
    assert_eq!(Err(NetlogonError::Compression), NetlogonReply::decode(&answer(23, &both, &[], 6)));
}

#[test]
fn no_more_pointers_are_followed_than_a_name_can_have() {
    let read = |jumps: usize| {
        let mut chain = name("a");
        let mut at = HEADER + GUID;
        for _ in 0..jumps {
            let pointer = [0xc0 | u8::try_from(at >> 8).unwrap(), u8::try_from(at & 0xff).unwrap()];
            at = HEADER + GUID + chain.len();
            chain.extend(pointer);
        }
        Reader { octets: &[&[0; HEADER + GUID], &chain[..]].concat(), at }.name()
    };
    assert_eq!(Ok("a".to_owned()), read(MAXIMUM_JUMPS));
    assert_eq!(Err(NetlogonError::Compression), read(MAXIMUM_JUMPS + 1));
}

#[test]
fn a_name_is_bounded_and_text() {
    let part = "x".repeat(63);
    let long = [part.as_str(); 4].join(".");
    assert_eq!(255, long.len());
    assert_eq!(long, with_name(6, name(&long)).unwrap().dc_site);
    assert_eq!(Err(NetlogonError::Name), with_name(6, name(&format!("{long}.x"))));
    assert_eq!(Err(NetlogonError::Name), with_name(6, vec![1, 0xff, 0]));
    for kind in [0x40, 0x80] {
        assert_eq!(Err(NetlogonError::Compression), with_name(6, vec![kind, 0]));
    }
    for needed in [0, 1, 2, 6] {
        assert_eq!(Err(NetlogonError::Name), with_name(needed, name("")), "{needed}");
    }
}
