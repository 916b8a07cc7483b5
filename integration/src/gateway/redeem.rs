//! A gateway's conversation with the broker, carried on by `deploy/gateway/redeem.py`.

use std::time::Duration;

use serde_json::Value;

use super::{Gateway, GatewayError};

/// Where the modules made from the interface's definition are.
pub(super) const STUBS: &str = "/opt/kerbridge/stubs";

/// Exit codes of `redeem.py`.
const REFUSED: i32 = 2;
const UNREACHABLE: i32 = 3;

/// The form of a ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One initial SPNEGO token.
    SpnegoToken,
    /// A credential cache.
    Ccache,
    /// A credential cache with the entry that FreeRDP looks for.
    FreerdpCcache,
    /// A KRB-CRED message.
    KrbCred,
}

/// A redeemed code: whom it stands for, and the tickets that were fetched.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The user principal name of the certificate.
    pub upn: String,
    /// The account's name without its domain.
    pub sam_account_name: String,
    /// The account's realm.
    pub realm: String,
    /// The account's security identifier, `S-1-...`.
    pub sid: String,
    /// The host the login was made for.
    pub target: String,
    /// The services that were granted.
    pub granted_spns: Vec<String>,
    /// When the session ends, RFC 3339.
    pub expires_at: String,
    /// The rule that permitted the login.
    pub rule: String,
    /// Joins the session to the broker's log.
    pub login_id: String,
    /// What the login relied on about revocation, as `redeem.py` shows it.
    pub revocation: Value,
    /// What was fetched, in the order asked for.
    pub tickets: Vec<IssuedTicket>,
}

/// A ticket in a file of the gateway.
#[derive(Clone, Debug)]
pub struct IssuedTicket {
    /// The service it is for.
    pub spn: String,
    /// Its path in the gateway.
    pub file: String,
    /// When it ends, RFC 3339.
    pub expires_at: String,
    /// How long the broker took to issue it, as the gateway saw it.
    pub took: Duration,
}

impl Form {
    /// Its name in the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpnegoToken => "SPNEGO_TOKEN",
            Self::Ccache => "CCACHE",
            Self::FreerdpCcache => "FREERDP_CCACHE",
            Self::KrbCred => "KRB_CRED",
        }
    }
}

impl Redeemed {
    /// The file of the ticket for a service class such as `HTTP`.
    #[must_use]
    pub fn file(&self, class: &str) -> Option<&str> {
        let ticket = self.tickets.iter().find(|ticket| ticket.spn.starts_with(&format!("{class}/")))?;
        Some(&ticket.file)
    }
}

impl Gateway {
    /// Redeems a code at the broker's gateway interface (`host:port`), fetches the tickets asked for (none asked for: a
    /// credential cache for each granted service, for `TERMSRV` one for FreeRDP) and ends the session.
    ///
    /// # Errors
    /// [`GatewayError::Refused`] with the broker's reason, [`GatewayError::Unreachable`] without one.
    pub fn redeem(
        &self,
        broker: &str,
        code: &str,
        tickets: &[(&str, Form)],
    ) -> Result<Redeemed, GatewayError> {
        self.redeem_with(broker, code, tickets, &[])
    }

    /// The same with further options of `redeem.py`.
    ///
    /// # Errors
    /// As [`Self::redeem`].
    pub fn redeem_with(
        &self,
        broker: &str,
        code: &str,
        tickets: &[(&str, Form)],
        options: &[&str],
    ) -> Result<Redeemed, GatewayError> {
        let folder = self.container.run(&["mktemp", "--directory", "/dev/shm/session-XXXXXX"])?;
        let chosen: Vec<String> =
            tickets.iter().map(|(spn, form)| format!("{spn}={}", form.as_str())).collect();
        let mut command = vec!["/opt/kerbridge/redeem.py", "--broker", broker, "--out", folder.trim()];
        command.extend(["--ca", "/opt/kerbridge/ca.pem", "--certificate", "/opt/kerbridge/gateway.pem"]);
        command.extend(["--key", "/opt/kerbridge/gateway.key"]);
        command.extend(chosen.iter().flat_map(|ticket| ["--ticket", ticket]));
        command.extend_from_slice(options);
        redeemed(&self.with_code("redeem.py", &command, code)?)
    }

    /// Runs a program that takes a code on standard input and answers with a JSON object.
    pub(super) fn with_code(
        &self,
        client: &'static str,
        command: &[&str],
        code: &str,
    ) -> Result<Value, GatewayError> {
        self.with_input(client, command, format!("{code}\n").as_bytes())
    }

    /// Runs a program that takes octets on standard input and answers with a JSON object.
    pub(super) fn with_input(
        &self,
        client: &'static str,
        command: &[&str],
        input: &[u8],
    ) -> Result<Value, GatewayError> {
        let environment = [("PYTHONPATH", STUBS), ("GRPC_VERBOSITY", "NONE")];
        let finished = self.container.exec_with(command, &environment, input)?;
        let answer: Value = match finished.code {
            Some(0 | REFUSED | UNREACHABLE) => serde_json::from_slice(&finished.stdout).unwrap_or_default(),
            _ => return Err(GatewayError::client(client, &finished)),
        };
        match finished.code {
            Some(REFUSED) => Err(GatewayError::Refused {
                reason: text(&answer, "/refused/reason")?,
                step: text(&answer, "/refused/step")?,
                message: text(&answer, "/refused/message")?,
                causes: list(&answer, "/refused/causes")?
                    .iter()
                    .map(|cause| Ok((text(cause, "/cause")?, text(cause, "/advice")?)))
                    .collect::<Result<_, GatewayError>>()?,
            }),
            Some(UNREACHABLE) => Err(GatewayError::Unreachable { message: text(&answer, "/unreachable")? }),
            _ => Ok(answer),
        }
    }
}

fn redeemed(answer: &Value) -> Result<Redeemed, GatewayError> {
    Ok(Redeemed {
        upn: text(answer, "/session/subject/upn")?,
        sam_account_name: text(answer, "/session/subject/sam_account_name")?,
        realm: text(answer, "/session/subject/realm")?,
        sid: text(answer, "/session/subject/sid")?,
        target: text(answer, "/session/target")?,
        granted_spns: list(answer, "/session/granted_spns")?
            .iter()
            .map(|spn| text(spn, ""))
            .collect::<Result<_, _>>()?,
        expires_at: text(answer, "/session/expires_at")?,
        rule: text(answer, "/session/rule")?,
        login_id: text(answer, "/session/login_id")?,
        revocation: answer.pointer("/session/revocation").cloned().unwrap_or_default(),
        tickets: list(answer, "/tickets")?.iter().map(ticket).collect::<Result<_, _>>()?,
    })
}

fn ticket(answer: &Value) -> Result<IssuedTicket, GatewayError> {
    let milliseconds = answer.pointer("/milliseconds").and_then(Value::as_f64).unwrap_or(-1.0);
    let took = Duration::try_from_secs_f64(milliseconds / 1000.0).map_err(|_| unexpected(answer))?;
    let (spn, file) = (text(answer, "/spn")?, text(answer, "/file")?);
    Ok(IssuedTicket { spn, file, expires_at: text(answer, "/expires_at")?, took })
}

fn text(answer: &Value, pointer: &str) -> Result<String, GatewayError> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| unexpected(answer))
}

fn list<'a>(answer: &'a Value, pointer: &str) -> Result<&'a [Value], GatewayError> {
    let found = answer.pointer(pointer).and_then(Value::as_array);
    found.map(Vec::as_slice).ok_or_else(|| unexpected(answer))
}

fn unexpected(answer: &Value) -> GatewayError {
    GatewayError::Answer { client: "redeem.py", output: answer.to_string() }
}
