//! Lies in the PAC, told by somebody who can sign it, and by somebody who cannot.

use super::*;
use crate::error::EvidenceError;
use crate::message::pac::PacError;

const LOGON_INFO: u32 = 1;
const SERVER_CHECKSUM: u32 = 6;
const CLIENT_INFO: u32 = 10;
const UPN_DNS_INFO: u32 = 12;
const REQUESTOR: u32 = 18;

/// S-1-5-21-1111-2222-3333-2002: user2, where user1 was asked for.
const ANOTHER_SID: [u8; 28] =
    [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x57, 4, 0, 0, 0xae, 8, 0, 0, 0x05, 0x0d, 0, 0, 0xd2, 7, 0, 0];

/// Changes a buffer before the PAC is signed.
fn buffer(kind: u32, change: impl Fn(&mut Vec<u8>) + Send + 'static) -> impl Lie {
    buffers(move |buffers| {
        let (_, octets) = buffers.iter_mut().find(|(found, _)| *found == kind).unwrap();
        change(octets);
    })
}

fn buffers(change: impl Fn(&mut Vec<(u32, Vec<u8>)>) + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.pac_buffers = Some(Box::new(change))
}

fn without(kind: u32) -> impl Lie {
    buffers(move |buffers| buffers.retain(|(found, _)| *found != kind))
}

/// Changes the PAC after it was signed.
fn signed(change: impl Fn(&mut Vec<u8>) + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.pac = Some(Box::new(change))
}

/// Changes the server signature, its type in front.
fn signature(change: impl Fn(&mut [u8]) + Send + 'static) -> impl Lie {
    signed(move |pac| {
        let field =
            |at: usize| usize::try_from(u32::from_le_bytes(pac[at..at + 4].try_into().unwrap())).unwrap();
        let entry = (0..field(0)).map(|index| 8 + 16 * index);
        let at =
            entry.into_iter().find(|at| field(*at) == usize::try_from(SERVER_CHECKSUM).unwrap()).unwrap();
        let (start, length) = (field(at + 8), field(at + 4));
        change(&mut pac[start..start + length]);
    })
}

fn signature_type(number: i32) -> impl Lie {
    signature(move |signature| signature[..4].copy_from_slice(&number.to_le_bytes()))
}

/// UPN_DNS_INFO with a name, a domain, a SAM name and this SID.
fn upn_dns_info(sid: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (length, offset) in [(0_u16, 24_u16), (0, 24)] {
        octets.extend([length.to_le_bytes(), offset.to_le_bytes()].concat());
    }
    octets.extend(2_u32.to_le_bytes());
    for (length, offset) in [(0, 24), (u16::try_from(sid.len()).unwrap(), 24_u16)] {
        octets.extend([length.to_le_bytes(), offset.to_le_bytes()].concat());
    }
    octets.resize(24, 0);
    octets.extend(sid);
    octets
}

fn pac(error: PacError) -> EvidenceError {
    EvidenceError::Pac(error)
}

refused_at! { Stage::S4u2Self;
    #[test]
    fn a_pac_of_another_name_is_refused() {
        buffer(CLIENT_INFO, |client| client[10] ^= 0x20) => pac(PacError::ClientName),
        buffer(CLIENT_INFO, |client| client[18] = b'2') => pac(PacError::ClientName),
        buffer(CLIENT_INFO, |client| client[8] -= 2) => pac(PacError::ClientName),
        buffer(CLIENT_INFO, |client| client.truncate(19)) => pac(PacError::Malformed(CLIENT_INFO)),
    }

    #[test]
    fn a_pac_of_another_time_is_refused() {
        buffer(CLIENT_INFO, |client| client[4] ^= 1) => pac(PacError::ClientTime),
        buffer(CLIENT_INFO, |client| client[..8].fill(0)) => pac(PacError::ClientTime),
        buffer(CLIENT_INFO, |client| client[..8].fill(0xff)) => pac(PacError::ClientTime),
    }

    #[test]
    fn a_pac_that_contradicts_itself_about_the_sid_is_refused() {
        buffers(|buffers| buffers.push((UPN_DNS_INFO, upn_dns_info(&ANOTHER_SID)))) => pac(PacError::UpnSid),
        buffers(|buffers| buffers.push((REQUESTOR, ANOTHER_SID.to_vec()))) => pac(PacError::RequestorSid),
        buffers(|buffers| buffers.push((REQUESTOR, ANOTHER_SID[..27].to_vec()))) => pac(PacError::Malformed(REQUESTOR)),
    }

    #[test]
    fn a_pac_without_what_every_pac_has_is_refused() {
        without(LOGON_INFO) => pac(PacError::MissingBuffer(LOGON_INFO)),
        without(CLIENT_INFO) => pac(PacError::MissingBuffer(CLIENT_INFO)),
    }

    #[test]
    fn a_pac_with_two_logon_infos_is_refused() {
        buffers(|buffers| buffers.push(buffers[0].clone())) => pac(PacError::DuplicateBuffer(LOGON_INFO)),
    }

    #[test]
    fn a_pac_that_was_altered_after_signing_is_refused() {
        signed(|pac| pac[100] ^= 1) => pac(PacError::ServerSignature),
        signed(|pac| *pac.iter_mut().rev().nth(40).unwrap() ^= 1) => pac(PacError::ServerSignature),
        signature(|signature| signature[4] ^= 1) => pac(PacError::ServerSignature),
        signature(|signature| signature[4..].fill(0)) => pac(PacError::ServerSignature),
    }

    #[test]
    fn a_pac_signature_of_another_type_is_refused() {
        signature_type(15) => pac(PacError::SignatureType { found: 15, required: 16 }),
        signature_type(14) => pac(PacError::SignatureType { found: 14, required: 16 }),
        signature_type(7) => pac(PacError::SignatureType { found: 7, required: 16 }),
        signature_type(-138) => pac(PacError::SignatureLength { buffer: SERVER_CHECKSUM, signature_type: -138 }),
    }

    #[test]
    fn a_pac_that_is_none_is_refused() {
        signed(Vec::clear) => pac(PacError::Truncated),
        signed(|pac| pac.truncate(40)) => pac(PacError::Truncated),
        signed(|pac| pac[..4].fill(0xff)) => pac(PacError::BufferCount(u32::MAX)),
    }
}

/// The signature of whoever has the key of krbtgt, but not ours: of a KDC that knows only another realm's keys, say.
#[tokio::test]
async fn a_pac_signed_with_another_key_than_ours_is_refused() {
    let scene = Scene::before(Stage::S4u2Self).await;
    let service = scene.kdc.lock().account_mut("svc-broker").unwrap().key(Etype::Aes256).cloned().unwrap();
    let stranger = Key::random(Etype::Aes256, &mut system::random());
    assert!(!service.is_same(&stranger));
    let lie = signature(move |signature| {
        let forged = stranger.checksum(crate::key::KeyUsage::NON_KERBEROS_CHECKSUM, b"pac");
        signature[4..].copy_from_slice(&forged.octets);
    });
    let error = scene.refused(Stage::S4u2Self, 1, lie).await;
    assert_eq!(error, reply(pac(PacError::ServerSignature)));
}

#[tokio::test]
async fn buffers_of_unknown_types_are_kept_and_ignored() {
    let scene = Scene::before(Stage::S4u2Self).await;
    buffers(|buffers| {
        buffers.extend([(0x99, vec![0xff; 33]), (0x7fff_ffff, Vec::new()), (0x99, Vec::new())])
    })
    .tell(&scene);
    let evidence = scene.client.s4u2self(&user("user1")).await.unwrap();
    assert_eq!(evidence.pac().buffer_types(), [1, 10, 0x99, 0x7fff_ffff, 0x99, 6, 7]);
    assert_eq!(evidence.pac().user_sid().rid(), Some(2001));
}
