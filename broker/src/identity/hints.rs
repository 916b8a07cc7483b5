//! The names of authorities that a CertificateRequest carries, by which a card's holder is shown the certificates that will do.
//!
//! Those that issue cards, and no others: a program that is given the name of a root offers every certificate below it, those
//! of machines and mail among them, and programs stop reading after some 200 names.

use std::collections::BTreeSet;

use certval::compare_names;
use der::Encode as _;
use x509_cert::name::Name;

use super::certificate::ParsedCertificate;
use super::path::Trust;

/// The names in DER, each once. Where `issuers` are configured, theirs; otherwise those of the configured authorities that
/// issued no other configured authority.
pub(super) fn names(trust: &Trust, issuers: &[Name]) -> Vec<Vec<u8>> {
    let authorities: Vec<&ParsedCertificate> =
        trust.authorities().filter(|authority| authority.is_ca()).collect();
    let mut seen = BTreeSet::new();
    let encoded = |name: &Name| name.to_der().ok();
    let names: Vec<Vec<u8>> = if issuers.is_empty() {
        let ends = authorities.iter().filter(|authority| !issued_another(authority.subject(), &authorities));
        ends.filter_map(|authority| encoded(authority.subject())).collect()
    } else {
        // In the encoding of the authority's own certificate where it is known: programs compare octets.
        let spelled = |issuer: &Name| {
            let known = authorities.iter().map(|authority| authority.subject());
            let same: Vec<_> = known.filter(|subject| compare_names(issuer, subject)).collect();
            if same.is_empty() { vec![encoded(issuer)] } else { same.into_iter().map(encoded).collect() }
        };
        issuers.iter().flat_map(spelled).flatten().collect()
    };
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Whether a name is the issuer of another configured authority. One that renewed its own key issued itself only.
fn issued_another(name: &Name, authorities: &[&ParsedCertificate]) -> bool {
    let is_below = |other: &&&ParsedCertificate| {
        compare_names(name, other.issuer()) && !compare_names(name, other.subject())
    };
    authorities.iter().any(|other| is_below(&other))
}
