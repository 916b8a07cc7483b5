//! What the configuration says of hosts that somebody may want to use (`[[policy.target]]`).

use std::collections::BTreeMap;

use ldap_map::computer::Computer;

use super::facts::{Tags, TargetFacts};
use super::rule::{Held, Membership, fold};
use super::service::ServiceClass;
use super::target::{Target, TargetPattern};

/// One entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfiguredTarget {
    /// Which hosts it is about.
    pub hosts: TargetPattern,
    /// The service classes they have, the first to be tried first at a login.
    pub services: Vec<ServiceClass>,
    /// What policies may know of them.
    pub tags: Tags,
}

/// All entries. What is said of a host by its name stands in the place of what is said of its domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Targets {
    entries: BTreeMap<TargetPattern, Known>,
    in_directory: bool,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Known {
    services: Vec<ServiceClass>,
    tags: Tags,
}

impl Targets {
    /// Takes the entries; `in_directory` says whether the directory is asked for the host's computer object too.
    ///
    /// # Errors
    /// The place in the list, from 0, of an entry whose hosts an earlier one has.
    pub fn new(entries: Vec<ConfiguredTarget>, in_directory: bool) -> Result<Self, usize> {
        let mut known = BTreeMap::new();
        for (place, ConfiguredTarget { hosts, services, tags }) in entries.into_iter().enumerate() {
            if known.insert(hosts, Known { services, tags }).is_some() {
                return Err(place);
            }
        }
        Ok(Self { entries: known, in_directory })
    }

    /// Whether the directory is asked for the computer objects of hosts.
    #[must_use]
    pub const fn are_in_directory(&self) -> bool {
        self.in_directory
    }

    /// What is known of a host: what the configuration says, and its computer object where the directory has one.
    #[must_use]
    pub fn facts(&self, host: Target, computer: Option<&Computer>) -> TargetFacts {
        let tags = self.known(&host).map(|known| known.tags.clone()).unwrap_or_default();
        let groups = computer.into_iter().flat_map(|computer| &computer.groups);
        let held = groups
            .map(|group| Held { sid: group.sid.clone(), name: group.sam_account_name.as_deref().map(fold) });
        // The computer is one of our own domain's directory, which is believed about all groups.
        let membership = Membership { held: held.collect(), foreign: None };
        TargetFacts { host, tags, in_directory: computer.is_some(), membership }
    }

    /// The service classes that the configuration gives a host.
    #[must_use]
    pub fn services(&self, host: &Target) -> &[ServiceClass] {
        self.known(host).map(|known| known.services.as_slice()).unwrap_or_default()
    }

    fn known(&self, host: &Target) -> Option<&Known> {
        let exact = self.entries.get(&TargetPattern::Exact(host.clone()));
        let below = || {
            let (_, domain) = host.as_str().split_once('.')?;
            self.entries.get(&TargetPattern::Below(domain.to_owned()))
        };
        exact.or_else(below)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn entry(hosts: &str, owner: &str, service: &str) -> ConfiguredTarget {
        let owners = BTreeSet::from([owner.to_owned()]);
        ConfiguredTarget {
            hosts: hosts.parse().expect("hosts"),
            services: vec![service.parse().expect("a class")],
            tags: Tags::from([("owner".to_owned(), owners)]),
        }
    }

    fn host(name: &str) -> Target {
        Target::new(name).expect("a host")
    }

    #[test]
    fn what_is_said_of_a_host_stands_in_the_place_of_what_is_said_of_its_domain() {
        let entries =
            vec![entry("*.lab.example", "everybody", "host"), entry("a.lab.example", "alice", "TERMSRV")];
        let targets = Targets::new(entries, false).expect("two entries");
        let owner = |name: &str| targets.facts(host(name), None).tags.get("owner").cloned();
        assert_eq!(owner("A.lab.example"), Some(BTreeSet::from(["alice".to_owned()])));
        assert_eq!(owner("b.lab.example"), Some(BTreeSet::from(["everybody".to_owned()])));
        assert_eq!(owner("a.b.lab.example"), None);
        let service =
            |name: &str| targets.services(&host(name)).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            (service("a.lab.example"), service("c.lab.example")),
            (vec!["TERMSRV".to_owned()], vec!["host".to_owned()])
        );
        assert!(!targets.facts(host("a.lab.example"), None).in_directory);
    }

    #[test]
    fn hosts_that_are_there_twice_are_named() {
        let entries = vec![entry("a.lab.example", "alice", "host"), entry("A.LAB.example", "bob", "host")];
        assert_eq!(Targets::new(entries, false), Err(1));
    }
}
