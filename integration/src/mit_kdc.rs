//! MIT's own KDC: a second opinion on delegation, and the one real KDC here that lets a service act for people of another realm.
//!
//! `alice` and `sam` (whose tickets are not forwardable) are of `MIT.EXAMPLE`, `carol` of `OTHER.EXAMPLE`; the realms trust each other.
//! `HTTP/broker.mit.example` may act for people at `TERMSRV/desk1.mit.example` and not at `TERMSRV/desk2.mit.example`.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::container::{Container, ContainerError, ContainerSpec, ImageSource, Network};

/// It listens within a second; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The KDC of both realms; it is removed on drop. MIT's tools are in its container too, set up for both realms.
#[derive(Debug)]
pub struct MitKdc {
    container: Container,
}

impl MitKdc {
    /// Starts it on a network and waits until it answers.
    ///
    /// # Errors
    /// Where its image cannot be built, or it does not start.
    pub fn start(network: &Network) -> Result<Self, ContainerError> {
        let image = ImageSource::named("mit-kdc").build()?;
        let container = ContainerSpec::new("mit-kdc", &image, network, network.next_address()).start()?;
        container.wait_for_port(88, START_LIMIT)?;
        Ok(Self { container })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.container.address()
    }

    /// Its container.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The keytab of `broker` or `desk1`.
    ///
    /// # Errors
    /// Where there is no such keytab.
    pub fn keytab(&self, name: &str) -> Result<Vec<u8>, ContainerError> {
        self.container.read(&format!("/lab/keytabs/{name}.keytab"))
    }
}
