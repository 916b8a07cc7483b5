//! Services on a target, as their SPN names them.

use std::fmt;
use std::str::FromStr;

use super::target::{Target, TargetError};

/// Longest service class accepted; a GUID has 36 characters.
const LONGEST: usize = 64;

/// Classes that no configuration may grant: the ticket-granting service, the password and administration service,
/// and the replication of a domain controller.
const NEVER: [&str; 3] = ["krbtgt", "kadmin", "e3514235-4b06-11d1-ab04-00c04fc2dcd2"];

/// The first part of a service principal name, for example `TERMSRV`. Directories compare it without regard to
/// case; it is kept as written, because some servers do regard it.
#[derive(Clone, Debug)]
pub struct ServiceClass(String);

impl ServiceClass {
    /// As configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for ServiceClass {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ServiceClass {}

impl FromStr for ServiceClass {
    type Err = ServiceClassError;

    fn from_str(text: &str) -> Result<Self, ServiceClassError> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(ServiceClassError::Length);
        }
        if !text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet)) {
            return Err(ServiceClassError::Character);
        }
        if NEVER.iter().any(|never| text.eq_ignore_ascii_case(never)) {
            return Err(ServiceClassError::Never);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ServiceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a service class that can be granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceClassError {
    /// Nothing, or too long.
    #[error("a service class has 1 to {LONGEST} characters")]
    Length,
    /// Something else than letters, digits, hyphen, underscore and dot.
    #[error("a service class consists of letters, digits, hyphens, underscores and dots")]
    Character,
    /// krbtgt, kadmin, or a domain controller's replication.
    #[error("this service class is never granted")]
    Never,
}

/// A service on a host: `class/host`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceName {
    class: ServiceClass,
    host: Target,
}

impl ServiceName {
    pub(super) fn new(class: ServiceClass, host: Target) -> Self {
        Self { class, host }
    }

    /// The service class.
    #[must_use]
    pub fn class(&self) -> &ServiceClass {
        &self.class
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Target {
        &self.host
    }
}

impl FromStr for ServiceName {
    type Err = ServiceNameError;

    fn from_str(text: &str) -> Result<Self, ServiceNameError> {
        let (class, host) = text.split_once('/').ok_or(ServiceNameError::Form)?;
        Ok(Self { class: class.parse()?, host: Target::new(host)? })
    }
}

/// Why a text is not a service on a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceNameError {
    /// No slash.
    #[error("a service is written as class/host")]
    Form,
    /// The class.
    #[error(transparent)]
    Class(#[from] ServiceClassError),
    /// The host.
    #[error(transparent)]
    Host(#[from] TargetError),
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.class, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_class_keeps_its_case_and_compares_without() {
        let class: ServiceClass = "TermSrv".parse().expect("a class");
        assert_eq!(class.to_string(), "TermSrv");
        assert_eq!(Ok(class), "TERMSRV".parse());
    }

    #[test]
    fn classes_that_rule_the_domain_are_never_granted() {
        for text in ["krbtgt", "KRBTGT", "kadmin", "E3514235-4B06-11D1-AB04-00C04FC2DCD2"] {
            assert_eq!(text.parse::<ServiceClass>(), Err(ServiceClassError::Never), "{text}");
        }
    }

    #[test]
    fn a_class_with_a_slash_is_refused() {
        assert_eq!("HTTP/other".parse::<ServiceClass>(), Err(ServiceClassError::Character));
    }

    #[test]
    fn an_empty_class_is_refused() {
        assert_eq!("".parse::<ServiceClass>(), Err(ServiceClassError::Length));
    }

    #[test]
    fn a_service_is_shown_as_its_spn() {
        let host = Target::new("desk1.corp.example").expect("a host");
        let service = ServiceName::new("host".parse().expect("a class"), host);
        assert_eq!(service.to_string(), "host/desk1.corp.example");
    }
}
