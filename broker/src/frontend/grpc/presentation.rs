//! Certificates that gateways present: challenges, their answers, and what is let in without either.
//!
//! What a gateway says of a card counts for its address and nothing else. The chain goes through the line from scratch.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prost_types::Timestamp;
use rustls_pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::challenges::{Challenges, NoChallenge, Waiting};
use super::service::{Malformed, malformed, present};
use super::v1;
use crate::directory::UserHint;
use crate::error::{Code, Refusal, Step};
use crate::frontend::gateways::Presents;
use crate::handoff::Handoff;
use crate::identity::{Challenge, NotProven, PeerCertificates, Purpose, SignatureScheme};
use crate::metrics::presentation::PresentationMetrics;
use crate::pipeline::LoginRequest;
use crate::policy::{Channel, Origin, Target};
use crate::{clock, entropy};

/// What logs in the person whose certificate a gateway presents.
pub trait Present: Send + Sync + 'static {
    /// Takes the certificate through all steps. The future may be dropped at any point.
    ///
    /// # Errors
    /// The first step that refuses.
    fn log_in(
        &self,
        card: PeerCertificates,
        request: LoginRequest,
    ) -> impl Future<Output = Result<Handoff, Refusal>> + Send;
}

/// The part of the service that lets presented certificates in.
pub(super) struct Presentations<P> {
    present: Arc<P>,
    challenges: Arc<Challenges>,
    room: Semaphore,
    metrics: PresentationMetrics,
}

/// What a presentation holds, once it has the right form.
struct Presented {
    card: PeerCertificates,
    target: Target,
    user: Option<String>,
    client_address: IpAddr,
}

/// A login that begins.
struct Asked {
    card: PeerCertificates,
    target: String,
    user: Option<String>,
    origin: Origin,
    login_id: String,
}

impl<P: Present> Presentations<P> {
    pub(super) fn new(
        present: Arc<P>,
        challenges: Arc<Challenges>,
        max_logins: usize,
        metrics: PresentationMetrics,
    ) -> Self {
        Self { present, challenges, room: Semaphore::new(max_logins.min(Semaphore::MAX_PERMITS)), metrics }
    }

    /// Counts a refusal that comes from who presents, or how.
    pub(super) fn counted(&self, refusal: Refusal) -> Refusal {
        let code = refusal.logged_code();
        let of_presentation = matches!(
            code,
            Code::PresentationNotAllowed
                | Code::ProofMissing
                | Code::ProofInvalid
                | Code::ChallengeUnknown
                | Code::ChallengeExpired
                | Code::ChallengeUsed
                | Code::ChallengeWrongGateway
        );
        if of_presentation {
            self.metrics.refused_gateway(code);
        }
        refusal
    }

    pub(super) fn challenge(
        &self,
        gateway: &str,
        presents: Presents,
        request: v1::ChallengeRequest,
    ) -> Result<v1::ChallengeResponse, Refusal> {
        let step = Step::Challenge;
        allowed(presents, step)?;
        let Presented { card, target, user, client_address } = presented(request.presentation, step)?;
        let (now, mut rng) = (clock::now(), entropy::system());
        let login_id = begin(&mut rng);
        let expires_at = self.challenges.end(now);
        let purpose = Purpose { gateway, target: target.as_str(), user: user.as_deref(), expires_at };
        let challenge = Challenge::new(card, purpose, &mut rng)
            .map_err(|error| Refusal::because(Code::CertificateInvalid, step, error))?;
        let message = challenge.message().to_vec();
        let target = target.as_str().to_owned();
        tracing::info!(%client_address, desktop = target, "challenge made");
        let waiting = Waiting { challenge, target, user, client_address, login_id };
        let kept = self.challenges.keep(gateway, waiting, expires_at, now, &mut rng);
        let challenge_id = kept.map_err(|error| refused(error, step))?;
        Ok(v1::ChallengeResponse { challenge_id, message, expires_at: Some(Timestamp::from(expires_at)) })
    }

    pub(super) async fn answer(
        &self,
        gateway: &str,
        presents: Presents,
        request: v1::AnswerRequest,
        deadline: Duration,
    ) -> Result<Handoff, Refusal> {
        let step = Step::Answer;
        allowed(presents, step)?;
        present("challenge_id", &request.challenge_id).map_err(|error| malformed(error, step))?;
        let scheme = scheme(request.scheme).map_err(|error| malformed(error, step))?;
        let taken = self.challenges.take(&request.challenge_id, gateway, clock::now());
        let Waiting { challenge, target, user, client_address, login_id } =
            taken.map_err(|error| refused(error, step))?;
        tracing::Span::current().record("login_id", &login_id);
        let card = challenge.answer(scheme, &request.signature).map_err(|error| match error {
            NotProven::Card(_) => Refusal::because(Code::CertificateInvalid, step, error),
            _ => Refusal::because(Code::ProofInvalid, step, error),
        })?;
        let origin = Origin { channel: Channel::GatewayWithProof, client_address: Some(client_address) };
        let request = Asked { card, target, user, origin, login_id };
        self.log_in(gateway, request, (deadline, step)).await
    }

    pub(super) async fn authenticate(
        &self,
        gateway: &str,
        presents: Presents,
        request: v1::AuthenticateRequest,
        deadline: Duration,
    ) -> Result<Handoff, Refusal> {
        let step = Step::Authenticate;
        allowed(presents, step)?;
        if presents != Presents::WithoutProof {
            return Err(Refusal::because(Code::ProofMissing, step, NoProof));
        }
        let Presented { card, target, user, client_address } = presented(request.presentation, step)?;
        let login_id = begin(&mut entropy::system());
        let origin = Origin { channel: Channel::GatewayWithoutProof, client_address: Some(client_address) };
        let request = Asked { card, target: target.as_str().to_owned(), user, origin, login_id };
        self.log_in(gateway, request, (deadline, step)).await
    }

    async fn log_in(
        &self,
        gateway: &str,
        Asked { card, target, user, origin, login_id }: Asked,
        (deadline, step): (Duration, Step),
    ) -> Result<Handoff, Refusal> {
        let _permit = self.room.try_acquire().map_err(|_| Refusal::new(Code::Overloaded, step))?;
        let answer_by = clock::instant() + deadline;
        let request = LoginRequest { gateway: gateway.to_owned(), target, user, origin, login_id, answer_by };
        let login = timeout(deadline, self.present.log_in(card, request)).await;
        login.map_err(|_| Refusal::new(Code::DeadlineExceeded, step))?
    }
}

/// The gateway has the right to present certificates.
fn allowed(presents: Presents, step: Step) -> Result<(), Refusal> {
    match presents {
        Presents::Never => Err(Refusal::because(Code::PresentationNotAllowed, step, NotAllowed)),
        Presents::WithProof | Presents::WithoutProof => Ok(()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the gateway has no may_present in its [[gateway]] table")]
struct NotAllowed;

#[derive(Debug, thiserror::Error)]
#[error(
    "the gateway has no may_present_without_proof in its [[gateway]] table; it should use Challenge and Answer"
)]
struct NoProof;

fn presented(presentation: Option<v1::Presentation>, step: Step) -> Result<Presented, Refusal> {
    let presentation = presentation.unwrap_or_default();
    present("target", &presentation.target).map_err(|error| malformed(error, step))?;
    let target = Target::new(&presentation.target)
        .map_err(|error| Refusal::because(Code::RequestInvalid, step, error))?;
    let user = Some(presentation.user).filter(|user| !user.is_empty());
    user.as_deref()
        .map(UserHint::parse)
        .transpose()
        .map_err(|error| Refusal::because(Code::RequestInvalid, step, error))?;
    let client_address: IpAddr =
        presentation.client_address.parse().map_err(|_| malformed(Malformed::ClientAddress, step))?;
    let chain = presentation.certificates.into_iter().map(CertificateDer::from).collect();
    let card = PeerCertificates::new(chain).and_then(|card| card.stapling(presentation.ocsp_responses));
    let card = card.map_err(|error| Refusal::because(Code::RequestInvalid, step, error))?;
    Ok(Presented { card, target, user, client_address: client_address.to_canonical() })
}

/// Names a login, in the log as well.
fn begin(rng: &mut impl rand_core::CryptoRng) -> String {
    let login_id = entropy::login_id(rng);
    tracing::Span::current().record("login_id", &login_id);
    login_id
}

fn scheme(number: i32) -> Result<SignatureScheme, Malformed> {
    match v1::SignatureScheme::try_from(number) {
        Ok(v1::SignatureScheme::RsaPkcs1Sha256) => Ok(SignatureScheme::RsaPkcs1Sha256),
        Ok(v1::SignatureScheme::RsaPssSha256) => Ok(SignatureScheme::RsaPssSha256),
        Ok(v1::SignatureScheme::EcdsaP256Sha256) => Ok(SignatureScheme::EcdsaP256Sha256),
        Ok(v1::SignatureScheme::EcdsaP384Sha384) => Ok(SignatureScheme::EcdsaP384Sha384),
        Ok(v1::SignatureScheme::Unspecified) | Err(_) => Err(Malformed::Scheme),
    }
}

fn refused(error: NoChallenge, step: Step) -> Refusal {
    let code = match &error {
        NoChallenge::TooMany { .. } => Code::Overloaded,
        NoChallenge::Unknown => Code::ChallengeUnknown,
        NoChallenge::Used => Code::ChallengeUsed,
        NoChallenge::Expired => Code::ChallengeExpired,
        NoChallenge::WrongGateway { .. } => Code::ChallengeWrongGateway,
    };
    Refusal::because(code, step, error)
}
