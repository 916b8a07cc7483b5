//! The reasons not to use an account, in the order in which they are told.

use std::time::SystemTime;

use super::{Account, AccountExpires};
use crate::logon_hours::HourOfWeek;
use crate::schema::{Attribute, SAM_NORMAL_USER_ACCOUNT, UserAccountControl, rid};
use crate::sid::Sid;

/// Why an account must not be used. Each reason names the attribute that says so, and its value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotUsable {
    /// The object is not the account of a person.
    #[error("the account is not a person's: {0}")]
    NotAPerson(#[source] NotAPerson),
    /// An administrator disabled the account (`userAccountControl`, ACCOUNTDISABLE).
    #[error("the account is disabled: userAccountControl is {user_account_control}")]
    Disabled {
        /// The attribute's value.
        user_account_control: UserAccountControl,
    },
    /// The end of the account's life has come (`accountExpires`).
    #[error("the account has expired: accountExpires has passed")]
    Expired {
        /// The attribute's value.
        account_expires: SystemTime,
    },
    /// The account is locked. The computed attribute decides: `lockoutTime` keeps its value after the domain's
    /// lockout duration is over.
    #[error("the account is locked: msDS-User-Account-Control-Computed is {computed_account_control}")]
    Locked {
        /// The attribute's value.
        computed_account_control: UserAccountControl,
    },
    /// The server does not compute whether the account is locked, and `lockoutTime` says that it was.
    #[error(
        "the account may be locked: lockoutTime is set and msDS-User-Account-Control-Computed is missing"
    )]
    PerhapsLocked {
        /// The value of `lockoutTime`.
        lockout_time: SystemTime,
    },
    /// The hour is none of those in which the account may log on (`logonHours`). Some domain controllers do not look at
    /// them for S4U2Self.
    #[error("the account may not log on at this hour: logonHours does not hold {hour}")]
    OutsideLogonHours {
        /// The present hour.
        hour: HourOfWeek,
    },
    /// The account belongs to Protected Users (`tokenGroups`), whose members must not be delegated. Some domain
    /// controllers would issue the ticket nevertheless.
    #[error("the account is one of the protected users: tokenGroups holds {group}")]
    ProtectedUser {
        /// The group's SID.
        group: Sid,
    },
    /// "Account is sensitive and cannot be delegated" (`userAccountControl`, NOT_DELEGATED).
    #[error("the account cannot be delegated: userAccountControl is {user_account_control}")]
    NotDelegated {
        /// The attribute's value.
        user_account_control: UserAccountControl,
    },
}

impl NotUsable {
    /// The attribute that speaks against the account.
    #[must_use]
    pub const fn attribute(&self) -> Attribute {
        match self {
            Self::NotAPerson(reason) => reason.attribute(),
            Self::Disabled { .. } | Self::NotDelegated { .. } => Attribute::USER_ACCOUNT_CONTROL,
            Self::Expired { .. } => Attribute::ACCOUNT_EXPIRES,
            Self::Locked { .. } => Attribute::COMPUTED_ACCOUNT_CONTROL,
            Self::PerhapsLocked { .. } => Attribute::LOCKOUT_TIME,
            Self::OutsideLogonHours { .. } => Attribute::LOGON_HOURS,
            Self::ProtectedUser { .. } => Attribute::TOKEN_GROUPS,
        }
    }
}

/// Why an object is not the account of a person.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAPerson {
    /// A class that only computers and service accounts have.
    #[error("objectClass holds {0}")]
    ObjectClass(String),
    /// Another kind than SAM_NORMAL_USER_ACCOUNT: a computer, a trust, a group.
    #[error("sAMAccountType is {0:#x}, not {SAM_NORMAL_USER_ACCOUNT:#x}")]
    SamAccountType(u32),
    /// A name that ends in `$`, as only computers', trusts' and managed service accounts' may: looked up without
    /// the `$` it would be another account's.
    #[error("sAMAccountName {0:?} ends in a dollar sign")]
    SamAccountName(String),
    /// A bit of a computer or trust is set, or that of an ordinary account is not.
    #[error("userAccountControl is {0}, which is not that of an ordinary account")]
    UserAccountControl(UserAccountControl),
    /// The primary group is one of those of computers.
    #[error("primaryGroupID is {0}, a group of computers")]
    PrimaryGroup(u32),
    /// The account of the Kerberos service itself, or of a read-only domain controller's.
    #[error("objectSid {0} is that of a Kerberos service")]
    Krbtgt(Sid),
}

impl NotAPerson {
    /// The attribute that says so.
    #[must_use]
    pub const fn attribute(&self) -> Attribute {
        match self {
            Self::ObjectClass(_) => Attribute::OBJECT_CLASS,
            Self::SamAccountType(_) => Attribute::SAM_ACCOUNT_TYPE,
            Self::SamAccountName(_) => Attribute::SAM_ACCOUNT_NAME,
            Self::UserAccountControl(_) => Attribute::USER_ACCOUNT_CONTROL,
            Self::PrimaryGroup(_) => Attribute::PRIMARY_GROUP_ID,
            Self::Krbtgt(_) => Attribute::OBJECT_SID,
        }
    }
}

pub(super) fn check(account: &Account, now: SystemTime) -> Result<(), NotUsable> {
    check_person(account).map_err(NotUsable::NotAPerson)?;
    let user_account_control = account.user_account_control;
    if user_account_control.has(UserAccountControl::ACCOUNT_DISABLE) {
        return Err(NotUsable::Disabled { user_account_control });
    }
    match account.account_expires {
        AccountExpires::At(account_expires) if account_expires <= now => {
            return Err(NotUsable::Expired { account_expires });
        }
        AccountExpires::At(_) | AccountExpires::Never => {}
    }
    check_locked(account)?;
    let hour = HourOfWeek::of(now);
    if account.logon_hours.is_some_and(|hours| !hours.allow(hour)) {
        return Err(NotUsable::OutsideLogonHours { hour });
    }
    let group = account.object_sid.sibling(rid::PROTECTED_USERS);
    if account.groups.iter().any(|member_of| member_of.sid == group) {
        return Err(NotUsable::ProtectedUser { group });
    }
    if user_account_control.has(UserAccountControl::NOT_DELEGATED) {
        return Err(NotUsable::NotDelegated { user_account_control });
    }
    Ok(())
}

fn check_person(account: &Account) -> Result<(), NotAPerson> {
    const CLASSES: [&str; 4] = [
        "computer",
        "msDS-ManagedServiceAccount",
        "msDS-GroupManagedServiceAccount",
        "msDS-DelegatedManagedServiceAccount",
    ];
    const TRUSTS: UserAccountControl = UserAccountControl(
        UserAccountControl::INTERDOMAIN_TRUST_ACCOUNT.0
            | UserAccountControl::WORKSTATION_TRUST_ACCOUNT.0
            | UserAccountControl::SERVER_TRUST_ACCOUNT.0
            | UserAccountControl::TEMP_DUPLICATE_ACCOUNT.0,
    );
    let is_machine = |class: &&String| CLASSES.iter().any(|machine| class.eq_ignore_ascii_case(machine));
    if let Some(class) = account.object_classes.iter().find(is_machine) {
        return Err(NotAPerson::ObjectClass(class.clone()));
    }
    if account.sam_account_type != SAM_NORMAL_USER_ACCOUNT {
        return Err(NotAPerson::SamAccountType(account.sam_account_type));
    }
    if account.sam_account_name.ends_with('$') {
        return Err(NotAPerson::SamAccountName(account.sam_account_name.clone()));
    }
    let bits = account.user_account_control;
    if bits.has(TRUSTS) || !bits.has(UserAccountControl::NORMAL_ACCOUNT) {
        return Err(NotAPerson::UserAccountControl(bits));
    }
    if let Some(
        group @ (rid::DOMAIN_COMPUTERS | rid::DOMAIN_CONTROLLERS | rid::READ_ONLY_DOMAIN_CONTROLLERS),
    ) = account.primary_group_id
    {
        return Err(NotAPerson::PrimaryGroup(group));
    }
    // A read-only domain controller has a krbtgt of its own, named krbtgt_ and a number.
    let name = account.sam_account_name.to_ascii_lowercase();
    let numbered = name.strip_prefix("krbtgt_").is_some_and(|rest| rest.bytes().all(|c| c.is_ascii_digit()));
    if account.object_sid.rid() == rid::KRBTGT || name == "krbtgt" || numbered {
        return Err(NotAPerson::Krbtgt(account.object_sid.clone()));
    }
    Ok(())
}

fn check_locked(account: &Account) -> Result<(), NotUsable> {
    match (account.computed_account_control, account.lockout_time) {
        (Some(computed_account_control), _) if computed_account_control.has(UserAccountControl::LOCKOUT) => {
            Err(NotUsable::Locked { computed_account_control })
        }
        (None, Some(lockout_time)) => Err(NotUsable::PerhapsLocked { lockout_time }),
        _ => Ok(()),
    }
}
