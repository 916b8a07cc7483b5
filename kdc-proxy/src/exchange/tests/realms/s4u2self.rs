use super::*;
use crate::message::kdc_req::{KdcReqBody, TgsReq};
use crate::message::padata::{PaForUser, PaS4uX509User, S4uUserId, kind, only};
use crate::message::types::{WireName, decode};
use crate::testing::X509User;

/// What the requests of an S4U2Self exchange say: the server's name and realm, and under which nonces they name whom.
fn told(request: &Request) -> (String, String, String) {
    let request: TgsReq = decode(&request.bytes).unwrap();
    let body: KdcReqBody = decode(request.0.req_body.as_bytes()).unwrap();
    let elements = request.0.padata.unwrap();
    let value: PaS4uX509User = decode(only(&elements, kind::S4U_X509_USER).unwrap()).unwrap();
    let user_id: S4uUserId = decode(value.user_id.as_bytes()).unwrap();
    assert_eq!(user_id.nonce, body.nonce);
    let for_user: PaForUser = decode(only(&elements, kind::FOR_USER).unwrap()).unwrap();
    assert_eq!(Some(&for_user.user_name), user_id.cname.as_ref());
    let text = |name: &WireName| PrincipalName::try_from(name).unwrap().joined();
    let realm = Realm::try_from(&body.realm).unwrap().to_string();
    let user = format!("{}@{}", text(&for_user.user_name), Realm::try_from(&for_user.user_realm).unwrap());
    (text(&body.sname.unwrap()), realm, user)
}

#[test]
fn a_user_of_a_trusted_realm_gives_evidence() {
    for implementation in PLAYED {
        let mut world = World::new(implementation);
        let own = world.authenticated();
        let evidence = world.s4u2self(&own, &carol(beta())).unwrap();
        assert_eq!(evidence.user(), &carol(beta()));
        assert_eq!(evidence.ticket().server().to_string(), "HTTP/broker.alpha.example@ALPHA.EXAMPLE");
        assert_eq!(evidence.pac().user_sid().to_string(), "S-1-5-21-2-2-2-1110");
        assert_eq!(evidence.pac().domain_sid(), &sid(BETA));
        assert!(evidence.pac().group_sids().any(|group| group.to_string() == "S-1-5-21-2-2-2-2001"));
        assert!(evidence.is_forwardable());
        assert_eq!(world.asked(), ["alpha", "beta", "alpha"]);
    }
}

#[test]
fn a_user_two_realms_away_gives_evidence() {
    for implementation in PLAYED {
        let mut world = World::new(implementation);
        // Beta trusts gamma; alpha, which filters by the realms it trusts itself, must be told of gamma's domain.
        world.realms = std::mem::take(&mut world.realms).trusting(&alpha(), &gamma(), &mut world.rng);
        let own = world.authenticated();
        let evidence = world.s4u2self(&own, &carol(gamma())).unwrap();
        assert_eq!(evidence.user(), &carol(gamma()));
        assert_eq!(evidence.pac().domain_sid(), &sid(GAMMA));
        assert_eq!(world.asked(), ["alpha", "beta", "gamma", "beta", "alpha"]);
    }
}

#[test]
fn the_elements_and_our_name_are_made_anew_for_every_realm() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &gamma()).unwrap();
    world.sent.clear();
    world.s4u2self_with(&own, tgt, &carol(gamma())).unwrap();
    let told: Vec<_> = world.sent.iter().map(told).collect();
    let user = "carol@GAMMA.EXAMPLE".to_owned();
    let abroad = "svc-broker@ALPHA.EXAMPLE".to_owned();
    let expected = [
        (abroad.clone(), "GAMMA.EXAMPLE".to_owned(), user.clone()),
        (abroad, "BETA.EXAMPLE".to_owned(), user.clone()),
        ("HTTP/broker.alpha.example".to_owned(), "ALPHA.EXAMPLE".to_owned(), user),
    ];
    assert_eq!(told, expected);
}

#[test]
fn kdcs_that_do_not_know_pa_s4u_x509_user_are_served_by_pa_for_user() {
    let mut world = World::new(Implementation::Windows);
    for realm in [alpha(), beta()] {
        world.kdc(&realm).set_x509_user(X509User::Unknown);
    }
    let own = world.authenticated();
    assert_eq!(world.s4u2self(&own, &carol(beta())).unwrap().user(), &carol(beta()));
}

#[test]
fn a_sensitive_user_of_another_realm_gives_evidence_that_is_not_forwardable() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let chief = Principal::new(name("chief"), beta());
    assert!(!world.s4u2self(&own, &chief).unwrap().is_forwardable());
}

#[test]
fn a_user_of_our_own_realm_needs_no_other() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    assert_eq!(world.s4u2self(&own, &carol(alpha())).unwrap().pac().domain_sid(), &sid(ALPHA));
    assert_eq!(world.asked(), ["alpha"]);
}

#[test]
fn a_user_of_a_realm_that_is_not_configured_makes_no_request() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &beta()).unwrap();
    world.sent.clear();
    world.trusted = TrustedRealms::default();
    let refused = world.s4u2self_with(&own, tgt, &carol(beta())).unwrap_err();
    assert_eq!(refused, RequestError::ForeignUser(beta()).into());
    assert!(world.sent.is_empty());
}

#[test]
fn a_user_is_asked_for_with_a_ticket_for_the_users_realm_only() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = own.tgt.clone();
    let refused = world.s4u2self_with(&own, tgt, &carol(beta())).unwrap_err();
    assert_eq!(refused, RequestError::ForeignUser(beta()).into());
}

#[test]
fn a_realm_that_is_not_configured_is_not_passed_through() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &gamma()).unwrap();
    world.trusted = TrustedRealms::new(vec![trusted(gamma(), GAMMA)]);
    let refused = world.s4u2self_with(&own, tgt, &carol(gamma())).unwrap_err();
    assert_eq!(refused, ReferralError::NotConfigured { realm: beta() }.into());
}

#[test]
fn an_unknown_user_is_the_refusal_of_the_users_realm() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let nobody = Principal::new(name("nobody"), beta());
    let ExchangeError::Kdc(refusal) = world.s4u2self(&own, &nobody).unwrap_err() else { panic!("refused") };
    assert_eq!((refusal.code, refusal.realm), (ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, beta()));
}

#[test]
fn a_kdc_that_does_not_take_evidence_from_abroad_is_named_by_its_realm() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &beta()).unwrap();
    // As Samba answers where MIT krb5 and Windows would issue the ticket.
    world.kdc(&alpha()).refuse_next(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN);
    let error = world.s4u2self_with(&own, tgt, &carol(beta())).unwrap_err();
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.code, refusal.realm), (ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, alpha()));
}

#[test]
fn after_a_jump_of_a_clock_abroad_both_elements_are_made_anew() {
    let mut world = World::new(Implementation::Mit);
    world.clock.max_offset = Duration::from_secs(900);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &beta()).unwrap();
    world.sent.clear();
    world.kdc(&beta()).set_clock_behind(Duration::from_secs(600));
    assert!(world.s4u2self_with(&own, tgt, &carol(beta())).is_ok());
    assert_eq!(world.asked(), ["beta", "beta", "alpha"]);
}
