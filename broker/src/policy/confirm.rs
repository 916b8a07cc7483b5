//! A permission, decided again by what the domain controller says of the person's groups.
//!
//! The directory's word about groups is believed as far as a login is permitted by it; the tickets are given out only where the domain
//! controller, in the PAC of the evidence ticket, leads to the same decision. So it is decided by several memberships: what the directory says, what
//! both say, what the domain controller says, and what either says. All must permit. A group that the directory forges permits nothing and
//! excepts from no prohibition, and one that it hides still forbids.

use std::fmt;

use ldap_map::sid::Sid;

use super::compiled::Action;
use super::decide::{Grant, Ruling, denied};
use super::denial::{Denial, Reason};
use super::facts::Person;
use super::literals::Literals;
use super::rule::Membership;

/// The groups that a PAC names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PacGroups {
    /// Those that give rights.
    pub enabled: Vec<Sid>,
    /// Those that only take them away.
    pub deny_only: Vec<Sid>,
}

/// The domain controller says otherwise than the directory, and by its word the login is refused: somebody changed groups
/// at this moment, or somebody forges what the directory answers. Always a security event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotConfirmed {
    /// Without the groups that only the directory names.
    #[error(
        "the directory says that the account is a member of {}, by which {policies} decided, but its PAC says that it is not; \
         if its groups were changed just now, directory.servers have not replicated to kerberos.kdcs, or kerberos.s4u_cache \
         keeps evidence of before",
        Listed(.groups)
    )]
    Lost {
        /// The policies that permitted, by their ids.
        policies: Policies,
        /// The groups that the PAC does not name.
        groups: Vec<Sid>,
    },
    /// With the groups that only the PAC names.
    #[error("the PAC says that the account is a member of {}, of which the directory says nothing; so {denial}", Listed(.groups))]
    Gained {
        /// The groups that the directory does not name.
        groups: Vec<Sid>,
        /// What follows from them.
        denial: Denial,
    },
}

/// Ids of policies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policies(pub Vec<String>);

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.0.len() == 1 { "policy" } else { "policies" };
        write!(f, "{word} ")?;
        for (index, id) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{id:?}")?;
        }
        Ok(())
    }
}

impl Grant {
    /// The same permission as far as it holds by the groups of the PAC too: with the services that are permitted, and everything that is obliged to, in each
    /// case.
    ///
    /// # Errors
    /// [`NotConfirmed`].
    pub fn confirmed_by(&self, pac: &PacGroups) -> Result<Self, NotConfirmed> {
        let told = &self.request.person.membership;
        let both = told.confirmed_by(&pac.enabled);
        // With and without the groups that only take rights away: policies can except somebody because of a group.
        let said = both.with(pac.enabled.iter().cloned());
        let all = pac.enabled.iter().chain(&pac.deny_only);
        let (said_all, either) = (both.with(all.clone().cloned()), told.with(all.cloned()));
        let literals = self.literals();
        let mut ruling = self.ruling.clone();
        if let Some(again) = self.again(&literals, &both) {
            let lost = || {
                let kept = literals.sids(&both);
                let groups = literals.sids(told).into_iter().filter(|sid| !kept.contains(sid)).collect();
                NotConfirmed::Lost { policies: Policies(self.ruling.policies.clone()), groups }
            };
            ruling = again.and_then(|again| self.both(ruling, &again)).map_err(|_| lost())?;
        }
        for membership in [said, said_all, either] {
            let Some(again) = self.again(&literals, &membership) else { continue };
            let gained = |denial| {
                let known = literals.sids(told);
                let groups = literals.sids(&membership).into_iter().filter(|sid| !known.contains(sid));
                NotConfirmed::Gained { groups: groups.collect(), denial }
            };
            ruling = again.and_then(|again| self.both(ruling, &again)).map_err(gained)?;
        }
        let is_held = |sid: &Sid| both.held.iter().any(|held| held.sid == *sid);
        ruling.groups.retain(is_held);
        ruling.groups.sort_by_key(|sid| !pac.enabled.contains(sid));
        Ok(Self { ruling, ..self.clone() })
    }

    /// Decides with other groups; nothing where these are the same as before to the policies.
    fn again(&self, literals: &Literals, membership: &Membership) -> Option<Result<Ruling, Denial>> {
        let person = &self.request.person;
        if literals.of_member(membership) == literals.of_member(&person.membership) {
            return None;
        }
        let person = Person { membership: membership.clone(), ..person.clone() };
        Some(self.policy.judge(&self.request, &person))
    }

    /// What is permitted by both rulings.
    fn both(&self, one: Ruling, other: &Ruling) -> Result<Ruling, Denial> {
        let Ruling { mut policies, mut services, obligations, groups } = one;
        let further = other.policies.iter().filter(|id| !policies.contains(id)).cloned();
        let further: Vec<String> = further.collect();
        policies.extend(further);
        services.retain(|service| other.services.contains(service));
        let obligations = obligations.and(other.obligations.clone());
        let reason = if services.is_empty() {
            Reason::NoService { services: self.ruling.services.clone() }
        } else if obligations.leave_a_form() {
            return Ok(Ruling { policies, services, obligations, groups });
        } else {
            Reason::NoForm { policies }
        };
        Err(denied(&self.request, vec![reason]))
    }

    /// Everything that the policies name which can say something of the request.
    fn literals(&self) -> Literals {
        let mut literals = Literals::default();
        for action in [Action::Login, Action::Delegate] {
            self.policy.about_target(action, &self.request.target).literals(&mut literals);
        }
        literals
    }
}

struct Listed<'a>(&'a [Sid]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, sid) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{sid}")?;
        }
        Ok(())
    }
}
