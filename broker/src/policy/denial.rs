//! A refusal, and everything that speaks against the request.

use std::fmt;

use super::bounds::Bound;
use super::compiled::Action;
use super::service::ServiceName;
use super::target::Target;

/// A refusal. Its `Display` is for the administrator: it names policies and groups, which a cardholder is not told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Denial {
    pub(super) gateway: String,
    pub(super) target: Target,
    /// In the order in which they are told; empty where nothing permits and nothing comes close.
    pub(super) reasons: Vec<Reason>,
    pub(super) near_misses: Vec<NearMiss>,
}

impl Denial {
    /// A refusal for these reasons.
    pub(crate) const fn new(gateway: String, target: Target, reasons: Vec<Reason>) -> Self {
        Self { gateway, target, reasons, near_misses: Vec::new() }
    }

    /// A refusal of something that is about this broker itself.
    pub(super) fn about_broker(asked_by: &str, reasons: Vec<Reason>) -> Self {
        let target = Target::new("this.broker").expect("a name");
        Self::new(asked_by.to_owned(), target, reasons)
    }

    /// The policies that came closest to permitting, the closest first; empty where none came close at all.
    #[must_use]
    pub fn near_misses(&self) -> &[NearMiss] {
        &self.near_misses
    }

    /// The target that was asked for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What speaks against the request; empty where it is only that nothing permits it.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The ids of the policies that decided, each once; empty where it is that none permits.
    #[must_use]
    pub fn policies(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for id in self.reasons.iter().filter_map(Reason::policy) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// What the policies that forbid tell the cardholder (`@words`).
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.reasons.iter().filter_map(|reason| match reason {
            Reason::Forbidden { words, .. } => words.as_deref(),
            _ => None,
        })
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, target, reasons, near_misses } = self;
        if reasons.is_empty() {
            write!(f, "no policy permits {target} through gateway {gateway:?}")?;
        } else {
            write!(f, "{target} through gateway {gateway:?} is refused: ")?;
        }
        for (index, reason) in reasons.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{reason}")?;
        }
        for (index, near_miss) in near_misses.iter().enumerate() {
            let separator = if index == 0 { "; closest: " } else { "; " };
            write!(f, "{separator}{near_miss}")?;
        }
        Ok(())
    }
}

/// What was asked: an action, and for `delegate` the service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The action.
    pub action: Action,
    /// The service, where it is about a ticket.
    pub service: Option<ServiceName>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        self.service.as_ref().map_or(Ok(()), |service| write!(f, " to {service}"))
    }
}

/// One thing that speaks against a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Beyond what this broker grants at all.
    Bound {
        /// The service.
        service: ServiceName,
        /// What its host is.
        bound: Bound,
    },
    /// A policy forbids it.
    Forbidden {
        /// Its id.
        policy: String,
        /// What it forbids.
        asked: Asked,
        /// What it tells the cardholder.
        words: Option<String>,
    },
    /// A policy cannot be evaluated, and might forbid it.
    Failed {
        /// Its id.
        policy: String,
        /// What was asked.
        asked: Asked,
        /// In Cedar's words.
        error: String,
    },
    /// The login is permitted, and none of the services is.
    NoService {
        /// The services that were asked about.
        services: Vec<ServiceName>,
    },
    /// What the policies that permit oblige to leaves no form of credential.
    NoForm {
        /// Their ids.
        policies: Vec<String>,
    },
    /// What is known of the request cannot be put before the policies: a fault of ours.
    Facts(String),
}

impl Reason {
    fn policy(&self) -> Option<&str> {
        match self {
            Self::Forbidden { policy, .. } | Self::Failed { policy, .. } => Some(policy),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { service, bound } => {
                write!(f, "{service} is on {bound} (policy.bound_exceptions names what is granted there)")
            }
            Self::Forbidden { policy, asked, .. } => write!(f, "policy {policy:?} forbids {asked}"),
            Self::Failed { policy, asked, error } => {
                write!(f, "policy {policy:?} cannot be evaluated for {asked}: {error}")
            }
            Self::NoService { services } if services.is_empty() => f.write_str(
                "login is permitted, but there is no service to ask for: name some in policy.services or for the target",
            ),
            Self::NoService { services } => {
                let services: Vec<String> = services.iter().map(ToString::to_string).collect();
                write!(f, "login is permitted, but no policy permits delegate to {}", services.join(", "))
            }
            Self::NoForm { policies } => {
                write!(f, "policies {policies:?} together leave no form in which a credential is handed over")
            }
            Self::Facts(error) => write!(f, "the request cannot be put before the policies: {error}"),
        }
    }
}

/// A policy that did not permit, and what it would have taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NearMiss {
    /// The policy's id.
    pub policy: String,
    /// What did not fit, in the order group, target, gateway; for a policy of a file in the order of its text.
    pub missing: Vec<Missing>,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {:?} ", self.policy)?;
        for (index, missing) in self.missing.iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            write!(f, "{separator}{missing}")?;
        }
        Ok(())
    }
}

/// What did not fit a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// The account is in none of these groups.
    Group(Vec<String>),
    /// The target fits none of these patterns.
    Target(Vec<String>),
    /// The gateway is none of these.
    Gateway(Vec<String>),
    /// The person is not whom the policy is about.
    Principal(String),
    /// This clause does not hold.
    Clause(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(groups) => write!(f, "needs membership in one of {groups:?}"),
            Self::Target(patterns) => write!(f, "is for targets {patterns:?}"),
            Self::Gateway(gateways) => write!(f, "is for gateways {gateways:?}"),
            Self::Principal(scope) => write!(f, "is about {scope}"),
            Self::Clause(clause) => write!(f, "needs {clause}"),
        }
    }
}
