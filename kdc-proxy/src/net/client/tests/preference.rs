//! One domain controller for all steps of a login, and its last word.

use super::loopback::{Port, TGS_REQ};
use super::*;
use crate::error::ErrorCode;
use crate::net::locate::KdcAddress;

/// The same port under a name of its own.
fn named(host: &str, port: &Port) -> Endpoint {
    let Endpoint::Tcp(kdc) = &port.address else { panic!("a port of loopback") };
    KdcAddress::new(host, kdc.port()).unwrap().at(vec!["127.0.0.1".parse().unwrap()]).into()
}

fn near(host: &str) -> Preference {
    Preference::new(host, Vec::new())
}

/// Two domain controllers of which the first refuses every ticket for a user with this code.
struct Two {
    refusing: Port,
    good: Port,
    client: Client,
}

impl Two {
    async fn new(code: ErrorCode) -> Self {
        let kdc = shared();
        let answering = kdc.clone();
        let refusing = Port::open(move |request| {
            if request.first() == Some(&TGS_REQ) {
                answering.lock().refuse_next(code);
            }
            answering.framed(request)
        })
        .await;
        let good = kdc.port().await;
        let kdcs = vec![named("dc1", &refusing), named("dc2", &good)];
        let client =
            Client::new(Settings { exchange_timeout: Duration::from_secs(1), ..settings(kdcs) }, password());
        let client = client.unwrap();
        client.service_tgt().await.unwrap();
        Self { refusing, good, client }
    }

    /// Has the good one be passed over, as after a failure.
    fn good_has_failed(&self) {
        self.client.kdcs.failed(&realm(), &named("dc2", &self.good), "for the test");
    }

    /// How many tickets for users each was asked for.
    fn asked(&self) -> (usize, usize) {
        (self.refusing.count(TGS_REQ), self.good.count(TGS_REQ))
    }
}

#[tokio::test]
async fn all_tickets_of_a_login_come_from_the_preferred_domain_controller() {
    let kdc = shared();
    let (first, second) = (kdc.port().await, kdc.port().await);
    let client = client(vec![named("dc1", &first), named("dc2", &second)]);
    let evidence = client.s4u2self_near(&user("user1"), &near("DC2.")).await.unwrap();
    let desk = name("TERMSRV/desk1.corp.example");
    client.s4u2proxy_near(&evidence, &desk, Duration::from_secs(3600), &near("dc2")).await.unwrap();
    assert_eq!((first.count(TGS_REQ), second.count(TGS_REQ)), (0, 2));
}

#[tokio::test]
async fn a_preferred_domain_controller_that_fails_does_not_fail_the_login() {
    let kdc = shared();
    let (first, frozen) = (kdc.port().await, Port::frozen().await);
    let client = client(vec![named("dc1", &first), named("dc2", &frozen)]);
    client.s4u2self_near(&user("user1"), &near("dc2")).await.unwrap();
    assert_eq!((first.count(TGS_REQ), frozen.count(TGS_REQ)), (1, 1));
    client.s4u2self_near(&user("user2"), &near("dc2")).await.unwrap();
    assert_eq!((first.count(TGS_REQ), frozen.count(TGS_REQ)), (2, 1));
}

#[tokio::test]
async fn what_another_domain_controller_does_not_know_yet_is_asked_of_the_preferred_one() {
    for code in [ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, ErrorCode::KRB_AP_ERR_MODIFIED] {
        let two = Two::new(code).await;
        two.good_has_failed();
        two.client.s4u2self_near(&user("user1"), &near("dc2")).await.unwrap();
        assert_eq!(two.asked(), (1, 1), "{code}");
    }
}

#[tokio::test]
async fn the_refusal_of_the_preferred_domain_controller_is_final() {
    let two = Two::new(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN).await;
    let error = two.client.s4u2self_near(&user("user1"), &near("dc1")).await.unwrap_err();
    assert!(error.may_be_about_replication(), "{error}");
    assert_eq!(two.asked(), (1, 0));
}

#[tokio::test]
async fn a_user_whom_no_domain_controller_knows_is_asked_for_once_at_each_of_two() {
    let two = Two::new(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN).await;
    two.good_has_failed();
    let error = two.client.s4u2self_near(&user("nobody"), &near("dc2")).await.unwrap_err();
    assert!(error.may_be_about_replication(), "{error}");
    assert_eq!(two.asked(), (1, 1));
}

#[tokio::test]
async fn a_refusal_that_is_no_matter_of_replication_is_not_taken_elsewhere() {
    let two = Two::new(ErrorCode::KDC_ERR_CLIENT_REVOKED).await;
    two.good_has_failed();
    let error = two.client.s4u2self_near(&user("user1"), &near("dc2")).await.unwrap_err();
    let ClientError::KdcRefused { code, .. } = error else { panic!("{error}") };
    assert_eq!((code, two.asked()), (ErrorCode::KDC_ERR_CLIENT_REVOKED, (1, 0)));
}

#[tokio::test]
async fn a_refusal_stands_when_the_preferred_domain_controller_has_nothing_to_say() {
    let two = Two::new(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN).await;
    let frozen = Port::frozen().await;
    let kdcs = vec![named("dc1", &two.refusing), named("dc2", &frozen)];
    two.client.set_kdcs(&realm(), kdcs).unwrap();
    two.client.kdcs.failed(&realm(), &named("dc2", &frozen), "for the test");
    let error = two.client.s4u2self_near(&user("user1"), &near("dc2")).await.unwrap_err();
    assert!(error.may_be_about_replication(), "{error}");
    assert_eq!((two.refusing.count(TGS_REQ), frozen.count(TGS_REQ)), (1, 1));
}
