//! Reads what the domain says of a computer. Does I/O: two searches, and those for the names of its groups.

use std::ops::ControlFlow;

use super::{Directory, Failure, search_refused, settle};
use crate::computer::Computer;
use crate::filter::Filter;
use crate::message::request::Scope;
use crate::message::response::ResultCode;
use crate::net::error::DirectoryError;
use crate::net::ldap::Connection;
use crate::schema::Attribute;

impl Directory {
    /// The one computer with this host name (`dNSHostName`), wherever in the domain it lies, with its groups.
    ///
    /// # Errors
    /// [`DirectoryError`]; the absence of such a computer and the presence of two are among them.
    pub async fn computer(&self, host: &str) -> Result<Computer, DirectoryError> {
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            let outcome = self.read_computer(&mut connection, host).await;
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    async fn read_computer(&self, connection: &mut Connection, host: &str) -> Result<Computer, Failure> {
        let filter = Filter::all_of([
            Filter::equals(Attribute::OBJECT_CLASS, b"computer"),
            Filter::equals(Attribute::DNS_HOST_NAME, host.as_bytes()),
        ]);
        let domain = self.domain.as_str();
        // One more than expected, so that a second one shows.
        let found =
            self.search(connection, domain, Scope::Subtree, &filter, &[Attribute::OBJECT_GUID], 2).await?;
        let entry = match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, []) => return Err(DirectoryError::NotFound.into()),
            (ResultCode::SUCCESS, [entry]) => entry,
            (ResultCode::SUCCESS | ResultCode::SIZE_LIMIT_EXCEEDED, _) => {
                return Err(DirectoryError::Ambiguous.into());
            }
            (code, _) => return Err(search_refused(connection, code)),
        };
        // All groups are told by a search of the object itself only.
        let whole = self.object(connection, entry.dn(), Computer::ATTRIBUTES).await?;
        // Moved or deleted since it was found.
        let whole = whole.ok_or(DirectoryError::NotFound)?;
        let mut computer = Computer::from_entry(&whole).map_err(DirectoryError::from)?;
        // Another object may have taken its place, and the directory compares more loosely than names of hosts are.
        let same = entry.guid().map_err(DirectoryError::from)? == computer.object_guid
            && computer.dns_host_name == host.to_ascii_lowercase();
        if !same {
            return Err(DirectoryError::NotFound.into());
        }
        self.name_groups(connection, &mut computer.groups).await?;
        Ok(computer)
    }
}
