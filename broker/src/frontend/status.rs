//! The status page: `/livez` and `/readyz` for an orchestrator, `/controllers` for an administrator, and `/metrics`; plain HTTP,
//! on loopback unless configured otherwise.
//!
//! It names which dependency fails with which stable code, and no account or error text. Addresses are those of the domain
//! controllers, under `/controllers`.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use kdc_proxy::net::client::{KdcState, KdcStatus};
use ldap_map::net::{
    directory::{ServerState, ServerStatus},
    locate::{Search, Standing},
};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{
    controllers::{RealmControllers, RealmStatus, addresses_of, code_of, host_of},
    health::Report,
    metrics::{MEDIA_TYPE, Metrics},
};

/// The routes of the status listener.
pub fn router(
    report: watch::Receiver<Report>,
    metrics: Arc<Metrics>,
    controllers: Vec<Arc<RealmControllers>>,
) -> Router {
    Router::new()
        .route("/livez", get(|| async { answer(StatusCode::OK, json!({ "status": "live" })) }))
        .route("/readyz", get(ready))
        .with_state(report)
        .route("/metrics", get(counted).with_state(metrics))
        .route("/controllers", get(controlled).with_state(controllers))
}

async fn ready(State(report): State<watch::Receiver<Report>>) -> Response {
    let report = report.borrow().clone();
    let checks: Map<String, Value> =
        report.checks.iter().map(|(name, state)| ((*name).to_owned(), state.word().into())).collect();
    let (status, word) = match (report.is_ready(), report.draining) {
        (true, _) => (StatusCode::OK, "ready"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    answer(status, json!({ "status": word, "checks": checks }))
}

async fn controlled(State(controllers): State<Vec<Arc<RealmControllers>>>) -> Response {
    let realms: Vec<Value> = controllers.iter().map(|realm| realm_of(&realm.status())).collect();
    answer(StatusCode::OK, json!({ "realms": realms }))
}

fn realm_of(status: &RealmStatus) -> Value {
    let directory = |server: &ServerStatus| {
        let state = match server.state {
            ServerState::Answering => ANSWERING,
            ServerState::PassedOver => PASSED_OVER,
        };
        controller(status, &server.server, &server.addresses, state, server.since)
    };
    let kdc = |kdc: &KdcStatus| {
        let state = match kdc.state {
            KdcState::Answering => ANSWERING,
            KdcState::PassedOver => PASSED_OVER,
        };
        controller(status, &host_of(&kdc.kdc), &addresses_of(&kdc.kdc), state, kdc.since)
    };
    json!({
        "realm": status.realm.to_string(),
        "source": if status.search.is_some() { "discovery" } else { "configuration" },
        "discovery": status.search.as_ref().map(searched),
        "directory": status.servers.iter().map(directory).collect::<Vec<_>>(),
        "kdcs": status.kdcs.iter().map(kdc).collect::<Vec<_>>(),
    })
}

fn controller(
    status: &RealmStatus,
    host: &str,
    addresses: &[SocketAddr],
    state: &str,
    since: SystemTime,
) -> Value {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let found = status.found(host);
    let standing = found.map(|found| match found.standing {
        Standing::Closest => "closest",
        Standing::Elsewhere => "elsewhere",
        Standing::ReadOnly => "read_only",
        Standing::Silent => "silent",
    });
    json!({
        "host": host,
        "addresses": addresses,
        "site": found.and_then(|found| found.site.as_deref()),
        "standing": standing,
        "state": state,
        "since": moment(since),
    })
}

/// How the search goes: by the word of its failure, if it fails, those found before stay in use.
fn searched(search: &Search) -> Value {
    let (failing, located) = (search.failing.as_ref(), search.located.as_ref());
    let state = match (failing, located) {
        (Some(failing), _) => code_of(&failing.error),
        (None, Some(_)) => "ok",
        (None, None) => "unknown",
    };
    json!({
        "state": state,
        "failing_since": failing.map(|failing| moment(failing.since)),
        "found_at": located.map(|located| moment(located.at)),
        "site": located.and_then(|located| located.site.as_deref()),
    })
}

fn moment(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| time.to_string())
}

/// The state of a controller that answered when it was last asked, or was not asked yet.
const ANSWERING: &str = "answering";
/// The state of one that did not.
const PASSED_OVER: &str = "passed_over";

async fn counted(State(metrics): State<Arc<Metrics>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, metrics.text()).into_response()
}

fn answer(status: StatusCode, body: Value) -> Response {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, [no_store], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
    };
    use tower::ServiceExt as _;

    use super::*;
    use crate::health;

    async fn asked(path: &str, report: Report) -> (StatusCode, Value) {
        let (_sender, receiver) = watch::channel(report);
        let request = Request::get(path).body(Body::empty()).unwrap();
        let metrics = Arc::new(Metrics::new());
        let response = router(receiver, metrics, Vec::new()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, serde_json::from_slice(&to_bytes(body, 65_536).await.unwrap()).unwrap())
    }

    fn report(kerberos: health::State, draining: bool) -> Report {
        let checks = vec![("directory", health::State::Working), ("kerberos", kerberos)];
        Report { checks, draining, ..Report::default() }
    }

    #[tokio::test]
    async fn a_working_service_is_ready() {
        let (status, body) = asked("/readyz", report(health::State::Working, false)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body, json!({ "status": "ready", "checks": { "directory": "ok", "kerberos": "ok" } }));
    }

    #[tokio::test]
    async fn a_failing_dependency_is_named_by_its_code() {
        let (status, body) = asked("/readyz", report(health::State::Failing("kdc_unavailable"), false)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["checks"]["kerberos"], "kdc_unavailable");
    }

    #[tokio::test]
    async fn a_draining_service_lives_but_is_not_ready() {
        let (status, body) = asked("/readyz", report(health::State::Working, true)).await;
        assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("draining")));
        let (status, _) = asked("/livez", report(health::State::Unknown, true)).await;
        assert_eq!(status, StatusCode::OK);
    }

    #[tokio::test]
    async fn the_metrics_are_served_as_openmetrics() {
        let (_sender, receiver) = watch::channel(report(health::State::Working, false));
        let metrics = Arc::new(Metrics::new());
        metrics.kdc_proxy().octets(7, 8);
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = router(receiver, metrics, Vec::new()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(
            (parts.status, parts.headers[header::CONTENT_TYPE].to_str().unwrap()),
            (StatusCode::OK, MEDIA_TYPE)
        );
        let text = String::from_utf8(to_bytes(body, 65_536).await.unwrap().to_vec()).unwrap();
        assert!(text.contains("kerbridge_kdc_proxy_request_octets_total 7\n"), "{text}");
    }
}
