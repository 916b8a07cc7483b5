//! The judgement of one complete path by certval (RFC 5280 section 6.1, RFC 9618 for policies).
//!
//! Of certval only the path logic is used: signatures are verified by our own table, building and revocation
//! are our own, and its network, CRL and OCSP parts are not built or never called.

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, Error, PDVTrustAnchorChoice,
    PathValidationStatus, PkiEnvironment, enforce_trust_anchor_constraints, validate_path_rfc5280,
};
use der::asn1::BitString;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::super::certificate::{ParsedCertificate, timestamp};
use super::super::error::{IdentityError, PathRule, Role, Untrusted};
use super::super::now::Now;
use super::super::signature;
use super::{Path, Root, RootError};

/// certval's surroundings: one validator, one verifier of signatures, no source of anything else.
pub(super) fn environment() -> PkiEnvironment {
    let mut environment = PkiEnvironment::new();
    environment.clear_all_callbacks();
    environment.add_validate_path_callback(validate_path_rfc5280);
    environment.add_verify_signature_message_callback(verify_signature);
    environment
}

/// Prepares a root: its own path length, names and policies become inputs of every validation (RFC 5937).
pub(super) fn root(certificate: ParsedCertificate, encoded: &[u8]) -> Result<Root, RootError> {
    let anchor = PDVTrustAnchorChoice::try_from(encoded).map_err(|_| RootError::Constraints)?;
    let mut settings = CertificationPathSettings::new();
    // The search has chosen the root from the configured ones; certval need not look it up again.
    settings.set_require_ta_store(false);
    settings.set_enforce_trust_anchor_constraints(true);
    settings.set_enforce_trust_anchor_validity(true);
    let settings =
        enforce_trust_anchor_constraints(&settings, &anchor).map_err(|_| RootError::Constraints)?;
    Ok(Root { certificate, anchor, settings })
}

/// Validates a path at a time.
pub(super) fn path(environment: &PkiEnvironment, path: &Path<'_>, now: Now) -> Result<(), IdentityError> {
    let (card, issuers) = path.certificates.split_first().expect("a path holds at least the card");
    let mut settings = path.root.settings.clone();
    settings.set_time_of_interest(now.time_of_interest());
    let from_the_root_down = issuers.iter().rev().map(|issuer| issuer.for_validator().clone()).collect();
    let candidate =
        CertificationPath::new(path.root.anchor.clone(), from_the_root_down, card.for_validator().clone());
    let mut results = CertificationPathResults::new();
    match environment.validate_path(environment, &settings, &candidate, &mut results) {
        Ok(()) => Ok(()),
        Err(error) => Err(refusal(path, &results, error, now)),
    }
}

/// Says which certificate broke which rule. certval counts from the root, 0, down to the card.
fn refusal(path: &Path<'_>, results: &CertificationPathResults, error: Error, now: Now) -> IdentityError {
    let length = path.certificates.len();
    let from_root =
        results.get_failure_index().and_then(|index| usize::try_from(index).ok()).unwrap_or(length);
    let place =
        length.checked_sub(from_root).and_then(|place| path.certificates.get(place).map(|c| (place, *c)));
    let (role, certificate) = match place {
        Some((0, certificate)) => (Role::Card, certificate),
        Some((_, certificate)) => (Role::Intermediate, certificate),
        None => (Role::Root, &path.root.certificate),
    };
    let (not_before, not_after) = certificate.validity();
    let id = certificate.id(role);
    let Error::PathValidation(status) = error else {
        return Untrusted::Rule { certificate: id, rule: PathRule::Other }.into();
    };
    let broken = match status {
        PathValidationStatus::InvalidNotBeforeDate => {
            let (not_before, now) = (timestamp(not_before), now.timestamp());
            return IdentityError::NotYetValid { certificate: id, not_before, now };
        }
        PathValidationStatus::InvalidNotAfterDate => {
            let (not_after, now) = (timestamp(not_after), now.timestamp());
            return IdentityError::Expired { certificate: id, not_after, now };
        }
        PathValidationStatus::MissingBasicConstraints | PathValidationStatus::InvalidBasicConstraints => {
            PathRule::BasicConstraints
        }
        PathValidationStatus::InvalidPathLength => PathRule::PathLength,
        PathValidationStatus::InvalidKeyUsage => PathRule::KeyCertSign,
        PathValidationStatus::NameConstraintsViolation => PathRule::NameConstraints,
        PathValidationStatus::NullPolicySet | PathValidationStatus::InvalidPolicyMapping => PathRule::Policy,
        PathValidationStatus::UnprocessedCriticalExtension => {
            unknown_critical_extension(certificate, results)
        }
        PathValidationStatus::EncodingError => PathRule::Encoding,
        PathValidationStatus::ProcessingLimitExceeded => PathRule::Cost,
        _ => PathRule::Other,
    };
    Untrusted::Rule { certificate: id, rule: broken }.into()
}

fn unknown_critical_extension(
    certificate: &ParsedCertificate,
    results: &CertificationPathResults,
) -> PathRule {
    let processed = results.get_processed_extensions();
    let unknown = certificate
        .extensions()
        .iter()
        .find(|extension| extension.critical && !processed.contains(&extension.extn_id));
    unknown.map_or(PathRule::Other, |extension| PathRule::UnknownCriticalExtension {
        oid: extension.extn_id.to_string(),
    })
}

fn verify_signature(
    _: &PkiEnvironment,
    message: &[u8],
    signature: &BitString,
    algorithm: &AlgorithmIdentifierOwned,
    spki: &SubjectPublicKeyInfoOwned,
) -> certval::Result<()> {
    let refused = Error::PathValidation(PathValidationStatus::SignatureVerificationFailure);
    let octets = signature.as_bytes().ok_or(refused)?;
    signature::verify(message, octets, algorithm, spki).map_err(|_| refused)
}
