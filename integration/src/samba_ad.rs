//! A real Samba AD domain controller: its domain is described in the test, provisioned once, frozen as an image by the hash
//! of the description, and started from there within two seconds.

mod domain;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

pub use domain::Domain;

use crate::container::{Container, ContainerError, ContainerSpec, Image, ImageSource, Network};
use crate::pki::{Pki, PkiError};

/// What a domain controller started from the frozen image needs, and no more.
const CAPABILITIES: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "NET_BIND_SERVICE", "KILL"];

/// A started domain controller listens within two seconds; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Kerberos, LDAP, LDAPS.
const PORTS: [u16; 3] = [88, 389, 636];

/// The domain could not be made or started.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The engine or a container failed.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Its certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The image's own account of its contents cannot be read.
    #[error("the frozen domain's facts cannot be read")]
    Facts(#[source] serde_json::Error),
    /// There is no such account in the description.
    #[error("the domain has no account {name}")]
    NoAccount {
        /// The name asked for.
        name: String,
    },
}

/// Which Samba: the suite of Debian its packages come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Release {
    /// Debian 13's own (4.22).
    #[default]
    Stable,
    /// The one of its backports (4.24 or later).
    Backports,
}

/// A running domain controller; it is removed on drop.
#[derive(Debug)]
pub struct DomainController {
    container: Container,
    domain: Domain,
    sids: BTreeMap<String, String>,
}

impl Release {
    /// The image of a domain controller without a domain.
    ///
    /// # Errors
    /// Where it cannot be built.
    pub fn image(self) -> Result<Image, ContainerError> {
        let source = ImageSource::named("samba-ad");
        match self {
            Self::Stable => source.build(),
            Self::Backports => source.argument("SUITE", "trixie-backports").build(),
        }
    }
}

impl Domain {
    /// The frozen image of this domain.
    ///
    /// # Errors
    /// Where it cannot be provisioned; the error has the last lines of what the tools said.
    pub fn image(&self, release: Release) -> Result<Image, ContainerError> {
        ImageSource::named("domain").on(&release.image()?).file("domain.json", self.to_json()).build()
    }

    /// Starts its domain controller `dc1` at the network's address 10, with a certificate of the machines' authority.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start(self, network: &Network, pki: &Pki) -> Result<DomainController, DomainError> {
        let image = self.image(Release::default())?;
        self.start_from(&image, network, network.address(10), pki)
    }

    /// Starts a domain controller from a frozen image of this domain, at an address.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start_from(
        self,
        image: &Image,
        network: &Network,
        address: Ipv4Addr,
        pki: &Pki,
    ) -> Result<DomainController, DomainError> {
        let name = self.controller_name();
        let tls = pki.server(&[&name, &self.dns_name()])?;
        let [_, .., last] = address.octets();
        let container = ContainerSpec::new(&format!("dc-{last}"), image, network, address)
            .hostname(&name)
            .dns(address)
            .environment("ADDRESS", &address.to_string())
            .only_capabilities(&CAPABILITIES)
            .file("/etc/samba/tls/certificate.pem", tls.chain_pem(), 0o644)
            .file("/etc/samba/tls/key.pem", tls.key_pem(), 0o600)
            .file("/etc/samba/tls/ca.pem", pki.machine_root_pem(), 0o644)
            .start()?;
        let mut controller = DomainController { container, domain: self, sids: BTreeMap::new() };
        controller.wait_until_ready()?;
        let facts = controller.container.read("/lab/facts.json")?;
        controller.sids = serde_json::from_slice(&facts).map_err(DomainError::Facts)?;
        Ok(controller)
    }
}

impl DomainController {
    /// Its container, for a test that looks inside or disturbs it.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.container.address()
    }

    /// Its DNS name, the one its certificate is for.
    #[must_use]
    pub fn name(&self) -> String {
        self.domain.controller_name()
    }

    /// The domain it serves.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The security identifier of an account, as text.
    ///
    /// # Errors
    /// [`DomainError::NoAccount`].
    pub fn sid(&self, account: &str) -> Result<&str, DomainError> {
        let found = self.sids.get(account).map(String::as_str);
        found.ok_or_else(|| DomainError::NoAccount { name: account.to_owned() })
    }

    /// The keytab of a service account or a computer: its own name and its SPNs.
    ///
    /// # Errors
    /// Where there is no such account.
    pub fn keytab(&self, account: &str) -> Result<Vec<u8>, DomainError> {
        Ok(self.container.read(&format!("/lab/keytabs/{account}.keytab"))?)
    }

    /// A `krb5.conf` for MIT's tools that finds this controller without DNS.
    #[must_use]
    pub fn krb5_conf(&self) -> String {
        let (realm, dns, address) = (self.domain.realm(), self.domain.dns_name(), self.address());
        format!(
            "[libdefaults]\n default_realm = {realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
             dns_canonicalize_hostname = false\n forwardable = true\n\
             [realms]\n {realm} = {{\n  kdc = {address}\n  admin_server = {address}\n }}\n\
             [domain_realm]\n .{dns} = {realm}\n {dns} = {realm}\n"
        )
    }

    /// Runs `samba-tool` inside, on the running domain.
    ///
    /// # Errors
    /// Where it fails.
    pub fn samba_tool(&self, arguments: &[&str]) -> Result<String, DomainError> {
        Ok(self.container.run(&[&["samba-tool"], arguments].concat())?)
    }

    /// Waits until it answers on all its ports.
    ///
    /// # Errors
    /// With its log where it does not within a minute.
    pub fn wait_until_ready(&self) -> Result<(), DomainError> {
        for port in PORTS {
            self.container.wait_for_port(port, START_LIMIT)?;
        }
        Ok(())
    }
}
