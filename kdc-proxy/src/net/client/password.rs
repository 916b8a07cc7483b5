//! Changing the service's own password, and what has to be known afterwards. Does network I/O.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::error::{ClientError, Stage};
use super::{Client, Credential, SettingsError};
use crate::error::{ExchangeError, KpasswdError, KpasswdRefusal};
use crate::exchange::Clock;
use crate::exchange::as_exchange::AsAsk;
use crate::exchange::kpasswd::{Change, Form, PasswordChange, PasswordTicket, PasswordTicketExchange};
use crate::exchange::realms::TrustedRealms;
use crate::exchange::secret::Trials;
use crate::exchange::tgs_exchange::{Obtained, TgsAsk, TgsExchange};
use crate::key::Key;
use crate::net::system;
use crate::net::tcp;
use crate::net::transport::{self, Endpoint, TransportError};
use crate::time::ClockOffset;

/// Port of the service that changes passwords (RFC 3244).
pub const KPASSWD_PORT: u16 = 464;

/// A ticket for one message, and one to read our key's version from, need not live longer.
const LIFETIME: Duration = Duration::from_secs(300);

/// Why a password was not changed, or why that is not known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no ticket for kadmin/changepw. Nothing was asked of the server: the password is what it was.
    #[error("no ticket to change the password with: {0}")]
    NoTicket(#[source] ClientError),
    /// The server cannot be reached. Nothing was asked of it: the password is what it was.
    #[error("{kdc}, port {port}, cannot be reached: {error}")]
    NotReached {
        /// The domain controller.
        kdc: Endpoint,
        /// Its TCP port.
        port: u16,
        /// What happened.
        error: TransportError,
    },
    /// The server refused, and has proven that it was the server: the password is what it was.
    #[error("{0}")]
    Refused(KpasswdRefusal),
    /// The request went out and no answer came that proves anything: the password may be the old one or the new one.
    #[error("whether {kdc} changed the password is not known: {cause}")]
    Unknown {
        /// The domain controller.
        kdc: Endpoint,
        /// What came in the place of a proven answer.
        cause: UnknownCause,
    },
}

/// What came in the place of a proven answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownCause {
    /// Nothing, or not all of it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An answer that nobody signed, or that failed a check.
    #[error(transparent)]
    Answer(#[from] KpasswdError),
}

/// How a request gets to the password service.
enum Way<'a> {
    /// A connection to the domain controller.
    Tcp(TcpStream),
    /// A KDC proxy, which tells by the request itself where it belongs.
    Https(&'a Endpoint),
}

impl<'a> Way<'a> {
    async fn to(client: &Client, kdc: &'a Endpoint, port: u16) -> Result<Self, TransportError> {
        let Endpoint::Tcp(address) = kdc else { return Ok(Self::Https(kdc)) };
        let (server, within) = (address.with_port(port), client.settings.connect_timeout);
        let connecting = timeout(within, tcp::connect(&server, within)).await;
        connecting.unwrap_or(Err(TransportError::ConnectTimeout)).map(Self::Tcp)
    }

    /// Our own address, as the request has to name it.
    fn local(&self) -> IpAddr {
        let address = match self {
            Self::Tcp(stream) => stream.local_addr().ok().map(|address| address.ip()),
            Self::Https(_) => None,
        };
        address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    async fn ask(self, client: &Client, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let settings = &client.settings;
        match self {
            Self::Tcp(stream) => {
                let asked = timeout(settings.exchange_timeout, tcp::send_and_receive(stream, request)).await;
                asked.unwrap_or(Err(TransportError::ExchangeTimeout))
            }
            Self::Https(proxy) => {
                transport::exchange(proxy, &settings.realm, request, client.kdcs.deadlines()).await
            }
        }
    }
}

impl Client {
    /// A client with the same settings and the KDCs known now, and with another credential.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]
    pub fn with_credential(&self, credential: Credential) -> Result<Self, SettingsError> {
        let mut settings = self.settings.clone();
        for status in self.kdc_status() {
            let kdcs = settings.kdcs.entry(status.realm).or_default();
            if !kdcs.contains(&status.kdc) {
                kdcs.push(status.kdc);
            }
        }
        Self::new(settings, credential)
    }

    /// A client with the same settings for one KDC of its own realm alone, and with another credential.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]
    pub fn pinned_to(&self, kdc: &Endpoint, credential: Credential) -> Result<Self, SettingsError> {
        let mut settings = self.settings.clone();
        settings.kdcs = [(settings.realm.clone(), vec![kdc.clone()])].into();
        Self::new(settings, credential)
    }

    /// Changes the service's own password, at the domain controller that issued the ticket for it. `port` is
    /// [`KPASSWD_PORT`] where nothing stands before the domain controller.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; after [`ChangeError::Unknown`] ask which password is in force. Dropping the future leaves that as
    /// unknown.
    pub async fn change_password(
        &self,
        password: &Zeroizing<String>,
        form: Form,
        port: u16,
    ) -> Result<(), ChangeError> {
        let (ticket, kdc) = self.password_ticket().await.map_err(ChangeError::NoTicket)?;
        let not_reached = |error| ChangeError::NotReached { kdc: kdc.clone(), port, error };
        let way = Way::to(self, &kdc, port).await.map_err(not_reached)?;
        let change = Change { form, password: password.clone(), local: way.local() };
        let started = PasswordChange::start(&ticket, &change, system::now(), &mut system::random());
        let (waiting, request) = started.map_err(|error| {
            ChangeError::NoTicket(ClientError::new(Stage::As, ExchangeError::Request(error)))
        })?;
        let unknown = |cause| ChangeError::Unknown { kdc: kdc.clone(), cause };
        let reply = way.ask(self, &request).await.map_err(|error| match error {
            error if error.may_have_been_received() => unknown(error.into()),
            error => not_reached(error),
        })?;
        match waiting.finish(&reply) {
            Ok(()) => Ok(()),
            Err(KpasswdError::Refused(refusal)) => Err(ChangeError::Refused(refusal)),
            Err(error) => {
                if matches!(error, KpasswdError::Reply(_)) {
                    tracing::error!(%kdc, %error, "an answer in the name of the password service failed a check");
                }
                Err(unknown(error.into()))
            }
        }
    }

    async fn password_ticket(&self) -> Result<(PasswordTicket, Endpoint), ClientError> {
        let offset = self.clock_offset().unwrap_or(ClockOffset::NONE);
        let exchange = self.kdcs.run(Stage::As, |now, rng| {
            let ask = AsAsk {
                client: self.settings.account(),
                secret: self.credential.secret(),
                trials: Trials::One,
                etypes: self.settings.etypes(),
                lifetime: LIFETIME,
                clock: Clock { offset, max_offset: self.settings.max_clock_offset },
            };
            PasswordTicketExchange::start(ask, now, rng)
        });
        let (ticket, mut kdcs) = exchange.await?;
        let realm = &self.settings.realm;
        let kdc = kdcs.remove(realm).ok_or_else(|| ClientError::NoKdc { realm: realm.clone() })?;
        Ok((ticket, kdc))
    }

    /// The keys that the service's password gives, of every type the KDC offered; none where the credential is a keytab.
    ///
    /// # Errors
    ///
    /// As [`Self::service_tgt`].
    pub async fn keys_of_password(&self) -> Result<Vec<Key>, ClientError> {
        Ok(self.own_ticket().await?.authenticated.long_term_keys.derived().to_vec())
    }

    /// The version of our own key in which the KDC encrypts tickets for us now, read from a ticket of our own to ourselves
    /// that our key opens; `None` where the KDC does not tell.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; that our keys do not open the ticket is among them.
    pub async fn own_key_version(&self) -> Result<Option<u32>, ClientError> {
        let own = self.own_ticket().await?;
        let exchange = self.kdcs.run(Stage::Tgs, |now, rng| {
            let ask = TgsAsk {
                tgt: own.authenticated.tgt.clone(),
                server: self.settings.s4u2self_name.clone(),
                etypes: self.settings.etypes(),
                lifetime: LIFETIME,
                clock: own.clock(self.settings.max_clock_offset),
                trusted: TrustedRealms::default(),
            };
            TgsExchange::start(ask, now, rng)
        });
        let (Obtained { ticket, .. }, _) = exchange.await?;
        let version = own.authenticated.long_term_keys.version_in(&ticket);
        version.map_err(|error| ClientError::ReplyRefused(error.into()))
    }
}
