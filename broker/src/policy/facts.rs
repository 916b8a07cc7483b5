//! What a policy sees of a request, as plain values, and how they become entities and context of Cedar.
//!
//! Every value of the schema is filled here and nowhere else. Pure; no I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use cedar_policy::{
    Context, ContextCreationError, Entity, EntityAttrEvaluationError, EntityUid, RestrictedExpression,
};
use jiff::Timestamp;
use ldap_map::certificate::{CertificateFacts, CertificateName, attribute_name};
use ldap_map::dn::Dn;
use ldap_map::mapping::{Ground, Strength};
use ldap_map::sid::Sid;

use super::literals::{Kind, Literals};
use super::origin::Channel;
use super::rule::Membership;
use super::target::Target;
use crate::directory::DirectoryAccount;
use crate::identity::{RevocationEvidence, ValidatedIdentity};

/// Values by name, each a set.
pub type Tags = BTreeMap<String, BTreeSet<String>>;

/// Who asks: an account, and the card that maps to it.
#[derive(Clone, Debug)]
pub struct Person {
    /// `objectSid`.
    pub sid: Sid,
    /// `sAMAccountName`.
    pub account: String,
    /// `userPrincipalName`, where the account has one.
    pub upn: Option<String>,
    /// The Kerberos realm, in capitals.
    pub realm: String,
    /// Where the object lies.
    pub distinguished_name: DistinguishedName,
    /// How firmly the card is tied to the account.
    pub strength: Strength,
    /// By what, in a word: the strongest of all grounds.
    pub form: String,
    /// The card's certificate.
    pub certificate: Certificate,
    /// By the certificate's policies; 0 where none of them has one.
    pub authentication_level: i64,
    /// What the certificate calls its holder.
    pub tags: Tags,
    /// The groups.
    pub(super) membership: Membership,
}

/// A certificate, as policies see it.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The subject.
    pub subject: DistinguishedName,
    /// The issuer.
    pub issuer: DistinguishedName,
    /// Hexadecimal digits, small letters.
    pub serial: String,
    /// SHA-256, hexadecimal digits, small letters.
    pub thumbprint: String,
    /// Those that hold for the whole path, dotted.
    pub policies: BTreeSet<String>,
}

/// A distinguished name, to be compared with those that policies name.
#[derive(Clone, Debug)]
pub enum DistinguishedName {
    /// One of a certificate: its parts and its text.
    OfCertificate(CertificateName, String),
    /// One that was written as a text.
    Written(Dn),
}

impl DistinguishedName {
    /// Whether the name is `base` or stands below it.
    #[must_use]
    pub fn is_within(&self, base: &Dn) -> bool {
        match self {
            Self::OfCertificate(name, _) => name.is_within(base),
            Self::Written(name) => name.is_within(base),
        }
    }

    /// Whether it is that name.
    #[must_use]
    pub fn is(&self, other: &Dn) -> bool {
        match self {
            Self::OfCertificate(name, _) => name.is(other),
            Self::Written(name) => name == other,
        }
    }

    /// One spelling for equal names, where the name can be read at all; otherwise its text.
    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Written(name) => name.canonical(),
            Self::OfCertificate(_, text) => match Dn::parse(text) {
                Ok(name) if self.is(&name) => name.canonical(),
                Ok(_) | Err(_) => text.clone(),
            },
        }
    }
}

/// Which certificate policies stand for which level of authentication.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuthenticationLevels(BTreeMap<String, i64>);

impl AuthenticationLevels {
    /// Dotted object identifiers and their levels.
    #[must_use]
    pub const fn new(levels: BTreeMap<String, i64>) -> Self {
        Self(levels)
    }

    /// The highest level that one of the policies stands for; 0 where none stands for any.
    #[must_use]
    pub fn of(&self, policies: &BTreeSet<String>) -> i64 {
        policies.iter().filter_map(|policy| self.0.get(policy)).copied().max().unwrap_or_default()
    }
}

impl Person {
    /// The person of an account that a card maps to.
    #[must_use]
    pub fn of(
        account: &DirectoryAccount,
        identity: &ValidatedIdentity,
        levels: &AuthenticationLevels,
    ) -> Self {
        let facts = identity.facts();
        let membership = Membership::of(account);
        let (strength, form) = (account.strength(), form(account.grounds()));
        let account = account.account();
        let policies = identity.policies().clone();
        Self {
            sid: account.object_sid.clone(),
            account: account.sam_account_name.clone(),
            upn: account.user_principal_name.as_ref().map(ToString::to_string),
            realm: account.dns_domain().to_ascii_uppercase(),
            distinguished_name: DistinguishedName::Written(account.dn.clone()),
            strength,
            form,
            authentication_level: levels.of(&policies),
            certificate: Certificate {
                subject: of_certificate(facts.subject_name(), facts.subject()),
                issuer: of_certificate(facts.issuer_name(), facts.issuer()),
                serial: facts.serial().to_owned(),
                thumbprint: hexadecimal(identity.fingerprint_sha256()),
                policies,
            },
            tags: tags(facts),
            membership,
        }
    }

    /// The entity that stands for the person in requests.
    #[must_use]
    pub fn uid(&self) -> EntityUid {
        Kind::Person.named(&self.sid.to_string())
    }

    /// The person and the names they have, as entities. They are in those groups and names of `literals` only.
    pub(super) fn entities(&self, literals: &Literals) -> Result<Vec<Entity>, FactError> {
        let mut names = BTreeMap::new();
        let mut name = |name: &DistinguishedName| {
            let uid = literals.name(name);
            let above = literals.above(name).into_iter().filter(|above| *above != uid).collect();
            names.insert(uid.to_string(), Entity::new_no_attrs(uid.clone(), above));
            RestrictedExpression::new_entity_uid(uid)
        };
        let Certificate { subject, issuer, serial, thumbprint, policies } = &self.certificate;
        let certificate = record([
            ("subject", name(subject)),
            ("issuer", name(issuer)),
            ("serial", text(serial)),
            ("thumbprint", text(thumbprint)),
            ("policies", set(policies)),
        ])?;
        let mapping = record([("strength", text(self.strength.as_str())), ("form", text(&self.form))])?;
        let mut attributes = vec![
            ("sid", text(&self.sid.to_string())),
            ("account", text(&self.account)),
            ("realm", text(&self.realm)),
            ("distinguished_name", name(&self.distinguished_name)),
            ("mapping", mapping),
            ("certificate", certificate),
            ("authentication_level", RestrictedExpression::new_long(self.authentication_level)),
        ];
        attributes.extend(self.upn.as_ref().map(|upn| ("upn", text(upn))));
        let groups = literals.of_member(&self.membership);
        let person = Entity::new_with_tags(self.uid(), named(attributes), groups, tagged(&self.tags))?;
        Ok(names.into_values().chain([person]).collect())
    }
}

/// A host that somebody wants to use.
#[derive(Clone, Debug)]
pub struct TargetFacts {
    /// Its name.
    pub host: Target,
    /// Those of the configuration.
    pub tags: Tags,
    /// Whether the directory has a computer object for it, where it was asked.
    pub in_directory: bool,
    /// The computer's groups.
    pub(super) membership: Membership,
}

impl TargetFacts {
    /// A host of which nothing is known but its name.
    #[must_use]
    pub fn unknown(host: Target) -> Self {
        Self { host, tags: Tags::new(), in_directory: false, membership: Membership::default() }
    }

    /// The entity that stands for the host in requests.
    #[must_use]
    pub fn uid(&self) -> EntityUid {
        Kind::Target.named(self.host.as_str())
    }

    /// The host as an entity, in those domains and groups of `literals` that it is in.
    pub(super) fn entity(&self, literals: &Literals) -> Result<Entity, FactError> {
        let host = self.host.as_str();
        let (label, domain) = host.split_once('.').unwrap_or((host, ""));
        let attributes = [
            ("host", text(host)),
            ("label", text(label)),
            ("domain", text(domain)),
            ("in_directory", RestrictedExpression::new_bool(self.in_directory)),
        ];
        let groups = literals.of_member(&self.membership);
        let parents = literals.domains_of(&self.host).into_iter().chain(groups);
        Ok(Entity::new_with_tags(self.uid(), named(attributes), parents, tagged(&self.tags))?)
    }
}

/// How somebody asks.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The gateway, by its configured name.
    pub gateway: String,
    /// The client's address, as far as it is known.
    pub client_address: Option<IpAddr>,
    /// When.
    pub time: SystemTime,
    /// How the card's certificate came.
    pub channel: Channel,
    /// What is known of its revocation.
    pub revocation: Revocation,
}

/// What is known of the revocation of a card's path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revocation {
    /// What was relied on for the oldest part of it, and how long ago that was true; `None` where nothing is known of some
    /// certificate of the path.
    pub relied_on: Option<(String, Duration)>,
}

impl Revocation {
    /// What a validation relied on. `checked` only where something spoke of every certificate of the path.
    #[must_use]
    pub fn of(evidence: &RevocationEvidence, now: SystemTime) -> Self {
        let certificates = evidence.certificates();
        let is_known = evidence.is_checked()
            && !certificates.is_empty()
            && certificates.iter().all(|one| !one.relied_on().is_empty());
        let all = certificates.iter().flat_map(|one| one.relied_on());
        let oldest = all.min_by_key(|one| one.this_update).filter(|_| is_known);
        let relied_on = oldest.map(|one| {
            let since = now.duration_since(one.this_update.into()).unwrap_or_default();
            (one.kind.as_str().to_owned(), since)
        });
        Self { relied_on }
    }

    fn record(&self) -> Result<RestrictedExpression, FactError> {
        let checked = ("checked", RestrictedExpression::new_bool(self.relied_on.is_some()));
        let Some((source, age)) = &self.relied_on else { return record([checked]) };
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        record([checked, ("source", text(source)), ("age", RestrictedExpression::new_long(age))])
    }
}

impl Circumstances {
    /// The context of `login`; with a service, of `delegate`.
    pub(super) fn context(&self, service: Option<&str>) -> Result<Context, FactError> {
        let gateway = RestrictedExpression::new_entity_uid(Kind::Gateway.named(&self.gateway));
        let mut pairs = vec![
            ("gateway", gateway),
            ("time", time(self.time)),
            ("channel", text(self.channel.as_str())),
            ("revocation", self.revocation.record()?),
        ];
        pairs.extend(self.client_address.map(|client| ("client_address", address(client))));
        pairs.extend(service.map(|service| ("service", text(&service.to_ascii_lowercase()))));
        Ok(Context::from_pairs(named(pairs))?)
    }
}

/// The context of `present_certificate`; `proof` says whether the card signed a challenge of ours.
pub(super) fn presenting(client: Option<IpAddr>, now: SystemTime, proof: bool) -> Result<Context, FactError> {
    let mut pairs = vec![("time", time(now)), ("proof", RestrictedExpression::new_bool(proof))];
    pairs.extend(client.map(|client| ("client_address", address(client))));
    Ok(Context::from_pairs(named(pairs))?)
}

/// The context of `administer`.
pub(super) fn administering(client: Option<IpAddr>, now: SystemTime) -> Result<Context, FactError> {
    let mut pairs = vec![("time", time(now))];
    pairs.extend(client.map(|client| ("client_address", address(client))));
    Ok(Context::from_pairs(named(pairs))?)
}

/// Facts that Cedar does not take, which no request should be able to have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FactError {
    /// Of an entity.
    #[error(transparent)]
    Entity(#[from] Box<EntityAttrEvaluationError>),
    /// Of the context.
    #[error(transparent)]
    Context(#[from] Box<ContextCreationError>),
    /// Of a record, which has a key twice.
    #[error("a record has a key twice")]
    Record,
}

impl From<EntityAttrEvaluationError> for FactError {
    fn from(error: EntityAttrEvaluationError) -> Self {
        Self::Entity(Box::new(error))
    }
}

impl From<ContextCreationError> for FactError {
    fn from(error: ContextCreationError) -> Self {
        Self::Context(Box::new(error))
    }
}

/// The word for the strongest ground, the first of equals.
fn form(grounds: &[Ground]) -> String {
    let strong = grounds.iter().find(|ground| ground.strength() == Strength::Strong);
    let word = |ground: &Ground| match ground {
        Ground::UserPrincipalName => "upn".to_owned(),
        Ground::TrustedUserPrincipalName => "upn_under_name_rule".to_owned(),
        Ground::Attributes(source, _) => (*source).to_owned(),
        Ground::Sid => "sid".to_owned(),
        Ground::SidOfOther => "sid_of_other_issuer".to_owned(),
        Ground::AltSecurityIdentity(identity) => identity.form().tags().to_owned(),
        Ground::TrustedIssuerSubject(identity) => format!("{}_under_name_rule", identity.form().tags()),
        other => other.to_string(),
    };
    strong.or_else(|| grounds.first()).map(word).unwrap_or_default()
}

fn tags(facts: &CertificateFacts) -> Tags {
    let mut tags = Tags::new();
    let mut add = |name: String, value: &str| {
        tags.entry(name).or_default().insert(value.to_owned());
    };
    for attribute in facts.subject_name().all() {
        let name = attribute_name(attribute.kind()).unwrap_or_else(|| attribute.kind());
        // What is no text is no name that a policy could mean.
        attribute.text().into_iter().for_each(|value| add(format!("subject.{name}"), value));
    }
    facts.upns().iter().for_each(|upn| add("san.upn".to_owned(), &upn.to_string()));
    facts.emails().iter().for_each(|email| add("san.email".to_owned(), email));
    facts.dns_names().iter().for_each(|name| add("san.dns".to_owned(), name));
    facts.uris().iter().for_each(|uri| add("san.uri".to_owned(), uri));
    tags
}

fn of_certificate(name: &CertificateName, text: &str) -> DistinguishedName {
    DistinguishedName::OfCertificate(name.clone(), text.to_owned())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes every write");
        text
    })
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn set(values: &BTreeSet<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().map(|value| text(value)))
}

/// IPv4 addresses are such, even where a listener of both kinds saw them as IPv6: `ip("10.0.0.0/8")` means them.
fn address(client: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(client.to_canonical().to_string())
}

/// Seconds, which is what the language can express; years beyond 9999 are none of them.
fn time(now: SystemTime) -> RestrictedExpression {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::MAX);
    RestrictedExpression::new_datetime(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn named(
    pairs: impl IntoIterator<Item = (&'static str, RestrictedExpression)>,
) -> Vec<(String, RestrictedExpression)> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn record(
    pairs: impl IntoIterator<Item = (&'static str, RestrictedExpression)>,
) -> Result<RestrictedExpression, FactError> {
    RestrictedExpression::new_record(named(pairs)).map_err(|_| FactError::Record)
}

fn tagged(tags: &Tags) -> impl Iterator<Item = (String, RestrictedExpression)> + '_ {
    tags.iter().map(|(name, values)| (name.clone(), set(values)))
}

#[cfg(test)]
mod tests;
