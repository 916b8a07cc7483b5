//! A domain controller that runs, and what can befall it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Domain, DomainError, Options};
use crate::container::{Container, ContainerSpec, Image, Network};
use crate::pki::Pki;
use crate::wait;

/// What a domain controller started from the frozen image needs, and no more.
const CAPABILITIES: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "NET_BIND_SERVICE", "KILL"];

/// A started domain controller listens within two seconds, one that joins first within ten; a loaded machine takes much longer.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Kerberos, LDAP, LDAPS.
const PORTS: [u16; 3] = [88, 389, 636];

/// A running domain controller; it is removed on drop.
#[derive(Debug)]
pub struct DomainController {
    container: Container,
    domain: Domain,
    name: String,
    sids: BTreeMap<String, String>,
}

/// Where a controller is among those of its domain, and how it is started.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// 1 for `dc1`.
    number: u8,
    address: Ipv4Addr,
    /// All controllers of the domain, as the image's script reads them: `dc1=10.1.2.10 dc2=10.1.2.11`.
    all: String,
    /// The controller of another forest, which knows that forest's names.
    forwarder: Option<Ipv4Addr>,
    /// The controller that runs and whose domain this one joins before it starts.
    joins: Option<Ipv4Addr>,
    options: Options,
}

impl Placement {
    /// The only controller of its domain.
    pub(super) fn alone(address: Ipv4Addr) -> Self {
        Self {
            number: 1,
            address,
            all: format!("dc1={address}"),
            forwarder: None,
            joins: None,
            options: Options::default(),
        }
    }

    /// Both of two.
    pub(super) fn pair([first, second]: [Ipv4Addr; 2]) -> [Self; 2] {
        let all = format!("dc1={first} dc2={second}");
        let first = Self { all, ..Self::alone(first) };
        let second = Self { number: 2, address: second, ..first.clone() };
        [first, second]
    }

    /// Asks another forest's controller for the names it does not know.
    pub(super) fn forwarding_to(mut self, server: Ipv4Addr) -> Self {
        self.forwarder = Some(server);
        self
    }

    /// Is peculiar in this.
    pub(super) fn with(mut self, options: &Options) -> Self {
        self.options = options.clone();
        self
    }

    /// Joins the domain of the controller at an address before it starts.
    pub(super) fn joining(mut self, first: Ipv4Addr) -> Self {
        self.joins = Some(first);
        self
    }

    /// Starts it and waits until it answers.
    pub(super) fn start(
        self,
        domain: Domain,
        image: &Image,
        network: &Network,
        pki: &Pki,
    ) -> Result<DomainController, DomainError> {
        self.launch(domain, image, network, pki)?.ready()
    }

    /// Starts it and does not wait for it; [`DomainController::ready`] does.
    pub(super) fn launch(
        self,
        domain: Domain,
        image: &Image,
        network: &Network,
        pki: &Pki,
    ) -> Result<DomainController, DomainError> {
        let name = domain.controller_name_of(self.number);
        let tls = pki.server(&[&name, &domain.dns_name()])?;
        let [_, .., last] = self.address.octets();
        let mut spec = ContainerSpec::new(&format!("dc-{last}"), image, network, self.address)
            .hostname(&name)
            // One that joins finds the domain by the names that the first one knows.
            .dns(self.joins.unwrap_or(self.address))
            .environment("ADDRESSES", &self.all)
            .only_capabilities(&CAPABILITIES)
            .file("/etc/samba/tls/certificate.pem", tls.chain_pem(), 0o644)
            .file("/etc/samba/tls/key.pem", tls.key_pem(), 0o600)
            .file("/etc/samba/tls/ca.pem", pki.machine_root_pem(), 0o644);
        if let Some(server) = self.forwarder {
            spec = spec.environment("FORWARDER", &server.to_string());
        }
        if self.joins.is_some() {
            spec = spec.environment("JOIN", &domain.controller_name());
        }
        let Options { global, files } = self.options;
        spec = files.iter().fold(spec, |spec, (path, text)| spec.file(path, text.as_str(), 0o644));
        if !global.is_empty() {
            let edits: String =
                global.iter().map(|option| format!(" -e '/^\\[global\\]/a {option}'")).collect();
            let script = format!("sed -i{edits} /etc/samba/smb.conf && exec /usr/local/lib/lab/start");
            spec = spec.command(&["sh", "-c", &script]);
        }
        let container = spec.start()?;
        Ok(DomainController { container, domain, name, sids: BTreeMap::new() })
    }
}

impl DomainController {
    /// Waits until it answers, and reads what is to be known of its domain.
    pub(super) fn ready(mut self) -> Result<Self, DomainError> {
        self.wait_until_ready()?;
        let facts = self.container.read("/lab/facts.json")?;
        self.sids = serde_json::from_slice(&facts).map_err(DomainError::Facts)?;
        Ok(self)
    }

    /// Its container alone, to be frozen.
    pub(super) fn into_container(self) -> Container {
        self.container
    }

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
    pub fn name(&self) -> &str {
        &self.name
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
        self.krb5_conf_with(&[])
    }

    /// The same, for this controller's realm by default and with other realms' controllers beside it.
    #[must_use]
    pub fn krb5_conf_with(&self, others: &[&Self]) -> String {
        let (mut realms, mut domains) = (String::new(), String::new());
        for controller in [self].iter().chain(others) {
            let (realm, dns) = (controller.domain.realm(), controller.domain.dns_name());
            let address = controller.address();
            realms += &format!(" {realm} = {{\n  kdc = {address}\n  admin_server = {address}\n }}\n");
            domains += &format!(" .{dns} = {realm}\n {dns} = {realm}\n");
        }
        format!(
            "[libdefaults]\n default_realm = {}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
             dns_canonicalize_hostname = false\n forwardable = true\n[realms]\n{realms}[domain_realm]\n{domains}",
            self.domain.realm()
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
    /// With its log where it does not within three minutes.
    pub fn wait_until_ready(&self) -> Result<(), DomainError> {
        for port in PORTS {
            self.container.wait_for_port(port, START_LIMIT)?;
        }
        Ok(())
    }
    /// Ends its processes at once, as a power cut does; connections to it break, and new ones find nobody at its address.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn kill(&self) -> Result<(), DomainError> {
        Ok(self.container.kill()?)
    }

    /// Shuts it down in order; its address stays its own.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn stop(&self) -> Result<(), DomainError> {
        Ok(self.container.stop()?)
    }

    /// Starts it again after [`DomainController::kill`] or [`DomainController::stop`], and waits until it answers. Returns how long
    /// that took.
    ///
    /// # Errors
    /// With its log where it does not answer within three minutes.
    pub fn start_again(&self) -> Result<Duration, DomainError> {
        let started = wait::monotonic();
        self.container.start()?;
        self.wait_until_ready()?;
        Ok(started.elapsed())
    }

    /// Freezes it: its ports still take connections, and nothing answers on them.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn freeze(&self) -> Result<(), DomainError> {
        Ok(self.container.pause()?)
    }

    /// Ends [`DomainController::freeze`].
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn thaw(&self) -> Result<(), DomainError> {
        Ok(self.container.unpause()?)
    }
}
