//! A refusal as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::error::{Code, Refusal, Step};

/// What a refused caller reads: the stable code, the step and words for a person, and nothing of the inside.
#[derive(Debug)]
pub(super) struct ProblemDetails<'a> {
    code: &'static str,
    status: StatusCode,
    step: Step,
    words: Cow<'static, str>,
    login_id: &'a str,
}

impl<'a> ProblemDetails<'a> {
    pub(super) fn of(refusal: &Refusal, login_id: &'a str) -> Self {
        let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code: refusal.code(), status, step: refusal.step(), words: refusal.words(), login_id }
    }

    /// A request that is refused for its form, with the HTTP status that says which part of it is wrong.
    pub(super) fn invalid(status: StatusCode, login_id: &'a str) -> Self {
        Self { status, ..Self::of(&Refusal::new(Code::RequestInvalid, Step::Request), login_id) }
    }
}

impl IntoResponse for ProblemDetails<'_> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Members<'a> {
            r#type: String,
            title: String,
            status: u16,
            detail: &'a str,
            code: &'a str,
            step: &'a str,
            login_id: &'a str,
        }
        let members = Members {
            r#type: format!("urn:kerbridge:problem:{}", self.code),
            title: self.code.replace('_', " "),
            status: self.status.as_u16(),
            detail: &self.words,
            code: self.code,
            step: self.step.as_str(),
            login_id: self.login_id,
        };
        let body = serde_json::to_vec(&members).expect("a struct of texts and numbers is always JSON");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
