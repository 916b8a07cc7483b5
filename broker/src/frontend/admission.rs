//! What stands before the gateways' interface: who is calling, and for how long.
//!
//! The certificate of a connection was verified in its handshake. Which gateway it belongs to is asked again with
//! every request, so that a gateway that was taken out of the configuration, or whose certificate has ended, is
//! refused on connections it already has.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use tokio::{sync::watch, time::timeout};

use super::{
    gateways::{CertificateNames, GatewayIdentity, GatewayUnknown, Gateways, Standing},
    grpc::to_status,
    listener::Peer,
    terminators::{HeaderRefused, carried},
};
use crate::{
    error::{Code, Refusal, Step},
    metrics::presentation::PresentationMetrics,
};

/// Puts the doorman before the routes. A request has `request_timeout` until the head of its answer.
pub fn admit(
    routes: Router,
    gateways: watch::Receiver<Arc<Gateways>>,
    request_timeout: Duration,
    metrics: PresentationMetrics,
) -> Router {
    let door = Door { gateways, request_timeout, metrics };
    routes.layer(from_fn_with_state(door, pass))
}

#[derive(Clone)]
struct Door {
    gateways: watch::Receiver<Arc<Gateways>>,
    request_timeout: Duration,
    metrics: PresentationMetrics,
}

impl Door {
    fn identify(&self, request: &Request) -> Result<(GatewayIdentity, Standing), GatewayUnknown> {
        let peer = request.extensions().get::<Peer>();
        let chain = peer.and_then(|peer| peer.certificates.as_deref());
        let own = chain.and_then(<[_]>::first).ok_or(GatewayUnknown::Malformed)?;
        let certificate = CertificateNames::read(own)?;
        let gateways = Arc::clone(&self.gateways.borrow());
        let gateway = gateways.identify(&certificate, crate::clock::now())?;
        let standing = Standing::new(self.gateways.clone(), certificate, gateway.clone());
        Ok((gateway, standing))
    }
}

async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let (gateway, standing) = match door.identify(&request) {
        Ok(identified) => identified,
        Err(error) => {
            let peer = request.extensions().get::<Peer>().map(|peer| peer.address.to_string());
            tracing::warn!(peer, %error, "gateway refused");
            return to_status(&Refusal::because(Code::GatewayUnknown, Step::Request, error)).into_http();
        }
    };
    let name = gateway.name().to_owned();
    // A gateway presents certificates by its calls, where it may. A header here was meant for somebody who believes it.
    if let Some(header) = carried(request.headers()).next() {
        let refused = HeaderRefused::Stranger { header: header.as_str().to_owned() };
        door.metrics.refused_at_gateways(refused.reason());
        let refusal = Refusal::from(refused);
        tracing::info_span!("call", gateway = name).in_scope(|| refusal.log());
        return to_status(&refusal).into_http();
    }
    request.extensions_mut().insert(gateway);
    request.extensions_mut().insert(standing);
    match timeout(door.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(gateway = name, "request took too long");
            to_status(&Refusal::new(Code::DeadlineExceeded, Step::Request)).into_http()
        }
    }
}

#[cfg(test)]
mod tests;
