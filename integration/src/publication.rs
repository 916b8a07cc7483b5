//! Where an authority publishes its revocation lists and certificates: nginx, and OpenLDAP beside it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::container::{Container, ContainerError, ContainerSpec, ImageSource};
use crate::lab::Lab;
use crate::samba_ad::DomainError;

const HTTP_PORT: u16 = 80;

/// Both answer within a second; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The servers, on the lab's network; they are removed on drop.
#[derive(Debug)]
pub struct Publication {
    container: Container,
}

impl Publication {
    /// Starts them with nothing published.
    ///
    /// # Errors
    /// [`DomainError`] where the image cannot be built, or it does not start.
    pub fn start(lab: &Lab, name: &str) -> Result<Self, DomainError> {
        let image = ImageSource::named("publication").build()?;
        let container =
            ContainerSpec::new(name, &image, lab.network(), lab.network().next_address()).start()?;
        // The web server is the last to start.
        container.wait_for_port(HTTP_PORT, START_LIMIT)?;
        Ok(Self { container })
    }

    /// Puts a file on the web server, as a whole.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn put(&self, name: &str, octets: &[u8]) -> Result<(), ContainerError> {
        self.container.write(&format!("/srv/published/{name}"), octets, "644")
    }

    /// Puts a list into the directory, as `cn=<name>,o=pki`.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn put_in_directory(&self, name: &str, list: &[u8]) -> Result<(), ContainerError> {
        let entry = format!(
            "dn: cn={name},o=pki\nobjectClass: cRLDistributionPoint\ncn: {name}\ncertificateRevocationList;binary:: {}\n",
            STANDARD.encode(list)
        );
        let command = ["ldapadd", "-x", "-H", "ldapi:///", "-D", "cn=admin,o=pki", "-w", "lab-directory"];
        let added = self.container.exec_with(&command, &[], entry.as_bytes())?;
        if added.succeeded() { Ok(()) } else { Err(ContainerError::failed("ldapadd", &added)) }
    }

    /// Its network, of one address.
    #[must_use]
    pub fn network(&self) -> String {
        format!("{}/32", self.container.address())
    }

    /// The URL of a file.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.container.address())
    }

    /// The URL of a list in the directory.
    #[must_use]
    pub fn ldap_url(&self, name: &str) -> String {
        format!("ldap://{}/cn={name},o=pki?certificateRevocationList;binary", self.container.address())
    }

    /// How often a path was asked for.
    #[must_use]
    pub fn asked(&self, path: &str) -> usize {
        self.container.log().matches(&format!("\"GET /{path} HTTP/1.1\"")).count()
    }
}
