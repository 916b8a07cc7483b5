use super::*;

const BETA_DESK: &str = "TERMSRV/desk1.beta.example";
const GAMMA_DESK: &str = "TERMSRV/desk1.gamma.example";

#[test]
fn a_service_of_a_trusted_realm_is_reached_by_referral() {
    for implementation in PLAYED {
        let mut world = World::new(implementation);
        let own = world.authenticated();
        let obtained = world.obtain(&own.tgt, name(BETA_DESK)).unwrap();
        assert_eq!(obtained.ticket.client().to_string(), "svc-broker@ALPHA.EXAMPLE");
        assert_eq!(obtained.ticket.server().to_string(), format!("{BETA_DESK}@BETA.EXAMPLE"));
        assert_eq!(obtained.tgt.realm(), &beta());
        assert_eq!(world.asked(), ["alpha", "beta"]);
    }
}

#[test]
fn a_service_two_realms_away_is_reached_by_two_referrals() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let obtained = world.obtain(&own.tgt, name(GAMMA_DESK)).unwrap();
    assert_eq!(obtained.ticket.server().realm(), &gamma());
    assert_eq!(obtained.tgt.ticket().server().to_string(), "krbtgt/GAMMA.EXAMPLE@BETA.EXAMPLE");
    assert_eq!(world.asked(), ["alpha", "beta", "gamma"]);
}

#[test]
fn a_ticket_granting_ticket_of_a_far_realm_comes_by_the_realms_between() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let tgt = world.tgt_for(&own, &gamma()).unwrap();
    assert_eq!(tgt.ticket().server().to_string(), "krbtgt/GAMMA.EXAMPLE@BETA.EXAMPLE");
    assert_eq!(world.asked(), ["alpha", "beta"]);
}

#[test]
fn the_last_ticket_of_a_chain_ends_no_later_than_the_first() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    world.now += Duration::from_secs(35_000);
    let obtained = world.obtain(&own.tgt, name(GAMMA_DESK)).unwrap();
    assert_eq!(obtained.ticket.endtime(), own.tgt.ticket().endtime());
}

#[test]
fn each_realm_may_have_a_clock_of_its_own() {
    let mut world = World::new(Implementation::Mit);
    world.clock.max_offset = Duration::from_secs(900);
    let own = world.authenticated();
    world.kdc(&beta()).set_clock_ahead(Duration::from_secs(600));
    assert!(world.obtain(&own.tgt, name(BETA_DESK)).is_ok());
    assert_eq!(world.asked(), ["alpha", "beta", "beta"]);
    world.clock.max_offset = Duration::from_secs(300);
    let error = world.obtain(&own.tgt, name(BETA_DESK)).unwrap_err();
    assert!(matches!(error, ExchangeError::ClockSkew { .. }), "{error}");
}

#[test]
fn a_realm_that_is_not_configured_is_not_asked() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    world.trusted = TrustedRealms::default();
    let refused = world.obtain(&own.tgt, name(BETA_DESK)).unwrap_err();
    assert_eq!(refused, ReferralError::NotConfigured { realm: beta() }.into());
    assert_eq!(world.asked(), ["alpha"]);
    world.trusted = TrustedRealms::new(vec![trusted(beta(), BETA)]);
    let refused = world.obtain(&own.tgt, name(GAMMA_DESK)).unwrap_err();
    assert_eq!(refused, ReferralError::NotConfigured { realm: gamma() }.into());
    assert_eq!(world.asked(), ["alpha", "beta"]);
}

#[test]
fn referrals_that_go_in_a_circle_are_left() {
    let mut world = World::new(Implementation::Mit);
    world.realms = std::mem::take(&mut world.realms).route(&beta(), &gamma(), &alpha());
    let own = world.authenticated();
    let refused = world.obtain(&own.tgt, name(GAMMA_DESK)).unwrap_err();
    assert_eq!(refused, ReferralError::Visited { realm: alpha() }.into());
    assert_eq!(world.asked(), ["alpha", "beta"]);
}

#[test]
fn a_service_that_the_last_realm_does_not_know_is_its_kdcs_refusal() {
    let mut world = World::new(Implementation::Mit);
    let own = world.authenticated();
    let error = world.obtain(&own.tgt, name("TERMSRV/nowhere.beta.example")).unwrap_err();
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.code, refusal.realm), (ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, beta()));
}

/// A row of realms, each of which refers to the next; the last has the service.
fn row(hops: usize) -> (World, Authenticated) {
    let mut world = World::new(Implementation::Mit);
    let realm =
        |hop: usize| if hop == 0 { alpha() } else { Realm::new(&format!("HOP{hop}.EXAMPLE")).unwrap() };
    let last = realm(hops);
    let mut realms = std::mem::take(&mut world.realms);
    let mut trusted = Vec::new();
    for hop in 1..=hops {
        let mut kdc = Kdc::new(&realm(hop), &mut world.rng);
        if hop == hops {
            kdc = kdc.with(Account::new("FAR$", 1300, "unsafe far").spn(name("TERMSRV/far.end")));
        }
        realms = realms.with(kdc).trusting(&realm(hop - 1), &realm(hop), &mut world.rng);
        realms = realms.route(&realm(hop - 1), &last, &realm(hop));
        trusted.push(TrustedRealm { realm: realm(hop), domain_sid: None });
    }
    (world.realms, world.trusted) = (realms, TrustedRealms::new(trusted));
    let own = world.authenticated();
    (world, own)
}

#[test]
fn ten_referrals_are_followed_and_the_eleventh_is_not() {
    // A ticket for the realm after the last one that is asked.
    let (mut world, own) = row(11);
    let last = PrincipalName::krbtgt(&Realm::new("HOP11.EXAMPLE").unwrap());
    assert!(world.obtain(&own.tgt, last).is_ok());
    assert_eq!(world.asked().len(), 11);

    let (mut world, own) = row(12);
    let last = PrincipalName::krbtgt(&Realm::new("HOP12.EXAMPLE").unwrap());
    let refused = world.obtain(&own.tgt, last).unwrap_err();
    assert_eq!(refused, ReferralError::TooMany { realm: Realm::new("HOP11.EXAMPLE").unwrap() }.into());
    assert_eq!(world.asked().len(), 11);
}
