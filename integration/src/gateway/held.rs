//! A session that a gateway holds open, with a security context that stands, by `hold_session.py` beside this file.

use std::time::Duration;

use serde_json::Value;

use super::{Gateway, GatewayError};
use crate::wait;

const PROGRAM: &str = include_str!("hold_session.py");
const PATH: &str = "/dev/shm/hold_session.py";

/// A loaded machine takes seconds for what is done in a tenth of one.
const LIMIT: Duration = Duration::from_secs(60);

/// A session that is held.
#[derive(Debug)]
pub struct Held<'g> {
    gateway: &'g Gateway,
    name: String,
    opened: Value,
}

impl Gateway {
    /// Redeems a code, and holds the session and a context with the `gss-acceptor` of a desktop host under a name of its own.
    ///
    /// # Errors
    /// Where the broker refuses, or the service.
    pub fn hold(&self, name: &str, broker: &str, code: &str, host: &str) -> Result<Held<'_>, GatewayError> {
        let container = &self.container;
        container.write(PATH, PROGRAM.as_bytes(), "700")?;
        container.write(&format!("/dev/shm/{name}.code"), format!("{code}\n").as_bytes(), "600")?;
        let command = format!(
            "env PYTHONPATH={} GRPC_VERBOSITY=NONE python3 {PATH} {broker} {host} {name}",
            super::redeem::STUBS
        );
        container.spawn(&command, &format!("/dev/shm/{name}.log"))?;
        let mut held = Held { gateway: self, name: name.to_owned(), opened: Value::Null };
        held.opened = held.written("open")?;
        Ok(held)
    }
}

impl Held<'_> {
    /// Joins it to the log of its login.
    #[must_use]
    pub fn login_id(&self) -> &str {
        self.opened.get("login_id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The URL of the KDC proxy with the session's token in it; empty where there is none.
    #[must_use]
    pub fn kdc_proxy(&self) -> &str {
        self.opened.pointer("/kdc_proxy/url").and_then(Value::as_str).unwrap_or_default()
    }

    /// Waits until the broker closes the stream, and returns how.
    ///
    /// # Errors
    /// Where it does not.
    pub fn stream(&self) -> Result<Value, GatewayError> {
        self.written("stream")
    }

    /// How the stream was closed, a ticket refused, and the end of the session; each is null where it was not.
    ///
    /// # Errors
    /// Where the program fails.
    pub fn asked(&self) -> Result<Value, GatewayError> {
        self.gateway.container.run(&["touch", &format!("/dev/shm/{}.ask", self.name)])?;
        self.written("result")
    }

    fn written(&self, what: &str) -> Result<Value, GatewayError> {
        let path = |what: &str| format!("/dev/shm/{}.{what}", self.name);
        let read = || serde_json::from_slice(&self.gateway.container.read(&path(what)).ok()?).ok();
        wait::until(what, LIMIT, read).map_err(|late| {
            let log = self.gateway.container.read(&path("log")).unwrap_or_default();
            let output = format!("{late}: {}", String::from_utf8_lossy(&log));
            GatewayError::Answer { client: "hold_session.py", output }
        })
    }
}
