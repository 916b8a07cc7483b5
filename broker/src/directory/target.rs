//! The computer object of a target. Does I/O, through [`ldap_map::net`].

use ldap_map::computer::Computer;
use ldap_map::dn::Dn;
use ldap_map::net::directory::DirectoryError;
use ldap_map::schema::UserAccountControl;

use super::Domains;

/// Why nothing is known of a target, or why it cannot be one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComputerError {
    /// The directory cannot say.
    #[error("the target's computer object cannot be read: {0}")]
    Directory(#[source] DirectoryError),
    /// Several computers have the host name.
    #[error("several computer objects have dNSHostName {host:?}: only one may")]
    Ambiguous {
        /// The name.
        host: String,
    },
    /// The computer's account is disabled.
    #[error("the computer {dn} is disabled: userAccountControl is {user_account_control}")]
    Disabled {
        /// Where it lies.
        dn: Dn,
        /// The attribute's value.
        user_account_control: UserAccountControl,
    },
}

/// The one computer of our own domain that has this host name and is not disabled; `None` where there is none of the name.
///
/// # Errors
/// [`ComputerError`].
pub async fn computer(domains: &Domains, host: &str) -> Result<Option<Computer>, ComputerError> {
    match domains.own().directory().computer(host).await {
        Ok(computer) if computer.is_disabled() => {
            let Computer { dn, user_account_control, .. } = computer;
            Err(ComputerError::Disabled { dn, user_account_control })
        }
        Ok(computer) => Ok(Some(computer)),
        Err(DirectoryError::NotFound) => Ok(None),
        Err(DirectoryError::Ambiguous) => Err(ComputerError::Ambiguous { host: host.to_owned() }),
        Err(error) => Err(ComputerError::Directory(error)),
    }
}
