//! The servers as all connections see them: each tells here whom it asks and whether an answer came.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::pin;
use tokio::time::{Instant, sleep_until};

use super::clock;
use super::error::Fault;
use super::server::LdapServer;
use super::server_list::{ServerList, Turn};

/// How soon a request that waits looks again whether another server is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is known of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerStatus {
    /// Its name.
    pub server: String,
    /// Where it is dialled; nowhere in particular where its name is resolved.
    pub addresses: Vec<SocketAddr>,
    /// Whether it answers.
    pub state: ServerState,
    /// Since when; for one that was never asked, since it is known.
    pub since: SystemTime,
}

/// Whether a server answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerState {
    /// It answered when it was last asked, or was not asked yet.
    Answering,
    /// It did not, and is passed over while others answer.
    PassedOver,
}

/// The shared list.
#[derive(Debug, Default)]
pub(super) struct Servers(Mutex<ServerList>);

/// A request that waits for its answer. Dropped without an outcome, because the caller's own time is over, it tells what
/// that says about the server.
struct Waiting<'a> {
    servers: &'a Servers,
    server: &'a LdapServer,
    sent: Instant,
    has_outcome: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now = clock::now();
        let mut list = self.servers.list();
        let was_doubtful = list.doubtful_from(self.server, self.sent) <= now;
        list.forget(self.server, self.sent);
        drop(list);
        if !self.has_outcome && was_doubtful {
            self.servers.failed(self.server, &Fault::Timeout);
        }
    }
}

impl Servers {
    pub(super) fn new(servers: Vec<LdapServer>) -> Self {
        let list = Self::default();
        list.replace(servers);
        list
    }

    pub(super) fn replace(&self, servers: Vec<LdapServer>) {
        self.list().replace(servers, clock::wall());
    }

    pub(super) fn in_order(&self) -> Vec<LdapServer> {
        self.list().in_order(clock::now())
    }

    pub(super) fn failing(&self) -> Vec<LdapServer> {
        self.list().failing()
    }

    pub(super) fn trusts(&self, server: &LdapServer, since: Instant) -> bool {
        self.list().trusts(server, since)
    }

    pub(super) fn status(&self) -> Vec<ServerStatus> {
        let status = |(server, answers, since): (&LdapServer, bool, SystemTime)| ServerStatus {
            server: server.name().to_owned(),
            addresses: server.fixed_addresses().to_vec(),
            state: if answers { ServerState::Answering } else { ServerState::PassedOver },
            since,
        };
        self.list().states().map(status).collect()
    }

    /// Waits for what `server` is asked: no longer than `limit`, and while another server is ready no longer than this one
    /// deserves by what others hear from it.
    pub(super) async fn wait<T>(
        &self,
        server: &LdapServer,
        limit: Duration,
        asked: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let sent = clock::now();
        let end = sent + limit;
        self.list().asked(server, sent);
        let mut waiting = Waiting { servers: self, server, sent, has_outcome: false };
        pin!(asked);
        loop {
            let doubtful_from = self.list().doubtful_from(server, sent);
            let look_again = doubtful_from.max(clock::now() + LOOK_AGAIN).min(end);
            tokio::select! {
                biased;
                outcome = &mut asked => {
                    waiting.has_outcome = true;
                    return outcome;
                }
                () = sleep_until(look_again) => {
                    let now = clock::now();
                    let list = self.list();
                    let is_doubtful = list.doubtful_from(server, sent) <= now;
                    let fault = if now >= end {
                        Fault::Timeout
                    } else if is_doubtful && list.has_better_than(server, now) {
                        Fault::Silent
                    } else {
                        continue;
                    };
                    drop(list);
                    waiting.has_outcome = true;
                    self.failed(server, &fault);
                    return Err(fault);
                }
            }
        }
    }

    /// The server answered.
    pub(super) fn answered(&self, server: &LdapServer) {
        let turn = self.list().answered(server, clock::now(), clock::wall());
        if turn == Turn::Back {
            tracing::info!(%server, "directory server answers again");
        }
    }

    /// The server gave no usable answer.
    pub(super) fn failed(&self, server: &LdapServer, fault: &Fault) {
        let turn = self.list().failed(server, clock::now(), clock::wall());
        if turn == Turn::Lost {
            tracing::warn!(%server, error = %fault, "directory server does not answer and is passed over");
        }
    }

    fn list(&self) -> MutexGuard<'_, ServerList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
