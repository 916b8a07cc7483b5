//! Who may sign a list for whom, and how much work it may cost to find out.

use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, RevocationReason};
use rustls_pki_types::CertificateDer;

use super::{Line, gap};
use crate::identity::revocation::GapCause;
use crate::identity::testing::{Authority, ca_params, now, peer, revoked, tlv, trusting, validator};
use crate::identity::{IdentityError, Revocation, ValidatedIdentity};

impl Line {
    /// The verdict with a good list of the root, these of others, and certificates that the peer sends along.
    fn with_hints(
        &self,
        crls: &[Vec<u8>],
        hints: &[&CertificateDer<'static>],
    ) -> Result<ValidatedIdentity, IdentityError> {
        let mut settings = trusting(&[&self.root]);
        settings.intermediates = vec![self.issuing.certificate.clone()];
        settings.revocation = Revocation::Crls([&[self.root.crl()], crls].concat());
        let card = self.issuing.card();
        let chain: Vec<&CertificateDer<'static>> =
            std::iter::once(&card).chain(hints.iter().copied()).collect();
        validator(settings).judge(&peer(&chain), now())
    }
}

/// Parameters of the issuing CA's name that may only sign lists.
fn list_signer() -> CertificateParams {
    let mut params = ca_params("Issuing");
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    params.serial_number = Some(0x3003.into());
    params
}

fn signer_of(parent: &Authority, params: CertificateParams) -> Authority {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    Authority { certificate: parent.sign(&params, &key), params, key }
}

#[test]
fn a_key_for_lists_that_the_parent_certified_signs_for_the_authority() {
    let line = Line::new();
    let signer = signer_of(&line.root, list_signer());
    assert!(line.with_hints(&[signer.crl()], &[&signer.certificate]).is_ok());
    let crl =
        signer.crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)]);
    let refused = line.with_hints(&[crl], &[&signer.certificate]).expect_err("revoked");
    assert!(matches!(refused, IdentityError::Revoked { .. }), "{refused}");
}

#[test]
fn a_key_for_lists_that_the_authority_itself_certified_needs_a_list_of_its_own_status() {
    let line = Line::new();
    let signer = signer_of(&line.issuing, list_signer());
    // Its own list is the only one that covers its certificate: the circle that every change of keys makes.
    assert!(line.with_hints(&[signer.crl()], &[&signer.certificate]).is_ok());
    let crl =
        signer.crl_with(|crl| crl.revoked_certs = vec![revoked(0x3003, RevocationReason::KeyCompromise)]);
    let cause = gap(line.with_hints(&[crl], &[&signer.certificate]));
    assert!(
        matches!(&cause, GapCause::Signer(error) if matches!(**error, IdentityError::Revoked { .. })),
        "{cause}"
    );
}

#[test]
fn a_subordinate_authority_that_takes_anothers_name_does_not_answer_for_it() {
    let line = Line::new();
    let subordinate = line.root.below("Subordinate");
    let impostor = signer_of(&subordinate, list_signer());
    let mut settings = trusting(&[&line.root]);
    settings.intermediates =
        vec![line.issuing.certificate.clone(), subordinate.certificate.clone(), impostor.certificate.clone()];
    settings.revocation = Revocation::Crls(vec![line.root.crl(), subordinate.crl(), impostor.crl()]);
    let refused = validator(settings).judge(&peer(&[&line.issuing.card()]), now());
    assert_eq!(gap(refused), GapCause::Signature);
}

#[test]
fn a_signer_that_has_ended_is_not_believed() {
    let line = Line::new();
    let mut params = list_signer();
    params.not_after = rcgen::date_time_ymd(2025, 6, 1);
    let signer = signer_of(&line.root, params);
    let cause = gap(line.with_hints(&[signer.crl()], &[&signer.certificate]));
    assert!(
        matches!(&cause, GapCause::Signer(error) if matches!(**error, IdentityError::Expired { .. })),
        "{cause}"
    );
}

#[test]
fn a_signer_without_crl_sign_is_not_believed() {
    let line = Line::new();
    let mut params = list_signer();
    let signs = signer_of(&line.root, params.clone());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = line.root.sign(&params, &signs.key);
    assert_eq!(gap(line.with_hints(&[signs.crl()], &[&certificate])), GapCause::CrlSign);
}

#[test]
fn keys_of_strangers_that_a_peer_sends_are_not_asked_about() {
    let line = Line::new();
    let crl = Authority::root("Issuing").crl();
    let strangers: Vec<Authority> = (0..8).map(|_| Authority::root("Issuing")).collect();
    let hints: Vec<&CertificateDer<'static>> = strangers.iter().map(|one| &one.certificate).collect();
    assert_eq!(gap(line.with_hints(&[crl], &hints)), GapCause::Signature);
}

#[test]
fn many_lists_of_many_signers_cost_bounded_work() {
    let line = Line::new();
    let crls: Vec<Vec<u8>> = (0..80).map(|_| Authority::root("Issuing").crl()).collect();
    assert_eq!(gap(line.with_hints(&crls, &[])), GapCause::WorkLimit);
}

/// A list of `authority` with these extensions of the list itself and of its one entry.
fn list(authority: &Authority, number: u64, revoked: &[(u64, RevocationReason)]) -> Vec<u8> {
    authority.crl_with(|crl| {
        crl.crl_number = number.into();
        crl.revoked_certs = revoked.iter().map(|(serial, reason)| super::revoked(*serial, *reason)).collect();
    })
}

/// Makes a list a delta of the one numbered `base`: the indicator is put before the other extensions and the list is
/// signed again.
fn delta(authority: &Authority, base: u8, complete: &[u8]) -> Vec<u8> {
    use rcgen::SigningKey as _;
    let element = |octets: &[u8]| {
        let (header, length) = match octets[1] {
            short @ 0..=0x7f => (2, usize::from(short)),
            0x81 => (3, usize::from(octets[2])),
            _ => (4, usize::from(u16::from_be_bytes([octets[2], octets[3]]))),
        };
        (header, header + length)
    };
    let (start, _) = element(complete);
    let (inner, end) = element(&complete[start..]);
    let signed = &complete[start + inner..start + end];
    let mut fields = Vec::new();
    let mut at = 0;
    while at < signed.len() {
        let (header, length) = element(&signed[at..]);
        let field = &signed[at..at + length];
        if field[0] == 0xa0 {
            let (list_header, _) = element(&field[header..]);
            let indicator = [0x30, 0x0d, 6, 3, 0x55, 0x1d, 27, 1, 1, 0xff, 4, 3, 2, 1, base];
            let list = tlv(0x30, &[&indicator, &field[header + list_header..]].concat());
            fields.extend(tlv(0xa0, &list));
        } else {
            fields.extend_from_slice(field);
        }
        at += length;
    }
    let signed = tlv(0x30, &fields);
    let signature = authority.key.sign(&signed).expect("a signature");
    let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    tlv(0x30, &[signed, algorithm.to_vec(), tlv(0x03, &[vec![0], signature].concat())].concat())
}

#[test]
fn what_a_delta_adds_and_takes_back_counts() {
    let line = Line::new();
    let (hold, removed) = (RevocationReason::CertificateHold, RevocationReason::RemoveFromCrl);
    let clean = list(&line.issuing, 7, &[]);
    let on_hold = list(&line.issuing, 7, &[(0x1001, hold)]);
    let adds = delta(&line.issuing, 5, &list(&line.issuing, 8, &[(0x1001, hold)]));
    let takes_back = delta(&line.issuing, 5, &list(&line.issuing, 8, &[(0x1001, removed)]));
    assert!(line.judge(vec![line.root.crl(), clean.clone()]).is_ok());
    let added = line.judge(vec![line.root.crl(), clean, adds]).expect_err("revoked");
    assert!(matches!(added, IdentityError::Revoked { .. }), "{added}");
    let identity = line.judge(vec![line.root.crl(), on_hold.clone(), takes_back]).expect("taken back");
    let evidence = identity.checks().last().expect("checks").evidence().to_owned();
    assert!(evidence.contains("the delta CRL of"), "{evidence}");
    assert!(line.judge(vec![line.root.crl(), on_hold]).is_err());
}

#[test]
fn a_delta_of_a_later_list_or_of_another_key_does_not_count() {
    let line = Line::new();
    let on_hold = list(&line.issuing, 7, &[(0x1001, RevocationReason::CertificateHold)]);
    let removed = [(0x1001, RevocationReason::RemoveFromCrl)];
    let of_a_later_list = delta(&line.issuing, 8, &list(&line.issuing, 9, &removed));
    let older = delta(&line.issuing, 5, &list(&line.issuing, 6, &removed));
    let rogue = delta(&Authority::root("Issuing"), 5, &list(&line.issuing, 8, &removed));
    for useless in [of_a_later_list, older, rogue] {
        let refused = line.judge(vec![line.root.crl(), on_hold.clone(), useless]).expect_err("held");
        assert!(matches!(refused, IdentityError::Revoked { .. }), "{refused}");
    }
}
