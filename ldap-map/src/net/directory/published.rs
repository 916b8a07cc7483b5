//! Reads what authorities publish in the directory itself. Does I/O: one search.

use std::ops::ControlFlow;

use super::{Directory, Failure, settle};
use crate::message::response::MessageError;
use crate::net::error::{DirectoryError, Fault};
use crate::net::ldap::Connection;
use crate::net::published::ListAttribute;

impl Directory {
    /// The revocation lists of one object; none where there is no such object or attribute. `octets` bounds what the server
    /// sends.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn published(
        &self,
        dn: &str,
        list: ListAttribute,
        octets: usize,
    ) -> Result<Vec<Vec<u8>>, DirectoryError> {
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            connection.expect_messages_of(Some(octets));
            let outcome = self.read_published(&mut connection, dn, list, octets).await;
            connection.expect_messages_of(None);
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    async fn read_published(
        &self,
        connection: &mut Connection,
        dn: &str,
        list: ListAttribute,
        octets: usize,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        match self.object(connection, dn, &list.spellings()).await {
            Ok(entry) => Ok(entry.map(|entry| list.lists(&entry)).unwrap_or_default()),
            // What was asked for is at fault, not the server.
            Err(Failure::Fault(Fault::Message(MessageError::TooLong))) => {
                Err(DirectoryError::TooLarge { limit: octets }.into())
            }
            Err(failure) => Err(failure),
        }
    }
}
