//! The order of sources that is declared for an issuer: what is asked, what degrades, what refuses.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CustomExtension, RevocationReason};

use super::ocsp_by_hand::{Answer, Word, certificate_key_of};
use crate::identity::fetch::FetchError;
use crate::identity::revocation::{
    Crl, GapCause, Gathered, IssuerOrder, OcspGap, OcspKey, OcspUnknown, Question, Remembered,
    RememberedAnswer, Revocation, RevocationStep, SourceFault,
};
use crate::identity::testing::{Authority, now, peer, revoked, tlv, trusting, validator};
use crate::identity::validator::Decision;
use crate::identity::{Basis, IdentityError, Validator};
use rustls_pki_types::CertificateDer;

const URL: &str = "http://ocsp.example/";
const OTHER: &str = "http://ocsp2.example/";
const LISTS: &str = "http://crl.example/root.crl";
const HOUR: Duration = Duration::from_secs(3600);

/// A root, a card that names a responder and a distribution point, and an order.
struct Scene {
    root: Authority,
    card: CertificateDer<'static>,
    validator: Validator,
}

fn order(steps: &[RevocationStep]) -> IssuerOrder {
    IssuerOrder::new(None, steps.to_vec())
}

fn extension(oid: &[u64], value: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(oid, value)
}

impl Scene {
    fn new(order: IssuerOrder) -> Self {
        Self::with_files(order, |_| Vec::new())
    }

    fn with_files(order: IssuerOrder, files: impl FnOnce(&Authority) -> Vec<Vec<u8>>) -> Self {
        let root = Authority::root("Root");
        let card = root.card_with(|params| {
            let access =
                tlv(0x30, &[tlv(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]), tlv(0x86, URL.as_bytes())].concat());
            let point = tlv(0x30, &tlv(0xa0, &tlv(0xa0, &tlv(0x86, LISTS.as_bytes()))));
            params.custom_extensions = vec![
                extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], tlv(0x30, &access)),
                extension(&[2, 5, 29, 31], tlv(0x30, &point)),
            ];
        });
        let mut settings = trusting(&[&root]);
        settings.revocation = Revocation::Ordered { crls: files(&root), issuers: vec![order] };
        Self { validator: validator(settings), root, card }
    }

    fn key(&self, url: &str) -> OcspKey {
        OcspKey { certificate: certificate_key_of(&self.card, &self.root), url: url.into() }
    }

    fn decide(&self, gathered: &Gathered) -> Decision {
        self.decide_at(gathered, now())
    }

    fn decide_at(&self, gathered: &Gathered, now: SystemTime) -> Decision {
        self.validator.decide(&peer(&[&self.card]), now, gathered, &mut Vec::new())
    }

    /// What was learnt: a word of the responder.
    fn told(&self, word: Word) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.answer(self.key(URL), Ok(Answer::saying(word).response(&self.card, &self.root)));
        gathered
    }

    fn silent() -> SourceFault {
        FetchError::Timeout.into()
    }

    /// The card's distribution point gave this list.
    fn fetched(gathered: &mut Gathered, list: &[u8]) {
        let list = Arc::new(Crl::parse(list).expect("a list"));
        gathered.lists(vec![vec![LISTS.to_owned()]], Ok(vec![list]));
    }
}

fn missing() -> SourceFault {
    crate::identity::ObtainError::NoPlace.into()
}

fn causes(
    outcome: Result<crate::identity::ValidatedIdentity, IdentityError>,
) -> Vec<(RevocationStep, GapCause)> {
    match outcome {
        Err(IdentityError::RevocationUnknown { gap, .. }) => match gap.cause {
            GapCause::Sources(gaps) => {
                gaps.into_iter().map(|gap| (gap.source_name.step, gap.cause)).collect()
            }
            other => panic!("not about sources: {other}"),
        },
        other => panic!("not about revocation: {other:?}"),
    }
}

#[test]
fn a_responder_that_was_not_asked_is_a_question_and_no_refusal() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Crl]));
    let mut decision = scene.decide(&Gathered::default());
    assert!(decision.outcome.is_err());
    let questions = decision.open_questions();
    assert!(
        matches!(&questions[..], [Question::Ocsp(question)] if question.key == scene.key(URL)),
        "{questions:?}"
    );
}

#[test]
fn a_good_answer_is_the_evidence_of_the_identity_with_its_age() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp]));
    let mut decision = scene.decide(&scene.told(Word::Good));
    assert!(decision.open_questions().is_empty());
    assert_eq!(decision.inquest.settled, [scene.key(URL)]);
    let identity = decision.outcome.expect("good");
    let evidence = identity.revocation();
    assert!(evidence.is_checked() && !evidence.is_degraded() && !evidence.is_something_unknown());
    assert_eq!(evidence.oldest_age(jiff::Timestamp::try_from(now()).unwrap()), Some(HOUR));
    let [certificate] = evidence.certificates() else { panic!("one certificate below the root") };
    assert_eq!(
        certificate.relied_on()[0].source.as_ref().and_then(|source| source.url.as_deref()),
        Some(URL)
    );
    assert!(evidence.to_string().contains("good by OCSP from 2025-12-31T23:00:00Z"), "{evidence}");
}

#[test]
fn a_revoked_card_is_refused_by_any_source_that_was_asked() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Crl]));
    let revoked_answer = scene.decide(&scene.told(Word::Revoked));
    assert!(matches!(revoked_answer.outcome, Err(IdentityError::Revoked { .. })));
    assert_eq!(revoked_answer.inquest.settled, [scene.key(URL)], "it is remembered in place of a good one");
    let list =
        scene.root.crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)]);
    let mut gathered = scene.told(Word::Good);
    Scene::fetched(&mut gathered, &list);
    let outcome = scene.decide(&gathered).outcome;
    assert!(matches!(outcome, Err(IdentityError::Revoked { .. })), "though the responder says good");
}

#[test]
fn a_list_of_the_files_revokes_though_the_responder_says_good() {
    let files = |root: &Authority| {
        vec![root.crl_with(|crl| crl.revoked_certs = vec![revoked(0x1001, RevocationReason::KeyCompromise)])]
    };
    let scene = Scene::with_files(order(&[RevocationStep::Ocsp, RevocationStep::Files]), files);
    let outcome = scene.decide(&scene.told(Word::Good)).outcome;
    assert!(matches!(outcome, Err(IdentityError::Revoked { .. })));
    let only_ocsp = Scene::with_files(order(&[RevocationStep::Ocsp]), files);
    assert!(only_ocsp.decide(&only_ocsp.told(Word::Good)).outcome.is_ok(), "files are not in its order");
}

#[test]
fn a_silent_responder_degrades_to_the_lists_and_the_evidence_says_so() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Crl]));
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Err(Scene::silent()));
    let questions = scene.decide(&gathered).open_questions();
    assert!(matches!(&questions[..], [Question::Lists(points)] if points == &[[LISTS]]), "{questions:?}");
    Scene::fetched(&mut gathered, &scene.root.crl());
    let identity = scene.decide(&gathered).outcome.expect("the list says good");
    assert!(identity.revocation().is_degraded());
    let [certificate] = identity.revocation().certificates() else { panic!("one certificate") };
    assert_eq!(certificate.passed_over[0].cause, Scene::silent().into());
    assert!(
        identity
            .revocation()
            .to_string()
            .contains("(degraded: ocsp http://ocsp.example/: no answer in time)")
    );
}

#[test]
fn where_no_source_can_say_the_refusal_names_each_with_its_reason() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Crl, RevocationStep::Cached]));
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Err(Scene::silent()));
    gathered.lists(vec![vec![LISTS.to_owned()]], Err(missing()));
    let questions = scene.decide(&gathered).open_questions();
    gathered.fail(questions, &SourceFault::Offline);
    let expected = [
        (RevocationStep::Ocsp, Scene::silent().into()),
        (RevocationStep::Crl, missing().into()),
        (RevocationStep::Cached, SourceFault::NothingRemembered.into()),
    ];
    assert_eq!(causes(scene.decide(&gathered).outcome), expected);
}

#[test]
fn unknown_refuses_at_once_unless_the_next_source_is_to_be_asked() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Crl]));
    let mut refused = scene.decide(&scene.told(Word::Unknown));
    assert!(refused.open_questions().is_empty(), "no other source is asked");
    assert_eq!(refused.inquest.settled, [scene.key(URL)]);
    assert_eq!(causes(refused.outcome), [(RevocationStep::Ocsp, OcspGap::Unknown.into())]);

    let mut lenient = order(&[RevocationStep::Ocsp, RevocationStep::Crl]);
    lenient.ocsp_unknown = OcspUnknown::NextSource;
    let scene = Scene::new(lenient);
    let mut decision = scene.decide(&scene.told(Word::Unknown));
    assert!(matches!(&decision.open_questions()[..], [Question::Lists(_)]));
}

#[test]
fn an_answer_of_a_stranger_or_one_that_has_ended_is_passed_over_and_not_kept() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp]));
    let rogue = Authority::root("Root");
    let forged = Answer::saying(Word::Good).signed_by(&scene.card, &scene.root, &rogue);
    let mut gathered = Gathered::default();
    let forged = crate::identity::revocation::OcspResponse::parse(&forged).expect("a response");
    gathered.answer(scene.key(URL), Ok(Arc::new(forged)));
    let decision = scene.decide(&gathered);
    assert!(decision.inquest.settled.is_empty());
    assert_eq!(causes(decision.outcome), [(RevocationStep::Ocsp, OcspGap::Responder.into())]);

    let late = scene.decide_at(&scene.told(Word::Good), now() + 2 * HOUR);
    assert!(late.inquest.settled.is_empty());
    assert!(matches!(
        causes(late.outcome)[..],
        [(RevocationStep::Ocsp, GapCause::Ocsp(OcspGap::Stale { .. }))]
    ));
}

#[test]
fn an_answer_about_another_certificate_is_passed_over() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp]));
    let other = scene.root.card_with(|params| params.serial_number = Some(0x1002.into()));
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Ok(Answer::saying(Word::Good).response(&other, &scene.root)));
    let decision = scene.decide(&gathered);
    assert_eq!(causes(decision.outcome), [(RevocationStep::Ocsp, OcspGap::OtherCertificate.into())]);
}

#[test]
fn a_responder_may_be_named_by_the_configuration_and_then_needs_no_certificate_of_the_issuer() {
    let rogue = Authority::root("Responder");
    let mut pinned = order(&[RevocationStep::Ocsp]);
    pinned.responders = vec![rogue.certificate.clone()];
    let scene = Scene::new(pinned);
    let encoded = Answer::saying(Word::Good).signed_by(&scene.card, &scene.root, &rogue);
    let response = crate::identity::revocation::OcspResponse::parse(&encoded).expect("a response");
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Ok(Arc::new(response)));
    assert!(scene.decide(&gathered).outcome.is_ok());
}

#[test]
fn alternate_responders_are_asked_after_those_of_the_certificate() {
    let mut both = order(&[RevocationStep::Ocsp, RevocationStep::AlternateOcsp]);
    both.alternate_ocsp = vec![OTHER.to_owned()];
    let scene = Scene::new(both);
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Err(Scene::silent()));
    let questions = scene.decide(&gathered).open_questions();
    assert!(matches!(&questions[..], [Question::Ocsp(question)] if question.key == scene.key(OTHER)));
    gathered.answer(scene.key(OTHER), Ok(Answer::saying(Word::Good).response(&scene.card, &scene.root)));
    assert!(scene.decide(&gathered).outcome.is_ok());
}

/// A decision when the responder is silent and this is remembered of it.
fn remembering(word: Word, this_update: &[u8; 15]) -> Decision {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Cached]));
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Err(Scene::silent()));
    let questions = scene.decide(&gathered).open_questions();
    assert!(matches!(&questions[..], [Question::Remembered(..)]), "{questions:?}");
    let answer = Answer { this_update, next_update: Some(this_update), ..Answer::saying(word) };
    let response = answer.response(&scene.card, &scene.root);
    let answers = vec![RememberedAnswer { key: scene.key(URL), response }];
    let remembered = Remembered { answers, ..Remembered::default() };
    gathered.remembered(certificate_key_of(&scene.card, &scene.root), remembered);
    scene.decide(&gathered)
}

#[test]
fn a_remembered_answer_counts_though_it_has_ended_until_it_is_too_old() {
    let identity = remembering(Word::Good, b"20251231203000Z").outcome.expect("three and a half hours old");
    assert!(identity.revocation().is_degraded());
    assert!(matches!(
        causes(remembering(Word::Good, b"20251231193000Z").outcome)[1],
        (RevocationStep::Cached, GapCause::Ocsp(OcspGap::TooOld { .. }))
    ));
}

#[test]
fn a_remembered_revocation_refuses_as_long_as_it_is_remembered() {
    let outcome = remembering(Word::Revoked, b"20251231203000Z").outcome;
    assert!(matches!(outcome, Err(IdentityError::Revoked { .. })));
}

#[test]
fn an_issuer_without_an_order_is_refused_and_its_own_order_comes_before_that_for_all() {
    let mut settings = trusting(&[&Authority::root("Other")]);
    let other = IssuerOrder::new(Some("CN=Other,O=Corp".to_owned()), vec![RevocationStep::Ocsp]);
    let scene = Scene::new(other);
    let outcome = scene.decide(&Gathered::default()).outcome;
    let Err(IdentityError::RevocationUnknown { gap, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(gap.cause, GapCause::NoOrder);
    let own = IssuerOrder::new(Some("CN=Root,O=Corp".to_owned()), vec![RevocationStep::Crl]);
    settings.revocation =
        Revocation::Ordered { crls: Vec::new(), issuers: vec![order(&[RevocationStep::Ocsp]), own] };
    settings.roots = vec![scene.root.certificate.clone()];
    let both = validator(settings);
    let mut decision = both.decide(&peer(&[&scene.card]), now(), &Gathered::default(), &mut Vec::new());
    assert!(matches!(&decision.open_questions()[..], [Question::Lists(_)]));
}

#[test]
fn fail_open_accepts_what_nobody_knows_and_says_so_but_never_what_is_revoked() {
    let open = || {
        let mut open = order(&[RevocationStep::Ocsp]);
        open.accept_unknown_revocation_status = true;
        Scene::new(open)
    };
    let scene = open();
    let mut gathered = Gathered::default();
    gathered.answer(scene.key(URL), Err(Scene::silent()));
    let identity = scene.decide(&gathered).outcome.expect("the configuration accepts it");
    assert!(identity.revocation().is_something_unknown() && identity.revocation().oldest().is_none());
    assert_eq!(identity.revocation().certificates()[0].basis, Basis::NothingKnown);
    let refused = scene.decide(&scene.told(Word::Revoked)).outcome;
    assert!(matches!(refused, Err(IdentityError::Revoked { .. })));
    assert!(scene.decide(&scene.told(Word::Unknown)).outcome.is_err(), "unknown is not silence");
}

#[test]
fn who_asks_nobody_is_told_that_nobody_was_asked() {
    let scene = Scene::new(order(&[RevocationStep::Ocsp, RevocationStep::Crl]));
    let outcome = scene.validator.judge(&peer(&[&scene.card]), now());
    let offline = || GapCause::from(SourceFault::Offline);
    assert_eq!(causes(outcome), [(RevocationStep::Ocsp, offline()), (RevocationStep::Crl, offline())]);
}
