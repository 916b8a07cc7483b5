//! The file of cases as it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use ldap_map::dn::Dn;
use ldap_map::mapping::Strength;
use ldap_map::sid::Sid;
use serde::Deserialize;
use toml::Spanned;

use super::expected::Expected;
use crate::policy::facts::{
    AuthenticationLevels, Certificate, Circumstances, DistinguishedName, Person, Revocation, Tags,
    TargetFacts,
};
use crate::policy::rule::{GroupRef, Held, Membership, fold};
use crate::policy::targets::Targets;
use crate::policy::{Action, Channel, ServiceClass, Target, parse_duration};

/// Most cases of one file.
pub const MAXIMUM_CASES: usize = 10_000;
/// The distinguished name of what a case does not name: no policy means it.
const NOWHERE: &str = "CN=nobody,O=nowhere";
/// The domain of groups that a case names by their names.
const MADE_UP: &str = "S-1-5-21-0-0-0";

/// Why a file holds no cases.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CasesError {
    /// Not of the form of such a file.
    #[error("line {line}: {message}")]
    Form {
        /// From 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// No case, or too many.
    #[error("a file holds 1 to {MAXIMUM_CASES} cases, [[case]]")]
    Count,
}

/// All of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Stands for `policy.services` where there is no configuration.
    #[serde(default)]
    services: Vec<Text<ServiceClass>>,
    /// Gateways that policies may name, beside those of the cases.
    #[serde(default)]
    gateways: Vec<String>,
    #[serde(default, rename = "person")]
    people: BTreeMap<String, Whom>,
    #[serde(default, rename = "target")]
    targets: Vec<Which>,
    #[serde(rename = "case")]
    cases: Vec<Spanned<Asked>>,
    #[serde(skip)]
    lines: Vec<usize>,
}

/// `[person.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    sid: Option<Text<Sid>>,
    account: Option<String>,
    upn: Option<String>,
    #[serde(default = "own_realm")]
    realm: String,
    /// Of a domain beside our own.
    #[serde(default)]
    foreign: bool,
    distinguished_name: Option<Text<Dn>>,
    #[serde(default)]
    groups: Vec<Text<GroupRef>>,
    #[serde(default)]
    mapping: How,
    #[serde(default)]
    certificate: Card,
    authentication_level: Option<i64>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    strength: Text<Strong>,
    form: String,
}

impl Default for How {
    fn default() -> Self {
        Self { strength: Text(Strong(Strength::Strong)), form: "sid".to_owned() }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    subject: Option<Text<Dn>>,
    issuer: Option<Text<Dn>>,
    #[serde(default)]
    serial: String,
    #[serde(default)]
    thumbprint: String,
    #[serde(default)]
    policies: BTreeSet<String>,
}

/// `[[target]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    host: Text<Target>,
    services: Option<Vec<Text<ServiceClass>>>,
    tags: Option<Tags>,
    in_directory: Option<bool>,
    #[serde(default)]
    groups: Vec<Text<GroupRef>>,
    #[serde(default)]
    domain_controller: bool,
}

/// `[[case]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    #[serde(default)]
    action: Text<What>,
    who: String,
    target: Option<Text<Target>>,
    service: Option<Text<ServiceClass>>,
    #[serde(default)]
    proof: bool,
    #[serde(default)]
    context: Situation,
    expect: Expected,
}

/// `context`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    gateway: Option<String>,
    client_address: Option<IpAddr>,
    time: Option<Text<Timestamp>>,
    channel: Option<Text<Way>>,
    revocation: Option<Known>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    source: String,
    age: Text<Age>,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self, CasesError> {
        let line_of = |offset: usize| {
            let before = text.get(..offset).unwrap_or(text);
            before.matches('\n').count().saturating_add(1)
        };
        let mut file: Self = toml::from_str(text).map_err(|error| CasesError::Form {
            line: error.span().map_or(0, |span| line_of(span.start)),
            message: error.message().to_owned(),
        })?;
        if file.cases.is_empty() || file.cases.len() > MAXIMUM_CASES {
            return Err(CasesError::Count);
        }
        file.lines = file.cases.iter().map(|case| line_of(case.span().start)).collect();
        for (case, line) in file.cases.iter().zip(&file.lines) {
            file.check(case.get_ref()).map_err(|message| CasesError::Form { line: *line, message })?;
        }
        Ok(file)
    }

    /// Whether what a case names is there.
    fn check(&self, case: &Asked) -> Result<(), String> {
        let name = &case.name;
        let is_about_target = matches!(case.action.0.0, Action::Login | Action::Delegate);
        if is_about_target != case.target.is_some() {
            return Err(format!("case {name:?}: login and delegate have a target, and nothing else has"));
        }
        if (case.action.0.0 == Action::Delegate) != case.service.is_some() {
            return Err(format!("case {name:?}: delegate has a service, and nothing else has"));
        }
        if case.action.0.0 != Action::PresentCertificate && !self.people.contains_key(&case.who) {
            return Err(format!("case {name:?}: there is no [person.{}]", case.who));
        }
        if case.proof && case.action.0.0 != Action::PresentCertificate {
            return Err(format!("case {name:?}: only present_certificate has a proof"));
        }
        Ok(())
    }

    pub(super) fn gateways(&self) -> Vec<String> {
        let cases = self.cases.iter().map(Spanned::get_ref);
        let named = cases.clone().filter_map(|case| case.context.gateway.clone());
        let presenting = cases.filter(|case| case.action.0.0 == Action::PresentCertificate);
        let all: BTreeSet<String> = self
            .gateways
            .iter()
            .cloned()
            .chain(named)
            .chain(presenting.map(|case| case.who.clone()))
            .collect();
        all.into_iter().collect()
    }

    pub(super) fn services(&self) -> Vec<ServiceClass> {
        self.services.iter().map(|class| class.0.clone()).collect()
    }

    pub(super) fn realms(&self) -> Vec<String> {
        let foreign = self.people.values().filter(|whom| whom.foreign);
        foreign.map(|whom| whom.realm.to_ascii_uppercase()).collect()
    }

    pub(super) fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let lines = self.lines.iter().copied();
        self.cases.iter().zip(lines).map(|(case, line)| Case { file: self, asked: case.get_ref(), line })
    }
}

/// One case, with the file that says who is meant.
pub(super) struct Case<'f> {
    file: &'f File,
    asked: &'f Asked,
    line: usize,
}

impl Case<'_> {
    pub(super) fn name(&self) -> &str {
        &self.asked.name
    }

    pub(super) const fn line(&self) -> usize {
        self.line
    }

    pub(super) fn who(&self) -> &str {
        &self.asked.who
    }

    pub(super) const fn action(&self) -> Action {
        self.asked.action.0.0
    }

    pub(super) const fn proof(&self) -> bool {
        self.asked.proof
    }

    pub(super) const fn expected(&self) -> &Expected {
        &self.asked.expect
    }

    pub(super) fn service(&self) -> Option<&ServiceClass> {
        self.asked.service.as_ref().map(|class| &class.0)
    }

    pub(super) fn person(&self, levels: &AuthenticationLevels) -> Person {
        let whom = self.file.people.get(&self.asked.who).cloned().unwrap_or_else(Whom::nobody);
        let Whom { sid, account, upn, realm, foreign, distinguished_name, groups, .. } = whom;
        let Card { subject, issuer, serial, thumbprint, policies } = whom.certificate;
        let realm = realm.to_ascii_uppercase();
        let account = account.unwrap_or_else(|| self.asked.who.clone());
        Person {
            sid: sid.map_or_else(|| made_up(500), |sid| sid.0),
            account,
            upn,
            distinguished_name: written(distinguished_name),
            strength: whom.mapping.strength.0.0,
            form: whom.mapping.form,
            authentication_level: whom.authentication_level.unwrap_or_else(|| levels.of(&policies)),
            certificate: Certificate {
                subject: written(subject),
                issuer: written(issuer),
                serial,
                thumbprint,
                policies,
            },
            tags: whom.tags,
            membership: Membership { held: held(&groups), foreign: foreign.then(|| realm.clone()) },
            realm,
        }
    }

    /// The target and its services; what the file says of it stands in the place of what the configuration says.
    pub(super) fn target(&self, targets: &Targets) -> Option<(TargetFacts, Vec<ServiceClass>)> {
        let host = self.asked.target.as_ref()?.0.clone();
        let services = targets.services(&host).to_vec();
        let mut facts = targets.facts(host, None);
        let mut services = services;
        if let Some(which) = self.which() {
            let groups = held(&which.groups);
            facts.in_directory = which.in_directory.unwrap_or(!groups.is_empty());
            facts.membership = Membership { held: groups, foreign: None };
            if let Some(tags) = &which.tags {
                facts.tags.clone_from(tags);
            }
            if let Some(listed) = &which.services {
                services = listed.iter().map(|class| class.0.clone()).collect();
            }
        }
        if let Some(service) = self.service() {
            services = vec![service.clone()];
        }
        Some((facts, services))
    }

    pub(super) fn is_controller(&self) -> bool {
        self.which().is_some_and(|which| which.domain_controller)
    }

    fn which(&self) -> Option<&Which> {
        let host = &self.asked.target.as_ref()?.0;
        self.file.targets.iter().find(|which| which.host.0 == *host)
    }

    pub(super) fn circumstances(&self, now: SystemTime) -> Circumstances {
        let Situation { gateway, client_address, time, channel, revocation } = &self.asked.context;
        let first = || self.file.gateways().first().cloned().unwrap_or_default();
        let relied_on = revocation.as_ref().map(|known| (known.source.clone(), known.age.0.0));
        Circumstances {
            gateway: gateway.clone().unwrap_or_else(first),
            client_address: *client_address,
            time: time.as_ref().map_or(now, |time| time.0.into()),
            channel: channel.as_ref().map_or(Channel::CardListener, |channel| channel.0.0),
            revocation: Revocation { relied_on },
        }
    }
}

impl Whom {
    fn nobody() -> Self {
        Self {
            sid: None,
            account: None,
            upn: None,
            realm: own_realm(),
            foreign: false,
            distinguished_name: None,
            groups: Vec::new(),
            mapping: How::default(),
            certificate: Card::default(),
            authentication_level: None,
            tags: Tags::new(),
        }
    }
}

fn own_realm() -> String {
    "CORP.EXAMPLE".to_owned()
}

fn written(name: Option<Text<Dn>>) -> DistinguishedName {
    let nowhere = || Dn::parse(NOWHERE).expect("a name");
    DistinguishedName::Written(name.map_or_else(nowhere, |name| name.0))
}

fn made_up(rid: usize) -> Sid {
    format!("{MADE_UP}-{rid}").parse().expect("a SID")
}

/// Groups by their names have SIDs that no policy names.
fn held(groups: &[Text<GroupRef>]) -> Vec<Held> {
    let of = |(place, group): (usize, &Text<GroupRef>)| match &group.0 {
        GroupRef::Sid(sid) => Held { sid: sid.clone(), name: None },
        GroupRef::Name { name, .. } => {
            Held { sid: made_up(place.saturating_add(1000)), name: Some(fold(name)) }
        }
    };
    groups.iter().enumerate().map(of).collect()
}

/// A text that means something.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}")))
    }
}

/// The text is none of a list of words.
#[derive(Debug, thiserror::Error)]
#[error("it is one of {0}")]
pub(super) struct NotAmong(pub(super) &'static str);

#[derive(Clone, Copy, Debug)]
struct What(Action);

impl Default for What {
    fn default() -> Self {
        Self(Action::Login)
    }
}

impl std::str::FromStr for What {
    type Err = NotAmong;

    fn from_str(text: &str) -> Result<Self, NotAmong> {
        let found = Action::ALL.into_iter().find(|action| action.as_str() == text);
        found.map(Self).ok_or(NotAmong("login, delegate, present_certificate, administer"))
    }
}

#[derive(Clone, Copy, Debug)]
struct Strong(Strength);

impl std::str::FromStr for Strong {
    type Err = NotAmong;

    fn from_str(text: &str) -> Result<Self, NotAmong> {
        let found = [Strength::Strong, Strength::Weak].into_iter().find(|one| one.as_str() == text);
        found.map(Self).ok_or(NotAmong("strong, weak"))
    }
}

#[derive(Clone, Copy, Debug)]
struct Way(Channel);

impl std::str::FromStr for Way {
    type Err = NotAmong;

    fn from_str(text: &str) -> Result<Self, NotAmong> {
        let found = Channel::ALL.into_iter().find(|channel| channel.as_str() == text);
        found
            .map(Self)
            .ok_or(NotAmong("card_listener, terminator, gateway_with_proof, gateway_without_proof"))
    }
}

/// A duration as annotations write it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Age(pub(super) Duration);

impl std::str::FromStr for Age {
    type Err = NotAmong;

    fn from_str(text: &str) -> Result<Self, NotAmong> {
        parse_duration(text).map(Self).ok_or(NotAmong("durations such as \"90s\", \"5m\", \"1h30m\""))
    }
}
