use std::net::SocketAddr;

use axum::body::Bytes;
use http::Method;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

/// Accepts everything, or waits forever.
struct Pretended {
    answers: bool,
}

impl Login for Pretended {
    async fn login(&self, _presented: Presented, asked: LoginRequest) -> Result<Welcome, Refusal> {
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Ok(Welcome {
            code: Zeroizing::new("the-code".into()),
            expires_in: Duration::from_secs(60),
            gateway: asked.gateway,
            subject: "alice@corp.example".into(),
        })
    }
}

fn limits() -> Limits {
    Limits { request_timeout: Duration::from_secs(5), max_logins: 1 }
}

fn app() -> Router {
    served(true)
}

fn served(answers: bool) -> Router {
    let (_, terminators) = watch::channel(Arc::default());
    let door = Door { terminators, metrics: PresentationMetrics::default() };
    router(Arc::new(Pretended { answers }), limits(), door)
}

fn request(method: Method, path: &str, content_type: &str, body: &str) -> Request {
    let address: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, content_type)
        .extension(Peer { address, certificates: None })
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn login_request() -> Request {
    request(
        Method::POST,
        "/v1/login",
        "application/json",
        r#"{"gateway":"gw1","target":"desk1.corp.example"}"#,
    )
}

async fn ask(app: &Router, request: Request) -> (StatusCode, HeaderMap, Bytes) {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, 65_536).await.unwrap())
}

async fn refused_with(app: &Router, request: Request) -> (StatusCode, Value) {
    let (status, headers, body) = ask(app, request).await;
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["login_id"].as_str().unwrap().len(), 16);
    (status, problem)
}

#[tokio::test]
async fn a_login_answers_code_lifetime_gateway_and_subject() {
    let (status, headers, body) = ask(&app(), login_request()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let expected = serde_json::json!({
        "code": "the-code", "expires_in": 60, "gateway": "gw1", "subject": "alice@corp.example"
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn another_path_and_another_method_are_problems_too() {
    for (method, path, expected) in [
        (Method::GET, "/v1/login", StatusCode::METHOD_NOT_ALLOWED),
        (Method::OPTIONS, "/v1/login", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/v1/logins", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/health", StatusCode::NOT_FOUND),
    ] {
        let (status, problem) = refused_with(&app(), request(method, path, "application/json", "")).await;
        assert_eq!(status, expected, "{path}");
        assert_eq!(problem["code"], "request_invalid");
        assert_eq!(problem["type"], "urn:kerbridge:problem:request_invalid");
    }
}

#[tokio::test]
async fn a_content_type_another_site_can_send_is_refused() {
    let body = r#"{"gateway":"gw1","target":"desk1.corp.example"}"#;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let asked = request(Method::POST, "/v1/login", content_type, body);
        let (status, _) = refused_with(&app(), asked).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
}

#[tokio::test]
async fn a_content_type_with_a_character_set_is_taken() {
    let body = r#"{"gateway":"gw1","target":"desk1.corp.example"}"#;
    let asked = request(Method::POST, "/v1/login", "Application/JSON; charset=utf-8", body);
    assert_eq!(ask(&app(), asked).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_missing_or_repeated_member_is_refused() {
    for body in [
        r#"{"gateway":"gw1","target":"desk1","role":"administrator"}"#,
        r#"{"gateway":"gw1","target":"desk1","user":["alice"]}"#,
        r#"{"gateway":"gw1"}"#,
        r#"{"gateway":"gw1","gateway":"gw2","target":"desk1"}"#,
        r#"{"gateway":"gw1","target":["desk1"]}"#,
        r#"{"gateway":"gw1","target":"desk1"} trailing"#,
        "",
    ] {
        let asked = request(Method::POST, "/v1/login", "application/json", body);
        let (status, _) = refused_with(&app(), asked).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_body_beyond_four_kibibytes_is_refused() {
    let body = format!(r#"{{"gateway":"gw1","target":"{}"}}"#, "a".repeat(MAX_BODY));
    let asked = request(Method::POST, "/v1/login", "application/json", &body);
    assert_eq!(refused_with(&app(), asked).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_login_beyond_its_deadline_is_refused_as_such() {
    let app = served(false);
    let (status, problem) = refused_with(&app, login_request()).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(problem["code"], "deadline_exceeded");
}

#[tokio::test(start_paused = true)]
async fn a_login_beyond_the_limit_is_refused_at_once_and_told_to_come_back() {
    let app = served(false);
    let first = tokio::spawn(app.clone().oneshot(login_request()));
    tokio::task::yield_now().await;
    let (status, headers, body) = ask(&app, login_request()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[header::RETRY_AFTER], "5");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "overloaded");
    assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
}
