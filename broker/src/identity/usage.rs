//! What a certificate must be made for. Criticality plays no part: an absent extension refuses like a wrong one.

use std::time::Duration;

use certval::compare_names;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::certificate::{ParsedCertificate, name_text};
use super::error::{IdentityError, PathRule, Role, Untrusted, UsageError};
use super::path::Path;
use super::settings::Usage;
use super::slot::{CARD_AUTHENTICATION, Slot};
use super::validated_identity::{Check, CheckName};

/// anyExtendedKeyUsage (RFC 5280 section 4.2.1.12). Enough for an issuer, and for a card only by configuration.
pub(super) const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The rules for the card, and what its issuers must leave open.
pub(super) struct CardRules {
    pub(super) usage: Usage,
    pub(super) extended_key_usage: Vec<ObjectIdentifier>,
    pub(super) accept_any_extended_key_usage: bool,
    pub(super) minimum_rsa_bits: usize,
    pub(super) minimum_curve_bits: usize,
    pub(super) minimum_hash_bits: usize,
    pub(super) maximum_validity: Option<Duration>,
    pub(super) issuers: Vec<Name>,
}

impl CardRules {
    /// Checks the card of a valid path; what holds is noted until something does not.
    pub(super) fn check(&self, path: &Path<'_>, checks: &mut Vec<Check>) -> Result<(), IdentityError> {
        let card = path.subject();
        self.strong_enough(path)?;
        checks.push(self.key_strength(card)?);
        if self.usage == Usage::Anything {
            return Ok(());
        }
        checks.push(not_an_authority(card)?);
        self.needs_pin(card)?;
        checks.push(digital_signature(card).map_err(|error| other_slot(error, card))?);
        checks.push(self.purposes(card).map_err(|error| other_slot(error, card))?);
        self.issuers_allow(path)?;
        self.lifetime(card)?;
        checks.extend(self.issuer(card)?);
        Ok(())
    }

    /// A refusal for want of a policy says which certificate of the card it is, where that is known.
    pub(super) fn name_slot(&self, error: IdentityError, card: &ParsedCertificate) -> IdentityError {
        match error {
            IdentityError::Untrusted(Untrusted::Rule { rule: PathRule::Policy, .. })
                if self.usage == Usage::Card =>
            {
                Slot::of(card).map_or(error, |slot| UsageError::OtherSlot { slot }.into())
            }
            other => other,
        }
    }

    /// A key that works without a PIN says that the card is there, not its holder: however well the rest fits, it does not log
    /// in unless its purpose is configured as one.
    fn needs_pin(&self, card: &ParsedCertificate) -> Result<(), UsageError> {
        if Slot::needs_no_pin(card) && !self.extended_key_usage.contains(&CARD_AUTHENTICATION) {
            return Err(UsageError::OtherSlot { slot: Slot::CardAuthentication });
        }
        Ok(())
    }

    /// Curves and hashes of the whole path. The search has seen to RSA keys.
    fn strong_enough(&self, path: &Path<'_>) -> Result<(), Untrusted> {
        let root = (Role::Root, &path.root.certificate);
        let keys = path.links().map(|(role, certificate, _)| (role, certificate)).chain([root]);
        for (role, certificate) in keys {
            let (key, minimum_bits) = (certificate.key(), self.minimum_curve_bits);
            if key.curve_bits().is_some_and(|bits| bits < minimum_bits) {
                return Err(Untrusted::WeakCurve { certificate: certificate.id(role), key, minimum_bits });
            }
        }
        for (role, certificate, _) in path.links() {
            if certificate.hash_bits().is_none_or(|bits| bits < self.minimum_hash_bits) {
                let algorithm = certificate.signature_algorithm();
                return Err(Untrusted::SignatureAlgorithm { certificate: certificate.id(role), algorithm });
            }
        }
        Ok(())
    }

    fn lifetime(&self, card: &ParsedCertificate) -> Result<(), UsageError> {
        let (not_before, not_after) = card.validity();
        let lifetime = Duration::from_secs(not_after.saturating_sub(not_before));
        match self.maximum_validity {
            Some(most) if lifetime > most => {
                let days = |span: Duration| span.as_secs() / 86_400;
                Err(UsageError::Lifetime { days: days(lifetime), most: days(most) })
            }
            _ => Ok(()),
        }
    }

    fn issuer(&self, card: &ParsedCertificate) -> Result<Option<Check>, UsageError> {
        if self.issuers.is_empty() {
            return Ok(None);
        }
        let issuer = name_text(card.issuer());
        if !self.issuers.iter().any(|allowed| compare_names(allowed, card.issuer())) {
            return Err(UsageError::Issuer { issuer });
        }
        Ok(Some(Check::new(CheckName::Issuer, issuer)))
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
        if self.accept_any_extended_key_usage && stated.contains(&ANY_EXTENDED_KEY_USAGE) {
            return Ok(Check::new(CheckName::ExtendedKeyUsage, "anyExtendedKeyUsage".to_owned()));
        }
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

/// A certificate that is not for logging in may be known as another one of the card: that can be helped at once.
fn other_slot(error: UsageError, card: &ParsedCertificate) -> UsageError {
    Slot::of(card).map_or(error, |slot| UsageError::OtherSlot { slot })
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
