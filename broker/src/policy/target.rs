//! Names of targets, and patterns over them.

use std::fmt;
use std::str::FromStr;

/// Longest host name in octets (RFC 1035 section 2.3.4, without the root's dot).
const LONGEST_NAME: usize = 253;
/// Longest label in octets (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A fully qualified DNS host name, lower case, without a trailing dot (RFC 1123 section 2.1).
///
/// Addresses and single labels are refused: services are named by what stands in their SPN.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Target(String);

impl Target {
    /// Takes a host name in any case.
    ///
    /// # Errors
    /// The text is not a fully qualified host name.
    pub fn new(text: &str) -> Result<Self, TargetError> {
        let name = host_name(text)?;
        if !name.contains('.') {
            return Err(TargetError::NotQualified);
        }
        Ok(Self(name))
    }

    /// The name, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::new(text)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which targets a rule is about: one name, or `*.` before a domain.
///
/// The asterisk stands for exactly one label, as in a TLS certificate (RFC 9525 section 6.3): `*.corp.example`
/// fits `desk1.corp.example`, and neither `corp.example` nor `desk1.lab.corp.example`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TargetPattern {
    /// This name only.
    Exact(Target),
    /// Any one label below this domain.
    Below(String),
}

impl TargetPattern {
    /// Whether a target fits.
    #[must_use]
    pub fn matches(&self, target: &Target) -> bool {
        match self {
            Self::Exact(name) => name == target,
            Self::Below(domain) => {
                target.as_str().split_once('.').is_some_and(|(_, parent)| parent == domain)
            }
        }
    }
}

impl FromStr for TargetPattern {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text.strip_prefix("*.") {
            Some(domain) => Ok(Self::Below(host_name(domain)?)),
            None if text.contains('*') => Err(TargetError::Asterisk),
            None => Target::new(text).map(Self::Exact),
        }
    }
}

impl fmt::Display for TargetPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Why a text is not a target or a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Nothing, or longer than 253 octets.
    #[error("a host name has 1 to {LONGEST_NAME} characters")]
    Length,
    /// A label is empty or longer than 63 octets; a trailing dot makes an empty one.
    #[error("each label has 1 to {LONGEST_LABEL} characters")]
    LabelLength,
    /// Something else than letters, digits and hyphens, or a hyphen at the edge of a label.
    #[error("labels consist of letters, digits and inner hyphens")]
    Character,
    /// One label only.
    #[error("the host name is not fully qualified")]
    NotQualified,
    /// An IP address, or a last label of digits that could be taken for one.
    #[error("an address is not a host name")]
    Address,
    /// An asterisk elsewhere than as the whole first label.
    #[error("an asterisk can only be the whole first label")]
    Asterisk,
}

/// One or more labels, lower case.
fn host_name(text: &str) -> Result<String, TargetError> {
    if text.is_empty() || text.len() > LONGEST_NAME {
        return Err(TargetError::Length);
    }
    for label in text.split('.') {
        if label.is_empty() || label.len() > LONGEST_LABEL {
            return Err(TargetError::LabelLength);
        }
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if !label.bytes().all(fits) || label.starts_with('-') || label.ends_with('-') {
            return Err(TargetError::Character);
        }
    }
    let last = text.rsplit('.').next().unwrap_or(text);
    if last.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(TargetError::Address);
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TargetPattern {
        text.parse().expect("a pattern")
    }

    fn target(text: &str) -> Target {
        Target::new(text).expect("a target")
    }

    #[test]
    fn a_target_is_lower_case() {
        assert_eq!(target("Desk1.CORP.example").as_str(), "desk1.corp.example");
    }

    #[test]
    fn what_is_not_a_host_name_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "abcdefg.".repeat(31));
        for (text, error) in [
            ("", TargetError::Length),
            (long_name.as_str(), TargetError::Length),
            (long_label.as_str(), TargetError::LabelLength),
            ("desk1.corp.example.", TargetError::LabelLength),
            ("desk1..example", TargetError::LabelLength),
            ("desk_1.corp.example", TargetError::Character),
            ("desk1.corp.example/x", TargetError::Character),
            ("desk1@corp.example", TargetError::Character),
            ("-desk.corp.example", TargetError::Character),
            ("desk-.corp.example", TargetError::Character),
            ("d\u{e9}sk.corp.example", TargetError::Character),
            ("desk1.corp.example\n", TargetError::Character),
            ("desk1", TargetError::NotQualified),
            ("10.0.0.1", TargetError::Address),
            ("desk1.1", TargetError::Address),
            ("[::1]", TargetError::Character),
        ] {
            assert_eq!(Target::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_exact_pattern_fits_its_name_only() {
        assert!(pattern("DESK1.corp.example").matches(&target("desk1.corp.example")));
        assert!(!pattern("desk1.corp.example").matches(&target("desk2.corp.example")));
    }

    #[test]
    fn an_asterisk_stands_for_exactly_one_label() {
        let pattern = pattern("*.corp.example");
        assert!(pattern.matches(&target("desk1.corp.example")));
        assert!(!pattern.matches(&target("corp.example")));
        assert!(!pattern.matches(&target("desk1.lab.corp.example")));
    }

    #[test]
    fn a_suffix_that_is_not_a_domain_does_not_fit() {
        assert!(!pattern("*.corp.example").matches(&target("desk1.evilcorp.example")));
    }

    #[test]
    fn an_asterisk_elsewhere_is_refused() {
        for text in ["desk*.corp.example", "*", "desk1.*.example", "**.corp.example"] {
            assert_eq!(text.parse::<TargetPattern>(), Err(TargetError::Asterisk), "{text}");
        }
        assert_eq!("*.*.example".parse::<TargetPattern>(), Err(TargetError::Character));
    }

    #[test]
    fn a_pattern_is_shown_as_it_is_written() {
        assert_eq!(pattern("*.Corp.Example").to_string(), "*.corp.example");
    }
}
