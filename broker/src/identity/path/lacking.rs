//! Where the certificates of issuers are said to be that nobody has brought. No I/O.

use certval::compare_names;
use der::Decode as _;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::GeneralName;

use super::super::certificate::ParsedCertificate;
use super::{MAX_PATH, Trust};

const AUTHORITY_INFORMATION_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

impl Trust {
    /// The URLs at which the certificates above `card` name their issuers, as far as a path could lead: first those of
    /// certificates whose issuer is not at hand at all, then those whose issuer is known by name. `others` are hints from the
    /// peer. Signatures are not looked at, so that it costs nothing.
    pub(in crate::identity) fn lacking(
        &self,
        card: &ParsedCertificate,
        others: &[ParsedCertificate],
        most: usize,
    ) -> Vec<String> {
        let issues = |issuer: &ParsedCertificate, subject: &ParsedCertificate| {
            compare_names(issuer.subject(), subject.issuer())
        };
        let mut reached = vec![card];
        let (mut orphans, mut others_urls) = (Vec::new(), Vec::new());
        let mut place = 0;
        while let Some(subject) = reached.get(place).copied() {
            place = place.saturating_add(1);
            let mut at_hand = self.roots.iter().any(|root| issues(&root.certificate, subject));
            for issuer in others.iter().chain(&self.intermediates).filter(|issuer| issues(issuer, subject)) {
                at_hand = true;
                if reached.len() < MAX_PATH && !reached.iter().any(|known| known.der() == issuer.der()) {
                    reached.push(issuer);
                }
            }
            if at_hand { &mut others_urls } else { &mut orphans }.extend(ca_issuers(subject));
        }
        let mut urls: Vec<String> = Vec::new();
        for url in orphans.into_iter().chain(others_urls) {
            if urls.len() < most && !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }
}

/// The URLs of id-ad-caIssuers (RFC 5280 section 4.2.2.1); none where the extension cannot be read.
fn ca_issuers(certificate: &ParsedCertificate) -> Vec<String> {
    let mut extensions = certificate.extensions().iter();
    let Some(found) = extensions.find(|one| one.extn_id == AUTHORITY_INFORMATION_ACCESS) else {
        return Vec::new();
    };
    let access = AuthorityInfoAccessSyntax::from_der(found.extn_value.as_bytes()).map(|access| access.0);
    let issuers = access.unwrap_or_default().into_iter().filter(|one| one.access_method == CA_ISSUERS);
    let urls = issuers.filter_map(|one| match one.access_location {
        GeneralName::UniformResourceIdentifier(url) => Some(url.to_string()),
        _ => None,
    });
    urls.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::path::{PolicyInputs, Root};
    use crate::identity::testing::{Authority, access};

    #[test]
    fn the_urls_of_issuers_that_nobody_brought_come_first() {
        let root = Authority::root("Root");
        let middle = root.below_with("Middle", |params| access(params, "http://root/"));
        let issuing = middle.below_with("Issuing", |params| access(params, "http://middle/"));
        let card = issuing.card_with(|params| access(params, "http://issuing/"));
        let parse = |encoded: &[u8]| ParsedCertificate::parse(encoded).unwrap();
        let (card, issuing, middle) = (parse(&card), parse(&issuing.certificate), parse(&middle.certificate));
        let trust = |intermediates| {
            let roots = vec![Root::parse(&root.certificate).ok().unwrap()];
            Trust::new(roots, intermediates, PolicyInputs::default(), 2048)
        };
        assert_eq!(trust(Vec::new()).lacking(&card, &[], 4), ["http://issuing/"]);
        let with_issuing = trust(Vec::new()).lacking(&card, std::slice::from_ref(&issuing), 4);
        assert_eq!(with_issuing, ["http://middle/", "http://issuing/"]);
        assert_eq!(trust(vec![issuing.clone()]).lacking(&card, &[], 1), ["http://middle/"]);
        let all = trust(vec![issuing, middle]).lacking(&card, &[], 4);
        assert_eq!(all, ["http://issuing/", "http://middle/", "http://root/"]);
    }
}
