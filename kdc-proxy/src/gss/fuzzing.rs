//! Acceptors' tokens of any form, judged by contexts with known keys.

use std::time::{Duration, SystemTime};

use super::context::{Context, MessageProtection};
use super::flags::ContextFlags;
use super::initiator::{Ask, Initiator, Mechanism, Progress};
use super::message::{HEADER, Protection, SEALED, Side};
use super::still::Still;
use crate::key::{Etype, Key, KeyUsage};
use crate::message::ap_rep::{ApRep, EncApRepPart};
use crate::message::negotiation::NegTokenResp;
use crate::message::types::decode;
use crate::principal::{Principal, Realm};
use crate::ticket::{ServiceTicket, TicketFlags, TicketTimes};
use crate::time::KerberosTime;

fn key() -> Key {
    Key::new(Etype::Aes128, &[7; 16]).expect("a key of the right length")
}

fn context() -> Context {
    let flags = ContextFlags::MUTUAL.union(ContextFlags::CONFIDENTIALITY).complete();
    Context::new(flags, Protection::new(key(), true, Side::Initiator), 0, 0)
}

/// A per-message token as it is, and one whose header and content these are under the right key: everything behind the
/// integrity check.
pub(crate) fn message(bytes: &[u8]) -> bool {
    let as_it_is = [context().unwrap(bytes).is_ok(), context().verify_mic(b"", bytes).is_ok()];
    let Some((header, plain)) = bytes.split_first_chunk::<HEADER>() else { return as_it_is.contains(&true) };

    let sealed = [&header[..], &key().encrypt(KeyUsage::ACCEPTOR_SEAL, plain, &mut Still)].concat();
    let sealed = context().unwrap(&sealed);
    if let Ok((message, how)) = &sealed {
        assert!(header[2] & SEALED == 0 || *how == MessageProtection::Confidentiality);
        assert!(
            plain.starts_with(message) && plain.len() >= message.len() + HEADER,
            "the rest is header and filler"
        );
    }
    let mut covered = *header;
    covered[4..8].fill(0);
    let checksum = key().checksum(KeyUsage::ACCEPTOR_SEAL, &[plain, &covered].concat()).octets;
    let clear = context().unwrap(&[&header[..], plain, &checksum].concat());
    if let Ok((message, how)) = &clear {
        assert_eq!((&message[..], *how), (plain, MessageProtection::Integrity));
    }
    as_it_is.contains(&true) || sealed.is_ok() || clear.is_ok()
}

/// An acceptor's answer while a context is made. Whoever does not have the session key establishes none that was to be
/// mutual.
pub(crate) fn answer(bytes: &[u8]) -> bool {
    let read = NegTokenResp::parse(bytes);
    if let Ok(token) = &read {
        assert_eq!(NegTokenResp::parse(&token.to_bytes()).as_ref(), Ok(token));
    }
    for mechanism in [Mechanism::Spnego, Mechanism::Kerberos] {
        let established =
            begun(mechanism, ContextFlags::MUTUAL).map(|initiator| initiator.step(bytes).is_ok());
        assert_eq!(established, Some(false), "the acceptor has proven nothing");
    }
    let accepted = [
        read.is_ok(),
        super::framing::open_kerberos_token(bytes).is_some(),
        begun(Mechanism::Spnego, ContextFlags::INTEGRITY)
            .is_some_and(|initiator| initiator.step(bytes).is_ok()),
        decode::<ApRep>(bytes).is_ok(),
        decode::<EncApRepPart>(bytes).is_ok(),
    ];
    accepted.contains(&true)
}

fn begun(mechanism: Mechanism, flags: ContextFlags) -> Option<Initiator> {
    let realm = Realm::new("CORP.EXAMPLE").expect("a realm");
    let time = KerberosTime::from_unix_seconds;
    let times = TicketTimes { authtime: time(1), starttime: time(2), endtime: time(3), renew_till: None };
    let ticket = ServiceTicket::new(
        Principal::new("alice".parse().expect("a name"), realm.clone()),
        Principal::new("HTTP/web.corp.example".parse().expect("a name"), realm),
        key(),
        TicketFlags::FORWARDABLE,
        times,
        vec![0x61, 0x00],
    );
    let ask = Ask { ticket: &ticket, mechanism, flags, bindings: None };
    match Initiator::start(&ask, SystemTime::UNIX_EPOCH + Duration::from_secs(1), &mut Still) {
        Ok(Progress::Continue { initiator, .. }) => Some(*initiator),
        _ => None,
    }
}
