//! Which KDC is asked, and when another one.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::loopback::{AS_REQ, Port, TGS_REQ};
use super::*;
use crate::error::{ErrorCode, ExchangeError, ReplyError};
use crate::exchange::{Exchange, Request, Step};
use crate::net::transport::TransportError;

fn quick(kdcs: Vec<Endpoint>) -> Client {
    let settings = Settings { exchange_timeout: Duration::from_secs(1), ..settings(kdcs) };
    Client::new(settings, password()).unwrap()
}

#[tokio::test]
async fn behind_a_closed_port_the_second_kdc_answers() {
    let second = shared().port().await;
    let client = client(vec![Port::closed().await, second.address.clone()]);
    assert_eq!(client.service_tgt().await.unwrap().kdc, second.address);
}

#[tokio::test]
async fn behind_a_frozen_kdc_the_second_answers_and_the_frozen_one_is_not_asked_again() {
    let kdc = shared();
    let (first, second) = (Port::frozen().await, kdc.port().await);
    let client = quick(vec![first.address.clone(), second.address.clone()]);
    assert_eq!(client.service_tgt().await.unwrap().kdc, second.address);
    client.s4u2self(&user("user1")).await.unwrap();
    assert_eq!((first.count(AS_REQ), first.count(TGS_REQ)), (1, 0));
    assert_eq!((second.count(AS_REQ), second.count(TGS_REQ)), (2, 1));
}

#[tokio::test]
async fn when_no_kdc_answers_each_is_named_with_its_failure() {
    let frozen = Port::frozen().await;
    let closed = Port::closed().await;
    let error = quick(vec![frozen.address.clone(), closed.clone()]).service_tgt().await.unwrap_err();
    let ClientError::KdcUnavailable { attempts } = error else { panic!("{error}") };
    let refused = TransportError::Connect(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(
        attempts,
        [
            // Asked beside the frozen one, and the first to fail.
            Attempt { kdc: closed, failure: refused.into() },
            Attempt { kdc: frozen.address.clone(), failure: TransportError::ExchangeTimeout.into() },
        ]
    );
}

#[tokio::test]
async fn a_kdc_whose_service_is_unavailable_is_passed_over() {
    let kdc = shared();
    let (first, second) = (kdc.port().await, kdc.port().await);
    kdc.lock().refuse_next(ErrorCode::KDC_ERR_SVC_UNAVAILABLE);
    let client = client(vec![first.address.clone(), second.address.clone()]);
    assert_eq!(client.service_tgt().await.unwrap().kdc, second.address);
    assert_eq!(first.count(AS_REQ), 1);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_at_one_kdc_only() {
    let kdc = shared();
    let (first, second) = (kdc.port().await, kdc.port().await);
    let wrong = Credential::Password(Zeroizing::new("wrong".to_owned()));
    let kdcs = vec![first.address.clone(), second.address.clone()];
    let error = Client::new(settings(kdcs), wrong).unwrap().service_tgt().await.unwrap_err();
    let code = ErrorCode::KDC_ERR_PREAUTH_FAILED;
    assert_eq!(
        error,
        ClientError::KdcRefused { stage: Stage::As, realm: realm(), code, status: None, text: None }
    );
    assert_eq!((first.count(AS_REQ), second.count(AS_REQ)), (2, 0));
}

#[tokio::test]
async fn a_wrong_key_is_not_shown_to_a_second_kdc_while_the_first_is_slow() {
    let kdc = shared();
    let proofs = Arc::new(AtomicUsize::new(0));
    // Each answers after it has become doubtful, and before it is given up.
    let slow = || {
        let (kdc, proofs) = (kdc.clone(), Arc::clone(&proofs));
        Port::slow(Duration::from_millis(800), move |request: &[u8]| {
            let answer = kdc.framed(request);
            // error-code [6] of a KRB-ERROR: KDC_ERR_PREAUTH_FAILED.
            let failed = answer.windows(5).any(|octets| octets == [0xa6, 3, 2, 1, 24]);
            proofs.fetch_add(usize::from(failed), Ordering::Relaxed);
            answer
        })
    };
    let (first, second) = (slow().await, slow().await);
    let wrong = Credential::Password(Zeroizing::new("wrong".to_owned()));
    let kdcs = vec![first.address.clone(), second.address.clone()];
    let error = Client::new(settings(kdcs), wrong).unwrap().service_tgt().await.unwrap_err();
    assert!(error.is_about_own_key(), "{error}");
    assert_eq!(proofs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_oversized_frame_is_refused_and_no_other_kdc_is_asked() {
    let second = shared().port().await;
    let first = Port::open(|_| u32::MAX.to_be_bytes().to_vec()).await;
    let error = client(vec![first.address.clone(), second.address.clone()]).service_tgt().await.unwrap_err();
    assert_eq!(error, ClientError::ReplyRefused(ReplyError::Malformed));
    assert_eq!(second.count(AS_REQ), 0);
}

#[tokio::test]
async fn a_forged_reply_is_refused_and_no_other_kdc_is_asked() {
    let kdc = shared();
    let (first, second) = (kdc.port().await, kdc.port().await);
    kdc.lock().hooks.bytes = Some(Box::new(|bytes| {
        // The last octet of an AS-REP belongs to its encrypted part.
        if bytes.first() == Some(&0x6b) {
            *bytes.last_mut().unwrap() ^= 1;
        }
    }));
    let error = client(vec![first.address.clone(), second.address.clone()]).service_tgt().await.unwrap_err();
    assert_eq!(error, ClientError::ReplyRefused(ReplyError::Decryption));
    assert_eq!((first.count(AS_REQ), second.count(AS_REQ)), (2, 0));
}

#[tokio::test]
async fn a_clock_that_differs_by_less_than_the_bound_is_corrected() {
    let kdc = shared();
    kdc.lock().set_clock_ahead(Duration::from_secs(120));
    let port = kdc.port().await;
    let client = client(vec![port.address.clone()]);
    assert_eq!(client.clock_offset(), None);
    let status = client.service_tgt().await.unwrap();
    assert_eq!(client.clock_offset(), Some(status.clock_offset));
    assert!(status.clock_offset.kdc_is_ahead());
    let distance = status.clock_offset.magnitude();
    assert!((118..=122).contains(&distance.as_secs()), "{distance:?}");
    client.s4u2self(&user("user1")).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_differs_by_more_than_the_bound_is_refused_by_name() {
    for ahead in [true, false] {
        let kdc = shared();
        if ahead {
            kdc.lock().set_clock_ahead(Duration::from_secs(600));
        } else {
            kdc.lock().set_clock_behind(Duration::from_secs(600));
        }
        let port = kdc.port().await;
        let client = client(vec![port.address.clone()]);
        let error = client.service_tgt().await.unwrap_err();
        let ClientError::ClockSkew { offset, .. } = error else { panic!("{error}") };
        assert_eq!(offset.kdc_is_ahead(), ahead);
        assert!((598..=602).contains(&offset.magnitude().as_secs()), "{offset}");
        assert_eq!(client.clock_offset(), None);
    }
}

#[tokio::test]
async fn a_request_for_a_realm_without_kdcs_is_refused_and_nobody_is_asked() {
    let port = shared().port().await;
    let elsewhere = Realm::new("ELSEWHERE.EXAMPLE").unwrap();
    let deadlines = Deadlines { connect: Duration::from_secs(1), exchange: Duration::from_secs(1) };
    let kdcs = Kdcs::new([(realm(), vec![port.address.clone()])].into(), deadlines);
    let error = kdcs.run(Stage::Tgs, |_, _| Ok(hop(&elsewhere, &[]))).await.unwrap_err();
    assert_eq!(error, ClientError::NoKdc { realm: elsewhere });
    assert_eq!(port.count(TGS_REQ), 0);
}

#[tokio::test]
async fn every_request_goes_to_a_kdc_of_its_realm() {
    let (first, second) = (shared().port().await, shared().port().await);
    let (here, there) = (realm(), Realm::new("ELSEWHERE.EXAMPLE").unwrap());
    let deadlines = Deadlines { connect: Duration::from_secs(1), exchange: Duration::from_secs(1) };
    let closed = Port::closed().await;
    let lists = [
        (here.clone(), vec![first.address.clone()]),
        (there.clone(), vec![closed.clone(), second.address.clone()]),
    ];
    let kdcs = Kdcs::new(lists.into(), deadlines);
    let route = [there.clone(), here.clone()];
    let (replies, asked) = kdcs.run(Stage::Tgs, |_, _| Ok(hop(&here, &route))).await.unwrap();
    assert_eq!(replies, 3);
    assert_eq!(asked, [(here, first.address.clone()), (there, second.address.clone())].into());
    // The exchange began anew when the first KDC of the other realm did not answer.
    assert_eq!((first.count(TGS_REQ), second.count(TGS_REQ)), (3, 1));
}

/// An exchange that asks one realm after the other and counts the replies.
#[derive(Debug)]
struct Hops {
    left: Vec<Realm>,
    replies: usize,
}

fn hop(first: &Realm, then: &[Realm]) -> (Hops, Request) {
    let left = then.iter().rev().cloned().collect();
    (Hops { left, replies: 0 }, Request { realm: first.clone(), bytes: vec![TGS_REQ] })
}

impl Exchange for Hops {
    type Output = usize;

    fn step<R: rand_core::CryptoRng + ?Sized>(
        mut self,
        _reply: &[u8],
        _now: SystemTime,
        _rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        self.replies += 1;
        match self.left.pop() {
            None => Ok(Step::Done(self.replies)),
            Some(realm) => {
                Ok(Step::Send { request: Request { realm, bytes: vec![TGS_REQ] }, exchange: self })
            }
        }
    }
}
