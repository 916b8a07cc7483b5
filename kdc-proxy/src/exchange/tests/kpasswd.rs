//! Changing a password: what succeeds, what is refused, and what proves nothing.

use std::net::IpAddr;

use super::*;
use crate::error::{ApRepError, ErrorCode, KpasswdError, KpasswdReplyError, KpasswdResult, RequestError};
use crate::exchange::kpasswd::{Change, Form, PasswordChange, PasswordTicket, PasswordTicketExchange};
use crate::key::KeyUsage;
use crate::message::ap_rep::{ApRep, EncApRepPart};
use crate::message::kpasswd::{CHANGE, request as framed};
use crate::message::krb_error::KrbError;
use crate::message::krb_priv::{EncKrbPrivPart, KrbPriv};
use crate::message::types::{EncryptedData, HostAddress, encode};

const NEW: &str = "unsafe N3w Pässw0rd";

fn changed(form: Form, password: &str) -> Change {
    let local: IpAddr = "192.0.2.7".parse().unwrap();
    Change { form, password: Zeroizing::new(password.to_owned()), local }
}

impl Lab {
    fn password_ticket(&mut self) -> Result<PasswordTicket, ExchangeError> {
        let started = PasswordTicketExchange::start(self.ask(Self::password()), self.now, &mut self.rng);
        self.drive(started)
    }

    /// A request that was sent and not answered yet.
    fn asked(&mut self, change: &Change) -> (PasswordChange, Vec<u8>) {
        let ticket = self.password_ticket().unwrap();
        PasswordChange::start(&ticket, change, self.now, &mut self.rng).unwrap()
    }

    fn change(&mut self, change: &Change) -> Result<(), KpasswdError> {
        let (waiting, request) = self.asked(change);
        let reply = self.kdc.answer_kpasswd(&request, self.now, &mut self.rng);
        waiting.finish(&reply)
    }
}

#[test]
fn a_password_is_changed_and_the_old_one_is_of_no_use_any_more() {
    for form in [Form::Change, Form::Set { target: None }, Form::Set { target: Some(user("svc-broker")) }] {
        let mut lab = Lab::new();
        lab.change(&changed(form, NEW)).unwrap();
        assert!(lab.as_exchange(Lab::password()).is_err());
        lab.as_exchange(Secret::Password(Zeroizing::new(NEW.to_owned()))).unwrap();
    }
}

#[test]
fn a_proven_refusal_names_the_reason_and_changes_nothing() {
    for (form, password, expected) in [
        (Form::Change, "short", KpasswdResult::SoftError),
        (Form::Set { target: Some(user("alice")) }, NEW, KpasswdResult::AccessDenied),
    ] {
        let mut lab = Lab::new();
        let error = lab.change(&changed(form, password)).unwrap_err();
        assert!(matches!(&error, KpasswdError::Refused(refusal) if refusal.result == expected), "{error}");
        lab.as_exchange(Lab::password()).unwrap();
    }
}

#[test]
fn the_ticket_is_for_kadmin_changepw_and_cannot_be_forwarded() {
    let mut lab = Lab::new();
    lab.password_ticket().unwrap();
    let asked = crate::message::types::decode::<crate::message::kdc_req::AsReq>(&lab.sent[1]).unwrap();
    let body: crate::message::kdc_req::KdcReqBody =
        crate::message::types::decode(asked.0.req_body.as_bytes()).unwrap();
    assert_eq!(body.kdc_options.0, 0);
    let server = PrincipalName::try_from(&body.sname.unwrap()).unwrap();
    assert!(server.eq_ignoring_type(&PrincipalName::change_password()));
}

#[test]
fn a_ticket_for_another_service_is_refused() {
    let mut lab = Lab::new();
    lab.kdc.hooks.part = Some(Box::new(|part| part.sname = (&PrincipalName::krbtgt(&realm())).into()));
    assert_eq!(lab.password_ticket().unwrap_err(), crate::error::ReplyError::TicketServer.into());
}

#[test]
fn a_ticket_that_has_ended_is_not_sent() {
    let mut lab = Lab::new();
    let ticket = lab.password_ticket().unwrap();
    let later = lab.now + Duration::from_secs(40_000);
    let started = PasswordChange::start(&ticket, &changed(Form::Change, NEW), later, &mut lab.rng);
    assert_eq!(started.unwrap_err(), RequestError::TicketEnded);
}

#[test]
fn a_password_too_long_for_the_frame_is_not_sent() {
    let mut lab = Lab::new();
    let ticket = lab.password_ticket().unwrap();
    let change = changed(Form::Change, &"x".repeat(70_000));
    let started = PasswordChange::start(&ticket, &change, lab.now, &mut lab.rng);
    assert_eq!(started.unwrap_err(), RequestError::PasswordRequestTooLong);
}

#[test]
fn an_error_that_nobody_signed_proves_nothing() {
    let mut lab = Lab::new();
    let (waiting, mut request) = lab.asked(&changed(Form::Change, NEW));
    *request.last_mut().unwrap() ^= 1;
    let reply = lab.kdc.answer_kpasswd(&request, lab.now, &mut lab.rng);
    let error = waiting.finish(&reply).unwrap_err();
    let KpasswdError::Unproven { error, result: None } = error else { panic!("{error}") };
    assert_eq!(error.code, ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
}

/// A KRB-ERROR with this data, within the frame or without.
fn error_reply(lab: &Lab, data: &[u8], is_framed: bool) -> Vec<u8> {
    let mut error: KrbError =
        crate::message::types::decode(&crate::vectors::mit_reference("encode_krb5_error")).unwrap();
    error.e_data = Some(data.to_vec().into());
    error.stime = KerberosTime::from_system(lab.now).unwrap();
    let error = encode(&error);
    if is_framed { framed(CHANGE, &[], &error).unwrap() } else { error }
}

#[test]
fn success_inside_of_an_error_is_forged() {
    let mut lab = Lab::new();
    for is_framed in [true, false] {
        let (waiting, _) = lab.asked(&changed(Form::Change, NEW));
        let error = waiting.finish(&error_reply(&lab, &[0, 0], is_framed)).unwrap_err();
        assert_eq!(error, KpasswdReplyError::SuccessInError.into());
    }
}

#[test]
fn the_result_in_an_error_is_told_but_not_believed() {
    let mut lab = Lab::new();
    let (waiting, _) = lab.asked(&changed(Form::Change, NEW));
    let error = waiting.finish(&error_reply(&lab, b"\0\x04too short", true)).unwrap_err();
    let KpasswdError::Unproven { result: Some(result), .. } = error else { panic!("{error}") };
    assert_eq!((result.result, result.text.as_deref()), (KpasswdResult::SoftError, Some("too short")));
}

/// What a forged answer is made with.
struct Forgery {
    proof_key: Key,
    result_key: Key,
    ctime: KerberosTime,
    cusec: u32,
    data: Vec<u8>,
}

impl Forgery {
    /// An honest answer that says success.
    fn of(waiting: &PasswordChange) -> Self {
        Self {
            proof_key: waiting.session_key.clone(),
            result_key: waiting.subkey.clone(),
            ctime: waiting.ctime,
            cusec: waiting.cusec,
            data: vec![0, 0],
        }
    }

    fn reply(&self, rng: &mut ChaCha20Rng) -> Vec<u8> {
        let part = EncApRepPart { ctime: self.ctime, cusec: self.cusec, subkey: None, seq_number: None };
        let cipher = self.proof_key.encrypt(KeyUsage::AP_REP, &encode(&part), rng).into();
        let enc_part = EncryptedData { etype: self.proof_key.etype().number(), kvno: None, cipher };
        let ap_rep = encode(&ApRep { pvno: 5, msg_type: 15, enc_part });
        let part = EncKrbPrivPart {
            user_data: self.data.clone().into(),
            timestamp: None,
            usec: None,
            seq_number: None,
            s_address: HostAddress { addr_type: 2, address: vec![0; 4].into() },
            r_address: None,
        };
        framed(CHANGE, &ap_rep, &KrbPriv::seal(&part, &self.result_key, rng)).unwrap()
    }
}

#[test]
fn a_forged_success_is_refused_by_the_check_it_fails() {
    let other = || Key::new(Etype::Aes256, &[9; 32]).unwrap();
    type Lie = fn(&mut Forgery, Key);
    let lies: [(Lie, KpasswdReplyError); 6] = [
        (|lie, other| lie.proof_key = other, ApRepError::Decryption.into()),
        (|lie, _| lie.proof_key = Key::new(Etype::Aes128, &[9; 16]).unwrap(), ApRepError::Etype(17).into()),
        (|lie, _| lie.cusec ^= 1, ApRepError::OtherRequest.into()),
        (|lie, _| lie.ctime = later(lie.ctime, 1), ApRepError::OtherRequest.into()),
        (|lie, other| lie.result_key = other, KpasswdReplyError::Decryption),
        (|lie, _| lie.data.truncate(1), KpasswdReplyError::Malformed),
    ];
    let mut lab = Lab::new();
    let (waiting, _) = lab.asked(&changed(Form::Change, NEW));
    let honest = Forgery::of(&waiting).reply(&mut lab.rng);
    assert_eq!(waiting.finish(&honest), Ok(()));
    for (lie, expected) in lies {
        let (waiting, _) = lab.asked(&changed(Form::Change, NEW));
        let mut forgery = Forgery::of(&waiting);
        lie(&mut forgery, other());
        let reply = forgery.reply(&mut lab.rng);
        assert_eq!(waiting.finish(&reply), Err(expected.into()));
    }
}

#[test]
fn the_result_under_the_session_key_is_not_taken() {
    // Whoever opened the ticket alone has not read our request.
    let mut lab = Lab::new();
    let (waiting, _) = lab.asked(&changed(Form::Change, NEW));
    let forgery = Forgery { result_key: waiting.session_key.clone(), ..Forgery::of(&waiting) };
    let reply = forgery.reply(&mut lab.rng);
    assert_eq!(waiting.finish(&reply), Err(KpasswdReplyError::Decryption.into()));
}

#[test]
fn the_answer_to_another_request_is_refused() {
    let mut lab = Lab::new();
    let (first, request) = lab.asked(&changed(Form::Change, NEW));
    let reply = lab.kdc.answer_kpasswd(&request, lab.now, &mut lab.rng);
    assert_eq!(first.finish(&reply), Ok(()));
    let secret = Secret::Password(Zeroizing::new(NEW.to_owned()));
    let started = PasswordTicketExchange::start(lab.ask(secret), lab.now, &mut lab.rng);
    let ticket = lab.drive(started).unwrap();
    let change = changed(Form::Change, "unsafe An0ther");
    let (second, _) = PasswordChange::start(&ticket, &change, lab.now, &mut lab.rng).unwrap();
    assert_eq!(second.finish(&reply), Err(KpasswdReplyError::ApRep(ApRepError::Decryption).into()));
}

#[test]
fn a_password_does_not_show_in_debug() {
    let mut lab = Lab::new();
    let change = changed(Form::Change, NEW);
    let (waiting, _) = lab.asked(&change);
    assert!(!format!("{change:?} {waiting:?}").contains("N3w"));
}
