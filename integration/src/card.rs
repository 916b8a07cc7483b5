//! A person's workstation: it logs in at the broker with curl, with a card whose key is in a file or, as a real one, in a
//! PKCS#11 token that made it and never gives it away.

use std::time::Duration;

use serde_json::Value;

use crate::broker_process::BrokerProcess;
use crate::container::{Container, ContainerError};
use crate::lab::Lab;
use crate::pki::{CardRequest, Credential, PkiError};
use crate::process::Finished;
use crate::samba_ad::DomainError;

const PKCS11_MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "123456";

/// What curl appends to the body: times in seconds since it began, then the answer's facts.
const WRITE_OUT: &str = r"\n%{time_connect} %{time_appconnect} %{http_code} %{content_type}";

/// Mechanisms that old cards lack: with these off, a token signs PKCS#1 v1.5 only.
const PSS_MECHANISMS: &str = "-CKM_RSA_PKCS_PSS,CKM_SHA1_RSA_PKCS_PSS,CKM_SHA224_RSA_PKCS_PSS,CKM_SHA256_RSA_PKCS_PSS,\
                              CKM_SHA384_RSA_PKCS_PSS,CKM_SHA512_RSA_PKCS_PSS";

/// Where OpenSSL's PKCS#11 provider, which curl loads by itself, finds the token.
const TOKEN_ENVIRONMENT: (&str, &str) = ("PKCS11_PROVIDER_MODULE", PKCS11_MODULE);

const OLD_OPENSSL_CONF_FILE: &str = "/lab/openssl-old.cnf";

/// OpenSSL's configuration of a workstation that knows what an old token can sign.
const OLD_OPENSSL_CONF: &str = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n\
    [tls]\nSignatureAlgorithms = RSA+SHA256\n";

/// A workstation of the lab.
#[derive(Debug)]
pub struct Workstation {
    container: Container,
}

/// What is presented in the TLS handshake.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// No certificate.
    Nothing,
    /// A certificate whose key is in a file.
    File(&'a Credential),
    /// The certificate of the token that [`Workstation::insert_token`] made.
    Token,
    /// The same, over TLS 1.2 with PKCS#1 v1.5 signatures: all that some cards can do.
    OldToken,
}

/// What a token can sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenKind {
    /// RSA-2048 with PSS and PKCS#1 v1.5.
    Rsa,
    /// RSA-2048 with PKCS#1 v1.5 only.
    RsaWithoutPss,
    /// ECDSA on P-256.
    P256,
}

/// The broker's answer to `POST /v1/login`.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the TLS handshake took, as curl saw it; it includes the token's signature.
    pub handshake: Duration,
    /// The media type.
    pub content_type: String,
    /// The JSON body; null where it is none.
    pub body: Value,
}

/// A workstation that could not be used. A refusal of the broker is an [`Answer`].
#[derive(Debug, thiserror::Error)]
pub enum WorkstationError {
    /// The lab failed.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The engine or a command failed.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The card's certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The connection failed before an answer came.
    #[error("no answer: {words}")]
    NoAnswer {
        /// curl's words.
        words: String,
    },
}

impl Answer {
    /// The code of a login that succeeded.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.field("code").filter(|_| self.status == 200)
    }

    /// The stable code of a refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.field("code").filter(|_| self.status != 200)
    }

    /// A text of the body.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

impl Workstation {
    /// Starts a workstation.
    ///
    /// # Errors
    /// Where its container cannot be started.
    pub fn start(lab: &Lab, name: &str) -> Result<Self, WorkstationError> {
        Ok(Self { container: lab.client(name)? })
    }

    /// Its container.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Inserts a new token: its key pair is made inside it and stays there; the certificate is issued for its public key
    /// and stored on it.
    ///
    /// # Errors
    /// Where the token or the authority fails.
    pub fn insert_token(
        &self,
        request: &CardRequest<'_>,
        kind: TokenKind,
    ) -> Result<Credential, WorkstationError> {
        let mechanisms = if kind == TokenKind::RsaWithoutPss { PSS_MECHANISMS } else { "ALL" };
        let configuration =
            format!("directories.tokendir = /var/lib/softhsm/tokens/\nslots.mechanisms = {mechanisms}\n");
        self.container.write("/etc/softhsm/softhsm2.conf", configuration.as_bytes(), "644")?;
        self.container.write(OLD_OPENSSL_CONF_FILE, OLD_OPENSSL_CONF.as_bytes(), "644")?;
        let key = if kind == TokenKind::P256 { "EC:prime256v1" } else { "rsa:2048" };
        self.container.run(&[
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            "card",
            "--pin",
            PIN,
            "--so-pin",
            PIN,
        ])?;
        self.token_tool(&["--keypairgen", "--key-type", key, "--label", "card"])?;
        self.token_tool(&["--read-object", "--type", "pubkey", "--output-file", "/lab/public.der"])?;
        let credential = request.issue_for(&self.container.read("/lab/public.der")?)?;
        self.container.write("/lab/card.der", credential.der(), "644")?;
        self.token_tool(&["--write-object", "/lab/card.der", "--type", "cert", "--label", "card"])?;
        Ok(credential)
    }

    /// Has the token sign a message, by a mechanism as `pkcs11-tool` names it. By `ECDSA` it signs a digest, SHA-256 here, which the
    /// workstation makes; the signature comes in DER.
    ///
    /// # Errors
    /// Where there is no token, or it cannot.
    pub fn sign(&self, mechanism: &str, message: &[u8]) -> Result<Vec<u8>, WorkstationError> {
        self.container.write("/lab/message", message, "644")?;
        let mut command = vec!["--sign", "--mechanism", mechanism, "--output-file", "/lab/signature"];
        if mechanism == "ECDSA" {
            let digest = ["openssl", "dgst", "-sha256", "-binary", "-out", "/lab/digest", "/lab/message"];
            self.container.run(&digest)?;
            command.extend(["--input-file", "/lab/digest", "--signature-format", "openssl"]);
        } else {
            command.extend(["--input-file", "/lab/message"]);
        }
        self.token_tool(&command)?;
        Ok(self.container.read("/lab/signature")?)
    }

    /// What the token says of its private key.
    ///
    /// # Errors
    /// Where there is no token.
    pub fn private_key_facts(&self) -> Result<String, WorkstationError> {
        Ok(self.token_tool(&["--list-objects", "--type", "privkey"])?)
    }

    /// Logs in for a gateway and a target.
    ///
    /// # Errors
    /// [`WorkstationError::NoAnswer`] where the connection fails.
    pub fn log_in(
        &self,
        broker: &BrokerProcess,
        presented: Presented<'_>,
        gateway: &str,
        target: &str,
    ) -> Result<Answer, WorkstationError> {
        self.log_in_through(&broker.card_address(), &[], presented, gateway, target)
    }

    /// Logs in at the host and port that stand before the broker, or are its own, with further options of curl.
    ///
    /// # Errors
    /// As for [`Self::log_in`].
    pub fn log_in_through(
        &self,
        address: &str,
        options: &[&str],
        presented: Presented<'_>,
        gateway: &str,
        target: &str,
    ) -> Result<Answer, WorkstationError> {
        let request = serde_json::json!({"gateway": gateway, "target": target});
        self.ask(address, options, presented, &request.to_string())
    }

    /// Logs in for `gw1` with a certificate in a file, and names the account that is meant.
    ///
    /// # Errors
    /// As for [`Self::log_in`].
    pub fn log_in_as(
        &self,
        broker: &BrokerProcess,
        credential: &Credential,
        user: &str,
        target: &str,
    ) -> Result<Answer, WorkstationError> {
        let request = serde_json::json!({"gateway": "gw1", "target": target, "user": user});
        self.ask(&broker.card_address(), &[], Presented::File(credential), &request.to_string())
    }

    fn ask(
        &self,
        address: &str,
        options: &[&str],
        presented: Presented<'_>,
        request: &str,
    ) -> Result<Answer, WorkstationError> {
        let url = format!("https://{address}/v1/login");
        let mut command =
            vec!["--silent", "--show-error", "--max-time", "40", "--cacert", "/etc/ssl/lab/machine-ca.pem"];
        command.extend(["--header", "content-type: application/json", "--data", request]);
        command.extend(["--write-out", WRITE_OUT]);
        command.extend(options);
        let token = [
            "--cert-type",
            "PROV",
            "--key-type",
            "PROV",
            "--cert",
            "pkcs11:token=card;object=card;type=cert",
            "--key",
        ];
        let key = format!("pkcs11:token=card;object=card;type=private?pin-value={PIN}");
        match presented {
            Presented::Nothing | Presented::File(_) => {}
            Presented::Token => command.extend(token.into_iter().chain([key.as_str()])),
            Presented::OldToken => {
                command.extend(token.into_iter().chain([key.as_str(), "--tls-max", "1.2"]))
            }
        }
        command.push(&url);
        let finished = match presented {
            Presented::File(credential) => self.curl_with_file(credential, &command)?,
            Presented::Nothing => self.curl(&command, &[])?,
            Presented::Token => self.curl(&command, &[TOKEN_ENVIRONMENT])?,
            Presented::OldToken => {
                self.curl(&command, &[TOKEN_ENVIRONMENT, ("OPENSSL_CONF", OLD_OPENSSL_CONF_FILE)])?
            }
        };
        answer(&finished)
    }

    fn curl(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Finished, ContainerError> {
        self.container.exec_with(&[&["curl"], arguments].concat(), environment, b"")
    }

    /// Runs curl with certificate and key in a file that is gone afterwards.
    fn curl_with_file(
        &self,
        credential: &Credential,
        arguments: &[&str],
    ) -> Result<Finished, ContainerError> {
        let script =
            r#"file=$(mktemp); cat >"$file"; curl --cert "$file" "$@"; code=$?; rm "$file"; exit $code"#;
        let pem = format!("{}{}", credential.chain_pem(), credential.key_pem());
        self.container.exec_with(&[&["sh", "-c", script, "curl"], arguments].concat(), &[], pem.as_bytes())
    }

    fn token_tool(&self, arguments: &[&str]) -> Result<String, ContainerError> {
        let login = [
            "pkcs11-tool",
            "--module",
            PKCS11_MODULE,
            "--token-label",
            "card",
            "--login",
            "--pin",
            PIN,
            "--id",
            "01",
        ];
        self.container.run(&[&login, arguments].concat())
    }
}

fn answer(finished: &Finished) -> Result<Answer, WorkstationError> {
    let text = finished.text();
    let no_answer = || WorkstationError::NoAnswer { words: finished.error_text().trim().to_owned() };
    if !finished.succeeded() {
        return Err(no_answer());
    }
    let (body, facts) = text.rsplit_once('\n').ok_or_else(no_answer)?;
    let mut facts = facts.splitn(4, ' ');
    let mut fact = || facts.next().ok_or_else(no_answer);
    let seconds =
        |text: &str| text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let (connected, secured) = (seconds(fact()?), seconds(fact()?));
    Ok(Answer {
        handshake: secured.ok_or_else(no_answer)?.saturating_sub(connected.ok_or_else(no_answer)?),
        status: fact()?.parse().map_err(|_| no_answer())?,
        content_type: fact()?.to_owned(),
        body: serde_json::from_str(body).unwrap_or_default(),
    })
}
