//! The groups of the grant, held against the evidence: the directory says that the account is in them, the domain
//! controller must say so too.

use std::fmt;

use kdc_proxy::message::pac::GroupMembership;
use ldap_map::sid::Sid;

use crate::policy::{Grant, NotConfirmed, PacGroups, is_vouchable};

/// SE_GROUP_USE_FOR_DENY_ONLY (MS-PAC 2.2.1): the group takes rights away and gives none.
const USE_FOR_DENY_ONLY: u32 = 0x10;

/// By which group the account is permitted, and who says that it is a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Membership {
    /// The directory, and the domain controller in the PAC.
    Vouched(Sid),
    /// The directory alone. Groups that are no domain's, those of BUILTIN (`S-1-5-32-`) and the well-known ones, are never in
    /// a PAC: whoever reads it adds those of his own computer. Domain-local groups are in it (MS-KILE 3.3.5.7.3).
    Unvouchable(Sid),
    /// The policies that permit name no group.
    Nobody,
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vouched(sid) => write!(f, "member of {sid} by directory and PAC"),
            Self::Unvouchable(sid) => {
                write!(f, "member of {sid} by the directory alone, since no PAC names such groups")
            }
            Self::Nobody => f.write_str("whatever the groups"),
        }
    }
}

/// Has the policies decide by the groups of the PAC too. Says by which group they permit now.
pub(super) fn confirm(grant: &Grant, pac: &[GroupMembership]) -> Result<(Grant, Membership), NotConfirmed> {
    let pac = groups(pac);
    let grant = grant.confirmed_by(&pac)?;
    let vouched = grant.groups().iter().find(|group| pac.enabled.contains(group));
    let membership = match (vouched, grant.groups().iter().find(|group| !is_vouchable(group))) {
        (Some(group), _) => Membership::Vouched(group.clone()),
        (None, Some(group)) => Membership::Unvouchable(group.clone()),
        (None, None) => Membership::Nobody,
    };
    Ok((grant, membership))
}

fn groups(pac: &[GroupMembership]) -> PacGroups {
    let mut groups = PacGroups::default();
    for group in pac {
        // Whoever reads PACs has held the octets for a SID already.
        let Ok(sid) = Sid::from_bytes(group.sid.as_bytes()) else { continue };
        let denies = group.attributes & USE_FOR_DENY_ONLY != 0;
        if denies { groups.deny_only.push(sid) } else { groups.enabled.push(sid) }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::policy::testing::grant_by_groups;

    const STAFF: &str = "S-1-5-21-1-2-3-2001";
    const REMOTE_DESKTOP_USERS: &str = "S-1-5-32-555";

    fn pac(groups: &[(&str, u32)]) -> Vec<GroupMembership> {
        let group = |(text, attributes): &(&str, u32)| {
            let sid: Sid = text.parse().expect("a SID");
            let sid = kdc_proxy::message::pac::Sid::parse(sid.as_bytes()).expect("a SID");
            GroupMembership { sid, attributes: *attributes }
        };
        groups.iter().map(group).collect()
    }

    fn confirmed(groups: &[&str], vouched: &[(&str, u32)]) -> Result<Membership, NotConfirmed> {
        confirm(&grant_by_groups(groups), &pac(vouched)).map(|(_, membership)| membership)
    }

    fn sid(text: &str) -> Sid {
        text.parse().expect("a SID")
    }

    #[test]
    fn a_group_of_the_pac_is_vouched_for() {
        assert_eq!(confirmed(&[STAFF], &[(STAFF, 7)]), Ok(Membership::Vouched(sid(STAFF))));
    }

    #[test]
    fn a_resource_group_of_the_pac_is_vouched_for() {
        assert_eq!(confirmed(&[STAFF], &[(STAFF, 0x2000_0007)]), Ok(Membership::Vouched(sid(STAFF))));
    }

    #[test]
    fn one_of_several_groups_is_enough() {
        let groups = ["S-1-5-21-1-2-3-2002", REMOTE_DESKTOP_USERS, STAFF];
        assert_eq!(confirmed(&groups, &[(STAFF, 7)]), Ok(Membership::Vouched(sid(STAFF))));
    }

    #[test]
    fn a_group_that_only_the_directory_names_is_refused() {
        let refused = confirmed(&[STAFF], &[("S-1-5-21-1-2-3-513", 7)]).expect_err("not in the PAC");
        assert!(
            matches!(&refused, NotConfirmed::Lost { groups, .. } if *groups == [sid(STAFF)]),
            "{refused}"
        );
        let text = refused.to_string();
        assert!(text.contains(STAFF) && text.contains("policy \"desktop-users\""), "{text}");
    }

    #[test]
    fn the_same_relative_identifier_of_another_domain_does_not_vouch() {
        assert!(confirmed(&[STAFF], &[("S-1-5-21-1-2-4-2001", 7)]).is_err());
    }

    #[test]
    fn a_group_that_is_for_denying_only_does_not_vouch() {
        assert!(confirmed(&[STAFF], &[(STAFF, 0x10)]).is_err());
    }

    #[test]
    fn groups_that_no_pac_names_rest_on_the_directory() {
        for local in [REMOTE_DESKTOP_USERS, "S-1-5-11", "S-1-1-0"] {
            assert_eq!(confirmed(&[STAFF, local], &[]), Ok(Membership::Unvouchable(sid(local))), "{local}");
        }
    }
}
