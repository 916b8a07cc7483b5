//! A computer of the domain, as far as it is somebody's target.

use crate::dn::Dn;
use crate::entry::{AttributeError, AttributeProblem, Entry, malformed};
use crate::groups::Group;
use crate::guid::Guid;
use crate::schema::{Attribute, UserAccountControl};
use crate::sid::Sid;

/// Most groups of one computer; a Windows access token cannot hold more than 1024.
const MAXIMUM_GROUPS: usize = 2048;

/// What the directory says of one computer, read in one search of the object itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Computer {
    /// Where the object lies.
    pub dn: Dn,
    /// `objectSid`.
    pub object_sid: Sid,
    /// `objectGUID`: what stays the same when it is renamed or moved.
    pub object_guid: Guid,
    /// `dNSHostName`, in lower case.
    pub dns_host_name: String,
    /// `userAccountControl`.
    pub user_account_control: UserAccountControl,
    /// `tokenGroups`: every group, nested ones included. Never empty.
    pub groups: Vec<Group>,
}

impl Computer {
    /// The attributes that [`Self::from_entry`] reads.
    pub const ATTRIBUTES: &'static [Attribute] = &[
        Attribute::OBJECT_SID,
        Attribute::OBJECT_GUID,
        Attribute::DNS_HOST_NAME,
        Attribute::USER_ACCOUNT_CONTROL,
        Attribute::TOKEN_GROUPS,
    ];

    /// Reads a computer; its groups have no names yet.
    ///
    /// # Errors
    /// [`AttributeError`] naming the attribute that is missing or malformed.
    pub fn from_entry(entry: &Entry) -> Result<Self, AttributeError> {
        Ok(Self {
            dn: Dn::parse(entry.dn()).map_err(|_| malformed(Attribute::DISTINGUISHED_NAME))?,
            object_sid: entry.sid()?,
            object_guid: entry.guid()?,
            dns_host_name: entry.text(Attribute::DNS_HOST_NAME)?.to_ascii_lowercase(),
            user_account_control: entry.account_control()?,
            groups: groups(entry)?,
        })
    }

    /// Whether an administrator disabled its account (`userAccountControl`, ACCOUNTDISABLE).
    #[must_use]
    pub const fn is_disabled(&self) -> bool {
        self.user_account_control.has(UserAccountControl::ACCOUNT_DISABLE)
    }

    /// Whether it is a domain controller, a read-only one among them (`userAccountControl`, SERVER_TRUST_ACCOUNT,
    /// PARTIAL_SECRETS_ACCOUNT).
    #[must_use]
    pub const fn is_domain_controller(&self) -> bool {
        self.user_account_control.has(UserAccountControl::SERVER_TRUST_ACCOUNT)
            || self.user_account_control.has(UserAccountControl::PARTIAL_SECRETS_ACCOUNT)
    }
}

fn groups(entry: &Entry) -> Result<Vec<Group>, AttributeError> {
    let attribute = Attribute::TOKEN_GROUPS;
    let values = entry.values(attribute)?;
    if values.is_empty() {
        // Every computer has at least its primary group.
        return Err(AttributeError { attribute, problem: AttributeProblem::Missing });
    }
    if values.len() > MAXIMUM_GROUPS {
        return Err(AttributeError { attribute, problem: AttributeProblem::Incomplete });
    }
    let group = |value: &Vec<u8>| Sid::from_bytes(value).map(|sid| Group { sid, sam_account_name: None });
    values.iter().map(|value| group(value).map_err(|_| malformed(attribute))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Person;

    fn desk() -> Person {
        Person::new("DESK1$")
            .with("dNSHostName", &["Desk1.Corp.Example"])
            .with("userAccountControl", &["4096"])
            .with("objectClass", &["top", "person", "organizationalPerson", "user", "computer"])
    }

    #[test]
    fn a_computer_is_read_with_its_groups() {
        let computer = Computer::from_entry(&desk().entry()).unwrap();
        assert_eq!(("desk1.corp.example", 1), (computer.dns_host_name.as_str(), computer.groups.len()));
        assert!(!computer.is_disabled());
        let disabled = desk().with("userAccountControl", &["4098"]);
        assert!(Computer::from_entry(&disabled.entry()).unwrap().is_disabled());
        for (control, is_controller) in [("4096", false), ("532480", true), ("83890176", true)] {
            let computer = Computer::from_entry(&desk().with("userAccountControl", &[control]).entry());
            assert_eq!(computer.unwrap().is_domain_controller(), is_controller, "{control}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for attribute in ["dNSHostName", "tokenGroups", "userAccountControl"] {
            let error = Computer::from_entry(&desk().without(attribute).entry()).unwrap_err();
            assert!(
                error.to_string().to_ascii_lowercase().contains(&attribute.to_ascii_lowercase()),
                "{error}"
            );
        }
    }
}
