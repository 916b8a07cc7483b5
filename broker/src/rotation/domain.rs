//! The domain as a rotation sees it: does it accept a secret, and change the password. Does I/O, through
//! [`kdc_proxy::net`] and [`ldap_map::net`].

use std::sync::Arc;

use kdc_proxy::{
    exchange::kpasswd::Form,
    key::Key,
    net::{
        client::{ChangeError, Client, ClientError, Credential, ReplaceError},
        transport::Endpoint,
    },
};
use ldap_map::{delegation::Question, net::directory::Directory};
use zeroize::Zeroizing;

/// Whether a domain controller accepts a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// It is the account's.
    Accepted,
    /// It is not, as far as this domain controller knows.
    Refused,
}

/// Who told the version of the new keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VersionSource {
    /// `msDS-KeyVersionNumber` of the account, and no ticket contradicts it.
    Directory,
    /// A ticket to ourselves under the new key.
    Ticket,
}

/// What a new password gives.
#[derive(Clone, Debug)]
pub struct NewKeys {
    /// A key of every type the domain controller offers.
    pub keys: Vec<Key>,
    /// Their version, where somebody tells it.
    pub version: Option<(u32, VersionSource)>,
}

/// A domain and the account in it.
#[expect(async_fn_in_trait, reason = "a rotation is one task, and its futures are never sent to another")]
pub trait Domain {
    /// Finds a domain controller that accepts this credential. All that follows is asked of the same one, because another
    /// may learn of a change later.
    async fn connect(&mut self, credential: Credential) -> Result<String, ReplaceError>;

    /// Whether the domain controller accepts a credential. One that it does not accept counts as a wrong password.
    async fn accepts(&self, credential: Credential) -> Result<Held, ReplaceError>;

    /// Changes the password.
    async fn change(&self, present: Credential, password: &Zeroizing<String>) -> Result<(), ChangeError>;

    /// The keys of a password that is in force.
    async fn keys(&self, password: &Zeroizing<String>) -> Result<NewKeys, ReplaceError>;
}

/// The real domain.
#[derive(Debug)]
pub struct Kerberos {
    client: Arc<Client>,
    kdc: Option<Endpoint>,
    directory: Arc<Directory>,
    account: String,
    spn: String,
    port: u16,
}

impl Kerberos {
    /// Asks with the settings of `client`; `account` and `spn` are the service's own, `port` is that of the password service.
    #[must_use]
    pub const fn new(
        client: Arc<Client>,
        directory: Arc<Directory>,
        account: String,
        spn: String,
        port: u16,
    ) -> Self {
        Self { client, kdc: None, directory, account, spn, port }
    }

    /// A client of the one domain controller, once there is one.
    fn pinned(&self, credential: Credential) -> Result<Client, ReplaceError> {
        Ok(match &self.kdc {
            Some(kdc) => self.client.pinned_to(kdc, credential)?,
            None => self.client.with_credential(credential)?,
        })
    }

    /// The version in the directory; its absence is no error, as it may be unreadable for us.
    async fn version_in_directory(&self) -> Option<u32> {
        let question = Question { account: &self.account, own_spn: &self.spn, user: None, target_spn: None };
        match self.directory.delegation(&question).await {
            Ok(facts) => facts.own?.key_version_number,
            Err(error) => {
                tracing::warn!(%error, "the directory does not tell the version of the new key");
                None
            }
        }
    }
}

impl Domain for Kerberos {
    async fn connect(&mut self, credential: Credential) -> Result<String, ReplaceError> {
        self.kdc = None;
        let kdc = self.pinned(credential)?.service_tgt().await?.kdc;
        let name = kdc.to_string();
        self.kdc = Some(kdc);
        Ok(name)
    }

    async fn accepts(&self, credential: Credential) -> Result<Held, ReplaceError> {
        match self.pinned(credential)?.service_tgt().await {
            Ok(_) => Ok(Held::Accepted),
            Err(error) if error.is_about_own_key() => Ok(Held::Refused),
            Err(error) => Err(error.into()),
        }
    }

    async fn change(&self, present: Credential, password: &Zeroizing<String>) -> Result<(), ChangeError> {
        let client = self.pinned(present).map_err(|error| match error {
            ReplaceError::Client(error) => ChangeError::NoTicket(error),
            // The same credential was accepted a moment ago.
            _ => ChangeError::NoTicket(ClientError::Credential(
                kdc_proxy::error::CredentialError::NoCommonEtype,
            )),
        })?;
        client.change_password(password, Form::Change, self.port).await
    }

    async fn keys(&self, password: &Zeroizing<String>) -> Result<NewKeys, ReplaceError> {
        let client = self.pinned(Credential::Password(password.clone()))?;
        let keys = client.keys_of_password().await?;
        let in_ticket = client.own_key_version().await?;
        let version = agreed(self.version_in_directory().await, in_ticket);
        Ok(NewKeys { keys, version })
    }
}

/// The directory's word where the ticket does not contradict it. It may come from a server that the change has not reached;
/// and a ticket of a read-only domain controller has that one's number in its upper bits.
fn agreed(in_directory: Option<u32>, in_ticket: Option<u32>) -> Option<(u32, VersionSource)> {
    match (in_directory, in_ticket) {
        (Some(directory), Some(ticket)) if directory & 0xffff != ticket & 0xffff => {
            tracing::warn!(
                directory,
                ticket,
                "the directory has another key version than the ticket, which counts"
            );
            Some((ticket, VersionSource::Ticket))
        }
        (Some(directory), _) => Some((directory, VersionSource::Directory)),
        (None, ticket) => Some((ticket?, VersionSource::Ticket)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_directory_s_unless_a_ticket_contradicts_it() {
        use VersionSource::{Directory, Ticket};
        for (in_directory, in_ticket, expected) in [
            (Some(4), Some(4), Some((4, Directory))),
            (Some(4), Some(0x0007_0004), Some((4, Directory))),
            (Some(3), Some(4), Some((4, Ticket))),
            (None, Some(4), Some((4, Ticket))),
            (Some(4), None, Some((4, Directory))),
            (None, None, None),
        ] {
            assert_eq!(agreed(in_directory, in_ticket), expected);
        }
    }
}
