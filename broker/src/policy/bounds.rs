//! What is never granted, whatever policies say.

use std::fmt;

use super::service::{ServiceClass, ServiceName};
use super::target::Target;

/// The broker's own bounds. Service classes that rule a domain ([`ServiceClass`]) are not even among what they could lift.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Hosts of brokers, this one among them: whoever is delegated to a broker is everybody it can be.
    pub brokers: Vec<Target>,
    /// Services that are granted all the same, named one by one.
    pub exceptions: Vec<ServiceName>,
}

/// Why a service is beyond what this broker grants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Bound {
    /// The host is a domain controller.
    DomainController,
    /// The host is a broker.
    Broker,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DomainController => "a domain controller",
            Self::Broker => "a broker",
        })
    }
}

impl Bounds {
    /// The bound that speaks against a service on a target, which is a domain controller or is not.
    #[must_use]
    pub fn forbid(&self, class: &ServiceClass, target: &Target, is_controller: bool) -> Option<Bound> {
        let is_this = |service: &&ServiceName| service.class() == class && service.host() == target;
        if self.exceptions.iter().any(|service| is_this(&service)) {
            None
        } else if is_controller {
            Some(Bound::DomainController)
        } else {
            self.brokers.contains(target).then_some(Bound::Broker)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_lifted_for_one_service_of_one_host_only() {
        let host = |text: &str| Target::new(text).expect("a host");
        let class = |text: &str| text.parse::<ServiceClass>().expect("a class");
        let bounds = Bounds {
            brokers: vec![host("broker2.corp.example")],
            exceptions: vec!["LDAP/DC1.corp.example".parse().expect("a service")],
        };
        let forbid =
            |service: &str, at: &str, is_controller| bounds.forbid(&class(service), &host(at), is_controller);
        assert_eq!(forbid("ldap", "dc1.corp.example", true), None);
        assert_eq!(forbid("cifs", "dc1.corp.example", true), Some(Bound::DomainController));
        assert_eq!(forbid("ldap", "dc2.corp.example", true), Some(Bound::DomainController));
        assert_eq!(forbid("HTTP", "broker2.corp.example", false), Some(Bound::Broker));
        assert_eq!(forbid("HTTP", "desk1.corp.example", false), None);
    }
}
