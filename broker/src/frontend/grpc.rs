//! The gateways' interface, `kerbridge.v1.Gateway`, as defined in `broker/proto/kerbridge/v1/gateway.proto`.

pub mod challenges;
mod contexts;
mod conversation;
mod evidence;
mod presentation;
mod service;
mod status;
pub mod v1;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use self::challenges::Challenges;
pub use self::presentation::Present;
use self::presentation::Presentations;
use self::service::GatewayService;
use self::v1::gateway_server::GatewayServer;
use crate::error::Refusal;
use crate::handoff::{Desk, Further, IssueTicketError};
use crate::metrics::presentation::PresentationMetrics;

pub use self::status::to_status;

/// The interface definition with its comments, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("grpc/generated/descriptor.bin");

/// Largest message of a gateway: the longest message of a security context, and its token.
const MAX_MESSAGE: usize = kdc_proxy::gss::MAX_MESSAGE_LENGTH + MAX_REQUEST;

/// Largest request outside of security contexts: every one of them is a few short fields.
const MAX_REQUEST: usize = 16 * 1024;

/// Largest request that carries a chain of certificates.
const MAX_PRESENTATION: usize = crate::identity::MAX_CHAIN_SIZE + MAX_REQUEST;

/// How long calls may take, and how many may last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a call that asks a domain controller, and for each answer of a service while a security context is made.
    pub deadline: Duration,
    /// How many security contexts one gateway may have at once.
    pub max_contexts: usize,
    /// How long an established security context may wait for its next message.
    pub context_idle_timeout: Duration,
    /// How many challenges of one gateway may wait for an answer at once.
    pub max_challenges: usize,
    /// How long they may wait.
    pub challenge_lifetime: Duration,
    /// How many logins of presented certificates may go on at once.
    pub max_logins: usize,
}

/// The services on the gateways' port, and the switch of their health.
pub struct Interface {
    /// `kerbridge.v1.Gateway`, `grpc.health.v1.Health`, and server reflection v1 and v1alpha, to be served over HTTP/2. Every
    /// request needs a [`GatewayIdentity`](super::gateways::GatewayIdentity) in its extensions.
    pub router: axum::Router,
    /// Sets the health of [`SERVICE_NAME`] and of the whole (`""`). Both start as serving.
    pub health: HealthReporter,
    /// The challenges that wait, to be swept.
    pub challenges: Arc<Challenges>,
}

/// The name under which the health service reports on the interface.
pub const SERVICE_NAME: &str = v1::gateway_server::SERVICE_NAME;

/// Builds the services around a desk, and `present` that logs in whom gateways present. Security contexts end with `drain`.
pub async fn routes<F, P>(
    desk: Arc<Desk<F>>,
    present: Arc<P>,
    limits: Limits,
    metrics: PresentationMetrics,
    drain: CancellationToken,
) -> Interface
where
    P: Present,
    F: Further + 'static,
    F::Error: Send,
    Refusal: From<IssueTicketError<F::Error>>,
{
    let challenges = Arc::new(Challenges::new(limits.max_challenges, limits.challenge_lifetime));
    let presentations = Presentations::new(present, Arc::clone(&challenges), limits.max_logins, metrics);
    let service = GatewayService::new(desk, presentations, limits, drain);
    let gateway = GatewayServer::new(service).max_decoding_message_size(MAX_MESSAGE);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status(SERVICE_NAME, tonic_health::ServingStatus::Serving).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let valid = "the checked-in descriptor is the one the tests compare";
    let router = Routes::new(gateway)
        .add_service(health_service)
        .add_service(reflection().build_v1().expect(valid))
        .add_service(reflection().build_v1alpha().expect(valid))
        .prepare()
        .into_axum_router();
    Interface { router, health, challenges }
}

#[cfg(test)]
mod tests;
