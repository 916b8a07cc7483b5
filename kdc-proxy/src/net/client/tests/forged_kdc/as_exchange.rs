//! Lies about our own ticket-granting ticket.

use super::*;
use crate::message::padata::kind;
use crate::message::types::PaData;
use crate::ticket::TicketFlags;

#[tokio::test]
async fn a_clock_that_a_verified_reply_proves_to_be_off_is_refused() {
    for ahead in [true, false] {
        let error = refused(Stage::As, move |scene: &Scene| {
            let by = Duration::from_secs(600);
            let mut kdc = scene.kdc.lock();
            if ahead { kdc.set_clock_ahead(by) } else { kdc.set_clock_behind(by) }
        });
        let ClientError::ClockSkew { offset, .. } = error.await else { panic!("the clocks differ") };
        assert_eq!(offset.kdc_is_ahead(), ahead);
    }
}

fn confirmation(change: impl Fn(&mut Vec<PaData>) + Send + 'static) -> impl Lie {
    part(move |part| change(part.encrypted_pa_data.as_mut().unwrap()))
}

/// A confirmation with a CRC in the place of the keyed checksum.
fn unkeyed() -> PaData {
    let value = hex::decode("300fa003020101a1080406000000000000").unwrap();
    PaData { padata_type: kind::REQ_ENC_PA_REP, padata_value: value.into() }
}

fn named(name: &'static str) -> impl Lie {
    outer(move |reply| reply.cname = user(name).name().into())
}

fn unprotected() -> impl Lie {
    part(|part| part.flags.0 &= !TicketFlags::ENC_PA_REP.bits())
}

refused_at! { Stage::As;
    #[test]
    fn a_ticket_for_the_ticket_granting_service_of_another_realm_is_refused() {
        renamed("krbtgt/OTHER.EXAMPLE") => ReplyError::ServerName,
    }

    #[test]
    fn a_ticket_that_is_not_initial_is_refused() {
        part(|part| part.flags.0 &= !TicketFlags::INITIAL.bits()) => ReplyError::NotInitial,
    }

    #[test]
    fn a_promised_confirmation_of_the_request_must_be_there_once() {
        part(|part| part.encrypted_pa_data = None) => ReplyError::RequestChecksumMissing,
        confirmation(Vec::clear) => ReplyError::RequestChecksumMissing,
        confirmation(|elements| elements.push(elements[0].clone())) => ReplyError::RequestChecksumMissing,
    }

    #[test]
    fn a_wrong_confirmation_of_the_request_is_refused() {
        confirmation(|elements| elements[0].padata_value = vec![0x30, 0].into()) => ReplyError::RequestChecksum,
        confirmation(|elements| elements[0] = unkeyed()) => ReplyError::RequestChecksum,
        confirmation(|elements| {
            let mut value = elements[0].padata_value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            elements[0].padata_value = value.into();
        }) => ReplyError::RequestChecksum,
    }

    #[test]
    fn another_client_is_refused() {
        named("mallory") => ReplyError::ClientName,
        named("svc-broker2") => ReplyError::ClientName,
        both(named("mallory"), unprotected()) => ReplyError::ClientName,
        outer(|reply| reply.crealm = "OTHER.EXAMPLE".into()) => ReplyError::ClientName,
        outer(|reply| reply.cname.name_string.clear()) => ReplyError::ClientName,
    }
}

/// What a man in the middle changes in the request shows in the confirmation: here the etypes are cut down on the way.
#[tokio::test]
async fn a_request_that_was_altered_on_its_way_is_noticed() {
    let kdc = shared();
    let answering = kdc.clone();
    let port = Port::open(move |request| {
        let mut altered = request.to_vec();
        // The list of etypes, SEQUENCE OF { 18, 17 }, becomes { 18, 18 }.
        let list = [0x30, 6, 2, 1, 18, 2, 1, 17];
        let at = altered.windows(list.len()).position(|window| window == list).unwrap();
        altered[at + 7] = 18;
        framed(&answering.lock().answer(&altered, system::now(), &mut system::random()))
    })
    .await;
    let error = client(vec![port.address.clone()]).service_tgt().await.unwrap_err();
    assert_eq!(error, reply(ReplyError::RequestChecksum));
}

/// We cannot open our own ticket-granting ticket. One that is not ours, or a session key that does not belong to it, is
/// worth nothing: the KDC refuses it, and another is obtained, once.
async fn is_worth_nothing(lie: impl FnOnce(&Scene, Vec<u8>)) {
    let mut scene = Scene::before(Stage::Tgs).await;
    let own = scene.client.own.current().unwrap();
    scene.begin_anew(Stage::As).await;
    lie(&scene, own.authenticated.tgt.ticket().bytes().to_vec());
    scene.client.service_tgt().await.unwrap();
    scene.be_honest();
    let (authentications, questions) = (scene.port.count(AS_REQ), scene.port.count(TGS_REQ));
    scene.client.s4u2self(&user("user1")).await.unwrap();
    assert_eq!(scene.port.count(AS_REQ) - authentications, 2, "a new ticket");
    assert_eq!(scene.port.count(TGS_REQ) - questions, 2, "refused, then answered");
}

#[tokio::test]
async fn a_swapped_ticket_granting_ticket_is_worth_nothing_and_replaced() {
    is_worth_nothing(|scene, earlier| outer(move |reply| reply.ticket = encoded(&earlier)).tell(scene)).await;
}

#[tokio::test]
async fn a_swapped_session_key_of_the_ticket_granting_ticket_is_worth_nothing_and_replaced() {
    is_worth_nothing(|scene, _| part(|part| part.key.keyvalue = vec![7; 32].into()).tell(scene)).await;
}

/// The letters of our name are not protected either. The KDC in memory, like MIT's and Samba's, finds that they are not the
/// ticket's.
#[tokio::test]
async fn our_name_in_letters_that_are_not_the_tickets_costs_one_new_ticket() {
    is_worth_nothing(|scene, _| named("SVC-BROKER").tell(scene)).await;
}
