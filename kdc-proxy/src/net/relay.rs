//! Brings a stranger's message to a KDC of a configured realm, or to its password service. Does network I/O.
//!
//! The servers are configured, each by name and port: no name that a stranger sent is ever looked up or dialled. The
//! message goes there as it came; what comes back must be an answer to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::kdc_list::KdcList;
use super::locate::{KdcAddress, Preference};
use super::system;
use super::transport::{self, Deadlines, Endpoint, TransportError};
use crate::error::ErrorCode;
use crate::message::kdc_proxy::{Content, KdcAnswer, ProxyRequest};
use crate::principal::Realm;

/// The servers of a realm, nearest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Servers {
    /// Its KDCs.
    pub kdcs: Vec<KdcAddress>,
    /// Where passwords are changed; none where they are not.
    pub kpasswd: Vec<KdcAddress>,
}

/// How long forwarding may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// With one server.
    pub attempt: Deadlines,
    /// With all of them.
    pub overall: Duration,
}

/// Why a message was not answered. The client may try again, later or elsewhere.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no server of the realm answered: {}", List(.attempts))]
pub struct NoAnswer {
    /// What happened with each server, in the order they were tried; none where the realm has no such server.
    pub attempts: Vec<Attempt>,
}

/// What happened with one server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Which one.
    pub server: KdcAddress,
    /// What happened.
    pub failure: AttemptFailure,
}

/// Why a server was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AttemptFailure {
    /// No reply came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No whole reply before the time for all servers was over.
    #[error("no reply before the time for all servers was over")]
    Overall,
    /// What came is no answer to the request.
    #[error("reply is no answer to the request")]
    Answer,
    /// KDC_ERR_SVC_UNAVAILABLE.
    #[error("kdc says that a service it needs is unavailable")]
    ServiceUnavailable,
}

impl AttemptFailure {
    /// Whether the server may have had the message, and have counted it.
    #[must_use]
    pub const fn may_have_been_received(self) -> bool {
        match self {
            Self::Transport(error) => error.may_have_been_received(),
            Self::Overall | Self::Answer | Self::ServiceUnavailable => true,
        }
    }
}

/// An answer, to be passed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forwarded {
    /// The message, without its frame.
    pub message: Vec<u8>,
    /// What it says of itself.
    pub answer: KdcAnswer,
    /// Who sent it.
    pub server: KdcAddress,
    /// The servers that were given up before.
    pub attempts: Vec<Attempt>,
}

/// The realms that messages are forwarded to.
#[derive(Debug)]
pub struct Relay {
    realms: BTreeMap<Realm, Lists>,
    limits: Limits,
}

#[derive(Debug)]
struct Lists {
    kdcs: Mutex<KdcList>,
    kpasswd: Mutex<KdcList>,
}

impl Relay {
    /// Forwards to these realms and no others.
    #[must_use]
    pub fn new(realms: BTreeMap<Realm, Servers>, limits: Limits) -> Self {
        let list = |servers: Vec<KdcAddress>| {
            let servers = servers.into_iter().map(Endpoint::Tcp).collect();
            Mutex::new(KdcList::new(servers, system::now()))
        };
        let lists = |servers: Servers| Lists { kdcs: list(servers.kdcs), kpasswd: list(servers.kpasswd) };
        Self { realms: realms.into_iter().map(|(realm, servers)| (realm, lists(servers))).collect(), limits }
    }

    /// Takes other KDCs for one of its realms, nearest first. What is known of those that stay is kept; none, or those of another
    /// realm, change nothing.
    pub fn set_kdcs(&self, realm: &Realm, kdcs: Vec<KdcAddress>) {
        replace(self.realms.get(realm).map(|lists| &lists.kdcs), kdcs);
    }

    /// Takes other servers that change the passwords of one of its realms, as [`Self::set_kdcs`].
    pub fn set_kpasswd(&self, realm: &Realm, servers: Vec<KdcAddress>) {
        replace(self.realms.get(realm).map(|lists| &lists.kpasswd), servers);
    }

    /// The configured realm of this name in any spelling.
    #[must_use]
    pub fn realm(&self, name: &Realm) -> Option<&Realm> {
        self.realms.keys().find(|realm| realm.eq_ignoring_case(name))
    }

    /// Forwards a request to a server of a configured realm, to one after the other until one answers.
    ///
    /// Not to be dropped half-way by a caller that counts failures: the server counts what it has received.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn forward(&self, realm: &Realm, request: &ProxyRequest) -> Result<Forwarded, NoAnswer> {
        let lists = self.realms.get(realm).ok_or(NoAnswer { attempts: Vec::new() })?;
        let list = match request.content() {
            Content::AsReq { .. } | Content::TgsReq { .. } => &lists.kdcs,
            Content::Kpasswd { .. } => &lists.kpasswd,
        };
        let end = system::instant() + self.limits.overall;
        let (mut attempts, mut unavailable) = (Vec::new(), None);
        let order = lock(list).in_order(&Preference::NONE, system::instant());
        for endpoint in &order {
            let Endpoint::Tcp(server) = endpoint else { continue };
            if end <= system::instant() {
                break;
            }
            let asked = Asked::new(list, endpoint);
            let outcome = self.attempt(endpoint, realm, request, end).await;
            drop(asked);
            let (now, wall) = (system::instant(), system::now());
            let failure = match outcome {
                Ok((message, answer)) => {
                    lock(list).answered(endpoint, now, wall);
                    if !is_unavailable(&answer) {
                        return Ok(Forwarded { message, answer, server: server.clone(), attempts });
                    }
                    unavailable = Some((message, answer, server.clone()));
                    AttemptFailure::ServiceUnavailable
                }
                Err(failure) => {
                    lock(list).failed(endpoint, now, wall);
                    failure
                }
            };
            tracing::warn!(%realm, %server, error = %failure, "no answer to a forwarded message");
            attempts.push(Attempt { server: server.clone(), failure });
        }
        match unavailable {
            // The KDC's own word is worth more to the client than ours.
            Some((message, answer, server)) => Ok(Forwarded { message, answer, server, attempts }),
            None => Err(NoAnswer { attempts }),
        }
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        realm: &Realm,
        request: &ProxyRequest,
        end: Instant,
    ) -> Result<(Vec<u8>, KdcAnswer), AttemptFailure> {
        let exchange = transport::exchange(endpoint, realm, request.message(), self.limits.attempt);
        let message = timeout_at(end, exchange).await.map_err(|_| AttemptFailure::Overall)??;
        let answer = KdcAnswer::read(&message, request.content()).map_err(|_| AttemptFailure::Answer)?;
        Ok((message, answer))
    }
}

/// A server that is being asked. While it is, and says nothing to anybody, others are asked before it.
struct Asked<'a> {
    list: &'a Mutex<KdcList>,
    server: &'a Endpoint,
    sent: Instant,
}

impl<'a> Asked<'a> {
    fn new(list: &'a Mutex<KdcList>, server: &'a Endpoint) -> Self {
        let sent = system::instant();
        lock(list).asked(server, sent);
        Self { list, server, sent }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        lock(self.list).forget(self.server, self.sent);
    }
}

fn replace(list: Option<&Mutex<KdcList>>, servers: Vec<KdcAddress>) {
    let servers: Vec<Endpoint> = servers.into_iter().map(Endpoint::Tcp).collect();
    if let Some(list) = list.filter(|_| !servers.is_empty()) {
        lock(list).replace(servers, system::now());
    }
}

fn is_unavailable(answer: &KdcAnswer) -> bool {
    matches!(answer, KdcAnswer::Error { code: ErrorCode::KDC_ERR_SVC_UNAVAILABLE, .. })
}

fn lock(list: &Mutex<KdcList>) -> MutexGuard<'_, KdcList> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes each server with its failure.
struct List<'a>(&'a [Attempt]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none is known");
        }
        for (index, attempt) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", attempt.server, attempt.failure)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
