use super::*;
use crate::error::{ErrorCode, NtStatus, ReplyError, RequestError};
use crate::key::KeyUsage;
use crate::message::kdc_req::{KdcReqBody, TgsReq};
use crate::message::padata::kind;
use crate::message::types::{EncTicketPart, Flags, Ticket, decode};

const CLASSIC: &str = "TERMSRV/desk1.corp.example";
const RESOURCE_BASED: &str = "TERMSRV/desk2.corp.example";
const NEITHER: &str = "TERMSRV/desk3.corp.example";

struct WithEvidence {
    lab: Lab,
    own: Authenticated,
    evidence: Evidence,
}

fn with_evidence() -> WithEvidence {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let evidence = lab.s4u2self(&own, "alice").unwrap();
    WithEvidence { lab, own, evidence }
}

impl WithEvidence {
    fn ask(&mut self, server: &str) -> Result<ServiceTicket, ExchangeError> {
        self.lab.s4u2proxy(&self.own, &self.evidence, server)
    }
}

fn status(error: ExchangeError) -> (ErrorCode, Option<NtStatus>) {
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    (refusal.code, refusal.status)
}

#[test]
fn classic_delegation_gives_a_ticket_in_the_users_name_that_the_service_can_open() {
    let mut with = with_evidence();
    let ticket = with.ask(CLASSIC).unwrap();
    assert_eq!(ticket.client().to_string(), "alice@CORP.EXAMPLE");
    assert_eq!(ticket.server().name(), &name(CLASSIC));
    let sealed: Ticket = decode(ticket.bytes()).unwrap();
    let service = with.lab.kdc.account_mut("DESK1$").unwrap().key(Etype::Aes256).unwrap();
    let plain = service.decrypt(KeyUsage::TICKET, &sealed.enc_part.cipher).unwrap();
    let part: EncTicketPart = decode(&plain).unwrap();
    assert_eq!(part.cname, user("alice").name().into());
    assert!(Key::try_from(&part.key).unwrap().is_same(ticket.session_key()));
}

#[test]
fn resource_based_delegation_gives_a_ticket_as_well() {
    assert!(with_evidence().ask(RESOURCE_BASED).is_ok());
}

#[test]
fn a_target_that_is_delegated_neither_way_is_refused_with_its_status() {
    let error = with_evidence().ask(NEITHER).unwrap_err();
    assert_eq!(status(error), (ErrorCode::KDC_ERR_BADOPTION, Some(NtStatus::STATUS_NO_MATCH)));
}

#[test]
fn the_request_carries_the_evidence_unchanged_and_the_resource_based_option() {
    let mut with = with_evidence();
    with.ask(CLASSIC).unwrap();
    let request: TgsReq = decode(with.lab.sent.last().unwrap()).unwrap();
    let body: KdcReqBody = decode(request.0.req_body.as_bytes()).unwrap();
    assert_eq!(body.kdc_options, Flags(0x4003_0000));
    let tickets = body.additional_tickets.unwrap();
    assert_eq!(tickets.len(), 1);
    assert_eq!(tickets[0].as_bytes(), with.evidence.ticket().bytes());
    let elements = request.0.padata.unwrap();
    let types: Vec<i32> = elements.iter().map(|element| element.padata_type).collect();
    assert_eq!(types, [kind::TGS_REQ, kind::PAC_OPTIONS]);
    assert_eq!(hex::encode(&elements[1].padata_value), "3009a00703050010000000");
}

#[test]
fn the_lifetime_is_what_was_asked_for() {
    let mut with = with_evidence();
    let ticket = with.ask(CLASSIC).unwrap();
    let life = ticket.endtime().duration_since(ticket.starttime()).unwrap();
    assert_eq!(life, Duration::from_secs(900));
}

#[test]
fn the_ticket_never_outlives_the_evidence() {
    let mut with = with_evidence();
    with.lab.now += Duration::from_secs(35_500);
    let ticket = with.ask(CLASSIC).unwrap();
    assert_eq!(ticket.endtime(), with.evidence.ticket().endtime());
}

#[test]
fn a_ticket_that_would_outlive_what_was_asked_for_is_refused() {
    let mut with = with_evidence();
    with.lab.kdc.hooks.part = Some(Box::new(|part| part.endtime = later(part.endtime, 1)));
    assert_eq!(with.ask(CLASSIC).unwrap_err(), ReplyError::EndTime.into());
}

#[test]
fn ended_evidence_makes_no_request() {
    let mut with = with_evidence();
    with.lab.now += Duration::from_secs(40_000);
    let sent = with.lab.sent.len();
    assert_eq!(with.ask(CLASSIC).unwrap_err(), RequestError::EvidenceEnded.into());
    assert_eq!(with.lab.sent.len(), sent);
}

#[test]
fn a_ticket_granting_ticket_is_not_asked_for() {
    let mut with = with_evidence();
    let sent = with.lab.sent.len();
    for server in ["krbtgt/CORP.EXAMPLE", "KRBTGT/CORP.EXAMPLE", "Krbtgt"] {
        assert_eq!(with.ask(server).unwrap_err(), RequestError::TicketGrantingService.into(), "{server}");
    }
    assert_eq!(with.lab.sent.len(), sent);
}

#[test]
fn evidence_that_is_not_forwardable_is_refused_by_the_kdc_with_its_status() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let evidence = lab.s4u2self(&own, "chief").unwrap();
    let error = lab.s4u2proxy(&own, &evidence, CLASSIC).unwrap_err();
    let expected = (ErrorCode::KDC_ERR_BADOPTION, Some(NtStatus::STATUS_ACCOUNT_RESTRICTION));
    assert_eq!(status(error), expected);
}

#[test]
fn the_ticket_is_labelled_with_the_evidences_user_whatever_the_reply_says() {
    let mut with = with_evidence();
    with.lab.kdc.hooks.reply = Some(Box::new(|reply| reply.cname = user("bob").name().into()));
    assert_eq!(with.ask(CLASSIC).unwrap().client().to_string(), "alice@CORP.EXAMPLE");
}

#[test]
fn a_ticket_for_another_service_is_refused() {
    let mut with = with_evidence();
    let other = with.ask(RESOURCE_BASED).unwrap().bytes().to_vec();
    with.lab.kdc.hooks.reply =
        Some(Box::new(move |reply| reply.ticket = rasn::types::Any::new(other.clone())));
    assert_eq!(with.ask(CLASSIC).unwrap_err(), ReplyError::TicketServer.into());
}

#[test]
fn a_session_key_or_ticket_in_rc4_is_refused() {
    let mut with = with_evidence();
    with.lab.kdc.hooks.part = Some(Box::new(|part| {
        part.key.keytype = 23;
        part.key.keyvalue = vec![0; 16].into();
    }));
    assert_eq!(with.ask(CLASSIC).unwrap_err(), ReplyError::SessionKeyEtype(23).into());

    let mut lab = Lab::new();
    lab.kdc = lab.kdc.with(
        Account::new("OLD$", 1300, "unsafe old")
            .spn(name("TERMSRV/old.corp.example"))
            .allows("svc-broker")
            .etypes(&[Etype::Rc4]),
    );
    let own = lab.authenticated();
    let evidence = lab.s4u2self(&own, "alice").unwrap();
    let error = lab.s4u2proxy(&own, &evidence, "TERMSRV/old.corp.example").unwrap_err();
    assert_eq!(error, ReplyError::TicketEtype(23).into());
}

#[test]
fn after_a_jump_of_the_clock_the_request_is_made_anew() {
    let mut with = with_evidence();
    with.lab.clock.max_offset = Duration::from_secs(900);
    with.lab.kdc.set_clock_ahead(Duration::from_secs(600));
    let sent = with.lab.sent.len();
    assert!(with.ask(CLASSIC).is_ok());
    assert_eq!(with.lab.sent.len(), sent + 2);
}

#[test]
fn no_changed_octet_of_a_reply_panics_or_changes_the_user() {
    let mut with = with_evidence();
    with.ask(CLASSIC).unwrap();
    for index in 0..1600 {
        with.lab.kdc.hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| {
            if index < bytes.len() {
                bytes[index] ^= 0x24;
            }
        }));
        if let Ok(ticket) = with.ask(CLASSIC) {
            assert_eq!(ticket.client().to_string(), "alice@CORP.EXAMPLE");
            assert_eq!(ticket.server().name(), &name(CLASSIC));
        }
    }
}
