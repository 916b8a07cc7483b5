//! The judgement of one complete path by certval (RFC 5280 section 6.1, RFC 9618 for policies).
//!
//! Of certval only the path logic is used: signatures are verified by the search that found the path, building and
//! revocation are our own, and its network, CRL and OCSP parts are not built or never called.

use std::collections::BTreeSet;

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, Error, ObjectIdentifierSet,
    PDVTrustAnchorChoice, PathValidationStatus, PkiEnvironment, enforce_trust_anchor_constraints,
    validate_path_rfc5280,
};
use der::asn1::{BitString, ObjectIdentifier};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::super::certificate::{ParsedCertificate, timestamp};
use super::super::error::{IdentityError, PathRule, Role, Untrusted};
use super::super::now::Now;
use super::{Path, PolicyInputs, Root, RootError};

const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
/// No certificate's: the arc of an ITU-T recommendation that does not exist.
const NO_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.0.0");

/// certval's surroundings: one validator, and no source of anything else.
pub(super) fn environment() -> PkiEnvironment {
    let mut environment = PkiEnvironment::new();
    environment.clear_all_callbacks();
    environment.add_validate_path_callback(validate_path_rfc5280);
    environment.add_verify_signature_message_callback(verified_by_the_search);
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

/// Validates a path at a time. Returns the policies that hold for all of it: those of the subject's own that every certificate
/// above allows, in the subject's words (the last row of valid_policy_tree, RFC 5280 section 6.1.5 g).
pub(super) fn path(
    environment: &PkiEnvironment,
    path: &Path<'_>,
    policies: &PolicyInputs,
    now: Now,
) -> Result<BTreeSet<ObjectIdentifier>, IdentityError> {
    let (card, issuers) = path.certificates.split_first().expect("a path holds at least the card");
    let mut settings = path.root.settings.clone();
    settings.set_time_of_interest(now.time_of_interest());
    demand(&mut settings, policies);
    let from_the_root_down = issuers.iter().rev().map(|issuer| issuer.for_validator().clone()).collect();
    let candidate =
        CertificationPath::new(path.root.anchor.clone(), from_the_root_down, card.for_validator().clone());
    let mut results = CertificationPathResults::new();
    match environment.validate_path(environment, &settings, &candidate, &mut results) {
        Ok(()) => Ok(policies_of(&results)),
        Err(error) => Err(refusal(path, &results, error, now)),
    }
}

fn policies_of(results: &CertificationPathResults) -> BTreeSet<ObjectIdentifier> {
    let rows = results.get_final_valid_policy_graph().unwrap_or_default();
    let valid = rows.last().into_iter().flatten().map(|node| node.valid_policy);
    valid.filter(|policy| *policy != ANY_POLICY).collect()
}

/// Adds what the configuration demands to what the root does; neither takes anything back from the other.
fn demand(settings: &mut CertificationPathSettings, policies: &PolicyInputs) {
    if policies.explicit {
        settings.set_initial_explicit_policy_indicator(true);
    }
    if policies.inhibit_mapping {
        settings.set_initial_policy_mapping_inhibit_indicator(true);
    }
    if policies.inhibit_any {
        settings.set_initial_inhibit_any_policy_indicator(true);
    }
    if policies.accepted.is_empty() {
        return;
    }
    let of_the_root = settings.get_initial_policy_set_as_oid_set();
    let any = |policies: &ObjectIdentifierSet| policies.is_empty() || policies.contains(&ANY_POLICY);
    let mut accepted: ObjectIdentifierSet = policies.accepted.iter().copied().collect();
    if any(&accepted) {
        accepted = of_the_root;
    } else if !any(&of_the_root) {
        accepted.retain(|policy| of_the_root.contains(policy));
        if accepted.is_empty() {
            // An empty set would mean any.
            accepted.insert(NO_POLICY);
        }
    }
    settings.set_initial_policy_set_from_oid_set(accepted);
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

/// Every signature of a [`Path`] was verified while it was found, over the octets as they came.
fn verified_by_the_search(
    _: &PkiEnvironment,
    _: &[u8],
    _: &BitString,
    _: &AlgorithmIdentifierOwned,
    _: &SubjectPublicKeyInfoOwned,
) -> certval::Result<()> {
    Ok(())
}
