//! What a certificate must be made for. Criticality plays no part: an absent extension refuses like a wrong one.

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::KeyUsages;

use super::certificate::ParsedCertificate;
use super::error::{IdentityError, PathRule, Role, Untrusted, UsageError};
use super::path::Path;
use super::settings::Usage;
use super::validated_identity::{Check, CheckName};

/// anyExtendedKeyUsage (RFC 5280 section 4.2.1.12). Enough for an issuer, never for a card.
pub(super) const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The rules for the card, and what its issuers must leave open.
pub(super) struct CardRules {
    pub(super) usage: Usage,
    pub(super) extended_key_usage: Vec<ObjectIdentifier>,
    pub(super) minimum_rsa_bits: usize,
}

impl CardRules {
    /// Checks the card of a valid path; what holds is noted until something does not.
    pub(super) fn check(&self, path: &Path<'_>, checks: &mut Vec<Check>) -> Result<(), IdentityError> {
        let card = path.subject();
        checks.push(self.key_strength(card)?);
        if self.usage == Usage::Anything {
            return Ok(());
        }
        checks.push(not_an_authority(card)?);
        checks.push(digital_signature(card)?);
        checks.push(self.purposes(card)?);
        self.issuers_allow(path)?;
        Ok(())
    }

    fn key_strength(&self, card: &ParsedCertificate) -> Result<Check, UsageError> {
        let (key, minimum_rsa_bits) = (card.key(), self.minimum_rsa_bits);
        if !key.is_at_least(minimum_rsa_bits) {
            return Err(UsageError::WeakKey { key, minimum_rsa_bits });
        }
        Ok(Check::new(CheckName::KeyStrength, key.to_string()))
    }

    fn purposes(&self, card: &ParsedCertificate) -> Result<Check, UsageError> {
        let stated = card.extended_key_usage().map(|usage| usage.0.as_slice()).unwrap_or_default();
        if let Some(missing) = self.extended_key_usage.iter().find(|required| !stated.contains(required)) {
            return Err(UsageError::ExtendedKeyUsage { oid: missing.to_string() });
        }
        let required: Vec<String> = self.extended_key_usage.iter().map(purpose_text).collect();
        Ok(Check::new(CheckName::ExtendedKeyUsage, required.join(", ")))
    }

    /// An issuer that lists purposes lends no others: RFC 5280 leaves this open, every Windows DC and every TLS
    /// library does it.
    fn issuers_allow(&self, path: &Path<'_>) -> Result<(), Untrusted> {
        for issuer in path.certificates.iter().skip(1) {
            let Some(stated) = issuer.extended_key_usage() else { continue };
            if stated.0.contains(&ANY_EXTENDED_KEY_USAGE) {
                continue;
            }
            if let Some(missing) =
                self.extended_key_usage.iter().find(|required| !stated.0.contains(required))
            {
                let rule = PathRule::IssuerExtendedKeyUsage { oid: missing.to_string() };
                return Err(Untrusted::Rule { certificate: issuer.id(Role::Intermediate), rule });
            }
        }
        Ok(())
    }
}

fn not_an_authority(card: &ParsedCertificate) -> Result<Check, UsageError> {
    let may_sign = card.key_usage().is_some_and(|usage| usage.0.contains(KeyUsages::KeyCertSign));
    if card.is_ca() || may_sign {
        return Err(UsageError::CertificateAuthority);
    }
    Ok(Check::new(CheckName::EndEntity, "not a CA certificate".to_owned()))
}

fn digital_signature(card: &ParsedCertificate) -> Result<Check, UsageError> {
    match card.key_usage() {
        Some(usage) if usage.0.contains(KeyUsages::DigitalSignature) => {
            Ok(Check::new(CheckName::KeyUsage, "digitalSignature".to_owned()))
        }
        _ => Err(UsageError::DigitalSignature),
    }
}

fn purpose_text(purpose: &ObjectIdentifier) -> String {
    match purpose.to_string().as_str() {
        "1.3.6.1.5.5.7.3.2" => "clientAuth".to_owned(),
        "1.3.6.1.4.1.311.20.2.2" => "smartcardLogon".to_owned(),
        other => other.to_owned(),
    }
}
