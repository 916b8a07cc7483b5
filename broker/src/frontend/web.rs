//! The interface of the card listener: `POST /v1/login`.
//!
//! Every answer is JSON, every refusal `application/problem+json`, whatever was asked of whichever path. A login is
//! judged by the certificate of the very connection its request came in on, or by the one that a terminator hands on with it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{
    listener::Peer,
    problem::ProblemDetails,
    terminators::{Presented, Terminators},
};
use crate::{
    error::{Code, Refusal, Step},
    metrics::presentation::PresentationMetrics,
};

/// What performs a login once its request has been read.
pub trait Login: Send + Sync + 'static {
    /// Takes the person behind what was presented through all steps. The future may be dropped at any point, when the
    /// client leaves or the deadline passes.
    ///
    /// # Errors
    /// The first step that refuses.
    fn login(
        &self,
        presented: Presented,
        asked: LoginRequest,
    ) -> impl Future<Output = Result<Welcome, Refusal>> + Send;
}

/// A login request that has the right form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginRequest {
    /// The gateway the session is for, as the client named it.
    pub gateway: String,
    /// The desktop, as the client named it.
    pub target: String,
    /// The account that is meant, where the client named one.
    pub user: Option<String>,
    /// Joins all lines of the log about this login; 16 hexadecimal digits.
    pub login_id: String,
    /// When the client no longer gets the login's own answer.
    pub answer_by: Instant,
}

/// What a successful login answers.
#[derive(Debug)]
pub struct Welcome {
    /// The one-time code the gateway redeems.
    pub code: Zeroizing<String>,
    /// How long it can be redeemed.
    pub expires_in: Duration,
    /// The gateway it can be redeemed by.
    pub gateway: String,
    /// Who logged in: the user principal name.
    pub subject: String,
}

/// What a login is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time from the head of the request to its answer.
    pub request_timeout: Duration,
    /// Logins at once.
    pub max_logins: usize,
}

/// What decides which certificate a request presents.
#[derive(Clone, Debug)]
pub struct Door {
    /// The terminators, until a reload replaces them.
    pub terminators: watch::Receiver<Arc<Terminators>>,
    /// Counts what is refused.
    pub metrics: PresentationMetrics,
}

/// The routes of the card listener.
pub fn router<L: Login>(login: Arc<L>, limits: Limits, door: Door) -> Router {
    let room = Semaphore::new(limits.max_logins.min(Semaphore::MAX_PERMITS));
    let portal = Arc::new(Portal { login, room, request_timeout: limits.request_timeout });
    Router::new()
        .route("/v1/login", post(answer::<L>).fallback(|| refused(StatusCode::METHOD_NOT_ALLOWED)))
        .fallback(|| refused(StatusCode::NOT_FOUND))
        .layer(from_fn_with_state(door, present))
        .layer(from_fn(guarded))
        .with_state(portal)
}

struct Portal<L> {
    login: Arc<L>,
    room: Semaphore,
    request_timeout: Duration,
}

/// The login request as it is sent. Its lengths are bounded by the body's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    gateway: String,
    target: String,
    user: Option<String>,
}

#[derive(Serialize)]
struct LoginAnswer<'a> {
    code: &'a str,
    expires_in: u64,
    gateway: &'a str,
    subject: &'a str,
}

async fn answer<L: Login>(
    State(portal): State<Arc<Portal<L>>>,
    Extension(peer): Extension<Peer>,
    Extension(presented): Extension<Presented>,
    request: Request,
) -> Response {
    let login_id = crate::entropy::login_id(&mut crate::entropy::system());
    let span = tracing::info_span!("login", login_id, peer = %peer.address);
    let began = crate::clock::instant();
    let answer = async {
        let answer_by = began + portal.request_timeout;
        let login = timeout(portal.request_timeout, login(&portal, presented, request, &login_id, answer_by));
        let result = login
            .await
            .unwrap_or_else(|_| Err(Refused::Step(Refusal::new(Code::DeadlineExceeded, Step::Request))));
        let milliseconds = crate::clock::instant().saturating_duration_since(began).as_millis();
        match result {
            Ok(welcome) => {
                let Welcome { gateway, subject, .. } = &welcome;
                tracing::info!(gateway, subject, milliseconds, "login accepted");
                welcomed(&welcome)
            }
            Err(Refused::Form(status)) => {
                tracing::info!(status = status.as_u16(), milliseconds, "login request refused for its form");
                ProblemDetails::invalid(status, &login_id).into_response()
            }
            Err(Refused::Step(refusal)) => {
                refusal.log();
                ProblemDetails::of(&refusal, &login_id).into_response()
            }
        }
    };
    answer.instrument(span).await
}

/// Why a request gets no code.
enum Refused {
    /// It is not a login request; the HTTP status says why.
    Form(StatusCode),
    Step(Refusal),
}

async fn login<L: Login>(
    portal: &Portal<L>,
    presented: Presented,
    request: Request,
    login_id: &str,
    answer_by: Instant,
) -> Result<Welcome, Refused> {
    let LoginBody { gateway, target, user } = body(request).await?;
    let overloaded = |_| Refused::Step(Refusal::new(Code::Overloaded, Step::Request));
    let _permit = portal.room.try_acquire().map_err(overloaded)?;
    let asked = LoginRequest { gateway, target, user, login_id: login_id.to_owned(), answer_by };
    portal.login.login(presented, asked).await.map_err(Refused::Step)
}

async fn body(request: Request) -> Result<LoginBody, Refused> {
    // A page of another site can make a browser send a form or plain text with the card, but not this type.
    if !is_json(request.headers()) {
        return Err(Refused::Form(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let octets = to_bytes(request.into_body(), MAX_BODY).await;
    let octets = octets.map_err(|_| Refused::Form(StatusCode::PAYLOAD_TOO_LARGE))?;
    serde_json::from_slice(&octets).map_err(|_| Refused::Form(StatusCode::BAD_REQUEST))
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return false };
    let essence = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn welcomed(welcome: &Welcome) -> Response {
    let Welcome { code, expires_in, gateway, subject } = welcome;
    Json(LoginAnswer { code, expires_in: expires_in.as_secs(), gateway, subject }).into_response()
}

async fn refused(status: StatusCode) -> Response {
    let login_id = crate::entropy::login_id(&mut crate::entropy::system());
    ProblemDetails::invalid(status, &login_id).into_response()
}

/// Finds out what a request presents before anything else is read of it.
async fn present(
    State(door): State<Door>,
    Extension(peer): Extension<Peer>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let terminators = Arc::clone(&door.terminators.borrow());
    let refused = match terminators.presented(&peer, request.headers(), crate::clock::now()) {
        Ok(presented) => {
            request.extensions_mut().insert(presented);
            return next.run(request).await;
        }
        Err(refused) => refused,
    };
    door.metrics.refused_at_cards(refused.reason());
    let login_id = crate::entropy::login_id(&mut crate::entropy::system());
    let refusal = Refusal::from(refused);
    tracing::info_span!("login", login_id, peer = %peer.address).in_scope(|| refusal.log());
    ProblemDetails::of(&refusal, &login_id).into_response()
}

/// What every answer says to whatever stands between: keep no copy, guess no type.
async fn guarded(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The largest request body, in octets.
const MAX_BODY: usize = 4 * 1024;

#[cfg(test)]
mod tests;
