//! A bounded number of bound connections, and which server to turn to when one fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::bind::{Bind, BindError, BindRefusal, bind};
use super::clock;
use super::error::{Attempt, DirectoryError, Fault};
use super::ldap::Connection;
use super::server::LdapServer;
use crate::filter::Filter;
use crate::message::request::{Scope, SearchRequest};
use crate::message::response::ResultCode;
use crate::schema::Attribute;

/// A connection that rested longer is asked for a sign of life before it is used.
const REST: Duration = Duration::from_secs(10);
/// How long that sign may take.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// A connection that rested longer is closed; servers do so after 15 minutes.
const MAXIMUM_REST: Duration = Duration::from_secs(300);
/// An older connection is closed, so that a changed certificate or credential takes effect.
const MAXIMUM_AGE: Duration = Duration::from_secs(600);
/// How long nothing is tried after the first refusal of the service account; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(640);

/// How the pool reaches its servers.
pub(super) struct Reach {
    pub(super) servers: Vec<LdapServer>,
    pub(super) tls: TlsConnector,
    pub(super) bind: Bind,
    pub(super) size: usize,
    pub(super) connect_timeout: Duration,
    pub(super) operation_timeout: Duration,
}

/// The connections.
pub(super) struct Pool {
    reach: Reach,
    permits: Semaphore,
    idle: Mutex<Vec<Resting>>,
    /// The server that answered last.
    preferred: AtomicUsize,
    credential: Mutex<Credential>,
    /// Held while the credential is presented, so that many logins at once try one that has just been changed once.
    trial: tokio::sync::Mutex<()>,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

/// What is known of the service account's credential.
#[derive(Clone, Debug)]
enum Credential {
    /// Not refused, as far as is known.
    Usable,
    /// Refused: asking again at once could lock the account.
    Refused { until: Instant, pause: Duration, server: String, reason: BindRefusal },
}

impl Credential {
    /// The refusal that still counts.
    fn refusal(&self, now: Instant) -> Option<DirectoryError> {
        match self {
            Self::Refused { until, server, reason, .. } if now < *until => {
                Some(DirectoryError::BindRefused { server: server.clone(), reason: *reason })
            }
            _ => None,
        }
    }

    /// How long nothing is tried after a refusal now.
    fn next_pause(&self) -> Duration {
        match self {
            Self::Refused { pause, .. } => (*pause * 2).min(LONGEST_PAUSE),
            Self::Usable => FIRST_PAUSE,
        }
    }
}

/// Why there is no new connection.
enum NotOpened {
    Fault(Fault),
    Refused(DirectoryError),
}

impl From<Fault> for NotOpened {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A caller that gives up after at least this long does so because of the server, not of its own accord.
const PATIENCE: Duration = Duration::from_secs(1);

/// The right to one connection at a time, and the memory of what failed so far.
///
/// Dropped while a server is asked, because the caller's own time is over, it has the next server preferred:
/// otherwise one that hangs for longer than callers wait would be the first one for ever.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    /// The server that is being asked, and since when.
    asking: Option<(usize, Instant)>,
    _permit: SemaphorePermit<'a>,
    attempts: Vec<Attempt>,
    /// Servers not yet tried, in order.
    untried: std::vec::IntoIter<usize>,
    /// After a fault, connections that rested are no longer trusted.
    takes_rested: bool,
}

impl Pool {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            permits: Semaphore::new(reach.size),
            reach,
            idle: Mutex::new(Vec::new()),
            preferred: AtomicUsize::new(0),
            credential: Mutex::new(Credential::Usable),
            trial: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) const fn operation_timeout(&self) -> Duration {
        self.reach.operation_timeout
    }

    /// Waits for the right to a connection, no longer than an operation may take.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, DirectoryError> {
        let permit = timeout(self.reach.operation_timeout, self.permits.acquire()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(DirectoryError::Busy)?;
        let count = self.reach.servers.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let order: Vec<usize> = (0..count).map(|step| (first + step) % count).collect();
        Ok(Lease {
            pool: self,
            asking: None,
            _permit: permit,
            attempts: Vec::new(),
            untried: order.into_iter(),
            takes_rested: true,
        })
    }

    fn credential(&self) -> std::sync::MutexGuard<'_, Credential> {
        self.credential.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Resting>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the connections that rest to a server which does not answer.
    fn give_up_rested(&self, server: &LdapServer) {
        self.idle().retain(|resting| resting.connection.server() != server);
    }

    /// A connection that rested and still answers. Those that do not are dropped.
    async fn rested(&self) -> Option<Connection> {
        loop {
            let Resting { mut connection, since } = self.idle().pop()?;
            let now = clock::now();
            if now - since >= MAXIMUM_REST || now - connection.opened() >= MAXIMUM_AGE {
                connection.close().await;
            } else if now - since < REST {
                return Some(connection);
            } else {
                match sign_of_life(&mut connection, self.reach.operation_timeout).await {
                    Ok(()) => return Some(connection),
                    Err(error) => {
                        tracing::debug!(server = %connection.server(), %error, "connection dropped");
                        // Most likely the others are dead too, and each would take as long to tell.
                        self.give_up_rested(connection.server());
                    }
                }
            }
        }
    }

    /// A new connection to this server, bound.
    async fn open(&self, server: &LdapServer) -> Result<Connection, NotOpened> {
        let reach = &self.reach;
        let mut connection = Connection::open(server, &reach.tls, reach.connect_timeout).await?;
        let trial = timeout(reach.operation_timeout, self.trial.lock()).await;
        let _trial = trial.map_err(|_| Fault::Timeout)?;
        if let Some(refusal) = self.credential().refusal(clock::now()) {
            return Err(NotOpened::Refused(refusal));
        }
        match bind(&mut connection, &reach.bind, reach.operation_timeout).await {
            Ok(()) => {
                *self.credential() = Credential::Usable;
                tracing::debug!(%server, "connected to the directory");
                Ok(connection)
            }
            Err(BindError::Fault(fault)) => Err(fault.into()),
            Err(BindError::Refused(reason)) => Err(NotOpened::Refused(self.refused(server, reason))),
        }
    }

    /// The credential is another one than was refused.
    pub(super) fn forget_refusal(&self) {
        *self.credential() = Credential::Usable;
    }

    /// Remembers a refusal and says how it is told.
    fn refused(&self, server: &LdapServer, reason: BindRefusal) -> DirectoryError {
        let mut credential = self.credential();
        let pause = credential.next_pause();
        let server = server.name().to_owned();
        tracing::warn!(server, error = %reason, pause = pause.as_secs(), "the directory refused the service account");
        *credential =
            Credential::Refused { until: clock::now() + pause, pause, server: server.clone(), reason };
        DirectoryError::BindRefused { server, reason }
    }
}

impl Lease<'_> {
    /// A bound connection: one that rested, or a new one to the first server that can be reached.
    ///
    /// # Errors
    /// [`DirectoryError::Unavailable`] when every server was tried, [`DirectoryError::BindRefused`] when the
    /// service account is refused: another server would say the same, and count it as another wrong password.
    pub(super) async fn connection(&mut self) -> Result<Connection, DirectoryError> {
        if self.takes_rested
            && let Some(connection) = self.pool.rested().await
        {
            let place = self.pool.reach.servers.iter().position(|server| server == connection.server());
            self.asking = place.map(|place| (place, clock::now()));
            return Ok(connection);
        }
        self.takes_rested = false;
        if let Some(refusal) = self.pool.credential().refusal(clock::now()) {
            return Err(refusal);
        }
        for index in self.untried.by_ref() {
            let Some(server) = self.pool.reach.servers.get(index) else { continue };
            self.asking = Some((index, clock::now()));
            match self.pool.open(server).await {
                Ok(connection) => {
                    if self.pool.preferred.swap(index, Ordering::Relaxed) != index {
                        tracing::info!(%server, "another directory server is used from now on");
                    }
                    return Ok(connection);
                }
                Err(NotOpened::Refused(refusal)) => {
                    self.asking = None;
                    return Err(refusal);
                }
                Err(NotOpened::Fault(fault)) => {
                    self.asking = None;
                    tracing::debug!(%server, error = %fault, "directory server cannot be used");
                    self.attempts.push(Attempt { server: server.name().to_owned(), fault });
                }
            }
        }
        Err(DirectoryError::Unavailable { attempts: std::mem::take(&mut self.attempts) })
    }

    /// The server that was asked has answered, or failed: whatever follows is not its fault.
    pub(super) const fn answered(&mut self) {
        self.asking = None;
    }

    /// Gives up a connection after a fault, and with it all that rest to the same server.
    pub(super) fn failed(&mut self, connection: Connection, fault: Fault) {
        self.pool.give_up_rested(connection.server());
        let server = connection.server().name().to_owned();
        tracing::debug!(server, error = %fault, "connection dropped");
        self.attempts.push(Attempt { server, fault });
        self.takes_rested = false;
        drop(connection);
    }

    /// Gives back a connection that is at rest: every answer to what was asked has arrived.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.pool.idle();
        if idle.len() < self.pool.reach.size {
            idle.push(Resting { connection, since: clock::now() });
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some((place, since)) = self.asking else { return };
        let servers = &self.pool.reach.servers;
        let Some(server) = servers.get(place).filter(|_| clock::now() - since >= PATIENCE) else { return };
        tracing::warn!(%server, "no answer from the directory server before the caller gave up");
        self.pool.give_up_rested(server);
        let next = (place + 1) % servers.len();
        // Unless another lease has moved on already.
        let _moved = self.pool.preferred.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Reads the server's root entry, which costs it nothing.
async fn sign_of_life(connection: &mut Connection, limit: Duration) -> Result<(), Fault> {
    let request = SearchRequest {
        base: "",
        scope: Scope::Base,
        filter: &Filter::present(Attribute::OBJECT_CLASS),
        attributes: &[Attribute::DEFAULT_NAMING_CONTEXT],
        size_limit: 1,
        time_limit: 1,
    };
    let found = connection.search(&request, limit.min(SIGN_OF_LIFE)).await?;
    if found.code == ResultCode::SUCCESS { Ok(()) } else { Err(Fault::Unable(found.code)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_doubles_the_pause_up_to_a_limit() {
        let mut credential = Credential::Usable;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let pause = credential.next_pause();
            pauses.push(pause.as_secs());
            let (until, reason) = (clock::now() + pause, BindRefusal::Credentials);
            credential = Credential::Refused { until, pause, server: "dc1".to_owned(), reason };
        }
        assert_eq!(vec![10, 20, 40, 80, 160, 320, 640, 640, 640], pauses);
    }

    #[test]
    fn a_refusal_counts_until_its_pause_is_over() {
        let until = clock::now();
        let (pause, reason) = (FIRST_PAUSE, BindRefusal::Locked);
        let credential = Credential::Refused { until, pause, server: "dc1".to_owned(), reason };
        assert!(credential.refusal(until - Duration::from_millis(1)).is_some());
        assert!(credential.refusal(until).is_none());
    }
}
