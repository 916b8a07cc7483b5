//! The kinds of value a key can take.

use std::{fmt::Display, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use toml::de::DeValue;

use super::{
    document::{Shown, Value, kind},
    problem::Fault,
};
use crate::policy::parse_duration;

impl Value for String {
    const EXAMPLE: &'static str = "\"...\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        Ok(text(value)?.to_owned())
    }
}

impl Value for bool {
    const EXAMPLE: &'static str = "false";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        value.as_bool().ok_or_else(|| Fault::WrongType { expected: "true or false", found: kind(value) })
    }
}

impl Value for usize {
    const EXAMPLE: &'static str = "1024";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let wrong = || Fault::WrongType { expected: "a whole number, not negative", found: kind(value) };
        let number = value.as_integer().ok_or_else(wrong)?;
        Self::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong())
    }
}

impl Shown for usize {
    fn shown(&self) -> impl Display {
        self
    }
}

/// Numbers with units, largest first, without a gap: `"90s"`, `"1h30m"`, `"250ms"`.
impl Value for Duration {
    const EXAMPLE: &'static str = "\"10s\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let wrong =
            || Fault::Form { expected: "a duration", example: "\"10s\", \"5m\", \"1h30m\" or \"250ms\"" };
        parse_duration(text(value)?).ok_or_else(wrong)
    }
}

impl Shown for Duration {
    fn shown(&self) -> impl Display {
        let (seconds, rest) = (self.as_secs(), self.subsec_millis());
        match (seconds, rest) {
            (0, rest) => format!("{rest}ms"),
            (s, 0) if s.is_multiple_of(3600) => format!("{}h", s / 3600),
            (s, 0) if s.is_multiple_of(60) => format!("{}m", s / 60),
            (s, 0) => format!("{s}s"),
            (s, rest) => format!("{s}s{rest}ms"),
        }
    }
}

impl Value for SocketAddr {
    const EXAMPLE: &'static str = "\"0.0.0.0:8443\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let expected = "an IP address with a port";
        text(value)?
            .parse()
            .map_err(|_| Fault::Form { expected, example: "\"0.0.0.0:8443\" or \"[::]:8443\"" })
    }
}

impl Value for u16 {
    const EXAMPLE: &'static str = "8080";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let wrong = |_| Fault::WrongType { expected: "a number of at most 65535", found: kind(value) };
        usize::read(value)?.try_into().map_err(wrong)
    }
}

/// A network by its first address, or a single address with the whole length.
impl Value for IpNet {
    const EXAMPLE: &'static str = "\"10.0.0.0/8\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let expected = "a network by its first address and its length";
        let network: Option<Self> = text(value)?.parse().ok();
        let network = network.filter(|network| network.trunc() == *network);
        network.ok_or(Fault::Form { expected, example: "\"10.0.0.0/8\" or \"fd00:1234::/32\"" })
    }
}

/// A path. Where it is relative, it starts at the directory of the configuration file.
impl Value for PathBuf {
    const EXAMPLE: &'static str = "\"/etc/kerbridge/file.pem\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        text(value).map(Self::from)
    }
}

/// SHA-256 of a certificate: 64 hexadecimal digits, colons allowed between octets as `openssl` prints them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Sha256(pub(super) [u8; 32]);

impl Value for Sha256 {
    const EXAMPLE: &'static str = "\"64 hexadecimal digits\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let example = "the output of: openssl x509 -in gateway.pem -noout -fingerprint -sha256";
        let wrong = || Fault::Form { expected: "a SHA-256 of 64 hexadecimal digits", example };
        let digits: String = text(value)?.chars().filter(|c| *c != ':').collect();
        let mut octets = [0; 32];
        if digits.len() != 2 * octets.len() || !digits.is_ascii() {
            return Err(wrong());
        }
        for (octet, pair) in octets.iter_mut().zip(digits.as_bytes().chunks(2)) {
            // Checked first, since the conversion would take a sign.
            let pair = str::from_utf8(pair).ok().filter(|pair| pair.chars().all(|c| c.is_ascii_hexdigit()));
            *octet = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(wrong)?;
        }
        Ok(Self(octets))
    }
}

/// Reads one of a closed list of words.
pub(super) fn choice<T: Copy>(
    value: &DeValue<'_>,
    allowed: &'static [&'static str],
    values: &[T],
) -> Result<T, Fault> {
    let word = text(value)?;
    let found = allowed.iter().zip(values).find(|(name, _)| **name == word);
    found.map(|(_, value)| *value).ok_or(Fault::Choice { allowed })
}

/// A text: not empty, of bounded length, without control characters.
pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Fault> {
    let text = value
        .as_str()
        .ok_or_else(|| Fault::WrongType { expected: "a text in quotes", found: kind(value) })?;
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(Fault::TooLong { limit: MAX_TEXT });
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::Form { expected: "a text without control characters", example: "\"plain text\"" });
    }
    Ok(text)
}

/// No text of a configuration is longer than this, in octets.
const MAX_TEXT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_units_from_large_to_small() {
        assert_eq!(parse_duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("1d"), Some(Duration::from_secs(86_400)));
        for wrong in ["", "10", "s", "5s1m", "1s1s", "-1s", "1.5s", "10 s", "1w", "99999999999999999999s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_is_written() {
        for text in ["250ms", "90s", "5m", "8h"] {
            assert_eq!(parse_duration(text).unwrap().shown().to_string(), text);
        }
    }

    #[test]
    fn a_network_is_written_by_its_first_address() {
        let read = |text: &str| IpNet::read(&DeValue::String(text.into()));
        assert_eq!(read("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(read("fd00::/8").unwrap().to_string(), "fd00::/8");
        for wrong in ["10.0.0.1/8", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "pki.example/8"] {
            assert!(matches!(read(wrong), Err(Fault::Form { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_takes_colons_but_no_digit_more_or_less() {
        let read = |text: &str| Sha256::read(&DeValue::String(text.into()));
        let plain = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        assert_eq!(read(&plain).unwrap(), Sha256([0xab; 32]));
        assert_eq!(read(&colons).unwrap(), Sha256([0xab; 32]));
        assert!(matches!(read(plain.trim_start_matches("a")), Err(Fault::Form { .. })));
        assert!(matches!(read(&format!("{plain}a")), Err(Fault::Form { .. })));
        assert!(matches!(read(&plain.replace('a', "g")), Err(Fault::Form { .. })));
    }
}
