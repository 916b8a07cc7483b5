//! Against servers on loopback that answer as recorded, or badly, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::message::kdc_proxy::encode_request;
use crate::vectors;

const LIMITS: Limits = Limits {
    attempt: Deadlines { connect: Duration::from_secs(2), exchange: Duration::from_millis(200) },
    overall: Duration::from_secs(10),
};

/// A server that answers every message with these octets, a frame put before them.
struct Server {
    address: KdcAddress,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn answering(answer: Vec<u8>) -> Self {
        let frame = u32::try_from(answer.len()).unwrap().to_be_bytes();
        Self::writing([&frame[..], &answer].concat()).await
    }

    async fn writing(octets: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let length = stream.read_u32().await.unwrap();
                let mut message = vec![0; usize::try_from(length).unwrap()];
                stream.read_exact(&mut message).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let octets = octets.clone();
                tokio::spawn(async move {
                    stream.write_all(&octets).await.unwrap();
                    // Until the client has enough.
                    drop(stream.read(&mut [0]).await);
                });
            }
        });
        Self { address, asked }
    }

    async fn frozen() -> Self {
        Self::writing(Vec::new()).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").unwrap()
}

/// The second round of the recorded login: an AS-REQ and the reply with its ticket.
fn recorded(round: usize) -> (ProxyRequest, Vec<u8>) {
    let line = vectors::SAMBA_LOGIN.lines().nth(1 + round).unwrap();
    let (request, reply) = line.split_once(' ').unwrap();
    let body = encode_request(&realm(), &vectors::bytes(request)).unwrap();
    (ProxyRequest::parse(&body).unwrap(), vectors::bytes(reply))
}

fn relay(kdcs: &[&Server], kpasswd: &[&Server], limits: Limits) -> Relay {
    let addresses = |servers: &[&Server]| servers.iter().map(|server| server.address.clone()).collect();
    let servers = Servers { kdcs: addresses(kdcs), kpasswd: addresses(kpasswd) };
    Relay::new(BTreeMap::from([(realm(), servers)]), limits)
}

#[tokio::test]
async fn a_message_goes_to_the_kdc_as_it_came_and_its_answer_comes_back() {
    let (request, reply) = recorded(1);
    let kdc = Server::answering(reply.clone()).await;
    let forwarded = relay(&[&kdc], &[], LIMITS).forward(&realm(), &request).await.unwrap();
    assert_eq!((forwarded.message, forwarded.server), (reply, kdc.address.clone()));
    assert!(matches!(forwarded.answer, KdcAnswer::Ticket { .. }));
}

#[tokio::test]
async fn the_next_server_is_asked_and_the_silent_one_is_passed_over_from_then_on() {
    let (request, reply) = recorded(1);
    let (frozen, works) = (Server::frozen().await, Server::answering(reply).await);
    let relay = relay(&[&frozen, &works], &[], LIMITS);
    let first = relay.forward(&realm(), &request).await.unwrap();
    assert_eq!(first.server, works.address);
    assert!(first.attempts[0].failure.may_have_been_received());
    assert!(relay.forward(&realm(), &request).await.unwrap().attempts.is_empty());
    assert_eq!((frozen.asked(), works.asked()), (1, 2));
}

#[tokio::test]
async fn servers_that_are_found_later_take_the_place_of_those_before() {
    let (request, reply) = recorded(1);
    let (before, after) = (Server::answering(reply.clone()).await, Server::answering(reply).await);
    let relay = relay(&[], &[], LIMITS);
    assert_eq!(relay.forward(&realm(), &request).await.unwrap_err(), NoAnswer { attempts: Vec::new() });
    for found in [&before, &after] {
        relay.set_kdcs(&realm(), vec![found.address.clone()]);
        assert_eq!(relay.forward(&realm(), &request).await.unwrap().server, found.address);
    }
    // None are none that serve, and another realm is not forwarded to.
    relay.set_kdcs(&realm(), Vec::new());
    relay.set_kdcs(&Realm::new("BETA.EXAMPLE").unwrap(), vec![before.address.clone()]);
    relay.set_kpasswd(&realm(), vec![before.address.clone()]);
    assert_eq!(relay.forward(&realm(), &request).await.unwrap().server, after.address);
    assert!(relay.realm(&Realm::new("BETA.EXAMPLE").unwrap()).is_none());
}

#[tokio::test]
async fn what_is_no_answer_to_the_request_is_not_passed_on() {
    let (request, _) = recorded(1);
    let (_, ticket_for_a_ticket) = recorded(2);
    let wrong = [
        Server::answering(ticket_for_a_ticket).await,
        Server::answering(b"220 mail.corp.example ESMTP\r\n".to_vec()).await,
        Server::writing(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await,
        Server::writing(131_073_u32.to_be_bytes().to_vec()).await,
    ];
    let servers: Vec<&Server> = wrong.iter().collect();
    let error = relay(&servers, &[], LIMITS).forward(&realm(), &request).await.unwrap_err();
    assert_eq!(error.attempts.len(), 4, "{error}");
    assert!(wrong.iter().all(|server| server.asked() == 1));
}

#[tokio::test]
async fn a_closed_port_has_received_nothing() {
    let (request, _) = recorded(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    drop(listener);
    let closed = Server { address, asked: Arc::default() };
    let error = relay(&[&closed], &[], LIMITS).forward(&realm(), &request).await.unwrap_err();
    assert!(!error.attempts[0].failure.may_have_been_received(), "{error}");
}

#[tokio::test]
async fn a_password_goes_to_the_password_service_and_only_there() {
    let request = ProxyRequest::parse(&vectors::bytes(vectors::KKDCP_KPASSWD)).unwrap();
    let reply = vectors::bytes(vectors::KPASSWD_REP);
    let (kdc, kpasswd) = (Server::answering(reply.clone()).await, Server::answering(reply).await);
    let both = relay(&[&kdc], &[&kpasswd], LIMITS);
    assert_eq!(both.forward(&realm(), &request).await.unwrap().answer, KdcAnswer::Kpasswd);
    assert_eq!((kdc.asked(), kpasswd.asked()), (0, 1));
    let without = relay(&[&kdc], &[], LIMITS).forward(&realm(), &request).await.unwrap_err();
    assert_eq!(without, NoAnswer { attempts: Vec::new() });
}

#[tokio::test]
async fn a_kdc_that_is_unavailable_by_its_own_word_is_passed_by_but_its_word_kept() {
    let (request, reply) = recorded(1);
    let mut kdc = crate::testing::Kdc::new(&realm(), &mut system::random());
    kdc.refuse_next(ErrorCode::KDC_ERR_SVC_UNAVAILABLE);
    let word = kdc.answer(request.message(), system::now(), &mut system::random());
    let (away, works) = (Server::answering(word.clone()).await, Server::answering(reply.clone()).await);
    let forwarded = relay(&[&away, &works], &[], LIMITS).forward(&realm(), &request).await.unwrap();
    assert_eq!(forwarded.message, reply);
    let forwarded = relay(&[&away], &[], LIMITS).forward(&realm(), &request).await.unwrap();
    assert_eq!(forwarded.message, word);
}

#[tokio::test]
async fn all_servers_together_take_no_longer_than_they_may() {
    let (request, _) = recorded(1);
    let slow = [Server::frozen().await, Server::frozen().await, Server::frozen().await];
    let attempt = Deadlines { exchange: Duration::from_secs(60), ..LIMITS.attempt };
    let limits = Limits { attempt, overall: Duration::from_millis(100) };
    let servers: Vec<&Server> = slow.iter().collect();
    let error = relay(&servers, &[], limits).forward(&realm(), &request).await.unwrap_err();
    assert_eq!(error.attempts.len(), 1, "{error}");
    assert_eq!(error.attempts[0].failure, AttemptFailure::Overall);
}

#[test]
fn a_realm_is_found_in_any_spelling_and_no_other_realm_is() {
    let relay = relay(&[], &[], LIMITS);
    let found = |name: &str| relay.realm(&Realm::new(name).unwrap()).map(Realm::as_str);
    assert_eq!(found("corp.Example"), Some("CORP.EXAMPLE"));
    for other in ["EXAMPLE", "SUB.CORP.EXAMPLE", "CORP.EXAMPLE.", "localhost", "127.0.0.1"] {
        assert_eq!(found(other), None, "{other}");
    }
}
