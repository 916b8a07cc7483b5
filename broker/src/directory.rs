//! Second step: which account of the directory. Does I/O, through [`ldap_map::net`].
//!
//! A [`ValidatedIdentity`] gives one name, its user principal name unless other sources are configured, or is named by an
//! account; the directory holds exactly one account of these names, which may be used now, and to which the card maps strongly
//! enough. Whoever has several accounts for one card names one of them ([`UserHint`]). Anything else is a [`ResolveError`] that
//! names the attribute which speaks against it. Where domains beside our own are configured, the suffix of a user principal name
//! says which of them are asked; for any other name all of them are.

mod agreement;
mod domains;
mod explained;
mod hint;
mod target;
mod witness;

use std::time::SystemTime;

use ldap_map::account::{Account, NotUsable};
use ldap_map::alt_security_identities::AltSecurityIdentity;
use ldap_map::dn::Dn;
use ldap_map::mapping::source::{AttributeQuery, Candidate};
use ldap_map::mapping::{
    Card, Ground, IgnoredValue, Mapping, MappingError, NamedBy, Sought, Strength, confirm, enforce,
};
use ldap_map::net::directory::{DirectoryError, Freshness, LdapServer, Recalled};
use ldap_map::schema::Attribute;
use ldap_map::sid::Sid;

pub use self::domains::{Domain, Domains, Home, Settings, TrustError};
pub use self::explained::{Explained, explain};
pub use self::hint::{HintError, UserHint};
pub use self::target::{ComputerError, computer};
pub use self::witness::{Testimony, Witness};

use crate::identity::ValidatedIdentity;

/// An account that may be used, and how strongly the card maps to it. Only this module makes one.
#[derive(Clone, Debug)]
pub struct DirectoryAccount {
    account: Account,
    upn: String,
    mapping: Mapping,
    origin: Origin,
}

/// Where an account was found.
#[derive(Clone, Debug)]
struct Origin {
    domain_sid: Sid,
    home: Home,
    server: LdapServer,
}

impl DirectoryAccount {
    /// What the directory says about the account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The SID of the account's domain: the configured one, or the one that the directory told first.
    #[must_use]
    pub const fn domain_sid(&self) -> &Sid {
        &self.origin.domain_sid
    }

    /// How strongly the card maps to the account.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.mapping.strength()
    }

    /// Why the card is the account's.
    #[must_use]
    pub fn grounds(&self) -> &[Ground] {
        self.mapping.grounds()
    }

    /// The account's values of `altSecurityIdentities` that mean the card, and that domain controllers ignore.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredValue] {
        self.mapping.ignored()
    }

    /// The user principal name that the card logged in by; where it was another name, the account's own. What else the card
    /// may call itself says nothing about the account.
    #[must_use]
    pub fn upn(&self) -> &str {
        &self.upn
    }

    /// The domain controller that named the account: its tickets are asked for there first.
    #[must_use]
    pub const fn server(&self) -> &LdapServer {
        &self.origin.server
    }

    /// Whose account it is.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.origin.home
    }
}

/// Why no account was found that the card may use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The card does not name an account, or names another one than was found.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The directory holds no such account, or more than one, or cannot say.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// No configured domain has names with this suffix.
    #[error(
        "no configured domain has the suffix {suffix:?}: it belongs into upn_suffixes of the one that does"
    )]
    SuffixUnknown {
        /// The part after the `@`.
        suffix: String,
    },
    /// More than one domain has an account of the name.
    #[error("accounts of {} have the name, which must be one account's only", domains.join(" and "))]
    AmbiguousDomains {
        /// Their DNS names.
        domains: Vec<String>,
    },
    /// A directory named an account of another domain than its own.
    #[error("the directory of {asked} named an account of {account}")]
    OtherDomain {
        /// By the account's distinguished name.
        account: String,
        /// Whose directory it is.
        asked: String,
    },
    /// An account of another domain is not believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The attributes of the configuration find one account, and the card's other names are another's. A security event.
    #[error(
        "the certificate's names disagree: the configured attributes find {found}, but its user principal name, or a value of \
         altSecurityIdentities that names it, is of {named}"
    )]
    Disagreement {
        /// The account that was found.
        found: Dn,
        /// The other one.
        named: Dn,
    },
    /// The account may not be used.
    #[error("{dn}: {reason}")]
    NotUsable {
        /// Its name.
        sam_account_name: String,
        /// Where it lies.
        dn: Dn,
        /// Why not.
        reason: NotUsable,
    },
    /// The name that the person gave is none.
    #[error("the user name given with the login cannot be one: {0}")]
    Hint(#[from] HintError),
    /// The card maps by what another card or account could have too, which is not accepted.
    #[error("{0}")]
    WeakMapping(Box<WeakMapping>),
}

impl ResolveError {
    /// The attribute of the directory that speaks against the account, where it is one.
    #[must_use]
    pub fn attribute(&self) -> Option<Attribute> {
        match self {
            Self::NotUsable { reason, .. } => Some(reason.attribute()),
            Self::WeakMapping(weak) if !weak.ignored.is_empty() => Some(Attribute::ALT_SECURITY_IDENTITIES),
            Self::WeakMapping(_) => Some(Attribute::OBJECT_SID),
            Self::Mapping(MappingError::NotMapped)
            | Self::Directory(DirectoryError::Disagreement { .. } | DirectoryError::SeveralAccounts) => {
                Some(Attribute::ALT_SECURITY_IDENTITIES)
            }
            Self::Mapping(MappingError::SidDiffers { .. }) => Some(Attribute::OBJECT_SID),
            Self::Mapping(MappingError::NameDiffers { .. }) => Some(Attribute::USER_PRINCIPAL_NAME),
            Self::Mapping(MappingError::OlderThanAccount { .. }) => Some(Attribute::WHEN_CREATED),
            Self::AmbiguousDomains { .. } | Self::Disagreement { .. } => Some(Attribute::USER_PRINCIPAL_NAME),
            Self::Trust(TrustError::ForeignSid { .. }) => Some(Attribute::OBJECT_SID),
            Self::Trust(TrustError::OneWay { .. }) => Some(Attribute::TRUST_DIRECTION),
            Self::Mapping(_)
            | Self::Directory(_)
            | Self::SuffixUnknown { .. }
            | Self::Hint(_)
            | Self::OtherDomain { .. }
            | Self::Trust(_) => None,
        }
    }
}

/// A mapping that is too weak, and what would make it strong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WeakMapping {
    /// The account's name.
    pub sam_account_name: String,
    /// The SID a strong card would carry.
    pub object_sid: Sid,
    /// What ties card and account.
    pub grounds: Vec<Ground>,
    /// The account's values that domain controllers ignore.
    pub ignored: Vec<IgnoredValue>,
    /// The value of `altSecurityIdentities` that would make it strong, where the certificate's names can be written.
    pub remedy: Option<AltSecurityIdentity>,
}

impl std::fmt::Display for WeakMapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sam_account_name, object_sid, grounds, ignored, remedy } = self;
        let grounds: Vec<String> = grounds.iter().map(ToString::to_string).collect();
        write!(
            f,
            "the card maps to {sam_account_name:?} by {} only; it needs the SID extension 1.3.6.1.4.1.311.25.2 of an \
             enterprise authority with objectSid {object_sid}",
            grounds.join(" and ")
        )?;
        if let Some(remedy) = remedy {
            write!(f, ", or the account {remedy:?} in altSecurityIdentities", remedy = remedy.to_string())?;
        }
        ignored.iter().try_for_each(|value| write!(f, "; {value}"))
    }
}

/// Finds the account of a card: one account of all its names in one domain, usable now, mapped strongly enough; in this order.
/// With a `hint` it is the account of that name, which the card must map to strongly.
///
/// Dropping the future is safe at any moment.
///
/// # Errors
/// The first of these that does not hold, or a directory that does not answer.
pub async fn resolve(
    domains: &Domains,
    identity: &ValidatedIdentity,
    hint: Option<&UserHint>,
    now: SystemTime,
) -> Result<DirectoryAccount, ResolveError> {
    let (card, names) = (identity.card(), Names::of(domains, identity, hint)?);
    let (domain, found) = match find(domains, &card, &names, Freshness::MayBeRemembered).await {
        // The other names of a card are remembered too.
        Err(ResolveError::Disagreement { .. } | ResolveError::Mapping(MappingError::NameDiffers { .. })) => {
            find(domains, &card, &names, Freshness::Asked).await?
        }
        outcome => outcome?,
    };
    let was_remembered = found.remembered;
    match settle(domains, domain, found, (&card, &names), now).await {
        // What is remembered may permit and never refuses: what it speaks against may have been mended since.
        Err(_) if was_remembered => {
            let (domain, found) = find(domains, &card, &names, Freshness::Asked).await?;
            settle(domains, domain, found, (&card, &names), now).await
        }
        outcome => outcome,
    }
}

/// Whose account it is that was found, and whether the card may use it.
async fn settle(
    domains: &Domains,
    domain: &Domain,
    found: Recalled,
    (card, names): (&Card<'_>, &Names<'_>),
    now: SystemTime,
) -> Result<DirectoryAccount, ResolveError> {
    let Recalled { account, server, .. } = found;
    let (domain_sid, home) = domains.home(domain, &account).await?;
    let origin = Origin { domain_sid, home, server };
    judge(account, origin, domain.settings(), card, names.named_by(), now)
}

/// Which names an account is looked up by.
enum Names<'a> {
    /// The card's user principal name, and the values of accounts that name the card.
    Card,
    /// Values of the card that the configuration chose.
    Attributes(Box<AttributeQuery>),
    /// The name that the person gave.
    Person(&'a UserHint),
}

impl<'a> Names<'a> {
    fn of(
        domains: &Domains,
        identity: &ValidatedIdentity,
        hint: Option<&'a UserHint>,
    ) -> Result<Self, MappingError> {
        if let Some(hint) = hint {
            return Ok(Self::Person(hint));
        }
        match domains.mappings().candidate(identity.facts()) {
            Ok(Candidate::Attributes(query)) => Ok(Self::Attributes(Box::new(query))),
            Ok(Candidate::Upn(_)) => Ok(Self::Card),
            Err(MappingError::UpnMissing) if domains.mappings().are_by_upn_alone() => Ok(Self::Card),
            Err(error) => Err(error),
        }
    }

    fn named_by(&self) -> NamedBy<'_> {
        match self {
            Self::Card => NamedBy::Card,
            Self::Attributes(query) => NamedBy::Attributes(query),
            Self::Person(_) => NamedBy::Person,
        }
    }
}

/// The one account of these names, and of all others that the card carries.
async fn find<'d>(
    domains: &'d Domains,
    card: &Card<'_>,
    names: &Names<'_>,
    freshness: Freshness,
) -> Result<(&'d Domain, Recalled), ResolveError> {
    let upn = card.facts.upns().first();
    let asked = match names {
        Names::Card => domains.asked(upn, |domain| Ok(Sought::by_card(card, &domain.settings().mapping)?))?,
        Names::Attributes(query) => domains.asked_by_attributes(query),
        Names::Person(hint) => {
            domains.asked(hint.upn(), |domain| Ok(Sought::by_name(hint.upn_in(domain.name())?)))?
        }
    };
    match (Domains::account(asked, freshness).await, names) {
        (Err(ResolveError::Directory(DirectoryError::NotFound)), Names::Card) if upn.is_none() => {
            Err(MappingError::UpnMissing.into())
        }
        (Ok((domain, found)), Names::Attributes(query)) => {
            agreement::check(domains, card, &found.account, query, freshness).await?;
            Ok((domain, found))
        }
        (found, _) => found,
    }
}

/// Judges the one account that was found: may it be used now, and does the card map to it strongly enough.
fn judge(
    account: Account,
    origin: Origin,
    settings: &Settings,
    card: &Card<'_>,
    named_by: NamedBy<'_>,
    now: SystemTime,
) -> Result<DirectoryAccount, ResolveError> {
    let (account, mapping) = match named_by {
        // Whoever names an account that is not the card's learns nothing of its state.
        NamedBy::Person => {
            let (account, mapping) = mapped(account, settings, card, named_by)?;
            (usable(account, now)?, mapping)
        }
        NamedBy::Card | NamedBy::Attributes(_) => mapped(usable(account, now)?, settings, card, named_by)?,
    };
    let upn = name_of(&account, card, named_by);
    Ok(DirectoryAccount { account, upn, mapping, origin })
}

fn usable(account: Account, now: SystemTime) -> Result<Account, ResolveError> {
    match account.check_usable(now) {
        Ok(()) => Ok(account),
        Err(reason) => {
            let (sam_account_name, dn) = (account.sam_account_name, account.dn);
            Err(ResolveError::NotUsable { sam_account_name, dn, reason })
        }
    }
}

/// The account, and how the card maps to it: strongly enough.
fn mapped(
    account: Account,
    settings: &Settings,
    card: &Card<'_>,
    named_by: NamedBy<'_>,
) -> Result<(Account, Mapping), ResolveError> {
    let mapping = confirm(card, &account, &settings.mapping, named_by)?;
    match enforce(&mapping, card, &account, &settings.mapping, named_by) {
        Ok(()) => Ok((account, mapping)),
        Err(MappingError::TooWeak) => {
            let remedies = AltSecurityIdentity::all_of(card.facts, &settings.mapping.sha1_readings);
            Err(ResolveError::WeakMapping(Box::new(WeakMapping {
                sam_account_name: account.sam_account_name,
                object_sid: account.object_sid,
                grounds: mapping.grounds().to_vec(),
                ignored: mapping.ignored().to_vec(),
                remedy: remedies.into_iter().find(|one| one.form().strength() == Strength::Strong),
            })))
        }
        Err(error) => Err(error.into()),
    }
}

/// The card's user principal name where the account was found by it, or else the account's own: explicit, or the implicit one
/// that every account has (MS-ADTS 5.1.1.1.1). What else the card may call itself says nothing about the account.
fn name_of(account: &Account, card: &Card<'_>, named_by: NamedBy<'_>) -> String {
    let of_card = card.facts.upns().iter().find(|upn| account.answers_to(upn));
    let of_card = of_card.filter(|_| !matches!(named_by, NamedBy::Attributes(_)));
    let implicit = || format!("{}@{}", account.sam_account_name, account.dns_domain());
    of_card.or(account.user_principal_name.as_ref()).map_or_else(implicit, ToString::to_string)
}

#[cfg(test)]
pub(crate) mod testing {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use ldap_map::mapping::{Enforcement, Rules};
    use ldap_map::net::directory::{self, Bind, Directory};
    use ldap_map::testing::Person;
    use tokio::net::TcpListener;
    use zeroize::Zeroizing;

    use super::*;
    use crate::identity::testing::Authority;

    /// A directory where nobody listens.
    pub(crate) fn nowhere() -> Directory {
        at(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    /// A directory that lets in and says nothing, while its listener lives.
    pub(crate) async fn silent() -> (Directory, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        (at(listener.local_addr().expect("a bound port")), listener)
    }

    fn at(address: SocketAddr) -> Directory {
        Directory::new(directory::Settings {
            servers: vec![server().at(address)],
            base_dn: Dn::parse("DC=corp,DC=example").expect("a base"),
            roots: vec![Authority::root("Root").certificate],
            bind: Bind::Simple { name: "broker".to_owned(), password: Zeroizing::new("secret".to_owned()) },
            pool_size: 1,
            connect_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(5),
        })
        .expect("good settings")
    }

    /// A domain of this directory, and no other.
    pub(crate) fn alone(directory: Directory) -> Domains {
        Domains::new(Domain::new(Arc::new(directory), Settings::default()), Vec::new())
    }

    /// A domain controller that nobody asks.
    pub(crate) fn server() -> LdapServer {
        LdapServer::new("dc1.corp.example", 636).expect("a name")
    }

    /// An account for the tests of later steps; its name must be alice's, whose card is made up for it.
    pub(crate) fn account(person: &Person) -> DirectoryAccount {
        account_of(person, Home::Own)
    }

    /// The same of a domain beside ours, whose SID is `own_domain`.
    pub(crate) fn foreign_account(person: &Person, own_domain: &str) -> DirectoryAccount {
        let own_domain = own_domain.parse().expect("a SID");
        account_of(person, Home::Trusted { own_domain })
    }

    fn account_of(person: &Person, home: Home) -> DirectoryAccount {
        let settings = accepting(true);
        let identity = crate::identity::testing::identity();
        let now = crate::identity::testing::now();
        let account = person.account();
        let domain_sid = account.object_sid.domain().expect("an account of a domain");
        let origin = Origin { domain_sid, home, server: server() };
        judge(account, origin, &settings, &identity.card(), NamedBy::Card, now)
            .expect("an account that may be used")
    }

    /// The settings of a domain that accepts weak mappings of cards younger than the account, or none.
    pub(crate) fn accepting(weak: bool) -> Settings {
        let compatibility = Enforcement::Compatibility { backdating: Duration::ZERO };
        let enforcement = if weak { compatibility } else { Enforcement::Full };
        Settings { mapping: Rules { enforcement, ..Rules::default() }, ..Settings::default() }
    }

    /// An account in a domain that is known to have another SID.
    pub(crate) fn account_in(domain_sid: Sid, person: &Person) -> DirectoryAccount {
        let account = account(person);
        DirectoryAccount { origin: Origin { domain_sid, ..account.origin }, ..account }
    }
}

#[cfg(test)]
mod tests {
    use ldap_map::mapping::source::{AttributeMapping, AttributeMappings, Source};
    use ldap_map::schema::AttributeName;
    use ldap_map::testing::{DOMAIN_SID, Person};
    use rcgen::{CustomExtension, OtherNameValue, SanType};

    use super::testing::{accepting, alone, nowhere};
    use super::*;
    use crate::identity::testing::{Authority, now, peer, tlv, trusting, validator};

    /// Alice's card, with a SID extension where one is given (MS-WCCE 2.2.2.7.7.4).
    fn identity(sid: Option<&str>) -> ValidatedIdentity {
        let root = Authority::root("Root");
        let card = root.card_with(|params| {
            let Some(sid) = sid else { return };
            let inner = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 25, 2, 1];
            let name = [tlv(0x06, &inner), tlv(0xa0, &tlv(0x04, sid.as_bytes()))].concat();
            let value = tlv(0x30, &tlv(0xa0, &name));
            let oid = [1, 3, 6, 1, 4, 1, 311, 25, 2];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, value));
        });
        validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect("a good card")
    }

    fn alice() -> Person {
        Person::new("alice")
    }

    fn resolve(
        person: &Person,
        accept_weak_mapping: bool,
        sid: Option<&str>,
    ) -> Result<DirectoryAccount, ResolveError> {
        let domain_sid = DOMAIN_SID.parse().expect("a SID");
        let origin = Origin { domain_sid, home: Home::Own, server: testing::server() };
        let (settings, identity) = (accepting(accept_weak_mapping), identity(sid));
        judge(person.account(), origin, &settings, &identity.card(), NamedBy::Card, now())
    }

    /// The same by the common name of alice's card, which is `Alice`.
    fn resolve_by_cn(
        person: &Person,
        accept_weak_mapping: bool,
        declared: Strength,
    ) -> Result<DirectoryAccount, ResolveError> {
        let domain_sid = DOMAIN_SID.parse().expect("a SID");
        let origin = Origin { domain_sid, home: Home::Own, server: testing::server() };
        let (settings, identity) = (accepting(accept_weak_mapping), identity(None));
        let attributes = vec![AttributeName::parse("displayName").expect("a name")];
        let mapping = AttributeMapping::new(Source::CommonName, attributes).expect("a mapping");
        let mappings = AttributeMappings::new(vec![mapping.of_strength(declared)]);
        let domains = alone(nowhere()).mapping_by(mappings);
        let names = Names::of(&domains, &identity, None).expect("a name");
        judge(person.account(), origin, &settings, &identity.card(), names.named_by(), now())
    }

    #[test]
    fn a_card_with_the_accounts_sid_maps_strongly() {
        let sid = format!("{DOMAIN_SID}-1103");
        let account = resolve(&alice(), false, Some(&sid)).expect("a strong mapping");
        assert_eq!(account.strength(), Strength::Strong);
    }

    #[test]
    fn a_weak_mapping_is_refused_unless_it_is_accepted_in_so_many_words() {
        let refused = resolve(&alice(), false, None).expect_err("weak");
        assert_eq!(refused.attribute(), Some(Attribute::OBJECT_SID));
        let words = refused.to_string();
        assert!(words.contains(&format!("objectSid {DOMAIN_SID}-1103")), "{words}");
        assert!(words.contains("\"X509:<I>O=Corp,CN=Root<SR>0110\""), "{words}");
        assert_eq!(resolve(&alice(), true, None).expect("accepted").strength(), Strength::Weak);
    }

    #[test]
    fn a_card_with_another_sid_is_refused_even_where_weak_mappings_are_accepted() {
        let other = format!("{DOMAIN_SID}-1104");
        let refused = resolve(&alice(), true, Some(&other)).expect_err("another SID");
        assert!(matches!(refused, ResolveError::Mapping(MappingError::SidDiffers { .. })));
    }

    #[test]
    fn a_mapping_by_attribute_is_as_strong_as_it_was_declared() {
        let weak = resolve_by_cn(&alice(), false, Strength::Weak).expect_err("weak");
        assert!(weak.to_string().contains("by common_name only"), "{weak}");
        assert_eq!(
            resolve_by_cn(&alice(), true, Strength::Weak).expect("accepted").strength(),
            Strength::Weak
        );
        let strong = resolve_by_cn(&alice(), false, Strength::Strong).expect("strong");
        assert_eq!(strong.grounds(), [Ground::Attributes("common_name", Strength::Strong)]);
    }

    #[test]
    fn a_weak_mapping_by_attribute_needs_a_card_that_is_not_older_than_the_account() {
        let reborn = alice().with("whenCreated", &["20250601000000.0Z"]);
        let refused = resolve_by_cn(&reborn, true, Strength::Weak).expect_err("older");
        assert_eq!(refused.attribute(), Some(Attribute::WHEN_CREATED));
    }

    #[test]
    fn an_account_that_was_not_found_by_the_cards_upn_goes_by_its_own() {
        let by_cn = |person: &Person| resolve_by_cn(person, false, Strength::Strong).expect("strong");
        let renamed = alice().with("userPrincipalName", &["a.smith@corp.example"]);
        assert_eq!(by_cn(&renamed).upn(), "a.smith@corp.example", "whatever the card says");
        assert_eq!(by_cn(&Person::new("bob").without("userPrincipalName")).upn(), "bob@corp.example");
    }

    #[test]
    fn a_weak_card_that_is_older_than_the_account_is_refused() {
        let reborn = alice().with("whenCreated", &["20250601000000.0Z"]);
        let refused = resolve(&reborn, true, None).expect_err("older");
        assert_eq!(refused.attribute(), Some(Attribute::WHEN_CREATED));
    }

    #[test]
    fn a_disabled_account_is_refused_by_its_attribute() {
        let disabled = alice().with("userAccountControl", &["514"]);
        let sid = format!("{DOMAIN_SID}-1103");
        let refused = resolve(&disabled, false, Some(&sid)).expect_err("disabled");
        assert_eq!(refused.attribute(), Some(Attribute::USER_ACCOUNT_CONTROL));
    }

    #[test]
    fn usability_is_judged_before_the_mapping() {
        let disabled = alice().with("userAccountControl", &["514"]);
        assert!(matches!(resolve(&disabled, false, None), Err(ResolveError::NotUsable { .. })));
    }

    #[test]
    fn who_names_an_account_learns_its_state_only_where_the_card_maps_to_it() {
        let ask = |person: &Person, sid: Option<&str>| {
            let domain_sid = DOMAIN_SID.parse().expect("a SID");
            let origin = Origin { domain_sid, home: Home::Own, server: testing::server() };
            let (settings, identity) = (accepting(false), identity(sid));
            judge(person.account(), origin, &settings, &identity.card(), NamedBy::Person, now())
        };
        let disabled = |name: &str| Person::new(name).with("userAccountControl", &["514"]);
        assert!(matches!(ask(&disabled("bob"), None), Err(ResolveError::Mapping(MappingError::NotMapped))));
        assert!(matches!(ask(&disabled("alice"), None), Err(ResolveError::WeakMapping(_))));
        let sid = format!("{DOMAIN_SID}-1103");
        assert!(matches!(ask(&disabled("alice"), Some(&sid)), Err(ResolveError::NotUsable { .. })));
    }

    #[tokio::test]
    async fn a_card_with_two_names_is_refused_also_where_the_first_is_of_another_organization() {
        let root = Authority::root("Root");
        let card = root.card_with(|params| {
            let own = params.subject_alt_names[0].clone();
            let foreign = OtherNameValue::Utf8String("alice@elsewhere.example".to_owned());
            let upn = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
            params.subject_alt_names = vec![SanType::OtherName((upn, foreign)), own];
        });
        let identity = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect("a good card");
        let attributes = vec![AttributeName::parse("displayName").expect("a name")];
        let mapping = AttributeMapping::new(Source::CommonName, attributes).expect("a mapping");
        let mappings = AttributeMappings::new(vec![mapping.accepting_foreign_upns()]);
        let settings = Settings { upn_suffixes: Some(Vec::new()), ..Settings::default() };
        let domains = Domains::new(Domain::new(std::sync::Arc::new(nowhere()), settings), Vec::new())
            .mapping_by(mappings);
        let Ok(Names::Attributes(query)) = Names::of(&domains, &identity, None) else { panic!("a query") };
        let (card, account) = (identity.card(), alice().account());
        let refused = agreement::check(&domains, &card, &account, &query, Freshness::Asked).await;
        assert!(
            matches!(refused, Err(ResolveError::Mapping(MappingError::SeveralUpns { count: 2 }))),
            "{refused:?}"
        );
    }

    async fn ask(change: impl FnOnce(&mut rcgen::CertificateParams)) -> ResolveError {
        let root = Authority::root("Root");
        let card = root.card_with(change);
        let identity = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect("a good card");
        super::resolve(&alone(nowhere()), &identity, None, now()).await.expect_err("nobody listens")
    }

    #[tokio::test]
    async fn a_card_without_a_name_may_be_named_by_an_account() {
        let refused = ask(|params| params.subject_alt_names.clear()).await;
        assert!(matches!(refused, ResolveError::Directory(DirectoryError::Unavailable { .. })));
    }

    #[tokio::test]
    async fn a_card_with_two_names_is_refused_before_the_directory_is_asked() {
        let refused = ask(|params| {
            let same = params.subject_alt_names[0].clone();
            params.subject_alt_names.push(same);
        });
        assert!(matches!(refused.await, ResolveError::Mapping(MappingError::SeveralUpns { count: 2 })));
    }

    #[tokio::test]
    async fn a_directory_that_does_not_answer_is_no_missing_account() {
        assert!(matches!(ask(|_| ()).await, ResolveError::Directory(DirectoryError::Unavailable { .. })));
    }
}
