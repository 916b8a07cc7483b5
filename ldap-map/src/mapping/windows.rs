//! What a Windows domain controller would say of a card and an account, with full enforcement and the event that it would log
//! (KB5014754).

use std::fmt;

use super::rules::{Enforcement, EnterpriseIssuers, Rules};
use super::{Card, MappingError, NamedBy, Strength, confirm};
use crate::account::Account;

/// The verdict of a domain controller's Kerberos service, as far as the mapping goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WindowsVerdict {
    /// It takes the card for the account's.
    Accepts,
    /// It refuses and logs an event.
    Refuses(Event),
    /// It refuses with KDC_ERR_CLIENT_NAME_MISMATCH: the card is not about the account at all.
    NameMismatch,
}

/// The events of the Kerberos Key Distribution Center about mappings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// 39: the certificate is valid, but could not be mapped to a user in a strong way.
    NoStrongMapping,
    /// 40: likewise, and it was issued before the user existed.
    OlderThanAccount,
    /// 41: the SID in the certificate is not the user's.
    SidMismatch,
}

impl Event {
    /// Its number in the log.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::NoStrongMapping => 39,
            Self::OlderThanAccount => 40,
            Self::SidMismatch => 41,
        }
    }
}

impl WindowsVerdict {
    /// What a domain controller would say whose configuration agrees with `rules` on name rules and digests. It believes every
    /// authority of its NTAuth store about SIDs.
    #[must_use]
    pub fn of(card: &Card<'_>, account: &Account, rules: &Rules, named_by: NamedBy<'_>) -> Self {
        let rules = Rules {
            enforcement: Enforcement::Full,
            enterprise_issuers: EnterpriseIssuers::Every,
            ..rules.clone()
        };
        match confirm(card, account, &rules, named_by) {
            Ok(mapping) if mapping.strength() == Strength::Strong => Self::Accepts,
            Ok(_) if card.facts.not_before() < account.when_created => Self::Refuses(Event::OlderThanAccount),
            Ok(_) => Self::Refuses(Event::NoStrongMapping),
            Err(MappingError::SidDiffers { .. }) => Self::Refuses(Event::SidMismatch),
            Err(_) => Self::NameMismatch,
        }
    }

    /// The event, where one is logged.
    #[must_use]
    pub const fn event(self) -> Option<Event> {
        match self {
            Self::Refuses(event) => Some(event),
            Self::Accepts | Self::NameMismatch => None,
        }
    }
}

impl fmt::Display for WindowsVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepts => f.write_str("accepts the mapping"),
            Self::Refuses(event) => {
                let what = match event {
                    Event::NoStrongMapping => "no strong mapping",
                    Event::OlderThanAccount => {
                        "no strong mapping, and the certificate is older than the account"
                    }
                    Event::SidMismatch => "the SID is another account's",
                };
                write!(f, "refuses and logs event {}: {what}", event.id())
            }
            Self::NameMismatch => f.write_str("refuses: the certificate is not about this account"),
        }
    }
}
