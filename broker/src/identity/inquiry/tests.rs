mod budget;

use std::sync::Mutex;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rcgen::CustomExtension;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::revocation::tests::ocsp_by_hand::{Answer, Word};
use super::super::testing::{Authority, now, peer, tlv, trusting, validator};
use super::*;
use crate::identity::{FetchSettings, IssuerOrder, Nonce, Revocation, RevocationStep, Settings};

const NONCE: [u8; 11] = [6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
const MINUTE: Duration = Duration::from_secs(60);

/// How a responder behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    Honest,
    AnotherNonce,
    NoNonce,
    /// Signed by somebody else.
    Forged,
    /// Answers that it has no time (tryLater).
    Busy,
    /// Does not know this card (unauthorized, RFC 5019 section 2.2.3).
    Unauthorized,
    /// An answer of an hour before the others, signed beforehand.
    Older,
    /// One of a quarter past the hour.
    Newer,
}

/// An authority, a card of it, and its responder.
struct Scene {
    root: Authority,
    card: CertificateDer<'static>,
    state: Arc<Mutex<(Word, Manner)>>,
    asked: watch::Receiver<usize>,
    /// While false, questions are read and not answered.
    open: watch::Sender<bool>,
    port: u16,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = Authority::root(name);
        let url = format!("http://127.0.0.1:{port}/");
        let access =
            tlv(0x30, &[tlv(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]), tlv(0x86, url.as_bytes())].concat());
        let card = root.card_with(|params| {
            let access = tlv(0x30, &access);
            params.custom_extensions =
                vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)];
        });
        let state = Arc::new(Mutex::new((Word::Good, Manner::Honest)));
        let ((count, asked), (open, gate)) = (watch::channel(0), watch::channel(true));
        let scene = Self { root, card, state, asked, open, port };
        let (state, card) = (Arc::clone(&scene.state), scene.card.clone());
        let (own, stranger) = (copy(&scene.root), Authority::root(name));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let body = question(&mut stream).await;
                count.send_modify(|count| *count += 1);
                let (word, manner) = *state.lock().unwrap();
                let mut nonce = nonce_of(&body);
                match manner {
                    Manner::AnotherNonce => nonce = Some(vec![9; 32]),
                    Manner::NoNonce | Manner::Older => nonce = None,
                    _ => {}
                }
                let mut answer = Answer { nonce, ..Answer::saying(word) };
                match manner {
                    Manner::Older => answer.this_update = b"20251231220000Z",
                    Manner::Newer => answer.this_update = b"20260101001500Z",
                    _ => {}
                }
                let reply = match manner {
                    Manner::Busy => vec![0x30, 3, 0x0a, 1, 3],
                    Manner::Unauthorized => vec![0x30, 3, 0x0a, 1, 6],
                    Manner::Forged => answer.signed_by(&card, &own, &stranger),
                    _ => answer.encoded(&card, &own),
                };
                let mut gate = gate.clone();
                tokio::spawn(async move {
                    if gate.wait_for(|open| *open).await.is_ok() {
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.len());
                        // Whoever asked may be gone.
                        drop(stream.write_all(&[head.as_bytes(), &reply].concat()).await);
                    }
                });
            }
        });
        scene
    }

    fn says(&self, word: Word, manner: Manner) {
        *self.state.lock().unwrap() = (word, manner);
    }

    fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    fn settings(&self, others: &[&Self], change: impl FnOnce(&mut IssuerOrder)) -> Settings {
        let all = || std::iter::once(self).chain(others.iter().copied());
        let mut settings = trusting(&all().map(|scene| &scene.root).collect::<Vec<_>>());
        let mut order = IssuerOrder::new(None, vec![RevocationStep::Ocsp]);
        change(&mut order);
        settings.revocation = Revocation::Ordered { crls: Vec::new(), issuers: vec![order] };
        let fetch = FetchSettings {
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            allow_ports: all().map(|scene| scene.port).collect(),
        };
        settings.fetcher = Arc::new(Fetcher::new(fetch));
        settings
    }

    fn validator(&self) -> Validator {
        validator(self.settings(&[], |_| ()))
    }

    async fn log_in(
        &self,
        validator: &Validator,
        now: SystemTime,
    ) -> Result<ValidatedIdentity, IdentityError> {
        validator.validate(&peer(&[&self.card]), now, &mut rng()).await
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

fn copy(authority: &Authority) -> Authority {
    Authority {
        params: authority.params.clone(),
        key: rcgen::KeyPair::from_pem(&authority.key.serialize_pem()).unwrap(),
        certificate: authority.certificate.clone(),
    }
}

/// The body of a POST.
async fn question(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        stream.read_buf(&mut request).await.unwrap();
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
        let length: usize = length.trim().parse().unwrap();
        while request.len() < end + 4 + length {
            stream.read_buf(&mut request).await.unwrap();
        }
        return request.split_off(end + 4);
    }
}

fn nonce_of(request: &[u8]) -> Option<Vec<u8>> {
    let at = request.windows(NONCE.len()).position(|window| window == NONCE)?;
    // OCTET STRING in an OCTET STRING.
    let value = &request[at + NONCE.len() + 2..];
    Some(value[2..2 + usize::from(value[1])].to_vec())
}

#[tokio::test]
async fn many_logins_of_one_card_make_one_question() {
    let scene = Scene::new("Root").await;
    let validator = Arc::new(scene.validator());
    scene.open.send_replace(false);
    let logins: Vec<_> = (0..10)
        .map(|_| {
            let (validator, peer) = (Arc::clone(&validator), peer(&[&scene.card]));
            tokio::spawn(async move { validator.validate(&peer, now(), &mut rng()).await })
        })
        .collect();
    scene.asked.clone().wait_for(|asked| *asked > 0).await.unwrap();
    // Every login that has begun by now waits for that answer.
    tokio::task::yield_now().await;
    scene.open.send_replace(true);
    for login in logins {
        assert!(login.await.unwrap().is_ok());
    }
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn an_answer_is_used_again_for_its_time_and_by_the_next_configuration() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    assert!(scene.log_in(&validator, now()).await.is_ok());
    assert!(scene.log_in(&validator, now() + 9 * MINUTE).await.is_ok());
    let reloaded = scene.validator().remembering(&validator);
    assert!(scene.log_in(&reloaded, now() + 9 * MINUTE).await.is_ok());
    assert_eq!((scene.asked(), reloaded.memory().counts().reused), (1, 2));
    assert!(scene.log_in(&reloaded, now() + 10 * MINUTE).await.is_ok());
    assert_eq!(scene.asked(), 2);
}

#[tokio::test]
async fn an_answer_is_renewed_before_it_ends_while_its_card_was_seen_lately() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    assert!(scene.log_in(&validator, now()).await.is_ok());
    assert_eq!(validator.refresh(now() + 5 * MINUTE, &mut rng()).await, 0);
    scene.says(Word::Revoked, Manner::Honest);
    assert_eq!(validator.refresh(now() + 8 * MINUTE, &mut rng()).await, 1);
    assert_eq!(scene.asked(), 2);
    let refused = scene.log_in(&validator, now() + 9 * MINUTE).await;
    assert!(matches!(refused, Err(IdentityError::Revoked { .. })), "by the answer that was renewed");
    assert_eq!(scene.asked(), 2);
    assert_eq!(validator.refresh(now() + 20 * MINUTE, &mut rng()).await, 0, "what has ended is not renewed");
}

#[tokio::test]
async fn the_answers_of_a_card_that_is_not_seen_any_more_are_not_renewed() {
    let scene = Scene::new("Root").await;
    let mut settings = scene.settings(&[], |_| ());
    settings.inquiry.reuse_answers = 120 * MINUTE;
    let validator = validator(settings);
    let before = now() - 50 * MINUTE;
    assert!(scene.log_in(&validator, before).await.is_ok());
    // The answer ends at the hour after now; its last quarter begins long after the card was seen.
    assert_eq!(validator.refresh(now() + 50 * MINUTE, &mut rng()).await, 0);
}

#[tokio::test]
async fn a_silent_responder_holds_up_nobody_of_another_issuer() {
    let (slow, quick) = (Scene::new("Slow").await, Scene::new("Quick").await);
    let validator = Arc::new(validator(slow.settings(&[&quick], |_| ())));
    slow.open.send_replace(false);
    let waiting = {
        let (validator, peer) = (Arc::clone(&validator), peer(&[&slow.card]));
        tokio::spawn(async move { validator.validate(&peer, now(), &mut rng()).await })
    };
    slow.asked.clone().wait_for(|asked| *asked > 0).await.unwrap();
    assert!(quick.log_in(&validator, now()).await.is_ok());
    assert!(!waiting.is_finished(), "its responder was not let answer yet");
    slow.open.send_replace(true);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn an_answer_with_another_nonce_is_refused_and_one_without_where_it_is_required() {
    let scene = Scene::new("Root").await;
    scene.says(Word::Good, Manner::AnotherNonce);
    let refused = scene.log_in(&scene.validator(), now()).await.expect_err("the answer to another question");
    assert!(refused.to_string().contains("nonce of another question"), "{refused}");
    scene.says(Word::Good, Manner::NoNonce);
    assert!(scene.log_in(&scene.validator(), now()).await.is_ok(), "many responders sign beforehand");
    let strict = validator(scene.settings(&[], |order| order.manner.nonce = Nonce::Required));
    let refused = scene.log_in(&strict, now()).await.expect_err("it may be an old one");
    assert!(refused.to_string().contains("no nonce"), "{refused}");
    scene.says(Word::Good, Manner::Honest);
    assert!(scene.log_in(&strict, now()).await.is_ok());
}

#[tokio::test]
async fn a_forged_answer_is_not_kept_and_does_not_keep_the_true_one_out() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    scene.says(Word::Good, Manner::Forged);
    assert!(scene.log_in(&validator, now()).await.is_err());
    assert_eq!(validator.memory().answers(), 0);
    scene.says(Word::Good, Manner::Honest);
    assert!(scene.log_in(&validator, now()).await.is_ok());
}

#[tokio::test]
async fn a_responder_that_fails_again_and_again_is_asked_no_more_for_a_while() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    scene.says(Word::Good, Manner::Busy);
    for _ in 0..5 {
        assert!(scene.log_in(&validator, now()).await.is_err());
    }
    assert_eq!(scene.asked(), 3);
    scene.says(Word::Good, Manner::Honest);
    assert!(scene.log_in(&validator, now() + MINUTE).await.is_ok());
    let (host, status) = validator.memory().responders().remove(0);
    assert_eq!(host, format!("127.0.0.1:{}", scene.port));
    assert_eq!((status.answered, status.failed, status.passed_over, status.paused_until), (1, 3, 2, None));
}

#[tokio::test]
async fn a_good_answer_of_before_is_remembered_until_a_newer_one_says_otherwise() {
    let scene = Scene::new("Root").await;
    let order = |order: &mut IssuerOrder| order.order.push(RevocationStep::Cached);
    let validator = validator(scene.settings(&[], order));
    assert!(scene.log_in(&validator, now()).await.is_ok());
    scene.says(Word::Good, Manner::Busy);
    let later = scene.log_in(&validator, now() + 120 * MINUTE).await.expect("three hours old, and ended");
    assert!(later.revocation().is_degraded());
    assert!(scene.log_in(&validator, now() + 240 * MINUTE).await.is_err(), "older than four hours");
    scene.says(Word::Revoked, Manner::Honest);
    assert!(scene.log_in(&validator, now() + 11 * MINUTE).await.is_err());
    scene.says(Word::Good, Manner::Busy);
    let refused = scene.log_in(&validator, now() + 60 * MINUTE).await;
    assert!(matches!(refused, Err(IdentityError::Revoked { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_validation_that_nobody_answers_ends_in_its_time() {
    let scene = Scene::new("Root").await;
    scene.open.send_replace(false);
    let mut settings = scene.settings(&[], |_| ());
    settings.inquiry.time_limit = Duration::from_millis(50);
    let refused = scene.log_in(&validator(settings), now()).await.expect_err("nobody answers");
    assert!(refused.to_string().contains("no time was left"), "{refused}");
}

#[tokio::test]
async fn an_older_good_answer_does_not_take_a_revocation_back_and_a_newer_one_does() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    scene.says(Word::Revoked, Manner::Honest);
    assert!(matches!(scene.log_in(&validator, now()).await, Err(IdentityError::Revoked { .. })));
    // It is still current, and whoever sits on the way sends it in place of the true one.
    scene.says(Word::Good, Manner::Older);
    let replayed = scene.log_in(&validator, now() + 11 * MINUTE).await;
    assert!(matches!(replayed, Err(IdentityError::Revoked { .. })), "{replayed:?}");
    assert_eq!(scene.asked(), 2);
    scene.says(Word::Good, Manner::Newer);
    assert!(scene.log_in(&validator, now() + 22 * MINUTE).await.is_ok(), "it was on hold");
}

#[tokio::test]
async fn an_older_good_answer_of_another_responder_does_not_take_a_revocation_back() {
    let scene = Scene::new("Root").await;
    let both = |steps: [RevocationStep; 2]| {
        validator(scene.settings(&[], |order| {
            order.order = steps.to_vec();
            order.alternate_ocsp = vec![format!("http://127.0.0.1:{}/alternate", scene.port)];
        }))
    };
    let before = both([RevocationStep::AlternateOcsp, RevocationStep::Ocsp]);
    scene.says(Word::Revoked, Manner::Honest);
    assert!(matches!(scene.log_in(&before, now()).await, Err(IdentityError::Revoked { .. })));
    let validator = both([RevocationStep::Ocsp, RevocationStep::AlternateOcsp]).remembering(&before);
    scene.says(Word::Good, Manner::Older);
    let refused = scene.log_in(&validator, now() + MINUTE).await;
    assert!(matches!(refused, Err(IdentityError::Revoked { .. })), "{refused:?}");
    assert_eq!(scene.asked(), 2, "the other one was asked and was current");
    scene.says(Word::Good, Manner::Newer);
    assert!(scene.log_in(&validator, now() + 22 * MINUTE).await.is_ok(), "it was on hold");
}

#[tokio::test]
async fn a_responder_that_falls_silent_does_not_take_a_revocation_back() {
    let scene = Scene::new("Root").await;
    let settings = |files: bool| {
        let mut settings = scene.settings(&[], |order| {
            order.order.push(RevocationStep::Files);
            order.accept_unknown_revocation_status = !files;
        });
        if let (Revocation::Ordered { crls, .. }, true) = (&mut settings.revocation, files) {
            crls.push(scene.root.crl());
        }
        settings
    };
    for files in [true, false] {
        let validator = validator(settings(files));
        scene.says(Word::Revoked, Manner::Honest);
        assert!(matches!(scene.log_in(&validator, now()).await, Err(IdentityError::Revoked { .. })));
        scene.says(Word::Good, Manner::Busy);
        for later in [11, 120] {
            let refused = scene.log_in(&validator, now() + later * MINUTE).await;
            assert!(matches!(refused, Err(IdentityError::Revoked { .. })), "{files} {later}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_card_the_responder_does_not_know_does_not_pause_it_for_others() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    scene.says(Word::Good, Manner::Unauthorized);
    for _ in 0..4 {
        assert!(scene.log_in(&validator, now()).await.is_err());
    }
    scene.says(Word::Good, Manner::Honest);
    assert!(scene.log_in(&validator, now()).await.is_ok());
}

#[tokio::test]
async fn an_unknown_card_is_asked_about_again_sooner_than_a_known_one() {
    let scene = Scene::new("Root").await;
    let validator = scene.validator();
    scene.says(Word::Unknown, Manner::Honest);
    let second = Duration::from_secs(1);
    for (after, asked) in [(0, 1), (29, 1), (30, 2)] {
        assert!(scene.log_in(&validator, now() + after * second).await.is_err());
        assert_eq!(scene.asked(), asked, "after {after} s");
    }
    scene.says(Word::Good, Manner::Newer);
    assert!(scene.log_in(&validator, now() + 16 * MINUTE).await.is_ok());
}
