//! PACs as the KDC in memory writes them (MS-PAC): logon information, client information and two signatures.

use super::Kdc;
use super::account::{DOMAIN_USERS, Described};
use super::answer::Issue;
use super::hooks::apply;
use crate::key::{Key, KeyUsage};
use crate::message::types::{AuthorizationElement, encode};

const LOGON_INFO: u32 = 1;
const SERVER_CHECKSUM: u32 = 6;
const KDC_CHECKSUM: u32 = 7;
const CLIENT_INFO: u32 = 10;
const DELEGATION_INFO: u32 = 11;

/// Sub-authorities of a domain of which nothing else is said: S-1-5-21-1111-2222-3333.
pub(super) const DOMAIN: [u32; 4] = [21, 1111, 2222, 3333];
/// Service asserted identity, S-1-18-2.
const ASSERTED: [u32; 1] = [2];
const NEVER: u64 = 0x7fff_ffff_ffff_ffff;
/// FILETIME of 1970-01-01, in units of 100 ns.
const UNIX_EPOCH: u64 = 116_444_736_000_000_000;

impl Kdc {
    /// The PAC of a ticket, signed with the ticket's key and with that of krbtgt.
    pub(super) fn pac(&self, issue: &Issue) -> Vec<u8> {
        let client = issue.client.name().joined();
        let name = issue.described.name.as_ref().unwrap_or(&client);
        let domain = issue.described.domain.unwrap_or(self.domain);
        let authtime = issue.times.authtime.unix_seconds();
        let client = issue.carried.client_info.as_ref().unwrap_or(&client);
        let mut buffers = vec![
            (LOGON_INFO, logon_info(name, &domain, &issue.described)),
            (CLIENT_INFO, client_info(client, authtime)),
        ];
        if let Some((target, through)) = &issue.carried.delegation {
            buffers.push((DELEGATION_INFO, delegation_info(target, through)));
        }
        apply(&self.hooks.pac_buffers, &mut buffers);
        let with_signatures = |server, kdc| {
            let signatures = vec![(SERVER_CHECKSUM, server), (KDC_CHECKSUM, kdc)];
            container(&[buffers.clone(), signatures].concat())
        };
        let unsigned = with_signatures(empty_signature(&issue.ticket_key), empty_signature(&self.krbtgt));
        let server = issue.ticket_key.checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &unsigned);
        let kdc = self.krbtgt.checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &server.octets);
        let signature = |checksum: crate::key::Checksum| {
            [checksum.checksum_type.to_le_bytes().as_slice(), &checksum.octets].concat()
        };
        let mut pac = with_signatures(signature(server), signature(kdc));
        apply(&self.hooks.pac, &mut pac);
        pac
    }
}

/// AD-IF-RELEVANT around AD-WIN2K-PAC.
pub(super) fn authorization_data(pac: Vec<u8>) -> Vec<AuthorizationElement> {
    let inner = vec![AuthorizationElement { ad_type: 128, ad_data: pac.into() }];
    vec![AuthorizationElement { ad_type: 1, ad_data: encode(&inner).into() }]
}

fn empty_signature(key: &Key) -> Vec<u8> {
    let mut signature = key.etype().checksum_type().to_le_bytes().to_vec();
    signature.resize(4 + key.checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &[]).octets.len(), 0);
    signature
}

/// PACTYPE of MS-PAC section 2.3, every buffer aligned to 8.
fn container(buffers: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut table = Octets::default();
    table.u32(count(buffers.len())).u32(0);
    let mut body = Octets::default();
    let start = 8 + 16 * buffers.len();
    for (kind, buffer) in buffers {
        table.u32(*kind).u32(count(buffer.len())).u32(count(start + body.0.len())).u32(0);
        body.bytes(buffer).align(8);
    }
    table.bytes(&body.0);
    table.0
}

/// PAC_CLIENT_INFO of MS-PAC section 2.7.
fn client_info(name: &str, authtime: u32) -> Vec<u8> {
    let mut octets = Octets::default();
    let name = utf16(name);
    octets.u64(UNIX_EPOCH + u64::from(authtime) * 10_000_000).u16(count16(name.len())).bytes(&name);
    octets.0
}

/// KERB_VALIDATION_INFO of MS-PAC section 2.5, in NDR.
fn logon_info(name: &str, domain_sid: &[u32; 4], described: &Described) -> Vec<u8> {
    let Described { rid, control_bits, groups, .. } = described;
    let name = utf16(name);
    let domain = utf16("CORP");
    let mut body = Octets::default();
    body.u32(0x0002_0000);
    for time in [0, NEVER, NEVER, UNIX_EPOCH, UNIX_EPOCH, NEVER] {
        body.u64(time);
    }
    body.string_header(&name, 0x0002_0004);
    for _ in 0..5 {
        body.string_header(&[], 0);
    }
    let group_count = count(groups.len());
    body.u16(0).u16(0).u32(*rid).u32(DOMAIN_USERS).u32(group_count).u32(0x0002_0008).u32(0x20);
    body.bytes(&[0; 16]);
    body.string_header(&[], 0).string_header(&domain, 0x0002_000c).u32(0x0002_0010);
    body.u32(0).u32(0).u32(*control_bits).u32(0).u64(0).u64(0).u32(0).u32(0);
    body.u32(1).u32(0x0002_0014).u32(0).u32(0).u32(0);
    body.string(&name);
    body.u32(group_count);
    for group in groups {
        body.u32(*group).u32(7);
    }
    body.string(&domain);
    body.sid(5, domain_sid);
    body.u32(1).u32(0x0002_0018).u32(7).sid(18, &ASSERTED);
    in_ndr(body)
}

/// S4U_DELEGATION_INFO of MS-PAC section 2.9, in NDR, with one transited service.
fn delegation_info(target: &str, through: &str) -> Vec<u8> {
    let (target, through) = (utf16(target), utf16(through));
    let mut body = Octets::default();
    body.u32(0x0002_0000);
    body.string_header(&target, 0x0002_0004).u32(1).u32(0x0002_0008);
    body.string(&target);
    body.u32(1).string_header(&through, 0x0002_000c);
    body.string(&through);
    in_ndr(body)
}

/// The body behind the headers of MS-RPCE section 2.2.6.
fn in_ndr(mut body: Octets) -> Vec<u8> {
    body.align(8);
    let mut octets = Octets::default();
    octets.bytes(&[1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc]).u32(count(body.0.len())).u32(0).bytes(&body.0);
    octets.0
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Lengths here are those of names and of one PAC; they saturate rather than wrap.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn count16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[derive(Default)]
struct Octets(Vec<u8>);

impl Octets {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn align(&mut self, to: usize) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
        self
    }

    /// RPC_UNICODE_STRING: the string itself follows later.
    fn string_header(&mut self, text: &[u8], pointer: u32) -> &mut Self {
        self.u16(count16(text.len())).u16(count16(text.len())).u32(pointer)
    }

    fn string(&mut self, text: &[u8]) -> &mut Self {
        let units = count(text.len() / 2);
        self.u32(units).u32(0).u32(units).bytes(text).align(4)
    }

    fn sid(&mut self, authority: u8, parts: &[u32]) -> &mut Self {
        let parts_count = u8::try_from(parts.len()).unwrap_or(u8::MAX);
        self.u32(count(parts.len())).bytes(&[1, parts_count, 0, 0, 0, 0, 0, authority]);
        for part in parts {
            self.u32(*part);
        }
        self
    }
}
