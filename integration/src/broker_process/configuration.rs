//! The broker's configuration for the lab: right by default, changed in what a test asks for.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use super::{BROKER_NAME, BrokerError, BrokerProcess, free_port};
use crate::lab::Lab;
use crate::pki::Credential;
use crate::samba_ad::DomainController;

/// A configuration to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct Configuration<'a> {
    lab: &'a Lab,
    service: String,
    spn: String,
    kdcs: Vec<String>,
    kdc_proxy_ca: Option<String>,
    ldap: Vec<(String, SocketAddr)>,
    discovery: Option<String>,
    code_lifetime: String,
    recheck: String,
    accept_weak_mapping: bool,
    strong_mapping: Option<String>,
    revocation: Revocation<'a>,
    rules: Vec<Rule>,
    realms: Vec<TrustedRealm<'a>>,
    gateways: Vec<String>,
    keytab: Option<Vec<u8>>,
    by_password: bool,
    fake_time: Option<String>,
    tables: String,
    logins_of_one_address: Option<u32>,
    secrets_in_files: bool,
    without_intermediates: bool,
}

#[derive(Clone, Debug)]
enum Revocation<'a> {
    Lists {
        revoked: Vec<&'a Credential>,
        until: Option<SystemTime>,
    },
    /// The same lists as files, and the tables as they are written.
    Ordered {
        revoked: Vec<&'a Credential>,
        tables: String,
    },
    Off,
    NotConfigured,
}

#[derive(Clone, Debug)]
struct TrustedRealm<'a> {
    controller: &'a DomainController,
    reader: String,
    upn_suffixes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rule {
    id: String,
    group: String,
    targets: Vec<String>,
    services: Vec<String>,
}

impl<'a> Configuration<'a> {
    /// The lab's: the members of `Desktop Users` may open desktops on `desk1`, `desk2` and `desk3`; gateways `gw1` and `gw2`.
    pub fn new(lab: &'a Lab) -> Self {
        let controllers = lab.controllers();
        let rule = Rule {
            id: "desktop-users".to_owned(),
            group: "Desktop Users".to_owned(),
            targets: ["desk1", "desk2", "desk3"].map(|name| format!("{name}.corp.example")).into(),
            services: ["TERMSRV", "HTTP", "host", "vnc"].map(str::to_owned).into(),
        };
        Self {
            lab,
            service: "svc-broker".to_owned(),
            spn: format!("HTTP/{BROKER_NAME}"),
            kdcs: controllers.iter().map(|controller| format!("{}:88", controller.address())).collect(),
            kdc_proxy_ca: None,
            ldap: controllers
                .iter()
                .map(|controller| (controller.name().to_owned(), (controller.address(), 636).into()))
                .collect(),
            discovery: None,
            code_lifetime: "60s".to_owned(),
            recheck: String::new(),
            accept_weak_mapping: false,
            strong_mapping: None,
            revocation: Revocation::Lists { revoked: Vec::new(), until: None },
            rules: vec![rule],
            realms: Vec::new(),
            gateways: vec!["gw1".to_owned(), "gw2".to_owned()],
            keytab: None,
            by_password: false,
            fake_time: None,
            tables: String::new(),
            logins_of_one_address: None,
            secrets_in_files: false,
            without_intermediates: false,
        }
    }

    /// Asks for tickets at another address.
    pub fn kdc(mut self, address: SocketAddr) -> Self {
        self.kdcs = vec![address.to_string()];
        self
    }

    /// Reaches KDCs through a KDC proxy only, which must have a certificate of these authorities (PEM).
    pub fn kdc_proxy(mut self, url: &str, authorities: String) -> Self {
        self.kdcs = vec![url.to_owned()];
        self.kdc_proxy_ca = Some(authorities);
        self
    }

    /// Is another account than `svc-broker`, such as `desk3$`, with this service principal name.
    pub fn service(mut self, account: &str, spn: &str) -> Self {
        (self.service, self.spn) = (account.to_owned(), spn.to_owned());
        self
    }

    /// Asks for accounts at another address; the certificate must still be the domain controller's.
    pub fn ldap(mut self, address: SocketAddr) -> Self {
        self.ldap = vec![(self.lab.controller().name().to_owned(), address)];
        self
    }

    /// Has this controller of the domain nearest.
    pub fn nearest(mut self, controller: &DomainController) -> Self {
        let near = format!("{}:88", controller.address());
        self.kdcs.sort_by_key(|kdc| *kdc != near);
        self.ldap.sort_by_key(|(name, _)| name != controller.name());
        self
    }

    /// Searches the domain controllers of every realm by these DNS servers, with these further keys of the table.
    pub fn discovering(mut self, dns_servers: &[SocketAddr], keys: &str) -> Self {
        let dns_servers: Vec<String> = dns_servers.iter().map(SocketAddr::to_string).collect();
        self.discovery = Some(format!("dns_servers = {dns_servers:?}\n{keys}"));
        self
    }

    /// How long a one-time code lives, such as `1s`.
    pub fn code_lifetime(mut self, lifetime: &str) -> Self {
        lifetime.clone_into(&mut self.code_lifetime);
        self
    }

    /// How often the certificates of live sessions are judged again, and how long a session lives where that cannot be done.
    pub fn recheck(mut self, interval: &str, grace: &str) -> Self {
        self.recheck = format!("recheck_interval = \"{interval}\"\nrecheck_grace = \"{grace}\"");
        self
    }

    /// Accepts certificates without the SID extension.
    pub fn accepting_weak_mapping(mut self) -> Self {
        self.accept_weak_mapping = true;
        self
    }

    /// The mode of strong mapping, as the configuration calls it.
    pub fn strong_mapping(mut self, mode: &str) -> Self {
        self.strong_mapping = Some(mode.to_owned());
        self
    }

    /// The issuer's revocation list has these certificates in it.
    pub fn revoked(mut self, cards: &[&'a Credential]) -> Self {
        self.revocation = Revocation::Lists { revoked: cards.to_vec(), until: None };
        self
    }

    /// The revocation lists should have been replaced at this time.
    pub fn revocation_lists_until(mut self, until: SystemTime) -> Self {
        self.revocation = Revocation::Lists { revoked: Vec::new(), until: Some(until) };
        self
    }

    /// Revocation is asked in a declared order: that of the root's certificates by the root's list, of all others by these tables
    /// of `[identity.revocation]`. The issuer's list is a file too, with these certificates in it.
    pub fn revocation_ordered(mut self, revoked: &[&'a Credential], tables: &str) -> Self {
        self.revocation = Revocation::Ordered { revoked: revoked.to_vec(), tables: tables.to_owned() };
        self
    }

    /// Revocation is not looked at.
    pub fn revocation_off(mut self) -> Self {
        self.revocation = Revocation::Off;
        self
    }

    /// Nothing is said about revocation.
    pub fn revocation_not_configured(mut self) -> Self {
        self.revocation = Revocation::NotConfigured;
        self
    }

    /// Permits the members of a group further services of further targets.
    pub fn rule(mut self, id: &str, group: &str, targets: &[&str], services: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (targets, services) = (owned(targets), owned(services));
        self.rules.push(Rule { id: id.to_owned(), group: group.to_owned(), targets, services });
        self
    }

    /// Knows a further gateway by the name in its certificate, `NAME.corp.example`.
    pub fn gateway(mut self, name: &str) -> Self {
        self.gateways.push(name.to_owned());
        self
    }

    /// Has another keytab than the one that fits its account.
    pub fn keytab(mut self, octets: Vec<u8>) -> Self {
        self.keytab = Some(octets);
        self
    }

    /// Authenticates by its account's password in the place of a keytab.
    pub fn by_password(mut self) -> Self {
        self.by_password = true;
        self
    }

    /// Serves accounts of another forest too, whose directory `reader` may read, and which has names with these suffixes beside its
    /// own. Members of its `Desktop Users` may open the same desktops.
    pub fn trusting(mut self, controller: &'a DomainController, reader: &str, upn_suffixes: &[&str]) -> Self {
        let upn_suffixes = upn_suffixes.iter().map(|suffix| (*suffix).to_owned()).collect();
        self.rules.extend(self.rules.first().cloned().map(|rule| Rule {
            id: format!("of-{}", controller.domain().dns_name()),
            group: format!("{}@{}", rule.group, controller.domain().realm()),
            ..rule
        }));
        self.realms.push(TrustedRealm { controller, reader: reader.to_owned(), upn_suffixes });
        self
    }

    /// Takes so many connections and logins of one address at once, as of a crowd behind one.
    pub fn logins_of_one_address(mut self, limit: u32) -> Self {
        self.logins_of_one_address = Some(limit);
        self
    }

    /// Names the secrets of the service's account as files that may change, not as credentials of systemd, which cannot.
    pub fn secrets_in_files(mut self) -> Self {
        self.secrets_in_files = true;
        self
    }

    /// Knows no authority of cards but the root.
    pub fn without_intermediates(mut self) -> Self {
        self.without_intermediates = true;
        self
    }

    /// Adds tables as they are written; paths start at the configuration's folder.
    pub fn table(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self
    }

    /// Runs the broker at another time, such as `+10m`.
    pub fn at_time(mut self, offset: &str) -> Self {
        self.fake_time = Some(offset.to_owned());
        self
    }

    /// Writes the configuration and starts the broker.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub fn start(&self) -> Result<BrokerProcess, BrokerError> {
        let folder = tempfile::Builder::new().prefix("kerbridge-").tempdir()?;
        let host = self.lab.network().host_address();
        let addresses = [free_port(host)?, free_port(host)?];
        self.write_files(folder.path())?;
        let configuration = folder.path().join("kerbridge.toml");
        fs::write(&configuration, self.text(folder.path(), addresses))?;
        BrokerProcess::start_in(folder, &configuration, self.fake_time.as_deref(), addresses)
    }

    fn write_files(&self, folder: &Path) -> Result<(), BrokerError> {
        let (pki, controller) = (self.lab.pki(), self.lab.controller());
        let server = pki.server(&[BROKER_NAME])?;
        fs::write(folder.join("server.pem"), server.chain_pem())?;
        fs::write(folder.join("machine-ca.pem"), pki.machine_root_pem())?;
        fs::write(folder.join("roots.pem"), pki.card_root_pem())?;
        fs::write(folder.join("intermediates.pem"), pki.card_issuer_pem())?;
        if let Revocation::Lists { revoked, until } = &self.revocation {
            let [root, issuing] = match until {
                Some(until) => pki.crls_until(*until, revoked)?,
                None => pki.crls(revoked)?,
            };
            fs::write(folder.join("root.crl"), root)?;
            fs::write(folder.join("issuing.crl"), issuing)?;
        }
        if let Revocation::Ordered { revoked, .. } = &self.revocation {
            let [root, issuing] = pki.crls(revoked)?;
            fs::write(folder.join("root.crl"), root)?;
            fs::write(folder.join("issuing.crl"), issuing)?;
        }
        if let Some(authorities) = &self.kdc_proxy_ca {
            fs::write(folder.join("kdc-proxy-ca.pem"), authorities)?;
        }
        let credentials = folder.join("credentials");
        fs::create_dir(&credentials)?;
        // A computer's account is named in the lab without its `$`.
        let account = self.service.trim_end_matches('$');
        let password = controller.domain().password(account).unwrap_or_default();
        let secret = |name: &str, octets: &[u8]| -> std::io::Result<()> {
            fs::write(credentials.join(name), octets)?;
            fs::set_permissions(credentials.join(name), Permissions::from_mode(0o600))
        };
        secret("server-key", server.key_pem().as_bytes())?;
        secret("ldap-password", password.as_bytes())?;
        let keytab = match &self.keytab {
            Some(octets) => octets.clone(),
            None => controller.keytab(account)?,
        };
        secret("keytab", &keytab)?;
        for TrustedRealm { controller, reader, .. } in &self.realms {
            let domain = controller.domain();
            let password = domain.password(reader).unwrap_or_default();
            secret(&format!("{}-password", domain.dns_name()), password.as_bytes())?;
        }
        Ok(())
    }

    fn text(&self, folder: &Path, [card, gateway]: [SocketAddr; 2]) -> String {
        let folder = folder.display();
        let secrets =
            if self.secrets_in_files { format!("{folder}/credentials/") } else { "credential:".to_owned() };
        let domain = self.lab.controller().domain();
        let (realm, base, dns) = (domain.realm(), domain.base_dn(), domain.dns_name());
        let (code_lifetime, recheck) = (&self.code_lifetime, &self.recheck);
        let mapping = match &self.strong_mapping {
            Some(mode) => format!("strong_mapping.mode = \"{mode}\""),
            None => format!("accept_weak_mapping = {}", self.accept_weak_mapping),
        };
        let servers: Vec<String> = self.ldap.iter().map(|(name, at)| format!("{name}={at}")).collect();
        let servers = self.listed("servers", &servers);
        let (service, spn, kdcs) = (&self.service, &self.spn, self.listed("kdcs", &self.kdcs));
        let discovery = self.search("directory.discovery", &dns);
        let proxy_ca = self
            .kdc_proxy_ca
            .as_ref()
            .map_or_else(String::new, |_| format!("kdc_proxy_ca = \"{folder}/kdc-proxy-ca.pem\""));
        let limits = self.logins_of_one_address.map_or_else(String::new, |limit| {
            format!("max_connections_per_address = {limit}\nmax_logins = {limit}\n")
        });
        let credential =
            if self.by_password { "password = \"{}ldap-password\"" } else { "keytab = \"{}keytab\"" };
        let credential = credential.replace("{}", &secrets);
        let intermediates =
            if self.without_intermediates { "" } else { "intermediates = \"intermediates.pem\"" };
        let mut text = format!(
            r#"[frontend]
listen = ["{card}"]
certificate = "{folder}/server.pem"
key = "credential:server-key"
{limits}
[gateway_api]
listen = ["{gateway}"]
certificate = "{folder}/server.pem"
key = "credential:server-key"
client_ca = "{folder}/machine-ca.pem"

[identity]
roots = "{folder}/roots.pem"
{intermediates}

[directory]
{servers}
base_dn = "{base}"
ca = "{folder}/machine-ca.pem"
bind_name = "{service}@{dns}"
bind_password = "{secrets}ldap-password"
{mapping}
{discovery}
[kerberos]
realm = "{realm}"
service = "{service}"
spn = "{spn}"
{credential}
{kdcs}
{proxy_ca}

[handoff]
code_lifetime = "{code_lifetime}"
{recheck}

[log]
format = "json"
level = "debug"
"#
        );
        text += &self.revocation_table(&folder.to_string());
        for name in &self.gateways {
            let table = write!(text, "\n[[gateway]]\nname = \"{name}\"\ndns_name = \"{name}.{dns}\"\n");
            table.expect("a String takes everything");
        }
        self.write_realms(&mut text, &folder.to_string());
        for rule in &self.rules {
            let Rule { id, group, targets, services } = rule;
            let table = write!(
                text,
                "\n[[policy.rule]]\nid = \"{id}\"\ngroups = [\"{group}\"]\ntargets = {targets:?}\nservices = {services:?}\n\
                 maximum_lifetime = \"1h\"\n"
            );
            table.expect("a String takes everything");
        }
        text += &self.tables;
        text
    }

    /// Where it is known which certificates were revoked.
    fn revocation_table(&self, folder: &str) -> String {
        match &self.revocation {
            Revocation::Lists { .. } => format!(
                "\n[identity.revocation]\nmode = \"crl\"\ncrls = [\"{folder}/root.crl\", \"{folder}/issuing.crl\"]\n"
            ),
            Revocation::Ordered { tables, .. } => format!(
                "\n[identity.revocation]\nmode = \"ordered\"\ncrls = [\"{folder}/root.crl\", \"{folder}/issuing.crl\"]\n{tables}\n\
                 [[identity.revocation.issuer]]\nname = \"O=Corp,CN=Corp Root CA\"\norder = [\"files\"]\n"
            ),
            Revocation::Off => "\n[identity.revocation]\nmode = \"off\"\n".to_owned(),
            Revocation::NotConfigured => String::new(),
        }
    }

    /// A list of servers, where they are not searched.
    fn listed(&self, key: &str, servers: &[String]) -> String {
        if self.discovery.is_some() { String::new() } else { format!("{key} = {servers:?}") }
    }

    /// The table of the search for a domain's controllers, where they are searched.
    fn search(&self, table: &str, domain: &str) -> String {
        let keys = self.discovery.as_ref();
        keys.map_or_else(String::new, |keys| format!("\n[{table}]\ndomain = \"{domain}\"\n{keys}\n"))
    }

    /// The tables of the other forests.
    fn write_realms(&self, text: &mut String, folder: &str) {
        for TrustedRealm { controller, reader, upn_suffixes } in &self.realms {
            let domain = controller.domain();
            let (realm, base, dns) = (domain.realm(), domain.base_dn(), domain.dns_name());
            let (name, address) = (controller.name(), controller.address());
            let kdcs = self.listed("kdcs", &[format!("{address}:88")]);
            let servers = self.listed("servers", &[format!("{name}={address}:636")]);
            let table = write!(
                text,
                "\n[[realm]]\nname = \"{realm}\"\n{kdcs}\n[realm.directory]\n{servers}\nbase_dn = \"{base}\"\nca = \"{folder}/machine-ca.pem\"\n\
                 bind_name = \"{reader}@{dns}\"\nbind_password = \"credential:{dns}-password\"\n"
            );
            table.expect("a String takes everything");
            if !upn_suffixes.is_empty() {
                writeln!(text, "upn_suffixes = {upn_suffixes:?}").expect("a String takes everything");
            }
            text.push_str(&self.search("realm.directory.discovery", &dns));
        }
    }
}
