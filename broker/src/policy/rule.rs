//! Rules, as written and as compiled.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ldap_map::account::Account;
use ldap_map::groups::Group;
use ldap_map::sid::Sid;

use super::service::ServiceClass;
use super::target::TargetPattern;

/// One rule as the configuration writes it; [`Policy::compile`] reads the texts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rule {
    /// Its name in decisions and logs; unique.
    pub id: String,
    /// Groups, by sAMAccountName or SID (`S-1-5-...`). The account must be in one of them.
    pub groups: Vec<String>,
    /// Targets, by name or as `*.domain`.
    pub targets: Vec<String>,
    /// The gateways the rule is for; `None` means all.
    pub gateways: Option<Vec<String>>,
    /// Service classes that are granted; the first is the one tried at login.
    pub services: Vec<String>,
    /// The longest life of a ticket and of what is derived from it.
    pub maximum_lifetime: Duration,
}

/// A compiled policy; made by [`Policy::compile`].
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) rules: Vec<CompiledRule>,
}

#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    pub(super) id: String,
    pub(super) groups: Vec<GroupRef>,
    pub(super) targets: Vec<TargetPattern>,
    pub(super) gateways: Option<BTreeSet<String>>,
    pub(super) services: Vec<ServiceClass>,
    pub(super) maximum_lifetime: Duration,
}

/// A group, the way a rule names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupRef {
    /// By its SID: what never changes.
    Sid(Sid),
    /// By its sAMAccountName, lower case; directories compare it without regard to case.
    Name(String),
}

impl FromStr for GroupRef {
    type Err = GroupProblem;

    fn from_str(text: &str) -> Result<Self, GroupProblem> {
        const LONGEST: usize = 256;
        if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("S-1-")) {
            return text.to_ascii_uppercase().parse().map(Self::Sid).map_err(|_| GroupProblem::Sid);
        }
        let fits = !text.is_empty()
            && text.chars().count() <= LONGEST
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if fits { Ok(Self::Name(fold(text))) } else { Err(GroupProblem::Name) }
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(sid) => sid.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Why a text does not name a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupProblem {
    /// It begins like a SID and is none.
    #[error("the text begins like a SID and is none")]
    Sid,
    /// It cannot be a sAMAccountName.
    #[error("a group is named by its SID or its sAMAccountName, without spaces around it")]
    Name,
}

/// What an account is a member of, by the directory's word.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership(pub(super) Vec<Held>);

/// One group of an account.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) sid: Sid,
    /// As [`fold`] gives it.
    pub(super) name: Option<String>,
}

impl Membership {
    pub(super) fn of(account: &Account) -> Self {
        let held = |group: &Group| Held {
            sid: group.sid.clone(),
            name: group.sam_account_name.as_deref().map(fold),
        };
        Self(account.groups.iter().map(held).collect())
    }

    /// The SIDs of the groups that one of these references means.
    pub(super) fn among(&self, groups: &[GroupRef]) -> Vec<Sid> {
        let is_meant = |held: &&Held| groups.iter().any(|group| held.is(group));
        self.0.iter().filter(is_meant).map(|held| held.sid.clone()).collect()
    }
}

impl Held {
    fn is(&self, group: &GroupRef) -> bool {
        match group {
            GroupRef::Sid(sid) => self.sid == *sid,
            GroupRef::Name(name) => self.name.as_ref() == Some(name),
        }
    }
}

/// A name without regard to case. No letter crosses the border of ASCII: the lower case of U+212A, the Kelvin sign, is
/// an ordinary `k`, and a group spelt with it must not pass for another.
pub(super) fn fold(name: &str) -> String {
    let lower = |letter: char| {
        let stays = move |lower: char| if lower.is_ascii() == letter.is_ascii() { lower } else { letter };
        letter.to_lowercase().map(stays)
    };
    name.chars().flat_map(lower).collect()
}
