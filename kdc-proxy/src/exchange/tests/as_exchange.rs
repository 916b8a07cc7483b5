use super::*;
use crate::error::ReplyError;
use crate::key::KeyUsage;
use crate::message::kdc_rep::EncAsRepPart;
use crate::message::kdc_req::{AsReq, KdcReqBody};
use crate::message::padata::kind;
use crate::message::types::{Flags, decode, encode};
use crate::ticket::TicketFlags;

/// The error of an AS exchange whose reply was changed.
fn refusal(change: impl FnOnce(&mut Lab)) -> ExchangeError {
    let mut lab = Lab::new();
    change(&mut lab);
    lab.as_exchange(Lab::password()).err().unwrap()
}

#[test]
fn a_password_gets_a_ticket_in_two_rounds() {
    let mut lab = Lab::new();
    let own = lab.authenticated();
    assert_eq!(lab.sent.len(), 2);
    let ticket = own.tgt.ticket();
    assert_eq!(ticket.client().to_string(), "svc-broker@CORP.EXAMPLE");
    assert_eq!(ticket.server().to_string(), "krbtgt/CORP.EXAMPLE@CORP.EXAMPLE");
    assert_eq!(ticket.session_key().etype(), Etype::Aes256);
    assert!(ticket.flags().contains(TicketFlags::INITIAL.union(TicketFlags::FORWARDABLE)));
    assert!(own.clock_offset.magnitude() < Duration::from_secs(1));
}

#[test]
fn a_keytab_gets_a_ticket_with_the_first_key_it_shares_with_the_kdc() {
    for (etypes, expected) in
        [(vec![Etype::Aes128], Etype::Aes128), (vec![Etype::Aes128, Etype::Aes256], Etype::Aes256)]
    {
        let mut lab = Lab::new();
        let keytab = lab.keytab(&etypes);
        let own = lab.as_exchange(keytab).unwrap();
        assert_eq!(own.tgt.ticket().session_key().etype(), expected);
    }
}

#[test]
fn the_request_asks_for_what_the_standard_wants() {
    let mut lab = Lab::new();
    lab.authenticated();
    let request: AsReq = decode(&lab.sent[1]).unwrap();
    let types: Vec<i32> = request.0.padata.unwrap().iter().map(|element| element.padata_type).collect();
    assert_eq!(types, [kind::ENC_TIMESTAMP, kind::PAC_REQUEST, kind::REQ_ENC_PA_REP]);
    let body: KdcReqBody = decode(request.0.req_body.as_bytes()).unwrap();
    assert_eq!(body.kdc_options, Flags(0x4001_0000));
    assert_eq!(body.etype, [18, 17]);
    assert_eq!(body.till.to_string(), "20261122220000Z");
    assert!(body.rtime.is_none() && body.addresses.is_none() && body.additional_tickets.is_none());
}

#[test]
fn an_independent_reader_reads_the_request() {
    use kerberos_asn1::Asn1Object;

    let mut lab = Lab::new();
    lab.authenticated();
    for sent in &lab.sent {
        let (rest, theirs) = kerberos_asn1::AsReq::parse(sent).unwrap();
        assert!(rest.is_empty());
        assert_eq!(theirs.req_body.realm, "CORP.EXAMPLE");
        assert_eq!(hex::encode(theirs.build()), hex::encode(sent));
    }
}

#[test]
fn each_request_has_its_own_nonce() {
    let mut lab = Lab::new();
    lab.authenticated();
    let nonces: Vec<u32> = lab
        .sent
        .iter()
        .map(|sent| {
            let request: AsReq = decode(sent).unwrap();
            decode::<KdcReqBody>(request.0.req_body.as_bytes()).unwrap().nonce
        })
        .collect();
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn an_account_without_preauthentication_gets_its_ticket_in_one_round() {
    let mut lab = Lab::with_broker(broker_account().without_preauth());
    lab.authenticated();
    assert_eq!(lab.sent.len(), 1);
}

#[test]
fn the_encrypted_part_is_accepted_under_application_26() {
    let mut lab = Lab::new();
    let key = lab.kdc.account_mut("svc-broker").unwrap().key(Etype::Aes256).cloned().unwrap();
    lab.kdc.hooks.reply = Some(Box::new(move |reply| {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let mut plain = key.decrypt(KeyUsage::AS_REP, &reply.enc_part.cipher).unwrap();
        assert!(matches!(decode(&plain), Ok(EncAsRepPart::As(_))));
        plain[0] = 0x7a;
        reply.enc_part.cipher = key.encrypt(KeyUsage::AS_REP, &plain, &mut rng).into();
    }));
    assert!(lab.as_exchange(Lab::password()).is_ok());
}

#[test]
fn rc4_serves_when_it_is_allowed() {
    let mut lab = Lab::with_broker(broker_account().etypes(&[Etype::Rc4]));
    lab.etypes = EtypeList::AES_AND_RC4;
    assert_eq!(lab.authenticated().tgt.ticket().session_key().etype(), Etype::Rc4);
}

#[test]
fn a_wrong_nonce_is_refused() {
    let error = refusal(|lab| lab.kdc.hooks.part = Some(Box::new(|part| part.nonce ^= 1)));
    assert_eq!(error, ReplyError::Nonce.into());
}

#[test]
fn a_reply_under_another_key_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.reply = Some(Box::new(|reply| {
            let mut rng = ChaCha20Rng::from_seed([9; 32]);
            let key = Key::random(Etype::Aes256, &mut rng);
            reply.enc_part.cipher = key.encrypt(KeyUsage::AS_REP, b"anything", &mut rng).into();
        }));
    });
    assert_eq!(error, ReplyError::Decryption.into());
}

#[test]
fn a_reply_in_rc4_is_refused() {
    let error = refusal(|lab| lab.kdc.hooks.reply = Some(Box::new(|reply| reply.enc_part.etype = 23)));
    assert_eq!(error, ReplyError::Etype(23).into());
}

#[test]
fn a_session_key_of_rc4_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.part = Some(Box::new(|part| {
            part.key.keytype = 23;
            part.key.keyvalue = vec![0; 16].into();
        }));
    });
    assert_eq!(error, ReplyError::SessionKeyEtype(23).into());
}

#[test]
fn a_session_key_of_a_wrong_length_is_refused() {
    let error =
        refusal(|lab| lab.kdc.hooks.part = Some(Box::new(|part| part.key.keyvalue = vec![0; 16].into())));
    assert_eq!(error, ReplyError::SessionKeyLength.into());
}

#[test]
fn a_ticket_encrypted_in_rc4_or_des_is_refused() {
    for number in [23, 3, 1] {
        let error = refusal(|lab| {
            lab.kdc.hooks.reply = Some(Box::new(move |reply| {
                let mut ticket: crate::message::types::Ticket = decode(reply.ticket.as_bytes()).unwrap();
                ticket.enc_part.etype = number;
                reply.ticket = rasn::types::Any::new(encode(&ticket));
            }));
        });
        assert_eq!(error, ReplyError::TicketEtype(number).into());
    }
}

#[test]
fn a_server_other_than_krbtgt_is_refused() {
    let error = refusal(|lab| {
        let other = name("kadmin/changepw");
        lab.kdc.hooks.part = Some(Box::new(move |part| part.sname = (&other).into()));
    });
    assert_eq!(error, ReplyError::TicketServer.into());
    let error = refusal(|lab| {
        lab.kdc.hooks.part = Some(Box::new(|part| part.sname = (&name("kadmin/changepw")).into()));
        lab.kdc.hooks.reply = Some(Box::new(|reply| {
            let mut ticket: crate::message::types::Ticket = decode(reply.ticket.as_bytes()).unwrap();
            ticket.sname = (&name("kadmin/changepw")).into();
            reply.ticket = rasn::types::Any::new(encode(&ticket));
        }));
    });
    assert_eq!(error, ReplyError::ServerName.into());
}

#[test]
fn our_name_may_come_back_in_other_letters_and_no_other_name_may() {
    let renamed = |to: &'static str| {
        let mut lab = Lab::new();
        lab.kdc.hooks.reply = Some(Box::new(move |reply| reply.cname = user(to).name().into()));
        lab.as_exchange(Lab::password()).map(|own| own.tgt.ticket().client().to_string())
    };
    assert_eq!(renamed("Svc-Broker").as_deref(), Ok("Svc-Broker@CORP.EXAMPLE"));
    for other in ["mallory", "svc-broker2", "svc-broker$", "svc"] {
        assert_eq!(renamed(other), Err(ReplyError::ClientName.into()), "{other}");
    }
}

#[test]
fn a_kdc_that_does_not_confirm_the_request_is_an_older_one() {
    let mut lab = Lab::new();
    lab.kdc.hooks.part = Some(Box::new(|part| {
        part.flags.0 &= !TicketFlags::ENC_PA_REP.bits();
        part.encrypted_pa_data = None;
    }));
    assert!(lab.as_exchange(Lab::password()).is_ok());
}

#[test]
fn a_missing_confirmation_is_refused_when_the_flag_promises_it() {
    let error = refusal(|lab| lab.kdc.hooks.part = Some(Box::new(|part| part.encrypted_pa_data = None)));
    assert_eq!(error, ReplyError::RequestChecksumMissing.into());
}

#[test]
fn a_confirmation_of_another_request_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.part = Some(Box::new(|part| {
            let element = &mut part.encrypted_pa_data.as_mut().unwrap()[0];
            let mut value = element.padata_value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            element.padata_value = value.into();
        }));
    });
    assert_eq!(error, ReplyError::RequestChecksum.into());
}

#[test]
fn times_that_were_not_asked_for_are_refused() {
    let part = |change: fn(&mut crate::message::kdc_rep::EncKdcRepPart)| {
        refusal(|lab| lab.kdc.hooks.part = Some(Box::new(change)))
    };
    assert_eq!(part(|part| part.endtime = later(part.endtime, 1)), ReplyError::EndTime.into());
    assert_eq!(part(|part| part.endtime = part.authtime), ReplyError::Ended.into());
    assert_eq!(part(|part| part.renew_till = Some(part.endtime)), ReplyError::RenewTill.into());
    assert_eq!(part(|part| part.starttime = Some(later(part.authtime, 400))), ReplyError::StartTime.into());
}

#[test]
fn a_ticket_that_is_invalid_or_not_initial_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.part = Some(Box::new(|part| part.flags.0 |= TicketFlags::INVALID.bits()));
    });
    assert_eq!(error, ReplyError::Invalid.into());
    let error = refusal(|lab| {
        lab.kdc.hooks.part = Some(Box::new(|part| part.flags.0 &= !TicketFlags::INITIAL.bits()));
    });
    assert_eq!(error, ReplyError::NotInitial.into());
}

#[test]
fn a_wrong_tag_version_or_type_is_refused() {
    let bytes = |change: fn(&mut Vec<u8>)| {
        refusal(|lab| {
            lab.kdc.hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| {
                if bytes[0] == 0x6b {
                    change(bytes);
                }
            }));
        })
    };
    assert_eq!(bytes(|bytes| bytes[0] = 0x6d), ReplyError::Malformed.into());
    let typed = refusal(|lab| lab.kdc.hooks.reply = Some(Box::new(|reply| reply.msg_type = 13)));
    assert_eq!(typed, ReplyError::VersionOrType.into());
    let versioned = refusal(|lab| lab.kdc.hooks.reply = Some(Box::new(|reply| reply.pvno = 4)));
    assert_eq!(versioned, ReplyError::VersionOrType.into());
    assert_eq!(bytes(|bytes| bytes.push(0)), ReplyError::Malformed.into());
    assert_eq!(bytes(|bytes| bytes.truncate(bytes.len() - 1)), ReplyError::Malformed.into());
    assert_eq!(bytes(Vec::clear), ReplyError::Malformed.into());
    assert_eq!(bytes(|bytes| bytes.resize(200_000, 0)), ReplyError::Malformed.into());
}

#[test]
fn no_changed_octet_of_a_reply_panics_or_changes_the_server() {
    let mut lab = Lab::new();
    let keytab = lab.keytab(&[Etype::Aes256, Etype::Aes128]);
    for index in 0..1100 {
        lab.kdc.hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| {
            if bytes[0] == 0x6b && index < bytes.len() {
                bytes[index] ^= 0x11;
            }
        }));
        // The outer client, the kvno and the octets of the ticket may change: no key of ours covers them.
        if let Ok(own) = lab.as_exchange(keytab.clone()) {
            assert_eq!(own.tgt.ticket().server().to_string(), "krbtgt/CORP.EXAMPLE@CORP.EXAMPLE");
        }
    }
}
