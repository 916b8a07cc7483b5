//! Referrals that lead in a circle, back, or to nowhere: each ends after the requests it could not do without, and the next
//! honest answer is taken.

use super::super::across::{World, beta, of_beta};
use super::*;
use crate::error::ReferralError;

fn referral(stage: Stage, error: ReferralError) -> ClientError {
    ClientError::Referral { stage, referral: error }
}

/// Every ticket of the KDC of `at` is one for `server`, in its own words and on the ticket.
fn rename(world: &World, at: &Realm, server: &'static str) {
    let mut realms = world.realms.lock().unwrap();
    let kdc = realms.kdc(at).unwrap();
    kdc.hooks.part = Some(Box::new(move |part| part.sname = (&name(server)).into()));
    kdc.hooks.reply = Some(Box::new(move |reply| {
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        ticket.sname = (&name(server)).into();
        reply.ticket = encoded(&encode(&ticket));
    }));
}

fn be_honest(world: &World) {
    let mut realms = world.realms.lock().unwrap();
    for at in [realm(), beta()] {
        realms.kdc(&at).unwrap().hooks = Hooks::default();
    }
}

fn gamma() -> Realm {
    Realm::new("GAMMA.EXAMPLE").unwrap()
}

#[tokio::test]
async fn a_referral_loop_on_the_way_to_a_service_is_left_at_the_realm_that_was_asked_before() {
    let world = World::new().await;
    let client = world.client();
    {
        let mut realms = world.realms.lock().unwrap();
        let routed = std::mem::take(&mut *realms).route(&realm(), &gamma(), &beta());
        *realms = routed.route(&beta(), &gamma(), &realm());
    }
    let error = client.service_ticket(&name("TERMSRV/desk.gamma.example"), HOUR).await.unwrap_err();
    assert_eq!(error, referral(Stage::Tgs, ReferralError::Visited { realm: realm() }));
    assert_eq!(world.asked(), (1, 1));
    client.service_ticket(&name("TERMSRV/desk.beta.example"), HOUR).await.unwrap();
}

#[tokio::test]
async fn a_referral_loop_at_s4u2self_is_left_at_the_first_realm_that_comes_again() {
    let world = World::new().await;
    let client = world.client();
    client.s4u2self(&of_beta("user1")).await.unwrap();
    client.cache().clear();
    let before = world.asked();
    for (at, server, expected, requests) in [
        (
            realm(),
            "krbtgt/BETA.EXAMPLE",
            referral(Stage::S4u2Self, ReferralError::Visited { realm: beta() }),
            (1, 1),
        ),
        (realm(), "krbtgt/CORP.EXAMPLE", reply(ReplyError::UnaskedTicketGranting), (1, 1)),
        (beta(), "krbtgt/BETA.EXAMPLE", reply(ReplyError::UnaskedTicketGranting), (0, 1)),
        (
            beta(),
            "krbtgt/GAMMA.EXAMPLE",
            referral(Stage::S4u2Self, ReferralError::NotConfigured { realm: gamma() }),
            (0, 1),
        ),
    ] {
        let before = world.asked();
        rename(&world, &at, server);
        let error = client.s4u2self(&of_beta("user1")).await.unwrap_err();
        assert_eq!(error, expected, "{server} at {at}");
        let after = world.asked();
        assert_eq!((after.0 - before.0, after.1 - before.1), requests, "{server} at {at}");
        assert!(client.cache().evidence(&of_beta("user1"), system::now()).is_none());
        be_honest(&world);
    }
    client.s4u2self(&of_beta("user1")).await.unwrap();
    assert!(world.asked() > before);
}

#[tokio::test]
async fn a_referral_loop_at_s4u2proxy_is_left_at_the_first_realm_that_comes_again() {
    let world = World::new().await;
    let client = world.client();
    let desk = name("TERMSRV/desk.beta.example");
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    for (at, server, expected) in [
        (realm(), "krbtgt/CORP.EXAMPLE", reply(ReplyError::UnaskedTicketGranting)),
        (
            realm(),
            "krbtgt/GAMMA.EXAMPLE",
            referral(Stage::S4u2Proxy, ReferralError::NotConfigured { realm: gamma() }),
        ),
        (beta(), "krbtgt/BETA.EXAMPLE", reply(ReplyError::UnaskedTicketGranting)),
        (
            beta(),
            "krbtgt/CORP.EXAMPLE",
            referral(Stage::S4u2Proxy, ReferralError::Visited { realm: realm() }),
        ),
    ] {
        // The ticket in our own name for beta is there already, so that only the delegation is lied about.
        client.s4u2proxy(&evidence, &desk, HOUR).await.unwrap();
        client.cache().clear();
        rename(&world, &at, server);
        let error = client.s4u2proxy(&evidence, &desk, HOUR).await.unwrap_err();
        assert_eq!(error, expected, "{server} at {at}");
        be_honest(&world);
    }
    client.s4u2proxy(&evidence, &desk, HOUR).await.unwrap();
}
