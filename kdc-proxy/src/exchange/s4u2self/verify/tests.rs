//! The ticket of a Windows Server 2022 KDC as evidence: what is known of it, and every way in which it must not pass.

use super::*;
use crate::exchange::realms::TrustedRealms;
use crate::keytab::Keytab;
use crate::message::kdc_rep::KdcRep;
use crate::message::types::{EncryptedData, Kvno, Ticket, encode};
use crate::principal::Realm;
use crate::ticket::TicketTimes;
use crate::vectors::{self, keys};

const SESSION_KEY: &str = "dde6e8d1cc641fe1fc3ceeddf3b1b60ac41fcf06e363c6295d91d5ec01a8f1a2";

fn time(text: &str) -> KerberosTime {
    KerberosTime::parse(text.as_bytes()).unwrap()
}

fn user(name: &str) -> Principal {
    let realm = Realm::new("W2022-L7.BASE").unwrap();
    Principal::new(PrincipalName::principal(name).unwrap(), realm)
}

fn at_home() -> Path {
    let realm = Realm::new("W2022-L7.BASE").unwrap();
    Path::outward(&realm, &realm, TrustedRealms::default())
}

fn service_keys() -> LongTermKeys {
    LongTermKeys::from_keys(vec![vectors::key(Etype::Aes256, keys::SERVICE_2022)])
}

/// A reply that says of the ticket what is known to be in it.
fn reply() -> Opened {
    let bytes = vectors::bytes(vectors::TKT_2022);
    let ticket: Ticket = decode(&bytes).unwrap();
    let realm = Realm::new("W2022-L7.BASE").unwrap();
    Opened {
        server: Principal::new("cifs/w2022-118.w2022-l7.base".parse().unwrap(), realm),
        session_key: vectors::key(Etype::Aes256, SESSION_KEY),
        flags: TicketFlags::from_bits(0x00a5_0000),
        times: TicketTimes {
            authtime: time("20221123160159Z"),
            starttime: time("20221123160215Z"),
            endtime: time("20221124020159Z"),
            renew_till: Some(time("20221124160155Z")),
        },
        encrypted_padata: Vec::new(),
        reply: KdcRep {
            pvno: 5,
            msg_type: 13,
            padata: None,
            crealm: "W2022-L7.BASE".into(),
            cname: user("administrator").name().into(),
            ticket: crate::message::types::encoded(&bytes),
            enc_part: EncryptedData { etype: 18, kvno: None, cipher: Vec::new().into() },
        },
        ticket,
    }
}

/// A change to the reply around the ticket.
type Change = fn(&mut Opened);

fn refusal(change: impl FnOnce(&mut Opened)) -> EvidenceError {
    let mut opened = reply();
    change(&mut opened);
    evidence(opened, &user("administrator"), &service_keys(), &at_home()).unwrap_err()
}

#[test]
fn the_ticket_of_a_2022_kdc_is_evidence_of_its_user() {
    let opened = reply();
    assert_eq!(opened.ticket.enc_part.kvno, Some(Kvno(5)));
    let plain = vectors::key(Etype::Aes256, keys::SERVICE_2022)
        .decrypt(KeyUsage::TICKET, &opened.ticket.enc_part.cipher)
        .unwrap();
    assert_eq!(plain.len(), 1179);
    let (ticket, pac) = evidence(opened, &user("administrator"), &service_keys(), &at_home()).unwrap();
    assert_eq!(ticket.client(), &user("administrator"));
    assert_eq!(ticket.flags().bits(), 0x00a5_0000);
    assert_eq!(ticket.bytes(), vectors::bytes(vectors::TKT_2022));
    assert_eq!(pac.user_sid().to_string(), "S-1-5-21-133451344-1126667713-3548050118-500");
    assert!(pac.has_ticket_signature() && pac.has_full_signature());
}

#[test]
fn a_keytab_opens_it_with_the_key_of_its_version_or_of_another_one() {
    for kvno in [5, 4, 261] {
        let mut keytab = Keytab::default();
        let own = user("w2022-118$");
        keytab.push(own.clone(), kvno, 0, vectors::key(Etype::Aes256, keys::SERVICE_2022));
        let keys = LongTermKeys::from_keytab(std::sync::Arc::new(keytab), vec![own]);
        assert!(evidence(reply(), &user("Administrator"), &keys, &at_home()).is_ok(), "{kvno}");
    }
}

#[test]
fn it_is_no_evidence_of_anybody_else() {
    for other in ["guest", "administrator2", "w2022-118$"] {
        let refused = evidence(reply(), &user(other), &service_keys(), &at_home()).unwrap_err();
        assert_eq!(refused, EvidenceError::TicketUser, "{other}");
    }
    let abroad = Principal::new(user("administrator").name().clone(), Realm::new("OTHER.BASE").unwrap());
    assert_eq!(
        evidence(reply(), &abroad, &service_keys(), &at_home()).unwrap_err(),
        EvidenceError::TicketUser
    );
}

#[test]
fn another_key_does_not_open_it() {
    let krbtgt = vectors::key(Etype::Aes256, keys::KRBTGT_2022);
    let keys = LongTermKeys::from_keys(vec![krbtgt]);
    let refused = evidence(reply(), &user("administrator"), &keys, &at_home()).unwrap_err();
    assert_eq!(refused, EvidenceError::TicketDecryption);
    let rc4 = LongTermKeys::from_keys(vec![vectors::key(Etype::Rc4, keys::MEMBER_RC4)]);
    let refused = evidence(reply(), &user("administrator"), &rc4, &at_home()).unwrap_err();
    assert_eq!(refused, EvidenceError::NoKey(18));
}

#[test]
fn a_reply_that_says_something_else_is_refused() {
    let cases: [(EvidenceError, Change); 8] = [
        (EvidenceError::SessionKey, |opened| {
            opened.session_key = vectors::key(Etype::Aes256, keys::KRBTGT_2022);
        }),
        (EvidenceError::Flags, |opened| {
            opened.flags = opened.flags.union(TicketFlags::FORWARDABLE);
        }),
        (EvidenceError::Flags, |opened| {
            opened.flags = opened.flags.without(TicketFlags::RENEWABLE);
        }),
        (EvidenceError::Times, |opened| opened.times.authtime = time("20221123160158Z")),
        (EvidenceError::Times, |opened| opened.times.starttime = time("20221123160159Z")),
        (EvidenceError::Times, |opened| opened.times.endtime = time("20221124020200Z")),
        (EvidenceError::Times, |opened| opened.times.renew_till = None),
        (EvidenceError::NoKey(17), |opened| opened.ticket.enc_part.etype = 17),
    ];
    for (index, (expected, change)) in cases.into_iter().enumerate() {
        assert_eq!(refusal(change), expected, "case {index}");
    }
}

#[test]
fn one_changed_byte_anywhere_in_its_cipher_is_refused() {
    let length = reply().ticket.enc_part.cipher.len();
    for index in (0..length).step_by(7).chain(length - 12..length) {
        let refused = refusal(|opened| {
            let mut cipher = opened.ticket.enc_part.cipher.to_vec();
            cipher[index] ^= 1;
            opened.ticket.enc_part.cipher = cipher.into();
        });
        assert_eq!(refused, EvidenceError::TicketDecryption, "byte {index}");
    }
}

/// The ticket with another content, sealed with the service's own key as whoever holds the keytab could.
fn resealed(change: fn(&mut EncTicketPart)) -> EvidenceError {
    use rand_chacha::rand_core::SeedableRng as _;

    refusal(|opened| {
        let key = vectors::key(Etype::Aes256, keys::SERVICE_2022);
        let plain = key.decrypt(KeyUsage::TICKET, &opened.ticket.enc_part.cipher).unwrap();
        let mut part: EncTicketPart = decode(&plain).unwrap();
        change(&mut part);
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([5; 32]);
        opened.ticket.enc_part.cipher = key.encrypt(KeyUsage::TICKET, &encode(&part), &mut rng).into();
        opened.times.authtime = part.authtime;
    })
}

#[test]
fn its_pac_does_not_pass_in_a_ticket_of_another_name_or_time() {
    let renamed = resealed(|part| part.cname = user("ADMINISTRATOR").name().into());
    assert_eq!(renamed, EvidenceError::Pac(PacError::ClientName));
    let dated = resealed(|part| part.authtime = time("20221123160200Z"));
    assert_eq!(dated, EvidenceError::Pac(PacError::ClientTime));
}

#[test]
fn without_its_pac_or_with_two_it_is_no_evidence() {
    assert_eq!(resealed(|part| part.authorization_data = None), EvidenceError::PacMissing);
    let twice = resealed(|part| {
        let elements = part.authorization_data.take().unwrap();
        part.authorization_data = Some([elements.clone(), elements].concat());
    });
    assert_eq!(twice, EvidenceError::PacAmbiguous);
}
