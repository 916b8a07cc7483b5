//! What a realm's KDC could say that is not for it to say.

use super::*;
use crate::message::types::{EncTicketPart, Ticket, TransitedEncoding, decode, encode};
use crate::testing::X509User;

/// The error of an S4U2Self exchange for beta's carol in a world that was changed after we have a ticket for beta.
fn refusal(change: impl FnOnce(&mut World)) -> ExchangeError {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &beta()).unwrap();
    change(&mut world);
    world.s4u2self_with(&own, tgt, &carol(beta())).err().unwrap()
}

/// The same where our own KDC changes the ticket.
fn ticket(change: impl Fn(&mut EncTicketPart) + Send + 'static) -> ExchangeError {
    refusal(|world| world.kdc(&alpha()).hooks.ticket = Some(Box::new(change)))
}

/// Gives every ticket of a realm another server, as a KDC would that means it.
fn rename(world: &mut World, at: &Realm, server: PrincipalName) {
    let same = server.clone();
    world.kdc(at).hooks.part = Some(Box::new(move |part| part.sname = (&server).into()));
    world.kdc(at).hooks.reply = Some(Box::new(move |reply| {
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        ticket.sname = (&same).into();
        reply.ticket = rasn::types::Any::new(encode(&ticket));
    }));
}

#[test]
fn a_realm_that_vouches_for_a_user_of_ours_is_not_believed() {
    // Beta's KDC makes its carol out to be the account of our domain with that relative identifier.
    let refused = refusal(|world| world.kdc(&beta()).set_domain(ALPHA));
    assert_eq!(refused, EvidenceError::UserDomain.into());
}

#[test]
fn a_realm_that_vouches_for_a_user_of_a_third_is_not_believed() {
    assert_eq!(refusal(|world| world.kdc(&beta()).set_domain(GAMMA)), EvidenceError::UserDomain.into());
}

#[test]
fn where_our_own_kdc_filters_sids_it_refuses_first() {
    let refused = refusal(|world| {
        world.kdc(&beta()).set_domain([21, 9, 9, 9]);
        world.kdc(&alpha()).set_implementation(Implementation::Windows);
    });
    let ExchangeError::Kdc(refusal) = refused else { panic!("{refused}") };
    assert_eq!((refusal.code, refusal.realm), (ErrorCode::KDC_ERR_POLICY, alpha()));
}

#[test]
fn without_a_configured_domain_the_caller_has_to_judge() {
    let mut world = World::new(Implementation::Mit);
    world.trusted = TrustedRealms::new(vec![TrustedRealm { realm: beta(), domain_sid: None }]);
    world.kdc(&beta()).set_domain(GAMMA);
    let own = world.authenticated();
    let evidence = world.s4u2self(&own, &carol(beta())).unwrap();
    assert_eq!(evidence.pac().domain_sid(), &sid(GAMMA));
}

#[test]
fn a_ticket_for_a_user_of_ours_in_place_of_theirs_is_refused() {
    assert_eq!(ticket(|part| part.crealm = "ALPHA.EXAMPLE".into()), EvidenceError::TicketUser.into());
}

#[test]
fn another_users_ticket_is_refused() {
    assert_eq!(ticket(|part| part.cname = (&name("dave")).into()), EvidenceError::TicketUser.into());
}

#[test]
fn a_reply_of_another_realms_user_is_refused() {
    let refused = refusal(|world| {
        world.kdc(&alpha()).hooks.reply = Some(Box::new(|reply| reply.crealm = "GAMMA.EXAMPLE".into()));
    });
    assert_eq!(refused, EvidenceError::ReplyUser.into());
}

#[test]
fn a_referral_in_another_name_or_realm_than_ours_is_refused() {
    let by_realm = refusal(|world| {
        world.kdc(&beta()).hooks.reply = Some(Box::new(|reply| reply.crealm = "BETA.EXAMPLE".into()));
    });
    let by_name = refusal(|world| {
        world.kdc(&beta()).hooks.reply = Some(Box::new(|reply| reply.cname = (&name("carol")).into()));
    });
    assert_eq!((by_realm, by_name), (ReplyError::ClientName.into(), ReplyError::ClientName.into()));
}

#[test]
fn a_wrong_client_on_the_way_to_a_service_is_refused() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let desk = || name("TERMSRV/desk1.beta.example");
    for at in [alpha(), beta()] {
        world.kdc(&at).hooks.reply = Some(Box::new(|reply| reply.crealm = "GAMMA.EXAMPLE".into()));
        assert_eq!(world.obtain(&own.tgt, desk()).unwrap_err(), ReplyError::ClientName.into());
        world.kdc(&at).hooks.reply = None;
    }
}

#[test]
fn a_stripped_answer_is_noticed_at_every_realm() {
    for at in [beta(), alpha()] {
        let refused =
            refusal(|world| world.kdc(&at).hooks.reply = Some(Box::new(|reply| reply.padata = None)));
        assert_eq!(refused, EvidenceError::X509UserStripped.into(), "{at}");
    }
}

#[test]
fn a_realm_that_refers_to_itself_is_refused() {
    let refused = refusal(|world| rename(world, &beta(), PrincipalName::krbtgt(&beta())));
    assert_eq!(refused, ReplyError::UnaskedTicketGranting.into());
}

#[test]
fn a_realm_that_refers_in_a_circle_is_refused() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &gamma()).unwrap();
    rename(&mut world, &beta(), PrincipalName::krbtgt(&gamma()));
    let refused = world.s4u2self_with(&own, tgt, &carol(gamma())).unwrap_err();
    assert_eq!(refused, ReferralError::Visited { realm: gamma() }.into());
}

#[test]
fn a_realm_that_refers_to_one_that_is_not_configured_is_refused() {
    let evil = || Realm::new("EVIL.EXAMPLE").unwrap();
    let refused = refusal(|world| rename(world, &beta(), PrincipalName::krbtgt(&evil())));
    assert_eq!(refused, ReferralError::NotConfigured { realm: evil() }.into());
}

#[test]
fn a_realm_that_gives_a_ticket_for_ourselves_is_refused() {
    let enterprise = PrincipalName::enterprise("svc-broker@ALPHA.EXAMPLE").unwrap();
    let refused = refusal(|world| rename(world, &beta(), enterprise));
    assert_eq!(refused, ReplyError::ReferralMissing.into());
}

#[test]
fn our_own_realm_does_not_refer_away_for_ourselves() {
    let refused = refusal(|world| rename(world, &alpha(), PrincipalName::krbtgt(&gamma())));
    assert_eq!(refused, ReferralError::AwayFromHome { realm: gamma() }.into());
}

#[test]
fn a_ticket_that_came_through_a_realm_that_is_not_configured_is_refused() {
    for contents in ["EVIL.EXAMPLE", "BETA.EXAMPLE,EVIL.EXAMPLE", "BETA.EXAMPLE,", ","] {
        let transited = TransitedEncoding { tr_type: 1, contents: contents.as_bytes().to_vec().into() };
        let refused = ticket(move |part| part.transited = transited.clone());
        assert_eq!(refused, EvidenceError::Transited.into(), "{contents}");
    }
}

#[test]
fn the_realms_a_ticket_came_through_are_those_that_were_asked() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    world.kdc(&alpha()).hooks.ticket =
        Some(Box::new(move |part| log.lock().unwrap().push(part.transited.contents.to_vec())));
    world.s4u2self(&own, &carol(gamma())).unwrap();
    assert_eq!(seen.lock().unwrap().last().unwrap().as_slice(), b"BETA.EXAMPLE,GAMMA.EXAMPLE,BETA.EXAMPLE");
}

#[test]
fn a_client_written_with_its_realm_is_the_same_client_and_another_realm_is_another() {
    let with = |realm: &'static str| {
        let mut world = World::new(Implementation::Mit);
        let own = world.authenticated();
        let tgt = world.tgt_for(&own, &beta()).unwrap();
        world.kdc(&alpha()).hooks.pac_buffers = Some(Box::new(move |buffers| {
            let (_, client_info) = buffers.iter_mut().find(|(kind, _)| *kind == 10).unwrap();
            let text: Vec<u8> = format!("carol@{realm}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            client_info.truncate(8);
            client_info.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
            client_info.extend_from_slice(&text);
        }));
        world.s4u2self_with(&own, tgt, &carol(beta())).map(|evidence| evidence.user().to_string())
    };
    assert_eq!(with("BETA.EXAMPLE").as_deref(), Ok("carol@BETA.EXAMPLE"));
    let other = crate::message::pac::PacError::ClientName;
    assert_eq!(with("ALPHA.EXAMPLE"), Err(EvidenceError::Pac(other).into()));
}

#[test]
fn no_changed_octet_of_a_referral_panics_or_changes_the_user() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &beta()).unwrap();
    world.kdc(&beta()).set_x509_user(X509User::Unknown);
    for index in 0..900 {
        world.kdc(&beta()).hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| {
            if index < bytes.len() {
                bytes[index] ^= 0x24;
            }
        }));
        if let Ok(evidence) = world.s4u2self_with(&own, tgt.clone(), &carol(beta())) {
            assert_eq!(evidence.user(), &carol(beta()));
        }
    }
}

#[test]
fn the_realm_in_a_request_is_the_configured_one_whatever_the_case_of_the_referral() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let lower = PrincipalName::krbtgt(&Realm::new("beta.example").unwrap());
    rename(&mut world, &alpha(), lower);
    let refused = world.obtain(&own.tgt, name("TERMSRV/desk1.beta.example")).unwrap_err();
    // The KDC in memory compares letter by letter, as MIT krb5 does.
    let ExchangeError::Kdc(refusal) = refused else { panic!("{refused}") };
    assert_eq!((refusal.code, refusal.realm), (ErrorCode::KRB_AP_ERR_NOT_US, beta()));
    assert_eq!(world.sent.last().unwrap().realm, beta());
}
