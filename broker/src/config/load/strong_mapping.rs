//! How firmly cards must be tied to accounts.

use ldap_map::{
    dn::Dn,
    mapping::{Enforcement, EnterpriseIssuers, NameRule, Rules},
};

use super::Loader;
use crate::config::{
    Warning,
    document::Located,
    problem::Fault,
    raw::{self, MappingMode},
};

impl Loader<'_> {
    /// The rules of one directory. Its older key `accept_weak_mapping = true` is the mode "compatibility".
    pub(super) fn mapping_rules(&self, raw: &raw::Directory) -> Option<Rules> {
        let table = &raw.strong_mapping;
        let old = raw.accept_weak_mapping.as_ref()?;
        if old.value && !table.mode_is_default {
            let fault = Fault::OneOf { one: "accept_weak_mapping", other: "strong_mapping.mode" };
            self.problems.note(&old.place, fault);
        }
        let backdating = table.certificate_backdating_compensation.as_ref().map(|named| named.value);
        let names = table.enterprise_issuers.as_ref().map(|names| self.issuers(names));
        let rules = table.name_rules.iter().flatten().map(|line| self.name_rule(line));
        let name_rules: Vec<Option<NameRule>> = rules.collect();
        let compatibility = Enforcement::Compatibility { backdating: backdating? };
        Some(Rules {
            enforcement: match table.mode.as_ref()?.value {
                MappingMode::Full if old.value => compatibility,
                MappingMode::Full => Enforcement::Full,
                MappingMode::Compatibility => compatibility,
                MappingMode::DangerouslyNone => Enforcement::None,
            },
            enterprise_issuers: match names {
                Some(names) => EnterpriseIssuers::Named(names?),
                None => EnterpriseIssuers::Every,
            },
            sha1_readings: table.sha1_public_key.iter().flatten().map(|reading| reading.value).collect(),
            name_rules: name_rules.into_iter().collect::<Option<_>>()?,
        })
    }

    fn issuers(&self, names: &[Located<String>]) -> Option<Vec<String>> {
        let names = names.iter().map(|name| {
            let parsed = self.problems.keep(&name.place, name.value.parse::<Dn>().map_err(Fault::step));
            parsed.map(|_| name.value.clone())
        });
        let names: Vec<_> = names.collect();
        names.into_iter().collect()
    }

    fn name_rule(&self, line: &Located<String>) -> Option<NameRule> {
        self.problems.keep(&line.place, line.value.parse().map_err(Fault::step))
    }
}

/// What of it weakens the service. `issuers_named`: the authorities that may issue cards are named one by one.
pub(super) fn warnings(directories: &[&raw::Directory], issuers_named: bool) -> Vec<Warning> {
    let (mut weak, mut none, mut every) = (false, false, false);
    for directory in directories {
        let table = &directory.strong_mapping;
        let mode = table.mode.as_ref().map(|mode| mode.value);
        weak |= directory.accept_weak_mapping.as_ref().is_some_and(|accept| accept.value);
        weak |= mode == Some(MappingMode::Compatibility);
        none |= mode == Some(MappingMode::DangerouslyNone);
        every |= table.enterprise_issuers.is_none() && !issuers_named;
    }
    let found = [
        (weak, Warning::WeakMappingAccepted),
        (none, Warning::AnyMappingAccepted),
        (every, Warning::EveryIssuerNamesSids),
    ];
    found.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect()
}
