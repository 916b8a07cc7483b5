//! The service's own password and keys change while logins run.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::loopback::{AS_REQ, Port};
use super::*;
use crate::error::{ErrorCode, EvidenceError, KpasswdError, KpasswdResult};
use crate::exchange::kpasswd::Form;
use crate::message::types::{Ticket, decode, encode, encoded};
use crate::net::transport::TransportError;

const NEXT: &str = "the next horse, another staple";
const HOUR: Duration = Duration::from_secs(3600);

/// A source that gives out what was put into it, one after another, and counts how often it was asked.
#[derive(Default)]
struct Queue {
    credentials: Mutex<VecDeque<Credential>>,
    asked: AtomicUsize,
}

impl CredentialSource for Queue {
    fn latest(&self) -> Pin<Box<dyn Future<Output = Option<Credential>> + Send + '_>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.credentials.lock().unwrap().pop_front() })
    }
}

fn queue(credentials: impl IntoIterator<Item = Credential>) -> Arc<Queue> {
    Arc::new(Queue { credentials: Mutex::new(credentials.into_iter().collect()), ..Queue::default() })
}

fn of(password: &str) -> Credential {
    Credential::Password(Zeroizing::new(password.to_owned()))
}

fn change_at(kdc: &SharedKdc, password: &str) {
    kdc.lock().account_mut("svc-broker").unwrap().set_password(password, &realm());
}

fn desk1() -> PrincipalName {
    name("TERMSRV/desk1.corp.example")
}

#[tokio::test]
async fn a_login_after_a_change_of_the_password_takes_the_newer_credential_and_succeeds() {
    let kdc = shared();
    let port = kdc.port().await;
    let source = queue([of(NEXT)]);
    let client = client(vec![port.address.clone()]).with_credential_source(Arc::<Queue>::clone(&source));
    client.s4u2self(&user("user1")).await.unwrap();
    assert_eq!(source.asked.load(Ordering::Relaxed), 0, "nothing is read while all is well");
    change_at(&kdc, NEXT);
    // The ticket-granting ticket is still good, but the evidence comes under a key we do not have.
    let evidence = client.s4u2self(&user("user2")).await.unwrap();
    client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert_eq!(source.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn evidence_under_the_old_key_is_obtained_anew_without_asking_in_vain() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    change_at(&kdc, NEXT);
    // Evidence carries whole seconds: the change must show in them.
    kdc.lock().set_clock_ahead(Duration::from_secs(2));
    client.replace_credential(of(NEXT)).await.unwrap();
    let before = kdc.lock().refusals();
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert_eq!(ticket.client(), &user("user1"));
    assert_eq!(kdc.lock().refusals(), before, "the old evidence was not sent");
}

#[tokio::test]
async fn evidence_under_the_old_key_that_a_kdc_refuses_is_obtained_anew_with_the_newer_credential() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]).with_credential_source(queue([of(NEXT)]));
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    change_at(&kdc, NEXT);
    let ticket = client.s4u2proxy(&evidence, &desk1(), HOUR).await.unwrap();
    assert_eq!(ticket.client(), &user("user1"));
}

#[tokio::test]
async fn many_logins_at_once_take_the_newer_credential_once() {
    let kdc = SharedKdc::new(kdc_with_users(30));
    let port = kdc.port().await;
    let source = queue([of(NEXT)]);
    let client =
        Arc::new(client(vec![port.address.clone()]).with_credential_source(Arc::<Queue>::clone(&source)));
    client.service_tgt().await.unwrap();
    change_at(&kdc, NEXT);
    let logins: Vec<_> = (1..=30)
        .map(|index| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.s4u2self(&user(&format!("user{index}"))).await })
        })
        .collect();
    for login in logins {
        login.await.unwrap().unwrap();
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    assert_eq!(port.count(AS_REQ), 4);
}

#[tokio::test]
async fn a_credential_the_kdc_does_not_accept_is_not_taken_over() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let before = client.service_tgt().await.unwrap();
    let error = client.replace_credential(of("wrong")).await.unwrap_err();
    assert!(matches!(error, ReplaceError::Client(error) if error.is_about_own_key()));
    assert_eq!(client.service_tgt().await.unwrap(), before);
    client.s4u2self(&user("user1")).await.unwrap();
    let other = keytab("somebody", Etype::Aes256);
    assert!(matches!(client.replace_credential(other).await, Err(ReplaceError::Settings(_))));
}

#[tokio::test]
async fn a_credential_nobody_could_judge_is_tried_again() {
    let kdc = shared();
    let port = kdc.port().await;
    let closed = Port::closed().await;
    let client =
        Client::new(settings(vec![closed]), password()).unwrap().with_credential_source(queue([of(NEXT)]));
    assert!(
        matches!(client.renew_credential().await, Err(ReplaceError::Client(error)) if error.is_unavailable())
    );
    // The same client cannot learn of another KDC: that the credential is not lost shows in a second refusal.
    assert!(client.renew_credential().await.is_err());
    let client = super::client(vec![port.address.clone()]).with_credential_source(queue([]));
    assert_eq!(client.renew_credential().await, Ok(Renewal::Unchanged));
}

#[tokio::test]
async fn a_credential_that_was_refused_too_early_is_tried_again_once_the_present_one_is_refused() {
    let kdc = SharedKdc::new(kdc_with_users(3));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]).with_credential_source(queue([of(NEXT)]));
    client.s4u2self(&user("user1")).await.unwrap();
    // The change was made at another domain controller and is not known here.
    assert!(
        matches!(client.renew_credential().await, Err(ReplaceError::Client(error)) if error.is_about_own_key())
    );
    client.s4u2self(&user("user2")).await.unwrap();
    change_at(&kdc, NEXT);
    client.s4u2self(&user("user3")).await.unwrap();
}

#[tokio::test]
async fn a_client_pauses_no_longer_once_it_has_the_right_credential() {
    let kdc = shared();
    let port = kdc.port().await;
    change_at(&kdc, NEXT);
    let client = client(vec![port.address.clone()]);
    assert!(client.service_tgt().await.unwrap_err().is_about_own_key());
    client.replace_credential(of(NEXT)).await.unwrap();
    client.service_tgt().await.unwrap();
}

#[tokio::test]
async fn after_a_refusal_only_the_newest_key_is_tried_again() {
    let kdc = shared();
    let port = kdc.port().await;
    let next = Zeroizing::new("wrong too".to_owned());
    let wrong = Credential::Changing { present: Box::new(of("wrong")), next };
    let client = Client::new(settings(vec![port.address.clone()]), wrong).unwrap();
    client.service_tgt().await.unwrap_err();
    assert_eq!(port.count(AS_REQ), 3, "asked, and proved twice");
    client.authenticate().await.unwrap_err();
    assert_eq!(port.count(AS_REQ), 5, "asked, and proved once");
}

/// A port of the password service in front of `kdc`; what it answers is changed by `answer`, an empty answer closes.
async fn password_port(kdc: &SharedKdc, answer: fn(Vec<u8>) -> Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, kdc) = (listener.local_addr().unwrap().port(), kdc.clone());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; usize::try_from(stream.read_u32().await.unwrap()).unwrap()];
            stream.read_exact(&mut request).await.unwrap();
            let reply = answer(kdc.lock().answer_kpasswd(&request, system::now(), &mut system::random()));
            if !reply.is_empty() {
                stream.write_u32(u32::try_from(reply.len()).unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        }
    });
    port
}

async fn change(
    kdc: &SharedKdc,
    password: &str,
    answer: fn(Vec<u8>) -> Vec<u8>,
) -> (Port, Client, Result<(), ChangeError>) {
    let port = kdc.port().await;
    let service = password_port(kdc, answer).await;
    let client = client(vec![port.address.clone()]);
    let password = Zeroizing::new(password.to_owned());
    let outcome = client.change_password(&password, Form::Change, service).await;
    let client = client.pinned_to(&port.address, of(&password)).unwrap();
    (port, client, outcome)
}

#[tokio::test]
async fn the_password_is_changed_and_its_keys_and_their_version_are_known() {
    let kdc = shared();
    let (_port, client, outcome) = change(&kdc, NEXT, |reply| reply).await;
    outcome.unwrap();
    assert_eq!(client.own_key_version().await, Ok(Some(4)));
    let keys = client.keys_of_password().await.unwrap();
    assert_eq!(keys.iter().map(Key::etype).collect::<Vec<_>>(), [Etype::Aes256, Etype::Aes128]);
    let expected = Key::from_password(Etype::Aes256, NEXT, b"CORP.EXAMPLEsvc-broker", None).unwrap();
    assert!(keys[0].is_same(&expected));
}

#[tokio::test]
async fn a_refusal_of_the_policy_is_final_and_the_old_password_serves_on() {
    let kdc = shared();
    let (_port, client, outcome) = change(&kdc, "short", |reply| reply).await;
    let ChangeError::Refused(refusal) = outcome.unwrap_err() else { panic!("not refused") };
    assert_eq!(refusal.result, KpasswdResult::SoftError);
    assert!(client.service_tgt().await.unwrap_err().is_about_own_key());
}

#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_unknown_and_the_password_tells() {
    let kdc = shared();
    let (_port, client, outcome) = change(&kdc, NEXT, |_| Vec::new()).await;
    let ChangeError::Unknown { cause, .. } = outcome.unwrap_err() else { panic!("known") };
    assert!(matches!(cause, UnknownCause::Transport(TransportError::Broken(_))), "{cause}");
    client.service_tgt().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_fails_a_check_leaves_the_outcome_unknown() {
    let kdc = shared();
    let (_port, _, outcome) = change(&kdc, NEXT, |mut reply| {
        *reply.last_mut().unwrap() ^= 1;
        reply
    })
    .await;
    let ChangeError::Unknown { cause, .. } = outcome.unwrap_err() else { panic!("known") };
    assert!(matches!(cause, UnknownCause::Answer(KpasswdError::Reply(_))), "{cause}");
}

#[tokio::test]
async fn without_a_password_service_nothing_is_asked() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let Endpoint::Tcp(closed) = Port::closed().await else { panic!("a port of loopback") };
    let password = Zeroizing::new(NEXT.to_owned());
    let error = client.change_password(&password, Form::Change, closed.port()).await.unwrap_err();
    assert!(matches!(error, ChangeError::NotReached { .. }), "{error}");
    client.service_tgt().await.unwrap();
}

#[tokio::test]
async fn without_a_ticket_nothing_is_asked() {
    let kdc = shared();
    let port = kdc.port().await;
    kdc.lock().refuse_next(ErrorCode::KDC_ERR_CLIENT_REVOKED);
    let client = client(vec![port.address.clone()]);
    let password = Zeroizing::new(NEXT.to_owned());
    let error = client.change_password(&password, Form::Change, KPASSWD_PORT).await.unwrap_err();
    assert!(matches!(error, ChangeError::NoTicket(_)), "{error}");
}

#[tokio::test]
async fn the_versions_of_a_keytab_are_told_and_a_password_has_none() {
    let mut keytab = Keytab::default();
    for (principal, kvno) in [("svc-broker", 3), ("SVC-BROKER", 4), ("svc-broker", 4), ("other", 9)] {
        keytab.push(user(principal), kvno, 0, Key::new(Etype::Aes256, &[7; 32]).unwrap());
    }
    let nobody = settings(vec!["127.0.0.1:1".parse().unwrap()]);
    let client = Client::new(nobody.clone(), Credential::Keytab(keytab)).unwrap();
    assert_eq!(client.key_versions(), Some(vec![4, 3]));
    assert_eq!(Client::new(nobody, of(PASSWORD)).unwrap().key_versions(), None);
}

#[tokio::test]
async fn a_ticket_of_our_own_that_is_not_forwardable_can_be_forgotten() {
    let kdc = shared();
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    kdc.lock().account_mut("svc-broker").unwrap().set_sensitive(true);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    assert!(!evidence.is_forwardable());
    kdc.lock().account_mut("svc-broker").unwrap().set_sensitive(false);
    let stale = client.s4u2self(&user("user1")).await.unwrap();
    assert!(!stale.is_forwardable(), "the ticket-granting ticket is still the old one");
    client.forget_unforwardable_ticket();
    let before = port.count(AS_REQ);
    let evidence = client.s4u2self(&user("user1")).await.unwrap();
    assert!(evidence.is_forwardable() && port.count(AS_REQ) > before);
    let before = port.count(AS_REQ);
    client.forget_unforwardable_ticket();
    client.s4u2self(&user("user1")).await.unwrap();
    assert_eq!(port.count(AS_REQ), before, "a ticket that is of use is kept");
}

#[tokio::test]
async fn a_refused_credential_is_not_shown_again_at_every_login() {
    let kdc = SharedKdc::new(kdc_with_users(20));
    let port = kdc.port().await;
    change_at(&kdc, "nobody here knows it");
    let client = client(vec![port.address.clone()]).with_credential_source(queue([of(NEXT)]));
    for index in 1..=20 {
        let error = client.s4u2self(&user(&format!("user{index}"))).await.unwrap_err();
        assert!(error.is_about_own_key(), "{error}");
    }
    assert_eq!(port.count(AS_REQ), 4, "asked and proved with the present one, and with the newer one");
}

#[tokio::test]
async fn a_refused_credential_is_tried_again_at_once_only_where_our_key_is_known_to_have_changed() {
    let kdc = SharedKdc::new(kdc_with_users(20));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]).with_credential_source(queue([of(NEXT)]));
    client.service_tgt().await.unwrap();
    change_at(&kdc, "nobody here knows it");
    for index in 1..=20 {
        client.s4u2self(&user(&format!("user{index}"))).await.unwrap_err();
    }
    assert_eq!(
        port.count(AS_REQ),
        8,
        "the first ticket, the newer credential twice, and the present one once"
    );
}

#[tokio::test]
async fn a_credential_is_not_lost_with_the_login_that_was_trying_it() {
    let kdc = SharedKdc::new(kdc_with_users(3));
    let (frozen, port) = (Port::frozen().await, kdc.port().await);
    let client = client(vec![port.address.clone()]).with_credential_source(queue([of(NEXT)]));
    client.service_tgt().await.unwrap();
    change_at(&kdc, NEXT);
    client.set_kdcs(&realm(), vec![frozen.address.clone()]).unwrap();
    let given_up = tokio::select! {
        _ = client.renew_credential() => false,
        () = frozen.asked() => true,
    };
    assert!(given_up);
    client.set_kdcs(&realm(), vec![port.address.clone()]).unwrap();
    client.s4u2self(&user("user1")).await.unwrap();
}

#[tokio::test]
async fn a_credential_of_an_account_that_is_locked_is_not_lost() {
    let kdc = SharedKdc::new(kdc_with_users(3));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]).with_credential_source(queue([of(NEXT)]));
    client.service_tgt().await.unwrap();
    change_at(&kdc, NEXT);
    kdc.lock().refuse_next(ErrorCode::KDC_ERR_CLIENT_REVOKED);
    client.renew_credential().await.unwrap_err();
    client.s4u2self(&user("user1")).await.unwrap();
}

#[tokio::test]
async fn a_password_that_was_changed_elsewhere_is_told_as_such_and_not_as_a_forged_reply() {
    let kdc = SharedKdc::new(kdc_with_users(9));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    let before = client.service_tgt().await.unwrap();
    change_at(&kdc, NEXT);
    for index in 1..=9 {
        let error = client.s4u2self(&user(&format!("user{index}"))).await.unwrap_err();
        assert!(error.is_about_own_key(), "{error}");
    }
    assert_eq!(port.count(AS_REQ), 4, "our key was shown once");
    assert_eq!(client.service_tgt().await.unwrap(), before, "another KDC may not know of the change yet");
}

#[tokio::test]
async fn a_ticket_that_our_proven_key_does_not_open_is_a_forged_reply_and_costs_one_proof() {
    let kdc = SharedKdc::new(kdc_with_users(9));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    client.service_tgt().await.unwrap();
    kdc.lock().hooks.reply = Some(Box::new(|reply| {
        let mut ticket: Ticket = decode(reply.ticket.as_bytes()).unwrap();
        ticket.enc_part.cipher = vec![7; 64].into();
        if reply.msg_type == 13 {
            reply.ticket = encoded(&encode(&ticket));
        }
    }));
    for index in 1..=9 {
        let error = client.s4u2self(&user(&format!("user{index}"))).await.unwrap_err();
        assert_eq!(error, ClientError::ReplyRefused(EvidenceError::TicketDecryption.into()));
    }
    assert_eq!(port.count(AS_REQ), 4);
}
