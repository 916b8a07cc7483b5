//! What is said to be revoked by a signer of whom it is not known yet, or cannot be known, whether he is believed.

use std::sync::Arc;

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, RevocationReason};
use rustls_pki_types::CertificateDer;

use super::ocsp_by_hand::{Answer, Word, certificate_key_of};
use crate::identity::fetch::FetchError;
use crate::identity::revocation::{
    Crl, GapCause, Gathered, IssuerOrder, OcspKey, OcspResponse, Question, Revocation, RevocationStep,
};
use crate::identity::testing::{Authority, ca_params, now, peer, revoked, tlv, trusting, validator};
use crate::identity::validator::Decision;
use crate::identity::{IdentityError, Settings, ValidatedIdentity, Validator};

/// What the responder of the authority's own key is asked at, and the delegated one.
const OWN: &str = "http://ocsp.example/";
const DELEGATED: &str = "http://ocsp2.example/";
/// Where the list is that speaks of the delegated responder, or of the authority.
const LISTS: &str = "http://crl.example/root.crl";

/// cRLDistributionPoints with this URL.
fn point(url: &str) -> CustomExtension {
    let point = tlv(0x30, &tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes()))));
    CustomExtension::from_oid_content(&[2, 5, 29, 31], tlv(0x30, &point))
}

/// A responder that `issuer` certified, whose own status stands in a list at `LISTS`; serial 0x2002.
fn delegate(issuer: &Authority) -> Authority {
    let mut params = ca_params("Responder");
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    params.serial_number = Some(0x2002.into());
    params.custom_extensions = vec![point(LISTS)];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    Authority { certificate: issuer.sign(&params, &key), params, key }
}

/// A card, of which the authority's own responder says good and a delegated one that it is revoked.
struct Scene {
    root: Authority,
    card: CertificateDer<'static>,
    validator: Validator,
    gathered: Gathered,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut IssuerOrder)) -> Self {
        let root = Authority::root("Root");
        let delegate = delegate(&root);
        let card = root.card();
        let steps = vec![RevocationStep::AlternateOcsp, RevocationStep::Crl];
        let mut order = IssuerOrder::new(None, steps);
        order.alternate_ocsp = vec![OWN.to_owned(), DELEGATED.to_owned()];
        change(&mut order);
        let settings = Settings {
            revocation: Revocation::Ordered { crls: Vec::new(), issuers: vec![order] },
            ..trusting(&[&root])
        };
        let mut gathered = Gathered::default();
        let certificate = certificate_key_of(&card, &root);
        for (url, word, signer) in [(OWN, Word::Good, &root), (DELEGATED, Word::Revoked, &delegate)] {
            let key = OcspKey { certificate: Arc::clone(&certificate), url: url.into() };
            let answer = Answer { with_certificate: true, ..Answer::saying(word) };
            let encoded = answer.signed_by(&card, &root, signer);
            gathered.answer(key, Ok(Arc::new(OcspResponse::parse(&encoded).expect("a response"))));
        }
        Self { validator: validator(settings), root, card, gathered }
    }

    fn decide(&self) -> Decision {
        self.validator.decide(&peer(&[&self.card]), now(), &self.gathered, &mut Vec::new())
    }

    /// The list of the authority, that revokes these.
    fn list(mut self, serials: &[u64]) -> Self {
        let list = self.root.crl_with(|crl| {
            let revoked = |serial: &u64| revoked(*serial, RevocationReason::KeyCompromise);
            crl.revoked_certs = serials.iter().map(revoked).collect();
        });
        let list = Arc::new(Crl::parse(&list).expect("a list"));
        self.gathered.lists(vec![vec![LISTS.to_owned()]], Ok(vec![list]));
        self
    }

    fn silent(mut self) -> Self {
        self.gathered.lists(vec![vec![LISTS.to_owned()]], Err(FetchError::Timeout.into()));
        self
    }
}

fn is_revoked(outcome: &Result<ValidatedIdentity, IdentityError>) -> bool {
    matches!(outcome, Err(IdentityError::Revoked { .. }))
}

fn is_said_revoked(outcome: &Result<ValidatedIdentity, IdentityError>) -> bool {
    match outcome {
        Err(IdentityError::RevocationUnknown { gap, .. }) => match &gap.cause {
            GapCause::SaidRevoked(_) => true,
            GapCause::Sources(gaps) => gaps.iter().any(|gap| matches!(gap.cause, GapCause::SaidRevoked(_))),
            _ => false,
        },
        _ => false,
    }
}

#[test]
fn a_revocation_by_a_responder_of_open_status_is_settled_before_another_s_good_counts() {
    let scene = Scene::new();
    let mut decision = scene.decide();
    assert!(decision.outcome.is_err(), "accepted before the responder's status is known");
    let questions = decision.open_questions();
    assert!(matches!(&questions[..], [Question::Lists(points)] if points == &[[LISTS]]), "{questions:?}");
    assert!(is_revoked(&scene.list(&[]).decide().outcome), "the responder is believed");
}

#[test]
fn a_revocation_by_a_responder_that_is_revoked_itself_does_not_count() {
    let outcome = Scene::new().list(&[0x2002]).decide().outcome;
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_revocation_by_a_responder_of_whom_nobody_can_tell_refuses() {
    let mut decision = Scene::new().silent().decide();
    assert!(decision.open_questions().is_empty());
    assert!(is_said_revoked(&decision.outcome), "{:?}", decision.outcome);
}

#[test]
fn fail_open_does_not_cover_it() {
    let open = |order: &mut IssuerOrder| {
        order.accept_unknown_revocation_status = true;
        order.alternate_ocsp = vec![DELEGATED.to_owned()];
    };
    // Of the responder nothing is known either, and that counts as good there.
    assert!(is_revoked(&Scene::with(open).silent().decide().outcome));
}

#[test]
fn a_revocation_in_files_by_a_responder_of_whom_nobody_can_tell_refuses() {
    let root = Authority::root("Root");
    let delegate = delegate(&root);
    let card = root.card();
    let answer = |word, signer| {
        Answer { with_certificate: true, ..Answer::saying(word) }.signed_by(&card, &root, signer)
    };
    let verdict = |crls| {
        let ocsp = vec![answer(Word::Revoked, &delegate), answer(Word::Good, &root)];
        let settings =
            Settings { revocation: Revocation::Files { crls, ocsp, partial: false }, ..trusting(&[&root]) };
        validator(settings).judge(&peer(&[&card]), now())
    };
    let outcome = verdict(Vec::new());
    assert!(is_said_revoked(&outcome), "{outcome:?}");
    assert!(is_revoked(&verdict(vec![root.crl()])));
}

#[test]
fn a_list_that_revokes_by_a_key_of_whom_nobody_can_tell_outweighs_a_good_answer() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| {
        params.serial_number = Some(0x2002.into());
        params.custom_extensions = vec![point(LISTS)];
    });
    // A key for lists alone: its certificate names no list that speaks of it.
    let mut params = ca_params("Issuing");
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    params.serial_number = Some(0x3003.into());
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let signer = Authority { certificate: root.sign(&params, &key), params, key };
    let card = issuing.card();
    let file = |serials: &[u64]| {
        signer.crl_with(|crl| {
            let revoked = |serial: &u64| revoked(*serial, RevocationReason::KeyCompromise);
            crl.revoked_certs = serials.iter().map(revoked).collect();
        })
    };
    let verdict = |serials: &[u64]| {
        let mut own = IssuerOrder::new(
            Some("CN=Issuing,O=Corp".to_owned()),
            vec![RevocationStep::AlternateOcsp, RevocationStep::Files],
        );
        own.alternate_ocsp = vec![OWN.to_owned()];
        let above = IssuerOrder::new(None, vec![RevocationStep::Crl]);
        let settings = Settings {
            intermediates: vec![issuing.certificate.clone(), signer.certificate.clone()],
            revocation: Revocation::Ordered { crls: vec![file(serials)], issuers: vec![own, above] },
            ..trusting(&[&root])
        };
        let mut gathered = Gathered::default();
        let key = OcspKey { certificate: certificate_key_of(&card, &issuing), url: OWN.into() };
        gathered.answer(key, Ok(Answer::saying(Word::Good).response(&card, &issuing)));
        let list = Arc::new(Crl::parse(&root.crl()).expect("a list"));
        gathered.lists(vec![vec![LISTS.to_owned()]], Ok(vec![list]));
        validator(settings).decide(&peer(&[&card]), now(), &gathered, &mut Vec::new()).outcome
    };
    let outcome = verdict(&[0x1001]);
    assert!(is_said_revoked(&outcome), "{outcome:?}");
    assert!(verdict(&[0x1002]).is_ok(), "of another card");
}
