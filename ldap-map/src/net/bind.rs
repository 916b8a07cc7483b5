//! How the service account logs in to the directory.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::{Zeroize, Zeroizing};

use super::error::Fault;
use super::ldap::Connection;
use crate::message::request::Request;
use crate::message::response::{LdapResult, Response, ResultCode};

/// The credential of the service account.
pub enum Bind {
    /// A name (`user@domain`, a distinguished name or `DOMAIN\user`) and a password.
    Simple {
        /// The name.
        name: String,
        /// The password, not empty.
        password: Zeroizing<String>,
    },
    /// A name and a password that can change while the service runs.
    Changing {
        /// The name.
        name: String,
        /// What the password is, or one of two.
        passwords: Arc<dyn Passwords>,
    },
    /// SASL EXTERNAL: a client certificate, presented in the TLS handshake.
    External {
        /// The chain, leaf first.
        certificates: Vec<CertificateDer<'static>>,
        /// The leaf's key.
        key: PrivateKeyDer<'static>,
    },
}

/// The password of an account, which somebody changes now and then.
pub trait Passwords: Send + Sync {
    /// The passwords of which one is right, the most likely first: the one in force, and while it is being changed the
    /// one that comes next. No more than two are tried, as the directory counts those that are wrong.
    fn known(&self) -> Vec<Zeroizing<String>>;

    /// Looks for others where all that are known were refused; tells whether there are.
    fn renew(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// Most passwords that are tried between two looks for others.
const MAXIMUM_TRIALS: usize = 2;

impl Drop for Bind {
    fn drop(&mut self) {
        match self {
            // A password wipes itself.
            Self::Simple { .. } | Self::Changing { .. } => {}
            Self::External { key, .. } => key.zeroize(),
        }
    }
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple { name, .. } => f.debug_struct("Simple").field("name", name).finish_non_exhaustive(),
            Self::Changing { name, .. } => {
                f.debug_struct("Changing").field("name", name).finish_non_exhaustive()
            }
            Self::External { certificates, .. } => {
                f.debug_struct("External").field("certificates", &certificates.len()).finish_non_exhaustive()
            }
        }
    }
}

/// Why a directory refused the service account, as far as it says (the sub-codes are Active Directory's).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BindRefusal {
    /// The name or the password is wrong; which, the directory does not tell.
    #[error("the name or password is wrong")]
    Credentials,
    /// The time or the computer is not one from which the account may log in.
    #[error("the account may not log in now or from here")]
    Restricted,
    /// The password has expired or must be changed first.
    #[error("the password has expired or must be changed")]
    PasswordExpired,
    /// The service account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The service account has expired.
    #[error("the account has expired")]
    Expired,
    /// The service account is locked.
    #[error("the account is locked")]
    Locked,
    /// Any other result; servers that cannot map client certificates refuse EXTERNAL this way.
    #[error("the result is {0}")]
    Other(ResultCode),
}

impl BindRefusal {
    fn of(result: &LdapResult) -> Self {
        if result.code != ResultCode::INVALID_CREDENTIALS {
            return Self::Other(result.code);
        }
        // "80090308: LdapErr: DSID-0C09050F, comment: AcceptSecurityContext error, data 52e, v4563"
        let sub_code = result.diagnostic.split_once(", data ").map(|(_, rest)| rest);
        let digits = sub_code.and_then(|rest| rest.split(|c: char| !c.is_ascii_hexdigit()).next());
        match digits.unwrap_or("") {
            "530" | "531" => Self::Restricted,
            "532" | "773" => Self::PasswordExpired,
            "533" => Self::Disabled,
            "701" => Self::Expired,
            "775" => Self::Locked,
            _ => Self::Credentials,
        }
    }
}

/// Binds a fresh connection.
pub(super) async fn bind(
    connection: &mut Connection,
    bind: &Bind,
    timeout: Duration,
) -> Result<(), BindError> {
    match bind {
        Bind::Simple { name, password } => {
            present(connection, &Request::SimpleBind { name, password }, timeout).await
        }
        Bind::External { .. } => present(connection, &Request::ExternalBind, timeout).await,
        Bind::Changing { name, passwords } => {
            match any_of(connection, name, passwords.as_ref(), timeout).await {
                Err(BindError::Refused(BindRefusal::Credentials)) if passwords.renew().await => {
                    any_of(connection, name, passwords.as_ref(), timeout).await
                }
                outcome => outcome,
            }
        }
    }
}

/// Presents the passwords that are known, one after another.
async fn any_of(
    connection: &mut Connection,
    name: &str,
    passwords: &dyn Passwords,
    timeout: Duration,
) -> Result<(), BindError> {
    for password in passwords.known().iter().take(MAXIMUM_TRIALS) {
        match present(connection, &Request::SimpleBind { name, password }, timeout).await {
            Err(BindError::Refused(BindRefusal::Credentials)) => {}
            outcome => return outcome,
        }
    }
    Err(BindError::Refused(BindRefusal::Credentials))
}

async fn present(
    connection: &mut Connection,
    request: &Request<'_>,
    timeout: Duration,
) -> Result<(), BindError> {
    match connection.exchange(request, timeout).await? {
        Response::Bind(result) => match result.code {
            ResultCode::SUCCESS => Ok(()),
            code @ (ResultCode::BUSY | ResultCode::UNAVAILABLE) => Err(Fault::Unable(code).into()),
            _ => Err(BindError::Refused(BindRefusal::of(&result))),
        },
        _ => Err(Fault::Unexpected.into()),
    }
}

/// A bind that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Refused(BindRefusal),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: ResultCode, diagnostic: &str) -> BindRefusal {
        BindRefusal::of(&LdapResult { code, diagnostic: diagnostic.to_owned() })
    }

    #[test]
    fn the_sub_code_says_why() {
        for (sub_code, reason) in [
            ("52e", BindRefusal::Credentials),
            ("525", BindRefusal::Credentials),
            ("530", BindRefusal::Restricted),
            ("532", BindRefusal::PasswordExpired),
            ("773", BindRefusal::PasswordExpired),
            ("533", BindRefusal::Disabled),
            ("701", BindRefusal::Expired),
            ("775", BindRefusal::Locked),
        ] {
            let words = format!(
                "80090308: LdapErr: DSID-0C09050F, comment: AcceptSecurityContext error, data {sub_code}, v4563"
            );
            assert_eq!(reason, refusal(ResultCode::INVALID_CREDENTIALS, &words), "{sub_code}");
        }
    }

    #[test]
    fn without_a_sub_code_the_credentials_are_wrong() {
        assert_eq!(BindRefusal::Credentials, refusal(ResultCode::INVALID_CREDENTIALS, ""));
    }

    #[test]
    fn another_result_is_kept() {
        assert_eq!(BindRefusal::Other(ResultCode(8)), refusal(ResultCode(8), ", data 775"));
    }

    #[test]
    fn a_password_is_not_printed() {
        let bind = Bind::Simple { name: "svc".to_owned(), password: Zeroizing::new("geheim".to_owned()) };
        assert_eq!("Simple { name: \"svc\", .. }", format!("{bind:?}"));
    }
}
