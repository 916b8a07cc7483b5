//! The KDC proxy (MS-KKDCP): `POST /KdcProxy`, or `/KdcProxy/TOKEN`, for clients that reach no domain controller.
//!
//! Who may call is said in so many words: the client of a session, the bearer of a certificate, everybody. Whoever it is is not
//! believed: only AS-REQ, TGS-REQ and changes of passwords go on, and only to configured servers of configured realms. Refusals
//! are HTTP statuses with words, never a KRB-ERROR: the proxy is no KDC and speaks in no KDC's name, and no client can take the
//! words for DER.

mod account;
mod admission;
mod limits;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::{Path as UriPath, Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kdc_proxy::{
    error::ErrorCode,
    message::{
        MAX_MESSAGE_LENGTH,
        kdc_proxy::{Content, KdcAnswer, ProxyRequest, encode_reply},
    },
    net::relay::{Forwarded, NoAnswer, Relay},
    principal::Realm,
};
use tokio::{sync::Semaphore, time::timeout};
use zeroize::Zeroizing;

use self::limits::{Ended, Limits, Login};
pub use self::{
    account::Barred,
    admission::{Admission, Certificates, Disbelieved, JudgeCards, Judged},
    limits::Rates,
};
use super::listener::Peer;
use crate::metrics::kdc_proxy::{KdcProxyMetrics, Kind, Limit, Outcome, Path};

/// What the proxy is told.
#[derive(Debug)]
pub struct Settings {
    /// Time for a request's body to arrive.
    pub body_timeout: Duration,
    /// Requests that wait for a KDC at once.
    pub max_upstream: usize,
    /// Whether a login in the armour of RFC 6113 goes on, which hides whose it is.
    pub armored: Armored,
    /// Who cannot log in through it.
    pub barred: Barred,
    /// How much is allowed.
    pub rates: Rates,
}

/// What becomes of a login whose client is hidden.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Armored {
    /// It is refused.
    Refused,
    /// It goes on, though nobody can say for whom.
    Forwarded,
}

struct Proxy {
    relay: Arc<Relay>,
    settings: Settings,
    admission: Admission,
    limits: Limits,
    room: Arc<Semaphore>,
    metrics: KdcProxyMetrics,
}

/// The routes of the proxy's listener.
pub fn router(
    relay: Arc<Relay>,
    settings: Settings,
    admission: Admission,
    metrics: KdcProxyMetrics,
) -> Router {
    let room = Arc::new(Semaphore::new(settings.max_upstream.min(Semaphore::MAX_PERMITS)));
    let limits = Limits::new(settings.rates);
    let proxy = Arc::new(Proxy { relay, settings, admission, limits, room, metrics });
    let not_post = || async {
        ([(header::ALLOW, HeaderValue::from_static("POST"))], words(StatusCode::METHOD_NOT_ALLOWED))
    };
    Router::new()
        .route("/KdcProxy", post(answer).fallback(not_post))
        .route("/KdcProxy/{token}", post(answer_bearer).fallback(not_post))
        .fallback(|| async { words(StatusCode::NOT_FOUND) })
        .with_state(proxy)
}

/// Why a request is not answered by a KDC.
#[derive(Clone, Debug, thiserror::Error)]
enum Refused {
    #[error("the proxy is not open to everybody")]
    NotAdmitted,
    #[error("the certificate is not believed: {0}")]
    Certificate(Arc<Disbelieved>),
    #[error("the token is none, or its session has ended")]
    Token,
    #[error("the token is for another realm")]
    OtherRealm,
    #[error("the token is for another person")]
    OtherClient,
    #[error("the ticket did not come by this token")]
    OtherTicket,
    #[error("passwords are not changed by a token")]
    Kpasswd,
    #[error("content-length is missing")]
    NoLength,
    #[error("body is too long")]
    TooLong,
    #[error("body did not arrive in time")]
    Slow,
    #[error("body broke off")]
    Broken,
    #[error(transparent)]
    Request(#[from] kdc_proxy::message::kdc_proxy::ProxyRequestError),
    #[error("realm is not configured")]
    Realm,
    #[error("the account is barred from the proxy")]
    Barred,
    #[error("the request is armored, which hides whose it is")]
    Armored,
    #[error("too much: {}", .0.as_str())]
    Limited(Limit),
    #[error("no room for another request")]
    NoRoom,
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("the reply is too long")]
    Reply,
}

impl Refused {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Token => StatusCode::NOT_FOUND,
            Self::NotAdmitted
            | Self::Certificate(_)
            | Self::OtherRealm
            | Self::OtherClient
            | Self::OtherTicket
            | Self::Kpasswd
            | Self::Realm
            | Self::Barred
            | Self::Armored => StatusCode::FORBIDDEN,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRoom | Self::NoAnswer(_) | Self::Reply => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn outcome(&self) -> Outcome {
        match self {
            Self::NoLength | Self::TooLong | Self::Broken | Self::Request(_) => Outcome::Malformed,
            Self::Slow => Outcome::Slow,
            Self::NotAdmitted
            | Self::Certificate(_)
            | Self::Token
            | Self::OtherRealm
            | Self::OtherClient
            | Self::OtherTicket
            | Self::Kpasswd
            | Self::Realm
            | Self::Barred
            | Self::Armored => Outcome::Refused,
            Self::Limited(_) | Self::NoRoom => Outcome::Limited,
            Self::NoAnswer(_) | Self::Reply => Outcome::Unavailable,
        }
    }
}

/// What is known of a request, for the log and the metrics.
#[derive(Debug)]
struct Facts {
    path: Path,
    login_id: Option<String>,
    realm: Option<Realm>,
    kind: Kind,
    client: Option<String>,
    octets: usize,
}

async fn answer(
    State(proxy): State<Arc<Proxy>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    respond(&proxy, &peer, None, request).await
}

/// The path is a secret: what is logged of it is the login that its session came from.
async fn answer_bearer(
    State(proxy): State<Arc<Proxy>>,
    Extension(peer): Extension<Peer>,
    UriPath(token): UriPath<String>,
    request: Request,
) -> Response {
    respond(&proxy, &peer, Some(Zeroizing::new(token)), request).await
}

async fn respond(
    proxy: &Arc<Proxy>,
    peer: &Peer,
    token: Option<Zeroizing<String>>,
    request: Request,
) -> Response {
    let began = crate::clock::instant();
    let path = if token.is_some() { Path::Session } else { Path::Open };
    let mut facts = Facts { path, login_id: None, realm: None, kind: Kind::Unknown, client: None, octets: 0 };
    let result = serve(proxy, peer, token, request, &mut facts).await;
    let milliseconds = crate::clock::instant().saturating_duration_since(began).as_millis();
    let Facts { path, login_id, realm, kind, client, octets } = &facts;
    let name = realm.as_ref().map(Realm::as_str);
    let (outcome, code) = match &result {
        Ok((_, KdcAnswer::Error { code, .. })) => (Outcome::KdcError, Some(*code)),
        Ok(_) => (Outcome::Answered, None),
        Err(refused) => (refused.outcome(), None),
    };
    proxy.metrics.ended(name, *kind, *path, outcome);
    if let Err(Refused::Limited(limit)) = &result {
        proxy.metrics.limited(*limit);
    }
    let error = result.as_ref().err().map(ToString::to_string);
    tracing::info!(
        peer = %peer.address, path = path.as_str(), login_id, realm = name, kind = kind.as_str(), client, octets, milliseconds,
        outcome = outcome.as_str(), code = code.map(ErrorCode::number), error, "kdc proxy request"
    );
    match result {
        Ok((body, _)) => {
            proxy.metrics.octets(*octets, body.len());
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/kerberos"))], body).into_response()
        }
        Err(refused) => {
            let mut response = words(refused.status()).into_response();
            if matches!(refused, Refused::Limited(_) | Refused::NoRoom) {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            }
            response
        }
    }
}

/// The words of a status. They begin with a letter, which no client takes for DER.
fn words(status: StatusCode) -> (StatusCode, [(header::HeaderName, HeaderValue); 1], String) {
    let text = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    (status, [text], format!("{}\n", status.canonical_reason().unwrap_or("Refused")))
}

async fn serve(
    proxy: &Arc<Proxy>,
    peer: &Peer,
    token: Option<Zeroizing<String>>,
    request: Request,
    facts: &mut Facts,
) -> Result<(Vec<u8>, KdcAnswer), Refused> {
    let address = peer.address;
    proxy.limits.request(address.ip(), crate::clock::instant()).map_err(Refused::Limited)?;
    let admitted =
        proxy.admission.admit(peer, token.as_ref().map(|token| token.as_str()), crate::clock::now()).await;
    drop(token);
    if let Err(Refused::Token) = admitted {
        proxy.limits.failure_from(address.ip(), crate::clock::instant());
    }
    let admitted = admitted?;
    facts.path = admitted.path();
    facts.login_id = admitted.login_id().map(str::to_owned);
    let body = body(request, proxy.settings.body_timeout).await?;
    facts.octets = body.len();
    let request = ProxyRequest::parse(&body)?;
    facts.kind = match request.content() {
        Content::AsReq { client, .. } => {
            facts.client = Some(client.to_string());
            Kind::As
        }
        Content::TgsReq { .. } => Kind::Tgs,
        Content::Kpasswd { .. } => Kind::Kpasswd,
    };
    let realm = proxy.judge(&request)?;
    facts.realm = Some(realm.clone());
    admitted.check(&request)?;
    let permit = Arc::clone(&proxy.room).try_acquire_owned().map_err(|_| Refused::NoRoom)?;
    let attempt = match request.content() {
        Content::AsReq { client, proving: true, .. } => {
            let login = Login::of(realm.clone(), client);
            proxy.limits.try_login(&login, crate::clock::instant()).map_err(Refused::Limited)?;
            Some(login)
        }
        _ => None,
    };
    let for_another = matches!(request.content(), Content::TgsReq { for_another: true, .. });
    let barred = &proxy.settings.barred;
    let (proxy, kind) = (Arc::clone(proxy), facts.kind);
    // In a task of its own: a client that leaves does not undo that the KDC counts its wrong password, nor that we do.
    let forwarding = tokio::spawn(async move {
        let _permit = permit;
        let _asking = proxy.metrics.asking();
        let began = crate::clock::instant();
        let outcome = proxy.relay.forward(&realm, &request).await;
        let now = crate::clock::instant();
        proxy.metrics.asked(realm.as_str(), kind, now.saturating_duration_since(began));
        proxy.count(address, &realm, attempt.as_ref(), &outcome, now);
        outcome
    });
    let forwarded = forwarding.await.unwrap_or(Err(NoAnswer { attempts: Vec::new() }))?;
    if barred.is_meant_in(&forwarded.answer, for_another) {
        return Err(Refused::Barred);
    }
    admitted.check_answer(&forwarded.answer, crate::clock::now())?;
    let body = encode_reply(&forwarded.message).map_err(|_| Refused::Reply)?;
    Ok((body, forwarded.answer))
}

impl Proxy {
    /// The configured realm that a request is for, if it may go on.
    fn judge(&self, request: &ProxyRequest) -> Result<Realm, Refused> {
        let realm = self.relay.realm(request.target_domain()).cloned().ok_or(Refused::Realm)?;
        match request.content() {
            Content::AsReq { armored: true, .. } if self.settings.armored == Armored::Refused => {
                Err(Refused::Armored)
            }
            Content::AsReq { client, .. } if self.settings.barred.names(client) => Err(Refused::Barred),
            Content::AsReq { .. } | Content::TgsReq { .. } | Content::Kpasswd { .. } => Ok(realm),
        }
    }

    /// Counts what a KDC said.
    fn count(
        &self,
        peer: SocketAddr,
        realm: &Realm,
        attempt: Option<&Login>,
        outcome: &Result<Forwarded, NoAnswer>,
        now: std::time::Instant,
    ) {
        let (attempts, answer) = match outcome {
            Ok(forwarded) => (&forwarded.attempts, Some(&forwarded.answer)),
            Err(error) => (&error.attempts, None),
        };
        let unknown = attempts.iter().any(|attempt| attempt.failure.may_have_been_received());
        let ended = match answer {
            Some(KdcAnswer::Ticket { .. }) => Ended::Succeeded,
            Some(KdcAnswer::Error { code, .. }) => {
                self.metrics.kdc_error(realm.as_str(), code.name());
                match *code {
                    ErrorCode::KDC_ERR_PREAUTH_FAILED | ErrorCode::KDC_ERR_CLIENT_REVOKED => Ended::Failed,
                    _ if unknown => Ended::Failed,
                    _ => Ended::Otherwise,
                }
            }
            None if unknown => Ended::Failed,
            None | Some(KdcAnswer::Kpasswd) => Ended::Otherwise,
        };
        let unknown_account =
            matches!(answer, Some(KdcAnswer::Error { code: ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, .. }));
        if let Some(login) = attempt {
            self.limits.login_ended(login, ended, now);
        }
        let is_failure = matches!(
            answer,
            Some(KdcAnswer::Error {
                code: ErrorCode::KDC_ERR_PREAUTH_FAILED | ErrorCode::KDC_ERR_CLIENT_REVOKED,
                ..
            })
        );
        if is_failure || unknown_account {
            self.limits.failure_from(peer.ip(), now);
        }
    }
}

async fn body(request: Request<Body>, within: Duration) -> Result<Vec<u8>, Refused> {
    let length = content_length(request.headers()).ok_or(Refused::NoLength)?;
    if length > MAX_MESSAGE_LENGTH {
        return Err(Refused::TooLong);
    }
    let read = timeout(within, to_bytes(request.into_body(), MAX_MESSAGE_LENGTH)).await;
    let octets = read.map_err(|_| Refused::Slow)?.map_err(|_| Refused::Broken)?;
    Ok(octets.to_vec())
}

/// The announced length; a body of unannounced length (chunked) is not read.
fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
