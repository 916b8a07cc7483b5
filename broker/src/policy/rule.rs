//! Rules, as written and as compiled.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ldap_map::groups::Group;
use ldap_map::sid::Sid;

use super::service::ServiceClass;
use super::target::TargetPattern;
use crate::directory::{DirectoryAccount, Home};

/// One rule as the configuration writes it; [`super::Policy::compile`] reads the texts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rule {
    /// Its name in decisions and logs; unique.
    pub id: String,
    /// Groups, by sAMAccountName, `sAMAccountName@REALM` for one of another realm, or SID (`S-1-5-...`). The account must
    /// be in one of them.
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

/// A rule whose texts have been read.
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
    /// By its sAMAccountName; directories compare it without regard to case.
    Name {
        /// As `fold` gives it.
        name: String,
        /// In capitals; `None` for a group of our own domain.
        realm: Option<String>,
    },
}

impl GroupRef {
    /// The realm of a group that is not of our own domain, in capitals.
    pub(super) fn realm(&self) -> Option<&String> {
        match self {
            Self::Sid(_) => None,
            Self::Name { realm, .. } => realm.as_ref(),
        }
    }
}

impl FromStr for GroupRef {
    type Err = GroupProblem;

    fn from_str(text: &str) -> Result<Self, GroupProblem> {
        const LONGEST: usize = 256;
        if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("S-1-")) {
            return text.to_ascii_uppercase().parse().map(Self::Sid).map_err(|_| GroupProblem::Sid);
        }
        let (name, realm) = match text.rsplit_once('@') {
            Some((name, realm)) => (name, Some(realm.to_ascii_uppercase())),
            None => (text, None),
        };
        let fits = !name.is_empty()
            && name.chars().count() <= LONGEST
            && name.trim() == name
            && !name.chars().any(|letter| letter.is_control() || letter == '@')
            && realm.as_ref().is_none_or(|realm| !realm.is_empty());
        if fits { Ok(Self::Name { name: fold(name), realm }) } else { Err(GroupProblem::Name) }
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(sid) => sid.fmt(f),
            Self::Name { name, realm: None } => f.write_str(name),
            Self::Name { name, realm: Some(realm) } => write!(f, "{name}@{realm}"),
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
    #[error(
        "a group is named by its SID or its sAMAccountName, without spaces around it, and with @REALM behind it if it is \
         another realm's"
    )]
    Name,
}

/// What an account is a member of, by the word of its own directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    pub(super) held: Vec<Held>,
    /// The realm of the account in capitals, where it is not our own.
    pub(super) foreign: Option<String>,
}

/// One group of an account.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) sid: Sid,
    /// As [`fold`] gives it.
    pub(super) name: Option<String>,
}

impl Membership {
    /// The directory of another domain is believed about groups of that domain only: not about ours, nor about those of
    /// BUILTIN and the like, which have the same SIDs everywhere.
    pub(super) fn of(account: &DirectoryAccount) -> Self {
        let is_foreign = *account.home() != Home::Own;
        let account = account.account();
        let domain = account.object_sid.domain();
        let counts = |group: &&Group| !is_foreign || (domain.is_some() && group.sid.domain() == domain);
        let held = |group: &Group| Held {
            sid: group.sid.clone(),
            name: group.sam_account_name.as_deref().map(fold),
        };
        Self {
            held: account.groups.iter().filter(counts).map(held).collect(),
            foreign: is_foreign.then(|| account.dns_domain().to_ascii_uppercase()),
        }
    }

    /// What the domain controller says too. Of groups that no PAC names the directory's word remains.
    pub(super) fn confirmed_by(&self, pac: &[Sid]) -> Self {
        let is_vouched = |held: &&Held| !is_vouchable(&held.sid) || pac.contains(&held.sid);
        let held = self.held.iter().filter(is_vouched).cloned().collect();
        Self { held, foreign: self.foreign.clone() }
    }

    /// What either of them says. What the domain controller alone names has a SID and no name.
    pub(super) fn with(&self, pac: impl Iterator<Item = Sid>) -> Self {
        let is_new = |sid: &Sid| !self.held.iter().any(|held| held.sid == *sid);
        let further = pac.filter(is_new).map(|sid| Held { sid, name: None });
        Self { held: self.held.iter().cloned().chain(further).collect(), foreign: self.foreign.clone() }
    }

    /// The SIDs of the groups that one of these references means.
    pub(super) fn among(&self, groups: &[GroupRef]) -> Vec<Sid> {
        let is_meant = |held: &&Held| groups.iter().any(|group| self.is(held, group));
        self.held.iter().filter(is_meant).map(|held| held.sid.clone()).collect()
    }

    /// A name alone means a group of our own domain: whoever runs another domain can make one of the same name there.
    fn is(&self, held: &Held, group: &GroupRef) -> bool {
        match group {
            GroupRef::Sid(sid) => held.sid == *sid,
            GroupRef::Name { name, realm } => held.name.as_ref() == Some(name) && *realm == self.foreign,
        }
    }
}

/// Whether a PAC can name the group: only those of domains are in one.
pub(crate) fn is_vouchable(group: &Sid) -> bool {
    group.as_bytes().starts_with(&OF_A_DOMAIN)
}

/// The first octets of every SID of a domain, `S-1-5-21-` and four more numbers (MS-DTYP 2.4.2.4).
const OF_A_DOMAIN: [u8; 12] = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0];

/// A name without regard to case. No letter crosses the border of ASCII: the lower case of U+212A, the Kelvin sign, is
/// an ordinary `k`, and a group spelt with it must not pass for another.
pub(super) fn fold(name: &str) -> String {
    let lower = |letter: char| {
        let stays = move |lower: char| if lower.is_ascii() == letter.is_ascii() { lower } else { letter };
        letter.to_lowercase().map(stays)
    };
    name.chars().flat_map(lower).collect()
}
