//! Lies that can be told at every stage: the checks that all replies have in common.

use super::*;
use crate::error::ReferralError;
use crate::key::KeyUsage;
use crate::message::types::KerberosString;
use crate::ticket::TicketFlags;

const OTHER: &str = "HTTP/other.corp.example";
const NO_PART: &[u8] = &[0x7a, 0x80, 0, 0];

fn another_key(reply: &mut KdcRep) {
    let mut rng = system::random();
    let key = Key::random(Etype::Aes256, &mut rng);
    reply.enc_part.cipher = key.encrypt(KeyUsage::TGS_REP_SUBKEY, b"part", &mut rng).into();
}

fn etype(number: i32) -> impl Lie {
    outer(move |reply| reply.enc_part.etype = number)
}

fn ticket_etype(number: i32) -> impl Lie {
    sealed(move |ticket| ticket.enc_part.etype = number)
}

fn session_key(number: i32, length: usize) -> impl Lie {
    part(move |part| {
        part.key.keytype = number;
        part.key.keyvalue = vec![7; length].into();
    })
}

/// The ticket and the encrypted part, or one of them, of another realm.
fn in_realm(realm: &'static str) -> impl Lie {
    let text = move || KerberosString::from(realm);
    both(part(move |part| part.srealm = text()), sealed(move |ticket| ticket.realm = text()))
}

fn part_octets(octets: impl Into<Vec<u8>>) -> impl Lie {
    let octets = octets.into();
    |scene: &Scene| scene.kdc.lock().hooks.part_octets = Some(Box::new(move |part| part.clone_from(&octets)))
}

fn ticket_octets(octets: &'static [u8]) -> impl Lie {
    outer(move |reply| reply.ticket = encoded(octets))
}

refused_at_every_stage! {
    #[test]
    fn a_reply_under_a_wrong_key_is_refused() {
        outer(another_key) => ReplyError::Decryption,
    }

    #[test]
    fn a_wrong_nonce_is_refused() {
        part(|part| part.nonce ^= 1) => ReplyError::Nonce,
        part(|part| part.nonce = 0) => ReplyError::Nonce,
        part(|part| part.nonce |= 0x8000_0000) => ReplyError::Nonce,
    }

    #[test]
    fn a_wrong_sname_is_refused() {
        renamed(OTHER) => ReplyError::ServerName,
        renamed("kadmin/changepw") => ReplyError::ServerName,
        renamed("krbtgt") => ReplyError::ServerName,
        renamed("krbtgt/CORP.EXAMPLE/x") => ReplyError::ServerName,
    }

    #[test]
    fn an_sname_that_only_the_encrypted_part_has_is_refused() {
        part(|part| part.sname = (&name(OTHER)).into()) => ReplyError::TicketServer,
        part(|part| part.srealm = "OTHER.EXAMPLE".into()) => ReplyError::TicketServer,
        part(|part| part.sname.name_string.clear()) => ReplyError::ServerName,
    }

    #[test]
    fn an_sname_that_only_the_ticket_has_is_refused() {
        sealed(|ticket| ticket.sname = (&name(OTHER)).into()) => ReplyError::TicketServer,
        sealed(|ticket| ticket.realm = "OTHER.EXAMPLE".into()) => ReplyError::TicketServer,
        sealed(|ticket| ticket.sname.name_string.clear()) => ReplyError::TicketServer,
    }

    #[test]
    fn a_server_of_another_realm_is_refused() {
        in_realm("OTHER.EXAMPLE") => ReplyError::ServerRealm,
        in_realm("") => ReplyError::ServerRealm,
    }

    #[test]
    fn a_downgrade_of_the_reply_is_refused() {
        etype(23) => ReplyError::Etype(23),
        etype(24) => ReplyError::Etype(24),
        etype(16) => ReplyError::Etype(16),
        etype(3) => ReplyError::Etype(3),
        etype(0) => ReplyError::Etype(0),
        etype(-128) => ReplyError::Etype(-128),
    }

    #[test]
    fn a_downgrade_of_the_session_key_is_refused() {
        session_key(23, 16) => ReplyError::SessionKeyEtype(23),
        session_key(16, 24) => ReplyError::SessionKeyEtype(16),
        session_key(3, 8) => ReplyError::SessionKeyEtype(3),
        session_key(0, 0) => ReplyError::SessionKeyEtype(0),
    }

    #[test]
    fn a_downgrade_of_the_ticket_is_refused() {
        ticket_etype(23) => ReplyError::TicketEtype(23),
        ticket_etype(16) => ReplyError::TicketEtype(16),
        ticket_etype(3) => ReplyError::TicketEtype(3),
        ticket_etype(0) => ReplyError::TicketEtype(0),
    }

    #[test]
    fn a_session_key_of_a_wrong_length_is_refused() {
        session_key(18, 0) => ReplyError::SessionKeyLength,
        session_key(18, 16) => ReplyError::SessionKeyLength,
        session_key(18, 33) => ReplyError::SessionKeyLength,
        session_key(17, 32) => ReplyError::SessionKeyLength,
    }

    #[test]
    fn a_start_that_is_not_now_is_refused() {
        part(|part| part.starttime = Some(later(part.starttime.unwrap(), 400))) => ReplyError::StartTime,
        part(|part| part.starttime = Some(KerberosTime::EPOCH)) => ReplyError::StartTime,
    }

    #[test]
    fn a_ticket_that_lives_longer_than_was_asked_for_is_refused() {
        part(|part| part.endtime = later(part.endtime, 1)) => ReplyError::EndTime,
        part(|part| part.endtime = KerberosTime::from_unix_seconds(u32::MAX)) => ReplyError::EndTime,
    }

    #[test]
    fn a_ticket_that_has_ended_is_refused() {
        part(|part| part.endtime = part.starttime.unwrap()) => ReplyError::Ended,
        part(|part| part.endtime = KerberosTime::EPOCH) => ReplyError::Ended,
    }

    #[test]
    fn a_ticket_that_can_be_stretched_is_refused() {
        part(|part| part.renew_till = Some(later(part.endtime, 86_400))) => ReplyError::RenewTill,
        part(|part| part.flags.0 |= TicketFlags::RENEWABLE.bits()) => ReplyError::RenewTill,
    }

    #[test]
    fn a_ticket_that_is_not_valid_yet_is_refused() {
        part(|part| part.flags.0 |= TicketFlags::INVALID.bits()) => ReplyError::Invalid,
    }

    #[test]
    fn a_wrong_version_is_refused() {
        outer(|reply| reply.pvno = 4) => ReplyError::VersionOrType,
        outer(|reply| reply.pvno = -1) => ReplyError::VersionOrType,
        sealed(|ticket| ticket.tkt_vno = 4) => ReplyError::VersionOrType,
    }

    #[test]
    fn a_wrong_message_type_is_refused() {
        outer(|reply| reply.msg_type ^= 11 ^ 13) => ReplyError::VersionOrType,
        outer(|reply| reply.msg_type = 30) => ReplyError::VersionOrType,
    }

    #[test]
    fn the_reply_of_the_other_exchange_is_refused() {
        octets(|bytes| bytes[0] ^= 0x6b ^ 0x6d) => ReplyError::Malformed,
    }

    #[test]
    fn an_encrypted_part_that_is_none_is_refused() {
        part_octets([]) => ReplyError::EncryptedPart,
        part_octets(NO_PART) => ReplyError::EncryptedPart,
        part_octets([0x30; 4000]) => ReplyError::EncryptedPart,
    }

    #[test]
    fn an_encrypted_part_shorter_than_any_is_refused() {
        outer(|reply| reply.enc_part.cipher = Vec::new().into()) => ReplyError::Decryption,
        outer(|reply| reply.enc_part.cipher = vec![0; 27].into()) => ReplyError::Decryption,
    }

    #[test]
    fn a_ticket_that_is_none_is_refused() {
        ticket_octets(&[5, 0]) => ReplyError::Malformed,
        ticket_octets(&[0x61, 0]) => ReplyError::Malformed,
        ticket_octets(&[0x30, 3, 2, 1, 5]) => ReplyError::Malformed,
    }
}

#[tokio::test]
async fn a_replayed_reply_is_refused_at_every_stage() {
    for stage in STAGES {
        let mut scene = Scene::before(stage).await;
        scene.run(stage).await.unwrap();
        let earlier = scene.last_reply();
        scene.begin_anew(stage).await;
        let requests = if stage == Stage::As { 2 } else { 1 };
        let error = scene.refused(stage, requests, octets(move |bytes| bytes.clone_from(&earlier))).await;
        // The key of an AS-REP stays the same, its nonce does not; every TGS-REQ has a subkey of its own.
        let expected = if stage == Stage::As { ReplyError::Nonce } else { ReplyError::Decryption };
        assert_eq!(error, reply(expected), "{stage}");
    }
}

#[tokio::test]
async fn a_reply_replayed_under_the_same_ticket_granting_ticket_is_refused() {
    for stage in [Stage::S4u2Self, Stage::S4u2Proxy] {
        let scene = Scene::before(stage).await;
        scene.run(stage).await.unwrap();
        let earlier = scene.last_reply();
        scene.client.cache().clear();
        let error = scene.refused(stage, 1, octets(move |bytes| bytes.clone_from(&earlier))).await;
        assert_eq!(error, reply(ReplyError::Decryption), "{stage}");
    }
}

#[tokio::test]
async fn the_ticket_of_another_exchange_is_refused_where_its_server_differs() {
    for stage in [Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
        let scene = Scene::before(stage).await;
        let own = scene.client.own.current().unwrap();
        let other = own.authenticated.tgt.ticket().bytes().to_vec();
        let error = scene.refused(stage, 1, outer(move |reply| reply.ticket = encoded(&other))).await;
        assert_eq!(error, reply(ReplyError::TicketServer), "{stage}");
    }
}

refused_at! { Stage::Tgs;
    #[test]
    fn a_ticket_granting_ticket_of_our_own_realm_is_refused_at_tgs_exchange() {
        renamed("krbtgt/CORP.EXAMPLE") => ReplyError::UnaskedTicketGranting,
    }

    #[test]
    fn another_client_is_refused_at_tgs_exchange() {
        outer(|reply| reply.cname = user("user1").name().into()) => ReplyError::ClientName,
        outer(|reply| reply.crealm = "OTHER.EXAMPLE".into()) => ReplyError::ClientName,
        outer(|reply| reply.cname.name_string.clear()) => ReplyError::ClientName,
    }
}

refused_at! { Stage::S4u2Self;
    #[test]
    fn a_ticket_granting_ticket_of_our_own_realm_is_refused_at_s4u2self() {
        renamed("krbtgt/CORP.EXAMPLE") => ReplyError::UnaskedTicketGranting,
    }
}

refused_at! { Stage::S4u2Proxy;
    #[test]
    fn a_ticket_granting_ticket_of_our_own_realm_is_refused_at_s4u2proxy() {
        renamed("krbtgt/CORP.EXAMPLE") => ReplyError::UnaskedTicketGranting,
    }
}

#[tokio::test]
async fn a_referral_to_a_realm_that_is_not_configured_is_not_followed_at_any_stage() {
    let realm = Realm::new("OTHER.EXAMPLE").unwrap();
    for stage in [Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
        let error = refused(stage, renamed("krbtgt/OTHER.EXAMPLE")).await;
        assert_eq!(
            error,
            ClientError::Referral { stage, referral: ReferralError::NotConfigured { realm: realm.clone() } }
        );
    }
}
