//! The forms of credential a gateway can use.

use std::fmt;
use std::time::{Duration, SystemTime};

use kdc_proxy::ccache::{CCache, CCacheError, Placeholder};
use kdc_proxy::gss::{ChannelBindings, initial_token};
use kdc_proxy::key::{Etype, Key};
use kdc_proxy::message::krb_cred::{encrypted_krb_cred, krb_cred};
use kdc_proxy::ticket::ServiceTicket;
use kdc_proxy::time::TimeError;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::policy::HandoverForm;

/// The clock difference a service usually tolerates, and thereby how long an initial token is good for (RFC 4120 section 8.2).
const TOLERATED_SKEW: Duration = Duration::from_secs(300);

/// Longest application data of a channel binding: a prefix and a digest, with room to spare.
const MAX_BINDING: usize = 512;

/// The channel bindings that name the other end's certificate or this very connection (RFC 5929 section 4, RFC 9266).
const BINDING_PREFIXES: [&[u8]; 2] = [b"tls-server-end-point:", b"tls-exporter:"];

/// The form asked for, with what belongs to it.
#[derive(Clone, Debug)]
pub enum Form {
    /// One initial SPNEGO token, bound to a channel if bindings are given. It conveys no key.
    SpnegoToken(Option<Binding>),
    /// A credential cache file with the service ticket and its key.
    CCache {
        /// Adds the entry without which FreeRDP does not look for the ticket.
        freerdp_placeholder: bool,
    },
    /// A KRB-CRED message with the service ticket and its key, in clear unless a key for it is given.
    KrbCred(Option<CredKey>),
}

/// A key that a gateway shares with whoever reads its KRB-CRED messages. `Debug` shows its type only.
#[derive(Clone, Debug)]
pub struct CredKey(Key);

/// The octets are no key of AES-256 or AES-128.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the key for the krb-cred has neither 32 octets (AES-256) nor 16 (AES-128)")]
pub struct MalformedCredKey;

impl CredKey {
    /// Takes the octets of an AES key.
    ///
    /// # Errors
    /// [`MalformedCredKey`].
    pub fn parse(octets: &[u8]) -> Result<Self, MalformedCredKey> {
        let etype = match octets.len() {
            32 => Etype::Aes256,
            16 => Etype::Aes128,
            _ => return Err(MalformedCredKey),
        };
        Key::new(etype, octets).map(Self).map_err(|_| MalformedCredKey)
    }
}

/// The application data of a channel binding: a known prefix and a digest or exported value.
#[derive(Clone, Debug)]
pub struct Binding(ChannelBindings);

/// The octets are no channel binding.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BindingError {
    /// Longer than 512 octets.
    #[error("the channel binding is longer than {MAX_BINDING} octets")]
    TooLong,
    /// Neither of the two kinds.
    #[error("the channel binding begins with neither tls-server-end-point: nor tls-exporter:")]
    Kind,
    /// No octets after the prefix, or for tls-exporter not 32 (RFC 9266 section 4.2).
    #[error("the value after the channel binding's prefix has the wrong length")]
    Length,
}

impl Binding {
    /// Takes application data as a TLS library gives it, after its prefix.
    ///
    /// # Errors
    /// [`BindingError`].
    pub fn parse(application_data: &[u8]) -> Result<Self, BindingError> {
        if application_data.len() > MAX_BINDING {
            return Err(BindingError::TooLong);
        }
        let [end_point, exporter] = BINDING_PREFIXES.map(|prefix| application_data.strip_prefix(prefix));
        let sound = match (end_point, exporter) {
            // The digest is SHA-256, or that of the certificate's signature where it is stronger.
            (Some(digest), _) => matches!(digest.len(), 32 | 48 | 64),
            (None, Some(value)) => value.len() == 32,
            (None, None) => return Err(BindingError::Kind),
        };
        match ChannelBindings::new(application_data) {
            Ok(bindings) if sound => Ok(Self(bindings)),
            Ok(_) | Err(_) => Err(BindingError::Length),
        }
    }

    pub(super) const fn bindings(&self) -> &ChannelBindings {
        &self.0
    }
}

/// A credential for one service. Wiped on drop; `Debug` shows its form and service only.
pub struct Credential {
    form: &'static str,
    spn: String,
    octets: Zeroizing<Vec<u8>>,
    expires_at: SystemTime,
}

impl Credential {
    /// The form, as a word for logs.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        self.form
    }

    /// The service it is for, `class/host`.
    #[must_use]
    pub fn spn(&self) -> &str {
        &self.spn
    }

    /// The octets in their form. Secret.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// When it ends, by the clock of the domain controllers.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("form", &self.form).field("spn", &self.spn).finish_non_exhaustive()
    }
}

/// A ticket cannot be put into a form.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FormError {
    /// The time cannot be put into an initial token or a KRB-CRED.
    #[error("the message cannot be made: {0}")]
    Time(#[from] TimeError),
    /// The credential cache cannot be made.
    #[error("the credential cache cannot be made: {0}")]
    CCache(#[from] CCacheError),
}

impl Form {
    /// The form as policies name it.
    pub(super) const fn handover(&self) -> HandoverForm {
        match self {
            Self::SpnegoToken(_) => HandoverForm::SpnegoToken,
            Self::CCache { .. } => HandoverForm::CCache,
            Self::KrbCred(_) => HandoverForm::KrbCred,
        }
    }

    /// Puts a ticket into the form. `now` is the domain controllers' time, for tokens that carry the time.
    pub(super) fn make(
        &self,
        ticket: &ServiceTicket,
        spn: String,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Credential, FormError> {
        let end = ticket.endtime();
        let (form, octets, expires_at) = match self {
            Self::SpnegoToken(binding) => {
                let token = initial_token(ticket, binding.as_ref().map(Binding::bindings), now, rng)?;
                ("spnego_token", token, end.min(now + TOLERATED_SKEW))
            }
            Self::CCache { freerdp_placeholder } => {
                let placeholder = if *freerdp_placeholder { Placeholder::FreeRdp } else { Placeholder::None };
                let cache = CCache::for_service_tickets(ticket.client(), &[ticket], placeholder)?;
                ("ccache", cache.to_bytes(), end)
            }
            Self::KrbCred(None) => ("krb_cred", krb_cred(&[ticket]), end),
            Self::KrbCred(Some(CredKey(key))) => {
                ("encrypted_krb_cred", encrypted_krb_cred(&[ticket], key, now, rng)?, end)
            }
        };
        Ok(Credential { form, spn, octets, expires_at })
    }
}

#[cfg(test)]
mod tests;
