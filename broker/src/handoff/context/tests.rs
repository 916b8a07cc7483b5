use kdc_proxy::gss::testing::Acceptor;
use kdc_proxy::key::{Etype, Key};

use super::super::testing::{TERMSRV, UNSAFE_KEY, at, ticket};
use super::*;
use crate::entropy;

const ALL: ContextFlags =
    ContextFlags::MUTUAL.union(ContextFlags::SEQUENCE).union(ContextFlags::CONFIDENTIALITY);

fn begun(mechanism: Mechanism) -> (SecurityContext, Answer) {
    let ticket = ticket(TERMSRV, at(3600));
    let basis = Basis {
        ticket: &ticket,
        spn: TERMSRV.to_owned(),
        expires_at: at(3600),
        session_end: SessionEnd::default(),
    };
    let request = ContextRequest { mechanism, flags: ALL, binding: None };
    SecurityContext::begin(basis, &request, at(0), &mut entropy::system()).expect("the ticket is in order")
}

fn acceptor(answer: &Answer) -> Acceptor {
    let Answer::Continue(token) = answer else { panic!("an answer is due: {answer:?}") };
    let key = Key::new(Etype::Aes256, &UNSAFE_KEY).expect("a key of the right length");
    Acceptor::open(token, &key).expect("a first token")
}

fn established() -> (SecurityContext, Acceptor) {
    let (mut context, answer) = begun(Mechanism::Spnego);
    let acceptor = acceptor(&answer);
    let answer = context.step(&acceptor.neg_token_resp()).expect("the acceptor has proven itself");
    assert!(matches!(answer, Answer::Established(None)), "{answer:?}");
    (context, acceptor)
}

#[test]
fn messages_pass_once_the_service_has_proven_itself_and_are_counted() {
    let (mut context, mut acceptor) = established();
    assert_eq!(acceptor.flags(), 0x3e);
    let how = MessageProtection::Confidentiality;
    let token = context.wrap(b"question", how, &mut entropy::system()).expect("a message");
    assert_eq!(acceptor.unwrap(&token), Some((b"question".to_vec(), how, 0)));
    let (message, seen) = context.unwrap(&acceptor.wrap(b"answer", how)).expect("the acceptor's message");
    assert_eq!((&message[..], seen), (&b"answer"[..], how));
    let mic = context.get_mic(b"beside").expect("a message");
    assert_eq!(acceptor.verify_mic(b"beside", &mic), Some(1));
    context.verify_mic(b"too", &acceptor.get_mic(b"too")).expect("the acceptor's message");
    assert_eq!(context.counts(), Counts { wrapped: 1, unwrapped: 1, signed: 1, verified: 1 });
}

#[test]
fn a_refused_message_ends_the_context() {
    let (mut context, mut acceptor) = established();
    let mut token = acceptor.wrap(b"answer", MessageProtection::Confidentiality);
    token[20] ^= 1;
    assert_eq!(context.unwrap(&token).unwrap_err(), MessageError::Integrity.into());
    let again = acceptor.wrap(b"answer", MessageProtection::Confidentiality);
    assert_eq!(context.unwrap(&again).unwrap_err(), SecurityContextError::NotEstablished);
    assert_eq!(context.flags(), None);
    assert_eq!(context.counts(), Counts::default());
}

#[test]
fn a_service_that_proves_nothing_gets_no_message() {
    let (mut context, _) = begun(Mechanism::Kerberos);
    let refused = context.step(b"HTTP/1.1 200 OK").expect_err("no token");
    assert_eq!(refused, ContextError::Malformed.into());
    assert_eq!(context.get_mic(b"").unwrap_err(), SecurityContextError::NotEstablished);
}

#[test]
fn messages_before_and_tokens_after_the_establishment_are_refused() {
    let (mut context, answer) = begun(Mechanism::Kerberos);
    let acceptor = acceptor(&answer);
    assert_eq!(context.get_mic(b"").unwrap_err(), SecurityContextError::NotEstablished);
    assert_eq!(context.step(&acceptor.ap_rep()).unwrap_err(), SecurityContextError::NotEstablished);

    let (mut context, acceptor) = established();
    assert_eq!(context.step(&acceptor.neg_token_resp()).unwrap_err(), SecurityContextError::Established);
}

#[test]
fn debug_shows_no_token_and_no_key() {
    let (context, answer) = begun(Mechanism::Spnego);
    let shown = format!("{context:?} {answer:?}");
    assert!(shown.starts_with("SecurityContext { spn: \"TERMSRV/desk1.corp.example\""), "{shown}");
    assert!(shown.len() < 200, "{shown}");
}
