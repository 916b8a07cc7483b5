//! The domains whose accounts are served: our own, and those that are configured beside it. Does I/O, through
//! [`ldap_map::net`].
//!
//! A name is looked up where its suffix says. Our own domain says which SID another one has, so that the directory of the
//! other can only name accounts of its own.

use std::sync::Arc;

use ldap_map::account::Account;
use ldap_map::dn::Dn;
use ldap_map::mapping::source::{AttributeMappings, AttributeQuery};
use ldap_map::mapping::{Rules, Sought};
use ldap_map::net::directory::{Directory, DirectoryError, Freshness, Recalled, Wanted};
use ldap_map::sid::Sid;
use ldap_map::trust::{TrustDirection, TrustedDomain};
use ldap_map::upn::Upn;
use tokio::sync::OnceCell;

use super::{DirectoryAccount, ResolveError};

/// One domain, its directory, and how accounts of it are judged.
#[derive(Debug)]
pub struct Domain {
    directory: Arc<Directory>,
    settings: Settings,
    /// Of a domain beside our own: once our own domain has said it.
    sid: OnceCell<Sid>,
}

/// The configuration of a domain.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How firmly cards must be tied to its accounts.
    pub mapping: Rules,
    /// The suffixes of its user principal names beside its own DNS name. `None` in our own domain: all that are no other
    /// domain's DNS name.
    pub upn_suffixes: Option<Vec<String>>,
    /// The SID of a domain beside our own; `None` where our own domain is to say it.
    pub domain_sid: Option<Sid>,
}

/// By what one domain is asked for an account.
pub(super) enum Lookup<'a> {
    /// The names that a card or a person gives.
    Sought(Sought),
    /// Attributes that the configuration chose.
    Attributes(&'a AttributeQuery),
}

/// All domains whose accounts are served.
#[derive(Debug)]
pub struct Domains {
    own: Domain,
    trusted: Vec<Domain>,
    mappings: AttributeMappings,
}

/// Whose account it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Home {
    /// Of our own domain.
    Own,
    /// Of a domain that ours trusts; its `objectSid` is of the domain that ours says.
    Trusted {
        /// The SID of our own domain: what a member of another one cannot be.
        own_domain: Sid,
    },
}

/// Why an account of another domain is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Our own domain does not know the other one, nor does the configuration.
    #[error(
        "{own} has no trustedDomain object for {partner}: create the trust (`samba-tool domain trust create {partner}`, \
         `New-ADTrust`), or where {partner} is trusted by way of another domain set realm.domain_sid"
    )]
    Missing {
        /// Our own domain.
        own: String,
        /// The other.
        partner: String,
    },
    /// The trust is not mutual, so that the domain controllers of the other domain do not take our tickets.
    #[error("the trust of {own} with {partner} is one-way: trustDirection is {}, not 3", direction.0)]
    OneWay {
        /// Our own domain.
        own: String,
        /// The other.
        partner: String,
        /// As it stands in our own directory.
        direction: TrustDirection,
    },
    /// The configured SID is not the one our own domain says.
    #[error("realm.domain_sid of {partner} is {configured}, but {own} knows it as {known}")]
    Differs {
        /// Our own domain.
        own: String,
        /// The other.
        partner: String,
        /// In the configuration.
        configured: Sid,
        /// In our own directory.
        known: Sid,
    },
    /// The other domain has our own's SID.
    #[error("{partner} has the SID of {own} itself")]
    OwnSid {
        /// Our own domain.
        own: String,
        /// The other.
        partner: String,
    },
    /// The account's `objectSid` is of another domain than its directory's. A security event.
    #[error(
        "the directory of {partner} says that objectSid is {object_sid}, which is not of its domain {domain_sid}"
    )]
    ForeignSid {
        /// The domain whose directory said so.
        partner: String,
        /// The account's.
        object_sid: Sid,
        /// The domain's.
        domain_sid: Sid,
    },
}

impl Domain {
    /// A domain of which nothing has been asked yet.
    #[must_use]
    pub const fn new(directory: Arc<Directory>, settings: Settings) -> Self {
        Self { directory, settings, sid: OnceCell::const_new() }
    }

    /// Its directory.
    #[must_use]
    pub const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// How accounts of it are judged.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn name(&self) -> &str {
        self.directory.dns_domain()
    }
}

impl Domains {
    /// Our own domain and those beside it; cards name their accounts by user principal name.
    #[must_use]
    pub fn new(own: Domain, trusted: Vec<Domain>) -> Self {
        Self { own, trusted, mappings: AttributeMappings::default() }
    }

    /// The same where cards name their accounts in other ways.
    #[must_use]
    pub fn mapping_by(self, mappings: AttributeMappings) -> Self {
        Self { mappings, ..self }
    }

    /// How cards name their accounts.
    #[must_use]
    pub const fn mappings(&self) -> &AttributeMappings {
        &self.mappings
    }

    /// Our own domain.
    #[must_use]
    pub const fn own(&self) -> &Domain {
        &self.own
    }

    /// Our own domain, and then the others.
    pub fn all(&self) -> impl Iterator<Item = &Domain> {
        std::iter::once(&self.own).chain(&self.trusted)
    }

    /// The domains beside our own.
    #[must_use]
    pub fn trusted(&self) -> &[Domain] {
        &self.trusted
    }

    /// Has an account asked for anew by the next login: a later step refused it by what may be out of date.
    pub fn forget(&self, account: &DirectoryAccount) {
        let account = account.account();
        let home = self.all().find(|domain| domain.name() == account.dns_domain());
        home.into_iter().for_each(|domain| domain.directory.forget(&account.object_guid));
    }

    /// The present state of the account that has this SID in the domain of this name, which is asked for it.
    ///
    /// # Errors
    /// [`ResolveError`]: a directory that does not answer, no such domain or account, or one that may not be used.
    pub async fn account_of_sid(&self, domain: &str, sid: &Sid) -> Result<Account, ResolveError> {
        let domain = self.all().find(|known| known.name().eq_ignore_ascii_case(domain));
        let domain = domain.ok_or(DirectoryError::NotFound)?;
        Ok(domain.directory.recall(&Wanted::Sid(sid), Freshness::Asked).await?.account)
    }

    /// The one account that is sought: every domain that could have it is asked; one of them must, and no other.
    pub(super) async fn account<'d>(
        asked: Vec<(&'d Domain, Lookup<'_>)>,
        freshness: Freshness,
    ) -> Result<(&'d Domain, Recalled), ResolveError> {
        let mut found = Vec::new();
        for (domain, lookup) in asked {
            let wanted = match &lookup {
                Lookup::Sought(sought) => Wanted::Sought(sought),
                Lookup::Attributes(query) => Wanted::Attributes(query),
            };
            match domain.directory.recall(&wanted, freshness).await {
                Ok(account) => found.push((domain, account)),
                Err(DirectoryError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        only(found, |domain| domain.name())
    }

    /// The domains that could have an account of the name, or without a name all, each with what is sought in it; at least one.
    pub(super) fn asked(
        &self,
        upn: Option<&Upn>,
        sought: impl Fn(&Domain) -> Result<Sought, ResolveError>,
    ) -> Result<Vec<(&Domain, Lookup<'static>)>, ResolveError> {
        let domains = match upn {
            Some(upn) => self.candidates(upn.suffix()),
            None => self.all().collect(),
        };
        if let (Some(upn), []) = (upn, domains.as_slice()) {
            return Err(ResolveError::SuffixUnknown { suffix: upn.suffix().to_owned() });
        }
        domains.into_iter().map(|domain| Ok((domain, Lookup::Sought(sought(domain)?)))).collect()
    }

    /// The domains that could have an account with these values, likewise.
    pub(super) fn asked_by_attributes<'q>(&self, query: &'q AttributeQuery) -> Vec<(&Domain, Lookup<'q>)> {
        self.searched(query).into_iter().map(|domain| (domain, Lookup::Attributes(query))).collect()
    }

    /// All domains, or the one that the query's base lies in.
    fn searched(&self, query: &AttributeQuery) -> Vec<&Domain> {
        let wanted = query.search_base().and_then(Dn::dns_domain);
        self.all().filter(|domain| wanted.as_ref().is_none_or(|wanted| wanted == domain.name())).collect()
    }

    /// The domains that could have an account of a name with this suffix: a domain's own DNS name is its own, unless
    /// another one is configured to have it too.
    fn candidates(&self, suffix: &str) -> Vec<&Domain> {
        let is = |name: &str| name.eq_ignore_ascii_case(suffix);
        let listed = |domain: &&Domain| {
            is(domain.name()) || domain.settings.upn_suffixes.iter().flatten().any(|listed| is(listed))
        };
        let is_anothers = self.trusted.iter().any(|domain| is(domain.name()));
        let is_ours = listed(&&self.own) || (self.own.settings.upn_suffixes.is_none() && !is_anothers);
        let own = is_ours.then_some(&self.own);
        own.into_iter().chain(self.trusted.iter().filter(listed)).collect()
    }

    /// The SID of the account's domain and whose account it is: the directory that named it may name accounts of its own
    /// domain only.
    pub(super) async fn home(&self, domain: &Domain, account: &Account) -> Result<(Sid, Home), ResolveError> {
        if account.dns_domain() != domain.name() {
            return Err(ResolveError::OtherDomain {
                account: account.dns_domain().to_owned(),
                asked: domain.name().to_owned(),
            });
        }
        let own_sid = self.own.directory.domain_sid().await?;
        if std::ptr::eq(domain, &raw const self.own) {
            return Ok((own_sid, Home::Own));
        }
        let learned = domain.sid.get_or_try_init(|| async {
            let known = self.own.directory.trusted_domain(domain.name()).await?;
            let between = Between { own: self.own.name(), partner: domain.name() };
            Ok::<_, ResolveError>(learn(known, domain.settings.domain_sid.as_ref(), &own_sid, between)?)
        });
        let domain_sid = learned.await?;
        check_sid(&account.object_sid, domain_sid, domain.name())?;
        Ok((domain_sid.clone(), Home::Trusted { own_domain: own_sid }))
    }
}

/// Exactly one, or a refusal that names the domains.
fn only<D, A>(mut found: Vec<(D, A)>, name: impl Fn(&D) -> &str) -> Result<(D, A), ResolveError> {
    match (found.pop(), found.as_slice()) {
        (None, _) => Err(DirectoryError::NotFound.into()),
        (Some(one), []) => Ok(one),
        (Some((last, _)), others) => {
            let names = others.iter().map(|(domain, _)| name(domain)).chain([name(&last)]);
            Err(ResolveError::AmbiguousDomains { domains: names.map(str::to_owned).collect() })
        }
    }
}

/// Two domains by name.
#[derive(Clone, Copy)]
struct Between<'a> {
    own: &'a str,
    partner: &'a str,
}

/// The partner's SID, where what our own domain and the configuration say of it can be used.
fn learn(
    known: Option<TrustedDomain>,
    configured: Option<&Sid>,
    own_sid: &Sid,
    between: Between<'_>,
) -> Result<Sid, TrustError> {
    let (own, partner) = (between.own.to_owned(), between.partner.to_owned());
    let sid = match (known, configured) {
        (Some(TrustedDomain { direction, .. }), _) if !direction.is_mutual() => {
            return Err(TrustError::OneWay { own, partner, direction });
        }
        (Some(TrustedDomain { sid: known, .. }), Some(configured)) if known != *configured => {
            return Err(TrustError::Differs { own, partner, configured: configured.clone(), known });
        }
        (Some(TrustedDomain { sid, .. }), _) => sid,
        (None, Some(configured)) => configured.clone(),
        (None, None) => return Err(TrustError::Missing { own, partner }),
    };
    if sid == *own_sid { Err(TrustError::OwnSid { own, partner }) } else { Ok(sid) }
}

fn check_sid(object_sid: &Sid, domain_sid: &Sid, partner: &str) -> Result<(), TrustError> {
    if object_sid.domain().as_ref() == Some(domain_sid) {
        return Ok(());
    }
    Err(TrustError::ForeignSid {
        partner: partner.to_owned(),
        object_sid: object_sid.clone(),
        domain_sid: domain_sid.clone(),
    })
}

#[cfg(test)]
mod tests;
