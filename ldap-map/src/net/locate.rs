//! Where the domain controllers are: DNS names them, each tells what it offers and how near it is, and the answer is kept
//! and refreshed. Does I/O.
//!
//! Nothing of this is authenticated, and nothing rests on it but the order in which servers are asked: names must lie
//! under the configured domains, a directory server proves its name by its certificate, and a KDC that it knows our key.

mod course;
mod dns;
mod order;
mod ping;
mod round;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::clock;
use super::server::{LdapServer, LdapServerError};
use course::Course;
use dns::SystemDns;

pub use course::{Failing, Search};
pub use dns::DnsError;

/// How soon a round may follow another one when somebody is in a hurry.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
/// Most time for one round; its questions have time limits of their own.
const LONGEST_ROUND: Duration = Duration::from_secs(60);

/// What to look for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The DNS name of the domain.
    pub domain: String,
    /// The domains under which the host names of domain controllers may lie; usually the domain itself.
    pub host_domains: Vec<String>,
    /// The DNS servers to ask; with none of them, those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// The site whose domain controllers come first; without one, the site that domain controllers find us in.
    pub site: Option<String>,
    /// Longest time for the answer of one DNS server, and of one domain controller.
    pub timeout: Duration,
    /// How often it is looked again, give or take a tenth.
    pub refresh_interval: Duration,
    /// Whether the certificate of a domain controller must have the name of the domain beside that of the host. Without it, whoever
    /// forges DNS and has the certificate of any machine of the domain is believed to be one.
    pub certificates_name_domain: bool,
}

/// A domain controller, nearest first where there are several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainController {
    /// Its host name, the one its certificate must have.
    pub host: String,
    /// Its addresses, at least one; the one at which it answered is the first.
    pub addresses: Vec<IpAddr>,
    /// The TCP port of its KDC.
    pub kdc_port: u16,
    /// The site it is in, where it told.
    pub site: Option<String>,
    /// What it said of itself.
    pub standing: Standing,
}

/// What a domain controller said of itself. The order is the order of preference.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// It is in our site, or in the closest one.
    Closest,
    /// It is in another site.
    Elsewhere,
    /// Its directory cannot be written to: others do the work for it.
    ReadOnly,
    /// It said nothing. The reason may be between us: whether it serves will be seen.
    Silent,
}

/// The domain controllers as they were found last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Located {
    /// The nearest first; at least one, at most sixteen.
    pub controllers: Vec<DomainController>,
    /// The site that was looked in first.
    pub site: Option<String>,
    /// When they were found.
    pub at: SystemTime,
}

/// Why settings do not make a [`Locator`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LocatorError {
    /// The domain is not a DNS name.
    #[error("{0:?} is not the dns name of a domain")]
    Domain(String),
    /// The site is not a name that a site can have.
    #[error("{0:?} is not the name of a site")]
    Site(String),
    /// The system names no DNS server.
    #[error("the dns servers of the system are not known: {0}")]
    SystemDns(String),
}

/// Why no domain controller was found.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// DNS does not answer.
    #[error("dns does not tell {name}: {error}")]
    Dns {
        /// The name that was asked for.
        name: String,
        /// What happened.
        error: DnsError,
    },
    /// DNS names none, or none whose name lies under the configured domains, or none that offers what is needed.
    #[error("dns names no domain controller of {domain} that can be used ({asked} were asked)")]
    None {
        /// The domain.
        domain: String,
        /// How many of those it names have a name and ports that let us ask them.
        asked: usize,
    },
    /// The round took too long.
    #[error("the search took too long")]
    Timeout,
}

/// Finds the domain controllers of one domain again and again.
pub struct Locator {
    settings: Settings,
    dns: SystemDns,
    search: watch::Sender<Search>,
    hurry: Notify,
}

impl Locator {
    /// Checks the settings. No question is asked yet.
    ///
    /// # Errors
    /// [`LocatorError`].
    pub fn new(settings: Settings) -> Result<Self, LocatorError> {
        for domain in std::iter::once(&settings.domain).chain(&settings.host_domains) {
            if LdapServer::new(domain, 636).is_err() {
                return Err(LocatorError::Domain(domain.clone()));
            }
        }
        if let Some(site) = settings.site.as_ref().filter(|site| !round::is_site(site)) {
            return Err(LocatorError::Site(site.clone()));
        }
        let dns = SystemDns::new(&settings.dns_servers, settings.timeout)?;
        Ok(Self { settings, dns, search: watch::Sender::default(), hurry: Notify::new() })
    }

    /// The domain that is searched.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.settings.domain
    }

    /// A domain controller that was found, as a server of the directory at this port: LDAP over TLS is not what DNS tells the port
    /// of. The settings say which names its certificate must have.
    ///
    /// # Errors
    /// [`LdapServerError`] for a host that is no DNS name, which none has that was found.
    pub fn ldap_server(&self, found: &DomainController, port: u16) -> Result<LdapServer, LdapServerError> {
        let addresses = found.addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        let server = LdapServer::new(&found.host, port)?.at_any_of(addresses);
        Ok(if self.settings.certificates_name_domain { server.of_domain(self.domain()) } else { server })
    }

    /// What the search has come to so far.
    #[must_use]
    pub fn search(&self) -> Search {
        self.search.borrow().clone()
    }

    /// Looks again soon, because those that were found do not serve.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Looks again and again, and tells what every round has come to. Ends only by being dropped.
    pub async fn run(&self, told: impl Fn(&Search)) {
        let mut course = Course::new(self.settings.refresh_interval);
        loop {
            let outcome = self.look().await;
            told(&self.search());
            let pause = course.pause(outcome.is_ok(), &mut system_random());
            let shortest = SHORTEST_PAUSE.min(pause);
            sleep(shortest).await;
            // Whoever was in a hurry before this round began has been served by it.
            let _was_early = timeout(pause.saturating_sub(shortest), self.hurry.notified()).await;
        }
    }

    /// One round.
    ///
    /// # Errors
    /// [`LocateError`]; what was found before stays in use then.
    pub async fn look(&self) -> Result<Arc<Located>, LocateError> {
        let before = self.search();
        let mut rng = system_random();
        let round = round::look(&self.settings, &self.dns, before.located.as_deref(), &mut rng);
        let outcome = timeout(LONGEST_ROUND, round).await.unwrap_or(Err(LocateError::Timeout));
        let now = clock::wall();
        let outcome = outcome.map(|(controllers, site)| Arc::new(Located { controllers, site, at: now }));
        let after = before.after(outcome.clone(), now);
        self.tell(&before, &after);
        self.search.send_replace(after);
        outcome
    }

    /// Says in the log what a round has changed.
    fn tell(&self, before: &Search, after: &Search) {
        let domain = &self.settings.domain;
        match (&before.failing, &after.failing) {
            (None, Some(Failing { error, .. })) => {
                let kept = after.located.as_ref().map_or(0, |located| located.controllers.len());
                tracing::warn!(%domain, %error, kept, "no domain controllers are found; those known stay in use");
            }
            (Some(_), None) => tracing::info!(%domain, "domain controllers are found again"),
            _ => {}
        }
        if let Some(located) = &after.located
            && before.located.as_ref().is_none_or(|before| !before.says_the_same(located))
        {
            let site = located.site.as_deref().unwrap_or("none");
            tracing::info!(%domain, controllers = %Names(&located.controllers), site, "domain controllers were found");
        }
    }
}

fn system_random() -> impl rand_core::CryptoRng + Send {
    rand_core::UnwrapErr(rand_core::OsRng)
}

impl Located {
    fn says_the_same(&self, other: &Self) -> bool {
        self.site == other.site && self.controllers == other.controllers
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locator").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The hosts in their order.
struct Names<'a>(&'a [DomainController]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, controller) in self.0.iter().enumerate() {
            let separator = if place > 0 { "," } else { "" };
            write!(f, "{separator}{}", controller.host)?;
        }
        Ok(())
    }
}
