mod samples;

use super::*;
use crate::key::Etype;
use crate::message::ndr::NdrError;
use crate::message::types::{AuthorizationElement, EncTicketPart, Ticket, decode, encode};
use crate::vectors::{self, keys};

fn service_2022() -> Key {
    vectors::key(Etype::Aes256, keys::SERVICE_2022)
}

fn time(seconds: u32) -> KerberosTime {
    KerberosTime::from_unix_seconds(seconds)
}

fn name(text: &str) -> PrincipalName {
    PrincipalName::principal(text).unwrap()
}

const AUTHTIME_2022: u32 = 1_669_219_319;

fn verify_2022(bytes: &[u8]) -> Result<Pac, PacError> {
    Pac::verify(bytes, &service_2022(), &name("administrator"), time(AUTHTIME_2022))
}

/// Verifies a PAC after signing it again, so that checks behind the signature are reached.
fn verify_2022_signed(mut bytes: Vec<u8>) -> Result<Pac, PacError> {
    let container = Container::parse(&bytes)?;
    let signed = container.with_zeroed_signatures(&[6, 7]);
    let checksum = service_2022().checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &signed);
    let signature = position(&bytes, 6) + 4;
    bytes[signature..signature + 12].copy_from_slice(&checksum.octets);
    verify_2022(&bytes)
}

/// Where the table's entry for this type stands.
fn entry(bytes: &[u8], kind: u32) -> usize {
    let entries = bytes[8..].chunks(16);
    8 + 16 * entries.take(7).position(|entry| entry[..4] == kind.to_le_bytes()).unwrap()
}

fn position(bytes: &[u8], kind: u32) -> usize {
    let entry = entry(bytes, kind);
    u32::from_le_bytes(bytes[entry + 8..entry + 12].try_into().unwrap()).try_into().unwrap()
}

fn pac_2022() -> Vec<u8> {
    vectors::bytes(vectors::PAC_2022)
}

fn sids(groups: &[GroupMembership]) -> Vec<String> {
    groups.iter().map(|group| group.sid.to_string()).collect()
}

#[test]
fn the_pac_of_a_2022_kdc_is_verified_and_read() {
    let pac = verify_2022(&pac_2022()).unwrap();
    let domain = "S-1-5-21-133451344-1126667713-3548050118";
    assert_eq!(pac.user_sid().to_string(), format!("{domain}-500"));
    assert_eq!(pac.domain_sid().to_string(), domain);
    let mut groups: Vec<String> = [513, 512, 520, 518, 519].map(|rid| format!("{domain}-{rid}")).to_vec();
    groups.push("S-1-18-1".to_owned());
    groups.push(format!("{domain}-572"));
    assert_eq!(sids(pac.groups()), groups);
    assert_eq!(pac.groups().last().unwrap().attributes, 0x2000_0007);
    assert_eq!(pac.user_account_control().bits(), 0x210);
    assert!(pac.user_account_control().contains(UserAccountControl::NORMAL_ACCOUNT));
    assert_eq!(pac.client_name(), "administrator");
    assert_eq!(pac.effective_name(), "Administrator");
    assert_eq!(pac.logon_domain_name(), "W2022-L7");
    assert_eq!(pac.buffer_types(), [1, 6, 7, 10, 12, 16, 19]);
    assert!(pac.has_ticket_signature() && pac.has_full_signature());
    assert!(pac.requestor().is_none() && pac.delegation().is_none() && pac.attributes().is_none());
}

#[test]
fn the_upn_information_of_a_2022_kdc_is_read() {
    let pac = verify_2022(&pac_2022()).unwrap();
    let upn = pac.upn_dns_info().unwrap();
    assert_eq!(upn.upn(), "Administrator@w2022-l7.base");
    assert_eq!(upn.dns_domain(), "W2022-L7.BASE");
    assert_eq!(upn.sam_name(), Some("Administrator"));
    assert_eq!(upn.sid(), Some(pac.user_sid()));
    assert!(upn.upn_is_constructed());
}

#[test]
fn the_kdc_signatures_of_a_2022_kdc_hold_under_the_krbtgt_key() {
    let bytes = pac_2022();
    let krbtgt = vectors::key(Etype::Aes256, keys::KRBTGT_2022);
    let container = Container::parse(&bytes).unwrap();
    let signature = |kind| Signature::parse(container.get(kind).unwrap(), kind).unwrap();
    let usage = KeyUsage::NON_KERBEROS_CHECKSUM;
    let (server, kdc, full) = (signature(6), signature(7), signature(19));
    krbtgt.verify_checksum(usage, server.value, kdc.kind, kdc.value).unwrap();
    let zeroed = container.with_zeroed_signatures(&[6, 7, 19]);
    krbtgt.verify_checksum(usage, &zeroed, full.kind, full.value).unwrap();
}

#[test]
fn the_ticket_of_a_2022_kdc_holds_this_pac_and_the_kdc_signed_the_ticket() {
    let ticket: Ticket = decode(&vectors::bytes(vectors::TKT_2022)).unwrap();
    let plain = service_2022().decrypt(KeyUsage::TICKET, &ticket.enc_part.cipher).unwrap();
    let mut part: EncTicketPart = decode(&plain).unwrap();
    let elements = part.authorization_data.as_mut().unwrap();
    let mut inner: Vec<AuthorizationElement> = decode(&elements[0].ad_data).unwrap();
    assert_eq!((elements[0].ad_type, inner[0].ad_type), (1, 128));
    assert_eq!(inner[0].ad_data[..], pac_2022());

    // MS-PAC 2.8.3: signed is the ticket with a zero octet in the place of the PAC.
    inner[0].ad_data = vec![0].into();
    elements[0].ad_data = encode(&inner).into();
    let bytes = pac_2022();
    let container = Container::parse(&bytes).unwrap();
    let signature = Signature::parse(container.get(16).unwrap(), 16).unwrap();
    vectors::key(Etype::Aes256, keys::KRBTGT_2022)
        .verify_checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &encode(&part), signature.kind, signature.value)
        .unwrap();
    let client = PrincipalName::try_from(&part.cname).unwrap();
    assert!(Pac::verify(&bytes, &service_2022(), &client, part.authtime).is_ok());
}

#[test]
fn the_rc4_pac_of_a_domain_controller_shows_that_it_is_no_person() {
    let key = vectors::key(Etype::Rc4, keys::MEMBER_RC4);
    let bytes = vectors::bytes(vectors::PAC_RC4);
    let pac = Pac::verify(&bytes, &key, &name("w2003final$"), time(1_120_440_609)).unwrap();
    assert_eq!(pac.user_sid().to_string(), "S-1-5-21-3048156945-3961193616-3706469200-1005");
    assert_eq!(pac.effective_name(), "W2003FINAL$");
    assert_eq!(pac.user_account_control().bits(), 0x2100);
    assert!(pac.user_account_control().contains(UserAccountControl::SERVER_TRUST_ACCOUNT));
    assert!(!pac.user_account_control().contains(UserAccountControl::NORMAL_ACCOUNT));

    let krbtgt = vectors::key(Etype::Rc4, keys::KRBTGT_RC4);
    let container = Container::parse(&bytes).unwrap();
    let server = Signature::parse(container.get(6).unwrap(), 6).unwrap();
    let kdc = Signature::parse(container.get(7).unwrap(), 7).unwrap();
    krbtgt.verify_checksum(KeyUsage::NON_KERBEROS_CHECKSUM, server.value, kdc.kind, kdc.value).unwrap();
}

#[test]
fn the_s4u_pac_of_the_principal_form_is_verified() {
    let key = vectors::key(Etype::Aes256, keys::SERVICE_S4U);
    let bytes = vectors::bytes(vectors::PAC_S4U);
    let pac = Pac::verify(&bytes, &key, &name("w2k8u"), time(1_538_430_362)).unwrap();
    assert_eq!(pac.user_sid().to_string(), "S-1-5-21-9281652-3921847615-585208160-1142");
    assert_eq!(sids(pac.groups()), ["S-1-5-21-9281652-3921847615-585208160-513"]);
    let upn = pac.upn_dns_info().unwrap();
    assert_eq!((upn.upn(), upn.dns_domain()), ("w2k8u@abc", "ACME.COM"));
    assert!(!upn.upn_is_constructed() && upn.sid().is_none());
    assert!(!pac.has_ticket_signature());
}

#[test]
fn the_s4u_pac_of_the_enterprise_form_names_the_whole_upn() {
    let key = vectors::key(Etype::Aes256, keys::SERVICE_S4U);
    let bytes = vectors::bytes(vectors::PAC_S4U_ENTERPRISE);
    let client = PrincipalName::enterprise("w2k8u@abc").unwrap();
    let pac = Pac::verify(&bytes, &key, &client, time(1_538_437_551)).unwrap();
    assert_eq!(pac.client_name(), "w2k8u@abc");
}

#[test]
fn groups_and_extra_sids_are_all_read() {
    let key = vectors::key(Etype::Aes256, keys::SERVICE_GOKRB5);
    let bytes = vectors::bytes(vectors::PAC_GOKRB5);
    let container = Container::parse(&bytes).unwrap();
    let authtime = ClientInfo::parse(container.get(10).unwrap()).unwrap().authtime.unwrap();
    let pac = Pac::verify(&bytes, &key, &name("testuser1"), time(u32::try_from(authtime).unwrap())).unwrap();
    let domain = "S-1-5-21-3167651404-3865080224-2280184895";
    assert_eq!(pac.user_sid().to_string(), format!("{domain}-1105"));
    let rids = [513, 1108, 1109, 1115, 1116, 1114, 1111];
    assert_eq!(sids(pac.groups()), rids.map(|rid| format!("{domain}-{rid}")));
    assert_eq!(pac.groups().last().unwrap().attributes, 0x2000_0007);
}

#[test]
fn resource_groups_of_another_domain_are_read() {
    let logon = LogonInfo::parse(&vectors::bytes(vectors::LOGON_TRUST)).unwrap();
    let domain = "S-1-5-21-2284869408-3503417140-1141177250";
    let resource = "S-1-5-21-3062750306-1230139592-1973306805";
    assert_eq!(logon.user_sid.to_string(), format!("{domain}-1106"));
    let mut groups = [1110, 513, 1109].map(|rid| format!("{domain}-{rid}")).to_vec();
    groups.push("S-1-18-1".to_owned());
    groups.extend([1107, 1108].map(|rid| format!("{resource}-{rid}")));
    assert_eq!(sids(&logon.groups), groups);
}

#[test]
fn the_example_of_the_specification_is_read() {
    let logon = LogonInfo::parse(&vectors::bytes(vectors::LOGON_MS)).unwrap();
    let domain = "S-1-5-21-397955417-626881126-188441444";
    assert_eq!(logon.user_sid.to_string(), format!("{domain}-2914711"));
    assert_eq!(logon.groups.len(), 26 + 13);
}

#[test]
fn every_changed_byte_of_a_signed_buffer_is_noticed() {
    let bytes = pac_2022();
    // The signatures of buffers 6 and 7: of these only the server's is checked with our key.
    let kdc_signature = position(&bytes, 7) + 4;
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 0x01;
        let unnoticed = (kdc_signature..kdc_signature + 12).contains(&index);
        assert_eq!(verify_2022(&changed).is_ok(), unnoticed, "byte {index}");
    }
}

#[test]
fn a_pac_cut_off_anywhere_is_refused() {
    let bytes = pac_2022();
    for length in 0..bytes.len() {
        assert!(verify_2022(&bytes[..length]).is_err(), "length {length}");
    }
}

#[test]
fn the_wrong_key_is_refused() {
    let key = vectors::key(Etype::Aes256, keys::KRBTGT_2022);
    let error = Pac::verify(&pac_2022(), &key, &name("administrator"), time(AUTHTIME_2022)).unwrap_err();
    assert_eq!(error, PacError::ServerSignature);
}

#[test]
fn another_client_name_is_refused() {
    for client in ["Administrator", "administrator2", "guest"] {
        let error = Pac::verify(&pac_2022(), &service_2022(), &name(client), time(AUTHTIME_2022));
        assert_eq!(error.unwrap_err(), PacError::ClientName, "{client}");
    }
}

#[test]
fn another_authtime_is_refused() {
    for authtime in [AUTHTIME_2022 - 1, AUTHTIME_2022 + 1, 0] {
        let error = Pac::verify(&pac_2022(), &service_2022(), &name("administrator"), time(authtime));
        assert_eq!(error.unwrap_err(), PacError::ClientTime);
    }
}

#[test]
fn another_version_is_refused() {
    let mut bytes = pac_2022();
    bytes[4] = 1;
    assert_eq!(verify_2022(&bytes).unwrap_err(), PacError::Version(1));
}

#[test]
fn a_buffer_outside_the_pac_is_refused() {
    let at = entry(&pac_2022(), 10);
    for (offset, value) in [(4, u32::MAX), (4, 1000), (8, 0xffff_fff8), (8, 0), (8, 112), (12, 1)] {
        let mut bytes = pac_2022();
        bytes[at + offset..at + offset + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(verify_2022(&bytes).unwrap_err(), PacError::BufferOutside(10), "{offset} {value}");
    }
}

#[test]
fn a_buffer_that_is_not_aligned_is_refused() {
    let mut bytes = pac_2022();
    let at = entry(&bytes, 10) + 8;
    bytes[at] += 4;
    assert_eq!(verify_2022(&bytes).unwrap_err(), PacError::BufferMisaligned(10));
}

#[test]
fn buffers_that_share_bytes_are_refused() {
    let mut bytes = pac_2022();
    let at = entry(&bytes, 1) + 4;
    bytes[at..at + 4].copy_from_slice(&600_u32.to_le_bytes());
    assert_eq!(verify_2022(&bytes).unwrap_err(), PacError::OverlappingBuffers(1, 6));
}

#[test]
fn a_pac_without_a_required_buffer_is_refused() {
    for kind in [1_u32, 6, 7, 10] {
        let mut bytes = pac_2022();
        let at = entry(&bytes, kind);
        bytes[at..at + 4].copy_from_slice(&0x99_u32.to_le_bytes());
        let error = if kind == 6 { verify_2022(&bytes) } else { verify_2022_signed(bytes) };
        assert_eq!(error.unwrap_err(), PacError::MissingBuffer(kind));
    }
}

#[test]
fn a_buffer_of_an_unknown_type_is_kept_and_ignored() {
    let mut bytes = pac_2022();
    let at = entry(&bytes, 12);
    bytes[at..at + 4].copy_from_slice(&0x99_u32.to_le_bytes());
    let pac = verify_2022_signed(bytes).unwrap();
    assert_eq!(pac.buffer_types(), [1, 6, 7, 10, 0x99, 16, 19]);
    assert!(pac.upn_dns_info().is_none());
}

#[test]
fn a_upn_sid_of_another_account_is_refused() {
    let mut bytes = pac_2022();
    let rid = position(&bytes, 12) + 0x90 + 24;
    assert_eq!(bytes[rid], 0xf4);
    bytes[rid] = 0xf5;
    assert_eq!(verify_2022_signed(bytes).unwrap_err(), PacError::UpnSid);
}

/// Buffer 12 of the 2022 PAC turned into another one with this content.
fn replaced(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = pac_2022();
    let (at, start) = (entry(&bytes, 12), position(&bytes, 12));
    bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes[start..start + content.len()].copy_from_slice(content);
    bytes
}

#[test]
fn a_requestor_that_is_the_user_is_accepted() {
    let user = verify_2022(&pac_2022()).unwrap().user_sid().clone();
    let pac = verify_2022_signed(replaced(18, user.as_bytes())).unwrap();
    assert_eq!(pac.requestor(), Some(&user));
}

#[test]
fn a_requestor_that_is_another_account_is_refused() {
    let user = verify_2022(&pac_2022()).unwrap().user_sid().clone();
    let other = user.domain().unwrap().with_rid(1105).unwrap();
    let error = verify_2022_signed(replaced(18, other.as_bytes())).unwrap_err();
    assert_eq!(error, PacError::RequestorSid);
}

#[test]
fn a_requestor_that_is_no_sid_is_refused() {
    let error = verify_2022_signed(replaced(18, &[2, 0, 0, 0, 0, 0, 0, 0])).unwrap_err();
    assert_eq!(error, PacError::Malformed(18));
}

#[test]
fn attributes_keep_only_the_announced_bits() {
    let pac = verify_2022_signed(replaced(17, &[2, 0, 0, 0, 0xfd, 0, 0, 0])).unwrap();
    assert_eq!(pac.attributes(), Some(1));
}

/// The 2022 PAC with four bytes of the logon information's body replaced, signed again.
fn with_logon_field(offset: usize, value: u32) -> Result<Pac, PacError> {
    let mut bytes = pac_2022();
    let at = position(&bytes, 1) + 16 + offset;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    verify_2022_signed(bytes)
}

#[test]
fn group_counts_beyond_the_buffer_are_refused() {
    for count in [1 << 31, u32::MAX, 6, 0] {
        let error = with_logon_field(112, count).unwrap_err();
        assert_eq!(error, PacError::LogonInfo(LogonInfoError::Ndr(NdrError::Conformance)), "{count}");
    }
    let error = with_logon_field(200, 255).unwrap_err();
    assert_eq!(error, PacError::LogonInfo(LogonInfoError::Ndr(NdrError::Conformance)));
}

#[test]
fn a_group_count_beyond_the_buffer_with_a_matching_bound_is_refused() {
    let mut bytes = pac_2022();
    let body = position(&bytes, 1) + 16;
    let bound = bytes[body + 220..].windows(8).position(|w| w == [5, 0, 0, 0, 1, 2, 0, 0]).unwrap();
    for at in [body + 112, body + 220 + bound] {
        bytes[at..at + 4].copy_from_slice(&0x8000_0000_u32.to_le_bytes());
    }
    let error = verify_2022_signed(bytes).unwrap_err();
    assert_eq!(error, PacError::LogonInfo(LogonInfoError::Ndr(NdrError::Truncated)));
}

#[test]
fn a_user_id_of_zero_is_refused() {
    assert_eq!(with_logon_field(104, 0).unwrap_err(), PacError::LogonInfo(LogonInfoError::NoUserId));
}

#[test]
fn a_missing_domain_sid_is_refused() {
    assert_eq!(with_logon_field(156, 0).unwrap_err(), PacError::LogonInfo(LogonInfoError::NoDomainSid));
}

#[test]
fn a_primary_group_that_is_not_listed_is_a_group_all_the_same() {
    let pac = with_logon_field(108, 525).unwrap();
    let protected = pac.domain_sid().with_rid(525).unwrap();
    assert!(pac.group_sids().any(|sid| *sid == protected));
}

#[test]
fn resource_groups_without_their_domain_are_refused() {
    let error = with_logon_field(208, 0).unwrap_err();
    // Without the domain's SID its bytes are read as the array's bound.
    assert_eq!(error, PacError::LogonInfo(LogonInfoError::Ndr(NdrError::Conformance)));
}
