//! A desktop host of the lab: sshd, Apache, a virtual machine's screen by VNC, a desktop by RDP and a service that speaks
//! GSS-API alone, each opened by a Kerberos ticket for this host and by nothing else.
//!
//! Sshd lets a person into the account of his own name; Apache and VNC let in alice alone. The RDP server has no list
//! of people: whoever has a ticket for it gets its desktop. The GSS-API service tells everybody who he is.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::container::{Container, ContainerError, ContainerSpec, ImageSource};
use crate::lab::Lab;
use crate::pki::PkiError;
use crate::samba_ad::DomainError;
use crate::wait;

/// Its parts come up in about a second; a machine under load takes longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A desktop host that runs.
#[derive(Debug)]
pub struct Desktop {
    container: Container,
    host: String,
}

/// Why a desktop host did not come up.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    /// The engine could not run it, or it was too slow.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The domain has no keys for it.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// Its certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// One of its parts ended.
    #[error("the desktop host ended while it started:\n{log}")]
    Ended {
        /// What its parts wrote.
        log: String,
    },
}

impl Desktop {
    /// Starts the host of a computer of the lab's domain, such as `desk1`, and waits until all its parts accept logins.
    ///
    /// # Errors
    /// Where there is no such computer, or the host does not come up; with what its parts wrote.
    pub fn start(lab: &Lab, computer: &str) -> Result<Self, DesktopError> {
        let image = ImageSource::named("desktop").build()?;
        let domain = lab.controller().domain();
        let host = format!("{computer}.{}", domain.dns_name());
        let address = lab.network().next_address();
        let tls = lab.pki().server(&[&host])?;
        let container = ContainerSpec::new(computer, &image, lab.network(), address)
            .hostname(&host)
            .host(&host, address)
            .environment("DESKTOP_HOST", &host)
            .environment("DESKTOP_REALM", domain.realm())
            .file("/lab/keytab", lab.controller().keytab(computer)?, 0o600)
            .file("/lab/tls.pem", tls.chain_pem(), 0o600)
            .file("/lab/tls.key", tls.key_pem(), 0o600)
            .start()?;
        let desktop = Self { container, host };
        desktop.wait_until_ready()?;
        Ok(desktop)
    }

    /// Its full name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.container.address()
    }

    /// The container it runs in.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Everything its parts wrote: logins of sshd, requests of Apache, the decisions of VNC's authorisation.
    #[must_use]
    pub fn log(&self) -> String {
        self.container.log()
    }

    fn wait_until_ready(&self) -> Result<(), DesktopError> {
        let probe = || {
            let log = self.container.log();
            if log.contains("desktop ready") {
                return Some(Ok(()));
            }
            let ended = log.contains("has ended") || log.contains("does not come up");
            ended.then_some(Err(DesktopError::Ended { log }))
        };
        wait::until("the readiness of all its parts", START_LIMIT, probe).map_err(|source| {
            let name = self.container.name().to_owned();
            ContainerError::NotReady { name, source, log: self.container.log() }
        })?
    }
}
