//! Logging in to the directory, and being refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn refusing(asked: &Asked) -> Vec<Answer> {
    match asked {
        Asked::Bind { .. } | Asked::ExternalBind { .. } => vec![Answer::Bound(49, "error, data 775, v4563")],
        _ => vec![Answer::Close],
    }
}

#[tokio::test]
async fn a_refused_service_account_is_not_tried_again_anywhere() {
    let ca = Ca::new();
    let (one, two) =
        (Server::start(&ca, NAME, refusing).await, Server::start(&ca, "dc2.corp.example", ordinary()).await);
    let directory = open(settings(&ca, &[&one, &two]));
    for _ in 0..3 {
        let error = directory.account_by_upn(&alice()).await.unwrap_err();
        let DirectoryError::BindRefused { server, reason } = error else { panic!("{error}") };
        assert_eq!((NAME, BindRefusal::Locked), (server.as_str(), reason));
    }
    assert_eq!((1, 0), (one.binds(), two.binds()));
}

#[tokio::test]
async fn many_logins_at_once_try_a_wrong_password_once() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, refusing).await;
    let directory = open(Settings { pool_size: 8, ..settings(&ca, &[&server]) });
    let login = || async { directory.account_by_upn(&alice()).await.is_err() };
    assert_eq!((true, true, true, true), tokio::join!(login(), login(), login(), login()));
    assert_eq!(1, server.binds());
}

#[tokio::test]
async fn many_logins_at_once_try_a_password_that_has_become_wrong_once() {
    let ca = Ca::new();
    let (changed, ordinary) = (Arc::new(AtomicBool::new(false)), ordinary());
    let is_changed = Arc::clone(&changed);
    let server = Server::start(&ca, NAME, move |asked: &Asked| {
        if is_changed.load(Ordering::SeqCst) { refusing(asked) } else { ordinary(asked) }
    })
    .await;
    let directory = open(Settings { pool_size: 8, ..settings(&ca, &[&server]) });
    directory.account_by_upn(&alice()).await.unwrap();
    changed.store(true, Ordering::SeqCst);
    let login = || async { directory.account_by_upn(&alice()).await.is_err() };
    assert_eq!((true, true, true, true), tokio::join!(login(), login(), login(), login()));
    assert_eq!(2, server.binds(), "the good one and one bad one");
}

#[tokio::test]
async fn a_server_that_is_too_busy_to_bind_is_passed_over() {
    let ca = Ca::new();
    let busy = |_: &Asked| vec![Answer::Bound(51, "")];
    let (one, two) =
        (Server::start(&ca, NAME, busy).await, Server::start(&ca, "dc2.corp.example", ordinary()).await);
    open(settings(&ca, &[&one, &two])).account_by_upn(&alice()).await.unwrap();
}

#[tokio::test]
async fn an_external_bind_presents_the_certificate() {
    let ca = Ca::new();
    let (certificate, key) = ca.issue("svc.corp.example");
    let server = Server::start(&ca, NAME, ordinary()).await;
    let bind = Bind::External { certificates: vec![certificate], key };
    open(Settings { bind, ..settings(&ca, &[&server]) }).account_by_upn(&alice()).await.unwrap();
    assert_eq!(Asked::ExternalBind { certificate: true }, server.asked()[0]);
}
