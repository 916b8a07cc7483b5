//! What the directory says of a delegation: the account that acts for others, the account of the service it acts at, and the
//! person it acts for (MS-SFU 3.2.5, MS-ADA2).
//!
//! Read after a KDC has refused, to find out what is missing. No verdict rests on it.

use std::time::SystemTime;

use crate::account::{Account, AccountExpires};
use crate::dn::Dn;
use crate::entry::{AttributeError, AttributeProblem, Entry, malformed};
use crate::schema::{Attribute, EncryptionTypes, UserAccountControl, rid};
use crate::security_descriptor::{ActingForOthers, SecurityDescriptor, SecurityDescriptorError};
use crate::sid::Sid;

/// Most values of one attribute; directories send 1500 at once.
const MAXIMUM_VALUES: usize = 1500;
/// Longest of them.
const MAXIMUM_LENGTH: usize = 1024;

/// The service classes that a name of the class `host` stands for, as domains have them unless an administrator changed the
/// attribute sPNMappings (MS-DRSR 4.1.4.2.19).
const HOST_CLASSES: [&str; 53] = [
    "alerter",
    "appmgmt",
    "browser",
    "cifs",
    "cisvc",
    "clipsrv",
    "dcom",
    "dhcp",
    "dmserver",
    "dns",
    "dnscache",
    "eventlog",
    "eventsystem",
    "fax",
    "http",
    "ias",
    "iisadmin",
    "mcsvc",
    "messenger",
    "msdtc",
    "msiserver",
    "netdde",
    "netddedsm",
    "netlogon",
    "netman",
    "nmagent",
    "oakley",
    "plugplay",
    "policyagent",
    "protectedstorage",
    "rasman",
    "remoteaccess",
    "replicator",
    "rpc",
    "rpclocator",
    "rpcss",
    "rsvp",
    "samss",
    "scardsvr",
    "scesrv",
    "schedule",
    "scm",
    "seclogon",
    "snmp",
    "spooler",
    "tapisrv",
    "time",
    "trksvr",
    "trkwks",
    "ups",
    "w3svc",
    "wins",
    "www",
];

/// Everyone, and everyone who has proven who he is (MS-DTYP 2.4.2.4): every account that asks is one of them.
const EVERY_ACCOUNT: [&str; 2] = ["S-1-1-0", "S-1-5-11"];

/// What is asked of the directory.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// `sAMAccountName` of the account that acts for others.
    pub account: &'a str,
    /// Its own service principal name.
    pub own_spn: &'a str,
    /// Where the person's account lies.
    pub user: Option<&'a Dn>,
    /// The service principal name that it wants to act at.
    pub target_spn: Option<&'a str>,
}

/// What the directory says, all from one server.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The account that acts for others; `None` where there is none of its name.
    pub own: Option<ServiceAccount>,
    /// The accounts that have its service principal name; more than one is a fault.
    pub own_spn_holders: Vec<ServiceAccount>,
    /// The person's account; `None` where it was not asked for, or is gone.
    pub user: Option<Account>,
    /// What is known of the service; `None` where it was not asked for.
    pub target: Option<Target>,
    /// Who answered, and when.
    pub server: ServerClock,
}

/// A service by its name.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub spn: String,
    /// The accounts that have the name, or that of the class `host` which stands for it; more than one is a fault.
    pub holders: Vec<ServiceAccount>,
    /// The computer of that host name, found by `dNSHostName`.
    pub computer: Option<ServiceAccount>,
}

/// A directory server and its clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerClock {
    /// The server's name.
    pub name: String,
    /// What its clock showed, in whole seconds; `None` where it does not tell.
    pub server_time: Option<SystemTime>,
    /// What ours showed.
    pub local_time: SystemTime,
}

/// An account that services run as: a computer's, or a service's own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceAccount {
    /// Where the object lies.
    pub dn: Dn,
    /// `sAMAccountName`.
    pub sam_account_name: String,
    /// `objectSid`.
    pub object_sid: Sid,
    /// `userAccountControl`.
    pub user_account_control: UserAccountControl,
    /// `msDS-User-Account-Control-Computed`.
    pub computed_account_control: UserAccountControl,
    /// `accountExpires`.
    pub account_expires: AccountExpires,
    /// `pwdLastSet`, whether there is or was a password: without one there are no keys.
    pub password: Password,
    /// `servicePrincipalName`.
    pub service_principal_names: Vec<String>,
    /// `msDS-AllowedToDelegateTo`.
    pub allowed_to_delegate_to: Vec<String>,
    /// `msDS-AllowedToActOnBehalfOfOtherIdentity`.
    pub allowed_to_act: AllowedToAct,
    /// `msDS-SupportedEncryptionTypes`; `None` where the domain's own default holds.
    pub supported_encryption_types: Option<EncryptionTypes>,
    /// `msDS-KeyVersionNumber`.
    pub key_version_number: Option<u32>,
    /// `tokenGroups`, where it was asked for.
    pub groups: Vec<Sid>,
}

/// What `pwdLastSet` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Password {
    /// A time: it was set.
    Set,
    /// 0: it was never set, or must be changed.
    NeverSet,
    /// The attribute is absent or may not be read.
    Unknown,
}

/// Who may act for others at an account, by its own list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AllowedToAct {
    /// There is no list.
    NoList,
    /// A list.
    List(SecurityDescriptor),
    /// Something that is no list.
    Unreadable(SecurityDescriptorError),
}

impl ServiceAccount {
    /// The attributes that [`Self::from_entry`] reads. `tokenGroups` may be asked for beside them, of the object itself.
    pub const ATTRIBUTES: &'static [Attribute] = &[
        Attribute::SAM_ACCOUNT_NAME,
        Attribute::OBJECT_SID,
        Attribute::USER_ACCOUNT_CONTROL,
        Attribute::COMPUTED_ACCOUNT_CONTROL,
        Attribute::ACCOUNT_EXPIRES,
        Attribute::PASSWORD_LAST_SET,
        Attribute::SERVICE_PRINCIPAL_NAME,
        Attribute::ALLOWED_TO_DELEGATE_TO,
        Attribute::ALLOWED_TO_ACT,
        Attribute::SUPPORTED_ENCRYPTION_TYPES,
        Attribute::KEY_VERSION_NUMBER,
    ];

    /// Reads an account.
    ///
    /// # Errors
    /// [`AttributeError`] naming the attribute that is missing or malformed.
    pub fn from_entry(entry: &Entry) -> Result<Self, AttributeError> {
        let sids = entry.values(Attribute::TOKEN_GROUPS)?.iter().map(|value| Sid::from_bytes(value));
        Ok(Self {
            dn: Dn::parse(entry.dn()).map_err(|_| malformed(Attribute::DISTINGUISHED_NAME))?,
            sam_account_name: entry.text(Attribute::SAM_ACCOUNT_NAME)?.to_owned(),
            object_sid: entry.sid()?,
            user_account_control: entry.account_control()?,
            computed_account_control: entry
                .optional_bits(Attribute::COMPUTED_ACCOUNT_CONTROL)?
                .map(UserAccountControl)
                .unwrap_or_default(),
            account_expires: match entry.optional_number(Attribute::ACCOUNT_EXPIRES)? {
                Some(ticks) => {
                    AccountExpires::at(ticks).ok_or_else(|| malformed(Attribute::ACCOUNT_EXPIRES))?
                }
                None => AccountExpires::Never,
            },
            password: match entry.optional_number(Attribute::PASSWORD_LAST_SET)? {
                Some(0) => Password::NeverSet,
                Some(_) => Password::Set,
                None => Password::Unknown,
            },
            service_principal_names: texts(entry, Attribute::SERVICE_PRINCIPAL_NAME)?,
            allowed_to_delegate_to: texts(entry, Attribute::ALLOWED_TO_DELEGATE_TO)?,
            allowed_to_act: match entry.optional(Attribute::ALLOWED_TO_ACT)? {
                None => AllowedToAct::NoList,
                Some(octets) => SecurityDescriptor::parse(octets)
                    .map_or_else(AllowedToAct::Unreadable, AllowedToAct::List),
            },
            supported_encryption_types: entry
                .optional_bits(Attribute::SUPPORTED_ENCRYPTION_TYPES)?
                .map(EncryptionTypes),
            key_version_number: entry.optional_bits(Attribute::KEY_VERSION_NUMBER)?,
            groups: sids.collect::<Result<_, _>>().map_err(|_| malformed(Attribute::TOKEN_GROUPS))?,
        })
    }

    /// Whether it has this service principal name, whatever the case of the letters.
    #[must_use]
    pub fn has_spn(&self, spn: &str) -> bool {
        self.service_principal_names.iter().any(|own| own.eq_ignore_ascii_case(spn))
    }

    /// Whether its list names this service as one it may act for others at (`msDS-AllowedToDelegateTo`).
    #[must_use]
    pub fn may_delegate_to(&self, spn: &str) -> bool {
        self.allowed_to_delegate_to.iter().any(|listed| listed.eq_ignore_ascii_case(spn))
    }

    /// What its own list says of `other` (`msDS-AllowedToActOnBehalfOfOtherIdentity`), which it names itself or by a group;
    /// `None` without a list that can be read.
    #[must_use]
    pub fn lets_act(&self, other: &Self) -> Option<ActingForOthers> {
        let AllowedToAct::List(list) = &self.allowed_to_act else { return None };
        let every: Vec<Sid> = EVERY_ACCOUNT.iter().filter_map(|text| text.parse().ok()).collect();
        let sids: Vec<&Sid> = std::iter::once(&other.object_sid).chain(&other.groups).chain(&every).collect();
        Some(list.acting_for_others(&sids))
    }

    /// Whether it belongs to Protected Users; known only where its groups were asked for.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        let group = self.object_sid.sibling(rid::PROTECTED_USERS);
        self.groups.contains(&group)
    }
}

/// The name by which a computer has the service too, of the class `host`, where there is one.
#[must_use]
pub fn host_spn(spn: &str) -> Option<String> {
    let (class, rest) = spn.split_once('/')?;
    let stands = HOST_CLASSES.iter().any(|mapped| mapped.eq_ignore_ascii_case(class));
    stands.then(|| format!("host/{rest}"))
}

/// The host of a service principal name: what stands between the class and a port or a service name.
#[must_use]
pub fn host_of(spn: &str) -> Option<&str> {
    let (_, rest) = spn.split_once('/')?;
    rest.split(['/', ':']).next().filter(|host| !host.is_empty())
}

fn texts(entry: &Entry, attribute: Attribute) -> Result<Vec<String>, AttributeError> {
    let values = entry.values(attribute)?;
    if values.len() > MAXIMUM_VALUES {
        return Err(AttributeError { attribute, problem: AttributeProblem::Incomplete });
    }
    let text =
        |value: &Vec<u8>| String::from_utf8(value.clone()).ok().filter(|text| text.len() <= MAXIMUM_LENGTH);
    values.iter().map(|value| text(value).ok_or_else(|| malformed(attribute))).collect()
}

#[cfg(test)]
mod tests;
