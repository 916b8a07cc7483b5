//! One account of the directory, and whether it may be used.

mod restrictions;
mod usable;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use crate::dn::Dn;
use crate::entry::{AttributeError, AttributeProblem, Entry, malformed};
use crate::groups::Group;
use crate::guid::Guid;
use crate::logon_hours::LogonHours;
use crate::schema::{Attribute, UserAccountControl};
use crate::sid::Sid;
use crate::time::{from_filetime, from_generalized_time};
use crate::upn::{Upn, same_ignoring_case};

pub use restrictions::Restriction;
pub use usable::{NotAPerson, NotUsable};

/// Most groups of one account; a Windows access token cannot hold more than 1024.
const MAXIMUM_GROUPS: usize = 2048;
/// Most classes of one object.
const MAXIMUM_CLASSES: usize = 32;
/// Most values of `altSecurityIdentities`; a directory sends no more than 1500 at once.
const MAXIMUM_IDENTITIES: usize = 1500;
/// Longest account name; the schema allows 256 characters.
const MAXIMUM_NAME: usize = 1024;

/// What the directory says of one account, read in one search of the object itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Account {
    /// Where the object lies.
    pub dn: Dn,
    /// `objectSid`: what a ticket's PAC is compared with.
    pub object_sid: Sid,
    /// `objectGUID`: what stays the same when the account is renamed or moved.
    pub object_guid: Guid,
    /// `sAMAccountName`: the name in the account's own domain.
    pub sam_account_name: String,
    /// `userPrincipalName`, when the account has an explicit one.
    pub user_principal_name: Option<Upn>,
    /// `userAccountControl`.
    pub user_account_control: UserAccountControl,
    /// `msDS-User-Account-Control-Computed`: which of the bits hold now, the server's lockout duration taken
    /// into account. `None` when the server does not say.
    pub computed_account_control: Option<UserAccountControl>,
    /// `accountExpires`.
    pub account_expires: AccountExpires,
    /// `lockoutTime`: when the account was last locked. A time here does not mean that it still is.
    pub lockout_time: Option<SystemTime>,
    /// `logonHours`; `None` where the account may log on at any hour.
    pub logon_hours: Option<LogonHours>,
    /// `whenCreated`.
    pub when_created: SystemTime,
    /// `primaryGroupID`.
    pub primary_group_id: Option<u32>,
    /// `sAMAccountType`.
    pub sam_account_type: u32,
    /// `objectClass`, most general first.
    pub object_classes: Vec<String>,
    /// `tokenGroups`: every group, nested ones included. Never empty.
    pub groups: Vec<Group>,
    /// `uSNChanged`: counts the changes of the server that was asked, and means nothing at another one. `None` where the server
    /// does not say.
    pub usn_changed: Option<i64>,
    /// `altSecurityIdentities`: which certificates are the account's, among others. Texts as they stand in the directory.
    pub alt_security_identities: Vec<String>,
    stated_restrictions: restrictions::Stated,
    dns_domain: String,
}

/// `accountExpires`: the moment from which the account may not be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AccountExpires {
    /// 0 or 2^63-1.
    Never,
    /// Any other value.
    At(SystemTime),
}

impl AccountExpires {
    /// The attribute's number; `None` for times that cannot be expressed.
    pub(crate) fn at(ticks: i64) -> Option<Self> {
        match ticks {
            0 | i64::MAX => Some(Self::Never),
            ticks => filetime(ticks).map(Self::At),
        }
    }

    /// Whether the moment has come at `now`.
    #[must_use]
    pub fn has_come(self, now: SystemTime) -> bool {
        matches!(self, Self::At(moment) if moment <= now)
    }
}

impl Account {
    /// The attributes that [`Self::from_entry`] reads.
    pub const ATTRIBUTES: &'static [Attribute] = &[
        Attribute::OBJECT_SID,
        Attribute::OBJECT_GUID,
        Attribute::SAM_ACCOUNT_NAME,
        Attribute::USER_PRINCIPAL_NAME,
        Attribute::USER_ACCOUNT_CONTROL,
        Attribute::COMPUTED_ACCOUNT_CONTROL,
        Attribute::ACCOUNT_EXPIRES,
        Attribute::LOCKOUT_TIME,
        Attribute::WHEN_CREATED,
        Attribute::PRIMARY_GROUP_ID,
        Attribute::SAM_ACCOUNT_TYPE,
        Attribute::OBJECT_CLASS,
        Attribute::TOKEN_GROUPS,
        Attribute::LOGON_HOURS,
        Attribute::ALT_SECURITY_IDENTITIES,
        Attribute::USER_WORKSTATIONS,
        Attribute::ASSIGNED_AUTHN_POLICY_SILO,
        Attribute::ASSIGNED_AUTHN_POLICY,
        Attribute::USN_CHANGED,
    ];

    /// Reads an account; its groups have no names yet.
    ///
    /// # Errors
    /// [`AttributeError`] naming the attribute that is missing or malformed. Groups are required: without them
    /// nobody could say that the account is not one of the Protected Users.
    pub fn from_entry(entry: &Entry) -> Result<Self, AttributeError> {
        let dn = Dn::parse(entry.dn()).map_err(|_| malformed(Attribute::DISTINGUISHED_NAME))?;
        let dns_domain = dn.dns_domain().ok_or_else(|| malformed(Attribute::DISTINGUISHED_NAME))?;
        Ok(Self {
            dns_domain,
            dn,
            object_sid: entry.sid()?,
            object_guid: entry.guid()?,
            sam_account_name: account_name(entry)?,
            user_principal_name: principal_name(entry)?,
            user_account_control: entry.account_control()?,
            computed_account_control: entry
                .optional_bits(Attribute::COMPUTED_ACCOUNT_CONTROL)?
                .map(UserAccountControl),
            account_expires: account_expires(entry)?,
            lockout_time: lockout_time(entry)?,
            logon_hours: logon_hours(entry)?,
            when_created: from_generalized_time(entry.text(Attribute::WHEN_CREATED)?)
                .map_err(|_| malformed(Attribute::WHEN_CREATED))?,
            primary_group_id: entry.optional_bits(Attribute::PRIMARY_GROUP_ID)?,
            sam_account_type: entry.bits(Attribute::SAM_ACCOUNT_TYPE)?,
            object_classes: object_classes(entry)?,
            groups: token_groups(entry)?,
            usn_changed: entry.optional_number(Attribute::USN_CHANGED)?,
            alt_security_identities: alt_security_identities(entry)?,
            stated_restrictions: restrictions::Stated::read(entry),
        })
    }

    /// The DNS name of the account's own domain in lower case, from the `DC` parts of its name.
    #[must_use]
    pub fn dns_domain(&self) -> &str {
        &self.dns_domain
    }

    /// Whether this is the account of that name: its explicit `userPrincipalName`, or the implicit
    /// `sAMAccountName@dns-domain` that every account also has (MS-ADTS 5.1.1.1.1).
    #[must_use]
    pub fn answers_to(&self, upn: &Upn) -> bool {
        let explicit = self.user_principal_name.as_ref().is_some_and(|own| own.matches(upn));
        let implicit = same_ignoring_case(&self.sam_account_name, upn.user())
            && same_ignoring_case(&self.dns_domain, upn.suffix());
        explicit || implicit
    }

    /// What an administrator should know of the account beside: it forbids nothing here.
    #[must_use]
    pub fn restrictions(&self) -> Vec<Restriction> {
        restrictions::of(self)
    }

    /// Refuses an account that must not be used at `now`.
    ///
    /// # Errors
    /// [`NotUsable`] naming the attribute and its value; when several reasons hold, the one that says most: no
    /// person at all, then disabled, expired, locked, outside its hours, then the two that forbid delegation only.
    ///
    /// A password that has expired or must be changed is no reason: nobody has shown one.
    pub fn check_usable(&self, now: SystemTime) -> Result<(), NotUsable> {
        usable::check(self, now)
    }
}

/// Characters that separate parts of names elsewhere are refused: the name becomes a Kerberos principal.
fn account_name(entry: &Entry) -> Result<String, AttributeError> {
    let attribute = Attribute::SAM_ACCOUNT_NAME;
    let name = entry.text(attribute)?;
    let stranger = |character: char| character.is_control() || matches!(character, '/' | '\\' | '@');
    if name.is_empty() || name.len() > MAXIMUM_NAME || name.contains(stranger) {
        return Err(malformed(attribute));
    }
    Ok(name.to_owned())
}

fn principal_name(entry: &Entry) -> Result<Option<Upn>, AttributeError> {
    let attribute = Attribute::USER_PRINCIPAL_NAME;
    entry.optional_text(attribute)?.map(Upn::parse).transpose().map_err(|_| malformed(attribute))
}

fn account_expires(entry: &Entry) -> Result<AccountExpires, AttributeError> {
    let attribute = Attribute::ACCOUNT_EXPIRES;
    let ticks = entry.text(attribute)?.parse().map_err(|_| malformed(attribute))?;
    AccountExpires::at(ticks).ok_or_else(|| malformed(attribute))
}

fn lockout_time(entry: &Entry) -> Result<Option<SystemTime>, AttributeError> {
    let attribute = Attribute::LOCKOUT_TIME;
    match entry.optional_number(attribute)? {
        None | Some(0) => Ok(None),
        Some(ticks) => filetime(ticks).map(Some).ok_or_else(|| malformed(attribute)),
    }
}

fn logon_hours(entry: &Entry) -> Result<Option<LogonHours>, AttributeError> {
    let attribute = Attribute::LOGON_HOURS;
    entry.optional(attribute)?.map(LogonHours::parse).transpose().map_err(|_| malformed(attribute))
}

fn filetime(ticks: i64) -> Option<SystemTime> {
    from_filetime(u64::try_from(ticks).ok()?).ok()
}

fn object_classes(entry: &Entry) -> Result<Vec<String>, AttributeError> {
    let attribute = Attribute::OBJECT_CLASS;
    let values = entry.values(attribute)?;
    if values.is_empty() || values.len() > MAXIMUM_CLASSES {
        return Err(malformed(attribute));
    }
    values.iter().map(|value| String::from_utf8(value.clone()).map_err(|_| malformed(attribute))).collect()
}

fn alt_security_identities(entry: &Entry) -> Result<Vec<String>, AttributeError> {
    let attribute = Attribute::ALT_SECURITY_IDENTITIES;
    let values = entry.values(attribute)?;
    if values.len() > MAXIMUM_IDENTITIES {
        return Err(AttributeError { attribute, problem: AttributeProblem::Incomplete });
    }
    values.iter().map(|value| String::from_utf8(value.clone()).map_err(|_| malformed(attribute))).collect()
}

fn token_groups(entry: &Entry) -> Result<Vec<Group>, AttributeError> {
    let attribute = Attribute::TOKEN_GROUPS;
    let values = entry.values(attribute)?;
    if values.is_empty() {
        // Every account has at least its primary group.
        return Err(AttributeError { attribute, problem: AttributeProblem::Missing });
    }
    if values.len() > MAXIMUM_GROUPS {
        return Err(AttributeError { attribute, problem: AttributeProblem::Incomplete });
    }
    let group = |value: &Vec<u8>| Sid::from_bytes(value).map(|sid| Group { sid, sam_account_name: None });
    values.iter().map(|value| group(value).map_err(|_| malformed(attribute))).collect()
}
