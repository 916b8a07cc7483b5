//! The directory: one account by its name, and whether the directory can be used at all.
//!
//! Does I/O: LDAP over TLS to the configured servers. Dropping a future given out here is safe at any moment; the
//! connection that it used is given up.

mod changes;
mod computer;
mod delegation;
mod domain_sid;
mod published;
mod remembered;
mod trust;
mod wanted;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use self::domain_sid::DomainSid;
use self::remembered::Memory;
use super::clock;
use super::error::Fault;
use super::group_names::GroupNames;
use super::ldap::{Connection, Found};
use super::pool::{Lease, Pool, Reach};
use super::servers::Servers;
use super::tls;
use crate::account::Account;
use crate::dn::Dn;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::groups::{self, Group};
use crate::guid::Guid;
use crate::mapping::sought::Sought;
use crate::mapping::source::AttributeQuery;
use crate::message::request::{Scope, SearchRequest};
use crate::message::response::ResultCode;
use crate::schema::{Attribute, AttributeName};
use crate::sid::Sid;
use crate::time::from_generalized_time;
use crate::upn::Upn;

pub use self::remembered::{CacheStatus, Freshness, PollStatus, Recalled};
pub use self::wanted::Wanted;
pub use super::bind::{Bind, BindRefusal, Passwords};
pub use super::error::{Attempt, DirectoryError, SettingsError};
pub use super::server::LdapServer;
pub use super::servers::{ServerState, ServerStatus};

const MAXIMUM_SERVERS: usize = 16;
const MAXIMUM_POOL: usize = 256;
const MAXIMUM_TIMEOUT: Duration = Duration::from_secs(300);

/// How to reach the directory.
#[derive(Debug)]
pub struct Settings {
    /// The servers, all of the same domain, nearest first. While there are none, no account can be asked for:
    /// [`Directory::set_servers`] names them then.
    pub servers: Vec<LdapServer>,
    /// Where accounts must lie: a domain, or a part of it. Names must be unique in the whole domain.
    pub base_dn: Dn,
    /// The CA certificates that the servers' certificates must come from.
    pub roots: Vec<CertificateDer<'static>>,
    /// The credential of the service account.
    pub bind: Bind,
    /// Most connections at once.
    pub pool_size: usize,
    /// Longest time for name resolution, connection and TLS handshake with one server.
    pub connect_timeout: Duration,
    /// Longest time for a bind or a search, and for waiting for a connection.
    pub operation_timeout: Duration,
}

/// The directory of one domain.
pub struct Directory {
    pool: Pool,
    base: Dn,
    domain: Dn,
    dns_domain: String,
    group_names: GroupNames,
    domain_sid: DomainSid,
    /// Nothing where nothing is to be remembered.
    memory: Option<Memory>,
}

/// A directory that answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DirectoryStatus {
    /// The name of the server that answered.
    pub server: String,
    /// The server's own time, for comparison with ours; `None` when it does not tell.
    pub server_time: Option<SystemTime>,
    /// How long the answers took.
    pub took: Duration,
}

impl Directory {
    /// Checks the settings. No I/O: servers are reached when an account is asked for.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let Settings { servers, base_dn, roots, bind, pool_size, connect_timeout, operation_timeout } =
            settings;
        if servers.len() > MAXIMUM_SERVERS {
            return Err(SettingsError::Servers);
        }
        if !(1..=MAXIMUM_POOL).contains(&pool_size) {
            return Err(SettingsError::PoolSize);
        }
        if [connect_timeout, operation_timeout].iter().any(|time| time.is_zero() || *time > MAXIMUM_TIMEOUT) {
            return Err(SettingsError::Timeout);
        }
        if let Bind::Simple { name, password } = &bind
            && (name.is_empty() || password.is_empty())
        {
            return Err(SettingsError::EmptyCredential);
        }
        if let Bind::Changing { name, .. } = &bind
            && name.is_empty()
        {
            return Err(SettingsError::EmptyCredential);
        }
        let (domain, dns_domain) = base_dn.domain().zip(base_dn.dns_domain()).ok_or(SettingsError::BaseDn)?;
        let tls = tls::connector(&roots, &bind)?;
        let servers = Arc::new(Servers::new(servers));
        let reach = Reach { servers, tls, bind, size: pool_size, connect_timeout, operation_timeout };
        Ok(Self {
            pool: Pool::new(reach),
            base: base_dn,
            domain,
            dns_domain,
            group_names: GroupNames::default(),
            domain_sid: DomainSid::default(),
            memory: None,
        })
    }

    /// The one account that has this name: as its `userPrincipalName`, or as `sAMAccountName@dns-domain`.
    ///
    /// Computers and trusts are found as well; [`Account::check_usable`] refuses them by what they are.
    ///
    /// # Errors
    /// [`DirectoryError`]; the absence of an account and the presence of two are among them.
    pub async fn account_by_upn(&self, upn: &Upn) -> Result<Account, DirectoryError> {
        self.account_and_server(upn).await.map(|(account, _)| account)
    }

    /// As [`Self::account_by_upn`], with the server that said so: what has just been changed there need not have reached
    /// the others.
    ///
    /// # Errors
    /// As [`Self::account_by_upn`].
    pub async fn account_and_server(&self, upn: &Upn) -> Result<(Account, LdapServer), DirectoryError> {
        self.account_sought(&Sought::by_name(upn.clone())).await
    }

    /// The one account that has any of the names sought, with the server that said so.
    ///
    /// # Errors
    /// As [`Self::account_by_upn`]; also [`DirectoryError::SeveralAccounts`] and [`DirectoryError::Disagreement`].
    pub async fn account_sought(&self, sought: &Sought) -> Result<(Account, LdapServer), DirectoryError> {
        self.account(&Wanted::Sought(sought)).await.map(Answer::into_account)
    }

    /// The one account whose attributes have these values, and the server that said so. Accounts beyond the base of the query,
    /// or else of the domain, do not count.
    ///
    /// # Errors
    /// As [`Self::account_by_upn`].
    pub async fn account_by_attributes(
        &self,
        query: &AttributeQuery,
    ) -> Result<(Account, LdapServer), DirectoryError> {
        self.account(&Wanted::Attributes(query)).await.map(Answer::into_account)
    }

    async fn account(&self, wanted: &Wanted<'_>) -> Result<Answer, DirectoryError> {
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            let server = connection.server().clone();
            let outcome = self.look_up(&mut connection, wanted).await;
            let outcome = outcome.map(|(account, entry, replica)| Answer { account, entry, replica, server });
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    /// Forgets that the service account was refused: its credential is another one now, which may be tried at once.
    pub fn credential_changed(&self) {
        self.pool.forget_refusal();
    }

    /// Takes other servers, nearest first. What is known of those that stay is kept; requests that run finish where they
    /// began.
    ///
    /// # Errors
    /// [`SettingsError::Servers`] when there are none or too many; nothing is changed then.
    pub fn set_servers(&self, servers: Vec<LdapServer>) -> Result<(), SettingsError> {
        if !(1..=MAXIMUM_SERVERS).contains(&servers.len()) {
            return Err(SettingsError::Servers);
        }
        self.pool.set_servers(servers);
        Ok(())
    }

    /// What is known of every server, nearest first.
    #[must_use]
    pub fn server_status(&self) -> Vec<ServerStatus> {
        self.pool.status()
    }

    /// Asks the servers that failed whether they are back, so that no login has to find out, and those whose answers are
    /// remembered what has changed. Ends only by being dropped.
    pub async fn tend(&self) {
        tokio::join!(Box::pin(self.pool.tend()), Box::pin(self.follow_changes()));
    }

    /// Whether some server answers, holds the configured domain, which has the SID it should, and knows the base.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn check(&self) -> Result<DirectoryStatus, DirectoryError> {
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            let outcome = self.probe(&mut connection).await;
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    async fn look_up(
        &self,
        connection: &mut Connection,
        wanted: &Wanted<'_>,
    ) -> Result<(Account, Entry, Option<Guid>), Failure> {
        let replica = match &self.memory {
            Some(memory) if memory.is_polled() => self.replica(connection).await?,
            _ => None,
        };
        let name = self.find(connection, wanted).await?;
        let (mut account, entry) = self.read(connection, &name, wanted.chosen()).await?;
        // The directory compares more loosely than the mapping may: accents, for one.
        if !wanted.is(&account, &entry) {
            return Err(DirectoryError::NotFound.into());
        }
        if !account.dn.is_within(&self.base) {
            tracing::info!(dn = %account.dn, base = %self.base, "the account lies outside of the configured base");
            return Err(DirectoryError::NotFound.into());
        }
        self.name_groups(connection, &mut account.groups).await?;
        tracing::trace!(server = %connection.server(), dn = %account.dn, groups = account.groups.len(), "account read");
        Ok((account, entry, replica))
    }

    /// Where the one object that is wanted lies, and its lasting identity. The whole domain is searched, unless the configuration
    /// says otherwise: an account beyond the base that has the name too makes it ambiguous all the same.
    async fn find(&self, connection: &mut Connection, wanted: &Wanted<'_>) -> Result<Entry, Failure> {
        let user = Filter::equals(Attribute::OBJECT_CLASS, b"user");
        let filter = Filter::all_of([user, wanted.filter(&self.dns_domain)]);
        let base = wanted.base().unwrap_or(&self.domain);
        // One more than expected, so that a second account shows.
        let attributes = wanted.attributes();
        let found = self.search(connection, base.as_str(), Scope::Subtree, &filter, attributes, 2).await?;
        match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, []) => Err(DirectoryError::NotFound.into()),
            (ResultCode::SUCCESS, [entry]) => Ok(entry.clone()),
            (ResultCode::SUCCESS | ResultCode::SIZE_LIMIT_EXCEEDED, several @ [_, _, ..]) => {
                Err(wanted.why_several(several, &self.dns_domain).into())
            }
            (ResultCode::SIZE_LIMIT_EXCEEDED, _) => Err(DirectoryError::Ambiguous.into()),
            (code, _) => Err(search_refused(connection, code)),
        }
    }

    /// Reads the whole object in one search, with the attributes that were chosen, so that all that is judged is of one moment.
    async fn read(
        &self,
        connection: &mut Connection,
        object: &Entry,
        chosen: &[AttributeName],
    ) -> Result<(Account, Entry), Failure> {
        let read_anyway =
            |name: &AttributeName| Account::ATTRIBUTES.iter().any(|known| name.is(known.as_str()));
        let chosen: Vec<_> = chosen.iter().filter(|name| !read_anyway(name)).cloned().collect();
        let limit = self.pool.operation_timeout();
        let request = SearchRequest {
            base: object.dn(),
            scope: Scope::Base,
            filter: &Filter::present(Attribute::OBJECT_CLASS),
            attributes: Account::ATTRIBUTES,
            chosen: &chosen,
            size_limit: 1,
            time_limit: seconds(limit),
        };
        let found = connection.search(&request, limit).await?;
        let entry = match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, [entry]) => entry,
            // Moved or deleted since it was found.
            (ResultCode::SUCCESS | ResultCode::NO_SUCH_OBJECT, []) => {
                return Err(DirectoryError::NotFound.into());
            }
            (code, _) => return Err(search_refused(connection, code)),
        };
        let account = Account::from_entry(entry).map_err(DirectoryError::from)?;
        if account.object_guid != object.guid().map_err(DirectoryError::from)? {
            // Another object has taken the place since.
            return Err(DirectoryError::NotFound.into());
        }
        Ok((account, entry.clone()))
    }

    /// Gives the groups their names, as far as the domain knows them.
    async fn name_groups(&self, connection: &mut Connection, groups: &mut [Group]) -> Result<(), Failure> {
        let now = clock::now();
        let mut names: BTreeMap<Sid, Option<String>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for Group { sid, .. } in &*groups {
            match self.group_names.get(sid, now) {
                Some(name) => drop(names.insert(sid.clone(), name)),
                None => unknown.push(sid.clone()),
            }
        }
        for (chunk, filter) in groups::searches(&unknown) {
            let found = self.find_groups(connection, chunk, &filter).await?;
            for sid in chunk {
                let name = found.get(sid).cloned().flatten();
                self.group_names.remember(sid.clone(), name.clone(), now);
                names.insert(sid.clone(), name);
            }
        }
        for group in groups {
            group.sam_account_name = names.get(&group.sid).cloned().flatten();
        }
        Ok(())
    }

    async fn find_groups(
        &self,
        connection: &mut Connection,
        sids: &[Sid],
        filter: &Filter,
    ) -> Result<BTreeMap<Sid, Option<String>>, Failure> {
        let limit = u32::try_from(sids.len()).unwrap_or(u32::MAX);
        let attributes = [Attribute::OBJECT_SID, Attribute::SAM_ACCOUNT_NAME];
        let found =
            self.search(connection, self.domain.as_str(), Scope::Subtree, filter, &attributes, limit).await?;
        if found.code != ResultCode::SUCCESS {
            return Err(search_refused(connection, found.code));
        }
        let names = found.entries.iter().map(groups::read_name).collect::<Result<_, _>>();
        Ok(names.map_err(DirectoryError::from)?)
    }

    async fn probe(&self, connection: &mut Connection) -> Result<DirectoryStatus, Failure> {
        let start = clock::now();
        let everything = Filter::present(Attribute::OBJECT_CLASS);
        let attributes = [Attribute::DEFAULT_NAMING_CONTEXT, Attribute::CURRENT_TIME];
        let found = self.search(connection, "", Scope::Base, &everything, &attributes, 1).await?;
        let root = match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, [root]) => root,
            (code, _) => return Err(search_refused(connection, code)),
        };
        let domain = root.text(Attribute::DEFAULT_NAMING_CONTEXT).map_err(DirectoryError::from)?;
        if Dn::parse(domain).ok().as_ref() != Some(&self.domain) {
            return Err(Failure::Refused(DirectoryError::WrongDomain {
                server: connection.server().name().to_owned(),
                expected: self.domain.clone(),
                found: domain.to_owned(),
            }));
        }
        let time = root.optional_text(Attribute::CURRENT_TIME).map_err(DirectoryError::from)?;
        let server_time = time.and_then(|time| from_generalized_time(time).ok());
        self.read_domain_sid(connection).await?;
        let attributes = [Attribute::OBJECT_CLASS];
        let found =
            self.search(connection, self.base.as_str(), Scope::Base, &everything, &attributes, 1).await?;
        if found.code != ResultCode::SUCCESS || found.entries.is_empty() {
            return Err(search_refused(connection, found.code));
        }
        let took = clock::now() - start;
        Ok(DirectoryStatus { server: connection.server().name().to_owned(), server_time, took })
    }

    async fn search(
        &self,
        connection: &mut Connection,
        base: &str,
        scope: Scope,
        filter: &Filter,
        attributes: &[Attribute],
        size_limit: u32,
    ) -> Result<Found, Failure> {
        let limit = self.pool.operation_timeout();
        let time_limit = seconds(limit);
        let request = SearchRequest { base, scope, filter, attributes, chosen: &[], size_limit, time_limit };
        Ok(connection.search(&request, limit).await?)
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("base", &self.base).finish_non_exhaustive()
    }
}

/// An account as it was read.
#[derive(Clone, Debug)]
struct Answer {
    account: Account,
    /// All that was read of its object.
    entry: Entry,
    /// The domain controller that said so, where changes are looked for and it says who it is.
    replica: Option<Guid>,
    server: LdapServer,
}

impl Answer {
    fn into_account(self) -> (Account, LdapServer) {
        (self.account, self.server)
    }
}

/// A limit of time as servers take it: whole seconds, at least one.
fn seconds(limit: Duration) -> u32 {
    u32::try_from(limit.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// What becomes of the connection; another one is tried after a fault only.
fn settle<Answer>(
    lease: &mut Lease<'_>,
    connection: Connection,
    outcome: Result<Answer, Failure>,
) -> ControlFlow<Result<Answer, DirectoryError>> {
    let outcome = match outcome {
        Err(Failure::Fault(fault)) => {
            lease.failed(connection, fault);
            return ControlFlow::Continue(());
        }
        // Why it refuses may lie in the connection: the next one begins afresh.
        Err(Failure::Refused(error @ DirectoryError::SearchRefused { .. })) => {
            return ControlFlow::Break(Err(error));
        }
        // The rest of the answer is still on its way.
        Err(Failure::Refused(error @ DirectoryError::TooLarge { .. })) => {
            return ControlFlow::Break(Err(error));
        }
        Err(Failure::Refused(error)) => Err(error),
        Ok(answer) => Ok(answer),
    };
    lease.give_back(connection);
    ControlFlow::Break(outcome)
}

/// Whether the connection or the answer is at fault.
enum Failure {
    /// The connection is of no use any more; another may be tried.
    Fault(Fault),
    /// An answer, and final.
    Refused(DirectoryError),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::Refused(error)
    }
}

fn search_refused(connection: &Connection, code: ResultCode) -> Failure {
    Failure::Refused(DirectoryError::SearchRefused { server: connection.server().name().to_owned(), code })
}
