//! Certificates that gateways present.

use std::net::IpAddr;

use rcgen::{KeyPair, SigningKey as _};

use super::*;
use crate::frontend::gateways::Presents;
use crate::frontend::grpc::v1::{
    AnswerRequest, AuthenticateRequest, ChallengeRequest, ChallengeResponse, Presentation, SignatureScheme,
};
use crate::identity::testing::{Authority, card_params};
use crate::policy::{Channel, Origin};

/// A card, and what signs with its key.
struct Card {
    certificate: Vec<u8>,
    key: KeyPair,
}

impl Card {
    fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = Authority::root("Root").sign(&card_params(), &key).to_vec();
        Self { certificate, key }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).expect("a signature")
    }

    fn presented(&self, target: &str) -> Option<Presentation> {
        Some(Presentation {
            certificates: vec![self.certificate.clone()],
            target: target.to_owned(),
            client_address: "192.0.2.7".to_owned(),
            user: String::new(),
            ocsp_responses: Vec::new(),
        })
    }
}

const DESK1: &str = "desk1.corp.example";

async fn bench(presents: Presents) -> Bench {
    let bench = Bench::new(Source::default()).await;
    grant(&bench, presents);
    bench
}

/// Says what `gw1` may present, and lets `gw2` present with proof.
fn grant(bench: &Bench, presents: Presents) {
    let gateways = Gateways::clone(&bench.known.borrow());
    let granted = [("gw1".to_owned(), presents), ("gw2".to_owned(), Presents::WithProof)];
    bench.known.send_replace(Arc::new(gateways.presenting(granted)));
}

impl Bench {
    fn client(
        &self,
        gateway: &str,
    ) -> GatewayClient<impl GrpcService<Body, ResponseBody = axum::body::Body> + Clone + use<>> {
        GatewayClient::new(self.connection(gateway))
    }

    async fn challenge(&self, gateway: &str, card: &Card, target: &str) -> Result<ChallengeResponse, Status> {
        let request = ChallengeRequest { presentation: card.presented(target) };
        self.client(gateway).challenge(request).await.map(tonic::Response::into_inner)
    }

    async fn answer(&self, gateway: &str, id: &str, signature: Vec<u8>) -> Result<Session, Status> {
        let scheme = SignatureScheme::EcdsaP256Sha256.into();
        let request = AnswerRequest { challenge_id: id.to_owned(), scheme, signature };
        self.client(gateway).answer(request).await.map(tonic::Response::into_inner)
    }

    async fn authenticate(&self, gateway: &str, card: &Card) -> Result<Session, Status> {
        let request = AuthenticateRequest { presentation: card.presented(DESK1) };
        self.client(gateway).authenticate(request).await.map(tonic::Response::into_inner)
    }
}

fn refused(result: Result<Session, Status>) -> String {
    reason(&result.expect_err("the presentation is refused"))
}

#[tokio::test]
async fn a_card_that_signs_its_challenge_opens_a_session_without_a_code() {
    let (bench, card) = (bench(Presents::WithProof).await, Card::new());
    let challenge = bench.challenge("gw1", &card, "DESK1.corp.example").await.expect("a challenge");
    let session = bench.answer("gw1", &challenge.challenge_id, card.sign(&challenge.message)).await;
    let session = session.expect("the card has signed");
    assert_eq!(session.subject.as_ref().expect("somebody").upn, "alice@corp.example");
    let ticket = bench.issue(asked(&session, HTTP, Form::Ccache)).await.expect("the session is alive");
    assert_eq!(ticket.spn, HTTP);
    let asked = bench.asked.lock().expect("nobody panicked").clone();
    let [(presented, request)] = asked.as_slice() else { panic!("one login: {asked:?}") };
    assert_eq!(presented, &card.certificate);
    assert_eq!((request.gateway.as_str(), request.target.as_str()), ("gw1", DESK1));
    let client_address = Some(IpAddr::from([192, 0, 2, 7]));
    assert_eq!(request.origin, Origin { channel: Channel::GatewayWithProof, client_address });
}

#[tokio::test]
async fn the_user_that_a_presentation_names_is_the_one_of_the_login() {
    let (bench, card) = (bench(Presents::WithoutProof).await, Card::new());
    let named = || {
        let presented = card.presented(DESK1).expect("a presentation");
        Some(Presentation { user: "alice-admin".to_owned(), ..presented })
    };
    let request = ChallengeRequest { presentation: named() };
    let challenge = bench.client("gw1").challenge(request).await.expect("a challenge").into_inner();
    assert!(challenge.message.ends_with(b"\0\x0balice-admin"), "the card signs whose login it is");
    bench.answer("gw1", &challenge.challenge_id, card.sign(&challenge.message)).await.expect("a session");
    let request = AuthenticateRequest { presentation: named() };
    bench.client("gw1").authenticate(request).await.expect("a session");
    bench.authenticate("gw1", &card).await.expect("a session");
    let asked = bench.asked.lock().expect("nobody panicked").clone();
    let users: Vec<_> = asked.iter().map(|(_, request)| request.user.as_deref()).collect();
    assert_eq!(users, [Some("alice-admin"), Some("alice-admin"), None]);
}

#[tokio::test]
async fn the_message_names_the_gateway_and_the_target_and_ends_when_the_challenge_does() {
    let (bench, card) = (bench(Presents::WithProof).await, Card::new());
    let challenge = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    let holds = |part: &[u8]| challenge.message.windows(part.len()).any(|octets| octets == part);
    assert!(holds(b"\0\x03gw1\0\x12desk1.corp.example\0\x20"));
    let end = challenge.expires_at.expect("it ends");
    assert!(challenge.message.ends_with(&end.seconds.to_be_bytes()) && end.nanos == 0);
}

#[tokio::test]
async fn a_gateway_without_the_right_presents_nothing_and_is_a_security_event() {
    let (bench, card) = (bench(Presents::Never).await, Card::new());
    let challenge = bench.challenge("gw1", &card, DESK1).await.map(|_| Session::default());
    let answer = bench.answer("gw1", "AAAAAAAAAAAAAAAAAAAAAA", Vec::new()).await;
    for result in [challenge, answer, bench.authenticate("gw1", &card).await] {
        assert_eq!(refused(result), "PRESENTATION_NOT_ALLOWED");
    }
    assert!(Code::PresentationNotAllowed.is_security_event());
    let counted =
        "kerbridge_presentation_refused_total{listener=\"gateway\",reason=\"presentation_not_allowed\"} 3";
    assert!(bench.metrics.text().contains(counted), "{}", bench.metrics.text());
    assert!(bench.asked.lock().expect("nobody panicked").is_empty());
}

#[tokio::test]
async fn a_gateways_word_alone_counts_only_where_that_is_configured() {
    let (bench, card) = (bench(Presents::WithProof).await, Card::new());
    assert_eq!(refused(bench.authenticate("gw1", &card).await), "PROOF_MISSING");
    grant(&bench, Presents::WithoutProof);
    bench.authenticate("gw1", &card).await.expect("its word is enough now");
    let asked = bench.asked.lock().expect("nobody panicked").clone();
    assert_eq!(asked[0].1.origin.channel, Channel::GatewayWithoutProof);
}

#[tokio::test]
async fn an_answer_counts_once_and_for_its_gateway_alone() {
    let (bench, card) = (bench(Presents::WithProof).await, Card::new());
    let challenge = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    let signature = card.sign(&challenge.message);
    let id = &challenge.challenge_id;
    assert_eq!(refused(bench.answer("gw2", id, signature.clone()).await), "CHALLENGE_UNKNOWN");
    bench.answer("gw1", id, signature.clone()).await.expect("the foreign try has not spent it");
    assert_eq!(refused(bench.answer("gw1", id, signature).await), "CHALLENGE_UNKNOWN");
    assert_eq!(refused(bench.answer("gw1", "nothing", Vec::new()).await), "CHALLENGE_UNKNOWN");
    for code in ["challenge_wrong_gateway", "challenge_used", "challenge_unknown"] {
        let counted = format!("{{listener=\"gateway\",reason=\"{code}\"}} 1");
        assert!(bench.metrics.text().contains(&counted), "{}", bench.metrics.text());
    }
}

#[tokio::test]
async fn a_signature_over_another_challenge_proves_nothing_and_spends_this_one() {
    let (bench, card, other) = (bench(Presents::WithProof).await, Card::new(), Card::new());
    // Another nonce; another target; another card's certificate; another gateway.
    let replayed = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    let desk2 = bench.challenge("gw1", &card, "desk2.corp.example").await.expect("a challenge");
    let others = bench.challenge("gw1", &other, DESK1).await.expect("a challenge");
    let gw2 = bench.challenge("gw2", &card, DESK1).await.expect("a challenge");
    for signed in [replayed, desk2, others, gw2] {
        let fresh = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
        let wrong = bench.answer("gw1", &fresh.challenge_id, card.sign(&signed.message)).await;
        assert_eq!(refused(wrong), "PROOF_INVALID");
        let right = bench.answer("gw1", &fresh.challenge_id, card.sign(&fresh.message)).await;
        assert_eq!(refused(right), "CHALLENGE_UNKNOWN", "there is one answer");
    }
    assert!(bench.asked.lock().expect("nobody panicked").is_empty());
}

#[tokio::test]
async fn a_gateway_that_replays_another_persons_public_certificate_gets_nowhere() {
    let (bench, victim, own) = (bench(Presents::WithProof).await, Card::new(), Card::new());
    for attempt in 0..3 {
        let challenge = bench.challenge("gw1", &victim, DESK1).await.expect("a challenge");
        let signature = match attempt {
            0 => own.sign(&challenge.message),
            1 => Vec::new(),
            _ => challenge.message.clone(),
        };
        let answered = bench.answer("gw1", &challenge.challenge_id, signature).await;
        assert_eq!(refused(answered), "PROOF_INVALID");
    }
    assert!(bench.asked.lock().expect("nobody panicked").is_empty());
    assert!(Code::ProofInvalid.is_security_event());
}

#[tokio::test]
async fn a_challenge_is_not_answered_after_its_end() {
    let limits = Limits { challenge_lifetime: Duration::ZERO, ..LIMITS };
    let bench = Bench::with_limits(Source::default(), limits).await;
    grant(&bench, Presents::WithProof);
    let card = Card::new();
    let challenge = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    let late = bench.answer("gw1", &challenge.challenge_id, card.sign(&challenge.message)).await;
    assert_eq!(refused(late), "CHALLENGE_EXPIRED");
}

#[tokio::test]
async fn a_right_that_was_taken_away_ends_the_challenges_that_wait() {
    let (bench, card) = (bench(Presents::WithProof).await, Card::new());
    let challenge = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    grant(&bench, Presents::Never);
    let late = bench.answer("gw1", &challenge.challenge_id, card.sign(&challenge.message)).await;
    assert_eq!(refused(late), "PRESENTATION_NOT_ALLOWED");
}

#[tokio::test]
async fn a_gateway_has_as_many_challenges_as_it_may() {
    let (bench, card) = (bench(Presents::WithProof).await, Card::new());
    for _ in 0..LIMITS.max_challenges {
        bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    }
    let refused = bench.challenge("gw1", &card, DESK1).await.expect_err("it has enough");
    assert_eq!(reason(&refused), "OVERLOADED");
    bench.challenge("gw2", &card, DESK1).await.expect("the other has its own");
}

#[tokio::test]
async fn malformed_presentations_are_refused_by_field() {
    let (bench, card) = (bench(Presents::WithoutProof).await, Card::new());
    let good = || card.presented(DESK1).expect("a presentation");
    let many = vec![card.certificate.clone(); 11];
    for wrong in [
        None,
        Some(Presentation { certificates: Vec::new(), ..good() }),
        Some(Presentation { certificates: many, ..good() }),
        Some(Presentation { certificates: vec![vec![0; 16 * 1024 + 1]], ..good() }),
        Some(Presentation { ocsp_responses: vec![vec![0x30, 0]; 5], ..good() }),
        Some(Presentation { ocsp_responses: vec![vec![0; 16 * 1024 + 1]], ..good() }),
        Some(Presentation { target: String::new(), ..good() }),
        Some(Presentation { target: "desk1".to_owned(), ..good() }),
        Some(Presentation { client_address: String::new(), ..good() }),
        Some(Presentation { client_address: "192.0.2.7:443".to_owned(), ..good() }),
        Some(Presentation { client_address: "alice".to_owned(), ..good() }),
        Some(Presentation { user: "a@b@c".to_owned(), ..good() }),
        Some(Presentation { user: "*".to_owned(), ..good() }),
        Some(Presentation { user: "a".repeat(2000), ..good() }),
    ] {
        let request = ChallengeRequest { presentation: wrong.clone() };
        let challenged = bench.client("gw1").challenge(request).await.map(|_| Session::default());
        assert_eq!(refused(challenged), "REQUEST_INVALID", "{wrong:?}");
        let request = AuthenticateRequest { presentation: wrong.clone() };
        let authenticated = bench.client("gw1").authenticate(request).await.map(|_| Session::default());
        assert_eq!(refused(authenticated), "REQUEST_INVALID", "{wrong:?}");
    }
    let nothing = Presentation { certificates: vec![vec![0x30, 0]], ..good() };
    let request = ChallengeRequest { presentation: Some(nothing) };
    let challenged = bench.client("gw1").challenge(request).await.map(|_| Session::default());
    assert_eq!(refused(challenged), "CERTIFICATE_INVALID");
    let challenge = bench.challenge("gw1", &card, DESK1).await.expect("a challenge");
    for (challenge_id, scheme) in
        [(String::new(), 3), (challenge.challenge_id.clone(), 0), (challenge.challenge_id, 9)]
    {
        let request = AnswerRequest { challenge_id, scheme, signature: Vec::new() };
        let answered = bench.client("gw1").answer(request).await.map(tonic::Response::into_inner);
        assert_eq!(refused(answered), "REQUEST_INVALID", "{scheme}");
    }
}
