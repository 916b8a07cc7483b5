//! The groups of the grant, held against the evidence: the directory says that the account is in them, the domain
//! controller must say so too.

use std::fmt;

use kdc_proxy::message::pac::GroupMembership;
use ldap_map::sid::Sid;
use thiserror::Error;

/// The first octets of every SID of a domain, `S-1-5-21-` and four more numbers (MS-DTYP 2.4.2.4).
const OF_A_DOMAIN: [u8; 12] = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0];

/// SE_GROUP_USE_FOR_DENY_ONLY (MS-PAC 2.2.1): the group takes rights away and gives none.
const USE_FOR_DENY_ONLY: u32 = 0x10;

/// The account is in none of the groups that the rule permits by, says the domain controller: somebody took it out of them
/// at this moment, or somebody forges what the directory answers. Always a security event.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "the directory says that the account is a member of {}, which rule {rule:?} permits, but its PAC says that it is not; \
     if its groups were changed just now, directory.servers have not replicated to kerberos.kdcs, or kerberos.s4u_cache \
     keeps evidence of before",
    Listed(.groups)
)]
pub struct NotVouched {
    /// The rule's id.
    pub rule: String,
    /// The groups by the directory's word.
    pub groups: Vec<Sid>,
}

/// By which group the account is permitted, and who says that it is a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Membership {
    /// The directory, and the domain controller in the PAC.
    Vouched(Sid),
    /// The directory alone. Groups that are no domain's, those of BUILTIN (`S-1-5-32-`) and the well-known ones, are never in
    /// a PAC: whoever reads it adds those of his own computer. Domain-local groups are in it (MS-KILE 3.3.5.7.3).
    Unvouchable(Sid),
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vouched(sid) => write!(f, "member of {sid} by directory and PAC"),
            Self::Unvouchable(sid) => {
                write!(f, "member of {sid} by the directory alone, since no PAC names such groups")
            }
        }
    }
}

/// Looks for one of `groups`, which are those of the grant, among those of the PAC.
pub(super) fn check(rule: &str, groups: &[Sid], pac: &[GroupMembership]) -> Result<Membership, NotVouched> {
    let is_vouched = |group: &&Sid| {
        pac.iter().any(|vouched| {
            vouched.sid.as_bytes() == group.as_bytes() && vouched.attributes & USE_FOR_DENY_ONLY == 0
        })
    };
    if let Some(group) = groups.iter().find(is_vouched) {
        return Ok(Membership::Vouched(group.clone()));
    }
    match groups.iter().find(|group| !is_vouchable(group)) {
        Some(group) => Ok(Membership::Unvouchable(group.clone())),
        None => Err(NotVouched { rule: rule.to_owned(), groups: groups.to_vec() }),
    }
}

/// Whether a PAC can name the group: only those of domains are in one.
pub(crate) fn is_vouchable(group: &Sid) -> bool {
    group.as_bytes().starts_with(&OF_A_DOMAIN)
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

#[cfg(test)]
mod tests {
    use super::*;

    const STAFF: &str = "S-1-5-21-1-2-3-2001";
    const REMOTE_DESKTOP_USERS: &str = "S-1-5-32-555";

    fn sids(texts: &[&str]) -> Vec<Sid> {
        texts.iter().map(|text| text.parse().expect("a SID")).collect()
    }

    fn pac(groups: &[(&str, u32)]) -> Vec<GroupMembership> {
        let group = |(text, attributes): &(&str, u32)| {
            let sid: Sid = text.parse().expect("a SID");
            let sid = kdc_proxy::message::pac::Sid::parse(sid.as_bytes()).expect("a SID");
            GroupMembership { sid, attributes: *attributes }
        };
        groups.iter().map(group).collect()
    }

    fn checked(groups: &[&str], vouched: &[(&str, u32)]) -> Result<Membership, NotVouched> {
        check("desktop-users", &sids(groups), &pac(vouched))
    }

    fn sid(text: &str) -> Sid {
        text.parse().expect("a SID")
    }

    #[test]
    fn a_group_of_the_pac_is_vouched_for() {
        assert_eq!(checked(&[STAFF], &[(STAFF, 7)]), Ok(Membership::Vouched(sid(STAFF))));
    }

    #[test]
    fn a_resource_group_of_the_pac_is_vouched_for() {
        assert_eq!(checked(&[STAFF], &[(STAFF, 0x2000_0007)]), Ok(Membership::Vouched(sid(STAFF))));
    }

    #[test]
    fn one_of_several_groups_is_enough() {
        let groups = ["S-1-5-21-1-2-3-2002", REMOTE_DESKTOP_USERS, STAFF];
        assert_eq!(checked(&groups, &[(STAFF, 7)]), Ok(Membership::Vouched(sid(STAFF))));
    }

    #[test]
    fn a_group_that_only_the_directory_names_is_refused() {
        let refused = checked(&[STAFF], &[("S-1-5-21-1-2-3-513", 7)]).expect_err("not in the PAC");
        assert_eq!(refused.groups, sids(&[STAFF]));
        let text = refused.to_string();
        assert!(text.contains(STAFF) && text.contains("\"desktop-users\""), "{text}");
    }

    #[test]
    fn the_same_relative_identifier_of_another_domain_does_not_vouch() {
        assert!(checked(&[STAFF], &[("S-1-5-21-1-2-4-2001", 7)]).is_err());
    }

    #[test]
    fn a_group_that_is_for_denying_only_does_not_vouch() {
        assert!(checked(&[STAFF], &[(STAFF, 0x10)]).is_err());
    }

    #[test]
    fn groups_that_no_pac_names_rest_on_the_directory() {
        for local in [REMOTE_DESKTOP_USERS, "S-1-5-11", "S-1-1-0"] {
            assert_eq!(checked(&[STAFF, local], &[]), Ok(Membership::Unvouchable(sid(local))), "{local}");
        }
    }

    #[test]
    fn without_a_group_nothing_is_vouched_for() {
        assert!(checked(&[], &[(STAFF, 7)]).is_err());
    }
}
