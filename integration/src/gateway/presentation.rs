//! A gateway that presents certificates, by `deploy/gateway/present.py`.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::{Gateway, GatewayError};

/// A challenge that waits for its answer.
#[derive(Clone, Debug)]
pub struct PendingChallenge {
    /// Its name.
    pub id: String,
    /// What the card signs.
    pub message: Vec<u8>,
    /// What the gateway's program reads in it.
    pub says: Value,
}

/// The session of a person whose card was presented.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PresentedSession {
    /// The user principal name of the certificate.
    pub upn: String,
    /// The host it is for.
    pub target: String,
    /// Joins it to the broker's log.
    pub login_id: String,
}

impl Gateway {
    /// Asks for a challenge for the card whose chain (PEM) is presented.
    ///
    /// # Errors
    /// [`GatewayError::Refused`].
    pub fn challenge(
        &self,
        broker: &str,
        chain: &str,
        target: &str,
        client: Ipv4Addr,
    ) -> Result<PendingChallenge, GatewayError> {
        self.challenge_as("", broker, chain, target, client)
    }

    /// The same for one of a person's accounts, by its name.
    ///
    /// # Errors
    /// [`GatewayError::Refused`].
    pub fn challenge_as(
        &self,
        user: &str,
        broker: &str,
        chain: &str,
        target: &str,
        client: Ipv4Addr,
    ) -> Result<PendingChallenge, GatewayError> {
        let answer = self.presenting("challenge", user, broker, chain, target, client)?;
        let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = hex::decode(text("message")).unwrap_or_default();
        let says = answer.get("says").cloned().unwrap_or_default();
        Ok(PendingChallenge { id: text("challenge_id"), message, says })
    }

    /// The same as [`Self::authenticate`], with an OCSP response that came along, DER.
    ///
    /// # Errors
    /// [`GatewayError::Refused`].
    pub fn authenticate_stapling(
        &self,
        broker: &str,
        chain: &str,
        response: &[u8],
        target: &str,
        client: Ipv4Addr,
    ) -> Result<PresentedSession, GatewayError> {
        const FILE: &str = "/tmp/response.der";
        self.container.write(FILE, response, "644")?;
        let (own, client) = (Self::present("authenticate", broker), client.to_string());
        let what = ["--certificates", "/dev/stdin", "--target", target, "--client", &client, "--ocsp", FILE];
        session(&self.with_input("present.py", &[own.as_slice(), &what].concat(), chain.as_bytes())?)
    }

    /// Brings a signature over a challenge's message.
    ///
    /// # Errors
    /// [`GatewayError::Refused`].
    pub fn answer(
        &self,
        broker: &str,
        challenge: &PendingChallenge,
        scheme: &str,
        signature: &[u8],
    ) -> Result<PresentedSession, GatewayError> {
        let own = Self::present("answer", broker);
        let command = [own.as_slice(), &["--challenge", &challenge.id, "--scheme", scheme]].concat();
        session(&self.with_input("present.py", &command, signature)?)
    }

    /// Asks for a session on this gateway's word alone.
    ///
    /// # Errors
    /// [`GatewayError::Refused`].
    pub fn authenticate(
        &self,
        broker: &str,
        chain: &str,
        target: &str,
        client: Ipv4Addr,
    ) -> Result<PresentedSession, GatewayError> {
        self.authenticate_as("", broker, chain, target, client)
    }

    /// The same for one of a person's accounts, by its name.
    ///
    /// # Errors
    /// [`GatewayError::Refused`].
    pub fn authenticate_as(
        &self,
        user: &str,
        broker: &str,
        chain: &str,
        target: &str,
        client: Ipv4Addr,
    ) -> Result<PresentedSession, GatewayError> {
        session(&self.presenting("authenticate", user, broker, chain, target, client)?)
    }

    fn presenting(
        &self,
        call: &'static str,
        user: &str,
        broker: &str,
        chain: &str,
        target: &str,
        client: Ipv4Addr,
    ) -> Result<Value, GatewayError> {
        let own = Self::present(call, broker);
        let client = client.to_string();
        let what = ["--certificates", "/dev/stdin", "--target", target, "--client", &client, "--user", user];
        self.with_input("present.py", &[own.as_slice(), &what].concat(), chain.as_bytes())
    }

    fn present<'a>(call: &'static str, broker: &'a str) -> Vec<&'a str> {
        let mut command = vec!["/opt/kerbridge/present.py", call, "--broker", broker];
        command.extend(["--ca", "/opt/kerbridge/ca.pem", "--certificate", "/opt/kerbridge/gateway.pem"]);
        command.extend(["--key", "/opt/kerbridge/gateway.key"]);
        command
    }
}

fn session(answer: &Value) -> Result<PresentedSession, GatewayError> {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let unexpected = || GatewayError::Answer { client: "present.py", output: answer.to_string() };
    Ok(PresentedSession {
        upn: text("/session/subject/upn").ok_or_else(unexpected)?,
        target: text("/session/target").ok_or_else(unexpected)?,
        login_id: text("/session/login_id").ok_or_else(unexpected)?,
    })
}
