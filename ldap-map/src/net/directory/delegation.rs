//! Reads what the directory says of a delegation. Does I/O: a handful of searches over one connection.

use std::ops::ControlFlow;

use super::{Directory, Failure, search_refused, settle};
use crate::account::Account;
use crate::delegation::{Facts, Question, ServerClock, ServiceAccount, Target, host_of, host_spn};
use crate::dn::Dn;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::message::request::Scope;
use crate::message::response::ResultCode;
use crate::net::clock;
use crate::net::error::DirectoryError;
use crate::net::ldap::Connection;
use crate::schema::Attribute;
use crate::time::from_generalized_time;

/// Most accounts read that have one name; two are enough to know that there are too many.
const MAXIMUM_HOLDERS: u32 = 4;

impl Directory {
    /// What the directory says of a delegation, all of it from one server.
    ///
    /// # Errors
    /// [`DirectoryError`]. That an account does not exist is no error here, it is one of the [`Facts`].
    pub async fn delegation(&self, question: &Question<'_>) -> Result<Facts, DirectoryError> {
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            let outcome = self.read_delegation(&mut connection, question).await;
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    async fn read_delegation(
        &self,
        connection: &mut Connection,
        question: &Question<'_>,
    ) -> Result<Facts, Failure> {
        let server = self.read_clock(connection).await?;
        let own = self.read_own(connection, question.account).await?;
        let own_spn_holders = self.holders(connection, question.own_spn).await?;
        let user = match question.user {
            Some(dn) => self.read_user(connection, dn).await?,
            None => None,
        };
        let target = match question.target_spn {
            Some(spn) => Some(self.read_target(connection, spn).await?),
            None => None,
        };
        Ok(Facts { own, own_spn_holders, user, target, server })
    }

    async fn read_clock(&self, connection: &mut Connection) -> Result<ServerClock, Failure> {
        let everything = Filter::present(Attribute::OBJECT_CLASS);
        let attributes = [Attribute::CURRENT_TIME];
        let found = self.search(connection, "", Scope::Base, &everything, &attributes, 1).await?;
        let root = found.entries.first().ok_or_else(|| search_refused(connection, found.code))?;
        let time = root.optional_text(Attribute::CURRENT_TIME).map_err(DirectoryError::from)?;
        Ok(ServerClock {
            name: connection.server().name().to_owned(),
            server_time: time.and_then(|time| from_generalized_time(time).ok()),
            local_time: clock::wall(),
        })
    }

    /// Our own account with its groups, which only a search of the object itself tells.
    async fn read_own(
        &self,
        connection: &mut Connection,
        name: &str,
    ) -> Result<Option<ServiceAccount>, Failure> {
        let filter = Filter::equals(Attribute::SAM_ACCOUNT_NAME, name.as_bytes());
        let found = self.accounts(connection, &filter, &[Attribute::OBJECT_GUID]).await?;
        let Some(found) = found.first() else { return Ok(None) };
        let attributes = [ServiceAccount::ATTRIBUTES, &[Attribute::TOKEN_GROUPS]].concat();
        let entry = self.object(connection, found.dn(), &attributes).await?;
        let account = entry.as_ref().map(ServiceAccount::from_entry).transpose();
        Ok(account.map_err(DirectoryError::from)?)
    }

    async fn read_user(&self, connection: &mut Connection, dn: &Dn) -> Result<Option<Account>, Failure> {
        let entry = self.object(connection, dn.as_str(), Account::ATTRIBUTES).await?;
        let account = entry.as_ref().map(Account::from_entry).transpose();
        Ok(account.map_err(DirectoryError::from)?)
    }

    async fn read_target(&self, connection: &mut Connection, spn: &str) -> Result<Target, Failure> {
        let mut holders = self.holders(connection, spn).await?;
        if holders.is_empty()
            && let Some(standing) = host_spn(spn)
        {
            holders = self.holders(connection, &standing).await?;
        }
        let computer = match host_of(spn) {
            Some(host) => {
                let filter = Filter::all_of([
                    Filter::equals(Attribute::OBJECT_CLASS, b"computer"),
                    Filter::equals(Attribute::DNS_HOST_NAME, host.as_bytes()),
                ]);
                self.service_accounts(connection, &filter).await?.into_iter().next()
            }
            None => None,
        };
        Ok(Target { spn: spn.to_owned(), holders, computer })
    }

    async fn holders(&self, connection: &mut Connection, spn: &str) -> Result<Vec<ServiceAccount>, Failure> {
        let filter = Filter::equals(Attribute::SERVICE_PRINCIPAL_NAME, spn.as_bytes());
        self.service_accounts(connection, &filter).await
    }

    async fn service_accounts(
        &self,
        connection: &mut Connection,
        filter: &Filter,
    ) -> Result<Vec<ServiceAccount>, Failure> {
        let found = self.accounts(connection, filter, ServiceAccount::ATTRIBUTES).await?;
        let accounts = found.iter().map(ServiceAccount::from_entry).collect::<Result<_, _>>();
        Ok(accounts.map_err(DirectoryError::from)?)
    }

    /// The objects of the domain that a filter finds, but not more than [`MAXIMUM_HOLDERS`].
    async fn accounts(
        &self,
        connection: &mut Connection,
        filter: &Filter,
        attributes: &[Attribute],
    ) -> Result<Vec<Entry>, Failure> {
        let domain = self.domain.as_str();
        let found =
            self.search(connection, domain, Scope::Subtree, filter, attributes, MAXIMUM_HOLDERS).await?;
        match found.code {
            ResultCode::SUCCESS | ResultCode::SIZE_LIMIT_EXCEEDED => Ok(found.entries),
            code => Err(search_refused(connection, code)),
        }
    }

    /// One object by its name; `None` where there is none.
    pub(super) async fn object(
        &self,
        connection: &mut Connection,
        dn: &str,
        attributes: &[Attribute],
    ) -> Result<Option<Entry>, Failure> {
        let everything = Filter::present(Attribute::OBJECT_CLASS);
        let found = self.search(connection, dn, Scope::Base, &everything, attributes, 1).await?;
        match found.code {
            ResultCode::SUCCESS | ResultCode::NO_SUCH_OBJECT => Ok(found.entries.into_iter().next()),
            code => Err(search_refused(connection, code)),
        }
    }
}
