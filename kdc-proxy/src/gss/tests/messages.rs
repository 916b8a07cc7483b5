//! Per-message tokens: what of the acceptor's messages is believed.

use super::*;
use crate::gss::message::Protection;
use crate::gss::testing::{Acceptor, FIRST};

const ALL: ContextFlags =
    ContextFlags::MUTUAL.union(ContextFlags::SEQUENCE).union(ContextFlags::CONFIDENTIALITY);
const BOTH: [MessageProtection; 2] = [MessageProtection::Integrity, MessageProtection::Confidentiality];

/// A context and the acceptor's protection at its other end.
fn pair(flags: ContextFlags, acceptors_subkey: bool) -> (Context, Protection, u64) {
    let ticket = ticket_with(key());
    let ask = Ask { ticket: &ticket, mechanism: Mechanism::Kerberos, flags, bindings: None };
    let Progress::Continue { token, initiator } = Initiator::start(&ask, now(), &mut rng(1)).unwrap() else {
        panic!("an answer is due");
    };
    let mut acceptor = Acceptor::open(&token, &key()).unwrap();
    if !acceptors_subkey {
        acceptor.subkey = None;
    }
    let Progress::Established { context, .. } = initiator.step(&acceptor.ap_rep()).unwrap() else {
        panic!("the context is established");
    };
    (*context, acceptor.protection(), acceptor.initiators_first())
}

fn wrapped(acceptor: &Protection, message: &[u8], how: MessageProtection, number: u64) -> Vec<u8> {
    wrap::make(acceptor, message, how, u64::from(FIRST) + number, &mut rng(70 + number))
}

/// The token as a sender that rotates writes it.
fn rotated(token: &[u8], count: u16) -> Vec<u8> {
    let mut token = token.to_vec();
    token[6..8].copy_from_slice(&count.to_be_bytes());
    let body = &mut token[16..];
    let length = body.len();
    body.rotate_right(usize::from(count) % length);
    token
}

#[test]
fn messages_of_every_length_pass_both_ways() {
    for acceptors_subkey in [true, false] {
        let (mut context, acceptor, first) = pair(ALL, acceptors_subkey);
        let lengths = (0..70).chain([1000, 65_536, MAX_MESSAGE_LENGTH]);
        for (number, length) in (0_u64..).zip(lengths) {
            let message = vec![0x5a; length];
            let how = BOTH[usize::try_from(number % 2).unwrap()];
            let token = context.wrap(&message, how, &mut rng(number)).unwrap();
            assert!(token.len() <= length + 60 && token.len() > length, "{length}");
            let (read, seen, sequence) = wrap::open(&acceptor, &token).unwrap();
            assert_eq!((&*read, seen, sequence), (&message, how, first + number), "{length}");

            let token = wrapped(&acceptor, &message, how, number);
            assert_eq!(context.unwrap(&token), Ok((Zeroizing::new(message), how)), "{length}");
        }
    }
}

#[test]
fn mics_pass_both_ways_and_share_the_numbers_of_wrapped_messages() {
    let (mut context, acceptor, first) = pair(ALL, true);
    let token = context.get_mic(b"one").unwrap();
    assert_eq!(token.len(), 28);
    assert_eq!(mic::verify(&acceptor, b"one", &token), Ok(first));
    let token = context.wrap(b"two", MessageProtection::Integrity, &mut rng(1)).unwrap();
    assert_eq!(wrap::open(&acceptor, &token).unwrap().2, first + 1);

    let numbered = |number| u64::from(FIRST) + number;
    assert_eq!(context.verify_mic(b"three", &mic::make(&acceptor, b"three", numbered(0))), Ok(()));
    context.unwrap(&wrapped(&acceptor, b"four", MessageProtection::Confidentiality, 1)).unwrap();
    assert_eq!(context.verify_mic(b"", &mic::make(&acceptor, b"", numbered(2))), Ok(()));
}

#[test]
fn the_headers_are_those_of_the_standard() {
    let (mut context, _, first) = pair(ALL, true);
    let number = |number: u64| hex::encode((first + number).to_be_bytes());
    let sealed = context.wrap(b"message", MessageProtection::Confidentiality, &mut rng(1)).unwrap();
    assert_eq!(hex::encode(&sealed[..16]), format!("050406ff00000000{}", number(0)));
    let clear = context.wrap(b"message", MessageProtection::Integrity, &mut rng(1)).unwrap();
    assert_eq!(hex::encode(&clear[..16]), format!("050404ff000c0000{}", number(1)));
    assert_eq!(&clear[16..23], b"message");
    let mic = context.get_mic(b"message").unwrap();
    assert_eq!(hex::encode(&mic[..16]), format!("040404ffffffffff{}", number(2)));
    let (mut context, _, _) = pair(ALL, false);
    assert_eq!(context.get_mic(b"").unwrap()[2], 0, "no subkey of the acceptor");
}

#[test]
fn tokens_that_were_rotated_by_any_count_are_opened() {
    for how in BOTH {
        let (mut context, acceptor, _) = pair(ALL, true);
        for (number, count) in (0_u64..).zip([0, 1, 12, 16, 28, 75, 76, 77, 1000, u16::MAX]) {
            let token = rotated(&wrapped(&acceptor, b"a message", how, number), count);
            let (message, seen) = context.unwrap(&token).unwrap();
            assert_eq!((&message[..], seen), (&b"a message"[..], how), "{count}");
        }
    }
}

#[test]
fn filler_of_the_sender_is_taken_off() {
    let (mut context, acceptor, _) = pair(ALL, true);
    let mut header = wrapped(&acceptor, b"", MessageProtection::Confidentiality, 0)[..16].to_vec();
    header[5] = 16;
    let plain = [&b"message"[..], &[0xee; 16], &header].concat();
    let usage = KeyUsage::ACCEPTOR_SEAL;
    let token = [header.clone(), acceptor.key().encrypt(usage, &plain, &mut rng(3))].concat();
    assert_eq!(&context.unwrap(&token).unwrap().0[..], b"message");

    let (mut context, acceptor, _) = pair(ALL, true);
    header[4] = 1;
    let plain = [&b"message"[..], &header].concat();
    let token = [header, acceptor.key().encrypt(usage, &plain, &mut rng(3))].concat();
    assert_eq!(context.unwrap(&token), Err(MessageError::Integrity), "more filler than content");
}

#[test]
fn a_token_with_any_octet_changed_is_refused() {
    for how in BOTH {
        let (context, acceptor, _) = pair(ALL, true);
        let token = wrapped(&acceptor, b"pay 10 to bob", how, 0);
        let window = |index: usize| (6..8).contains(&index);
        for index in (0..token.len()).filter(|index| !window(*index)) {
            let (mut context, _, _) = pair(ALL, true);
            let mut changed = token.clone();
            changed[index] ^= 0x10;
            assert!(context.unwrap(&changed).is_err(), "{how:?} octet {index}");
        }
        for length in 0..token.len() {
            let (mut context, _, _) = pair(ALL, true);
            assert!(context.unwrap(&token[..length]).is_err(), "{how:?} cut at {length}");
        }
        drop(context);
    }
}

#[test]
fn a_rotation_count_that_is_not_the_senders_is_refused() {
    for how in BOTH {
        let (mut context, acceptor, _) = pair(ALL, true);
        let mut token = wrapped(&acceptor, b"pay 10 to bob", how, 0);
        token[7] = 3;
        assert_eq!(context.unwrap(&token), Err(MessageError::Integrity));
    }
}

#[test]
fn a_mic_that_is_changed_or_over_another_message_is_refused() {
    let (mut context, acceptor, _) = pair(ALL, true);
    let token = mic::make(&acceptor, b"pay 10 to bob", u64::from(FIRST));
    for index in 0..token.len() {
        let mut changed = token.clone();
        changed[index] ^= 0x10;
        assert!(context.verify_mic(b"pay 10 to bob", &changed).is_err(), "octet {index}");
        assert!(context.verify_mic(b"pay 10 to bob", &token[..index]).is_err(), "cut at {index}");
    }
    assert_eq!(context.verify_mic(b"pay 99 to bob", &token), Err(MessageError::Integrity));
    assert_eq!(context.verify_mic(b"pay 10 to bob", &token), Ok(()));
}

#[test]
fn a_message_that_comes_twice_or_out_of_order_is_refused() {
    let (mut context, acceptor, _) = pair(ALL, true);
    let token = |number| wrapped(&acceptor, b"message", MessageProtection::Confidentiality, number);
    assert_eq!(context.unwrap(&token(1)), Err(MessageError::OutOfOrder));
    context.unwrap(&token(0)).unwrap();
    assert_eq!(context.unwrap(&token(0)), Err(MessageError::Replayed));

    let (mut context, acceptor, _) = pair(ContextFlags::MUTUAL.union(ContextFlags::INTEGRITY), true);
    let token = |number| wrapped(&acceptor, b"message", MessageProtection::Integrity, number);
    context.unwrap(&token(1)).unwrap();
    context.unwrap(&token(0)).unwrap();
    assert_eq!(context.unwrap(&token(1)), Err(MessageError::Replayed));
    let mic = mic::make(&acceptor, b"message", u64::from(FIRST));
    assert_eq!(context.verify_mic(b"message", &mic), Err(MessageError::Replayed));
}

#[test]
fn our_own_message_sent_back_is_refused() {
    let (mut context, _, _) = pair(ALL, true);
    let token = context.wrap(b"message", MessageProtection::Confidentiality, &mut rng(1)).unwrap();
    assert_eq!(context.unwrap(&token), Err(MessageError::Reflected));
    let mic = context.get_mic(b"message").unwrap();
    assert_eq!(context.verify_mic(b"message", &mic), Err(MessageError::Reflected));
    // The direction is in the key usage as well, not only in the flag.
    for how in BOTH {
        let mut token = context.wrap(b"message", how, &mut rng(1)).unwrap();
        token[2] |= 0x01;
        assert_eq!(context.unwrap(&token), Err(MessageError::Integrity));
    }
    let mut mic = context.get_mic(b"message").unwrap();
    mic[2] |= 0x01;
    assert_eq!(context.verify_mic(b"message", &mic), Err(MessageError::Integrity));
}

#[test]
fn a_token_under_another_key_than_the_contexts_is_refused() {
    let (mut context, _, _) = pair(ALL, true);
    let (_, weaker, _) = pair(ALL, false);
    let token = wrapped(&weaker, b"message", MessageProtection::Confidentiality, 0);
    assert_eq!(context.unwrap(&token), Err(MessageError::OtherKey));
    let mut claimed = token;
    claimed[2] |= 0x04;
    assert_eq!(context.unwrap(&claimed), Err(MessageError::Integrity));
}

#[test]
fn a_mic_is_no_wrapped_message_and_the_other_way_round() {
    let (mut context, acceptor, _) = pair(ALL, true);
    let mic = mic::make(&acceptor, b"", u64::from(FIRST));
    let token = wrapped(&acceptor, b"", MessageProtection::Integrity, 0);
    assert_eq!(context.unwrap(&mic), Err(MessageError::Malformed));
    assert_eq!(context.verify_mic(b"", &token), Err(MessageError::Malformed));
    // Their checksums have key usages of their own.
    let relabelled = [&token[..16], &mic[16..]].concat();
    assert_eq!(context.unwrap(&relabelled), Err(MessageError::Integrity));
}

#[test]
fn protection_that_was_not_asked_for_is_not_given() {
    let (mut context, acceptor, _) = pair(ContextFlags::MUTUAL.union(ContextFlags::INTEGRITY), true);
    let refused = Err(MessageError::NotNegotiated(MessageProtection::Confidentiality));
    assert_eq!(context.wrap(b"", MessageProtection::Confidentiality, &mut rng(1)), refused);
    context.wrap(b"", MessageProtection::Integrity, &mut rng(1)).unwrap();
    drop(acceptor);

    let (mut context, acceptor, _) = pair(ContextFlags::MUTUAL, true);
    let refused = MessageError::NotNegotiated(MessageProtection::Integrity);
    assert_eq!(context.wrap(b"", MessageProtection::Integrity, &mut rng(1)), Err(refused));
    assert_eq!(context.get_mic(b""), Err(refused));
    let token = wrapped(&acceptor, b"", MessageProtection::Integrity, 0);
    assert_eq!(context.unwrap(&token).unwrap_err(), refused);
    assert_eq!(context.verify_mic(b"", &token), Err(refused));
}

#[test]
fn messages_and_tokens_beyond_the_limit_are_refused() {
    let (mut context, _, _) = pair(ALL, true);
    let message = vec![0; MAX_MESSAGE_LENGTH + 1];
    for how in BOTH {
        assert_eq!(context.wrap(&message, how, &mut rng(1)), Err(MessageError::TooLong));
    }
    assert_eq!(context.get_mic(&message), Err(MessageError::TooLong));
    assert_eq!(context.verify_mic(&message, &[]), Err(MessageError::TooLong));
    let token = vec![0; MAX_TOKEN_LENGTH + 1];
    assert_eq!(context.unwrap(&token), Err(MessageError::TooLong));
    assert_eq!(context.verify_mic(b"", &token), Err(MessageError::TooLong));
}
