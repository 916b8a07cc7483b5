//! What an administrator should know of an account that may be used: restrictions which bind its own logon, and are nobody's to
//! enforce when others act for it.

use std::fmt;

use super::Account;
use crate::schema::{Attribute, UserAccountControl};

/// One restriction.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Restriction {
    /// It may log on at these computers only (`userWorkstations`). Domain controllers hold it against the name that a workstation
    /// gives of itself, which nobody gives for a person who is acted for.
    Workstations(String),
    /// Its password has expired or must be changed at the next logon. Some domain controllers refuse delegation then.
    PasswordMustChange,
    /// It is in a silo of authentication policies (`msDS-AssignedAuthNPolicySilo`), by distinguished name.
    AuthenticationPolicySilo(String),
    /// It has an authentication policy of its own (`msDS-AssignedAuthNPolicy`), by distinguished name.
    AuthenticationPolicy(String),
}

impl Restriction {
    /// The attribute that says so.
    #[must_use]
    pub const fn attribute(&self) -> Attribute {
        match self {
            Self::Workstations(_) => Attribute::USER_WORKSTATIONS,
            Self::PasswordMustChange => Attribute::COMPUTED_ACCOUNT_CONTROL,
            Self::AuthenticationPolicySilo(_) => Attribute::ASSIGNED_AUTHN_POLICY_SILO,
            Self::AuthenticationPolicy(_) => Attribute::ASSIGNED_AUTHN_POLICY,
        }
    }
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workstations(names) => write!(f, "may log on at {names:?} only")?,
            Self::PasswordMustChange => f.write_str("its password has expired or must be changed")?,
            Self::AuthenticationPolicySilo(dn) => write!(f, "is in the authentication policy silo {dn:?}")?,
            Self::AuthenticationPolicy(dn) => write!(f, "has the authentication policy {dn:?}")?,
        }
        write!(f, " ({})", self.attribute())
    }
}

pub(super) fn of(account: &Account) -> Vec<Restriction> {
    let computed = account.computed_account_control.unwrap_or_default();
    let must_change = computed.has(UserAccountControl::PASSWORD_EXPIRED);
    let stated = &account.stated_restrictions;
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    [
        text(&stated.user_workstations).map(Restriction::Workstations),
        must_change.then_some(Restriction::PasswordMustChange),
        text(&stated.authn_policy_silo).map(Restriction::AuthenticationPolicySilo),
        text(&stated.authn_policy).map(Restriction::AuthenticationPolicy),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The attributes, as they stand in the directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Stated {
    pub(super) user_workstations: Option<String>,
    pub(super) authn_policy_silo: Option<String>,
    pub(super) authn_policy: Option<String>,
}

impl Stated {
    /// What cannot be read restricts nothing that is judged here, and is passed over.
    pub(super) fn read(entry: &crate::entry::Entry) -> Self {
        let text = |attribute| entry.optional_text(attribute).ok().flatten().map(str::to_owned);
        Self {
            user_workstations: text(Attribute::USER_WORKSTATIONS),
            authn_policy_silo: text(Attribute::ASSIGNED_AUTHN_POLICY_SILO),
            authn_policy: text(Attribute::ASSIGNED_AUTHN_POLICY),
        }
    }
}
