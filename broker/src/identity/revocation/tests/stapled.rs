//! OCSP responses that come along with a card.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::ocsp_by_hand::{Answer, Word, certificate_key_of};
use crate::identity::revocation::{
    Crl, GapCause, Gathered, IssuerOrder, OcspGap, OcspKey, Question, Remembered, RememberedAnswer,
    Revocation, RevocationStep,
};
use crate::identity::testing::{Authority, now, peer, revoked, trusting, validator};
use crate::identity::validator::Decision;
use crate::identity::{IdentityError, Settings, SettingsProblem, Validator};

const URL: &str = "http://ocsp.example/";

/// A card, and an order that names what comes along before a responder.
struct Scene {
    root: Authority,
    card: CertificateDer<'static>,
    validator: Validator,
    gathered: Gathered,
}

impl Scene {
    fn new(steps: &[RevocationStep]) -> Self {
        let root = Authority::root("Root");
        let mut order = IssuerOrder::new(None, steps.to_vec());
        order.alternate_ocsp = vec![URL.to_owned()];
        let settings = Settings {
            revocation: Revocation::Ordered { crls: Vec::new(), issuers: vec![order] },
            ..trusting(&[&root])
        };
        let mut scene =
            Self { card: root.card(), root, validator: validator(settings), gathered: Gathered::default() };
        scene.remembering(Remembered::default());
        scene
    }

    fn remembering(&mut self, remembered: Remembered) {
        self.gathered.remembered(certificate_key_of(&self.card, &self.root), remembered);
    }

    fn key(&self) -> OcspKey {
        OcspKey { certificate: certificate_key_of(&self.card, &self.root), url: URL.into() }
    }

    fn said(&self, word: Word) -> Vec<u8> {
        Answer::saying(word).encoded(&self.card, &self.root)
    }

    fn decide(&self, stapled: Vec<u8>) -> Decision {
        self.decide_at(stapled, now())
    }

    fn decide_at(&self, stapled: Vec<u8>, now: SystemTime) -> Decision {
        let peer = peer(&[&self.card]).stapling(vec![stapled]).expect("a small response");
        self.validator.decide(&peer, now, &self.gathered, &mut Vec::new())
    }

    /// Whether the responder is asked all the same.
    fn asks(&self, stapled: Vec<u8>) -> bool {
        let questions = self.decide(stapled).open_questions();
        matches!(&questions[..], [Question::Ocsp(question)] if question.key == self.key())
    }
}

const FIRST: [RevocationStep; 2] = [RevocationStep::Stapled, RevocationStep::AlternateOcsp];

#[test]
fn a_good_answer_that_came_along_is_the_evidence_where_the_order_names_it() {
    let scene = Scene::new(&FIRST);
    let identity = scene.decide(scene.said(Word::Good)).outcome.expect("good");
    assert!(!identity.revocation().is_degraded());
    let [certificate] = identity.revocation().certificates() else { panic!("one certificate") };
    let source = certificate.relied_on()[0].source.as_ref().expect("a source");
    assert_eq!(source.to_string(), "stapled");
    assert!(Scene::new(&FIRST[1..]).asks(scene.said(Word::Good)), "elsewhere it is not looked at");
}

#[test]
fn an_answer_that_came_along_is_judged_like_any_other() {
    let scene = Scene::new(&FIRST);
    let stranger = Authority::root("Root");
    let other = scene.root.card_with(|params| params.serial_number = Some(0x1002.into()));
    let ended = Answer { next_update: Some(b"20251231233000Z"), ..Answer::saying(Word::Good) };
    for useless in [
        Answer::saying(Word::Good).signed_by(&scene.card, &scene.root, &stranger),
        Answer::saying(Word::Good).encoded(&other, &scene.root),
        ended.encoded(&scene.card, &scene.root),
        vec![0x30, 0],
    ] {
        assert!(scene.asks(useless));
    }
    let late = scene.decide_at(scene.said(Word::Good), now() + Duration::from_secs(2 * 3600));
    assert!(late.outcome.is_err());
    let unknown = scene.decide(scene.said(Word::Unknown)).outcome;
    let Err(IdentityError::RevocationUnknown { gap, .. }) = unknown else { panic!("{unknown:?}") };
    assert!(
        matches!(&gap.cause, GapCause::Sources(gaps) if gaps[0].cause == OcspGap::Unknown.into()),
        "{gap}"
    );
}

#[test]
fn a_revocation_that_came_along_refuses_whatever_the_order_and_the_others_say() {
    for order in [&FIRST[..], &FIRST[1..]] {
        let mut scene = Scene::new(order);
        let good = Answer::saying(Word::Good).response(&scene.card, &scene.root);
        scene.gathered.answer(scene.key(), Ok(good));
        let outcome = scene.decide(scene.said(Word::Revoked)).outcome;
        assert!(matches!(outcome, Err(IdentityError::Revoked { .. })), "{order:?}");
    }
}

#[test]
fn a_good_answer_that_came_along_outweighs_no_revocation_that_is_at_hand_or_remembered() {
    let mut scene = Scene::new(&FIRST);
    let response = Answer::saying(Word::Revoked).response(&scene.card, &scene.root);
    scene.gathered.answer(scene.key(), Ok(Arc::clone(&response)));
    let outcome = scene.decide(scene.said(Word::Good)).outcome;
    assert!(matches!(outcome, Err(IdentityError::Revoked { .. })), "{outcome:?}");

    let mut scene = Scene::new(&FIRST);
    let response = Answer::saying(Word::Revoked).response(&scene.card, &scene.root);
    let answers = vec![RememberedAnswer { key: scene.key(), response }];
    scene.remembering(Remembered { answers, ..Remembered::default() });
    assert!(scene.asks(scene.said(Word::Good)), "it may have been on hold: the responder knows");

    let mut scene = Scene::new(&FIRST);
    let list = scene.root.crl_with(|crl| {
        crl.revoked_certs = vec![revoked(0x1001, rcgen::RevocationReason::KeyCompromise)];
    });
    let lists = vec![Arc::new(Crl::parse(&list).expect("a list"))];
    scene.remembering(Remembered { lists, ..Remembered::default() });
    assert!(scene.asks(scene.said(Word::Good)));
}

#[test]
fn an_order_that_knows_nothing_while_a_session_lives_is_refused() {
    let order = IssuerOrder::new(None, vec![RevocationStep::Stapled, RevocationStep::Cached]);
    let settings = Settings {
        revocation: Revocation::Ordered { crls: Vec::new(), issuers: vec![order] },
        ..trusting(&[&Authority::root("Root")])
    };
    let refused = Validator::new(settings, now()).expect_err("it names no source for later");
    let problems: Vec<String> = refused.problems().iter().map(SettingsProblem::to_string).collect();
    assert!(problems[0].contains("while the session lives"), "{problems:?}");
}
