//! The binding of the two witnesses: the directory's account and the domain controller's evidence must be one person.

use kdc_proxy::exchange::s4u2self::Evidence;
use kdc_proxy::message::pac::UserAccountControl;
use ldap_map::sid::Sid;
use thiserror::Error;

use crate::directory::Home;

/// Relative identifier of Protected Users in every domain (MS-DTYP 2.4.2.4).
const PROTECTED_USERS: u32 = 525;

/// The first relative identifier that a domain gives to what is made in it (MS-SAMR 3.1.1.9.2.1).
const FIRST_OF_OUR_OWN: u32 = 1000;

/// What the verified PAC of the evidence says about the person. The SIDs are in binary form (MS-DTYP 2.4.2.2).
#[derive(Clone, Debug)]
pub(super) struct Vouched {
    pub(super) user_sid: Vec<u8>,
    pub(super) domain_sid: Vec<u8>,
    pub(super) group_sids: Vec<Vec<u8>>,
    /// SAM bits (MS-SAMR 2.2.1.12), not those of the LDAP attribute.
    pub(super) control: u32,
}

impl Vouched {
    pub(super) fn by(evidence: &Evidence) -> Self {
        let pac = evidence.pac();
        Self {
            user_sid: pac.user_sid().as_bytes().to_vec(),
            domain_sid: pac.domain_sid().as_bytes().to_vec(),
            group_sids: pac.group_sids().map(|sid| sid.as_bytes().to_vec()).collect(),
            control: pac.user_account_control().bits(),
        }
    }
}

/// The domain controller vouches for another account than the one the directory named: somebody renamed accounts at this
/// moment, or somebody forges. Never retried, always a security event.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The user's SID is another.
    #[error("the PAC's user is {vouched}, but objectSid of the account is {account}")]
    User {
        /// In the PAC; hexadecimal where it is no SID.
        vouched: String,
        /// In the directory.
        account: Sid,
    },
    /// The domain's SID is another.
    #[error(
        "the PAC's domain is {vouched}, but the domain is {domain} (kerberos.domain_sid, or objectSid of the domain's own \
         object as the directory told it first)"
    )]
    Domain {
        /// In the PAC; hexadecimal where it is no SID.
        vouched: String,
        /// As configured or learned.
        domain: Sid,
    },
    /// The account is of another domain, and its PAC makes it a member of a built-in group of our own.
    #[error(
        "the PAC of an account of another domain ({account}) names {group}, a built-in account or group of our own domain: \
         SID filtering is off on the trust (`netdom trust /quarantine` or `/enablesidhistory`)"
    )]
    OwnGroup {
        /// In the PAC.
        group: Sid,
        /// In the directory.
        account: Sid,
    },
}

/// The domain controller says of the account what excludes it from being delegated.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AccountRefused {
    /// Not a normal account, or one of a computer or trust.
    #[error("the PAC says that the account is not a person's: its UserAccountControl is {bits:#x}")]
    NotAPerson {
        /// The SAM bits.
        bits: u32,
    },
    /// Disabled.
    #[error("the PAC says that the account is disabled: its UserAccountControl is {bits:#x}")]
    Disabled {
        /// The SAM bits.
        bits: u32,
    },
    /// Sensitive.
    #[error(
        "the PAC says that the account is sensitive and cannot be delegated: its UserAccountControl is {bits:#x}"
    )]
    NotDelegated {
        /// The SAM bits.
        bits: u32,
    },
    /// A member of Protected Users. Some domain controllers delegate those nevertheless.
    #[error("the PAC says that the account is a member of Protected Users")]
    Protected,
}

/// A reason to refuse the evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Unbound {
    Mismatch(Mismatch),
    Account(AccountRefused),
}

/// Holds the evidence against the account's `objectSid` and its domain's own SID: all must agree.
pub(super) fn check(
    object_sid: &Sid,
    domain_sid: &Sid,
    home: &Home,
    vouched: &Vouched,
) -> Result<(), Unbound> {
    if vouched.user_sid != object_sid.as_bytes() {
        let vouched = text(&vouched.user_sid);
        return Err(Unbound::Mismatch(Mismatch::User { vouched, account: object_sid.clone() }));
    }
    if vouched.domain_sid != domain_sid.as_bytes() {
        let vouched = text(&vouched.domain_sid);
        return Err(Unbound::Mismatch(Mismatch::Domain { vouched, domain: domain_sid.clone() }));
    }
    if let Home::Trusted { own_domain } = home
        && let Some(group) = vouched.group_sids.iter().find_map(|group| built_in_of(own_domain, group))
    {
        return Err(Unbound::Mismatch(Mismatch::OwnGroup { group, account: object_sid.clone() }));
    }
    control(vouched.control).map_err(Unbound::Account)?;
    let protected = object_sid.sibling(PROTECTED_USERS);
    if vouched.group_sids.iter().any(|group| group == protected.as_bytes()) {
        return Err(Unbound::Account(AccountRefused::Protected));
    }
    Ok(())
}

/// The SID, if it is one of the accounts and groups that every domain has from its beginning, in this domain.
fn built_in_of(domain: &Sid, octets: &[u8]) -> Option<Sid> {
    let sid = Sid::from_bytes(octets).ok()?;
    (sid.domain().as_ref() == Some(domain) && sid.rid() < FIRST_OF_OUR_OWN).then_some(sid)
}

fn control(bits: u32) -> Result<(), AccountRefused> {
    let has = |flag: UserAccountControl| bits & flag.bits() != 0;
    let is_foreign = has(UserAccountControl::INTERDOMAIN_TRUST_ACCOUNT)
        || has(UserAccountControl::WORKSTATION_TRUST_ACCOUNT)
        || has(UserAccountControl::SERVER_TRUST_ACCOUNT);
    if is_foreign || !has(UserAccountControl::NORMAL_ACCOUNT) {
        return Err(AccountRefused::NotAPerson { bits });
    }
    if has(UserAccountControl::ACCOUNT_DISABLED) {
        return Err(AccountRefused::Disabled { bits });
    }
    if has(UserAccountControl::NOT_DELEGATED) {
        return Err(AccountRefused::NotDelegated { bits });
    }
    Ok(())
}

fn text(sid: &[u8]) -> String {
    use std::fmt::Write as _;
    Sid::from_bytes(sid).map_or_else(
        |_| {
            sid.iter().fold("0x".to_owned(), |mut text, octet| {
                let _infallible = write!(text, "{octet:02x}");
                text
            })
        },
        |sid| sid.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "S-1-5-21-1-2-3";
    const ALICE: &str = "S-1-5-21-1-2-3-1103";
    const NORMAL: u32 = 0x10;

    fn sid(text: &str) -> Sid {
        text.parse().expect("a SID")
    }

    fn octets(text: &str) -> Vec<u8> {
        sid(text).as_bytes().to_vec()
    }

    fn alice(bits: u32) -> Vouched {
        Vouched {
            user_sid: octets(ALICE),
            domain_sid: octets("S-1-5-21-1-2-3"),
            group_sids: vec![octets("S-1-5-21-1-2-3-513"), octets("S-1-18-2")],
            control: bits,
        }
    }

    fn check(object_sid: &Sid, vouched: &Vouched) -> Result<(), Unbound> {
        super::check(object_sid, &sid(DOMAIN), &Home::Own, vouched)
    }

    #[test]
    fn evidence_about_the_same_person_is_accepted() {
        assert_eq!(check(&sid(ALICE), &alice(NORMAL | 0x200)), Ok(()));
    }

    #[test]
    fn another_users_sid_is_a_mismatch() {
        let mallory = Vouched { user_sid: octets("S-1-5-21-1-2-3-1104"), ..alice(NORMAL) };
        let mismatch = Mismatch::User { vouched: "S-1-5-21-1-2-3-1104".to_owned(), account: sid(ALICE) };
        assert_eq!(check(&sid(ALICE), &mallory), Err(Unbound::Mismatch(mismatch)));
    }

    #[test]
    fn the_same_relative_identifier_of_another_domain_is_a_mismatch() {
        let twin = Vouched { user_sid: octets("S-1-5-21-1-2-4-1103"), ..alice(NORMAL) };
        assert!(matches!(check(&sid(ALICE), &twin), Err(Unbound::Mismatch(Mismatch::User { .. }))));
    }

    #[test]
    fn a_sid_that_only_begins_alike_is_a_mismatch() {
        for length in [0, 8, 12, 27] {
            let mut cut = octets(ALICE);
            cut.truncate(length);
            let vouched = Vouched { user_sid: cut, ..alice(NORMAL) };
            assert!(matches!(check(&sid(ALICE), &vouched), Err(Unbound::Mismatch(Mismatch::User { .. }))));
        }
    }

    #[test]
    fn another_domain_is_a_mismatch() {
        let vouched = Vouched { domain_sid: octets("S-1-5-21-1-2-4"), ..alice(NORMAL) };
        assert!(matches!(check(&sid(ALICE), &vouched), Err(Unbound::Mismatch(Mismatch::Domain { .. }))));
    }

    #[test]
    fn evidence_from_another_domain_than_the_configured_one_is_a_mismatch_even_where_the_directory_agrees() {
        let configured = sid("S-1-5-21-7-8-9");
        let refused = super::check(&sid(ALICE), &configured, &Home::Own, &alice(NORMAL));
        let mismatch = Mismatch::Domain { vouched: DOMAIN.to_owned(), domain: configured };
        assert_eq!(refused, Err(Unbound::Mismatch(mismatch)));
    }

    #[test]
    fn an_account_outside_of_the_domain_is_a_mismatch_whatever_domain_its_pac_names() {
        let stranger = Vouched { user_sid: octets("S-1-5-21-7-8-9-1103"), ..alice(NORMAL) };
        assert!(matches!(
            check(&sid("S-1-5-21-7-8-9-1103"), &Vouched { domain_sid: octets("S-1-5-21-7-8-9"), ..stranger }),
            Err(Unbound::Mismatch(Mismatch::Domain { .. }))
        ));
    }

    #[test]
    fn accounts_of_machines_and_trusts_are_refused() {
        for bits in [0, 0x80, 0x100, 0x40, NORMAL | 0x80, NORMAL | 0x100, NORMAL | 0x40, 0x200] {
            let refused = AccountRefused::NotAPerson { bits };
            assert_eq!(check(&sid(ALICE), &alice(bits)), Err(Unbound::Account(refused)), "{bits:#x}");
        }
    }

    #[test]
    fn sensitive_accounts_are_refused_whatever_the_domain_controller_issued() {
        let bits = NORMAL | 0x4000;
        let refused = AccountRefused::NotDelegated { bits };
        assert_eq!(check(&sid(ALICE), &alice(bits)), Err(Unbound::Account(refused)));
    }

    #[test]
    fn disabled_accounts_are_refused() {
        let bits = NORMAL | 1;
        let refused = AccountRefused::Disabled { bits };
        assert_eq!(check(&sid(ALICE), &alice(bits)), Err(Unbound::Account(refused)));
    }

    #[test]
    fn members_of_protected_users_are_refused_whatever_the_domain_controller_issued() {
        let mut vouched = alice(NORMAL);
        vouched.group_sids.push(octets("S-1-5-21-1-2-3-525"));
        assert_eq!(check(&sid(ALICE), &vouched), Err(Unbound::Account(AccountRefused::Protected)));
    }

    #[test]
    fn another_domains_group_525_is_no_obstacle() {
        let mut vouched = alice(NORMAL);
        vouched.group_sids.push(octets("S-1-5-21-7-8-9-525"));
        assert_eq!(check(&sid(ALICE), &vouched), Ok(()));
    }

    #[test]
    fn nobody_of_another_domain_is_in_a_built_in_group_of_ours() {
        let home = Home::Trusted { own_domain: sid("S-1-5-21-9-9-9") };
        let with = |group: &str| {
            let mut vouched = alice(NORMAL);
            vouched.group_sids.push(octets(group));
            super::check(&sid(ALICE), &sid(DOMAIN), &home, &vouched)
        };
        for group in [500, 502, 512, 516, 518, 519, 520, 999] {
            let group = format!("S-1-5-21-9-9-9-{group}");
            let mismatch = Mismatch::OwnGroup { group: sid(&group), account: sid(ALICE) };
            assert_eq!(with(&group), Err(Unbound::Mismatch(mismatch)));
        }
        // Groups that were made in our domain may have members of others, and other domains have their own.
        for group in ["S-1-5-21-9-9-9-1000", "S-1-5-21-9-9-8-512", "S-1-5-21-1-2-3-512", "S-1-18-2"] {
            assert_eq!(with(group), Ok(()), "{group}");
        }
    }

    #[test]
    fn a_mismatch_names_both_sids_even_when_one_is_none() {
        let vouched = Vouched { user_sid: vec![0xAB, 1], ..alice(NORMAL) };
        let Err(Unbound::Mismatch(mismatch)) = check(&sid(ALICE), &vouched) else {
            panic!("it is a mismatch")
        };
        assert_eq!(
            mismatch.to_string(),
            "the PAC's user is 0xab01, but objectSid of the account is S-1-5-21-1-2-3-1103"
        );
    }
}
