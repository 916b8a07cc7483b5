//! Contexts in the making: what of the acceptor is believed.

use super::*;
use crate::error::{ApRepError, ErrorCode};
use crate::gss::framing::{mech_types, open_kerberos_token};
use crate::gss::testing::{Acceptor, FIRST};
use crate::key::KeyError;
use crate::message::ap_rep::EncApRepPart;
use crate::message::negotiation::{NegState, NegTokenResp};
use crate::vectors;

const MUTUAL: ContextFlags = ContextFlags::MUTUAL.union(ContextFlags::CONFIDENTIALITY);

fn start(mechanism: Mechanism, flags: ContextFlags) -> Progress {
    let ticket = ticket_with(key());
    Initiator::start(&Ask { ticket: &ticket, mechanism, flags, bindings: None }, now(), &mut rng(1)).unwrap()
}

/// The first token, the acceptor that has opened it, and the initiator that waits.
fn begun(mechanism: Mechanism, flags: ContextFlags) -> (Acceptor, Initiator) {
    let Progress::Continue { token, initiator } = start(mechanism, flags) else {
        panic!("an answer is due");
    };
    (Acceptor::open(&token, &key()).unwrap(), *initiator)
}

fn established(progress: Result<Progress, ContextError>) -> (Option<Vec<u8>>, Context) {
    match progress.unwrap() {
        Progress::Established { token, context } => (token.map(|token| token.to_vec()), *context),
        Progress::Continue { .. } => panic!("the context is not established"),
    }
}

fn refused(progress: Result<Progress, ContextError>) -> ContextError {
    progress.map(drop).unwrap_err()
}

/// Steps a SPNEGO negotiation with this answer.
fn spnego(change: impl FnOnce(&Acceptor) -> NegTokenResp) -> Result<Progress, ContextError> {
    let (acceptor, initiator) = begun(Mechanism::Spnego, MUTUAL);
    initiator.step(&change(&acceptor).to_bytes())
}

/// The acceptor's MIC over the mechanisms that were offered, its first message.
fn mic_of(acceptor: &Acceptor) -> Vec<u8> {
    mic::make(&acceptor.protection(), &mech_types(), u64::from(FIRST))
}

#[test]
fn kerberos_is_established_by_the_acceptors_proof() {
    let (acceptor, initiator) = begun(Mechanism::Kerberos, MUTUAL);
    assert_eq!(acceptor.flags(), 0x36);
    let (token, context) = established(initiator.step(&acceptor.ap_rep()));
    assert!(token.is_none());
    assert_eq!(context.flags().bits(), 0x36);
}

#[test]
fn kerberos_without_mutual_authentication_is_established_at_once() {
    let (token, context) = established(Ok(start(Mechanism::Kerberos, ContextFlags::INTEGRITY)));
    assert!(matches!(open_kerberos_token(&token.unwrap()), Some((TokenId::ApReq, _))));
    assert_eq!(context.flags().bits(), 0x24);
}

#[test]
fn spnego_is_established_by_the_proof_inside_it() {
    let (token, _) =
        established(spnego(|acceptor| acceptor.answer(NegState::AcceptCompleted, Some(acceptor.ap_rep()))));
    assert!(token.is_none());
    let (acceptor, initiator) = begun(Mechanism::Spnego, ContextFlags::INTEGRITY);
    let (token, _) =
        established(initiator.step(&acceptor.answer(NegState::AcceptCompleted, None).to_bytes()));
    assert!(token.is_none());
}

#[test]
fn the_other_name_of_kerberos_is_taken_and_another_mechanism_is_not() {
    let named = |contents: &[u8]| {
        let contents = contents.to_vec();
        spnego(move |acceptor| NegTokenResp {
            supported_mech: Some(contents),
            ..acceptor.answer(NegState::AcceptCompleted, Some(acceptor.ap_rep()))
        })
    };
    established(named(&hex::decode("2a864882f712010202").unwrap()));
    let ntlm = hex::decode("2b06010401823702020a").unwrap();
    assert_eq!(refused(named(&ntlm)), ContextError::OtherMechanism);
}

#[test]
fn an_answer_that_proves_nothing_is_refused() {
    let (acceptor, initiator) = begun(Mechanism::Kerberos, MUTUAL);
    let other = EncApRepPart { cusec: acceptor.part().cusec ^ 1, ..acceptor.part() };
    let error = refused(initiator.step(&acceptor.sealed(&other, &key())));
    assert_eq!(error, ContextError::Proof(ApRepError::OtherRequest));

    let (acceptor, initiator) = begun(Mechanism::Kerberos, MUTUAL);
    let stranger = Key::new(Etype::Aes256, &[8; 32]).unwrap();
    let error = refused(initiator.step(&acceptor.sealed(&acceptor.part(), &stranger)));
    assert_eq!(error, ContextError::Proof(ApRepError::Decryption));

    let nothing = |state| refused(spnego(|acceptor| acceptor.answer(state, None)));
    assert_eq!(nothing(NegState::AcceptCompleted), ContextError::NotProven);
    assert_eq!(nothing(NegState::AcceptIncomplete), ContextError::NotProven);
}

#[test]
fn our_own_token_sent_back_is_refused() {
    for mechanism in [Mechanism::Kerberos, Mechanism::Spnego] {
        let Progress::Continue { token, initiator } = start(mechanism, MUTUAL) else {
            panic!("an answer is due");
        };
        assert_eq!(refused(initiator.step(&token)), ContextError::Malformed);
    }
    let own = |acceptor: &Acceptor| {
        let token = kerberos_token(TokenId::ApReq, &acceptor.ap_rep());
        acceptor.answer(NegState::AcceptCompleted, Some(token))
    };
    assert_eq!(refused(spnego(own)), ContextError::Malformed);
}

#[test]
fn a_refusal_of_the_acceptor_is_told_by_its_code() {
    let error = vectors::mit_reference("encode_krb5_error");
    let token = kerberos_token(TokenId::Error, &error);
    let code = ErrorCode::new(60);
    let (_, initiator) = begun(Mechanism::Kerberos, MUTUAL);
    assert_eq!(refused(initiator.step(&token)), ContextError::Refused(code));
    let inside = |state| refused(spnego(|acceptor| acceptor.answer(state, Some(token.clone()))));
    assert_eq!(inside(NegState::Reject), ContextError::Refused(code));
    assert_eq!(inside(NegState::AcceptIncomplete), ContextError::Refused(code));
    assert_eq!(refused(spnego(|acceptor| acceptor.answer(NegState::Reject, None))), ContextError::Rejected);
}

#[test]
fn an_acceptors_subkey_of_rc4_and_a_session_key_of_rc4_are_refused() {
    let (mut acceptor, initiator) = begun(Mechanism::Kerberos, MUTUAL);
    acceptor.subkey = Some(Key::new(Etype::Rc4, &[9; 16]).unwrap());
    assert_eq!(refused(initiator.step(&acceptor.ap_rep())), ContextError::Etype(Etype::Rc4));

    let ticket = ticket_with(Key::new(Etype::Rc4, &[9; 16]).unwrap());
    let ask = Ask { ticket: &ticket, mechanism: Mechanism::Spnego, flags: MUTUAL, bindings: None };
    assert_eq!(refused(Initiator::start(&ask, now(), &mut rng(1))), ContextError::Etype(Etype::Rc4));

    let (acceptor, initiator) = begun(Mechanism::Kerberos, MUTUAL);
    let mut part = acceptor.part();
    part.subkey.as_mut().unwrap().keytype = 3;
    let error = refused(initiator.step(&acceptor.sealed(&part, &key())));
    assert_eq!(error, ContextError::Subkey(KeyError::UnsupportedEtype(3)));
}

#[test]
fn an_acceptor_that_sends_its_mic_gets_ours() {
    let (acceptor, initiator) = begun(Mechanism::Spnego, MUTUAL);
    let theirs = NegTokenResp {
        mech_list_mic: Some(mic_of(&acceptor)),
        ..acceptor.answer(NegState::AcceptIncomplete, Some(acceptor.ap_rep()))
    };
    let (token, _) = established(initiator.step(&theirs.to_bytes()));
    let ours = NegTokenResp::parse(&token.unwrap()).unwrap();
    assert_eq!((ours.state, ours.response_token), (Some(NegState::AcceptCompleted), None));
    let number = mic::verify(&acceptor.protection(), &mech_types(), &ours.mech_list_mic.unwrap());
    assert_eq!(number, Ok(acceptor.initiators_first()));
}

#[test]
fn an_acceptor_that_asks_for_a_mic_has_to_answer_with_its_own() {
    let asked = || {
        let (acceptor, initiator) = begun(Mechanism::Spnego, MUTUAL);
        let request = acceptor.answer(NegState::RequestMic, Some(acceptor.ap_rep())).to_bytes();
        let Progress::Continue { token, initiator } = initiator.step(&request).unwrap() else {
            panic!("the acceptor's MIC is due");
        };
        let ours = NegTokenResp::parse(&token).unwrap();
        assert_eq!(ours.state, Some(NegState::AcceptIncomplete));
        mic::verify(&acceptor.protection(), &mech_types(), &ours.mech_list_mic.unwrap()).unwrap();
        (acceptor, *initiator)
    };
    let last =
        |state, mech_list_mic| NegTokenResp { state, mech_list_mic, ..NegTokenResp::default() }.to_bytes();

    for state in [Some(NegState::AcceptCompleted), None] {
        let (acceptor, initiator) = asked();
        let (token, _) = established(initiator.step(&last(state, Some(mic_of(&acceptor)))));
        assert!(token.is_none());
    }
    for state in [Some(NegState::AcceptCompleted), None] {
        let (_, initiator) = asked();
        assert_eq!(refused(initiator.step(&last(state, None))), ContextError::MechListMic);
    }
    let (acceptor, initiator) = asked();
    let mut changed = mic_of(&acceptor);
    *changed.last_mut().unwrap() ^= 1;
    let error = refused(initiator.step(&last(Some(NegState::AcceptCompleted), Some(changed))));
    assert_eq!(error, ContextError::MechListMic);
    let (_, initiator) = asked();
    assert_eq!(refused(initiator.step(&last(Some(NegState::RequestMic), None))), ContextError::Malformed);
}

#[test]
fn a_mic_over_other_mechanisms_is_refused() {
    let error = refused(spnego(|acceptor| {
        let other = mic::make(&acceptor.protection(), b"\x30\x00", u64::from(FIRST));
        NegTokenResp {
            mech_list_mic: Some(other),
            ..acceptor.answer(NegState::AcceptIncomplete, Some(acceptor.ap_rep()))
        }
    }));
    assert_eq!(error, ContextError::MechListMic);
}

#[test]
fn tokens_that_are_not_due_too_long_or_no_tokens_are_refused() {
    let stateless = |acceptor: &Acceptor| NegTokenResp {
        response_token: Some(acceptor.ap_rep()),
        ..NegTokenResp::default()
    };
    assert_eq!(refused(spnego(stateless)), ContextError::Malformed);
    let unfinished =
        |acceptor: &Acceptor| acceptor.answer(NegState::AcceptIncomplete, Some(acceptor.ap_rep()));
    assert_eq!(refused(spnego(unfinished)), ContextError::Malformed);
    for mechanism in [Mechanism::Kerberos, Mechanism::Spnego] {
        for token in [&[][..], &[0x60], b"HTTP/1.1 401 Unauthorized"] {
            let (_, initiator) = begun(mechanism, MUTUAL);
            assert_eq!(refused(initiator.step(token)), ContextError::Malformed);
        }
        let (_, initiator) = begun(mechanism, MUTUAL);
        assert_eq!(refused(initiator.step(&vec![0x60; MAX_MESSAGE_LENGTH + 1])), ContextError::TooLong);
    }
}

#[test]
fn debug_of_a_context_in_the_making_shows_no_key() {
    let (acceptor, initiator) = begun(Mechanism::Spnego, MUTUAL);
    let shown = format!("{initiator:?}");
    let (_, context) = established(
        initiator.step(&acceptor.answer(NegState::AcceptCompleted, Some(acceptor.ap_rep())).to_bytes()),
    );
    for shown in [shown, format!("{context:?}")] {
        assert!(shown.contains("mutual"), "{shown}");
        assert!(!shown.contains("7, 7") && !shown.contains("9, 9"), "{shown}");
    }
}
