//! Lies about the user: the S4U2Self reply and the ticket in it.

use super::*;
use crate::error::EvidenceError;
use crate::key::{KeyUsage, md4_checksum};
use crate::message::padata::{PaS4uX509User, S4uUserId};
use crate::message::types::{AuthorizationElement, Kvno, PaData};
use crate::testing::X509User;
use crate::ticket::TicketFlags;

/// Changes what the reply says of the user in PA-S4U-X509-USER, without signing it again.
fn x509_user(change: fn(&mut S4uUserId)) -> impl Lie {
    answer(move |value| {
        let mut user_id: S4uUserId = decode(value.user_id.as_bytes()).unwrap();
        change(&mut user_id);
        value.user_id = encoded(&encode(&user_id));
    })
}

fn answer(change: impl Fn(&mut PaS4uX509User) + Send + 'static) -> impl Lie {
    outer(move |reply| {
        let element = &mut reply.padata.as_mut().unwrap()[0];
        let mut value: PaS4uX509User = decode(&element.padata_value).unwrap();
        change(&mut value);
        element.padata_value = encode(&value).into();
    })
}

fn unkeyed(value: &mut PaS4uX509User) {
    value.checksum = md4_checksum(value.user_id.as_bytes()).into();
}

fn elements(
    change: impl Fn(Vec<AuthorizationElement>) -> Vec<AuthorizationElement> + Send + 'static,
) -> impl Lie {
    ticket(move |part| part.authorization_data = part.authorization_data.take().map(&change))
}

/// The authorization data inside AD-IF-RELEVANT.
fn inner(elements: &[AuthorizationElement]) -> Vec<AuthorizationElement> {
    decode(&elements[0].ad_data).unwrap()
}

fn if_relevant(inner: &[AuthorizationElement]) -> Vec<AuthorizationElement> {
    vec![AuthorizationElement { ad_type: 1, ad_data: encode(&inner.to_vec()).into() }]
}

/// A ticket that somebody encrypted who has not our key.
fn under_another_key(kvno: Option<u32>) -> impl Lie {
    sealed(move |ticket| {
        let mut rng = system::random();
        let key = Key::random(Etype::Aes256, &mut rng);
        ticket.enc_part.cipher = key.encrypt(KeyUsage::TICKET, b"part", &mut rng).into();
        ticket.enc_part.kvno = kvno.map(Kvno);
    })
}

fn ticket_octets(octets: &'static [u8]) -> impl Lie {
    |scene: &Scene| {
        scene.kdc.lock().hooks.ticket_octets = Some(Box::new(|part| part.clone_from(&octets.to_vec())))
    }
}

fn samba() -> impl Lie {
    |scene: &Scene| scene.kdc.lock().set_x509_user(X509User::Unknown)
}

fn named(name: &'static str) -> impl Lie {
    outer(move |reply| reply.cname = user(name).name().into())
}

refused_at! { Stage::S4u2Self;
    #[test]
    fn a_reply_in_our_own_name_is_refused() {
        named("svc-broker") => EvidenceError::NotSupported,
        both(samba(), named("SVC-BROKER")) => EvidenceError::NotSupported,
    }

    #[test]
    fn a_reply_in_another_users_name_is_refused() {
        named("user2") => EvidenceError::ReplyUser,
        both(samba(), named("user2")) => EvidenceError::ReplyUser,
        outer(|reply| reply.crealm = "OTHER.EXAMPLE".into()) => EvidenceError::ReplyUser,
        outer(|reply| reply.cname.name_string.clear()) => EvidenceError::ReplyUser,
    }

    #[test]
    fn another_users_ticket_is_refused() {
        ticket(|part| part.cname = user("user2").name().into()) => EvidenceError::TicketUser,
        ticket(|part| part.cname = user("svc-broker").name().into()) => EvidenceError::TicketUser,
        ticket(|part| part.cname = (&name("user1/admin")).into()) => EvidenceError::TicketUser,
        ticket(|part| part.cname.name_string.clear()) => EvidenceError::TicketUser,
        ticket(|part| part.crealm = "OTHER.EXAMPLE".into()) => EvidenceError::TicketUser,
    }

    #[test]
    fn a_swapped_session_key_of_the_evidence_is_refused() {
        ticket(|part| part.key.keyvalue = vec![7; 32].into()) => EvidenceError::SessionKey,
        ticket(|part| part.key.keyvalue = vec![7; 16].into()) => EvidenceError::SessionKey,
        ticket(|part| part.key.keytype = 17) => EvidenceError::SessionKey,
        part(|part| part.key.keyvalue = vec![7; 32].into()) => EvidenceError::SessionKey,
    }

    #[test]
    fn a_ticket_under_a_wrong_key_is_refused() {
        under_another_key(Some(3)) => EvidenceError::TicketDecryption,
        under_another_key(None) => EvidenceError::TicketDecryption,
        sealed(|ticket| ticket.enc_part.cipher = Vec::new().into()) => EvidenceError::TicketDecryption,
    }

    #[test]
    fn a_ticket_under_a_key_that_we_do_not_have_is_refused() {
        under_another_key(Some(4)) => EvidenceError::NoKeyVersion(4),
        under_another_key(Some(u32::MAX)) => EvidenceError::NoKeyVersion(u32::MAX),
        sealed(|ticket| ticket.enc_part.etype = 17) => EvidenceError::NoKey(17),
        sealed(|ticket| ticket.enc_part.etype = 20) => EvidenceError::NoKey(20),
    }

    #[test]
    fn a_ticket_with_anything_else_inside_is_refused() {
        ticket_octets(&[]) => EvidenceError::TicketMalformed,
        ticket_octets(&[0x63, 0x80, 0, 0]) => EvidenceError::TicketMalformed,
        ticket_octets(&[0x63, 2, 0x30, 0]) => EvidenceError::TicketMalformed,
    }

    #[test]
    fn flags_that_ticket_and_reply_do_not_share_are_refused() {
        ticket(|part| part.flags.0 ^= TicketFlags::FORWARDABLE.bits()) => EvidenceError::Flags,
        part(|part| part.flags.0 ^= TicketFlags::FORWARDABLE.bits()) => EvidenceError::Flags,
        part(|part| part.flags.0 ^= TicketFlags::OK_AS_DELEGATE.bits()) => EvidenceError::Flags,
        ticket(|part| part.flags.0 |= TicketFlags::INVALID.bits()) => EvidenceError::Flags,
    }

    #[test]
    fn times_that_ticket_and_reply_do_not_share_are_refused() {
        ticket(|part| part.authtime = later(part.authtime, 1)) => EvidenceError::Times,
        ticket(|part| part.endtime = later(part.endtime, 1)) => EvidenceError::Times,
        ticket(|part| part.starttime = part.starttime.map(|time| later(time, 1))) => EvidenceError::Times,
        ticket(|part| part.renew_till = Some(part.endtime)) => EvidenceError::Times,
        part(|part| part.authtime = later(part.authtime, 1)) => EvidenceError::Times,
    }

    #[test]
    fn evidence_without_a_pac_is_refused() {
        ticket(|part| part.authorization_data = None) => EvidenceError::PacMissing,
        elements(|_| Vec::new()) => EvidenceError::PacMissing,
        elements(|_| if_relevant(&[])) => EvidenceError::PacMissing,
        elements(|elements| inner(&elements)) => EvidenceError::PacMissing,
        elements(|elements| if_relevant(&elements)) => EvidenceError::PacMissing,
    }

    #[test]
    fn evidence_with_two_pacs_is_refused() {
        elements(|elements| [elements.clone(), elements].concat()) => EvidenceError::PacAmbiguous,
        elements(|elements| if_relevant(&[inner(&elements), inner(&elements)].concat())) => EvidenceError::PacAmbiguous,
    }

    #[test]
    fn authorization_data_that_cannot_be_read_is_refused() {
        elements(|elements| {
            let broken = AuthorizationElement { ad_type: 1, ad_data: vec![0x30, 0x84, 0xff, 0xff].into() };
            [vec![broken], elements].concat()
        }) => EvidenceError::AuthorizationData,
    }

    #[test]
    fn a_stripped_padata_130_is_refused_where_the_encrypted_part_promises_it() {
        outer(|reply| reply.padata = None) => EvidenceError::X509UserStripped,
        outer(|reply| reply.padata.as_mut().unwrap().clear()) => EvidenceError::X509UserStripped,
        outer(|reply| reply.padata.as_mut().unwrap()[0].padata_type = 2) => EvidenceError::X509UserStripped,
    }

    #[test]
    fn a_padata_130_for_another_request_is_refused() {
        x509_user(|user_id| user_id.nonce ^= 1) => EvidenceError::X509UserNonce,
        x509_user(|user_id| user_id.nonce = 0) => EvidenceError::X509UserNonce,
    }

    #[test]
    fn a_padata_130_that_was_altered_is_refused() {
        x509_user(|user_id| user_id.cname = Some(user("user2").name().into())) => EvidenceError::X509UserChecksum,
        x509_user(|user_id| user_id.cname = None) => EvidenceError::X509UserChecksum,
        x509_user(|user_id| user_id.crealm = "OTHER.EXAMPLE".into()) => EvidenceError::X509UserChecksum,
        x509_user(|user_id| user_id.options = None) => EvidenceError::X509UserChecksum,
        answer(unkeyed) => EvidenceError::X509UserChecksum,
        answer(|value| value.checksum.checksum = Vec::new().into()) => EvidenceError::X509UserChecksum,
    }

    #[test]
    fn a_padata_130_that_is_none_or_comes_twice_is_refused() {
        outer(|reply| {
            reply.padata.as_mut().unwrap()[0].padata_value = vec![0x30].into();
        }) => EvidenceError::X509UserMalformed,
        outer(|reply| {
            let elements = reply.padata.take().unwrap();
            reply.padata = Some([elements.clone(), elements].concat());
        }) => EvidenceError::X509UserMalformed,
    }
}

#[tokio::test]
async fn the_evidence_of_another_user_or_of_another_time_does_not_pass_in_its_place() {
    for earlier in ["user2", "user1"] {
        let scene = Scene::before(Stage::S4u2Self).await;
        let other = scene.client.s4u2self(&user(earlier)).await.unwrap();
        scene.client.cache().clear();
        let other = other.ticket().bytes().to_vec();
        let error =
            scene.refused(Stage::S4u2Self, 1, outer(move |reply| reply.ticket = encoded(&other))).await;
        assert_eq!(error, reply(EvidenceError::SessionKey), "{earlier}");
    }
}

/// Samba never answers padata 130, and with AES keys other KDCs need not bind their answer to the encrypted part.
/// Without it nothing is lost: who the user is comes from the ticket alone.
#[tokio::test]
async fn evidence_without_padata_130_is_of_the_user_in_the_ticket() {
    let silent = |scene: &Scene| {
        scene.kdc.lock().hooks.part = Some(Box::new(|part| part.encrypted_pa_data = None));
        scene.kdc.lock().hooks.reply = Some(Box::new(|reply| reply.padata = None));
    };
    let scene = Scene::before(Stage::S4u2Self).await;
    silent.tell(&scene);
    assert_eq!(scene.client.s4u2self(&user("user1")).await.unwrap().user(), &user("user1"));

    // The same silence does not let another user's ticket pass.
    let other = both(silent, ticket(|part| part.cname = user("user2").name().into()));
    assert_eq!(refused(Stage::S4u2Self, other).await, reply(EvidenceError::TicketUser));
}

#[tokio::test]
async fn an_unknown_padata_beside_the_answer_changes_nothing() {
    let scene = Scene::before(Stage::S4u2Self).await;
    outer(|reply| {
        let unknown = PaData { padata_type: 4711, padata_value: vec![0xff; 100].into() };
        reply.padata.as_mut().unwrap().push(unknown);
    })
    .tell(&scene);
    assert_eq!(scene.client.s4u2self(&user("user1")).await.unwrap().user(), &user("user1"));
}
