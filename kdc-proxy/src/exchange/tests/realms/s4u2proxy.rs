use super::*;
use crate::key::KeyUsage;
use crate::message::padata::kind;
use crate::message::types::{EncTicketPart, Ticket, decode};

const ALPHA_DESK: &str = "TERMSRV/desk1.alpha.example";
const BETA_DESK: &str = "TERMSRV/desk1.beta.example";
const GAMMA_DESK: &str = "TERMSRV/desk1.gamma.example";

/// A world with evidence about a carol.
fn with_evidence(implementation: Implementation, of: Realm) -> (World, Authenticated, Evidence) {
    let mut world = World::new(implementation);
    let own = world.authenticated();
    let evidence = world.s4u2self(&own, &carol(of)).unwrap();
    world.sent.clear();
    (world, own, evidence)
}

/// What a desktop finds in a ticket.
fn opened(world: &mut World, realm: &Realm, ticket: &ServiceTicket) -> EncTicketPart {
    let sealed: Ticket = decode(ticket.bytes()).unwrap();
    let key = world.kdc(realm).account_mut("DESK1$").unwrap().key(Etype::Aes256).unwrap();
    let plain = key.decrypt(KeyUsage::TICKET, &sealed.enc_part.cipher).unwrap();
    let part: EncTicketPart = decode(&plain).unwrap();
    assert!(Key::try_from(&part.key).unwrap().is_same(ticket.session_key()));
    part
}

#[test]
fn a_user_of_a_trusted_realm_reaches_a_service_of_ours() {
    for implementation in PLAYED {
        let (mut world, own, evidence) = with_evidence(implementation, beta());
        let Delegated::Ticket(ticket) = world.delegated(&own, &evidence, ALPHA_DESK).unwrap() else {
            panic!("referred")
        };
        assert_eq!(ticket.client(), &carol(beta()));
        let part = opened(&mut world, &alpha(), &ticket);
        assert_eq!((part.cname, part.crealm), (carol(beta()).name().into(), "BETA.EXAMPLE".into()));
        assert_eq!(world.asked(), ["alpha"]);
    }
}

#[test]
fn a_service_of_a_trusted_realm_is_reached_for_our_users_and_its_own() {
    for implementation in PLAYED {
        for home in [alpha(), beta()] {
            let (mut world, own, evidence) = with_evidence(implementation, home.clone());
            let proxy = world.referred(&own, &evidence, BETA_DESK).unwrap();
            assert_eq!((proxy.realm(), proxy.user()), (&beta(), &carol(home.clone())));
            let ticket = world.across(&own, proxy, BETA_DESK).unwrap();
            assert_eq!(ticket.client(), &carol(home.clone()));
            assert_eq!(ticket.server().to_string(), format!("{BETA_DESK}@BETA.EXAMPLE"));
            let part = opened(&mut world, &beta(), &ticket);
            assert_eq!((part.cname, part.crealm), (carol(home.clone()).name().into(), (&home).into()));
            // The evidence, our own ticket for beta, the service in our own name, and in the user's.
            assert_eq!(world.asked(), ["alpha", "alpha", "beta", "beta"]);
        }
    }
}

#[test]
fn a_service_two_realms_away_is_reached() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    let proxy = world.referred(&own, &evidence, GAMMA_DESK).unwrap();
    assert_eq!(proxy.realm(), &beta());
    let ticket = world.across(&own, proxy, GAMMA_DESK).unwrap();
    assert_eq!(ticket.client(), &carol(alpha()));
    opened(&mut world, &gamma(), &ticket);
    // The evidence; our ticket for beta; the service by beta and gamma; the proxy ticket by beta; the user's at gamma.
    assert_eq!(world.asked(), ["alpha", "alpha", "beta", "gamma", "beta", "gamma"]);
}

#[test]
fn the_ticket_ends_when_asked_and_never_after_the_evidence() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    let proxy = world.referred(&own, &evidence, BETA_DESK).unwrap();
    let ticket = world.across(&own, proxy.clone(), BETA_DESK).unwrap();
    let life = ticket.endtime().duration_since(ticket.starttime()).unwrap();
    // The proxy ticket was asked for with the same lifetime a little earlier.
    assert!(life <= Duration::from_secs(900) && life > Duration::from_secs(890), "{life:?}");
    world.now += Duration::from_secs(40_000);
    world.sent.clear();
    let ended = S4u2ProxyAcross::start(
        AcrossAsk {
            tgt: own.tgt.clone(),
            server: name(BETA_DESK),
            etypes: EtypeList::AES,
            lifetime: Duration::from_secs(900),
            clock: world.clock,
            trusted: world.trusted.clone(),
        },
        proxy,
        world.now,
        &mut world.rng,
    );
    assert_eq!(ended.err(), Some(RequestError::TicketOfAnotherRealm(alpha()).into()));
}

#[test]
fn ended_evidence_makes_no_request_abroad() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    let proxy = world.referred(&own, &evidence, BETA_DESK).unwrap();
    let tgt = world.tgt_for(&own, &beta()).unwrap();
    world.now += Duration::from_secs(40_000);
    let ask = AcrossAsk {
        tgt,
        server: name(BETA_DESK),
        etypes: EtypeList::AES,
        lifetime: Duration::from_secs(900),
        clock: world.clock,
        trusted: world.trusted.clone(),
    };
    let ended = S4u2ProxyAcross::start(ask, proxy, world.now, &mut world.rng);
    assert_eq!(ended.err(), Some(RequestError::EvidenceEnded.into()));
}

#[test]
fn a_service_that_does_not_allow_us_is_the_refusal_of_its_realm() {
    let (mut world, own, evidence) = with_evidence(Implementation::Windows, alpha());
    let desk = Account::new("DESK2$", 1202, "unsafe").spn(name("TERMSRV/desk2.beta.example"));
    let kdc = world.kdc(&beta());
    *kdc = std::mem::replace(kdc, Kdc::new(&beta(), &mut ChaCha20Rng::from_seed([0; 32]))).with(desk);
    let proxy = world.referred(&own, &evidence, "TERMSRV/desk2.beta.example").unwrap();
    let error = world.across(&own, proxy, "TERMSRV/desk2.beta.example").unwrap_err();
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.code, refusal.realm), (ErrorCode::KDC_ERR_BADOPTION, beta()));
}

#[test]
fn a_referral_without_the_mark_of_delegation_is_an_ordinary_one() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    world.kdc(&alpha()).hooks.part = Some(Box::new(|part| part.encrypted_pa_data = None));
    let refused = world.referred(&own, &evidence, BETA_DESK).unwrap_err();
    assert_eq!(refused, ReferralError::WithoutDelegation { realm: beta() }.into());
}

#[test]
fn a_ticket_without_the_mark_of_delegation_is_refused() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    let proxy = world.referred(&own, &evidence, BETA_DESK).unwrap();
    world.kdc(&beta()).hooks.part = Some(Box::new(|part| {
        for element in part.encrypted_pa_data.iter_mut().flatten() {
            if element.padata_type == kind::PAC_OPTIONS {
                element.padata_value = hex::decode("3009a00703050080000000").unwrap().into();
            }
        }
    }));
    let refused = world.across(&own, proxy, BETA_DESK).unwrap_err();
    assert_eq!(refused, ReplyError::DelegationOptionMissing.into());
}

#[test]
fn a_referral_to_a_realm_that_is_not_configured_is_refused() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    world.trusted = TrustedRealms::new(vec![trusted(gamma(), GAMMA)]);
    let refused = world.referred(&own, &evidence, BETA_DESK).unwrap_err();
    assert_eq!(refused, ReferralError::NotConfigured { realm: beta() }.into());
}

#[test]
fn a_proxy_ticket_in_another_name_is_refused() {
    let (mut world, own, evidence) = with_evidence(Implementation::Mit, alpha());
    world.kdc(&alpha()).hooks.reply = Some(Box::new(|reply| reply.cname = (&name("dave")).into()));
    let refused = world.referred(&own, &evidence, BETA_DESK).unwrap_err();
    assert_eq!(refused, ReplyError::ClientName.into());
}
