use super::*;
use crate::error::{ErrorCode, EvidenceError, NtStatus, RequestError};
use crate::key::KeyUsage;
use crate::message::kdc_rep::KdcRep;
use crate::message::kdc_req::{KdcReqBody, TgsReq};
use crate::message::pac::PacError;
use crate::message::padata::{PaS4uX509User, S4uUserId, kind};
use crate::message::types::{
    AuthorizationElement, EncTicketPart, Flags, Kvno, PaData, Ticket, decode, encode,
};
use crate::testing::X509User;
use crate::ticket::TicketFlags;

/// The error of an S4U2Self exchange for alice whose reply was changed.
fn refusal(change: impl FnOnce(&mut Lab)) -> ExchangeError {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    change(&mut lab);
    lab.s4u2self(&own, "alice").err().unwrap()
}

fn ticket(change: fn(&mut EncTicketPart)) -> ExchangeError {
    refusal(|lab| lab.kdc.hooks.ticket = Some(Box::new(change)))
}

fn reply(change: impl Fn(&mut KdcRep) + Send + 'static) -> ExchangeError {
    refusal(|lab| lab.kdc.hooks.reply = Some(Box::new(change)))
}

/// Changes the element of the reply without signing it again.
fn x509_user(change: fn(&mut S4uUserId)) -> ExchangeError {
    reply(move |reply| {
        for element in reply.padata.as_mut().unwrap() {
            let mut value: PaS4uX509User = decode(&element.padata_value).unwrap();
            let mut user_id: S4uUserId = decode(value.user_id.as_bytes()).unwrap();
            change(&mut user_id);
            value.user_id = rasn::types::Any::new(encode(&user_id));
            element.padata_value = encode(&value).into();
        }
    })
}

fn authorization_data(
    part: &mut EncTicketPart,
    change: impl Fn(Vec<AuthorizationElement>) -> Vec<AuthorizationElement>,
) {
    part.authorization_data = part.authorization_data.take().map(change);
}

#[test]
fn the_evidence_speaks_for_the_user() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let evidence = lab.s4u2self(&own, "alice").unwrap();
    assert_eq!(evidence.user().to_string(), "alice@CORP.EXAMPLE");
    assert_eq!(evidence.ticket().server().name(), &name("HTTP/broker.corp.example"));
    assert!(evidence.is_forwardable());
    assert_eq!(evidence.pac().user_sid().to_string(), "S-1-5-21-1111-2222-3333-1104");
    assert_eq!(evidence.pac().client_name(), "alice");
    assert_eq!(evidence.ticket().authtime(), own.tgt.ticket().authtime());
}

#[test]
fn a_kdc_that_does_not_know_pa_s4u_x509_user_is_served_by_pa_for_user() {
    let mut lab = Lab::new();
    lab.kdc.set_x509_user(X509User::Unknown);
    let own = lab.authenticated();
    assert_eq!(lab.s4u2self(&own, "alice").unwrap().user().to_string(), "alice@CORP.EXAMPLE");
}

#[test]
fn both_elements_go_out_under_one_nonce() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.s4u2self(&own, "alice").unwrap();
    let request: TgsReq = decode(lab.sent.last().unwrap()).unwrap();
    let body: KdcReqBody = decode(request.0.req_body.as_bytes()).unwrap();
    assert_eq!(body.kdc_options, Flags(0x4001_0000));
    let elements = request.0.padata.unwrap();
    let types: Vec<i32> = elements.iter().map(|element| element.padata_type).collect();
    assert_eq!(types, [kind::TGS_REQ, kind::S4U_X509_USER, kind::FOR_USER, kind::PAC_OPTIONS]);
    assert_eq!(hex::encode(&elements[3].padata_value), "3009a00703050090000000");
    let value: PaS4uX509User = decode(&elements[1].padata_value).unwrap();
    let user_id: S4uUserId = decode(value.user_id.as_bytes()).unwrap();
    assert_eq!(user_id.nonce, body.nonce);
    assert_eq!(user_id.options, Some(Flags(0x6000_0000)));
    assert!(user_id.subject_certificate.is_none());
}

#[test]
fn an_independent_reader_reads_the_request() {
    use kerberos_asn1::Asn1Object;

    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.s4u2self(&own, "alice").unwrap();
    let (rest, theirs) = kerberos_asn1::TgsReq::parse(lab.sent.last().unwrap()).unwrap();
    assert!(rest.is_empty());
    let elements = theirs.padata.unwrap();
    let (_, for_user) = kerberos_asn1::PaForUser::parse(&elements[2].padata_value).unwrap();
    assert_eq!(for_user.username.name_string, ["alice"]);
    let (_, x509_user) = kerberos_asn1::PaS4uX509User::parse(&elements[1].padata_value).unwrap();
    assert_eq!(x509_user.user_id.crealm, "CORP.EXAMPLE");
}

#[test]
fn the_case_of_the_user_is_the_kdcs() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    assert_eq!(lab.s4u2self(&own, "ALICE").unwrap().user().to_string(), "ALICE@CORP.EXAMPLE");
}

#[test]
fn a_keytab_opens_the_ticket_as_well() {
    let mut lab = Lab::new();
    let keytab = lab.keytab(&[Etype::Aes256, Etype::Aes128]);
    let own = lab.as_exchange(keytab).unwrap();
    assert!(lab.s4u2self(&own, "alice").is_ok());
}

#[test]
fn a_sensitive_user_gives_evidence_that_is_not_forwardable() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let evidence = lab.s4u2self(&own, "chief").unwrap();
    assert!(!evidence.is_forwardable());
    assert_eq!(evidence.pac().user_account_control().bits(), 0x4010);
}

#[test]
fn a_broker_that_may_not_act_for_anyone_gets_no_forwardable_evidence() {
    let broker = Account::new("svc-broker", 1100, PASSWORD)
        .spn(name("HTTP/broker.corp.example"))
        .delegates_to(name("TERMSRV/desk1.corp.example"));
    let mut lab = Lab::with_broker(broker);
    let own = lab.authenticated();
    assert!(!lab.s4u2self(&own, "alice").unwrap().is_forwardable());
}

#[test]
fn an_unknown_user_is_the_kdcs_refusal_with_its_status() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let error = lab.s4u2self(&own, "nobody").unwrap_err();
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.code, ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN);
    assert_eq!(refusal.status, Some(NtStatus::STATUS_NO_SUCH_USER));
}

#[test]
fn after_a_jump_of_the_clock_both_elements_are_made_anew() {
    let mut lab = Lab::new();
    lab.clock.max_offset = Duration::from_secs(900);
    let own = lab.authenticated();
    lab.kdc.set_clock_behind(Duration::from_secs(600));
    lab.kdc.hooks.ticket = None;
    assert!(lab.s4u2self(&own, "alice").is_ok());
    assert_eq!(lab.sent.len(), 4);
}

#[test]
fn an_ended_ticket_makes_no_request() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.now += Duration::from_secs(40_000);
    assert_eq!(lab.s4u2self(&own, "alice").unwrap_err(), RequestError::TicketEnded.into());
}

#[test]
fn a_user_of_another_realm_makes_no_request() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let other = Realm::new("OTHER.EXAMPLE").unwrap();
    let foreign = Principal::new(PrincipalName::principal("alice").unwrap(), other.clone());
    assert_eq!(lab.s4u2self_for(&own, foreign).unwrap_err(), RequestError::ForeignUser(other).into());
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn a_kdc_that_ignores_the_request_is_noticed() {
    let error = reply(|reply| {
        reply.padata = None;
        reply.cname = user("svc-broker").name().into();
    });
    assert_eq!(error, EvidenceError::NotSupported.into());
}

#[test]
fn a_reply_for_another_user_is_refused() {
    assert_eq!(reply(|reply| reply.cname = user("bob").name().into()), EvidenceError::ReplyUser.into());
}

#[test]
fn the_ticket_of_another_user_is_refused_although_the_reply_names_the_right_one() {
    let error = ticket(|part| part.cname = user("bob").name().into());
    assert_eq!(error, EvidenceError::TicketUser.into());
    let error = ticket(|part| part.crealm = "OTHER.EXAMPLE".into());
    assert_eq!(error, EvidenceError::TicketUser.into());
}

#[test]
fn a_swapped_session_key_is_refused() {
    let error = ticket(|part| part.key.keyvalue = vec![7; 32].into());
    assert_eq!(error, EvidenceError::SessionKey.into());
}

#[test]
fn another_ticket_of_the_same_user_is_refused() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let earlier = lab.s4u2self(&own, "alice").unwrap().ticket().bytes().to_vec();
    lab.kdc.hooks.reply = Some(Box::new(move |reply| reply.ticket = rasn::types::Any::new(earlier.clone())));
    assert_eq!(lab.s4u2self(&own, "alice").unwrap_err(), EvidenceError::SessionKey.into());
}

#[test]
fn flags_that_differ_between_ticket_and_reply_are_refused() {
    let error = ticket(|part| part.flags.0 ^= TicketFlags::FORWARDABLE.bits());
    assert_eq!(error, EvidenceError::Flags.into());
}

#[test]
fn times_that_differ_between_ticket_and_reply_are_refused() {
    let changes: [fn(&mut EncTicketPart); 4] = [
        |part| part.authtime = later(part.authtime, 1),
        |part| part.endtime = later(part.endtime, 1),
        |part| part.starttime = part.starttime.map(|time| later(time, 1)),
        |part| part.renew_till = Some(part.endtime),
    ];
    for change in changes {
        assert_eq!(ticket(change), EvidenceError::Times.into());
    }
}

#[test]
fn a_ticket_under_another_key_is_refused() {
    let error = reply(|reply| {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        let key = Key::random(Etype::Aes256, &mut rng);
        ticket.enc_part.cipher = key.encrypt(KeyUsage::TICKET, b"part", &mut rng).into();
        reply.ticket = rasn::types::Any::new(encode(&ticket));
    });
    assert_eq!(error, EvidenceError::TicketDecryption.into());
}

#[test]
fn a_ticket_under_a_version_the_keytab_does_not_have_is_told_as_such() {
    let error_of = |kvno| {
        let mut lab = Lab::new();
        let keytab = lab.keytab(&[Etype::Aes256]);
        let own = lab.as_exchange(keytab).unwrap();
        lab.kdc.hooks.reply = Some(Box::new(move |reply| {
            let mut rng = ChaCha20Rng::from_seed([9; 32]);
            let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
            let key = Key::random(Etype::Aes256, &mut rng);
            ticket.enc_part.cipher = key.encrypt(KeyUsage::TICKET, b"part", &mut rng).into();
            ticket.enc_part.kvno = Some(Kvno(kvno));
            reply.ticket = rasn::types::Any::new(encode(&ticket));
        }));
        lab.s4u2self(&own, "alice").unwrap_err()
    };
    assert_eq!(error_of(4), EvidenceError::NoKeyVersion(4).into());
    assert_eq!(error_of(3), EvidenceError::TicketDecryption.into());
}

#[test]
fn a_ticket_of_a_type_without_a_key_is_refused() {
    let error = reply(|reply| {
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        ticket.enc_part.etype = 20;
        reply.ticket = rasn::types::Any::new(encode(&ticket));
    });
    assert_eq!(error, EvidenceError::NoKey(20).into());
}

#[test]
fn a_missing_pac_is_refused() {
    let missing = EvidenceError::PacMissing.into();
    assert_eq!(ticket(|part| part.authorization_data = None), missing);
    // A PAC outside AD-IF-RELEVANT was not put there by a KDC.
    let outside = ticket(|part| {
        authorization_data(part, |elements| decode(&elements[0].ad_data).unwrap());
    });
    assert_eq!(outside, missing);
}

#[test]
fn two_pacs_are_refused() {
    let twice = ticket(|part| {
        authorization_data(part, |elements| [elements.clone(), elements].concat());
    });
    assert_eq!(twice, EvidenceError::PacAmbiguous.into());
    let inside = ticket(|part| {
        authorization_data(part, |mut elements| {
            let inner: Vec<AuthorizationElement> = decode(&elements[0].ad_data).unwrap();
            elements[0].ad_data = encode(&[inner.clone(), inner].concat()).into();
            elements
        });
    });
    assert_eq!(inside, EvidenceError::PacAmbiguous.into());
}

#[test]
fn other_authorization_data_beside_the_pac_is_left_aside() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    lab.kdc.hooks.ticket = Some(Box::new(|part| {
        authorization_data(part, |mut elements| {
            let other = vec![AuthorizationElement { ad_type: 141, ad_data: vec![1].into() }];
            elements.push(AuthorizationElement { ad_type: 1, ad_data: encode(&other).into() });
            elements.push(AuthorizationElement { ad_type: 512, ad_data: vec![1].into() });
            elements
        });
    }));
    assert!(lab.s4u2self(&own, "alice").is_ok());
}

#[test]
fn broken_authorization_data_is_refused() {
    let error = ticket(|part| {
        authorization_data(part, |mut elements| {
            elements[0].ad_data = vec![0x30, 0x05, 0].into();
            elements
        });
    });
    assert_eq!(error, EvidenceError::AuthorizationData.into());
}

#[test]
fn an_altered_pac_is_refused() {
    let error = ticket(|part| {
        authorization_data(part, |mut elements| {
            let mut inner: Vec<AuthorizationElement> = decode(&elements[0].ad_data).unwrap();
            let mut pac = inner[0].ad_data.to_vec();
            pac[100] ^= 1;
            inner[0].ad_data = pac.into();
            elements[0].ad_data = encode(&inner).into();
            elements
        });
    });
    assert_eq!(error, EvidenceError::Pac(PacError::ServerSignature).into());
}

#[test]
fn a_removed_answer_of_pa_s4u_x509_user_is_noticed() {
    assert_eq!(reply(|reply| reply.padata = None), EvidenceError::X509UserStripped.into());
    let other = reply(|reply| {
        reply.padata = Some(vec![PaData { padata_type: 2, padata_value: vec![].into() }]);
    });
    assert_eq!(other, EvidenceError::X509UserStripped.into());
}

#[test]
fn an_answer_to_another_request_is_refused() {
    assert_eq!(x509_user(|user_id| user_id.nonce ^= 1), EvidenceError::X509UserNonce.into());
}

#[test]
fn an_altered_answer_is_refused() {
    let bob = x509_user(|user_id| user_id.cname = Some(user("bob").name().into()));
    assert_eq!(bob, EvidenceError::X509UserChecksum.into());
    let unsigned = x509_user(|user_id| user_id.options = None);
    assert_eq!(unsigned, EvidenceError::X509UserChecksum.into());
}

#[test]
fn an_unkeyed_checksum_of_the_answer_is_refused() {
    let error = reply(|reply| {
        let element = &mut reply.padata.as_mut().unwrap()[0];
        let mut value: PaS4uX509User = decode(&element.padata_value).unwrap();
        value.checksum = crate::key::md4_checksum(value.user_id.as_bytes()).into();
        element.padata_value = encode(&value).into();
    });
    assert_eq!(error, EvidenceError::X509UserChecksum.into());
}

#[test]
fn a_broken_or_repeated_answer_is_refused() {
    let broken = reply(|reply| reply.padata.as_mut().unwrap()[0].padata_value = vec![0x30].into());
    assert_eq!(broken, EvidenceError::X509UserMalformed.into());
    let repeated = reply(|reply| {
        let elements = reply.padata.take().unwrap();
        reply.padata = Some([elements.clone(), elements].concat());
    });
    assert_eq!(repeated, EvidenceError::X509UserMalformed.into());
}

#[test]
fn with_rc4_the_encrypted_part_must_repeat_the_checksums() {
    let lab = |bound: fn(&mut crate::message::kdc_rep::EncKdcRepPart)| {
        let mut lab = Lab::with_broker(broker_account().etypes(&[Etype::Rc4]));
        lab.etypes = EtypeList::AES_AND_RC4;
        let own = lab.authenticated();
        lab.kdc.hooks.part = Some(Box::new(bound));
        lab.s4u2self(&own, "alice").map(|evidence| evidence.user().to_string())
    };
    assert_eq!(lab(|_| {}).as_deref(), Ok("alice@CORP.EXAMPLE"));
    let binding = Err(EvidenceError::X509UserBinding.into());
    assert_eq!(lab(|part| part.encrypted_pa_data = None), binding);
    assert_eq!(
        lab(|part| part.encrypted_pa_data.as_mut().unwrap()[0].padata_value = vec![0; 32].into()),
        binding
    );
}

#[test]
fn evidence_shows_names_and_no_keys() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    let evidence = lab.s4u2self(&own, "alice").unwrap();
    let shown = format!("{evidence:?} {own:?} {:?}", Lab::password());
    assert!(shown.contains("alice@CORP.EXAMPLE") && !shown.contains(PASSWORD), "{shown}");
    let key = evidence.ticket().session_key().octets();
    assert!(!shown.contains(&hex::encode(key)) && !shown.contains(&format!("{key:?}")));
}
