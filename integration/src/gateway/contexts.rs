//! Conversations of a gateway that holds no key: the broker plays the initiator, by `deploy/gateway/security_context.py`.

use serde_json::Value;

use super::{Gateway, GatewayError};

/// Where the gateway's own files are.
const OWN: [&str; 6] = [
    "--ca",
    "/opt/kerbridge/ca.pem",
    "--certificate",
    "/opt/kerbridge/gateway.pem",
    "--key",
    "/opt/kerbridge/gateway.key",
];

impl Gateway {
    /// Holds conversations with a desktop host's `gss-acceptor`, each named by a method of `speak`; returns what came of each.
    ///
    /// # Errors
    /// Where the program fails.
    pub fn speak(
        &self,
        broker: &str,
        code: &str,
        host: &str,
        scenarios: &[&str],
    ) -> Result<Value, GatewayError> {
        let command = [&["speak", broker, host], scenarios].concat();
        self.with_code("speak", &command, code)
    }

    /// Searches a directory for an account as the person, by SASL GSSAPI with encryption on port 389.
    ///
    /// # Errors
    /// [`GatewayError::Refused`] with the broker's reason, and where the directory does not answer.
    pub fn search_as_the_person(
        &self,
        broker: &str,
        code: &str,
        directory: &str,
        base: &str,
        account: &str,
    ) -> Result<Value, GatewayError> {
        let asked = ["--directory", directory, "--base", base, "--filter-value", account];
        let program = ["/opt/kerbridge/security_context.py", "--broker", broker];
        self.with_code("security_context.py", &[&program[..], &OWN, &asked].concat(), code)
    }

    /// Binds at a directory over LDAPS with ready-made tokens: bound to the connection, to another one, and to none.
    ///
    /// # Errors
    /// Where the program fails; a refusal of the directory is an answer.
    pub fn bind_with_tokens(&self, broker: &str, code: &str, directory: &str) -> Result<Value, GatewayError> {
        self.with_code("bound-bind", &["bound-bind", broker, directory], code)
    }
}
