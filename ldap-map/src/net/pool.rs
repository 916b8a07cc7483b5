//! A bounded number of bound connections, and which server to turn to when one fails.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::bind::{Bind, BindError, BindRefusal, bind};
use super::clock;
use super::error::{Attempt, DirectoryError, Fault};
use super::ldap::Connection;
use super::server::LdapServer;
use super::servers::{ServerStatus, Servers};
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
    pub(super) servers: Arc<Servers>,
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

/// Most servers, or connections, that are tried for one request.
const MAXIMUM_ATTEMPTS: usize = 3;
/// How often a server that failed is asked whether it is back.
const INTERVAL: Duration = Duration::from_secs(2);

/// The right to one connection at a time, and the memory of what failed so far.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
    attempts: Vec<Attempt>,
    /// Servers to which no new connection is tried again. One that was only left for another one that was ready is not
    /// among them.
    tried: Vec<LdapServer>,
    /// Servers whose connections that rested are no longer trusted.
    untrusted: Vec<LdapServer>,
    /// Where the connection that was given out comes from.
    origin: Origin,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    /// It was opened just now.
    Opened,
    /// It rested: that it is broken may be nobody's fault.
    Rested,
}

impl Pool {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            permits: Semaphore::new(reach.size),
            reach,
            idle: Mutex::new(Vec::new()),
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
        Ok(Lease {
            pool: self,
            _permit: permit,
            attempts: Vec::new(),
            tried: Vec::new(),
            untrusted: Vec::new(),
            origin: Origin::Opened,
        })
    }

    fn credential(&self) -> std::sync::MutexGuard<'_, Credential> {
        self.credential.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Resting>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the connections that rest to a server which does not answer.
    pub(super) fn give_up_rested(&self, server: &LdapServer) {
        self.idle().retain(|resting| !resting.connection.server().is_same(server));
    }

    /// The connection to this server that rested for the shortest time. Those that are too old, and those of servers that
    /// failed meanwhile or are no longer listed, are dropped.
    fn pick(&self, server: &LdapServer, now: Instant) -> Option<Resting> {
        let mut idle = self.idle();
        idle.retain(|Resting { connection, since }| {
            now - *since < MAXIMUM_REST
                && now - connection.opened() < MAXIMUM_AGE
                && self.reach.servers.trusts(connection.server(), *since)
        });
        let place = idle.iter().rposition(|resting| resting.connection.server().is_same(server))?;
        Some(idle.remove(place))
    }

    /// A connection to this server that rested and still answers. When one does not, all are dropped.
    async fn rested(&self, server: &LdapServer) -> Option<Connection> {
        let now = clock::now();
        let Resting { mut connection, since } = self.pick(server, now)?;
        if now - since < REST {
            return Some(connection);
        }
        match sign_of_life(&mut connection, self.reach.operation_timeout).await {
            Ok(()) => Some(connection),
            Err(error) => {
                tracing::debug!(%server, %error, "connection dropped");
                // Most likely the others are dead too, and each would take as long to tell.
                self.give_up_rested(server);
                None
            }
        }
    }

    /// What is known of every server, nearest first.
    pub(super) fn status(&self) -> Vec<ServerStatus> {
        self.reach.servers.status()
    }

    /// Takes other servers, nearest first.
    pub(super) fn set_servers(&self, servers: Vec<LdapServer>) {
        self.reach.servers.replace(servers);
    }

    /// Asks the servers that failed whether they are back, so that no login has to find out. Nobody logs in for that.
    pub(super) async fn tend(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            for server in self.reach.servers.failing() {
                if let Err(fault) = self.ask_for_a_sign(&server).await {
                    self.reach.servers.failed(&server, &fault);
                }
            }
        }
    }

    async fn ask_for_a_sign(&self, server: &LdapServer) -> Result<(), Fault> {
        let Reach { servers, tls, connect_timeout, .. } = &self.reach;
        let limit = SIGN_OF_LIFE.min(*connect_timeout);
        let mut connection = Connection::open(server, tls, servers, limit).await?;
        sign_of_life(&mut connection, limit).await?;
        connection.close().await;
        Ok(())
    }

    /// A new connection to this server, bound.
    async fn open(&self, server: &LdapServer) -> Result<Connection, NotOpened> {
        let reach = &self.reach;
        let mut connection =
            Connection::open(server, &reach.tls, &reach.servers, reach.connect_timeout).await?;
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

    /// A connection to this very server, beside those that requests may have: for one at a time who asks it now and then.
    pub(super) async fn visit(&self, server: &LdapServer) -> Result<Connection, DirectoryError> {
        if let Some(connection) = self.rested(server).await {
            return Ok(connection);
        }
        if let Some(refusal) = self.credential().refusal(clock::now()) {
            return Err(refusal);
        }
        match self.open(server).await {
            Ok(connection) => Ok(connection),
            Err(NotOpened::Refused(refusal)) => Err(refusal),
            Err(NotOpened::Fault(fault)) => Err(self.visit_failed(server, fault)),
        }
    }

    /// A visit met with a fault: what rests to the server is worth nothing any more.
    pub(super) fn visit_failed(&self, server: &LdapServer, fault: Fault) -> DirectoryError {
        self.give_up_rested(server);
        DirectoryError::Unavailable { attempts: vec![Attempt { server: server.name().to_owned(), fault }] }
    }

    /// The servers that are passed over, and the one to turn to first.
    pub(super) fn failing_and_first(&self) -> (Vec<LdapServer>, Option<LdapServer>) {
        (self.reach.servers.failing(), self.reach.servers.in_order().into_iter().next())
    }

    /// Takes back a connection that is at rest.
    pub(super) fn rest(&self, connection: Connection) {
        let mut idle = self.idle();
        let is_same = |resting: &&Resting| resting.connection.server().is_same(connection.server());
        if idle.iter().filter(is_same).count() < self.reach.size {
            idle.push(Resting { connection, since: clock::now() });
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
        while self.attempts.len() < MAXIMUM_ATTEMPTS {
            let Some(server) = self.next() else { break };
            if !self.untrusted.contains(&server) {
                if let Some(connection) = self.pool.rested(&server).await {
                    self.origin = Origin::Rested;
                    return Ok(connection);
                }
                self.untrusted.push(server);
                // What was learned of the server just now may have another one come first.
                continue;
            }
            if let Some(refusal) = self.pool.credential().refusal(clock::now()) {
                return Err(refusal);
            }
            match self.pool.open(&server).await {
                Ok(connection) => {
                    self.origin = Origin::Opened;
                    return Ok(connection);
                }
                Err(NotOpened::Refused(refusal)) => return Err(refusal),
                Err(NotOpened::Fault(fault)) => self.note(&server, fault),
            }
        }
        Err(DirectoryError::Unavailable { attempts: std::mem::take(&mut self.attempts) })
    }

    /// The server to turn to next.
    fn next(&self) -> Option<LdapServer> {
        self.pool.reach.servers.in_order().into_iter().find(|server| !self.tried.contains(server))
    }

    /// The server cannot be used.
    fn note(&mut self, server: &LdapServer, fault: Fault) {
        tracing::debug!(%server, error = %fault, "directory server cannot be used");
        self.pool.reach.servers.failed(server, &fault);
        if !matches!(fault, Fault::Silent) {
            self.tried.push(server.clone());
        }
        self.attempts.push(Attempt { server: server.name().to_owned(), fault });
    }

    /// Gives up a connection after a fault, and with it all that rest to the same server.
    pub(super) fn failed(&mut self, connection: Connection, fault: Fault) {
        let server = connection.server().clone();
        drop(connection);
        self.pool.give_up_rested(&server);
        if self.origin == Origin::Opened {
            return self.note(&server, fault);
        }
        tracing::debug!(%server, error = %fault, "connection dropped");
        self.untrusted.push(server.clone());
        self.attempts.push(Attempt { server: server.name().to_owned(), fault });
    }

    /// Gives back a connection that is at rest: every answer to what was asked has arrived.
    pub(super) fn give_back(&self, connection: Connection) {
        self.pool.rest(connection);
    }
}

/// Reads the server's root entry, which costs it nothing.
async fn sign_of_life(connection: &mut Connection, limit: Duration) -> Result<(), Fault> {
    let request = SearchRequest {
        base: "",
        scope: Scope::Base,
        filter: &Filter::present(Attribute::OBJECT_CLASS),
        attributes: &[Attribute::DEFAULT_NAMING_CONTEXT],
        chosen: &[],
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
