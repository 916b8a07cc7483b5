use super::*;
use crate::error::{ErrorCode, ReferralError, ReplyError, RequestError};
use crate::key::KeyUsage;
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::kdc_rep::EncKdcRepPart;
use crate::message::kdc_req::{KdcReqBody, TgsReq};
use crate::message::padata::{kind, only};
use crate::message::types::{Ticket, decode, encode};
use crate::ticket::TicketFlags;

const SERVER: &str = "TERMSRV/desk1.corp.example";

fn refusal(change: impl FnOnce(&mut Lab)) -> ExchangeError {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    change(&mut lab);
    lab.tgs(&own, SERVER).err().unwrap()
}

fn part(change: fn(&mut EncKdcRepPart)) -> ExchangeError {
    refusal(|lab| lab.kdc.hooks.part = Some(Box::new(change)))
}

/// Gives ticket and encrypted part another server, as a KDC would that means it.
fn rename(lab: &mut Lab, server: &'static str) {
    lab.kdc.hooks.part = Some(Box::new(move |part| part.sname = (&name(server)).into()));
    lab.kdc.hooks.reply = Some(Box::new(move |reply| {
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        ticket.sname = (&name(server)).into();
        reply.ticket = rasn::types::Any::new(encode(&ticket));
    }));
}

#[test]
fn a_service_ticket_is_ours_and_ends_when_asked() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let ticket = lab.tgs(&own, SERVER).unwrap();
    assert_eq!(ticket.client(), own.tgt.ticket().client());
    assert_eq!(ticket.server().name(), &name(SERVER));
    assert_eq!(ticket.endtime(), own.tgt.ticket().authtime() + Duration::from_secs(3600));
}

#[test]
fn a_ticket_never_outlives_the_ticket_it_rests_on() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.now += Duration::from_secs(35_000);
    assert_eq!(lab.tgs(&own, SERVER).unwrap().endtime(), own.tgt.ticket().endtime());
}

#[test]
fn an_ended_ticket_makes_no_request() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.now += Duration::from_secs(36_000);
    assert_eq!(lab.tgs(&own, SERVER).unwrap_err(), RequestError::TicketEnded.into());
}

#[test]
fn the_authenticator_covers_the_body_and_carries_a_subkey_of_its_own() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let mut subkeys: Vec<Key> = Vec::new();
    for _ in 0..2 {
        lab.tgs(&own, SERVER).unwrap();
        let request: TgsReq = decode(lab.sent.last().unwrap()).unwrap();
        let elements = request.0.padata.unwrap();
        let ap_req: ApReq = decode(only(&elements, kind::TGS_REQ).unwrap()).unwrap();
        assert_eq!(ap_req.ticket.as_bytes(), own.tgt.ticket().bytes());
        let key = own.tgt.ticket().session_key();
        let plain = key.decrypt(KeyUsage::TGS_REQ_AUTHENTICATOR, &ap_req.authenticator.cipher).unwrap();
        let authenticator: Authenticator = decode(&plain).unwrap();
        let checksum = authenticator.cksum.unwrap();
        let covered = key.verify_checksum(
            KeyUsage::TGS_REQ_CHECKSUM,
            request.0.req_body.as_bytes(),
            checksum.cksumtype,
            &checksum.checksum,
        );
        assert_eq!(covered, Ok(()));
        let body: KdcReqBody = decode(request.0.req_body.as_bytes()).unwrap();
        assert!(body.cname.is_none());
        subkeys.push(Key::try_from(&authenticator.subkey.unwrap()).unwrap());
    }
    assert!(!subkeys[0].is_same(&subkeys[1]));
}

#[test]
fn an_independent_reader_reads_the_request() {
    use kerberos_asn1::Asn1Object;

    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.tgs(&own, SERVER).unwrap();
    let sent = lab.sent.last().unwrap();
    let (rest, theirs) = kerberos_asn1::TgsReq::parse(sent).unwrap();
    assert!(rest.is_empty());
    assert_eq!(hex::encode(theirs.build()), hex::encode(sent));
}

#[test]
fn a_clock_that_jumped_is_mended_with_a_fresh_request() {
    let mut lab = Lab::new();
    lab.clock.max_offset = Duration::from_secs(900);
    let own = lab.authenticated();
    let before = lab.sent.len();
    lab.kdc.set_clock_ahead(Duration::from_secs(600));
    assert!(lab.tgs(&own, SERVER).is_ok());
    assert_eq!(lab.sent.len(), before + 2);
    assert_ne!(lab.sent[before], lab.sent[before + 1]);
}

#[test]
fn a_proven_jump_beyond_the_bound_is_named() {
    let error = refusal(|lab| lab.kdc.set_clock_ahead(Duration::from_secs(600)));
    assert!(matches!(error, ExchangeError::ClockSkew { .. }), "{error}");
}

#[test]
fn a_skewed_time_is_tried_once_only() {
    let error = refusal(|lab| {
        lab.kdc.set_clock_ahead(Duration::from_secs(600));
        lab.kdc.hooks.error = Some(Box::new(|error| error.stime = later(error.stime, 3600)));
    });
    assert!(matches!(error, ExchangeError::ClaimedSkew { .. }), "{error}");
}

#[test]
fn a_refusal_of_the_kdc_is_passed_on() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let error = lab.tgs(&own, "HTTP/nowhere.corp.example").unwrap_err();
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.code, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN);
}

#[test]
fn a_referral_to_another_realm_is_a_typed_refusal() {
    let error = refusal(|lab| rename(lab, "krbtgt/OTHER.EXAMPLE"));
    assert_eq!(error, ReferralError::NotConfigured { realm: Realm::new("OTHER.EXAMPLE").unwrap() }.into());
}

#[test]
fn a_forged_referral_does_not_pass_as_one() {
    let error = refusal(|lab| {
        rename(lab, "krbtgt/OTHER.EXAMPLE");
        lab.kdc.hooks.part = Some(Box::new(|part| {
            part.sname = (&name("krbtgt/OTHER.EXAMPLE")).into();
            part.nonce ^= 1;
        }));
    });
    assert_eq!(error, ReplyError::Nonce.into());
}

#[test]
fn a_ticket_granting_ticket_of_our_own_realm_is_no_referral() {
    assert_eq!(refusal(|lab| rename(lab, "krbtgt/CORP.EXAMPLE")), ReplyError::UnaskedTicketGranting.into());
}

#[test]
fn a_ticket_for_another_service_is_refused() {
    for other in ["TERMSRV/desk2.corp.example", "HTTP/desk1.corp.example", "TERMSRV/desk1.corp.example/x"] {
        assert_eq!(refusal(|lab| rename(lab, other)), ReplyError::ServerName.into());
    }
}

#[test]
fn a_server_name_in_other_letters_is_the_same_server() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    rename(&mut lab, "termsrv/DESK1.corp.example");
    let ticket = lab.tgs(&own, SERVER).unwrap();
    assert_eq!(ticket.server().name().to_string(), "termsrv/DESK1.corp.example");
}

#[test]
fn a_server_in_another_realm_is_refused() {
    let error = refusal(|lab| {
        let other = Realm::new("OTHER.EXAMPLE").unwrap();
        let realm = crate::message::types::KerberosString::from(&other);
        let same = realm.clone();
        lab.kdc.hooks.part = Some(Box::new(move |part| part.srealm = realm.clone()));
        lab.kdc.hooks.reply = Some(Box::new(move |reply| {
            let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
            ticket.realm = same.clone();
            reply.ticket = rasn::types::Any::new(encode(&ticket));
        }));
    });
    assert_eq!(error, ReplyError::ServerRealm.into());
}

#[test]
fn a_swapped_ticket_is_refused() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let other = lab.tgs(&own, "TERMSRV/desk2.corp.example").unwrap().bytes().to_vec();
    lab.kdc.hooks.reply = Some(Box::new(move |reply| reply.ticket = rasn::types::Any::new(other.clone())));
    assert_eq!(lab.tgs(&own, SERVER).unwrap_err(), ReplyError::TicketServer.into());
}

#[test]
fn a_reply_for_another_client_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.reply = Some(Box::new(|reply| reply.cname = user("alice").name().into()));
    });
    assert_eq!(error, ReplyError::ClientName.into());
}

#[test]
fn the_reply_to_an_earlier_request_is_refused() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.tgs(&own, SERVER).unwrap();
    let earlier = lab.sent.last().unwrap().clone();
    let reply = {
        let mut kdc = Lab::new();
        kdc.authenticated();
        kdc.kdc.answer(&earlier, lab.now, &mut lab.rng)
    };
    assert_eq!(reply[0], 0x6d, "the twin kdc answers");
    lab.kdc.hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| *bytes = reply.clone()));
    assert_eq!(lab.tgs(&own, SERVER).unwrap_err(), ReplyError::Decryption.into());
}

#[test]
fn a_reply_under_the_session_key_is_refused() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let key = own.tgt.ticket().session_key().clone();
    lab.kdc.hooks.reply = Some(Box::new(move |reply| {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        reply.enc_part.cipher = key.encrypt(KeyUsage::TGS_REP_SESSION_KEY, b"part", &mut rng).into();
    }));
    assert_eq!(lab.tgs(&own, SERVER).unwrap_err(), ReplyError::Decryption.into());
}

#[test]
fn the_checks_of_the_encrypted_part_hold() {
    assert_eq!(part(|part| part.nonce ^= 1), ReplyError::Nonce.into());
    assert_eq!(part(|part| part.endtime = later(part.endtime, 1)), ReplyError::EndTime.into());
    assert_eq!(part(|part| part.endtime = part.starttime.unwrap()), ReplyError::Ended.into());
    assert_eq!(part(|part| part.renew_till = Some(part.endtime)), ReplyError::RenewTill.into());
    assert_eq!(part(|part| part.flags.0 |= TicketFlags::RENEWABLE.bits()), ReplyError::RenewTill.into());
    assert_eq!(part(|part| part.flags.0 |= TicketFlags::INVALID.bits()), ReplyError::Invalid.into());
    assert_eq!(part(|part| part.key.keytype = 23), ReplyError::SessionKeyEtype(23).into());
    assert_eq!(part(|part| part.key.keytype = 17), ReplyError::SessionKeyLength.into());
    let early = |part: &mut EncKdcRepPart| part.starttime = Some(later(part.starttime.unwrap(), 400));
    assert_eq!(part(early), ReplyError::StartTime.into());
}

#[test]
fn an_as_reply_does_not_pass_as_a_tgs_reply() {
    let error = refusal(|lab| {
        lab.kdc.hooks.bytes = Some(Box::new(|bytes: &mut Vec<u8>| bytes[0] = 0x6b));
    });
    assert_eq!(error, ReplyError::Malformed.into());
}
