//! TLS terminators in front of the card listener, with the configurations of `deploy/terminators`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::broker_process::BROKER_NAME;
use crate::container::{Container, ContainerSpec, ImageSource};
use crate::lab::Lab;
use crate::pki::Credential;
use crate::samba_ad::DomainError;

/// The name that clients connect to.
pub const PORTAL: &str = "portal.corp.example";

/// What the configurations call the broker's card listener.
const UPSTREAM: &str = "broker.corp.example:8443";

/// How the line begins that sends the chain.
const CHAIN: &str = "http-request set-header Client-Cert-Chain";

const FOLDER: &str = "/etc/kerbridge-edge";

const PORT: u16 = 443;

/// It listens within a second; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A program with one of the configurations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Product {
    /// `nginx.conf`.
    Nginx,
    /// `guacamole-nginx.conf`.
    NginxForGuacamole,
    /// `apache.conf`.
    Apache,
    /// `haproxy.cfg`.
    HaProxy,
    /// `rfc9440-haproxy.cfg`.
    HaProxyRfc9440,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Nginx, Self::NginxForGuacamole, Self::Apache, Self::HaProxy, Self::HaProxyRfc9440];

    /// The form of its headers, and its name in the lab.
    #[must_use]
    pub const fn form(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxForGuacamole => "guacamole",
            Self::Apache => "apache",
            Self::HaProxy => "haproxy",
            Self::HaProxyRfc9440 => "rfc9440",
        }
    }

    const fn configuration(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("../../deploy/terminators/nginx.conf"),
            Self::NginxForGuacamole => include_str!("../../deploy/terminators/guacamole-nginx.conf"),
            Self::Apache => include_str!("../../deploy/terminators/apache.conf"),
            Self::HaProxy => include_str!("../../deploy/terminators/haproxy.cfg"),
            Self::HaProxyRfc9440 => include_str!("../../deploy/terminators/rfc9440-haproxy.cfg"),
        }
    }

    /// Where its configuration lies, and the command that runs it.
    const fn run(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Nginx | Self::NginxForGuacamole => {
                ("/etc/nginx/nginx.conf", &["nginx", "-g", "daemon off;"])
            }
            Self::Apache => ("/etc/apache2/sites-enabled/kerbridge.conf", &["apachectl", "-DFOREGROUND"]),
            Self::HaProxy | Self::HaProxyRfc9440 => {
                ("/etc/haproxy/haproxy.cfg", &["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"])
            }
        }
    }
}

/// A terminator to be: the broker's configuration names its address before either of them runs.
#[derive(Debug)]
pub struct Planned {
    product: Product,
    address: Ipv4Addr,
    own: Credential,
    with_chain: bool,
}

/// A running terminator; it is removed on drop.
#[derive(Debug)]
pub struct Terminator {
    container: Container,
    own: Credential,
}

impl Planned {
    /// Reserves an address and makes the certificate by which the broker knows it.
    ///
    /// # Errors
    /// Where the certificate cannot be made.
    pub fn new(lab: &Lab, product: Product) -> Result<Self, DomainError> {
        let own = lab.pki().gateway(&Self::dns_name(product))?;
        Ok(Self { product, address: lab.network().next_address(), own, with_chain: false })
    }

    /// Sends `Client-Cert-Chain` too: the line that the configuration holds as a comment.
    #[must_use]
    pub fn with_chain(self) -> Self {
        Self { with_chain: true, ..self }
    }

    fn dns_name(product: Product) -> String {
        format!("edge-{}.corp.example", product.form())
    }

    /// Its table in the broker's configuration.
    #[must_use]
    pub fn table(&self) -> String {
        let (form, name, address) = (self.product.form(), Self::dns_name(self.product), self.address);
        format!(
            "\n[[terminator]]\nname = \"{form}\"\ndns_name = \"{name}\"\naddresses = [\"{address}/32\"]\nform = \"{form}\"\n\
             forwarded_for = true\n"
        )
    }

    /// Starts it in front of a broker's card listener.
    ///
    /// # Errors
    /// [`DomainError`] where its image cannot be built, or it does not start.
    pub fn start(self, lab: &Lab, card_listener: SocketAddr) -> Result<Terminator, DomainError> {
        let Self { product, address, own, with_chain } = self;
        let image = ImageSource::named("terminator").build()?;
        let server = lab.pki().server(&[PORTAL])?;
        let upstream = format!("{BROKER_NAME}:{}", card_listener.port());
        let mut configuration = product.configuration().replace(UPSTREAM, &upstream);
        if with_chain {
            configuration = configuration.replace(&format!("# {CHAIN}"), CHAIN);
        }
        let authorities = [lab.pki().card_issuer_pem(), lab.pki().card_root_pem()].concat();
        let file = |name: &str| format!("{FOLDER}/{name}");
        let (path, command) = product.run();
        let container = ContainerSpec::new(product.form(), &image, lab.network(), address)
            .host(BROKER_NAME, lab.network().host_address())
            .file(&file("server.pem"), server.chain_pem(), 0o644)
            .file(&file("server.key"), server.key_pem(), 0o600)
            .file(&file("server-with-key.pem"), format!("{}{}", server.chain_pem(), server.key_pem()), 0o600)
            .file(&file("client.pem"), own.chain_pem(), 0o644)
            .file(&file("client.key"), own.key_pem(), 0o600)
            .file(&file("client-with-key.pem"), format!("{}{}", own.chain_pem(), own.key_pem()), 0o600)
            .file(&file("card-authorities.pem"), authorities, 0o644)
            .file(&file("broker-ca.pem"), lab.pki().machine_root_pem(), 0o644)
            .file(path, configuration, 0o644)
            .command(command)
            .start()?;
        container.wait_for_port(PORT, START_LIMIT)?;
        Ok(Terminator { container, own })
    }
}

impl Terminator {
    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        (self.container.address(), PORT).into()
    }

    /// The certificate and key by which the broker knows it.
    #[must_use]
    pub fn own(&self) -> &Credential {
        &self.own
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        self.container.log()
    }
}
