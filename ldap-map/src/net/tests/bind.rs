//! Logging in to the directory, and being refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use std::pin::Pin;
use std::sync::Mutex;

use super::*;
use crate::net::directory::Passwords;

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

/// Passwords as somebody leaves them: those of now, and those of later.
struct Left {
    known: Mutex<Vec<&'static str>>,
    later: Mutex<Option<Vec<&'static str>>>,
}

impl Passwords for Left {
    fn known(&self) -> Vec<Zeroizing<String>> {
        self.known.lock().unwrap().iter().map(|word| Zeroizing::new((*word).to_owned())).collect()
    }

    fn renew(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async {
            let later = self.later.lock().unwrap().take();
            let is_new = later.is_some();
            if let Some(later) = later {
                *self.known.lock().unwrap() = later;
            }
            is_new
        })
    }
}

/// A directory that accepts the password "right" alone, and how often a wrong one was presented before it was found.
async fn binds_until_found(known: &[&'static str], later: Option<&[&'static str]>) -> (bool, usize) {
    let ca = Ca::new();
    let ordinary = ordinary();
    let server = Server::start(&ca, NAME, move |asked: &Asked| match asked {
        Asked::Bind { password, .. } if password != "right" => {
            vec![Answer::Bound(49, "error, data 52e, v4563")]
        }
        _ => ordinary(asked),
    })
    .await;
    let left = Left { known: Mutex::new(known.to_vec()), later: Mutex::new(later.map(<[_]>::to_vec)) };
    let bind = Bind::Changing { name: "svc@corp.example".to_owned(), passwords: Arc::new(left) };
    let directory = open(Settings { bind, ..settings(&ca, &[&server]) });
    let found = directory.account_by_upn(&alice()).await.is_ok();
    (found, server.binds())
}

#[tokio::test]
async fn while_a_password_changes_either_of_the_two_binds() {
    assert_eq!((true, 1), binds_until_found(&["right", "next"], None).await);
    assert_eq!((true, 2), binds_until_found(&["former", "right"], None).await);
}

#[tokio::test]
async fn a_password_that_was_replaced_is_looked_for_once_the_known_one_is_refused() {
    assert_eq!((true, 2), binds_until_found(&["former"], Some(&["right"])).await);
    assert_eq!((true, 4), binds_until_found(&["former", "wrong"], Some(&["wrong", "right"])).await);
}

#[tokio::test]
async fn no_more_than_two_passwords_are_tried_between_two_looks() {
    assert_eq!((false, 2), binds_until_found(&["one", "two", "right"], None).await);
    assert_eq!((false, 4), binds_until_found(&["one", "two"], Some(&["three", "four", "right"])).await);
}

#[tokio::test]
async fn a_changed_credential_is_tried_at_once_although_the_former_was_refused() {
    let ca = Ca::new();
    let (changed, ordinary) = (Arc::new(AtomicBool::new(false)), ordinary());
    let is_changed = Arc::clone(&changed);
    let server = Server::start(&ca, NAME, move |asked: &Asked| {
        if is_changed.load(Ordering::SeqCst) { ordinary(asked) } else { refusing(asked) }
    })
    .await;
    let directory = open(settings(&ca, &[&server]));
    directory.account_by_upn(&alice()).await.unwrap_err();
    changed.store(true, Ordering::SeqCst);
    directory.account_by_upn(&alice()).await.unwrap_err();
    directory.credential_changed();
    directory.account_by_upn(&alice()).await.unwrap();
}
