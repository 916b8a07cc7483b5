//! What policies name by entities that stand for more than their text.
//!
//! A policy says `principal in Kerbridge::Group::"Desktop Users"`. Whether the person is in that group is for [`Membership`] to
//! say, not for a comparison of texts. So the names are read once, when policies are loaded, each is replaced by one spelling of
//! it, and a decision makes entities only for those that mean something the request has.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use ldap_map::dn::{Dn, DnError};
use ldap_map::sid::Sid;

use super::facts::DistinguishedName;
use super::rule::{GroupProblem, GroupRef, Membership};
use super::target::{Target, TargetError, TargetPattern};

/// The kinds of entities of the schema.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Person,
    Group,
    Name,
    Domain,
    Target,
    Gateway,
    Broker,
}

/// Their names in the schema, parsed once.
static TYPES: LazyLock<BTreeMap<Kind, EntityTypeName>> = LazyLock::new(|| {
    let kinds = [
        (Kind::Person, "Kerbridge::Person"),
        (Kind::Group, "Kerbridge::Group"),
        (Kind::Name, "Kerbridge::Name"),
        (Kind::Domain, "Kerbridge::Domain"),
        (Kind::Target, "Kerbridge::Target"),
        (Kind::Gateway, "Kerbridge::Gateway"),
        (Kind::Broker, "Kerbridge::Broker"),
    ];
    kinds.into_iter().map(|(kind, name)| (kind, name.parse().expect("a name"))).collect()
});

impl Kind {
    /// The entity of this kind with that name.
    pub(super) fn named(self, id: &str) -> EntityUid {
        let kind = TYPES.get(&self).cloned().expect("every kind is in the table");
        EntityUid::from_type_name_and_id(kind, EntityId::new(id))
    }

    /// The kind of an entity; `None` for actions.
    pub(super) fn of(uid: &EntityUid) -> Option<Self> {
        TYPES.iter().find(|(_, name)| *name == uid.type_name()).map(|(kind, _)| *kind)
    }
}

/// The groups, names and domains that policies name.
#[derive(Clone, Debug, Default)]
pub(super) struct Literals {
    groups: BTreeMap<String, GroupRef>,
    names: BTreeMap<String, Dn>,
    domains: BTreeMap<String, TargetPattern>,
}

impl Literals {
    /// Takes an entity that a policy names. Returns the one to put into its place: equal things have one spelling.
    pub(super) fn take(&mut self, uid: &EntityUid) -> Result<EntityUid, LiteralProblem> {
        let Some(kind) = Kind::of(uid) else { return Ok(uid.clone()) };
        let text: &str = uid.id().unescaped();
        let id = match kind {
            Kind::Group => {
                let group: GroupRef = text.parse().map_err(|problem| LiteralProblem::group(text, problem))?;
                let id = group.to_string();
                self.groups.insert(id.clone(), group);
                id
            }
            Kind::Name => {
                let name = Dn::parse(text).map_err(|error| LiteralProblem::name(text, error))?;
                let id = name.canonical();
                // From the one spelling, so that short names of types and their numbers are the same in it.
                let name = Dn::parse(&id).map_err(|error| LiteralProblem::name(text, error))?;
                self.names.insert(id.clone(), name);
                id
            }
            Kind::Domain => {
                let pattern: TargetPattern =
                    format!("*.{text}").parse().map_err(|error| LiteralProblem::domain(text, error))?;
                let id = text.to_ascii_lowercase();
                self.domains.insert(id.clone(), pattern);
                id
            }
            Kind::Target => {
                let target = Target::new(text).map_err(|error| LiteralProblem::target(text, error))?;
                target.as_str().to_owned()
            }
            Kind::Person => {
                let sid: Sid = text
                    .to_ascii_uppercase()
                    .parse()
                    .map_err(|_| LiteralProblem::Person { text: text.to_owned() })?;
                sid.to_string()
            }
            Kind::Gateway | Kind::Broker => text.to_owned(),
        };
        Ok(kind.named(&id))
    }

    /// Takes what others name too.
    pub(super) fn extend(&mut self, others: &Self) {
        let Self { groups, names, domains } = others;
        self.groups.extend(groups.iter().map(|(id, group)| (id.clone(), group.clone())));
        self.names.extend(names.iter().map(|(id, name)| (id.clone(), name.clone())));
        self.domains.extend(domains.iter().map(|(id, domain)| (id.clone(), domain.clone())));
    }

    /// The group that an entity stands for, as [`Self::take`] spelt it.
    pub(super) fn group(&self, uid: &EntityUid) -> Option<&GroupRef> {
        let id: &str = uid.id().unescaped();
        self.groups.get(id)
    }

    /// The groups that policies name, for warnings.
    pub(super) fn groups(&self) -> impl Iterator<Item = &GroupRef> {
        self.groups.values()
    }

    /// The groups that policies name and that somebody is in.
    pub(super) fn of_member(&self, membership: &Membership) -> Vec<EntityUid> {
        let meant = |group: &GroupRef| !membership.among(std::slice::from_ref(group)).is_empty();
        let groups = self.groups.iter().filter(|(_, group)| meant(group));
        groups.map(|(id, _)| Kind::Group.named(id)).collect()
    }

    /// The SIDs that make somebody a member of a group that policies name.
    pub(super) fn sids(&self, membership: &Membership) -> Vec<Sid> {
        let groups: Vec<GroupRef> = self.groups.values().cloned().collect();
        membership.among(&groups)
    }

    /// The entity of a name: the one that policies name, where they name it.
    pub(super) fn name(&self, name: &DistinguishedName) -> EntityUid {
        let known = self.names.iter().find(|(_, known)| name.is(known));
        Kind::Name.named(&known.map_or_else(|| name.canonical(), |(id, _)| id.clone()))
    }

    /// The names that policies name and that a name is or stands below.
    pub(super) fn above(&self, name: &DistinguishedName) -> Vec<EntityUid> {
        let above = self.names.iter().filter(|(_, base)| name.is_within(base));
        above.map(|(id, _)| Kind::Name.named(id)).collect()
    }

    /// The domains that policies name and that a target stands in.
    pub(super) fn domains_of(&self, target: &Target) -> Vec<EntityUid> {
        let stands_in = |id: &str| {
            let before = target.as_str().strip_suffix(id);
            before.is_some_and(|before| before.ends_with('.'))
        };
        self.domains.keys().filter(|id| stands_in(id)).map(|id| Kind::Domain.named(id)).collect()
    }
}

/// Why a name in a policy does not name anything.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LiteralProblem {
    /// Not a group.
    #[error("Kerbridge::Group::{text:?}: {problem}")]
    Group {
        /// As written.
        text: String,
        /// Why not.
        problem: GroupProblem,
    },
    /// Not a distinguished name.
    #[error("Kerbridge::Name::{text:?}: {error}")]
    Name {
        /// As written.
        text: String,
        /// Why not.
        error: DnError,
    },
    /// Not a domain.
    #[error("Kerbridge::Domain::{text:?}: {error}")]
    Domain {
        /// As written.
        text: String,
        /// Why not.
        error: TargetError,
    },
    /// Not a host name.
    #[error("Kerbridge::Target::{text:?}: {error}")]
    Target {
        /// As written.
        text: String,
        /// Why not.
        error: TargetError,
    },
    /// Not a SID.
    #[error("Kerbridge::Person::{text:?}: a person is named by the account's SID")]
    Person {
        /// As written.
        text: String,
    },
}

impl LiteralProblem {
    fn group(text: &str, problem: GroupProblem) -> Self {
        Self::Group { text: text.to_owned(), problem }
    }

    fn name(text: &str, error: DnError) -> Self {
        Self::Name { text: text.to_owned(), error }
    }

    fn domain(text: &str, error: TargetError) -> Self {
        Self::Domain { text: text.to_owned(), error }
    }

    fn target(text: &str, error: TargetError) -> Self {
        Self::Target { text: text.to_owned(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::held;

    fn taken(literals: &mut Literals, uid: &str) -> Result<String, LiteralProblem> {
        let uid: EntityUid = uid.parse().expect("an entity");
        literals.take(&uid).map(|uid| uid.to_string())
    }

    #[test]
    fn equal_things_have_one_spelling() {
        let mut literals = Literals::default();
        for (one, other) in [
            (r#"Kerbridge::Group::"Desktop Users""#, r#"Kerbridge::Group::"DESKTOP users""#),
            (r#"Kerbridge::Group::"s-1-5-32-544""#, r#"Kerbridge::Group::"S-1-5-32-544""#),
            (r#"Kerbridge::Name::"CN=CA, O=Corp""#, r#"Kerbridge::Name::"2.5.4.3=ca,o=CORP""#),
            (r#"Kerbridge::Domain::"Corp.Example""#, r#"Kerbridge::Domain::"corp.example""#),
            (r#"Kerbridge::Target::"DESK1.corp.example""#, r#"Kerbridge::Target::"desk1.corp.example""#),
        ] {
            assert_eq!(taken(&mut literals, one), taken(&mut literals, other));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let mut literals = Literals::default();
        for uid in [
            r#"Kerbridge::Group::"S-1-5-no""#,
            r#"Kerbridge::Group::" padded""#,
            r#"Kerbridge::Name::"""#,
            r#"Kerbridge::Name::"corp""#,
            r#"Kerbridge::Domain::"*.corp.example""#,
            r#"Kerbridge::Domain::"10.0.0.1""#,
            r#"Kerbridge::Target::"desk1""#,
            r#"Kerbridge::Person::"alice""#,
        ] {
            assert!(taken(&mut literals, uid).is_err(), "{uid}");
        }
    }

    #[test]
    fn a_member_is_in_the_groups_that_policies_name_and_in_no_others() {
        let mut literals = Literals::default();
        for group in ["Desktop Users", "S-1-5-21-1-2-3-1104", "Admins", "Desktop Users@BETA.EXAMPLE"] {
            literals.take(&Kind::Group.named(group)).expect("a group");
        }
        let groups =
            vec![held("DESKTOP USERS", "S-1-5-21-1-2-3-1104"), held("Domain Users", "S-1-5-21-1-2-3-513")];
        let membership = Membership { held: groups, foreign: None };
        let found: Vec<String> = literals.of_member(&membership).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [r#"Kerbridge::Group::"S-1-5-21-1-2-3-1104""#, r#"Kerbridge::Group::"desktop users""#]
        );
    }

    #[test]
    fn a_target_is_in_its_domain_and_in_those_above_and_in_no_likeness_of_them() {
        let mut literals = Literals::default();
        for domain in ["corp.example", "example", "lab.corp.example", "orp.example", "desk1.corp.example"] {
            literals.take(&Kind::Domain.named(domain)).expect("a domain");
        }
        let target = Target::new("desk1.corp.example").expect("a target");
        let found: Vec<String> = literals.domains_of(&target).iter().map(ToString::to_string).collect();
        assert_eq!(found, [r#"Kerbridge::Domain::"corp.example""#, r#"Kerbridge::Domain::"example""#]);
    }
}
