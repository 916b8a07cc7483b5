//! A KDC proxy of another make: FreeIPA's `kdcproxy` in Python, behind gunicorn.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::container::{Container, ContainerSpec, ImageSource};
use crate::lab::Lab;
use crate::samba_ad::DomainError;

/// Its name in its certificate.
pub const KDCPROXY_NAME: &str = "kkdcp.corp.example";

const PORT: u16 = 8443;

/// It listens within a second; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What this machine trusts, where Debian keeps it.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The proxy, before the lab's domain controller; it is removed on drop.
#[derive(Debug)]
pub struct Kdcproxy {
    container: Container,
}

impl Kdcproxy {
    /// Starts it, with a certificate of the machines' authority.
    ///
    /// # Errors
    /// [`DomainError`] where its image cannot be built, or it does not start.
    pub fn start(lab: &Lab) -> Result<Self, DomainError> {
        let image = ImageSource::named("kdcproxy").file("authorities.pem", authorities()).build()?;
        let (realm, kdc) = (lab.controller().domain().realm(), lab.controller().address());
        let configuration = format!(
            "[{realm}]\nkerberos = kerberos+tcp://{kdc}:88\nkpasswd = kpasswd+tcp://{kdc}:464\nuse_dns = false\n"
        );
        let server = lab.pki().server(&[KDCPROXY_NAME])?;
        let container = ContainerSpec::new("kkdcp", &image, lab.network(), lab.network().next_address())
            .hostname(KDCPROXY_NAME)
            .only_capabilities(&[])
            .file("/etc/kdcproxy.conf", configuration, 0o644)
            .file("/etc/kdcproxy/server.pem", server.chain_pem(), 0o644)
            // It runs as nobody, in a container that holds nothing else.
            .file("/etc/kdcproxy/server.key", server.key_pem(), 0o644)
            .start()?;
        container.wait_for_port(PORT, START_LIMIT)?;
        Ok(Self { container })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        (self.container.address(), PORT).into()
    }

    /// What gunicorn and it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        self.container.log()
    }
}

/// None where this machine keeps them elsewhere: then the image trusts what Debian does.
#[expect(clippy::disallowed_methods, reason = "the harness blocks")]
fn authorities() -> Vec<u8> {
    std::fs::read(Path::new(AUTHORITIES)).unwrap_or_default()
}
